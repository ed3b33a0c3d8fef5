"""The same checks for programs: one shape of answer, and problem documents that name field and reason."""

from __future__ import annotations

import tempfile
from io import BytesIO
from typing import Any

import pytest

from tests.verify_web.conftest import MakeWorld
from tests.verify_web.world import (
    CREDENTIAL,
    DOCUMENT,
    FRAGMENT,
    LINK_ID,
    LOOKUP_CODE,
    ORIGIN,
    SHOWN_ID,
    UNKNOWN_ID,
    World,
    sample,
)

API = "/api/v1/verifications"


def form(data: bytes) -> dict[str, Any]:
    """A multipart form as bytes: werkzeug's own client would use a temporary file."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
    return {"data": head + data + b"\r\n--b--\r\n", "content_type": "multipart/form-data; boundary=b"}


PNG = b"\x89PNG\r\n\x1a\n"


def assert_verification(answer: dict[str, Any]) -> None:
    assert {"verdict", "how", "checks", "as_of", "identifier", "log"} <= answer.keys()
    assert set(answer["checks"]) == {"content", "issuer", "status"}
    for check in answer["checks"].values():
        assert set(check) == {"result", "reason"}
        assert check["result"] in {"passed", "failed", "not_done"}
    assert answer["as_of"].endswith("Z")
    assert answer["log"] == "not_available"


@pytest.mark.parametrize("member", ["link", "qr"])
def test_a_scanned_code_with_its_fragment_is_compared(world: World, member: str) -> None:
    answer = world.client.post(API, json={member: f"{ORIGIN}/c/{LINK_ID}#{FRAGMENT}"})
    body = answer.get_json()
    assert_verification(body)
    assert (answer.status_code, body["verdict"]) == (200, "valid")
    assert body["checks"]["content"] == {"result": "passed", "reason": "registered_credential"}
    assert body["identifier"] == world.identifier
    assert body["licence"]["issuer"]["name"]["zh"]


def test_another_fragment_is_altered(world: World) -> None:
    other = str(int.from_bytes(b"\x01" + CREDENTIAL[:-1] + bytes([CREDENTIAL[-1] ^ 1])))
    body = world.client.post(API, json={"qr": f"{ORIGIN}/c/{LINK_ID}#{other}"}).get_json()
    assert body["verdict"] == "altered"
    assert body["checks"]["content"]["reason"] == "credential_differs"


def test_a_link_without_fragment_is_valid_and_not_compared(world: World) -> None:
    body = world.client.post(API, json={"link": f"{ORIGIN}/c/{LINK_ID}"}).get_json()
    assert (body["verdict"], body["checks"]["content"]["result"]) == ("valid", "not_done")


def test_a_genuine_code_under_another_address_is_not_valid_while_the_trust_list_is_out(world: World) -> None:
    """The list says whose links are ours. Without it only the site's own address is known to be."""
    for origin in ("https://verify.example.org", "http://localhost:8802"):
        answer = world.client.post(API, json={"link": f"{origin}/c/{LINK_ID}#{FRAGMENT}"})
        body = answer.get_json()
        assert (answer.status_code, body["verdict"]) == (503, "cannot_check")
        assert body["checks"]["issuer"] == {"result": "not_done", "reason": "trust_list_missing"}
        assert "licence" not in body


@pytest.mark.parametrize(
    "link", ["x", "https://example.org/", f"{ORIGIN}/c/{LINK_ID}x", "javascript:1", "#1"]
)
def test_what_is_no_link_is_not_recognised(world: World, link: str) -> None:
    body = world.client.post(API, json={"link": link}).get_json()
    assert_verification(body)
    assert (body["verdict"], body["identifier"]) == ("not_recognised", None)


def test_link_page_as_json_has_the_digest_that_a_page_compares(world: World) -> None:
    from hashlib import sha256

    answer = world.client.get(f"/c/{LINK_ID}", headers={"Accept": "application/json"})
    assert answer.get_json()["credential_sha256"] == sha256(CREDENTIAL).hexdigest()
    assert answer.mimetype == "application/json"


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [
        (None, "text/html"),
        ("*/*", "text/html"),
        ("application/json", "application/json"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("text/html, application/json;q=0.9", "text/html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/*", "application/json"),
        ("image/png", "text/html"),
        ("application/json;q=0, */*;q=0.1", "text/html"),
        (";;;,,/", "text/html"),
    ],
)
def test_negotiation(world: World, accept: str | None, mimetype: str) -> None:
    answer = world.client.get(f"/c/{LINK_ID}", headers={} if accept is None else {"Accept": accept})
    assert answer.mimetype == mimetype
    assert {"Accept", "Accept-Language"} <= set(answer.vary)


