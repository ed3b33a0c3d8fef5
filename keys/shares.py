"""n-of-m shares of a secret, as words (SLIP-39, by the reference implementation `shamir_mnemonic`).

The library is loaded when shares are made or joined, which only a ceremony does. Its words for what is wrong
begin with words of the share, and are never passed on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from keys.errors import Kind, VermilionError

if TYPE_CHECKING:
    from shamir_mnemonic import Share

SECRET_BYTES = 32
MAX_SHARES = 16  # SLIP-39
MAX_WORDS = 40  # 33 for a secret of 32 bytes


@dataclass(frozen=True, slots=True)
class Joined:
    """A secret, and how many of its shares it takes."""

    secret: bytes
    threshold: int


def split_secret(secret: bytes, threshold: int, total: int) -> list[str]:
    """`total` shares, any `threshold` of which give the secret back and fewer tell nothing of it.

    Raises VermilionError(INVALID, reason "shares") for numbers that make no sense: a single share of several
    would be the secret itself.
    """
    from shamir_mnemonic import generate_mnemonics

    require_scheme(threshold, total)
    (group,) = generate_mnemonics(1, [(threshold, total)], secret)
    return [str(share) for share in group]


def require_scheme(threshold: int, total: int) -> None:
    """Raises VermilionError(INVALID, reason "shares")."""
    if not 2 <= threshold <= total <= MAX_SHARES:
        _refuse(f"2 of 2 up to {MAX_SHARES} of {MAX_SHARES} shares open a root", "shares")


def join_shares(texts: Sequence[str]) -> Joined:
    """The secret of these shares, given in any order; one given twice counts once, and each must belong.

    Raises VermilionError(INVALID) with `reason` "share_wrong" (no share, or a word mistaken), "shares_mixed"
    (of different secrets) or "shares_insufficient".
    """
    shares = [_share(text, place) for place, text in enumerate(texts, 1)]
    if not shares:
        _refuse("no share was given", "shares_insufficient")
    if len({share.group_parameters() for share in shares}) != 1:
        _refuse("the shares are not of one set", "shares_mixed")
    distinct = {share.index: share for share in shares}
    if any(distinct[share.index].value != share.value for share in shares):
        _refuse("the shares are not of one set", "shares_mixed")
    threshold = shares[0].member_threshold
    if len(distinct) < threshold:
        _refuse(f"{threshold} different shares are needed, and {len(distinct)} given", "shares_insufficient")
    chosen = list(distinct.values())
    secrets = {_join(chosen[at : at + threshold]) for at in range(len(chosen) - threshold + 1)}
    if len(secrets) != 1:
        _refuse("the shares are not of one set", "shares_mixed")
    return Joined(secrets.pop(), threshold)


def _join(shares: Sequence[Share]) -> bytes:
    from shamir_mnemonic import MnemonicError, combine_mnemonics

    try:
        return bytes(combine_mnemonics([share.mnemonic() for share in shares]))
    except MnemonicError:
        _refuse("the shares do not belong together", "shares_mixed")


def _share(text: str, place: int) -> Share:
    from shamir_mnemonic import MnemonicError, Share

    words = text.split()
    try:
        if not 0 < len(words) <= MAX_WORDS:
            raise MnemonicError
        share = Share.from_mnemonic(" ".join(words).lower())
        if (share.group_index, share.group_threshold, share.group_count) != (0, 1, 1):
            raise MnemonicError
    except MnemonicError:
        _refuse(f"number {place} of those given is no share: a word may be mistaken", "share_wrong")
    return share


def _refuse(detail: str, reason: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason) from None
