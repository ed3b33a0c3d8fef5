"""Shares of a root's passphrase: enough of them open it, fewer tell nothing, and none of another set helps."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shamir_mnemonic import combine_mnemonics

from keys.errors import Kind, VermilionError
from keys.shares import MAX_SHARES, SECRET_BYTES, join_shares, split_secret

SECRET = bytes(range(SECRET_BYTES))


def refusal(*shares: str) -> str:
    with pytest.raises(VermilionError) as caught:
        join_shares(shares)
    assert caught.value.kind is Kind.INVALID
    assert not set(caught.value.detail.split()) & {word for share in shares for word in share.split()[4:]}
    return caught.value.reason


@pytest.mark.parametrize(("threshold", "total"), [(2, 2), (2, 3), (3, 5)])
def test_every_set_of_enough_shares_opens_and_every_smaller_one_does_not(threshold: int, total: int) -> None:
    shares = split_secret(SECRET, threshold, total)
    assert len(shares) == total
    for size in range(1, total + 1):
        for chosen in combinations(shares, size):
            if size >= threshold:
                joined = join_shares(chosen)
                assert (joined.secret, joined.threshold) == (SECRET, threshold)
            else:
                assert refusal(*chosen) == "shares_insufficient"


def test_the_reference_implementation_joins_them_too() -> None:
    shares = split_secret(SECRET, 2, 3)
    assert combine_mnemonics(shares[1:]) == SECRET


def test_a_share_may_be_given_twice_in_any_order_and_with_any_spaces() -> None:
    first, second, third = split_secret(SECRET, 3, 3)
    spaced = f"  {third.upper().replace(' ', '   ')} "
    assert join_shares([second, spaced, first, second]).secret == SECRET


def test_shares_of_another_set_or_with_a_mistaken_word_are_refused() -> None:
    shares, others = split_secret(SECRET, 2, 3), split_secret(SECRET, 2, 3)
    assert refusal(shares[0], others[1]) == "shares_mixed"
    words = shares[0].split()
    words[10] = "academic" if words[10] != "academic" else "acid"
    assert refusal(" ".join(words), shares[1]) == "share_wrong"
    for wrong in ("", "academic " * 50, "no such words here", shares[0].rsplit(" ", 1)[0]):
        assert refusal(wrong, shares[1]) == "share_wrong"
    assert refusal() == "shares_insufficient"


@pytest.mark.parametrize(("threshold", "total"), [(1, 1), (1, 3), (3, 2), (0, 2), (2, MAX_SHARES + 1)])
def test_schemes_that_make_no_sense_are_refused(threshold: int, total: int) -> None:
    with pytest.raises(VermilionError) as caught:
        split_secret(SECRET, threshold, total)
    assert caught.value.reason == "shares"


@settings(max_examples=20, deadline=None)
@given(text=st.text(max_size=300))
def test_any_text_is_a_share_or_refused(text: str) -> None:
    with pytest.raises(VermilionError):
        join_shares([text])
