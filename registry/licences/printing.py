"""From a reserved record to sealed bytes, holding no connection (design, section 4.3)."""

from __future__ import annotations

from keys.custodian import Kind as SignKind
from keys.custodian import SignRequest
from keys.suite import SUITES, SuiteName, ecdsa
from registry.licences.reserve import Reserved
from registry.ports import Ports
from signing.claims import claims_of, encode_claims
from signing.credential import assemble, link_text, raw_signature, sig_structure
from signing.document import SealedDocument
from signing.draw import draw
from signing.licence_type import LicenceType
from signing.record import Printout, Record
from signing.seal import seal


def record_name(intent_id: str) -> str:
    """How key uses name the intent they serve; each key serves it once."""
    return f"intent:{intent_id}"


def sign_credential(ports: Ports, reserved: Reserved) -> bytes:
    """The QR credential (COSE_Sign1) by the agency's QR key. Raises VermilionError."""
    suite = ecdsa(SUITES[reserved.qr.suite])
    claims = claims_of(reserved.record, reserved.examined.loaded.type)
    structure, protected = sig_structure(
        claims, reserved.qr_kid, suite.cose_alg, reserved.origin, reserved.link_id
    )
    request = SignRequest(SignKind.SIG_STRUCTURE, structure, record_name(reserved.intent_id))
    (signature,) = ports.custodian.sign(reserved.qr, [request])
    return assemble(protected, encode_claims(claims), raw_signature(signature, suite))


def unsigned_credential(
    record: Record, licence_type: LicenceType, origin: str, link_id: bytes, suite: SuiteName = "p256-sha256"
) -> bytes:
    """A credential of the right length signed by nobody, to be measured or drawn and never kept."""
    claims = claims_of(record, licence_type)
    algorithm = ecdsa(SUITES[suite])
    _, protected = sig_structure(claims, bytes(8), algorithm.cose_alg, origin, link_id)
    return assemble(protected, encode_claims(claims), b"\x01" * 2 * algorithm.field_bytes)


def printout_of(reserved: Reserved, credential: bytes) -> Printout:
    return Printout(
        record=reserved.record,
        link=link_text(reserved.origin, reserved.link_id),
        credential=credential,
        lookup_code=reserved.lookup_code,
        photo=reserved.examined.photo,
    )


def draw_printout(ports: Ports, reserved: Reserved, printout: Printout) -> bytes:
    """The drawn PDF. Raises VermilionError(INVALID) for values that cannot be printed faithfully."""
    loaded = reserved.examined.loaded
    return draw(printout, loaded.type, loaded.face, ports.fonts)


def seal_drawn(ports: Ports, reserved: Reserved, pdf: bytes) -> SealedDocument:
    """Seal with the face's first seal. Raises VermilionError; an outage of time-stamps only costs a level."""
    return seal(
        pdf,
        material=reserved.material,
        places=reserved.examined.loaded.face.seal_places(),
        custodian=ports.custodian,
        timestamper=ports.timestamper,
        at=ports.clock(),
        record=record_name(reserved.intent_id),
        reason_text=reserved.examined.loaded.type.name["zh"],
    )
