"""The attributes of a seal in the form of our documents: known by comparison, and right by the slow check."""

from __future__ import annotations

from hashlib import new as new_hash
from hashlib import sha256

import pytest

from keys import tbs
from keys.custodian import Kind
from keys.errors import VermilionError
from keys.seal_attributes import encode_seal_attributes, is_our_form
from keys.suite import SUITES, Suite

suites = pytest.mark.parametrize("suite", list(SUITES.values()), ids=list(SUITES))


def attributes(suite: Suite, seed: bytes = b"a document") -> bytes:
    digest = new_hash(suite.digest_name, seed).digest()
    return encode_seal_attributes(digest, sha256(b"certificate" + seed).digest(), suite)


@suites
def test_what_is_known_by_comparison_is_right_by_the_slow_check(
    suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(20):
        data = attributes(suite, bytes([number]))
        assert is_our_form(data, suite)
        with monkeypatch.context() as patch:
            patch.setattr(tbs, "is_our_form", lambda _data, _suite: False)
            tbs.check_tbs(Kind.SIGNED_ATTRIBUTES, data, suite)


@suites
def test_each_octet_that_is_fixed_is_compared(suite: Suite) -> None:
    data = attributes(suite)
    variable = {
        at
        for part in (
            new_hash(suite.digest_name, b"a document").digest(),
            sha256(b"certificatea document").digest(),
        )
        for at in range(data.index(part), data.index(part) + len(part))
    }
    for at in range(len(data)):
        altered = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        assert is_our_form(altered, suite) is (at in variable)
        if at not in variable:
            with pytest.raises(VermilionError):
                tbs.check_tbs(Kind.SIGNED_ATTRIBUTES, altered, suite)
    for other in (b"", data[:-1], data + b"\0"):
        assert not is_our_form(other, suite)
