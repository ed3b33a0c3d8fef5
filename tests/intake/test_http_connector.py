"""A source over HTTP that lies, breaks and hangs: nothing of it is believed that is not signed for the question."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.canonical import canonical_json
from keys.errors import Kind, VermilionError
from registry.intake import signed_messages
from registry.intake.connectors import Acknowledged, Query, Wrong
from registry.intake.exchanged import MAX_ANSWER, read_answer
from registry.intake.http_connector import HttpConnector
from registry.intake.signed_messages import Secret, content_digest, sign_request, verify_answer
from registry.outside_addresses import Networks, networks
from registry.outside_http import UnreachedError
from tests.intake.exchanging import AS_OF, SECRET, Source, send, source, told

NOW = datetime(2026, 11, 20, 1, 2, 3, tzinfo=UTC)
LOOPBACK = networks("127.0.0.0/8")
QUERY = Query(
    reference="0" * 31 + "1",
    data_set="business-registration",
    purpose="核验主体资格",
    legal_basis="《样本办法》第八条",
    agency="11990100MB01010556",
    matter="99013100100011990100MB01010556",
    case_number="202611200000000001",
    material="business_licence",
    holder_type="001",
    holder_code="91990100MA1000017A",
)
WRONG = Wrong(
    reference="0" * 31 + "2",
    data_set="business-registration",
    agency="11990100MB01010556",
    retrieval=QUERY.reference,
    answer_sha256="0" * 64,
    field="name",
    told="旧名",
    right="新名",
    legal_basis="《样本办法》第九条",
    reason_code="sample",
)
FIELDS = {"name": "样本市云水间餐饮管理有限公司", "scope": ["热食类食品制售", "冷食类食品制售"]}


@pytest.fixture
def platform() -> Iterator[Source]:
    with source(lambda: NOW) as made:
        made.reply = lambda _path, asked: told(asked, FIELDS)
        yield made


def asking(platform: Source, *, permitted: Networks = LOOPBACK, **more: Any) -> HttpConnector:
    values: dict[str, Any] = {"timeout": 5.0, **more}
    return HttpConnector(platform.url, SECRET, permitted, lambda: NOW, **values)


def refusal(connector: HttpConnector) -> VermilionError:
    with pytest.raises(VermilionError) as error:
        connector.retrieve(QUERY)
    return error.value


def by(platform: Source, act: Callable[[BaseHTTPRequestHandler, bytes, str], None]) -> None:
    """Have the source answer by hand: the handler, the right body and the request's digest."""

    def reply(_path: str, asked: dict[str, Any]) -> Callable[[BaseHTTPRequestHandler], None]:
        body = canonical_json(told(asked, FIELDS))
        digest = content_digest(canonical_json(asked))
        return lambda handler: act(handler, body, digest)

    platform.reply = reply


def test_a_question_is_signed_and_its_answer_believed(platform: Source) -> None:
    answer = asking(platform).retrieve(QUERY)
    assert answer is not None
    assert answer.fields == {"name": FIELDS["name"], "scope": tuple(FIELDS["scope"])}
    assert answer.as_of == datetime.fromisoformat(AS_OF)
    (asked,), (headers,) = platform.asked, platform.headers
    assert platform.paths == ["/exchange/queries"]
    assert (asked["purpose"], asked["case_number"]) == (QUERY.purpose, QUERY.case_number)
    assert asked["holder"] == {"type": "001", "code": QUERY.holder_code}
    body = canonical_json(asked)
    right = sign_request(SECRET, f"{platform.url}/queries", body, "application/json", NOW)
    assert {name.lower(): value for name, value in right.items()}.items() <= headers.items()
    assert QUERY.holder_code not in str(platform.paths) + str(headers)


def test_a_source_that_has_nothing_says_so_itself(platform: Source) -> None:
    platform.reply = lambda _path, asked: told(asked, None)
    assert asking(platform).retrieve(QUERY) is None


