"""One attempt over a real connection: where it goes, what it heeds, what it never does."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from registry.outgoing import posting
from registry.outgoing.attempts import Outcome
from registry.outgoing.posting import MAX_REPLY
from registry.outside_addresses import networks
from registry.webhooks.claims import Claimed
from registry.webhooks.claims import Receiver as Endpoint
from registry.webhooks.sending import Sender
from tests.ports import own_port
from tests.registry.hooking import LOOPBACK, Receiver, receiver
from tests.services.running import until

NOW = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
HOST = "hooks.example"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


_made: list[Sender] = []


@pytest.fixture(autouse=True)
def connections() -> Iterator[None]:
    """None is left open."""
    yield
    while _made:
        _made.pop().close()


def sender(permitted: str = LOOPBACK, *, timeout: float = 30, **options: object) -> Sender:
    made = Sender(networks(permitted), lambda: NOW, timeout=timeout, **options)
    _made.append(made)
    return made


def one(url: str, number: int = 1) -> Claimed:
    endpoint = Endpoint("e" * 32, url, 0)
    return Claimed(endpoint, f"{number:032x}", 1, 0, b'{"a":1}', (bytes(32),), NOW + timedelta(minutes=2))


class Names:
    """A resolver of this test's own: what it was asked, and what it says, one answer after another."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers, self.asked = list(answers), 0

    def __call__(self, host: str, _port: int) -> list[str]:
        assert host == HOST
        self.asked += 1
        return list(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])


def test_what_is_taken_is_any_2xx_and_nothing_else(hook: Receiver) -> None:
    post = sender()
    for status in (200, 201, 202, 204, 299):
        hook.reply = lambda _call, status=status: status  # type: ignore[misc]
        assert post(one(hook.url)) == Outcome(status, None)
    for status in (301, 302, 307, 308, 400, 401, 404, 410, 429, 500, 502, 503, 504):
        hook.reply = lambda _call, status=status: (status, {"Location": hook.url + "/other"})  # type: ignore[misc]
        assert post(one(hook.url)) == Outcome(status, "status")
    assert {call.path for call in hook.calls} == {"/hooks"}, "no redirect is followed"
    assert len(hook.calls) == 18


def test_a_retry_after_is_heard(hook: Receiver) -> None:
    hook.reply = lambda _call: (503, {"Retry-After": "90"})
    assert sender()(one(hook.url)) == Outcome(503, "status", timedelta(seconds=90))


def test_one_connection_serves_one_call_after_another(hook: Receiver) -> None:
    post = sender()
    for number in range(5):
        assert post(one(hook.url, number)).reason is None
    assert len({call.connection for call in hook.calls}) == 1