MALFORMED_IDS = [
    "x",
    "A" * 21,
    "A" * 23,
    "A" * 21 + "B",
    "%00" * 22,
    "证照",
    "A" * 5000,
    "..",
    "A" * 21 + "%2F",
]


@pytest.mark.parametrize("link_id", MALFORMED_IDS)
def test_a_malformed_id_is_an_unknown_one(world: World, link_id: str) -> None:
    headers = {"Accept": "application/json"}
    unknown = world.client.get(f"/c/{UNKNOWN_ID}", headers=headers)
    asked = len(world.memory.asked)
    answer = world.client.get(f"/c/{link_id}", headers=headers)
    if link_id in {"..", "A" * 21 + "%2F"}:  # no such route: no licence was asked for
        assert answer.status_code == 404
        return
    assert (answer.status_code, answer.data) == (unknown.status_code, unknown.data) == (404, unknown.data)
    assert len(world.memory.asked) == asked + 1  # the registry was asked in both cases


def test_unknown_and_malformed_pages_differ_in_their_own_address_only(world: World) -> None:
    unknown = world.client.get(f"/c/{UNKNOWN_ID}").get_data(as_text=True)
    malformed = world.client.get("/c/" + "!" * 22).get_data(as_text=True)
    assert unknown.replace(UNKNOWN_ID, "!" * 22) == malformed


@pytest.mark.parametrize("mimetype", ["application/pdf", "multipart/form-data"])
def test_a_registered_file_is_green(world: World, mimetype: str) -> None:
    if mimetype == "application/pdf":
        answer = world.client.post(API, data=DOCUMENT, content_type=mimetype)
    else:
        answer = world.client.post(API, data={"file": (BytesIO(DOCUMENT), "a.pdf")}, content_type=mimetype)
    body = answer.get_json()
    assert_verification(body)
    assert body["verdict"] == "valid"
    assert {check["result"] for check in body["checks"].values()} == {"passed"}


@pytest.mark.parametrize("data", [DOCUMENT + b" ", b"%PDF-1.7\n%%EOF", b"\0" * 100, PNG, b"x"])
def test_other_bytes_are_never_valid(world: World, data: bytes) -> None:
    body = world.client.post(API, data=data, content_type="application/pdf").get_json()
    assert_verification(body)
    assert body["verdict"] not in {"valid", "genuine_offline"}


@pytest.mark.parametrize(
    ("body", "status", "pointers"),
    [
        ({}, 422, {""}),
        ({"link": 1}, 422, {"/link"}),
        ({"link": ""}, 422, {"/link"}),
        ({"link": "x" * 5000}, 422, {"/link"}),
        ({"link": "x", "qr": "y"}, 422, {""}),
        ({"identifier": "1.2.3"}, 422, {""}),
        ({"identifier": "1.2.3", "lookup_code": "abc"}, 422, {"/identifier", "/lookup_code"}),
        ({"identifier": [], "lookup_code": "abc"}, 422, {"/identifier"}),
        ([], 422, {""}),
        ("link", 422, {""}),
        (0, 422, {""}),
    ],
)
def test_problem_documents_name_the_member(world: World, body: Any, status: int, pointers: set[str]) -> None:
    answer = world.client.post(API, json=body)
    problem = answer.get_json()
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")
    assert problem["type"] == f"/problems/{'malformed' if status == 400 else 'invalid'}"
    assert {fault["pointer"] for fault in problem["errors"]} == pointers
    assert world.memory.asked == []


@pytest.mark.parametrize(
    ("data", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"link":"a","link":"b"}', "application/json", 400),
        (b"[" * 1000, "application/json", 400),
        (b"\xff", "application/json", 400),
        (b'{"link":NaN}', "application/json", 400),
        (b"{}" + b" " * 20_000, "application/json", 413),
        (b"", "application/pdf", 422),
        (b"x", "text/plain", 415),
        (b"x", "", 415),
        (b"x", "multipart/form-data", 422),
        (b"x", "multipart/form-data; boundary=b", 422),
    ],
)
def test_what_cannot_be_read(world: World, data: bytes, content_type: str, status: int) -> None:
    answer = world.client.post(API, data=data, content_type=content_type)
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json")


