"""Files as people upload them: plain, signed by somebody whom a licensed authority knows; and who examines them."""

from __future__ import annotations

import atexit
import io
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID
from pikepdf import Dictionary, Name, Pdf
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata
from pyhanko_certvalidator.registry import SimpleCertificateStore

from registry import web
from signing.uploads import Examiner, start_examiner
from tests.registry.licensed_ca import Ca, make_ca, new_key, sign, usage
from tests.registry.world import World

AT = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Signer:
    """Somebody with a signature tool."""

    certificate: x509.Certificate
    key: Any
    issuer: Ca


@cache
def licensed() -> Ca:
    """The licensed authority that the examiner knows."""
    return make_ca("样本电子认证服务有限公司", None, AT)


@cache
def unknown() -> Ca:
    return make_ca("Nobody's CA", None, AT)


@cache
def examiner() -> Examiner:
    """One for the whole process: it forks, and what it forks forks for each file."""
    made = start_examiner((licensed().der,))
    atexit.register(made.close)
    return made


def let_examine(world: World) -> None:
    """From now on uploads to this world are examined."""
    world.ports = replace(world.ports, examiner=examiner())
    state = world.app.extensions[web.EXTENSION]
    world.app.extensions[web.EXTENSION] = replace(state, ports=world.ports)


def signer(name: str, code: str = "", issuer: Ca | None = None, *extra: tuple[str, bytes]) -> Signer:
    """`code`: as serial number of the subject; `extra`: further extensions by OID."""
    by, key = issuer or licensed(), new_key()
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
    if code:
        parts.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, code))
    more = [(x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value), False) for oid, value in extra]
    extensions = [(usage(digital_signature=True, content_commitment=True), True), *more]
    return Signer(sign(x509.Name(parts), key.public_key(), by, by.key, AT, extensions), key, by)


@cache
def plain_pdf(text: str = "layout") -> bytes:
    """A page as any program writes it."""
    with Pdf.new() as pdf:
        page = pdf.add_blank_page(page_size=(595, 842))
        font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
        page.obj.Resources = Dictionary(Font=Dictionary(F1=font))
        page.obj.Contents = pdf.make_stream(b"BT /F1 12 Tf 72 700 Td (" + text.encode() + b") Tj ET")
        out = io.BytesIO()
        pdf.save(out, deterministic_id=True)
    return out.getvalue()


def signed_pdf(data: bytes, by: Signer) -> bytes:
    """With a signature in a revision of its own, as signature tools add it."""
    private = by.key.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    store: Any = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    store.register(asn1_x509.Certificate.load(by.issuer.der))
    der = by.certificate.public_bytes(serialization.Encoding.DER)
    tool = signers.SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(der),
        signing_key=asn1_keys.PrivateKeyInfo.load(private),
        cert_registry=store,
    )
    meta = PdfSignatureMetadata(field_name="Applicant", subfilter=SigSeedSubFilter.PADES)
    pdf: Any = signers.PdfSigner(meta, tool, new_field_spec=SigFieldSpec("Applicant", on_page=0))
    out: io.BytesIO = pdf.sign_pdf(IncrementalPdfFileWriter(io.BytesIO(data)))
    return out.getvalue()
