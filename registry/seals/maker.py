"""The maker's signature over a seal edition: whoever changes the row afterwards cannot make it again.

Each seal authority has a maker's key in the custodian. What it signs is SES_SealInfo of GB/T 38540: code,
kind, name, certificate, validity, edition and the very picture. It is checked before each sealing.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any, NoReturn

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session, undefer

from keys.certificates import Issuer, certificate_subject
from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from keys.seal_data import SealData, edition_record, make_seal, read_seal_info, seal_info, verify_seal
from registry.actor import Actor
from registry.agencies.tables import Agency
from registry.driver_select import Prepared
from registry.seals.authority import END_SUITE
from registry.seals.keys import Pieces, certify_new_key, key_ref, subject_name
from registry.seals.outside_tables import CertificationRequest, OutsideCertificate
from registry.seals.serving import certified_keys, signed_certificates
from registry.seals.tables import Approval, Certificate, Key, Seal, SealEdition, SealEditionDraft
from signing.seal_picture import SealKind

STATUTORY_NAME, OTHER = 1, 99
"""SES_ESPropertyInfo.type by the codes of the public security organs: 01 statutory name seal (法定名称章), 99
other. The number is free by the norm, and nothing of ours is read from it.
"""
BATCH = 100
WHOLE = (undefer(SealEdition.picture), undefer(SealEdition.maker_seal))
"""Options of a statement that reads editions with their picture and their maker's signature."""


def type_number(kind: str) -> int:
    return OTHER if kind == SealKind.SPECIAL else STATUTORY_NAME


def maker_of(pieces: Pieces, actor: Actor, authority: Agency, issuing: Issuer) -> Issuer:
    """Key and certificate by which a seal authority signs what its makers make; made where none is valid now,
    for the maker who needs it. Not inside a transaction: it may sign.

    Two at the same moment may both make one: a key too many does no harm.
    """
    with Session(pieces.database.read) as session:
        now = pieces.clock()
        found = session.execute(certified_keys(ProfileName.SEAL_MAKER, now, authority.code).limit(1)).first()
        if found is not None:
            return Issuer(key_ref(found.Key), found.Certificate.der)
    name = subject_name(f"MAKER {authority.code}", authority.code, authority.name_zh)
    made = certify_new_key(pieces, ProfileName.SEAL_MAKER, END_SUITE, name, issuing, authority.code, by=actor)
    return Issuer(made.key, made.certificate)


def sign_edition(pieces: Pieces, maker: Issuer, edition: SealEdition, kind: str, certificate: bytes) -> bytes:
    """SESeal over the edition, whose content is put on record first. Not inside a transaction: it signs."""
    assert maker.certificate is not None
    info = seal_info(_data(edition, kind, certificate))
    with pieces.database.transaction() as session:
        session.add(
            SealEditionDraft(
                id=edition.id,
                approval_id=edition.approval_id,
                maker_key_id=maker.key.id,
                certificate_serial=edition.certificate_serial,
                info_sha256=sha256(info).digest(),
                drafted_at=pieces.clock(),
            )
        )
    return make_seal(pieces.custodian, maker.key, maker.certificate, info, edition_record(edition.id))


def require_as_made(session: Session, edition: SealEdition, certificate: bytes) -> None:
    """An edition whose row is not what its maker signed seals nothing.

    Raises VermilionError(UNAVAILABLE, reason "seal_edition_altered").
    """
    try:
        _verified(session, edition, certificate)
    except VermilionError as error:
        raise VermilionError(
            Kind.UNAVAILABLE, "the seal on record is not as its maker made it", reason="seal_edition_altered"
        ) from error


def shown(session: Session, edition: SealEdition, certificate: bytes) -> dict[str, Any]:
    """Who made the edition, and whether the signature holds."""
    try:
        maker = _verified(session, edition, certificate)
    except VermilionError:
        return {"signature": "wrong"}
    return {
        "signature": "right",
        "name": certificate_subject(maker).organisation,
        "certificate_sha256": sha256(maker).hexdigest(),
    }