def test_a_connection_that_was_closed_meanwhile_is_made_anew(hook: Receiver) -> None:
    """Said (Connection: close) or not; and one that was idle for long is not used at all."""
    now = [0.0]
    post = sender(monotonic=lambda: now[0])
    hook.reply = lambda _call: (204, {"Connection": "close"})
    assert [post(one(hook.url, number)).status for number in range(2)] == [204, 204]

    def leave(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        handler.close_connection = True

    hook.reply = lambda _call: leave
    assert [post(one(hook.url, number)).status for number in range(2, 4)] == [204, 204]
    assert len({call.connection for call in hook.calls}) == 4
    hook.reply = lambda _call: 204
    assert post(one(hook.url, 4)).status == 204
    now[0] += posting.IDLE_SECONDS + 1
    assert post(one(hook.url, 5)).status == 204
    assert len({call.connection for call in hook.calls}) == 6
    assert len(hook.ids) == len(set(hook.ids)) == 6


def drip(head: bytes) -> Callable[[Receiver], Callable[[BaseHTTPRequestHandler], None]]:
    def made(hook: Receiver) -> Callable[[BaseHTTPRequestHandler], None]:
        def reply(handler: BaseHTTPRequestHandler) -> None:
            handler.close_connection = True
            handler.wfile.write(head)
            while not hook.stop.wait(0.02):
                try:
                    handler.wfile.write(b"x")
                except OSError:
                    return

        return reply

    return made


def raw(answer: bytes) -> Callable[[Receiver], Callable[[BaseHTTPRequestHandler], None]]:
    def made(_hook: Receiver) -> Callable[[BaseHTTPRequestHandler], None]:
        def reply(handler: BaseHTTPRequestHandler) -> None:
            handler.close_connection = True
            handler.wfile.write(answer)

        return reply

    return made


def silent(hook: Receiver) -> Callable[[BaseHTTPRequestHandler], None]:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.close_connection = True
        hook.stop.wait(30)

    return reply


OK = b"HTTP/1.1 200 OK\r\n"
ANSWERS = {
    "silence": (silent, Outcome(None, "timeout")),
    "a header in drips": (drip(OK + b"X: "), Outcome(None, "timeout")),
    "a body in drips": (drip(OK + b"Content-Length: 1000\r\n\r\n"), Outcome(None, "timeout")),
    "a body without an end": (drip(OK + b"\r\n"), Outcome(None, "timeout")),
    "too much": (raw(OK + b"\r\n" + bytes(3 * MAX_REPLY)), Outcome(200, None)),
    "cut short": (raw(OK + b"Content-Length: 10\r\n\r\n12345"), Outcome(None, "no_http")),
    "nothing": (raw(b""), Outcome(None, "unreachable")),
    "no http": (raw(bytes(70_000)), Outcome(None, "no_http")),
    "many headers": (raw(OK + b"X: y\r\n" * 200 + b"\r\n"), Outcome(None, "no_http")),
    "a status out of range": (raw(b"HTTP/1.1 2000 OK\r\n\r\n"), Outcome(None, "no_http")),
    "only a hint": (raw(b"HTTP/1.1 100 Continue\r\n\r\n"), Outcome(None, "unreachable")),
}  # fmt: skip


@pytest.mark.parametrize("answer", ANSWERS)
def test_whatever_a_receiver_answers_is_an_outcome_within_the_time(hook: Receiver, answer: str) -> None:
    made, wanted = ANSWERS[answer]
    reply = made(hook)
    hook.reply = lambda _call: reply
    post = sender(timeout=2 if wanted.reason == "timeout" else 30)
    assert post(one(hook.url)) == wanted
    until(lambda: hook.calls, "the receiver has heard it")
    assert len(hook.calls) == 1


def test_nobody_listens() -> None:
    assert sender()(one(f"http://127.0.0.1:{own_port()}/")) == Outcome(None, "unreachable")
    names = sender(lookup=lambda _host, _port: [])
    assert names(one("http://nowhere.example/")) == Outcome(None, "unreachable")


def test_no_proxy_of_the_environment_is_asked(hook: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert sender()(one(hook.url)).status == 204


# --- where it goes -------------------------------------------------------------------------------------

REFUSED = Outcome(None, "address_refused")


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"], ["::1"], ["10.0.0.1"], ["169.254.169.254"], ["::ffff:127.0.0.1"], ["0.0.0.0"], ["224.0.0.1"],
        ["64:ff9b::7f00:1"], ["8.8.8.8", "127.0.0.1"], ["127.0.0.1", "8.8.8.8"],
    ],
)  # fmt: skip
def test_a_name_that_leads_inside_is_not_called(hook: Receiver, addresses: list[str]) -> None:
    """One such address among others refuses them all."""
    names = Names(addresses)
    for scheme in ("http", "https"):
        assert sender("", lookup=names)(one(f"{scheme}://{HOST}:{hook.port}/")) == REFUSED
    assert hook.calls == []


