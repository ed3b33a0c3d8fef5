"""Authorities outside, over real connections on loopback: asked in order, within bounds, believed when verified."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from keys.clock import system_clock
from keys.errors import Kind, VermilionError
from keys.tsp import QUERY_TYPE, REPLY_TYPE, FailInfo, rejection
from registry.logs import configure_logs
from registry.seals.outside_tsa import (
    FIRST_REST,
    LONGEST_REST,
    MAX_RESPONSE_BYTES,
    OutsideTimeStamps,
    load_outside_tsas,
)
from tests.keys.outside import OTHER_POLICY, POLICY, Outside, make_outside

DIGEST = sha256(b"what is anchored").digest()


@dataclass
class Server:
    """One authority's web server: `reply` may be exchanged while it serves."""

    outside: Outside
    asked: list[tuple[str, bytes]] = field(default_factory=list)
    reply: Callable[[BaseHTTPRequestHandler, bytes], None] | None = None
    stop: threading.Event = field(default_factory=threading.Event)
    port: int = 0

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        self.asked.append((str(handler.headers["Content-Type"]), body))
        if self.reply is None:
            send(handler, self.outside.answer(body))
        else:
            self.reply(handler, body)


def send(
    handler: BaseHTTPRequestHandler,
    body: bytes,
    status: int = 200,
    content_type: str = REPLY_TYPE,
    **headers: str,
) -> None:
    handler.send_response(status)
    for name, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def serve(server: Server) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            server.handle(self)

        def log_message(self, *_args: Any) -> None:
            pass

    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    httpd.daemon_threads = True
    server.port = httpd.server_address[1]
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    return httpd


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    made = [Server(make_outside(tmp_path / name, kind="p256")) for name in ("first", "second")]
    running = [serve(server) for server in made]
    yield made
    for server, httpd in zip(made, running, strict=True):
        server.stop.set()
        httpd.shutdown()
        httpd.server_close()


class Stopwatch:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Here:
    stamps: OutsideTimeStamps
    watch: Stopwatch
    servers: list[Server]


def listed(place: Path, servers: list[Server], extra: str = "") -> Path:
    entries = []
    for number, server in enumerate(servers):
        (place / f"{number}.pem").write_bytes(server.outside.root.pem)
        url = f"http://127.0.0.1:{server.port}/tsa"
        entries.append(f'[[tsa]]\nname = "tsa {number}"\nurl = "{url}"\nca = "{number}.pem"\n{extra}')
    path = place / "tsa.toml"
    path.write_text("\n".join(entries))
    return path


def client(
    place: Path,
    servers: list[Server],
    *,
    extra: str = "",
    clock: Callable[[], datetime] = system_clock,
    timeout: float = 30,
) -> Here:
    configure_logs()
    watch = Stopwatch()
    authorities = load_outside_tsas(listed(place, servers, extra))
    numbers = iter(range(1, 1000))
    stamps = OutsideTimeStamps(
        authorities, clock=clock, random=lambda size: next(numbers).to_bytes(size, "big"), monotonic=watch,
        timeout=timeout,
    )  # fmt: skip
    return Here(stamps, watch, servers)


@pytest.fixture
def here(tmp_path: Path, servers: list[Server]) -> Here:
    return client(tmp_path, servers)


def test_the_first_of_the_list_is_asked_and_its_answer_believed(here: Here) -> None:
    found = here.stamps.stamp(DIGEST)
    assert found.authority == "tsa 0"
    assert found.stamp.policy == POLICY
    assert found.stamp.certificate == here.servers[0].outside.signer.der
    ((content_type, body),) = here.servers[0].asked
    assert content_type == QUERY_TYPE
    assert DIGEST in body
    assert here.servers[1].asked == []


def test_a_policy_of_the_list_is_asked_for(tmp_path: Path, servers: list[Server]) -> None:
    here = client(tmp_path, servers, extra=f'policy = "{OTHER_POLICY}"\n')
    assert here.stamps.stamp(DIGEST).stamp.policy == OTHER_POLICY


