"""What holds for every route of the agency API: authentication, bounds, one shape of errors, quiet logs."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from flask import Flask

from keys.trust_list import RENEW_AFTER, read_trust_list
from registry import web
from registry.permissions import PUBLIC
from registry.seals.trust import PATIENCE, publish_trust_list
from tests.registry.world import BASIS, Ticker, World, on_sqlite

ID = "0" * 32
FILL = {
    "approval_id": ID,
    "passkey_id": ID,
    "authorisation_id": ID,
    "batch_id": ID,
    "case_id": ID,
    "change": "suspension",
    "code": "99010000000000",
    "copy_id": ID,
    "endpoint_id": ID,
    "error_id": ID,
    "event_id": ID,
    "identifier": "x",
    "ledger": "events",
    "material_code": "x",
    "matter_code": "x",
    "number": "1",
    "package_id": ID,
    "pick_up_id": ID,
    "rest": "x",
    "scheduled": ID,
    "sub_case_id": ID,
    "task_id": ID,
    "version": "1",
    "name": "x",
    "slug": "conflict",
    "token": "x",
    "subject": ID,
    "what": "people",
}


def routes(app: Flask, *, pages: bool = False) -> list[tuple[str, str, str]]:
    """(endpoint, method, path) of every route, its variables filled: of the API, or of the console's pages."""
    with app.test_request_context():
        return [
            (rule.endpoint, method, rule.build({name: FILL[name] for name in rule.arguments})[1])  # type: ignore[index]
            for rule in app.url_map.iter_rules()
            if rule.endpoint.startswith(f"{web.CONSOLE}.") == pages
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})
        ]


def test_every_route_asks_for_a_token_unless_it_is_listed_as_public(world: World) -> None:
    found = routes(world.app)
    assert {endpoint for endpoint, _method, _path in found} >= {e for e in PUBLIC if "console." not in e}
    for endpoint, method, path in found:
        if endpoint not in PUBLIC:
            answer = world.http.open(path, method=method)
            assert answer.status_code == 401, (endpoint, method)
            assert answer.content_type == "application/problem+json"


def test_a_client_without_the_scope_gets_nowhere(world: World) -> None:
    headers = world.headers("desk")  # seal only
    answer = world.http.post("/api/v1/licences", json={}, headers={**headers, "Idempotency-Key": "k"})
    assert (answer.status_code, answer.get_json()["reason"]) == (403, "scope")


@on_sqlite
def test_every_answer_carries_the_security_headers_and_its_request_id(world: World) -> None:
    for answer in (world.http.get("/livez"), world.http.get("/nowhere"), world.get("/api/v1/seals")):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"
        assert len(answer.headers["X-Request-Id"]) == 32


@on_sqlite
@pytest.mark.parametrize(
    ("body", "content_type", "status", "kind"),
    [
        (b"{}", "text/plain", 415, "unsupported-media-type"),
        (b"{", "application/json", 400, "malformed"),
        (b'{"kind": "a", "kind": "b"}', "application/json", 400, "malformed"),
        (b'{"kind": NaN}', "application/json", 400, "malformed"),
        (b'{"kind": "\\ud800"}', "application/json", 400, "malformed"),
        (b"[" * 50 + b"]" * 50, "application/json", 400, "malformed"),
        (b'"\xff"', "application/json", 400, "malformed"),
        (b" " * 500_000, "application/json", 413, "too-large"),
        (b"[]", "application/json", 422, "invalid"),
        (b'{"kind": 5, "name": null, "x/y~": 1}', "application/json", 422, "invalid"),
    ],
    ids=["type", "cut", "twice", "nan", "surrogate", "deep", "utf-8", "large", "list", "fields"],
)
def test_a_bad_body_is_refused_in_words(
    world: World, body: bytes, content_type: str, status: int, kind: str
) -> None:
    headers = world.headers("system", "applicant")
    answer = world.http.post(
        "/api/v1/seal-applications", data=body, content_type=content_type, headers=headers
    )
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["type"].endswith("/" + kind)
    if b"x/y~" in body:
        pointers = {fault["pointer"]: fault["reason"] for fault in answer.get_json()["errors"]}
        assert pointers == {"/kind": "string_type", "/name": "string_type", "/x~1y~0": "extra_forbidden"}