def test_plain_http_goes_to_permitted_networks_alone(hook: Receiver) -> None:
    assert sender(lookup=Names(["8.8.8.8"]))(one(f"http://{HOST}/")) == REFUSED
    assert sender("10.0.0.0/8")(one(hook.url)) == REFUSED
    assert sender(lookup=Names(["127.0.0.1"]))(one(f"http://{HOST}:{hook.port}/")).status == 204
    (call,) = hook.calls
    assert call.headers["host"] == f"{HOST}:{hook.port}"


def test_numbers_that_a_system_reads_as_an_address_are_judged_as_that(hook: Receiver) -> None:
    for host in ("2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost", "localhost."):
        assert sender("")(one(f"http://{host}:{hook.port}/")).reason in {"address_refused", "unreachable"}
    assert hook.calls == []


def test_a_name_is_resolved_once_and_what_it_leads_to_then_does_not_count(
    hook: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It leads to a permitted address when it is judged, and would lead elsewhere a moment later."""
    names = Names(["127.0.0.1"], ["127.66.66.66"])
    went: list[str] = []
    connect = socket.create_connection

    def noted(address: tuple[str, int], timeout: float) -> socket.socket:
        went.append(address[0])
        return connect(address, timeout)

    monkeypatch.setattr(socket, "create_connection", noted)
    assert sender(lookup=names)(one(f"http://{HOST}:{hook.port}/")).status == 204
    assert (names.asked, went) == (1, ["127.0.0.1"])


def test_a_kept_connection_is_of_the_address_that_was_judged(hook: Receiver) -> None:
    """And each new one is judged anew: a name that leads inside by then is refused."""
    names = Names(["127.0.0.1"], ["10.0.0.1"])
    now = [0.0]
    post = sender(lookup=names, monotonic=lambda: now[0])
    assert [post(one(f"http://{HOST}:{hook.port}/", number)).status for number in range(3)] == [204] * 3
    assert names.asked == 1
    now[0] += posting.IDLE_SECONDS + 1
    assert post(one(f"http://{HOST}:{hook.port}/", 4)) == REFUSED


def test_the_next_address_is_tried_where_one_does_not_answer(hook: Receiver) -> None:
    assert sender(lookup=Names(["127.0.0.2", "127.0.0.1"]))(one(f"http://{HOST}:{hook.port}/")).status == 204


# --- TLS -----------------------------------------------------------------------------------------------


def certified(folder: Path, *names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's side under a certificate of its own for these names, and a client's that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "receiver")])
    now = datetime.now(UTC)
    found = [
        x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)
        for name in names
    ]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(found), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "tls.pem").write_bytes(pem + private)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "tls.pem")
    return server, ssl.create_default_context(cadata=pem.decode())


def test_tls_is_verified_by_name_whatever_the_address(tmp_path: Path) -> None:
    server, client = certified(tmp_path, HOST, "127.0.0.1")
    with receiver(server) as hook:
        post = sender(lookup=lambda _host, _port: ["127.0.0.1"], tls=client)
        for number in range(3):
            assert post(one(f"https://{HOST}:{hook.port}/", number)).status == 204
        assert len({call.connection for call in hook.calls}) == 1
        assert post(one(f"https://127.0.0.1:{hook.port}/")).status == 204
        assert post(one(f"https://other.example:{hook.port}/")) == Outcome(None, "tls")
        assert sender(lookup=lambda _host, _port: ["127.0.0.1"])(
            one(f"https://{HOST}:{hook.port}/")
        ) == Outcome(None, "tls"), "an authority that the machine does not know"
        assert len(hook.calls) == 4


def test_a_handshake_that_never_ends_is_cut_off() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        accepted: list[socket.socket] = []
        thread = threading.Thread(target=lambda: accepted.append(listening.accept()[0]), daemon=True)
        thread.start()
        assert sender(timeout=1)(one(f"https://127.0.0.1:{port}/")) == Outcome(None, "timeout")
        thread.join()
        for connection in accepted:
            connection.close()