def drip(handler: BaseHTTPRequestHandler, server: Server, line: bytes) -> None:
    """A byte now and then, for as long as the test runs."""
    handler.wfile.write(line)
    while not server.stop.wait(0.05):
        try:
            handler.wfile.write(b"x")
        except OSError:
            return


def noise(handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(bytes(70_000))


def silent(handler: BaseHTTPRequestHandler, server: Server) -> None:
    server.stop.wait(30)


def redirect(handler: BaseHTTPRequestHandler, other: Server) -> None:
    send(handler, b"", 307, Location=f"http://127.0.0.1:{other.port}/tsa")


def by_the_other(handler: BaseHTTPRequestHandler, body: bytes, other: Server) -> None:
    send(handler, other.outside.answer(body))


FAULTS: dict[str, tuple[str, Callable[[BaseHTTPRequestHandler, bytes, Server, Server], None]]] = {
    "an error": ("no_answer", lambda h, _b, _s, _o: send(h, b"", 500)),
    "another type": ("no_answer", lambda h, b, s, _o: send(h, s.outside.answer(b), content_type="text/html")),
    "a redirect": ("no_answer", lambda h, _b, _s, o: redirect(h, o)),
    "too much": ("no_answer", lambda h, _b, _s, _o: send(h, bytes(MAX_RESPONSE_BYTES + 1))),
    "a header in drips": ("no_answer", lambda h, _b, s, _o: drip(h, s, b"HTTP/1.1 200 OK\r\nX: ")),
    "a body in drips": (
        "no_answer",
        lambda h, _b, s, _o: drip(
            h, s, b"HTTP/1.0 200 OK\r\nContent-Type: application/timestamp-reply\r\n\r\n"
        ),
    ),
    "silence": ("no_answer", lambda h, _b, s, _o: silent(h, s)),
    "no http": ("no_answer", lambda h, _b, _s, _o: noise(h)),
    "nothing": ("malformed", lambda h, _b, _s, _o: send(h, b"")),
    "garbage": ("malformed", lambda h, _b, _s, _o: send(h, b"\x30\x80" * 100)),
    "a rejection": ("rejected", lambda h, _b, _s, _o: send(h, rejection(FailInfo.SYSTEM_FAILURE, "no"))),
    "an authority that is not pinned": ("chain", lambda h, b, _s, o: by_the_other(h, b, o)),
    "a request altered on its way": (
        "time_stamp", lambda h, b, s, _o: send(h, s.outside.answer(b.replace(DIGEST, bytes(32)))),
    ),
}  # fmt: skip


ENDLESS = {"a header in drips", "a body in drips", "silence"}


@pytest.mark.parametrize("fault", FAULTS)
def test_one_that_fails_is_passed_over_and_rests(
    tmp_path: Path, servers: list[Server], capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    reason, reply = FAULTS[fault]
    time_for_each = 3 if fault in ENDLESS else 30  # the other has to answer within it
    here = client(tmp_path, servers, timeout=time_for_each)
    first, second = servers
    first.reply = lambda handler, body: reply(handler, body, first, second)
    assert here.stamps.stamp(DIGEST).authority == "tsa 1"
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["authority"], line["reason"]) == ("outside_tsa_failed", "tsa 0", reason)
    assert len(second.asked) == 1  # a redirect to it is not followed
    assert here.stamps.stamp(DIGEST).authority == "tsa 1"
    assert len(first.asked) == 1


def test_an_answer_to_an_earlier_request_is_none(here: Here) -> None:
    first = here.servers[0]
    here.stamps.stamp(DIGEST)
    old = first.outside.answer(first.asked[0][1])
    first.reply = lambda handler, _body: send(handler, old)
    assert here.stamps.stamp(DIGEST).authority == "tsa 1"


def test_who_rests_is_asked_again_and_rests_twice_as_long_when_it_fails_again(here: Here) -> None:
    first = here.servers[0]
    first.reply = lambda handler, _body: send(handler, b"", 500)
    rest = FIRST_REST.total_seconds()
    for _ in range(10):
        asked = len(first.asked)
        here.stamps.stamp(DIGEST)
        assert len(first.asked) == asked + 1
        here.watch.now += rest - 0.01
        here.stamps.stamp(DIGEST)
        assert len(first.asked) == asked + 1
        here.watch.now += 0.02
        rest = min(2 * rest, LONGEST_REST.total_seconds())
    first.reply = None
    assert here.stamps.stamp(DIGEST).authority == "tsa 0"
    first.reply = lambda handler, _body: send(handler, b"", 500)
    here.stamps.stamp(DIGEST)  # forgiven: it rests for the shortest time again
    here.watch.now += FIRST_REST.total_seconds()
    first.reply = None
    assert here.stamps.stamp(DIGEST).authority == "tsa 0"


def test_where_none_gives_a_time_that_is_said(here: Here) -> None:
    for server in here.servers:
        server.reply = lambda handler, _body: send(handler, b"", 503)
    for _ in range(2):
        with pytest.raises(VermilionError) as caught:
            here.stamps.stamp(DIGEST)
        assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "outside_tsa")
    assert [len(server.asked) for server in here.servers] == [1, 1]