def test_unknown_and_repeated_query_arguments_are_refused(world: World) -> None:
    for query, name in (("?x=1", "?x"), ("?after=1&after=2", "?after"), ("?after=x", "?after")):
        told = world.get(f"/api/v1/seals{query}").get_json()
        assert (told["reason"], [fault["pointer"] for fault in told["errors"]]) == ("query", [name])
    path = f"/api/v1/seals/{world.seal_code}/suspension?now=1"
    assert world.post(path, BASIS, "system", "keeper").get_json()["reason"] == "query"


def test_what_the_router_refuses_has_the_same_shape(world: World) -> None:
    missing, method = world.http.get("/api/v1/nothing"), world.http.delete("/livez")
    assert (missing.status_code, method.status_code) == (404, 405)
    assert method.headers["Allow"]
    for answer in (missing, method):
        assert answer.content_type == "application/problem+json"


def test_a_defect_is_counted_and_answered_without_detail(world: World) -> None:
    def broken() -> None:
        raise RuntimeError("a secret")

    world.app.view_functions["livez"] = broken  # type: ignore[assignment]
    with pytest.raises(RuntimeError):
        world.http.get("/livez")
    world.app.config["PROPAGATE_EXCEPTIONS"] = False
    answer = world.http.get("/livez")
    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert b"secret" not in answer.data
    assert world.defects.total == 2
    assert b'vermilion_defects_total{where="livez"} 2.0' in world.http.get("/metrics").data
    world.defects.last.clear()  # these two were meant


@on_sqlite
def test_logs_say_what_happened_and_to_whom_nothing(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    headers = world.headers("system", "keeper")
    capsys.readouterr()
    path = f"/api/v1/seals/{world.seal_code}/suspension"
    world.http.post(path + "?secret=1", json=BASIS, headers=headers)
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["endpoint"], said["status"], said["method"]) == ("seals.suspension", 422, "POST")
    token = headers["Authorization"].split()[1]
    for private in (token, world.people["keeper"].id, "secret", BASIS["legal_basis"], world.seal_code):
        assert private not in line


@on_sqlite
def test_operations_are_seen_from_this_machine_only(world: World) -> None:
    assert world.http.get("/readyz").get_json() == {"status": "ready"}
    assert world.http.get("/metrics").status_code == 200
    assert world.http.get("/metrics", environ_base={"REMOTE_ADDR": "192.0.2.1"}).status_code == 404
    assert world.http.get("/metrics", headers={"X-Forwarded-For": "192.0.2.1"}).status_code == 404


def test_a_trust_list_that_is_not_signed_again_in_time_makes_it_unready(world: World, clock: Ticker) -> None:
    """Days before it expires, so that there is time to find out why."""
    clock.advance(RENEW_AFTER + PATIENCE - timedelta(seconds=1))
    assert world.http.get("/readyz").status_code == 200
    clock.advance(timedelta(seconds=1))
    answer = world.http.get("/readyz")
    assert (answer.status_code, answer.get_json()["reason"]) == (503, "trust_list_overdue")
    listed = world.http.get("/.well-known/elicence/trust-list").data
    assert clock() + timedelta(days=4) < read_trust_list(listed, at=clock()).expires_at
    publish_trust_list(world.ports)
    assert world.http.get("/readyz").status_code == 200


def test_a_database_that_is_out_is_no_defect(world: World) -> None:
    from sqlalchemy import create_engine

    headers = world.headers("system")
    ports = world.ports
    ports.database.read.dispose()
    dead = create_engine("sqlite:////nonexistent/registry.db")
    object.__setattr__(ports.database, "read", dead)
    for path in ("/api/v1/seals", "/readyz", "/.well-known/elicence/trust-list"):
        answer = world.http.get(path, headers=headers)
        assert (answer.status_code, answer.get_json()["reason"]) == (503, "database"), path
    dead.dispose()
