"""Receivers of webhooks on loopback, and endpoints of a test world's own agency that lead to them."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import hmac
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from registry.outgoing.attempts import Outcome
from registry.outgoing.lanes import Round
from registry.webhooks.sending import Sender
from registry.webhooks.tables import WebhookDelivery
from registry.webhooks.work import Post, deliver
from tests.registry.world import World, serve

PATH = "/api/v1/webhooks"
LOOPBACK = "127.0.0.0/8"
OPERATOR = {"operator": "window-03"}
_keys = count(1)

Reply = int | tuple[int, Mapping[str, str]] | Callable[[BaseHTTPRequestHandler], None]
"""A status, one with headers, or whatever a handler does by itself."""


@dataclass(frozen=True)
class Call:
    """What came to a receiver."""

    path: str
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    connection: int  # the other side's port

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


@dataclass
class Receiver:
    """Answers by `reply`, which is asked for each call."""

    port: int = 0
    calls: list[Call] = field(default_factory=list)
    reply: Callable[[Call], Reply] = lambda _call: 204
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    @property
    def ids(self) -> list[str]:
        return [call.id for call in self.calls]


@contextlib.contextmanager
def receiver(tls: Any = None) -> Iterator[Receiver]:
    made = Receiver()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            call = Call(self.path, headers, body, self.client_address[1])
            with lock:
                made.calls.append(call)
                reply = made.reply(call)
            if callable(reply):
                reply(self)
                return
            status, extra = (reply, {}) if isinstance(reply, int) else reply
            self.send_response(status)
            for name, value in {"Content-Length": "0", **extra}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64

        def handle_error(self, *_args: Any) -> None:
            """A peer that went away is no news."""

    httpd = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        httpd.socket = tls.wrap_socket(httpd.socket, server_side=True)
    made.port = httpd.server_address[1]
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield made
    finally:
        made.stop.set()
        httpd.shutdown()
        httpd.server_close()


def permitting(world: World, networks: str = LOOPBACK) -> None:
    """From now on the world's operator permits webhooks to these networks."""
    changed = world.ports.settings.model_copy(update={"webhook_networks": networks})
    served = serve(
        replace(world.ports, settings=changed), world.codes, world.types, world.clients, world.people
    )
    world.ports, world.app, world.http = served.ports, served.app, served.http


def keyed(key: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": key or f"webhook-{next(_keys)}"}


def ask_endpoint(
    world: World, url: str, *, client: str = "system", key: str | None = None, **more: Any
) -> TestResponse:
    return world.post(PATH, {"url": url, **OPERATOR, **more}, client, **keyed(key))


def endpoint(world: World, url: str, **more: Any) -> dict[str, Any]:
    answer = ask_endpoint(world, url, **more)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    value: dict[str, Any] = answer.get_json()
    return value


def post(world: World, path: str, body: Mapping[str, Any] | None = None, status: int = 200) -> dict[str, Any]:
    answer = world.post(f"{PATH}/{path}", {**OPERATOR, **(body or {})}, **keyed())
    assert answer.status_code == status, answer.get_data(as_text=True)
    value: dict[str, Any] = answer.get_json()
    return value


def get(world: World, path: str) -> dict[str, Any]:
    answer = world.get(f"{PATH}/{path}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    value: dict[str, Any] = answer.get_json()
    return value


def sent(world: World, sender: Post | None = None, **options: Any) -> Round:
    """One round of work, by a sender that reaches loopback."""
    own = Sender(world.ports.settings.webhook_permitted, world.ports.clock, timeout=120)
    try:
        return deliver(world.ports, sender or own, **options)
    finally:
        own.close()


def rows(world: World) -> list[WebhookDelivery]:
    with Session(world.ports.database.read) as session:
        wanted = select(WebhookDelivery).order_by(WebhookDelivery.event_at, WebhookDelivery.event_id)
        return list(session.scalars(wanted))


def answering(outcome: Outcome) -> Post:
    return lambda _claimed: outcome


def heard(secret: str) -> bytes:
    """A secret as a receiver reads it."""
    assert secret.startswith("whsec_")
    return base64.b64decode(secret.removeprefix("whsec_"), validate=True)


def is_signed(call: Call, secret: str, at: datetime) -> bool:
    """As a receiver finds out by the specification, with nothing of ours."""
    timestamp = call.headers["webhook-timestamp"]
    signed = b".".join([call.id.encode(), timestamp.encode(), call.body])
    wanted = base64.b64encode(hmac.new(heard(secret), signed, hashlib.sha256).digest()).decode()
    signatures = [part.split(",", 1) for part in call.headers["webhook-signature"].split(" ")]
    return abs(int(timestamp) - at.timestamp()) < 300 and ["v1", wanted] in signatures
