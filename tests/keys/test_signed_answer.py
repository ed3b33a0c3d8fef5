"""The one form of a signed answer: what is laid out is read, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from keys.base64url import b64url
from keys.canonical import canonical_json
from keys.custodian import Kind
from keys.errors import VermilionError
from keys.signed_answer import Content, read_input, take_apart
from keys.suite import P256, P384
from keys.tbs import check_tbs
from tests.keys.tbs_samples import AT, signed_answer

HEADER = {"alg": "ES256", "kid": "01" * 8, "typ": "verification-answer+jwt"}
PAYLOAD: dict[str, Any] = {
    "iss": "http://localhost:8801", "iat": int(AT.timestamp()), "jti": "0" * 32, "aud": "0" * 32,
    "answers": [{"verdict": "valid"}],
}  # fmt: skip


def laid_out(header: object, payload: object) -> bytes:
    return f"{b64url(canonical_json(header))}.{b64url(canonical_json(payload))}".encode()


def refused(data: bytes) -> str:
    with pytest.raises(VermilionError) as caught:
        read_input(data, P256)
    with pytest.raises(VermilionError) as unsigned:
        check_tbs(Kind.SIGNED_ANSWER, data, P256)
    assert unsigned.value.reason == "not_to_be_signed"
    return caught.value.reason


def test_what_is_laid_out_is_read() -> None:
    assert signed_answer() == laid_out(HEADER, PAYLOAD)
    content = Content(PAYLOAD["iss"], AT, "0" * 32, "0" * 32, None, ({"verdict": "valid"},))
    assert read_input(signed_answer(), P256).content == content
    named = read_input(signed_answer(request_reference="loan 4711"), P256).content
    assert named == replace(content, request_reference="loan 4711")
    check_tbs(Kind.SIGNED_ANSWER, signed_answer(), P256)
    with pytest.raises(VermilionError):
        check_tbs(Kind.SIGNED_ANSWER, signed_answer(), P384)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": 5}, {"iat": "now"}, {"iat": -1}, {"iat": True}, {"iat": 253402300800}, {"jti": "0"}, {"jti": "G" * 32},
        {"aud": None}, {"answers": []}, {"answers": [1]}, {"answers": {}}, {"answers": [{}] * 1001},
        {"ref": ""}, {"ref": " x"}, {"ref": "a\nb"}, {"ref": "x" * 121}, {"ref": None}, {"exp": 5},
    ],
)  # fmt: skip
def test_other_claims_are_refused(changes: dict[str, Any]) -> None:
    assert refused(laid_out(HEADER, PAYLOAD | changes)) == "signed_answer"


@pytest.mark.parametrize("missing", PAYLOAD)
def test_each_claim_is_there(missing: str) -> None:
    assert refused(laid_out(HEADER, {name: PAYLOAD[name] for name in PAYLOAD if name != missing}))


@pytest.mark.parametrize(
    "changes", [{"alg": "none"}, {"alg": "ES384"}, {"kid": "x"}, {"kid": None}, {"typ": "JWT"}, {"crit": ["b64"]}]
)  # fmt: skip
def test_other_headers_are_refused(changes: dict[str, Any]) -> None:
    assert refused(laid_out(HEADER | changes, PAYLOAD)) == "signed_answer"


def test_another_spelling_is_refused() -> None:
    spaced = b64url(json.dumps(PAYLOAD).encode())
    header, payload = laid_out(HEADER, PAYLOAD).split(b".")
    for data in (
        header + b"." + spaced.encode(), header + b"=." + payload, b"." + payload, header + b".", header, b"",
        header + b"." + payload + b".", laid_out([], PAYLOAD), laid_out(HEADER, []),
    ):  # fmt: skip
        assert refused(data) == "signed_answer"


def test_a_token_has_three_parts_and_an_end() -> None:
    for data in (b"a.b", b"a.b.c.d", b"\xff.\xff.\xff", b"x" * (8 * 1024 * 1024 + 1)):
        with pytest.raises(VermilionError) as caught:
            take_apart(data)
        assert caught.value.reason == "signed_answer"
