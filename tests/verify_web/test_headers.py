"""What every answer of every route carries, and what the log does not."""

from __future__ import annotations

import base64
import gzip
import json
import logging
import re
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from io import BytesIO

import pytest
from PIL import Image
from werkzeug.test import TestResponse

from tests.verify_web.conftest import MakeWorld
from tests.verify_web.world import FRAGMENT, LINK_ID, LOOKUP_CODE, MATTER, ORIGIN, World
from verify_web.access_log import JsonLines
from verify_web.assets import ON_DEMAND, SET_VERSION, STATIC, VERSION
from verify_web.language import HTML_LANG, LANGUAGES

PATHS = {
    "pages.start": "/",
    "pages.link": f"/c/{LINK_ID}",
    "pages.presentation": f"/p/{LINK_ID}",
    "pages.check": "/check",
    "pages.upload": "/upload",
    "results.index": "/results",
    "results.matter": f"/results/{MATTER}",
    "readers.page": "/about/readers",
    "readers.root_certificate": "/about/root.cer",
    "api.verifications": "/api/v1/verifications",
    "api.bulk": "/api/v1/verifications/bulk",
    "api.receipts": "/api/v1/receipts/verify",
    "api.result_matters": "/api/v1/results",
    "api.matter_results": f"/api/v1/results/{MATTER}",
    "docs.description": "/api/v1/openapi.json",
    "docs.page": "/api/v1/",
    "docs.problems": "/problems/",
    "docs.problem": "/problems/invalid",
    "files.trust_list": "/.well-known/elicence/trust-list",
    "files.status_list": "/status/0",
    "files.status_lists": "/status/",
    "files.static": f"/static/{VERSION}/site.css",
    "files.robots": "/robots.txt",
    "files.livez": "/livez",
    "files.readyz": "/readyz",
    "files.alerts": "/alerts",
    "files.figures": "/figures",
    "files.prometheus": "/metrics",
    "offline.worker": "/sw.js",
    "offline.manifest": "/manifest.webmanifest",
    "offline.shell": "/offline",
    "offline.scan": "/scan",
}
REVALIDATED = ("/sw.js", "/manifest.webmanifest")
DOCS = ("/api/v1/openapi.json", "/api/v1/", "/problems/", "/problems/invalid")


def test_every_route_is_in_this_list(world: World) -> None:
    assert {rule.endpoint for rule in world.app.url_map.iter_rules()} == set(PATHS)


def test_a_site_on_https_is_never_asked_for_otherwise(build: MakeWorld) -> None:
    def header(origin: str) -> str | None:
        return build(origin=origin).client.get("/").headers.get("Strict-Transport-Security")

    assert header("https://licence.example") == "max-age=31536000"
    assert header("http://localhost:8801") is None


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS", "HEAD"])
@pytest.mark.parametrize(
    "path", [*PATHS.values(), f"/c//{LINK_ID}", f"/c/{LINK_ID}/", "/none", "/c/none", "/static/x/none"]
)
def test_headers_of_every_answer(world: World, path: str, method: str) -> None:
    answer = world.client.open(path, method=method)
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    scans = path == "/scan" and method in ("GET", "HEAD", "OPTIONS")
    compiles = " 'wasm-unsafe-eval'" if scans else ""
    assert policy["script-src"] == "'self'" + compiles
    assert policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert str(policy).count("unsafe") == bool(compiles)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert ("camera=(self)" if scans else "camera=()") in answer.headers["Permissions-Policy"]
    assert "Set-Cookie" not in answer.headers
    assert policy["worker-src"] == policy["manifest-src"] == "'self'"
    results = ("/results", "/api/v1/results")
    kept = path.startswith(("/static/", "/.well-known/", "/status/", *REVALIDATED, *results)) or path in DOCS
    assert answer.headers["Cache-Control"] == "no-store" or kept
    assert len(answer.headers["X-Request-Id"]) == 32
    assert answer.status_code < 500 or path in {
        "/readyz",
        "/.well-known/elicence/trust-list",
        "/about/root.cer",
    }
    assert "Location" not in answer.headers  # a redirect could lose the fragment


