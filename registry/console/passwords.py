"""Passwords: which are taken, and how they are kept and compared (NIST SP 800-63B-4, 3.1.1).

Kept as `0x01 | log2 n | r | p | salt (16) | scrypt (32)`, so that old ones stay good when the cost is raised.
"""

from __future__ import annotations

import hashlib
import hmac
import unicodedata
from collections.abc import Callable, Iterable
from pathlib import Path

from keys.errors import field_fault
from registry.body_slots import BodySlots

MIN_LENGTH = 12  # characters, after normalisation
MAX_LENGTH = 128
MAX_TYPED = 1024  # what is looked at at all; a character may take several code points
LOG_N, R, P = 15, 8, 3  # 32 MiB and about a quarter of a second
SALT_BYTES = 16
HASH_BYTES = 32
LONGEST_PATTERN = 4  # characters that a password may not merely repeat
_VERSION = 1
_HEADER = 4
_BLOCKED = frozenset(
    line
    for line in (Path(__file__).parent / "blocked.txt").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
)
_ROWS = ("01234567890123456789", "abcdefghijklmnopqrstuvwxyz", "qwertyuiop", "asdfghjkl", "zxcvbnm")

_slots = BodySlots(2)
"""Stretchings at once: each takes one of a process's few threads, its processor and 32 MiB."""


def normal(password: str) -> str:
    """The text that is stretched: however a keyboard composes it, it is the same (NFC)."""
    return unicodedata.normalize("NFC", password[:MAX_TYPED])


def require_good(password: str, about: Iterable[str] = ()) -> str:
    """The normalised password. `about`: words that it may not consist of, such as the account's name.

    Raises VermilionError(INVALID): `password_short`, `password_long`, `password_common`.
    """
    text = normal(password)
    if len(text) < MIN_LENGTH:
        raise field_fault("/password", "password_short", f"a password has at least {MIN_LENGTH} characters")
    if len(text) > MAX_LENGTH or len(password) > MAX_TYPED:
        raise field_fault("/password", "password_long", f"a password has at most {MAX_LENGTH} characters")
    if _is_common(text, about):
        detail = "this password is among the first that somebody would try"
        raise field_fault("/password", "password_common", detail)
    return text


def keep(password: str, random: Callable[[int], bytes]) -> bytes:
    """What is stored of a password that was taken. Raises VermilionError(UNAVAILABLE, `busy`)."""
    header = bytes([_VERSION, LOG_N, R, P])
    salt = random(SALT_BYTES)
    return header + salt + _stretch(normal(password), salt, LOG_N, R, P)


def matches(password: str, kept: bytes | None) -> bool:
    """Whether it is the password that was kept; False, for the same cost, where there is none.

    Raises VermilionError(UNAVAILABLE, `busy`).
    """
    verifier = kept if kept is not None else bytes([_VERSION, LOG_N, R, P]) + bytes(SALT_BYTES + HASH_BYTES)
    log_n, r, p = verifier[1:_HEADER]
    salt, known = verifier[_HEADER : _HEADER + SALT_BYTES], verifier[_HEADER + SALT_BYTES :]
    return hmac.compare_digest(_stretch(normal(password), salt, log_n, r, p), known) and kept is not None


def _stretch(text: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    n = 1 << log_n
    data = text.encode("utf-8", "surrogatepass")  # a lone surrogate is nobody's password, and no defect
    with _slots.one():
        return hashlib.scrypt(data, salt=salt, n=n, r=r, p=p, maxmem=256 * n * r, dklen=HASH_BYTES)


def _is_common(text: str, about: Iterable[str]) -> bool:
    """On the list, one short piece again and again, a run of keys, or nothing but what is known anyway."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    letters = "".join(c for c in plain if c.isalnum())
    if plain in _BLOCKED or letters in _BLOCKED or len(set(plain)) < 4:
        return True
    if any(plain == (plain[:n] * len(plain))[: len(plain)] for n in range(1, LONGEST_PATTERN + 1)):
        return True
    if any(_is_run(letters, row) or _is_run(letters, row[::-1]) for row in _ROWS):
        return True
    rest = letters
    for word in sorted({w.casefold() for w in about if len(w) >= 3}, key=len, reverse=True):
        rest = rest.replace("".join(c for c in word if c.isalnum()), "")
    for word in ("vermilion", "password", "licence", "license", "registry", "console", "admin"):
        rest = rest.replace(word, "")
    return len(rest) < MIN_LENGTH // 2 and rest != letters


def _is_run(letters: str, row: str) -> bool:
    """Whether it is keys of a row one after another, begun again at most at the row's end."""
    return len(letters) >= MIN_LENGTH and letters in row * 4