def test_a_clock_that_is_not_ours_is_not_believed(tmp_path: Path, servers: list[Server]) -> None:
    here = client(tmp_path, servers, clock=lambda: system_clock() + timedelta(minutes=6))
    with pytest.raises(VermilionError):
        here.stamps.stamp(DIGEST)


def test_nothing_listens_and_nothing_breaks(tmp_path: Path, servers: list[Server]) -> None:
    servers[0].port = 9  # discard: nobody is there
    assert client(tmp_path, servers).stamps.stamp(DIGEST).authority == "tsa 1"


def test_an_empty_list_asks_nobody(tmp_path: Path) -> None:
    (tmp_path / "tsa.toml").write_text("")
    assert load_outside_tsas(tmp_path / "tsa.toml") == ()
    with pytest.raises(VermilionError):
        OutsideTimeStamps((), clock=system_clock, random=bytes).stamp(DIGEST)


GOOD = 'name = "n"\nurl = "https://tsa.example/tsa"\nca = "0.pem"\n'
BROKEN = {
    "no url": GOOD.replace('url = "https://tsa.example/tsa"\n', ""),
    "ftp": GOOD.replace("https", "ftp"),
    "user": GOOD.replace("//", "//user:secret@"),
    "query": GOOD.replace('/tsa"', '/tsa?x=1"'),
    "no host": GOOD.replace("tsa.example", ""),
    "port": GOOD.replace("example/", "example:99999/"),
    "space": GOOD.replace("example/", "example/ x"),
    "no file": GOOD.replace("0.pem", "nothing.pem"),
    "no certificate": GOOD.replace("0.pem", "tsa.toml"),
    "policy": GOOD + 'policy = "one"\n',
    "another key": GOOD + 'password = "x"\n',
    "twice": GOOD + "[[tsa]]\n" + GOOD,
}  # fmt: skip


@pytest.mark.parametrize("broken", BROKEN)
def test_a_list_that_is_wrong_is_refused(tmp_path: Path, broken: str) -> None:
    outside = make_outside(tmp_path / "outside", kind="p256")
    (tmp_path / "0.pem").write_bytes(outside.root.pem)
    path = tmp_path / "tsa.toml"
    path.write_text("[[tsa]]\n" + GOOD)
    assert [tsa.url for tsa in load_outside_tsas(path)] == ["https://tsa.example/tsa"]
    path.write_text("[[tsa]]\n" + BROKEN[broken])
    with pytest.raises(VermilionError) as caught:
        load_outside_tsas(path)
    assert caught.value.kind is Kind.INVALID
    assert "secret" not in caught.value.detail