def test_what_a_device_keeps_is_named_by_its_set(world: World) -> None:
    """Scripts by their digests, pages by a header: a mixture of two versions is never kept."""
    script = world.client.get("/sw.js")
    assert (script.mimetype, script.headers["Cache-Control"]) == ("text/javascript", "no-cache")
    assert world.client.get("/sw.js", headers={"If-None-Match": script.headers["ETag"]}).status_code == 304
    named = json.loads(script.text.partition("\n")[0].removeprefix("const SET = ").removesuffix(";"))
    assert named["version"] == SET_VERSION
    for path, integrity in named["assets"].items():
        found = world.client.get(path, headers={"Accept-Encoding": "gzip"})
        data = gzip.decompress(found.data) if found.headers.get("Content-Encoding") else found.data
        assert integrity == f"sha256-{base64.b64encode(sha256(data).digest()).decode()}"
    assert {path.rpartition("/")[2] for path in named["assets"]} == set(STATIC) - {"worker.js", *ON_DEMAND}
    assert {path.rpartition("/")[2] for path in named["onDemand"]} == set(ON_DEMAND)
    assert len(named["shells"]) == 2 * len(LANGUAGES)
    for path in named["shells"]:
        page = world.client.get(path)
        assert (page.status_code, page.headers["Vermilion-Set"]) == (200, SET_VERSION)
        assert f'lang="{HTML_LANG[path.partition("lang=")[2]]}"' in page.text


def test_the_manifest_is_one_that_browsers_install(world: World) -> None:
    for lang in LANGUAGES:
        answer = world.client.get(f"/manifest.webmanifest?lang={lang}")
        found = answer.get_json(force=True)
        assert answer.mimetype == "application/manifest+json"
        assert (found["scope"], found["display"], found["lang"]) == ("/", "standalone", HTML_LANG[lang])
        assert world.client.get(found["start_url"]).status_code == 200
        for icon in found["icons"]:
            image = Image.open(BytesIO(world.client.get(icon["src"]).data))
            assert f"{image.width}x{image.height}" == icon["sizes"]
        assert f'href="/manifest.webmanifest?lang={lang}"' in world.client.get(f"/?lang={lang}").text


