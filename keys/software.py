"""The software custodian: key files in an encrypted envelope, key objects cached once unlocked.

A signing key's file is named `<id>.key`, a wrapping key's `<id>.wrapping`.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys.custodian import KeyRef, Policy, Purpose, SignRequest, require_suite
from keys.envelope import (
    MAX_FILE_BYTES,
    Passphrase,
    ScryptCost,
    close_envelope,
    open_envelope,
    read_binding,
)
from keys.errors import Kind, VermilionError
from keys.files import write_once
from keys.signing_order import SignAll, sign_in_order
from keys.suite import (
    SUITES,
    PrivateKey,
    PublicKey,
    SuiteName,
    generate_private_key,
    sign_with,
    suite_of,
)
from keys.wrapping import KEY_BYTES, Ledger, associated, not_wrapped_here, parts_of, recorded, wrap_with

DIRECTORY_MODE = 0o700
MIN_PASSPHRASE_BYTES = 16
WRAPPING = "wrapping"  # what a wrapping key's file says it is for; no purpose of a signing key is called so
_NAME = re.compile(r"[0-9a-f]{32}\.(key|wrapping)")


class SoftwareCustodian:
    """Keys in `directory` (mode 0700), one file (mode 0600) each. Safe between threads.

    The passphrase is kept in memory, for keys generated later; it and the private keys never leave.
    """

    def __init__(
        self,
        directory: Path,
        passphrase: bytes,
        *,
        policy: Policy,
        ledger: Ledger,
        cost: ScryptCost = ScryptCost(),  # noqa: B008  (frozen)
        random: Callable[[int], bytes] = secrets.token_bytes,
        on_unusable: Callable[[str, VermilionError], None] = lambda _key_id, _error: None,
    ) -> None:
        """`on_unusable` is told which key file does not open, and why: that is for who keeps the files, and
        a caller hears UNAVAILABLE alone.

        Raises VermilionError(INVALID) for a short passphrase or a directory others can enter.
        """
        if len(passphrase) < MIN_PASSPHRASE_BYTES:
            raise VermilionError(
                Kind.INVALID, f"a passphrase has at least {MIN_PASSPHRASE_BYTES} bytes", reason="passphrase"
            )
        directory.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        _require_private(directory.stat(), "key directory")
        self._directory = directory
        self._passphrase = Passphrase(passphrase, cost)
        self._policy = policy
        self._ledger = ledger
        self._random = random
        self._on_unusable = on_unusable
        self._keys: dict[str, tuple[KeyRef, PrivateKey]] = {}
        self._wrapping: dict[str, AESGCM] = {}
        self._lock = threading.Lock()

    def refs(self) -> list[KeyRef]:
        """Every key there is, ordered by id, from the files' clear headers: not authenticated before use."""
        names = sorted(path.stem for path in self._directory.glob("*.key"))
        refs = {name: _ref(read_binding(self._read(f"{name}.key"))) for name in names}
        if any(ref.id != name for name, ref in refs.items()):
            raise VermilionError(Kind.MALFORMED, "a key file is named for another key")
        return list(refs.values())

    def generate(self, purpose: Purpose, suite: SuiteName) -> KeyRef:
        """Make a key pair; its file is on disk, synced, when this returns."""
        require_suite(purpose, suite)
        private = generate_private_key(SUITES[suite])
        ref = KeyRef(self._random(16).hex(), purpose, suite)
        secret = private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        binding = {
            "id": ref.id,
            "purpose": purpose.value,
            "suite": suite,
            "public_key": _spki(private.public_key()).hex(),
        }
        data = close_envelope(secret, binding, self._passphrase, self._random)
        write_once(self._directory / f"{ref.id}.key", data)
        with self._lock:
            self._keys[ref.id] = (ref, private)
        return ref

    def public_key(self, ref: KeyRef) -> PublicKey:
        """See `keys.custodian.Custodian.public_key`."""
        return self._unlock(ref).public_key()

    def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        """See `keys.custodian.Custodian.sign`."""
        return sign_in_order(ref, requests, self._signer, policy=self._policy, ledger=self._ledger)

    def make_wrapping_key(self) -> str:
        """See `keys.wrapping.KeyWrapper`; the file is on disk, synced, when this returns."""
        key_id, secret = self._random(16).hex(), self._random(KEY_BYTES)
        data = close_envelope(secret, _wrapping(key_id), self._passphrase, self._random)
        write_once(self._directory / f"{key_id}.wrapping", data)
        with self._lock:
            self._wrapping[key_id] = AESGCM(secret)
        return key_id

    def wrap(self, key_id: str, data_key: bytes, record: str) -> bytes:
        """See `keys.wrapping.KeyWrapper`."""
        return wrap_with(self._wrapping_key(key_id).encrypt, data_key, record, self._random)

    def unwrap(self, key_id: str, wrapped: bytes, record: str) -> bytes:
        """See `keys.wrapping.KeyWrapper`."""
        (nonce, sealed), bound_to = parts_of(wrapped), associated(record)
        key = self._wrapping_key(key_id)
        with recorded(self._ledger, key_id, record, wrapped):
            try:
                return key.decrypt(nonce, sealed, bound_to)
            except InvalidTag:
                raise not_wrapped_here() from None

    def _wrapping_key(self, key_id: str) -> AESGCM:
        with self._lock:
            held = self._wrapping.get(key_id)
            if held is None:
                with self._told(key_id):
                    secret, binding = open_envelope(self._read(f"{key_id}.wrapping"), self._passphrase)
                    if binding != _wrapping(key_id) or len(secret) != KEY_BYTES:
                        raise VermilionError(Kind.MALFORMED, "the key file does not hold the key it names")
                held = self._wrapping[key_id] = AESGCM(secret)
        return held

    def _signer(self, ref: KeyRef) -> SignAll:
        private, suite = self._unlock(ref), SUITES[ref.suite]
        return lambda messages: [sign_with(private, suite, message) for message in messages]

    def _unlock(self, ref: KeyRef) -> PrivateKey:
        """The key object; its file is decrypted once a process."""
        held = self._keys.get(ref.id)
        if held is None:
            with self._lock:  # one at a time: each costs memory; keys already open do not wait for it
                held = self._keys.get(ref.id) or self._open(ref.id)
                self._keys[ref.id] = held
        if held[0] != ref:
            raise VermilionError(Kind.KEY_REFUSED, "the key was made for something else", reason="purpose")
        return held[1]

    def _open(self, key_id: str) -> tuple[KeyRef, PrivateKey]:
        with self._told(key_id):
            return self._load(key_id)

    @contextlib.contextmanager
    def _told(self, key_id: str) -> Iterator[None]:
        """A key that is named here is on record: that its file does not open is nobody's fault who asks."""
        try:
            yield
        except (VermilionError, MemoryError) as error:
            if isinstance(error, MemoryError):  # what stretching the passphrase takes
                error = VermilionError(Kind.UNAVAILABLE, "no memory to open the key", reason="memory")
            self._on_unusable(key_id, error)
            raise VermilionError(
                Kind.UNAVAILABLE, "a key of the registry cannot be used now", reason="key_unusable"
            ) from error

    def _load(self, key_id: str) -> tuple[KeyRef, PrivateKey]:
        secret, binding = open_envelope(self._read(f"{key_id}.key"), self._passphrase)
        ref = _ref(binding)
        private = serialization.load_der_private_key(secret, None)
        if (
            not isinstance(private, PrivateKey)
            or ref.id != key_id
            or suite_of(private.public_key()) is not SUITES[ref.suite]
            or binding.get("public_key") != _spki(private.public_key()).hex()
        ):
            raise VermilionError(Kind.MALFORMED, "the key file does not hold the key it names")
        return ref, private

    def _read(self, name: str) -> bytes:
        if not _NAME.fullmatch(name):
            raise VermilionError(Kind.NOT_FOUND, "there is no such key", reason="key_unknown")
        try:
            descriptor = os.open(self._directory / name, os.O_RDONLY | os.O_NOFOLLOW)
            with os.fdopen(descriptor, "rb") as file:
                _require_private(os.fstat(descriptor), "key file")
                return file.read(MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            raise VermilionError(Kind.NOT_FOUND, "there is no such key", reason="key_unknown") from None
        except OSError as error:
            raise VermilionError(
                Kind.UNAVAILABLE, "the key file cannot be read", reason="key_unreadable"
            ) from error


def close_anew(
    directory: Path,
    passphrase: bytes,
    target: Path,
    new_passphrase: bytes,
    *,
    cost: ScryptCost = ScryptCost(),  # noqa: B008  (frozen)
    random: Callable[[int], bytes] = secrets.token_bytes,
) -> int:
    """The key files of `directory` again, in the new directory `target`, under another passphrase; how many.
    Each was read back. The files that are there are not touched.

    Raises VermilionError: CONFLICT where `target` exists, UNAUTHENTICATED (`key_locked`) for a passphrase
    that does not open a file, INVALID for a short new one; OSError.
    """
    if len(new_passphrase) < MIN_PASSPHRASE_BYTES:
        raise VermilionError(
            Kind.INVALID, f"a passphrase has at least {MIN_PASSPHRASE_BYTES} bytes", reason="passphrase"
        )
    names = sorted(path.name for path in directory.iterdir() if _NAME.fullmatch(path.name))
    try:
        target.mkdir(mode=DIRECTORY_MODE)
    except FileExistsError:
        raise VermilionError(Kind.CONFLICT, f"{target.name} exists", reason="keys_directory") from None
    old, new = Passphrase(passphrase), Passphrase(new_passphrase, cost)
    for name in names:
        opened = open_envelope((directory / name).read_bytes()[: MAX_FILE_BYTES + 1], old)
        write_once(target / name, close_envelope(*opened, new, random))
        if open_envelope((target / name).read_bytes(), new) != opened:
            raise VermilionError(Kind.UNAVAILABLE, f"{name} does not read back", reason="keys_directory")
    return len(names)


def _ref(binding: dict[str, str]) -> KeyRef:
    try:
        suite = next(name for name in SUITES if name == binding["suite"])
        return KeyRef(binding["id"], Purpose(binding["purpose"]), suite)
    except (KeyError, ValueError, StopIteration):
        raise VermilionError(Kind.MALFORMED, "not a key file of ours") from None


def _wrapping(key_id: str) -> dict[str, str]:
    return {"id": key_id, "purpose": WRAPPING}


def _spki(public: PublicKey) -> bytes:
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _require_private(found: os.stat_result, what: str) -> None:
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise VermilionError(Kind.INVALID, f"the {what} is open to others", reason="permissions")
