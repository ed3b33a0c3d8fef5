"""Passwords and one-time codes by themselves: published vectors, what is taken, what is kept."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import VermilionError
from registry.console import passwords, totp
from registry.console.totp import hotp, matching_step, step_of

SECRET = b"12345678901234567890"


@pytest.fixture(autouse=True, scope="module")
def cheap() -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "LOG_N", 5)
        patch.setattr(passwords, "P", 1)
        yield


def test_hotp_is_rfc_4226_s() -> None:
    wanted = "755224 287082 359152 969429 338314 254676 287922 162583 399871 520489"
    assert [hotp(SECRET, counter) for counter in range(10)] == wanted.split()


@pytest.mark.parametrize(
    ("at", "code"),
    [
        (59, "94287082"), (1111111109, "07081804"), (1111111111, "14050471"), (1234567890, "89005924"),
        (2000000000, "69279037"), (20000000000, "65353130"),
    ],
)  # fmt: skip
def test_totp_is_rfc_6238_s(at: int, code: str) -> None:
    now = datetime.fromtimestamp(at, UTC)
    assert hotp(SECRET, step_of(now), digits=8) == code
    assert matching_step(SECRET, code[2:], now, None) == step_of(now)


def test_a_code_is_of_now_one_step_off_at_most_and_later_than_the_last() -> None:
    now = datetime(2026, 11, 20, 2, 30, 0, tzinfo=UTC)
    step = step_of(now)
    for off, found in ((-2, None), (-1, step - 1), (0, step), (1, step + 1), (2, None)):
        assert matching_step(SECRET, hotp(SECRET, step + off), now, None) == found
    assert matching_step(SECRET, f" {hotp(SECRET, step)[:3]} {hotp(SECRET, step)[3:]}", now, step - 1) == step
    assert matching_step(SECRET, hotp(SECRET, step), now, step) is None
    assert matching_step(SECRET, hotp(SECRET, step - 1), now + timedelta(seconds=30), step) is None
    for nonsense in ("", "12345", "１２３４５６", "x" * 5000, "é\ud800"):
        assert matching_step(SECRET, nonsense, now, None) is None


def test_the_address_is_what_applications_read() -> None:
    assert totp.address(SECRET, "Vermilion", "zhang.san") == (
        "otpauth://totp/Vermilion%3Azhang.san?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
        "&issuer=Vermilion&digits=6&period=30"
    )


@pytest.mark.parametrize(
    ("password", "reason"),
    [
        ("elf chars 1", "password_short"),
        ("x" * 129 + "ab", "password_long"),
        ("é" * 1000, "password_long"),
        ("a" * 20, "password_common"),
        ("abcabcabcabc", "password_common"),
        ("abababababababab", "password_common"),
        ("123456789012", "password_common"),
        ("987654321098", "password_common"),
        ("qwertyuiopqwerty", "password_common"),
        ("Password-1234", "password_common"),
        ("WOAINI5201314", "password_common"),
        ("zhang.san2026", "password_common"),
        ("Vermilion-2026!", "password_common"),
        ("云溪省样本市样本市监管局", "password_common"),
    ],
)
def test_a_password_that_would_be_tried_first_is_refused(password: str, reason: str) -> None:
    with pytest.raises(VermilionError) as caught:
        passwords.require_good(password, ["zhang.san", "云溪省样本市", "样本市监管局"])
    assert caught.value.reason == reason


def test_any_other_password_is_taken_whatever_it_is_made_of() -> None:
    for good in (
        "correct horse battery",
        "云溪山水甲天下人人都知道",
        "               x y z",
        "aB3$" + "é" * 124,
    ):
        assert passwords.require_good(good) == passwords.normal(good)


def test_the_same_letters_however_composed_are_the_same_password() -> None:
    composed, apart = "café au lait, merci", "cafe\u0301 au lait, merci"
    kept = passwords.keep(composed, os.urandom)
    assert passwords.matches(apart, kept)
    assert not passwords.matches("cafe au lait, merci", kept)


def test_what_is_kept_has_a_salt_and_says_its_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = (passwords.keep("correct horse battery", os.urandom) for _ in range(2))
    assert first != second
    assert (len(first), first[:4]) == (52, bytes([1, 5, 8, 1]))
    monkeypatch.setattr(passwords, "LOG_N", 6)  # dearer from now on: what was kept before stays good
    assert passwords.matches("correct horse battery", first)


def test_nobody_s_password_costs_what_somebody_s_does(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int, int]] = []
    plain = hashlib.scrypt

    def counted(*arguments: Any, **cost: Any) -> bytes:
        asked.append((cost["n"], cost["r"], cost["p"]))
        return plain(*arguments, **cost)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    kept = passwords.keep("correct horse battery", os.urandom)
    assert not passwords.matches("wrong horse battery", kept)
    assert not passwords.matches("", None)
    assert len(asked) == 3
    assert len(set(asked)) == 1


@given(st.text(max_size=200))
def test_no_text_is_a_defect(text: str) -> None:
    assert passwords.matches(text, None) is False
    try:
        passwords.require_good(text)
    except VermilionError as error:
        assert error.reason.startswith("password_")