def test_an_error_is_told_until_it_is_acknowledged(platform: Source) -> None:
    answers = iter(
        [{"state": "pending"}, {"state": "acknowledged", "name": "HX-2026-0042"}, {"state": "acknowledged"}]
    )
    platform.reply = lambda _path, asked: {"reference": asked["reference"], **next(answers)}
    connector = asking(platform)
    assert connector.report(WRONG) is None
    assert connector.report(WRONG) == Acknowledged("HX-2026-0042")
    with pytest.raises(VermilionError) as error:
        connector.report(WRONG)
    assert error.value.reason == "answer_form"
    assert platform.paths == ["/exchange/corrections"] * 3
    assert {(one["told"], one["right"], one["field"]) for one in platform.asked} == {("旧名", "新名", "name")}


def test_what_is_not_signed_right_is_not_believed(platform: Source) -> None:
    connector = asking(platform)
    other = Secret(SECRET.key_id, b"another secret that nobody has: 00")
    cases: list[tuple[Callable[[BaseHTTPRequestHandler, bytes, str], None], str]] = [
        (lambda h, b, d: send(h, replace(platform, secret=other), b, d), "answer_signature"),
        (
            lambda h, b, d: send(h, replace(platform, secret=Secret("x", SECRET.value)), b, d),
            "answer_signature",
        ),
        (lambda h, b, d: send(h, platform, b, d, Signature=None), "answer_signature"),
        (lambda h, b, d: send(h, platform, b, d, Signature="vermilion=:AAAA:"), "answer_signature"),
        (lambda h, b, d: send(h, platform, b, d, Signature_Input="vermilion=()"), "answer_signature"),
        (lambda h, b, _d: send(h, platform, b, content_digest(b"another")), "answer_signature"),
        (lambda h, b, d: send(h, replace(platform, clock=_late), b, d), "answer_signature"),
        (lambda h, b, d: send(h, platform, b, d, Content_Digest=content_digest(b"x")), "answer_digest"),
        (lambda h, b, d: send(h, platform, b, d, Content_Digest=None), "answer_digest"),
        (lambda h, b, d: send(h, platform, b, d, Content_Type="text/html"), "answer_form"),
        (lambda h, b, d: send(h, platform, b, d, 404), "answer_status"),
        (lambda h, b, d: send(h, platform, b, d, 302, Location="http://127.0.0.1:1/"), "answer_status"),
        (lambda h, b, d: send(h, platform, b, d, 500), "answer_status"),
    ]
    for act, reason in cases:
        by(platform, act)
        found = refusal(connector)
        assert (found.kind, found.reason) == (Kind.UNAVAILABLE, reason)
    assert len(platform.asked) == len(cases)  # no redirect was followed, nothing asked twice


def _late() -> datetime:
    return NOW - timedelta(minutes=6)


def test_an_answer_is_to_this_question(platform: Source) -> None:
    """Signed by whoever may, and of the right form: but about something else."""
    wrong: tuple[dict[str, Any], ...] = (
        {"reference": "0" * 32}, {"data_set": "other"}, {"holder": {"type": "001", "code": "X"}},
        {"result": "none"}, {"result": "maybe"}, {"fields": {}}, {"fields": {"Name": "x"}}, {"more": 1},
        {"fields": {"name": 1}}, {"fields": {"name": "x\u202e"}}, {"fields": {"name": ""}}, {"as_of": "today"},
        {"fields": {"name": ["x"] * 101}}, {"fields": {"name": [["x"]]}}, {"as_of": "2026-02-30T00:00:00Z"},
        {"fields": {f"f{number}": "x" for number in range(101)}}, {"fields": {"name": "x" * 2001}},
    )  # fmt: skip
    for changes in wrong:
        platform.reply = partial(_changed, changes)
        assert refusal(asking(platform)).reason == "answer_form", changes


def _changed(changes: dict[str, Any], _path: str, asked: dict[str, Any]) -> dict[str, Any]:
    return {**told(asked, FIELDS), **changes}


def test_a_huge_answer_and_a_nested_one_are_cut_off(platform: Source) -> None:
    by(platform, lambda h, _b, d: send(h, platform, b"[" * (MAX_ANSWER + 1), d))
    assert refusal(asking(platform)).reason == "answer_size"
    by(platform, lambda h, _b, d: send(h, platform, b"[" * 1000 + b"]" * 1000, d))
    assert refusal(asking(platform)).reason == "answer_form"


