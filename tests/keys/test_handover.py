"""Statements between archives have one form each, and everything else is refused with the one typed error."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.base64url import b64url
from keys.errors import Kind, VermilionError
from keys.handover import (
    LIST_TYPE,
    MAX_PIECES,
    MAX_REASON,
    RECEIPT_TYPE,
    Archive,
    Listed,
    Piece,
    Receipt,
    list_input,
    read_input,
    read_list,
    read_receipt,
    receipt_input,
)
from keys.jws import signing_input
from keys.suite import P256, P384
from tests.authority import TestAuthority

AT = datetime(2026, 11, 20, 3, 4, 5, tzinfo=UTC)
SENDER, RECEIVER = Archive("12990000MB01090029", "样本省市场监督管理局"), Archive("A-1", "样本省档案馆")
LISTED = Listed("0a" * 16, SENDER, RECEIVER, AT, 2, "0b" * 32)
RECEIPT = Receipt(
    "0a" * 16,
    "0b" * 32,
    RECEIVER,
    AT,
    (Piece("档号-1", "0c" * 16, "0d" * 32), Piece("档号-2", "0e" * 16, "0f" * 32, "natures: 文件与目录不符")),
)


def refused(call: Callable[[], object]) -> str | None:
    with pytest.raises(VermilionError) as caught:
        call()
    assert caught.value.kind is Kind.INVALID
    return caught.value.reason


def test_what_is_laid_out_is_read(authority: TestAuthority) -> None:
    chain = [authority.seal]
    assert read_input(list_input(LISTED, P256, chain), P256) == LISTED
    assert read_input(receipt_input(RECEIPT, P256, chain), P256) == RECEIPT
    for other in (receipt_input(RECEIPT, P384, chain), list_input(LISTED, P384, chain)):
        assert refused(lambda: read_input(other, P256)) == "malformed"  # noqa: B023


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2}, {"v": True}, {"v": None}, {"handover": "0A" * 16}, {"handover": "0a"}, {"list_sha256": "0b" * 31},
        {"to": {"code": "A-1"}}, {"to": "A-1"}, {"to": {"code": "A-1", "name": "x", "more": "y"}},
        {"to": {"code": " A", "name": "x"}}, {"to": {"code": "A", "name": "x\n"}}, {"to": {"code": "A", "name": ""}},
        {"received_at": "2026-11-20T03:04:05+00:00"}, {"received_at": "2026-13-20T03:04:05Z"}, {"received_at": 1},
        {"packages": []}, {"packages": {}}, {"packages": [1]}, {"more": 1},
        {"packages": [{"number": "1", "package": "0c" * 16, "sha256": "0d" * 32, "outcome": "perhaps"}]},
        {"packages": [{"number": "1", "package": "0c" * 16, "sha256": "0d" * 32, "outcome": "refused"}]},
        {"packages": [{"number": "1", "package": "0c" * 16, "sha256": "0d" * 32, "outcome": "accepted", "reason": "x"}]},
        {"packages": [{"number": "1", "package": "0c" * 16, "sha256": "0d" * 32, "outcome": "refused", "reason": "x" * (MAX_REASON + 1)}]},
        {"packages": [{"number": "1", "package": "0c" * 16, "sha256": "0d" * 32, "outcome": "accepted"}] * (MAX_PIECES + 1)},
    ],
)  # fmt: skip
def test_a_receipt_of_another_form_is_none(authority: TestAuthority, change: dict[str, Any]) -> None:
    body = {
        "v": 1, "handover": "0a" * 16, "list_sha256": "0b" * 32, "to": {"code": "A-1", "name": "样本省档案馆"},
        "received_at": "2026-11-20T03:04:05Z",
        "packages": [{"number": "1", "package": "0c" * 16, "sha256": "0d" * 32, "outcome": "accepted"}],
    }  # fmt: skip
    good = signing_input(RECEIPT_TYPE, P256, [authority.seal], body)
    assert isinstance(read_input(good, P256), Receipt)
    assert refused(
        lambda: read_input(signing_input(RECEIPT_TYPE, P256, [authority.seal], body | change), P256)
    )


@pytest.mark.parametrize("missing", ["v", "handover", "from", "to", "made_at", "packages", "list_sha256"])
def test_a_list_lacks_nothing(authority: TestAuthority, missing: str) -> None:
    body = {
        "v": 1, "handover": "0a" * 16, "list_sha256": "0b" * 32, "packages": 1, "made_at": "2026-11-20T03:04:05Z",
        "from": {"code": "1", "name": "一"}, "to": {"code": "2", "name": "二"},
    }  # fmt: skip
    whole = signing_input(LIST_TYPE, P256, [authority.seal], body)
    assert isinstance(read_input(whole, P256), Listed)
    del body[missing]
    assert refused(lambda: read_input(signing_input(LIST_TYPE, P256, [authority.seal], body), P256))
    assert refused(lambda: read_input(whole.replace(b".", b"", 1), P256)) == "malformed"


def test_members_in_another_order_are_another_form(authority: TestAuthority) -> None:
    header, _, _ = list_input(LISTED, P256, [authority.seal]).partition(b".")
    loose = b'{"v":1, "handover":"' + b"0a" * 16 + b'"}'
    assert refused(lambda: read_input(header + b"." + b64url(loose).encode(), P256)) == "malformed"


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_refused(data: bytes) -> None:
    for read in (
        lambda: read_input(data, P256),
        lambda: read_list(data, {}),
        lambda: read_receipt(data, {}),
        lambda: read_list(data + b"." + data + b"." + data, {}),
    ):
        assert refused(read) == "malformed"


def test_too_much_is_not_read() -> None:
    assert refused(lambda: read_receipt(b"a" * (5 * 1024 * 1024), {})) == "malformed"
