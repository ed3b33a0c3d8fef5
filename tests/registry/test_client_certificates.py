"""Tokens that are bound to a client's certificate (RFC 8705), which a proxy in front passes on (RFC 9440)."""

from __future__ import annotations

import base64
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import VermilionError
from registry.agencies.client_certificates import HEADER, certificate_digest
from registry.outside_addresses import networks
from tests.browser.site import serve
from tests.registry.test_auth import SELF, with_secret
from tests.registry.world import World, on_sqlite

PROXY = networks("127.0.0.1/32,10.1.0.0/16,fd00::/8")


def certificate(folder: Path, name: str) -> Path:
    """Of its own signature: certificate and key, PEM, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    plain = serialization.NoEncryption()
    form = serialization.Encoding.PEM
    path.write_bytes(
        key.private_bytes(form, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(form)
    )
    return path


def der_of(path: Path) -> bytes:
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(serialization.Encoding.DER)


def written(der: bytes) -> str:
    return f":{base64.b64encode(der).decode()}:"


def test_what_a_proxy_of_ours_passes_on_is_read_and_nobody_elses_word(tmp_path: Path) -> None:
    der = der_of(certificate(tmp_path, "client"))
    digest = sha256(der).digest()
    for peer in ("127.0.0.1", "10.1.255.7", "fd00::1", "::ffff:10.1.0.1"):
        assert certificate_digest(written(der), peer, PROXY) == digest, peer
        assert certificate_digest(None, peer, PROXY) is None
    for stranger in ("10.2.0.1", "::1", "fe80::1%eth0", "", None, "localhost"):
        assert certificate_digest(written(der), stranger, PROXY) is None, stranger
    assert certificate_digest(written(der), "127.0.0.1", ()) is None


def test_what_no_proxy_can_mean_is_refused(tmp_path: Path) -> None:
    der = der_of(certificate(tmp_path, "client"))
    right = base64.b64encode(der).decode()
    cases = {
        "nothing": "", "no certificate": "::", "no byte sequence": right, "two": f"{written(der)}, {written(der)}",
        "parameters": f"{written(der)};a=1", "padding": f":{right.rstrip('=')}A===:", "a space": f":{right[:8]} {right[8:]}:",
        "urlsafe": f":{right[:-8]}--__{right[-4:]}:", "cut short": written(der[:-1]), "a byte more": written(der + b"\0"),
        "another element": written(b"\x30\x03\x02\x01\x05"), "too long": written(der + bytes(9000)),
        "PEM": ":" + base64.b64encode(b"-----BEGIN CERTIFICATE-----").decode() + ":",
    }  # fmt: skip
    for name, header in cases.items():
        with pytest.raises(VermilionError) as refused:
            certificate_digest(header, "127.0.0.1", PROXY)
        assert refused.value.reason == "client_certificate", name


@given(st.text(max_size=200) | st.binary(max_size=200).map(written))
def test_no_header_gets_another_error(header: str) -> None:
    with pytest.raises(VermilionError):
        certificate_digest(header, "127.0.0.1", PROXY)


def trusting(world: World, proxies: str = "127.0.0.1/32") -> None:
    settings = world.ports.settings.model_copy(update={"certificate_proxies": proxies})
    object.__setattr__(world.ports, "settings", settings)


def test_a_bound_token_serves_with_its_certificate_alone(world: World, tmp_path: Path) -> None:
    trusting(world)
    mine, other = (written(der_of(certificate(tmp_path, name))) for name in ("mine", "other"))
    client, secret = with_secret(world)
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    answer = world.http.post("/oauth2/token", data=form, headers={HEADER: mine})
    bearer = {"Authorization": f"Bearer {answer.get_json()['access_token']}"}
    assert world.http.get(SELF, headers={**bearer, HEADER: mine}).status_code == 200
    for headers in ({}, {HEADER: other}):
        refused = world.http.get(SELF, headers={**bearer, **headers})
        assert (refused.status_code, refused.get_json()["reason"]) == (401, "token")
        assert 'error="invalid_token"' in refused.headers["WWW-Authenticate"]
    broken = world.http.get(SELF, headers={**bearer, HEADER: f"{mine}, {other}"})
    assert (broken.status_code, broken.get_json()["reason"]) == (401, "client_certificate")
    trusting(world, "10.0.0.0/8")  # this is no proxy of ours any more
    assert world.http.get(SELF, headers={**bearer, HEADER: mine}).status_code == 401


def test_a_client_of_which_one_is_required_gets_no_token_without(world: World, tmp_path: Path) -> None:
    trusting(world)
    client, secret = with_secret(world, certificate_required=True)
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": secret}
    without = world.http.post("/oauth2/token", data=form)
    assert (without.status_code, without.get_json()["error"]) == (401, "invalid_client")
    mine = written(der_of(certificate(tmp_path, "mine")))
    assert world.http.post("/oauth2/token", data=form, headers={HEADER: mine}).status_code == 200
    broken = world.http.post("/oauth2/token", data=form, headers={HEADER: mine[1:]})
    assert (broken.status_code, broken.get_json()["error"]) == (400, "invalid_request")


class Proxy:
    """Ends TLS, asks for a certificate, and passes it on; what a client says of one, in whichever spelling, it
    drops. As docs/operate.md wants it.
    """

    def __init__(self, server: Path, clients: list[Path], behind: int) -> None:
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(server)
        self._context.verify_mode = ssl.CERT_OPTIONAL
        for path in clients:
            self._context.load_verify_locations(cafile=path)
        self._behind = behind
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._socket.shutdown(socket.SHUT_RDWR)
            self._socket.close()
            self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                raw, _ = self._socket.accept()
            except OSError:
                return
            raw.settimeout(10)
            try:
                with self._context.wrap_socket(raw, server_side=True) as client:
                    self._pass_on(client)
            except OSError:
                raw.close()

    def _pass_on(self, client: ssl.SSLSocket) -> None:
        received = b""
        while b"\r\n\r\n" not in received:
            received += client.recv(65536)
        head, _, body = received.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not _says_certificate(line)]
        der = client.getpeercert(binary_form=True)
        if der is not None:
            lines.append(f"{HEADER}: {written(der)}".encode())
        lines.append(b"Connection: close")
        size = next((int(x.split(b":")[1]) for x in lines if x.lower().startswith(b"content-length:")), 0)
        while len(body) < size:
            body += client.recv(65536)
        with socket.create_connection(("127.0.0.1", self._behind), timeout=10) as behind:
            behind.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + body)
            while some := behind.recv(65536):
                client.sendall(some)


def _says_certificate(line: bytes) -> bool:
    return line.split(b":")[0].lower().replace(b"_", b"-") in {b"client-cert", b"connection"}


@on_sqlite
def test_behind_a_proxy_that_asks_for_certificates(world: World, tmp_path: Path) -> None:
    trusting(world)
    server, mine, other = (certificate(tmp_path, name) for name in ("localhost", "mine", "other"))
    client, secret = with_secret(world, certificate_required=True)
    form = urlencode({"grant_type": "client_credentials", "client_id": client, "client_secret": secret})
    with serve(lambda _port: world.app) as served:
        proxy = Proxy(server, [mine, other], int(served.origin.rpartition(":")[2]))

        def ask(by: Path | None, method: str, path: str, body: str | None = None, **headers: str) -> Any:
            context = ssl.create_default_context(cafile=server)
            if by is not None:
                context.load_cert_chain(by)
            line = http.client.HTTPSConnection("localhost", proxy.port, context=context, timeout=10)
            sent = {name.replace("__", "-"): value for name, value in headers.items()}
            if body is not None:
                sent["Content-Type"] = "application/x-www-form-urlencoded"
            line.request(method, path, body, sent)
            answer = line.getresponse()
            told = answer.status, json.loads(answer.read())
            line.close()
            return told

        with proxy.running():
            assert ask(None, "POST", "/oauth2/token", form)[0] == 401
            status, token = ask(mine, "POST", "/oauth2/token", form)
            assert status == 200
            bearer = {"Authorization": f"Bearer {token['access_token']}"}
            assert ask(mine, "GET", SELF, **bearer)[0] == 200
            stolen = [ask(other, "GET", SELF, **bearer), ask(None, "GET", SELF, **bearer)]
            # The thief knows the certificate, which is no secret, and says it himself.
            known = written(der_of(mine))
            stolen += [ask(by, "GET", SELF, **bearer, Client__Cert=known) for by in (other, None)]
            stolen += [ask(by, "GET", SELF, **bearer, Client_Cert=known) for by in (other, None)]
            assert [status for status, _ in stolen] == [401] * 6