def altered_editions(session: Session) -> Iterator[str]:
    """A sentence for each edition on record that is not what its maker signed."""
    rows = session.execute(
        select(SealEdition, Certificate.der)
        .join(Certificate, Certificate.serial == SealEdition.certificate_serial)
        .order_by(SealEdition.seal_code, SealEdition.number)
        .options(*WHOLE)
        .execution_options(yield_per=BATCH)
    )
    for edition, certificate in rows:
        try:
            _verified(session, edition, certificate or b"")
        except VermilionError as error:
            yield f"seal edition {edition.id}: {error.detail}"


def require_drafted_edition(session: Session, key: Key, edition_id: str, data: bytes) -> None:
    """The policy for makers' keys: an edition is the very one on record, for an approved application that
    nothing was made for, with the name and the picture that were approved, and a certificate of this seal.
    """
    draft = session.get(SealEditionDraft, edition_id)
    if draft is None or (draft.maker_key_id, draft.info_sha256) != (key.id, sha256(data).digest()):
        _refuse("this is not a seal edition that waits for this maker's signature")
    approval = session.get_one(Approval, draft.approval_id)
    made = session.scalar(select(SealEdition.id).where(SealEdition.approval_id == approval.id))
    if approval.state != "approved" or made is not None:
        _refuse("nothing that was approved waits to be made")
    said, wanted = (
        read_seal_info(data),
        approval.payload,
    )  # the custodian has parsed it strictly before it asks
    approved = {
        "type": said.picture_type,
        "sha256": sha256(said.picture).hexdigest(),
        "width_mm": said.width_mm,
        "height_mm": said.height_mm,
    }
    certificate = session.get_one(Certificate, draft.certificate_serial)
    if (
        (said.code, said.name, said.type, approved)
        != (approval.seal_code, wanted["name"], type_number(wanted["kind"]), wanted["picture"])
        or said.certificate != certificate.der
        or not _certifies(session, certificate, approval)
    ):
        _refuse("the seal edition is not what was approved")


def _certifies(session: Session, certificate: Certificate, approval: Approval) -> bool:
    """Whether a certificate is one of this seal: ours by its name, one of an authority outside by the request
    that it answers.
    """
    if certificate.profile == ProfileName.SEAL:
        assert certificate.der is not None
        return certificate_subject(certificate.der).common_name == approval.seal_code
    outside = session.get(OutsideCertificate, certificate.serial)
    if outside is None:
        return False
    request = session.get_one(CertificationRequest, outside.request_id)
    return (request.approval_id, request.key_id) == (approval.id, certificate.key_id)


def _verified(session: Session, edition: SealEdition, certificate: bytes) -> bytes:
    """The maker's certificate. Raises VermilionError(INVALID)."""
    kind = _KIND.value(session, code=edition.seal_code)
    known = tuple(row.der for row in _ISSUERS.rows(session))
    return verify_seal(edition.maker_seal, _data(edition, kind, certificate), known)


_KIND = Prepared(select(Seal.kind).where(Seal.code == bindparam("code")))
_ISSUERS = Prepared(signed_certificates(ProfileName.ISSUING).with_only_columns(Certificate.der))


def _data(edition: SealEdition, kind: str, certificate: bytes) -> SealData:
    return SealData(
        code=edition.seal_code,
        type=type_number(kind),
        name=edition.name,
        certificate=certificate,
        created_at=_second(edition.created_at),
        valid_from=_second(edition.valid_from),
        valid_to=_second(edition.valid_to),
        edition=edition.number,
        picture_type=edition.picture_type,
        picture=edition.picture,
        width_mm=_millimetres(edition.width_mm),
        height_mm=_millimetres(edition.height_mm),
    )


def _second(at: datetime) -> datetime:
    """Raises VermilionError(INVALID) for what no maker signed."""
    if at.microsecond:
        raise VermilionError(Kind.INVALID, "an instant of the seal is no whole second", reason="seal_data")
    return at


def _millimetres(length: float) -> int:
    if length != int(length):
        raise VermilionError(Kind.INVALID, "a side of the seal is no whole millimetre", reason="seal_data")
    return int(length)


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.KEY_REFUSED, detail, reason="seal_edition")
