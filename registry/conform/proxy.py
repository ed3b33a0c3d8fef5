"""What a client speaks to: a proxy on this machine that hands everything on to the sandbox, writes down what
was asked and answered, and disturbs where it is told to.

What it writes down stays in memory: it holds tokens.
"""

from __future__ import annotations

import http.client
import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import urlsplit

MAX_REQUEST = 32 * 1024 * 1024
MAX_ANSWER = 256 * 1024 * 1024
MAX_KEPT = 2 * 1024 * 1024  # bytes of a body that are kept
MAX_EXCHANGES = 5000
TIMEOUT = 60
NOT_HANDED_ON = frozenset(
    [
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "host",
        "content-length",
        "expect",
    ]
)


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to so many requests of a kind. `status`: it is answered here, and nothing reaches the
    sandbox.
    """

    name: str
    method: str
    path: str  # a regular expression, of the whole path
    times: int = 1
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""  # its type's last part
    cut: Literal["", "answer", "body"] = ""  # the connection ends when the sandbox has answered
    delay: float = 0.0
    alter: Callable[[dict[str, Any]], dict[str, Any]] | None = None  # of a JSON answer

    def meets(self, method: str, path: str) -> bool:
        return method == self.method and re.fullmatch(self.path, path) is not None


@dataclass
class Exchange:
    """A request, and what the sandbox answered; names of headers in lower case, times monotonic."""

    step: str
    at: float
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    fault: Fault | None
    status: int = 0  # what the client was answered; 0: nothing
    answer_headers: Mapping[str, str] = field(default_factory=dict)
    answer: bytes = b""  # the sandbox's
    ended: float = 0.0

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def key(self) -> str:
        return self.headers.get("idempotency-key", "")

    def told(self) -> dict[str, Any]:
        """The answer's JSON; empty for what is none."""
        try:
            value = json.loads(self.answer)
        except (ValueError, RecursionError):
            return {}
        return value if isinstance(value, dict) else {}


class Proxy:
    """One for each run. `step` names what the client is doing."""

    def __init__(self, base: str) -> None:
        self.exchanges: list[Exchange] = []
        self.trapped: list[Mapping[str, str]] = []  # headers of what followed a redirect to elsewhere
        self.step = ""
        self._faults: list[list[Any]] = []  # a fault, and how often it is still to happen
        self._lock = threading.Lock()
        self._base = urlsplit(base)
        self._server = _served(self._handler())
        self._trap = _served(self._trap_handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def elsewhere(self) -> str:
        """Another origin, which nobody was told of but by a redirect."""
        return f"http://127.0.0.1:{self._trap.server_address[1]}"

    def begin(self, step: str, *faults: Fault) -> None:
        with self._lock:
            self.step = step
            self._faults = [[fault, fault.times] for fault in faults]

    def during(self, step: str) -> list[Exchange]:
        with self._lock:
            return [one for one in self.exchanges if one.step == step]

    def close(self) -> None:
        for server in (self._server, self._trap):
            server.shutdown()
            server.server_close()

    def _begun(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Exchange:
        path = target.partition("?")[0]
        with self._lock:
            fault = None
            for entry in self._faults:
                if entry[1] > 0 and entry[0].meets(method, path):
                    fault, entry[1] = entry[0], entry[1] - 1
                    break
            one = Exchange(self.step, time.monotonic(), method, target, headers, body, fault)
            if len(self.exchanges) < MAX_EXCHANGES:
                self.exchanges.append(one)
            return one

    def _asked(self, one: Exchange, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """The sandbox's answer. Raises OSError, http.client.HTTPException."""
        host, port = self._base.hostname or "", self._base.port
        line: http.client.HTTPConnection
        if self._base.scheme == "https":
            line = http.client.HTTPSConnection(
                host, port, timeout=TIMEOUT, context=ssl.create_default_context()
            )
        else:
            line = http.client.HTTPConnection(host, port, timeout=TIMEOUT)
        try:
            headers = {name: value for name, value in one.headers.items() if name not in NOT_HANDED_ON}
            line.request(one.method, self._base.path + one.target, body or None, headers)
            with line.getresponse() as response:
                data = response.read(MAX_ANSWER + 1)
                if len(data) > MAX_ANSWER:
                    raise http.client.IncompleteRead(data)
                return response.status, response.getheaders(), data
        finally:
            line.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True
            timeout = TIMEOUT

            def handle_any(self) -> None:
                length = self.headers.get("Content-Length", "0")
                if "Transfer-Encoding" in self.headers or not length.isdigit() or int(length) > MAX_REQUEST:
                    self.close_connection = True
                    self.send_error(411)
                    return
                body = self.rfile.read(int(length))
                headers = {name.lower(): value for name, value in self.headers.items()}
                one = proxy._begun(self.command, self.path, headers, body[:MAX_KEPT])
                self.answer(one, body)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

            def answer(self, one: Exchange, body: bytes) -> None:
                fault = one.fault
                if fault is not None and fault.status is not None:
                    self.refuse(one, fault, fault.status)
                    return
                try:
                    status, headers, data = proxy._asked(one, body)
                except (OSError, http.client.HTTPException):
                    self.refuse(one, Fault("sandbox", "", "", problem="unavailable"), 502)
                    return
                one.answer = data[:MAX_KEPT]
                one.answer_headers = {name.lower(): value for name, value in headers}
                cut = "" if fault is None else fault.cut
                if fault is not None:
                    time.sleep(fault.delay)
                    if fault.alter is not None and status == 200:
                        data = json.dumps(fault.alter(json.loads(data))).encode()
                one.ended = time.monotonic()
                if cut == "answer":
                    self.close_connection = True
                    return
                kept = [(name, value) for name, value in headers if name.lower() not in NOT_HANDED_ON]
                self.write(status, kept, data, half=cut == "body")
                one.status = 0 if cut else status

            def refuse(self, one: Exchange, fault: Fault, status: int) -> None:
                told = {"type": f"/problems/{fault.problem}", "title": "disturbed", "status": status}
                if fault.problem == "unauthenticated":
                    told["reason"] = "token"
                data = json.dumps(told).encode()
                headers = [("Content-Type", "application/problem+json"), *fault.headers.items()]
                one.ended = time.monotonic()
                self.write(status, headers, data)
                one.status, one.answer_headers = status, {n.lower(): v for n, v in headers}

            def write(
                self, status: int, headers: list[tuple[str, str]], data: bytes, *, half: bool = False
            ) -> None:
                self.send_response_only(status)
                for name, value in headers:
                    self.send_header(name, value)
                if status != 304:
                    self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data[: len(data) // 2] if half else data)
                self.close_connection = self.close_connection or half

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler

    def _trap_handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            timeout = TIMEOUT

            def handle_any(self) -> None:
                if len(proxy.trapped) < MAX_EXCHANGES:
                    proxy.trapped.append({name.lower(): value for name, value in self.headers.items()})
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

            def log_message(self, *_arguments: object) -> None:
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_arguments: object) -> None:
        """A client that went away is no news."""


def _served(handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    server = _Server(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
