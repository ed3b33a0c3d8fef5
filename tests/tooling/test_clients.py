"""The clients that are made from the descriptions: they are what the generator makes now, whatever it describes,
and what both agency clients do by themselves, in Python and in JavaScript.
"""

from __future__ import annotations

import ast
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from registry.client import new_person_key
from registry.webhooks.signature import headers as webhook_headers
from registry.webhooks.signature import spoken
from tests.tools import need
from tests.verify_web.test_openapi import ROOT, load

MODULE = ROOT / "clients" / "javascript" / "vermilion_agency_client.mjs"
NOW = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
SECRET = bytes(range(32))
BODY = json.dumps({"type": "licence.ended", "data": {"event": "1" * 32}}).encode()


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    return load(ROOT / "tools" / "make_client.py")


@pytest.fixture(scope="module")
def api() -> Any:
    return load(ROOT / "clients" / "python" / "vermilion_agency_client.py")


def node(program: str, *arguments: str) -> str:
    """What a program says that has the client as `api`."""
    whole = f"const api = await import({json.dumps(MODULE.as_uri())});\n{program}"
    done = subprocess.run(
        [need("node"), "--input-type=module", "-", *arguments],
        input=whole, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# --- the generator ---------------------------------------------------------------------------------------


def test_the_files_are_what_the_generator_makes(maker: ModuleType) -> None:
    """If not: python tools/make_client.py"""
    for path, text in maker.clients().items():
        assert path.read_text(encoding="utf-8") == text, path.name


def test_every_operation_has_a_method_in_both(maker: ModuleType) -> None:
    document = json.loads((ROOT / "docs" / "agency-openapi.json").read_bytes())
    wanted = {
        operation["operationId"] for path in document["paths"].values() for operation in path.values()
    } - {"getToken"}
    methods = {
        node.name
        for one in ast.parse(maker.AGENCY.read_text()).body
        if isinstance(one, ast.ClassDef) and one.name == "Client"
        for node in one.body
        if isinstance(node, ast.FunctionDef)
    }
    from tools.clients.described import snake

    assert {snake(name) for name in wanted} <= methods
    text = maker.MODULE.read_text()
    assert not [name for name in wanted if f"\n  {name}(" not in text]


def test_what_is_new_is_made_too(maker: ModuleType) -> None:
    """Another method, media types that nobody knows yet, a header, a page, a name that Python keeps for itself."""
    from tools.clients.described import described
    from tools.clients.javascript import agency_module
    from tools.clients.python import agency_client

    binary = {"schema": {"type": "string", "format": "binary"}}
    page = {
        "type": "object",
        "properties": {"class": {"type": "string"}, "found": {"type": "array", "items": {"type": "number"}}, "next": {"type": "string"}},
        "required": ["found"],
    }  # fmt: skip
    document = {
        "info": {"version": "9"},
        "paths": {
            "/things/{thing_id}": {
                "put": {
                    "operationId": "putThing",
                    "summary": "Put",
                    "parameters": [
                        {"name": "thing_id", "in": "path", "required": True, "schema": {"type": "string"}},
                        {"name": "X-Reason", "in": "header", "schema": {"type": "string"}},
                        {"name": "from", "in": "query", "required": True, "schema": {"type": "string"}},
                    ],
                    "requestBody": {"content": {"image/png": binary, "image/x-other": binary}},
                    "responses": {"204": {"description": "Done."}},
                },
                "get": {
                    "operationId": "listThings",
                    "summary": "List",
                    "responses": {"200": {"description": "", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Page"}}}}},
                },
            }
        },
        "components": {"schemas": {"Page": page}, "responses": {}},
    }  # fmt: skip
    found = described(document)
    tree = ast.parse(agency_client(found))
    methods = {node.name: ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    assert {"put_thing", "put_thing_x_other", "list_things", "list_things_all"} <= set(methods)
    assert "'X-Reason': x_reason" in methods["put_thing"]
    assert "from_: str" in methods["put_thing"]
    text = agency_module(found)
    assert "async *listThingsAll(" in text
    assert '"X-Reason": options.xReason' in text
    done = subprocess.run(
        [need("node"), "--input-type=module", "--check"], input=text, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# --- what the clients do ---------------------------------------------------------------------------------


def test_a_webhook_of_ours_is_read_and_no_other(api: Any) -> None:
    signed = webhook_headers("1" * 32, NOW, BODY, [SECRET])
    at = NOW.timestamp()
    other = spoken(bytes(32))
    assert api.read_webhook(signed, BODY, [other, spoken(SECRET)], now=at)["type"] == "licence.ended"
    wrong = [
        (signed, BODY + b" ", [spoken(SECRET)], at),
        (signed, BODY, [other], at),
        (signed, BODY, [], at),
        (signed, BODY, [spoken(SECRET)], at + 301),
        (signed, BODY, [spoken(SECRET)], at - 301),
        ({**signed, "webhook-id": "2" * 32}, BODY, [spoken(SECRET)], at),
        ({**signed, "webhook-timestamp": "now"}, BODY, [spoken(SECRET)], at),
        ({**signed, "webhook-timestamp": "9" * 5000}, BODY, [spoken(SECRET)], at),
        ({**signed, "webhook-signature": "v1,"}, BODY, [spoken(SECRET)], at),
        ({}, BODY, [spoken(SECRET)], at),
    ]
    for headers, body, secrets, now in wrong:
        with pytest.raises(api.WebhookRefusedError):
            api.read_webhook(headers, body, secrets, now=now)
    cases = [[headers, body.decode(), secrets, now] for headers, body, secrets, now in wrong]
    program = """
const { readFileSync } = await import("node:fs");
const [right, ...wrong] = JSON.parse(readFileSync(process.argv[2], "utf8"));
const read = ([headers, body, secrets, now]) =>
  api.readWebhook(headers, new TextEncoder().encode(body), secrets, { now });
const said = [(await read(right)).type];
for (const one of wrong) {
  said.push(await read(one).then(() => "taken", (error) => error.constructor.name));
}
console.log(said.join(" "));
"""
    right = [signed, BODY.decode(), [other, spoken(SECRET)], at]
    path = Path(subprocess.run(["mktemp"], capture_output=True, text=True, check=True).stdout.strip())
    try:
        path.write_text(json.dumps([right, *cases]))
        said = node(program, str(path)).split()
    finally:
        path.unlink()
    assert said == ["licence.ended", *["WebhookRefusedError"] * len(wrong)]


@contextmanager
def service(answers: list[tuple[int, dict[str, str], bytes]]) -> Iterator[tuple[str, list[Any]]]:
    """One that answers these in turn, and what it was asked: method, path, headers, body."""
    asked: list[Any] = []
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            asked.append((self.command, self.path, {n.lower(): v for n, v in self.headers.items()}, body))
            status, headers, data = left.pop(0)
            if status == 0:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = handle_any  # noqa: N815

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


JSON = {"Content-Type": "application/json"}
PROBLEM = {"Content-Type": "application/problem+json"}
TOKEN = (200, JSON, b'{"access_token": "t1", "expires_in": 900}')
BUSY = (503, {**PROBLEM, "Retry-After": "3"}, b'{"type": "/problems/unavailable", "status": 503}')
RUNNING = (409, {**PROBLEM, "Retry-After": "1"}, b'{"type": "/problems/in-progress", "status": 409}')
CONFLICT = (409, PROBLEM, b'{"type": "/problems/conflict", "status": 409, "reason": "status"}')
DONE = (201, {**JSON, "Idempotency-Replayed": "true"}, b'{"identifier": "x"}')
LOST: tuple[int, dict[str, str], bytes] = (0, {}, b"")
AGENT = {"client_id": "c" * 32, "client_key": new_person_key()[0]}
Asked = Callable[[str], list[Any]]

JS_ASKED = """
const [, , origin, credential] = process.argv;
const waits = [];
const client = new api.Client(origin, JSON.parse(credential), { sleep: async (seconds) => waits.push(seconds) });
const said = [];
const tell = (promise) => promise.then(
  ({ status, replayed }) => said.push([status, replayed]),
  (error) => said.push([error.constructor.name, error.status ?? 0]),
);
await tell(client.issueLicence({ a: "名" }, { idempotencyKey: "mine" }));
await tell(client.endLicence("a/b?c", { how: "revoked" }));
console.log(JSON.stringify([said, waits]));
"""


def python_asked(api: Any, origin: str) -> tuple[list[Any], list[float]]:
    waits: list[float] = []
    client = api.Client(origin, api.Credential(**AGENT), sleep=waits.append)
    said: list[Any] = []
    for ask in (
        lambda: client.issue_licence({"a": "名"}, idempotency_key="mine"),
        lambda: client.end_licence("a/b?c", {"how": "revoked"}),
    ):
        try:
            answer = ask()  # type: ignore[no-untyped-call]
            said.append([answer.status, answer.replayed])
        except api.ApiError as error:
            said.append([type(error).__name__, error.status])
    return said, waits


@pytest.mark.parametrize("language", ["python", "javascript"])
def test_what_is_repeated_and_how(api: Any, language: str) -> None:
    """Lost, busy and running: the same key, after the time that was asked for; a conflict is the answer."""
    with service([TOKEN, LOST, BUSY, RUNNING, DONE, CONFLICT]) as (origin, asked):
        if language == "python":
            said, waits = python_asked(api, origin)
        else:
            said, waits = json.loads(node(JS_ASKED, origin, json.dumps(AGENT)))
    assert said == [[201, True], ["ConflictError", 409]]
    assert waits[1:] == [3, 1]
    issued = [one for one in asked if one[1] == "/api/v1/licences"]
    assert [one[2]["idempotency-key"] for one in issued] == ["mine"] * 4
    assert {one[3] for one in issued} == {issued[0][3]}
    assert json.loads(issued[0][3]) == {"a": "名"}
    ended = asked[-1]
    assert ended[1] == "/api/v1/licences/a%2Fb%3Fc/ending"
    assert ended[2]["idempotency-key"] not in {"", "mine"}
    assert {one[2].get("authorization") for one in asked[1:]} == {"Bearer t1"}
    assert all("t1" not in one[1] for one in asked)


@pytest.mark.parametrize("language", ["python", "javascript"])
@pytest.mark.parametrize("name", ["", ".", ".."])
def test_an_identifier_leads_to_no_other_place(api: Any, language: str, name: str) -> None:
    with service([]) as (origin, asked):
        if language == "python":
            with pytest.raises(ValueError):
                api.Client(origin).read_licence(name)
        else:
            said = node(
                "const [, , origin, name] = process.argv;\n"
                "try { await new api.Client(origin).readLicence(name); } "
                "catch (error) { console.log(error.constructor.name); }",
                origin, name,
            )  # fmt: skip
            assert said == "TypeError"
    assert asked == []


def test_a_node_that_keeps_webcrypto_to_itself() -> None:
    """As Debian's Node 18 does."""
    program = f"const api = await import({json.dumps(MODULE.as_uri())});\nconsole.log(api.newKey().length);"
    done = subprocess.run(
        [need("node"), "--no-experimental-global-webcrypto", "--input-type=module", "-"],
        input=program, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout.strip()) == (0, "36"), done.stderr


def test_redirects_are_not_followed_and_cut_answers_are_none(api: Any) -> None:
    away = (307, {"Location": "http://127.0.0.1:1/"}, b"")
    cut = (200, {**JSON, "Content-Length": "100"}, b"{}")
    with service([TOKEN, away, cut, cut]) as (origin, _):
        client = api.Client(origin, api.Credential(**AGENT), attempts=2, sleep=lambda _seconds: None)
        with pytest.raises(api.ApiError) as refused:
            client.read_licence("x")
        assert refused.value.status == 307
        with pytest.raises(api.NoAnswerError):
            client.read_licence("x")
