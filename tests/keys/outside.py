"""A time-stamp authority that is not ours: OpenSSL's, under certificates made by `cryptography`."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.tools import need

POLICY, OTHER_POLICY = "1.3.6.1.4.1.99999.1", "1.3.6.1.4.1.99999.2"
CONFIG = f"""
[tsa]
default_tsa = it
[it]
dir = .
serial = ./serial
signer_digest = {{signer_digest}}
default_policy = {POLICY}
other_policies = {OTHER_POLICY}
digests = sha256, sha384, sha512
accuracy = secs:1
ordering = no
tsa_name = {{tsa_name}}
ess_cert_id_chain = {{chain}}
ess_cert_id_alg = {{ess}}
"""
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def new_key(kind: str) -> Key:
    if kind == "rsa":
        return rsa.generate_private_key(65537, 2048)
    return ec.generate_private_key(ec.SECP384R1() if kind == "p384" else ec.SECP256R1())


@dataclass
class Issued:
    key: Key
    certificate: x509.Certificate

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)


def certificate(
    name: str,
    issuer: Issued | None,
    *,
    kind: str = "rsa",
    ca: bool = False,
    path_length: int | None = None,
    cert_sign: bool | None = None,
    usages: list[x509.ObjectIdentifier] | None = None,
    critical: bool = True,
    begin: timedelta = timedelta(days=-1),
    life: timedelta = timedelta(days=30),
    extra: list[tuple[Any, bool]] | None = None,
) -> Issued:
    """One certificate; without an issuer, a self-signed one."""
    key = new_key(kind)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    begin_at = (datetime.now(UTC) + begin).replace(microsecond=0)
    sign = ca if cert_sign is None else cert_sign
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin_at)
        .not_valid_after(begin_at + life)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
        .add_extension(
            x509.KeyUsage(not ca, False, False, False, False, sign, False, False, False), critical=True
        )
    )
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=critical)
    for value, is_critical in extra or []:
        builder = builder.add_extension(value, critical=is_critical)
    signed = builder.sign((issuer.key if issuer else key), hashes.SHA256())
    return Issued(key, signed)


def stamping(name: str, issuer: Issued, **changes: Any) -> Issued:
    return certificate(name, issuer, **({"usages": [ExtendedKeyUsageOID.TIME_STAMPING]} | changes))


@dataclass
class Outside:
    """Answers requests by `openssl ts -reply`, in a directory of its own."""

    place: Path
    root: Issued
    signer: Issued
    between: list[Issued] = field(default_factory=list)
    signer_digest: str = "sha256"
    ess: str = "sha256"
    tsa_name: str = "yes"
    chain: str = "no"

    def answer(self, request: bytes) -> bytes:
        self.place.mkdir(parents=True, exist_ok=True)
        (self.place / "tsa.cnf").write_text(
            CONFIG.format(
                signer_digest=self.signer_digest, ess=self.ess, tsa_name=self.tsa_name, chain=self.chain
            )
        )
        if not (self.place / "serial").exists():
            (self.place / "serial").write_text("01\n")
        (self.place / "key.pem").write_bytes(
            self.signer.key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        (self.place / "signer.pem").write_bytes(self.signer.pem)
        (self.place / "chain.pem").write_bytes(b"".join(i.pem for i in self.between))
        (self.place / "q").write_bytes(request)
        chain = ["-chain", "chain.pem"] if self.between else []
        subprocess.run(
            [need("openssl"), "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "q", "-signer",
             "signer.pem", "-inkey", "key.pem", *chain, "-out", "r"],
            cwd=self.place, check=True, capture_output=True,
        )  # fmt: skip
        return (self.place / "r").read_bytes()


def make_outside(place: Path, *, kind: str = "rsa", **changes: Any) -> Outside:
    """Root, one CA below it and a signer."""
    root = certificate("Outside root", None, ca=True, kind=kind)
    below = certificate("Outside CA", root, ca=True, path_length=0, kind=kind)
    return Outside(place, root, stamping("Outside TSA", below, kind=kind), [below], **changes)
