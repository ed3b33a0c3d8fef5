"""Where the sandbox posts webhooks to: a receiver of the kit's own, an address a purpose."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from keys.canonical import strict_json
from keys.errors import VermilionError

MAX_BODY = 256 * 1024
MAX_CALLS = 1000
TOLERANCE = 300


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt at a delivery; `headers` by names in lower case."""

    at: float  # monotonic
    headers: Mapping[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers.get("webhook-id", "")

    @property
    def told(self) -> dict[str, Any]:
        """The payload; empty for what is none."""
        try:
            value = strict_json(self.body, max_bytes=MAX_BODY, max_depth=8, fractions=True)
        except VermilionError:
            return {}
        return value if isinstance(value, dict) else {}

    def signed_by(self, secret: str) -> bool:
        """As Standard Webhooks 1.0.0 says, now."""
        sent = self.headers.get("webhook-timestamp", "")
        if not sent.isascii() or not sent.isdigit() or abs(int(sent[:12]) - time.time()) > TOLERANCE:
            return False
        given = self.headers.get("webhook-signature", "").split()
        return f"v1,{signature(secret, self.id, sent, self.body)}" in given


def signature(secret: str, event: str, timestamp: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{event}.{timestamp}.".encode() + body
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def signed_headers(keys: list[str], event: str, body: bytes, *, age: int = 0) -> dict[str, str]:
    """Headers of a delivery made here, as of some seconds ago."""
    timestamp = str(int(time.time()) - age)
    macs = " ".join(f"v1,{signature(key, event, timestamp, body)}" for key in keys)
    return {
        "Content-Type": "application/json",
        "webhook-id": event,
        "webhook-timestamp": timestamp,
        "webhook-signature": macs,
    }


@dataclass
class Place:
    """One address. `reply` says the status to answer with."""

    url: str
    reply: Callable[[Call], int] = lambda _call: 204
    calls: list[Call] = field(default_factory=list)


class Hooks:
    """The receiver. Addresses are not to be guessed; whatever else is asked is answered 404."""

    def __init__(self, listen: str, port: int, public: str | None) -> None:
        self._places: dict[str, Place] = {}
        self._server = ThreadingHTTPServer((listen, port), self._handler())
        self._server.daemon_threads = True
        self._public = (public or f"http://{listen}:{self._server.server_address[1]}").rstrip("/")
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def place(self) -> Place:
        path = f"/conformance/{secrets.token_hex(16)}"
        made = Place(self._public + path)
        self._places[path] = made
        return made

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        places = self._places

        class Handler(BaseHTTPRequestHandler):
            timeout = 15

            def do_POST(self) -> None:
                place = next((one for path, one in places.items() if self.path.endswith(path)), None)
                length = self.headers.get("Content-Length", "")
                if place is None or not length.isdigit() or int(length) > MAX_BODY:
                    self._answer(404)
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = Call(time.monotonic(), headers, self.rfile.read(int(length)))
                if len(place.calls) < MAX_CALLS:
                    place.calls.append(call)
                self._answer(place.reply(call))

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler
