"""What is told to whoever serves data: its example is checked by nothing but that page, RFC 9421 and an HMAC."""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from registry.intake.exchanged import query_json, read_answer
from registry.intake.signed_messages import Secret, sign_request, verify_answer
from tests.intake.test_http_connector import NOW, QUERY

PAGE = (Path(__file__).parents[2] / "docs" / "exchange.md").read_text("utf-8")
(SECRET,) = re.findall(r"by the secret `([^`]+)`", PAGE)


@dataclass(frozen=True)
class Message:
    first: str
    headers: dict[str, str]  # names in lower case
    body: bytes


def message(text: str) -> Message:
    head, _, body = text.strip().partition("\n\n")
    first, *lines = head.split("\n")
    return Message(
        first, {one.partition(": ")[0].lower(): one.partition(": ")[2] for one in lines}, body.encode()
    )


REQUEST, ANSWER = map(message, re.findall(r"```http\n(.*?)```", PAGE, re.DOTALL))


def base(about: Message, derived: dict[str, str], request: Message | None = None) -> bytes:
    """The signature base of RFC 9421, 2.5, from what the message itself says that it covers."""
    _, _, parameters = about.headers["signature-input"].partition("=")
    lines = []
    for name, of in re.findall(r'"([^"]+)"(;req)?', parameters.partition(")")[0]):
        headers = request.headers if of and request is not None else about.headers
        lines.append(f'"{name}"{of}: {derived[name] if name[0] == "@" else headers[name]}')
    return "\n".join([*lines, f'"@signature-params": {parameters}']).encode()


def mac(signed: bytes) -> str:
    return base64.b64encode(hmac.digest(SECRET.encode(), signed, "sha256")).decode()


def test_the_example_s_digests_and_signatures_are_right() -> None:
    url = f"https://{REQUEST.headers['host']}{REQUEST.first.split(' ')[1]}"
    for one, signed in (
        (REQUEST, base(REQUEST, {"@method": "POST", "@target-uri": url})),
        (ANSWER, base(ANSWER, {"@status": ANSWER.first.split(" ")[1]}, REQUEST)),
    ):
        digest = base64.b64encode(sha256(one.body).digest()).decode()
        assert one.headers["content-digest"] == f"sha-256=:{digest}:"
        assert one.headers["signature"] == f"vermilion=:{mac(signed)}:"


def test_the_example_is_what_is_sent_and_believed() -> None:
    secret, body = Secret("yunxi-1", SECRET.encode()), query_json(QUERY)
    assert REQUEST.body == body
    sent = sign_request(secret, "https://exchange.example/api/queries", body, "application/json", NOW)
    assert {name.lower(): value for name, value in sent.items()}.items() <= REQUEST.headers.items()
    verify_answer(secret, 200, ANSWER.headers, ANSWER.body, REQUEST.headers["content-digest"], NOW)
    answer = read_answer(ANSWER.body, QUERY, reference=QUERY.reference)
    assert answer is not None
    assert set(answer.fields) == {"name"}