def test_a_file_above_the_limit_is_refused(world: World) -> None:
    from verify_web.intake import MAX_FILE

    big = bytes(MAX_FILE + 1)
    assert world.client.post(API, data=big, content_type="application/pdf").status_code == 413
    assert world.client.post(API, **form(big)).status_code == 413
    assert world.client.post(API, **form(big[1:])).status_code == 200
    page = world.client.post("/upload?lang=en", **form(big))
    assert (page.status_code, page.mimetype) == (413, "text/html")
    assert world.client.post("/upload", data={}, content_type="multipart/form-data").status_code == 422
    assert world.client.post(API, data=bytes(MAX_FILE), content_type="application/pdf").status_code == 200


def test_uploads_stay_in_memory(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    body = form(bytes(2_000_000))

    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("an upload went to disk")

    for name in ("TemporaryFile", "SpooledTemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, refuse)
    assert world.client.post(API, **body).status_code == 200


def test_two_files_are_one_too_many(world: World) -> None:
    data = {"file": [(BytesIO(b"a"), "a.pdf"), (BytesIO(b"b"), "b.pdf")]}
    assert world.client.post(API, data=data).status_code == 400


def test_an_unreachable_registry_never_looks_like_an_invalid_licence(build: MakeWorld) -> None:
    world = build()
    world.memory.fails = True
    bodies = [
        {"link": f"{ORIGIN}/c/{LINK_ID}"},
        {"identifier": world.identifier, "lookup_code": LOOKUP_CODE},
    ]
    for body in bodies:
        answer = world.client.post(API, json=body)
        assert (answer.status_code, answer.get_json()["verdict"]) == (503, "cannot_check")


@pytest.mark.parametrize("path", [f"/c/{LINK_ID}", f"/p/{SHOWN_ID}", "/check", "/upload", API])
def test_a_defect_in_a_check_answers_cannot_check(build: MakeWorld, path: str) -> None:
    world = build(sample(), catch_all=True)
    world.memory.broken = True
    client = world.client
    typed = {"identifier": world.identifier, "lookup_code": LOOKUP_CODE}
    answer = {
        f"/c/{LINK_ID}": lambda: client.get(path),
        f"/p/{SHOWN_ID}": lambda: client.get(path),
        "/check": lambda: client.post(path, data=typed),
        "/upload": lambda: client.post(path, data={"file": (BytesIO(b"x"), "a.pdf")}),
        API: lambda: client.post(path, json=typed),
    }[path]()
    text = answer.get_data(as_text=True)
    assert answer.status_code == 503
    assert "cannot_check" in text
    assert "secret detail" not in text
    defects = world.app.extensions["site"].metrics.defects
    assert defects.total == 1
    assert "vermilion_defects_total" in client.get("/metrics").get_data(as_text=True)


def test_a_defect_elsewhere_is_opaque(build: MakeWorld) -> None:
    world = build(sample(), catch_all=True)
    world.memory.broken = True
    answer = world.client.get("/readyz", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.get_json()) == (
        500,
        {
            "type": "/problems/internal-error",
            "title": "Internal error",
            "status": 500,
            "request_id": answer.headers["X-Request-Id"],
        },
    )


def test_with_the_catch_all_off_a_defect_is_seen(world: World) -> None:
    world.memory.broken = True
    with pytest.raises(ZeroDivisionError):
        world.client.get(f"/c/{LINK_ID}")


@pytest.mark.parametrize(
    ("size", "status"), [(8 * 1024 * 1024, 200), (8 * 1024 * 1024 + 1, 413), (9_000_000, 413)]
)
def test_a_body_of_unknown_length_is_bounded_too(world: World, size: int, status: int) -> None:
    """As a server passes a chunked body on."""
    answer = world.client.post(
        API,
        input_stream=BytesIO(bytes(size)),
        content_type="application/pdf",
        environ_overrides={"wsgi.input_terminated": True, "HTTP_TRANSFER_ENCODING": "chunked"},
    )
    assert answer.status_code == status
