"""A private key at rest: PKCS#8 under AES-256-GCM, its key from a passphrase by scrypt (RFC 7914)."""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from keys.canonical import canonical_json, strict_json
from keys.errors import Kind, VermilionError

FORMAT = "vermilion-key-1"
MAX_FILE_BYTES = 16 * 1024
SALT_BYTES = 16
NONCE_BYTES = 12
MAX_SALTS = 16  # kept stretched; a directory has one, or one a key where the files are old
MIN_N, MAX_N = 1 << 10, 1 << 20  # a key file may not make opening it free, nor exhaust the machine


@dataclass(frozen=True, slots=True)
class ScryptCost:
    """Cost of one guess. The default needs 128 MiB and about a third of a second."""

    n: int = 1 << 17
    r: int = 8
    p: int = 1

    def __post_init__(self) -> None:
        """Raises VermilionError(INVALID) for a cost that `open_envelope` would not take."""
        if not (
            all(type(v) is int for v in (self.n, self.r, self.p))
            and MIN_N <= self.n <= MAX_N
            and self.n & (self.n - 1) == 0
            and (self.r, self.p) == (8, 1)
        ):
            raise VermilionError(Kind.INVALID, "not a cost of scrypt that we use", reason="scrypt_cost")


class Passphrase:
    """A passphrase, and what it was stretched to: once for each salt. Safe between threads.

    What it closes takes the salt of what it opened or closed before, so that a directory is one stretching: a
    salt for each file would hold nobody up, since who guesses the passphrase of one file has that of all.
    """

    def __init__(self, secret: bytes, cost: ScryptCost = ScryptCost()) -> None:
        """`cost` is that of what is closed; what is opened says its own."""
        self.cost = cost
        self._secret = secret
        self._stretched: dict[tuple[bytes, ScryptCost], AESGCM] = {}
        self._salt: bytes | None = None  # of what was closed, or opened and found authentic, at our cost
        self._lock = threading.Lock()  # one at a time: each costs memory

    def to_close(self, random: Callable[[int], bytes]) -> tuple[bytes, AESGCM]:
        """A salt, and the key that stands behind it."""
        with self._lock:
            self._salt = self._salt or random(SALT_BYTES)
            return self._salt, self._key(self._salt, self.cost)

    def to_open(self, salt: bytes, cost: ScryptCost) -> AESGCM:
        """The key behind a file's salt."""
        with self._lock:
            return self._key(salt, cost)

    def opened(self, salt: bytes, cost: ScryptCost) -> None:
        """A file of this salt was authentic: what is closed from now on has it too."""
        with self._lock:
            if self._salt is None and cost == self.cost:
                self._salt = salt

    def _key(self, salt: bytes, cost: ScryptCost) -> AESGCM:
        key = self._stretched.get((salt, cost))
        if key is None:
            stretched = Scrypt(salt=salt, length=32, n=cost.n, r=cost.r, p=cost.p).derive(self._secret)
            key = self._stretched[salt, cost] = AESGCM(stretched)
            if len(self._stretched) > MAX_SALTS:
                del self._stretched[next(iter(self._stretched))]
        return key


def close_envelope(
    secret: bytes, binding: Mapping[str, str], passphrase: Passphrase, random: Callable[[int], bytes]
) -> bytes:
    """Encrypt `secret`; `binding` (id, purpose, suite, public key) stands in clear and is authenticated."""
    (salt, key), nonce, cost = passphrase.to_close(random), random(NONCE_BYTES), passphrase.cost
    header = {
        "format": FORMAT,
        "binding": dict(binding),
        "scrypt": {"n": cost.n, "r": cost.r, "p": cost.p, "salt": _encode(salt)},
        "nonce": _encode(nonce),
    }
    sealed = key.encrypt(nonce, secret, canonical_json(header))
    return canonical_json({**header, "sealed": _encode(sealed)})


def read_binding(data: bytes) -> dict[str, str]:
    """What the envelope says of itself, not yet authenticated. Raises VermilionError(MALFORMED)."""
    return dict(_parse(data)["binding"])


def open_envelope(data: bytes, passphrase: Passphrase) -> tuple[bytes, dict[str, str]]:
    """The secret and its authenticated binding.

    Raises VermilionError: MALFORMED for a file of another form, UNAUTHENTICATED for a wrong passphrase
    or an altered file (the two cannot be told apart).
    """
    envelope = _parse(data)
    sealed = _decode(envelope.pop("sealed"))
    salt, cost = _decode(envelope["scrypt"]["salt"]), _cost(envelope["scrypt"])
    key = passphrase.to_open(salt, cost)
    try:
        secret = key.decrypt(_decode(envelope["nonce"]), sealed, canonical_json(envelope))
    except InvalidTag:
        raise VermilionError(
            Kind.UNAUTHENTICATED, "wrong passphrase, or the key file was altered", reason="key_locked"
        ) from None
    passphrase.opened(salt, cost)
    return secret, dict(envelope["binding"])


def _parse(data: bytes) -> dict[str, Any]:
    value = strict_json(data, max_bytes=MAX_FILE_BYTES, max_depth=3)
    if not (
        isinstance(value, dict)
        and set(value) == {"format", "binding", "scrypt", "nonce", "sealed"}
        and value["format"] == FORMAT
        and isinstance(value["binding"], dict)
        and all(isinstance(v, str) for v in value["binding"].values())
        and isinstance(value["scrypt"], dict)
        and set(value["scrypt"]) == {"n", "r", "p", "salt"}
        and _cost(value["scrypt"])
        and canonical_json(value) == data  # one form: an altered byte is an altered file
        and len(_decode(value["scrypt"]["salt"])) == SALT_BYTES
        and len(_decode(value["nonce"])) == NONCE_BYTES
        and len(_decode(value["sealed"])) > NONCE_BYTES
    ):
        raise VermilionError(Kind.MALFORMED, "not a key file of ours")
    return value


def _cost(scrypt: Mapping[str, Any]) -> ScryptCost:
    try:
        return ScryptCost(scrypt["n"], scrypt["r"], scrypt["p"])
    except VermilionError:
        raise VermilionError(Kind.MALFORMED, "not a key file of ours") from None


def _encode(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _decode(text: object) -> bytes:
    try:
        data = base64.b64decode(text if isinstance(text, str) else "!", validate=True)
    except (binascii.Error, ValueError):
        data = b""
    if not data or _encode(data) != text:
        raise VermilionError(Kind.MALFORMED, "not a key file of ours")
    return data
