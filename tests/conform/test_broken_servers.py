"""Broken registries, planted: WSGI round ours that keeps one promise less."""

from __future__ import annotations

import json
from typing import Any

import pytest

from keys.errors import VermilionError
from registry.conform.checks import SERVER, Check, looked
from registry.conform.hooks import Hooks
from registry.conform.run import Wanted, _sandbox, conform
from registry.conform.server_checks import Subject
from tests.conform.sandboxes import Sandbox, altered

BEFORE_WEBHOOKS = [one for name, one in SERVER.items() if not name.startswith("server.webhook")]


def another_licence(method: str, path: str, told: dict[str, Any]) -> None:
    """A replay is answered with another licence."""
    if told["headers"].get("idempotency-replayed") and path == "/api/v1/licences":
        body = json.loads(told["body"])
        body["lookup_code"] = body["lookup_code"][::-1]
        body["document"]["sha256"] = "0" * 64
        told["body"] = json.dumps(body).encode()


def no_etag(method: str, path: str, told: dict[str, Any]) -> None:
    told["headers"].pop("etag", None)


def no_way_in(method: str, path: str, told: dict[str, Any]) -> None:
    told["headers"].pop("www-authenticate", None)


def unexplained(method: str, path: str, told: dict[str, Any]) -> None:
    if path.startswith("/problems/"):
        told["status"] = 404


def forgiving(method: str, path: str, told: dict[str, Any]) -> None:
    """A key that was used for another request is no obstacle."""
    if told["status"] == 422 and b"key_reused" in told["body"]:
        told["status"], told["body"] = 201, b"{}"


def alike(method: str, path: str, told: dict[str, Any]) -> None:
    """Each member of history has lost its ground."""
    if path.endswith("/history") and told["status"] == 200:
        body = json.loads(told["body"])
        for one in body["events"]:
            one["legal_basis"] = ""
        told["body"] = json.dumps(body).encode()


FAULTS = {
    "server.replay": another_licence,
    "server.etag": no_etag,
    "server.unauthenticated": no_way_in,
    "server.problem": unexplained,
    "server.key-reused": forgiving,
    "server.history": alike,
}


def failed(sandbox: Sandbox, address: str, checks: list[Check]) -> list[str]:
    hooks = Hooks("127.0.0.1", 0, None)
    try:
        subject = Subject(_sandbox(sandbox.wanted(base=address)), hooks)
        found = list(looked(checks, subject, float("inf")))
    finally:
        hooks.close()
    return [one.check.id for one in found if one.outcome != "passed"]


def test_each_fails_what_it_does_not_keep(sandbox: Sandbox) -> None:
    """All that are looked at before the fault shows, and the one that shows it."""
    for name, alter in FAULTS.items():
        checks = BEFORE_WEBHOOKS[: [one.id for one in BEFORE_WEBHOOKS].index(name) + 1]
        with altered(sandbox, alter) as address:
            assert failed(sandbox, address, checks) == [name]


def test_no_licence_is_issued_where_it_would_be_none_to_throw_away(sandbox: Sandbox) -> None:
    asked = []

    def in_force(method: str, path: str, told: dict[str, Any]) -> None:
        asked.append((method, path))
        told["body"] = told["body"].replace(b'"specimen":true', b'"specimen":false')

    with altered(sandbox, in_force) as address, pytest.raises(VermilionError) as refused:
        conform(sandbox.wanted(base=address))
    assert refused.value.reason == "not_a_sandbox"
    changes = [path for method, path in asked if method == "POST" and path != "/oauth2/token"]
    assert changes == ["/api/v1/licences?dry_run=1"]


def test_a_registry_that_is_not_there(sandbox: Sandbox) -> None:
    with pytest.raises(VermilionError) as refused:
        conform(Wanted("http://127.0.0.1:1", sandbox.credential))
    assert refused.value.reason == "unavailable"
