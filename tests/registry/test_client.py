"""The HTTP client: whatever the other side answers and a credential file holds, only expected errors come out."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey

from keys.errors import Kind, VermilionError
from registry import client
from registry.client import Answer, ApiClient, Credential, call, new_person_key
from tests.answering import answering, http

PRIVATE, PUBLIC = new_person_key()
WHOLE: dict[str, Any] = {
    "api": "http://localhost:1",
    "client_id": "0" * 32,
    "client_key": PRIVATE,
    "client_secret": None,
    "person_id": "1" * 32,
    "person_key": PRIVATE,
}
TEXT = st.text(max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
DEEP = b"[" * 200_000
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


# --- what is answered ---------------------------------------------------------------------------------


@given(body=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_a_body_is_an_object_or_refused(body: bytes) -> None:
    try:
        value = Answer(200, {}, body).json()
    except VermilionError as error:
        assert error.kind is Kind.MALFORMED
    else:
        assert value == json.loads(body)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (DEEP, Kind.MALFORMED),
        (b'{"a":' * 100_000, Kind.MALFORMED),
        (b'{"a":1,"a":2}', Kind.MALFORMED),
        (b'{"a":NaN}', Kind.MALFORMED),
        (b'{"a":"' + b"x" * client.MAX_JSON + b'"}', Kind.TOO_LARGE),
    ],
    ids=["lists", "objects", "repeated", "no number", "long"],
)
def test_a_body_is_bounded_and_sound(body: bytes, kind: Kind) -> None:
    with pytest.raises(VermilionError) as caught:
        Answer(200, {}, body).json()
    assert caught.value.kind is kind


def test_a_size_in_millimetres_is_read() -> None:
    assert Answer(200, {}, b'{"width_mm": 40.5}').json() == {"width_mm": 40.5}


PROBLEM = st.fixed_dictionaries(
    {},
    optional={
        "detail": JSON,
        "title": JSON,
        "reason": JSON,
        "errors": JSON | st.lists(st.fixed_dictionaries({"pointer": JSON, "detail": JSON})),
    },
)


@given(problem=PROBLEM | JSON)
def test_the_words_of_a_problem_are_lines_a_terminal_can_be_shown(problem: object) -> None:
    answer = Answer(422, {"content-type": "application/problem+json"}, json.dumps(problem).encode())
    with pytest.raises(VermilionError) as caught:
        answer.expect(200)
    assert caught.value.reason.isprintable()
    assert all(line.isprintable() for line in caught.value.detail.split("\n"))


def test_a_problems_faults_are_told_by_their_pointers() -> None:
    faults = [{"pointer": "/fields/x", "detail": "no"}, "\x1b[2J", {"pointer": 5}]
    body = json.dumps({"detail": "two faults", "reason": "fields", "errors": faults}).encode()
    with pytest.raises(VermilionError) as caught:
        Answer(422, {"content-type": "application/problem+json"}, body).expect(200, 201)
    assert caught.value.detail == "422: two faults\n  /fields/x: no\n  : "
    assert caught.value.reason == "fields"


BROKEN = {
    "nothing": b"",
    "no HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a status that is none": b"HTTP/1.1 abc OK\r\n\r\n",
    "a status cut": b"HTTP/1.1 20",
    "a header without end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    "a thousand headers": b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 1000 + b"\r\n",
    "a body cut": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}",
    "no body at all": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n",
    "a problem cut": b"HTTP/1.1 422 No\r\nContent-Length: 100\r\n\r\n{",
    "a chunk cut": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\n{}",
    "a chunk's size that is none": b"HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
}


@pytest.mark.parametrize("what", BROKEN)
def test_no_whole_answer_is_no_answer(what: str) -> None:
    with answering(BROKEN[what]) as address, pytest.raises(VermilionError) as caught:
        call("POST", address, body=b"{}")
    assert caught.value.kind is Kind.UNAVAILABLE


def test_an_answer_without_end_is_not_read_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "MAX_ANSWER", 1000)
    with answering(http(b"x" * 1000)) as address:
        assert len(call("GET", address).body) == 1000
    with answering(http(b"x" * 1001)) as address, pytest.raises(VermilionError) as caught:
        call("GET", address)
    assert caught.value.kind is Kind.TOO_LARGE


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"
    with answering(moved) as address:
        assert call("GET", address).status == 302


@pytest.mark.parametrize(
    "address",
    [
        "http://",
        "http://[",
        "http://localhost:99999",
        "http://localhost:x",
        "http://a b",
        "http://localhost/\n",
        "http://localhost/\u2028",
        "http://\ud800",
        "http://" + "a" * 300,
    ],
    ids=ascii,
)
def test_an_address_that_leads_nowhere(address: str) -> None:
    with pytest.raises(VermilionError) as caught:
        call("GET", address)
    assert caught.value.kind is Kind.UNAVAILABLE


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://localhost", "localhost"])
def test_only_http_is_asked(address: str) -> None:
    with pytest.raises(VermilionError) as caught:
        call("GET", address)
    assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"access_token": "a"},
        {"access_token": ["a"], "expires_in": 60},
        {"access_token": "a\r\nX-Other: b", "expires_in": 60},
        {"access_token": "", "expires_in": 60},
        {"access_token": "a", "expires_in": "60"},
    ],
    ids=str,
)
def test_an_answer_that_holds_no_token(answer: dict[str, Any]) -> None:
    with answering(http(json.dumps(answer).encode())) as address:
        api = ApiClient(Credential(address, "x", PRIVATE))
        with pytest.raises(VermilionError) as caught:
            api.get("/")
    assert caught.value.kind is Kind.MALFORMED


def test_a_refused_token_is_told_in_words_that_can_be_shown() -> None:
    for error, words in (("invalid_client", "invalid_client"), ("\x1b[31m", "http_401"), ([], "http_401")):
        body = http(json.dumps({"error": error}).encode(), "401 Unauthorized")
        with answering(body) as address, pytest.raises(VermilionError) as caught:
            ApiClient(Credential(address, "x", PRIVATE)).get("/")
        assert (caught.value.kind, caught.value.reason) == (Kind.UNAUTHENTICATED, words)


# --- what a credential file holds -----------------------------------------------------------------------


def load(folder: Path, content: bytes) -> Credential:
    path = folder / "credential.json"
    path.write_bytes(content)
    return Credential.load(path)


def refused(folder: Path, content: bytes) -> str:
    """The words of the refusal, which hold none of the content."""
    with pytest.raises(VermilionError) as caught:
        load(folder, content)
    assert caught.value.kind is Kind.INVALID
    assert caught.value.detail.startswith(f"{folder / 'credential.json'} is not a credential file")
    return caught.value.detail


def test_what_is_saved_is_loaded_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "credential.json"
    Credential(**WHOLE).save(path)
    assert Credential.load(path) == Credential(**WHOLE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert PRIVATE["d"] not in repr(Credential.load(path))


SMALLEST = {"api": "https://api.example", "client_id": "x", "client_key": None, "client_secret": "s" * 32}


def test_a_client_with_a_secret_and_without_a_person_is_a_credential(tmp_path: Path) -> None:
    assert load(tmp_path, json.dumps(SMALLEST).encode()) == Credential(**SMALLEST)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff", b"[]", b"null", b'"x"', b"{}", DEEP, b'{"api":' * 9000, b"{" + b" " * 20_000 + b"}"],
    ids=["empty", "binary", "list", "null", "text", "no member", "deep", "deep object", "long"],
)
def test_a_file_that_is_no_credential(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content)


def test_neither_a_folder_nor_nothing_is_a_credential(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(VermilionError) as caught:
            Credential.load(path)
        assert caught.value.kind is Kind.INVALID


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("api", None),
        ("api", 5),
        ("api", "localhost"),
        ("api", "http://localhost\x1b[2J"),
        ("client_id", None),
        ("client_id", ["x"]),
        ("client_id", ""),
        ("client_key", "key"),
        ("client_key", []),
        ("client_key", {}),
        ("client_key", PUBLIC),
        ("client_key", {**PRIVATE, "d": "AAAA"}),
        ("client_key", {**PRIVATE, "d": 5}),
        ("client_key", {**PRIVATE, "x": PRIVATE["y"]}),
        ("client_key", {**PRIVATE, "crv": "P-384"}),
        ("client_key", dict(ECKey.generate_key("P-384").as_dict(private=True))),
        ("client_secret", {"secret": 1}),
        ("person_id", 5),
        ("person_key", PUBLIC),
    ],
)
def test_the_member_at_fault_is_named(tmp_path: Path, member: str, value: object) -> None:
    words = refused(tmp_path, json.dumps(WHOLE | {member: value}).encode())
    assert words.endswith(f": {member}")


def test_members_belong_together(tmp_path: Path) -> None:
    refused(tmp_path, json.dumps(WHOLE | {"nickname": "x"}).encode())
    for missing in ("api", "client_id", "client_key", "person_id", "person_key"):
        refused(tmp_path, json.dumps({k: v for k, v in WHOLE.items() if k != missing}).encode())


@same_folder
@given(content=st.binary(max_size=100) | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_other_error_escapes(tmp_path: Path, content: bytes) -> None:
    refused(tmp_path, content)


MEMBER = JSON | st.fixed_dictionaries({name: st.just(PRIVATE[name]) | JSON for name in PRIVATE})


@same_folder
@given(changes=st.dictionaries(st.sampled_from(sorted(WHOLE)), MEMBER, max_size=3))
def test_what_loads_can_sign(tmp_path: Path, changes: dict[str, Any]) -> None:
    try:
        loaded = load(tmp_path, json.dumps(WHOLE | changes).encode())
    except VermilionError as error:
        assert error.kind is Kind.INVALID
        return
    if loaded.client_key is not None:
        form = ApiClient(loaded).grant("http://localhost/oauth2/token")
        claims = jwt.decode(form["client_assertion"], ECKey.import_key(PUBLIC), algorithms=["ES256"]).claims
        assert claims["sub"] == loaded.client_id
