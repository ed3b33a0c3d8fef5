"""The authority as strangers meet it: openssl and gnutls ask at the addresses that a certificate names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.client import call
from registry.database import Database
from registry.seals.tables import Certificate
from registry.settings import Settings
from tests.services.places import Running
from tests.services.running import until
from tests.tools import need


@pytest.fixture
def files(again: Running, tmp_path: Path) -> Path:
    """`root.pem`, `ca.pem` and `seal.pem`, as they are on record."""
    database = Database.open(Settings(data=again.place.data).url)
    with Session(database.read) as session:
        rows = dict(
            session.execute(
                select(Certificate.profile, Certificate.der).where(
                    Certificate.profile.in_(("root", "issuing", "seal"))
                )
            ).all()
        )
    database.dispose()
    for name, profile in (("root", "root"), ("ca", "issuing"), ("seal", "seal")):
        der = rows[profile]
        assert der is not None
        pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
        (tmp_path / f"{name}.pem").write_bytes(pem)
    return tmp_path


def addresses(folder: Path) -> tuple[str, str, str]:
    """OCSP, CA certificate and CRL of the seal's certificate."""
    certificate = x509.load_pem_x509_certificate((folder / "seal.pem").read_bytes())
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    (point,) = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    by_method = {a.access_method: a.access_location.value for a in access}
    assert point.full_name is not None
    oids = x509.oid.AuthorityInformationAccessOID
    return by_method[oids.OCSP], by_method[oids.CA_ISSUERS], point.full_name[0].value


def said(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_openssl_hears_that_the_certificate_is_good(again: Running, files: Path) -> None:
    ocsp, issuer, _crl = addresses(files)
    assert call("GET", issuer).body == x509.load_pem_x509_certificate(
        (files / "ca.pem").read_bytes()
    ).public_bytes(Encoding.DER)
    for digest in ("-sha1", "-sha256"):
        answer = said(
            need("openssl"), "ocsp", digest, "-issuer", "ca.pem", "-cert", "seal.pem", "-url", ocsp,
            "-CAfile", "root.pem", "-verify_other", "ca.pem", folder=files,
        )  # fmt: skip
        assert "Response verify OK" in answer
        assert "seal.pem: good" in answer
        assert "WARNING: no nonce" not in answer


def test_gnutls_hears_it_too(again: Running, files: Path) -> None:
    ocsp, _issuer, _crl = addresses(files)
    (files / "chain.pem").write_bytes((files / "seal.pem").read_bytes() + (files / "ca.pem").read_bytes())
    answer = said(
        need("ocsptool"), f"--ask={ocsp}", "--load-cert=seal.pem", "--load-issuer=ca.pem",
        "--load-trust=ca.pem", folder=files,
    )  # fmt: skip
    assert "Certificate Status: good" in answer
    assert "Verifying OCSP Response: Success" in answer


def test_openssl_checks_the_whole_chain_by_its_crls(again: Running, files: Path) -> None:
    """The issuing CA's, and the root's that the issuing CA's own certificate names."""
    openssl = need("openssl")
    crls = b""
    for name, issuer in (("seal", "ca"), ("ca", "root")):
        certificate = x509.load_pem_x509_certificate((files / f"{name}.pem").read_bytes())
        (point,) = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        assert point.full_name is not None
        url = point.full_name[0].value
        until(lambda url=url: call("GET", url).status == 200, "the CRL")
        crl = x509.load_der_x509_crl(call("GET", url).body).public_bytes(Encoding.PEM)
        (files / f"{issuer}.crl").write_bytes(crl)
        said(
            openssl,
            "crl",
            "-in",
            f"{issuer}.crl",
            "-CAfile",
            f"{issuer}.pem",
            "-noout",
            "-verify",
            folder=files,
        )
        crls += crl
    (files / "both.crl").write_bytes(crls)
    answer = said(
        openssl, "verify", "-crl_check_all", "-CAfile", "root.pem", "-untrusted", "ca.pem", "-CRLfile",
        "both.crl", "seal.pem", folder=files,
    )  # fmt: skip
    assert answer.strip() == "seal.pem: OK"


def test_openssl_has_something_stamped_and_verifies_it(again: Running, files: Path) -> None:
    openssl = need("openssl")
    (files / "data").write_bytes(b"what somebody wants stamped")
    said(openssl, "ts", "-query", "-data", "data", "-sha256", "-cert", "-out", "query.tsq", folder=files)
    answer = call(
        "POST", f"{again.place.authority}/tsa", body=(files / "query.tsq").read_bytes(),
        headers={"Content-Type": "application/timestamp-query"},
    )  # fmt: skip
    assert answer.status == 200
    (files / "reply.tsr").write_bytes(answer.body)
    verified = said(
        openssl, "ts", "-verify", "-queryfile", "query.tsq", "-in", "reply.tsr", "-CAfile", "root.pem",
        "-untrusted", "ca.pem", folder=files,
    )  # fmt: skip
    assert "Verification: OK" in verified


def test_it_says_ready_and_shows_its_measures_at_home(again: Running) -> None:
    place = again.place
    assert place.answers(place.authority_port, "/readyz")
    measures = call("GET", f"{place.authority}/metrics")
    assert b"vermilion_request_seconds" in measures.body