def test_static_files_have_names_that_never_change_their_content(world: World) -> None:
    client = world.client
    body = client.get(f"/c/{LINK_ID}").get_data(as_text=True)
    assert f'href="/static/{VERSION}/site.css"' in body
    assert f'src="/static/{VERSION}/page.js"' in body
    for name, asset in STATIC.items():
        answer = client.get(f"/static/{VERSION}/{name}")
        assert (answer.data, answer.headers["Cache-Control"]) == (
            asset.data,
            "public, max-age=31536000, immutable",
        )
        again = client.get(f"/static/{VERSION}/{name}", headers={"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        assert client.get(f"/static/older/{name}").headers["Cache-Control"] == "no-cache"
    for name in ("../app.py", "..%2fapp.py", "app.py", "site.css/"):
        assert client.get(f"/static/{VERSION}/{name}").status_code == 404


def for_every_site(answer: TestResponse) -> None:
    """May be read by every site, kept for a minute, and asked for again by its entity tag."""
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert answer.headers["Cache-Control"] == "public, max-age=60"
    assert re.fullmatch(r'"[0-9a-f]{32}"', answer.headers["ETag"])


def test_the_trust_list_is_for_every_site_to_fetch(build: MakeWorld) -> None:
    world = build(trust_list=lambda: "aaa.bbb.ccc")
    answer = world.client.get("/.well-known/elicence/trust-list")
    assert (answer.data, answer.mimetype) == (b"aaa.bbb.ccc", "application/jwt")
    for_every_site(answer)
    etag = {"If-None-Match": answer.headers["ETag"]}
    again = world.client.get("/.well-known/elicence/trust-list", headers=etag)
    assert (again.status_code, again.data) == (304, b"")
    for_every_site(again)
    other = build(trust_list=lambda: "aaa.bbb.ddd").client.get(
        "/.well-known/elicence/trust-list", headers=etag
    )
    assert (other.status_code, other.data) == (200, b"aaa.bbb.ddd")
    assert world.client.get("/readyz").get_json()["trust_list"] == "failing"  # it does not verify


def test_status_lists_are_for_every_site_to_fetch_in_the_form_it_asks_for(build: MakeWorld) -> None:
    world = build(status_lists={0: (b"aaa.bbb.ccc", b"\xd2\x84"), 7: (b"ddd.eee.fff", b"\xd2\x85")})

    def get(path: str, **headers: str) -> TestResponse:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return world.client.get(path, headers=names)

    jwt, cwt = "application/statuslist+jwt", "application/statuslist+cwt"
    for accept, kind, data in (
        (jwt, jwt, b"aaa.bbb.ccc"),
        (cwt, cwt, b"\xd2\x84"),
        (f"{jwt};q=0.5, {cwt}", cwt, b"\xd2\x84"),
        ("*/*", jwt, b"aaa.bbb.ccc"),
        ("text/html", jwt, b"aaa.bbb.ccc"),
    ):
        answer = get("/status/0", Accept=accept)
        assert (answer.status_code, answer.content_type, answer.data) == (200, kind, data)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
        assert answer.headers["Cache-Control"] == "public, max-age=60"
        assert answer.headers["Vary"] == "Accept"
        again = get("/status/0", Accept=accept, If_None_Match=answer.headers["ETag"])
        assert (again.status_code, again.data, again.headers["Vary"]) == (304, b"", "Accept")
    assert get("/status/0", Accept=jwt).headers["ETag"] != get("/status/0", Accept=cwt).headers["ETag"]
    world.clock.now += timedelta(hours=48) - timedelta(seconds=30)
    assert get("/status/0").headers["Cache-Control"] == "public, max-age=30"
    world.clock.now += timedelta(days=1)
    assert get("/status/0").headers["Cache-Control"] == "public, max-age=0"
    for name in ("1", "00", "-1", "0.jwt", "0/", "1000000000", "%30%30", "x", "\u0660"):
        answer = get(f"/status/{name}")
        assert (answer.status_code, answer.mimetype) == (404, "application/problem+json"), name
        assert answer.headers["Cache-Control"] == "no-store"
    assert get("/status/0?time=1686925000").status_code == 501
    assert get("/status/").get_json() == {"status_lists": [f"{ORIGIN}/status/0", f"{ORIGIN}/status/7"]}
    lists = get("/status/")
    assert lists.content_type == "application/json"
    for_every_site(lists)
    again = get("/status/", If_None_Match=lists.headers["ETag"])
    assert (again.status_code, again.data) == (304, b"")
    for_every_site(again)
    world = build(status_lists={0: (b"aaa.bbb.ccc", b"\xd2\x84")})  # another one list, another tag
    assert get("/status/", If_None_Match=lists.headers["ETag"]).status_code == 200


def test_the_log_names_no_licence_and_no_visitor(build: MakeWorld, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="vermilion")
    logging.getLogger("vermilion").propagate = True
    world = build()
    client = world.client
    client.get(f"/c/{LINK_ID}?lang=en&secret=1")
    client.post("/api/v1/verifications", json={"qr": f"{ORIGIN}/c/{LINK_ID}#{FRAGMENT}"})
    client.post("/check", data={"identifier": world.identifier, "lookup_code": LOOKUP_CODE})
    client.post("/upload", data={"file": (BytesIO(b"x"), "name-of-a-person.pdf")})
    client.get("/nowhere/name-of-a-person")
    world.memory.fails = True
    client.get(f"/c/{LINK_ID}")
    lines = [JsonLines().format(record) for record in caplog.records if record.name.startswith("vermilion")]
    text = "\n".join(lines)
    for secret in (
        LINK_ID,
        FRAGMENT,
        FRAGMENT[:40],
        world.identifier,
        LOOKUP_CODE,
        "secret",
        "person",
        "127.0.0.1",
    ):
        assert secret not in text
    parsed = [json.loads(line) for line in lines]
    assert [line["route"] for line in parsed] == [
        "/c/<link_id>", "/api/v1/verifications", "/check", "/upload", "(none)", "/c/<link_id>",
    ]  # fmt: skip
    assert parsed[0]["link"] == parsed[-1]["link"]  # scans of one licence can be counted
    assert parsed[0]["verdict"] == "valid"
    assert parsed[-1]["verdict"] == "cannot_check"


def test_a_logged_defect_tells_where_and_not_what(build: MakeWorld, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("vermilion").propagate = True
    world = build(catch_all=True)
    world.memory.broken = True
    world.client.get(f"/c/{LINK_ID}")
    (record,) = [r for r in caplog.records if r.name == "vermilion.site"]
    line = json.loads(JsonLines().format(record))
    assert (line["event"], line["error"]) == ("defect", "ZeroDivisionError")
    assert line["where"][-1].startswith("world.py:")
    assert "secret detail" not in str(line)


@pytest.mark.parametrize("path", ["/metrics", "/alerts", "/figures"])
def test_measurements_and_alerts_are_for_this_machine_alone(world: World, path: str) -> None:
    client = world.client
    assert client.get(path).status_code == 200
    assert client.get(path, headers={"X-Forwarded-For": "192.0.2.7"}).status_code == 404
    assert client.get(path, environ_overrides={"REMOTE_ADDR": "192.0.2.7"}).status_code == 404


@pytest.mark.parametrize("path", ["/alerts", "/figures"])
def test_the_registry_on_another_machine_reads_by_the_secret(build: MakeWorld, path: str) -> None:
    world = build()
    extensions = world.app.extensions
    extensions["site"] = replace(extensions["site"], figures_secret=sha256(b"s" * 40).digest())
    elsewhere = {"REMOTE_ADDR": "192.0.2.7"}
    for secret, status in (("s" * 40, 200), ("s" * 39, 404), ("", 404)):
        headers = {"Authorization": f"Bearer {secret}"}
        assert world.client.get(path, headers=headers, environ_overrides=elsewhere).status_code == status
    assert world.client.get(path, environ_overrides=elsewhere).status_code == 404