def test_a_source_that_hangs_or_trickles_is_left(platform: Source) -> None:
    def hang(_handler: BaseHTTPRequestHandler, _body: bytes, _digest: str) -> None:
        platform.stop.wait(10)

    def trickle(handler: BaseHTTPRequestHandler, _body: bytes, _digest: str) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        while not platform.stop.wait(0.1):
            handler.wfile.write(b" ")
            handler.wfile.flush()

    def short(handler: BaseHTTPRequestHandler, body: bytes, digest: str) -> None:
        send(handler, platform, body, digest, Content_Length=str(len(body) + 1))

    for act in (hang, trickle, short):
        by(platform, act)
        found = refusal(asking(platform, timeout=0.5))
        assert isinstance(found, UnreachedError), act
        assert found.reason == "no_answer"


def test_only_addresses_that_an_operator_permits_are_called(platform: Source) -> None:
    found = refusal(asking(platform, permitted=()))
    assert (found.kind, found.reason) == (Kind.FORBIDDEN, "address_refused")
    found = refusal(asking(platform, permitted=networks("10.0.0.0/8")))
    assert found.reason == "address_refused"
    inside = asking(platform, permitted=(), lookup=lambda _host, _port: ["127.0.0.1"])
    assert refusal(inside).reason == "address_refused"
    assert platform.asked == []


def test_a_certificate_that_is_not_the_host_s_is_no_answer(platform: Source) -> None:
    connector = HttpConnector(
        f"https://127.0.0.1:{platform.port}/exchange", SECRET, LOOPBACK, lambda: NOW,
        timeout=5.0, tls=ssl.create_default_context(),
    )  # fmt: skip
    assert isinstance(refusal(connector), UnreachedError)


def test_signatures_are_those_of_rfc_9421() -> None:
    """The example of its appendix B.2.5, which other implementations make as well."""
    secret = base64.b64decode(
        "uzvJfB4u3N0Jy4T7NZ75MDVcr8zSTInedJtkgcu46YW4XByzNJjxBdtjUkdJPBtbmHhIDi6pcl8jsasjlTMtDQ=="
    )
    covered = (
        ('"date"', "Tue, 20 Apr 2021 02:07:55 GMT"),
        ('"@authority"', "example.com"),
        ('"content-type"', "application/json"),
    )
    parameters = '("date" "@authority" "content-type");created=1618884473;keyid="test-shared-secret"'
    made = signed_messages._mac(Secret("test-shared-secret", secret), covered, parameters)
    assert made == "pxcQw6G3AjtMBQjwo8XzkZf/bws5LelbaMk5rGIGtE8="


@given(st.sampled_from(("content-digest", "signature", "signature-input", "content-type")), st.data())
def test_no_header_can_be_changed(name: str, data: st.DataObject) -> None:
    body, asked = b'{"a":1}', content_digest(b"asked")
    signed = signed_messages.sign_answer(SECRET, 200, body, "application/json", asked, NOW)
    headers = {header.lower(): value for header, value in signed.items()}
    verify_answer(SECRET, 200, headers, body, asked, NOW)
    changed = data.draw(st.text(max_size=200).filter(lambda text: text != headers[name]))
    place = data.draw(st.integers(0, len(headers[name]) - 1))
    spliced = headers[name][:place] + changed[:1] + headers[name][place + 1 :]
    for value in {changed, spliced} - {headers[name]}:
        with pytest.raises(VermilionError):
            verify_answer(SECRET, 200, {**headers, name: value}, body, asked, NOW)


@given(st.binary(max_size=300) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=10,
).map(canonical_json))  # fmt: skip
def test_nothing_but_an_answer_is_one(raw: bytes) -> None:
    with pytest.raises(VermilionError) as error:
        read_answer(raw, QUERY, reference=QUERY.reference)
    assert (error.value.kind, error.value.reason) == (Kind.UNAVAILABLE, "answer_form")
