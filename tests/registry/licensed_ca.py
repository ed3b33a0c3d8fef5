"""A licensed CA that is not ours: root, one CA below it, CRL and OCSP, on loopback, by `cryptography` alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from keys.clock import Clock

DER, PEM = serialization.Encoding.DER, serialization.Encoding.PEM
DAY = timedelta(days=1)
SHA256 = hashes.SHA256()
CaKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Ca:
    key: CaKey
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(DER)


def new_key(kind: str = "p256") -> CaKey:
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind[3:]))
    return ec.generate_private_key({"p256": ec.SECP256R1(), "p384": ec.SECP384R1()}[kind])


def name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def usage(**members: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{one: members.get(one, False) for one in names})


Extension = tuple[x509.ExtensionType, bool]


def sign(
    subject: x509.Name,
    public: Any,
    issuer: Ca | None,
    key: CaKey,
    at: datetime,
    extensions: Sequence[Extension],
    *,
    life: timedelta = 365 * DAY,
    algorithm: hashes.SHA256 | hashes.SHA384 = SHA256,
) -> x509.Certificate:
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before((at - DAY).replace(microsecond=0))
        .not_valid_after((at + life).replace(microsecond=0))
    )
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    return builder.sign(key, algorithm)


def make_ca(text: str, issuer: Ca | None, at: datetime, *, kind: str = "p256", **changes: Any) -> Ca:
    """A CA; `changes` replace `path_length`, `life`, `key_usage`, or add `extra` extensions."""
    key = new_key(kind)
    extensions: list[Extension] = [
        (x509.BasicConstraints(ca=changes.get("ca", True), path_length=changes.get("path_length")), True),
        (changes.get("key_usage", usage(key_cert_sign=True, crl_sign=True)), True),
        (x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False),
        *changes.get("extra", ()),
    ]
    signer = issuer.key if issuer else key
    life = changes.get("life", 3650 * DAY)
    return Ca(key, sign(name(text), key.public_key(), issuer, signer, at, extensions, life=life))


@dataclass
class LicensedCa:
    """Certifies what it is asked to, and says what it thinks of it now. `reply` may stand in for its server."""

    clock: Clock
    root: Ca
    below: Ca
    origin: str = ""
    revoked: dict[int, tuple[datetime, x509.ReasonFlags | None]] = field(default_factory=dict)
    lives: timedelta = timedelta(hours=12)  # CRL and OCSP responses
    age: timedelta = timedelta(0)  # since thisUpdate
    reply: Callable[[BaseHTTPRequestHandler], None] | None = None
    asked: list[str] = field(default_factory=list)
    number: int = 0
    _responder: Ca | None = None

    @property
    def host(self) -> str:
        return self.origin.removeprefix("http://")

    def extensions(self, *, crl: bool = True, answers: bool = True) -> list[Extension]:
        """What a seal's certificate has."""
        found: list[Extension] = [
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (usage(digital_signature=True, content_commitment=True), True),
            (x509.AuthorityKeyIdentifier.from_issuer_public_key(self.below.key.public_key()), False),
        ]
        if crl:
            place = x509.DistributionPoint(
                [x509.UniformResourceIdentifier(f"{self.origin}/crl")], None, None, None
            )
            found.append((x509.CRLDistributionPoints([place]), False))
        if answers:
            access = x509.AccessDescription(
                AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(f"{self.origin}/ocsp")
            )
            found.append((x509.AuthorityInformationAccess([access]), False))
        return found

    def certify(self, request: bytes, **changes: Any) -> bytes:
        """The certificate (DER) for a PKCS #10 request (DER), whose signature is checked as a CA does."""
        csr = x509.load_der_x509_csr(request)
        assert csr.is_signature_valid
        return self.certify_key(csr.subject, csr.public_key(), **changes)

    def certify_key(self, subject: x509.Name, public: Any, **changes: Any) -> bytes:
        issuer: Ca = changes.pop("issuer", self.below)
        extensions = changes.pop("extensions", None) or self.extensions()
        signed = sign(subject, public, issuer, issuer.key, self.clock(), extensions, **changes)
        return signed.public_bytes(DER)

    def chain(self, certificate: bytes) -> list[bytes]:
        return [certificate, self.below.der]

    def revoke(self, certificate: bytes, reason: x509.ReasonFlags | None = None) -> None:
        serial = x509.load_der_x509_certificate(certificate).serial_number
        self.revoked[serial] = (self.clock().replace(microsecond=0), reason)

    def _times(self) -> tuple[datetime, datetime]:
        begin = self.clock().replace(microsecond=0) - self.age
        return begin, begin + self.lives

    def crl(self, *extra: Extension, issuer: Ca | None = None) -> bytes:
        by = issuer or self.below
        begin, end = self._times()
        self.number += 1
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(by.certificate.subject)
            .last_update(begin)
            .next_update(end)
            .add_extension(x509.CRLNumber(self.number), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(by.key.public_key()), critical=False
            )
        )
        for value, critical in extra:
            builder = builder.add_extension(value, critical)
        for serial, (at, reason) in self.revoked.items():
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
            if reason is not None:
                entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(by.key, SHA256).public_bytes(DER)

    def responder(self, **changes: Any) -> Ca:
        key = new_key()
        extensions: list[Extension] = [
            (x509.ExtendedKeyUsage(changes.get("purposes", [ExtendedKeyUsageOID.OCSP_SIGNING])), False),
            (usage(digital_signature=True), True),
        ]
        if changes.get("unchecked", True):
            extensions.append((x509.OCSPNoCheck(), False))
        issuer = changes.get("issuer", self.below)
        return Ca(key, sign(name("OCSP"), key.public_key(), issuer, issuer.key, self.clock(), extensions))

    def ocsp(
        self,
        request: bytes,
        *,
        responder: Ca | None = None,
        about: bytes | None = None,
        nonce: bool = True,
        next_update: bool = True,
        known: bool = True,
    ) -> bytes:
        """The response to a request, signed by a delegate, or by the CA itself where it is named."""
        asked = ocsp.load_der_ocsp_request(request)
        if responder is None:
            responder = self._responder = self._responder or self.responder()
        begin, end = self._times()
        serial = asked.serial_number if about is None else x509.load_der_x509_certificate(about).serial_number
        at, reason = self.revoked.get(serial, (None, None)) if known else (None, None)
        status = ocsp.OCSPCertStatus.GOOD if at is None else ocsp.OCSPCertStatus.REVOKED
        if not known:
            status = ocsp.OCSPCertStatus.UNKNOWN
        builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
            issuer_name_hash=asked.issuer_name_hash, issuer_key_hash=asked.issuer_key_hash,
            serial_number=serial, algorithm=asked.hash_algorithm, cert_status=status, this_update=begin,
            next_update=end if next_update else None, revocation_time=at, revocation_reason=reason,
        )  # fmt: skip
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, responder.certificate)
        if responder is not self.below:
            builder = builder.certificates([responder.certificate])
        if nonce:
            for extension in asked.extensions:
                builder = builder.add_extension(extension.value, critical=False)
        return builder.sign(responder.key, SHA256).public_bytes(DER)

    def handle(self, handler: BaseHTTPRequestHandler) -> None:
        self.asked.append(f"{handler.command} {handler.path}")
        if self.reply is not None:
            self.reply(handler)
            return
        if handler.path == "/crl":
            send(handler, self.crl(), "application/pkix-crl")
        else:
            body = handler.rfile.read(int(handler.headers["Content-Length"]))
            send(handler, self.ocsp(body), "application/ocsp-response")


def send(
    handler: BaseHTTPRequestHandler, body: bytes, content_type: str, status: int = 200, **headers: str
) -> None:
    handler.send_response(status)
    for header, value in {"Content-Type": content_type, "Content-Length": str(len(body)), **headers}.items():
        handler.send_header(header, value)
    handler.end_headers()
    handler.wfile.write(body)


@contextmanager
def licensed_ca(clock: Clock, *, kind: str = "p256") -> Iterator[LicensedCa]:
    """A CA that serves on a port of loopback."""
    root = make_ca("Licensed Root CA", None, clock(), kind=kind)
    ca = LicensedCa(clock, root, make_ca("Licensed Seal CA", root, clock(), kind=kind, path_length=0))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            ca.handle(self)

        def do_POST(self) -> None:
            ca.handle(self)

        def log_message(self, *_args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads = True
        ca.origin = f"http://127.0.0.1:{httpd.server_address[1]}"
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield ca
        finally:
            httpd.shutdown()
            thread.join()
