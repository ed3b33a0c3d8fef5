"""Nothing a visitor sends brings about anything but an answer; the catch-all is off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.verify_web.world import DOCUMENT, FRAGMENT, LINK_ID, ORIGIN, World, make_world

FINE = {200, 400, 404, 405, 413, 415, 422}
hostile = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = make_world(Path(tmp_path_factory.mktemp("hostile")))
    yield world
    world.app.extensions["site"].store.close()


texts = st.text(max_size=300) | st.text("0123456789", max_size=3000)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=10,
)
members = st.sampled_from(["link", "qr", "identifier", "lookup_code", "file", ""])


@hostile
@given(st.text(min_size=1, max_size=200))
def test_any_text_as_an_id(site: World, text: str) -> None:
    answer = site.client.open(path="/c/" + text, headers={"Accept": "application/json"})
    assert answer.status_code in {200, 404}


@hostile
@given(
    st.binary(max_size=400),
    st.sampled_from(["application/json", "application/pdf", "multipart/form-data; boundary=b"]),
)
def test_any_bytes_as_a_body(site: World, data: bytes, content_type: str) -> None:
    for path in ("/api/v1/verifications", "/check", "/upload"):
        answer = site.client.post(path, data=data, content_type=content_type)
        assert answer.status_code in FINE


@hostile
@given(st.dictionaries(members, json_values, max_size=3) | json_values)
def test_any_json_as_a_request(site: World, body: object) -> None:
    answer = site.client.post("/api/v1/verifications", json=body)
    assert answer.status_code in FINE
    assert answer.is_json


@hostile
@given(texts | st.from_regex(r"#?[0-9]{0,1200}", fullmatch=True))
def test_any_fragment(site: World, fragment: str) -> None:
    answer = site.client.post(
        "/api/v1/verifications", json={"qr": f"{ORIGIN}/c/{LINK_ID}#{fragment}"[:4096] or "x"}
    )
    assert answer.status_code in FINE
    if answer.status_code == 200 and fragment not in {"", FRAGMENT}:
        assert answer.get_json()["verdict"] != "valid"


@hostile
@given(texts, texts)
def test_any_typed_details(site: World, identifier: str, code: str) -> None:
    answer = site.client.post("/check", data={"identifier": identifier, "lookup_code": code})
    assert answer.status_code in FINE


@hostile
@given(st.binary(max_size=300), st.integers(0, len(DOCUMENT) - 1), st.binary(min_size=1, max_size=20))
def test_any_file(site: World, tail: bytes, place: int, change: bytes) -> None:
    for data in (b"%PDF-1.7\n" + tail, DOCUMENT[:place] + change + DOCUMENT[place + 1 :]):
        answer = site.client.post("/api/v1/verifications", data=data, content_type="application/pdf")
        assert answer.status_code == 200
        if data != DOCUMENT:
            assert answer.get_json()["verdict"] not in {"valid", "genuine_offline"}


header_text = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=80)


@hostile
@given(header_text, header_text, header_text)
def test_any_headers(site: World, accept: str, language: str, etag: str) -> None:
    headers = {"Accept": accept, "Accept-Language": language, "If-None-Match": etag, "X-Forwarded-For": etag}
    for path in ("/", f"/c/{LINK_ID}", "/robots.txt"):
        assert site.client.get(path, headers=headers).status_code in {200, 304}
