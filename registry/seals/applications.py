"""Applying for a seal, for its renewal or for its change: each is for one edition, whose picture is fixed.

The digest of the picture is part of what is approved, and what is made is that picture. A renewal is for
the same picture under a new key and certificate; a change is for another name or picture of a seal that
stays of its kind.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.agencies.tables import Agency
from registry.ports import Ports
from registry.seals.approvals import decide, request
from registry.seals.duties import APPLICATIONS, APPLY, CHANGE, RENEW, seal_seen_by
from registry.seals.tables import ApplicationPicture, Approval, Seal, SealEdition
from registry.seals.transitions import history_row, require_state, seal_event
from signing.document import SealPicture
from signing.seal_picture import SealKind, check_seal_name, draw_seal_picture
from signing.seal_upload import read_seal_picture

CODE_DIGITS = 8  # after the 6 of the division
SUCCEEDED = ("active", "suspended")
"""States in which a seal may get another edition; it is put into use only while the seal is active."""

_FIELDS = {
    "seal_text_length": "/bottom_text",
    "emblem_not_drawn": "/picture",
    "picture_format": "/picture",
    "picture_size": "/picture",
    "picture_colour": "/picture",
    "picture_ground": "/picture",
    "picture_ink": "/picture",
}
_APPROVED = {APPLY: "seal.approved", RENEW: "seal.renewal_approved", CHANGE: "seal.change_approved"}


@dataclass(frozen=True, slots=True)
class Application:
    """What an agency applies for."""

    kind: str  # a value of signing.seal_picture.SealKind
    name: str  # along the rim
    bottom_text: str | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """An approved application that no edition was made for yet."""

    approval_id: str
    application: Application
    picture: SealPicture


def picture_for(ports: Ports, application: Application, png: bytes | None = None) -> SealPicture:
    """The picture of a seal: drawn, or made from the PNG that the applicant brings.

    Raises VermilionError(INVALID) with the field at fault.
    """
    kind = known_kind(application.kind)
    if png is not None and application.bottom_text is not None:
        raise field_fault("/bottom_text", "drawn_only", "a picture that is brought has its words already")
    try:
        if png is not None:
            check_seal_name(application.name)
            return read_seal_picture(png, kind)
        return draw_seal_picture(application.name, kind, ports.fonts, bottom_text=application.bottom_text)
    except VermilionError as error:
        if error.faults or error.kind not in {Kind.INVALID, Kind.MALFORMED}:
            raise
        raise field_fault(_FIELDS.get(error.reason, "/name"), error.reason, error.detail) from None


def known_kind(text: str) -> SealKind:
    """Raises VermilionError(INVALID)."""
    try:
        return SealKind(text)
    except ValueError:
        raise field_fault("/kind", "unknown_kind", f"a kind is one of {', '.join(SealKind)}") from None


def apply(
    session: Session, ports: Ports, actor: Actor, application: Application, picture: SealPicture
) -> Approval:
    """Apply for a seal of the applicant's own agency, with the picture that it is to have.

    Raises VermilionError(FORBIDDEN).
    """
    actor.require_person("applicant")
    approval = _request(session, ports, actor, APPLY, None, application, picture)
    seal_event(
        session, ports, actor, "seal.applied", approval.id, "application", subject_kind="approval",
        agency=actor.agency_code, payload_sha256=approval.payload_sha256.hex(),
    )  # fmt: skip
    return approval


def apply_for_renewal(session: Session, ports: Ports, actor: Actor, code: str) -> Approval:
    """Apply for a new key and certificate under the newest picture of one's own agency's active seal.

    Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT).
    """
    seal = _own_active(session, actor, code)
    newest = session.execute(
        select(SealEdition, Approval.payload)
        .join(Approval, Approval.id == SealEdition.approval_id)
        .where(SealEdition.seal_code == code, SealEdition.in_use_from.is_not(None))
        .order_by(SealEdition.number.desc())
        .limit(1)
    ).one()
    edition, said = newest
    application = Application(seal.kind, edition.name, said["bottom_text"])
    picture = SealPicture(edition.picture_type, edition.picture, edition.width_mm, edition.height_mm)
    return _apply_for_edition(session, ports, actor, RENEW, seal, application, picture)


def apply_for_change(
    session: Session,
    ports: Ports,
    actor: Actor,
    code: str,
    application: Application,
    picture: SealPicture,
) -> Approval:
    """Apply for another name or picture of one's own agency's active seal. Its kind stays: a seal of another
    kind, which seals other types, is another seal.

    Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT, INVALID).
    """
    seal = _own_active(session, actor, code)
    if application.kind != seal.kind:
        raise field_fault("/kind", "seal_kind", f"the seal stays one of the kind {seal.kind}")
    return _apply_for_edition(session, ports, actor, CHANGE, seal, application, picture)


def decide_application(
    session: Session, ports: Ports, actor: Actor, approval_id: str, payload_sha256: bytes, *, approve: bool
) -> tuple[Approval, Seal | None]:
    """Approve or refuse an application: an approver of a seal authority, not the applicant.

    Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT).
    """
    approval = decide(session, ports, actor, approval_id, payload_sha256, APPLICATIONS, approve=approve)
    if not approve:
        seal_event(session, ports, actor, "seal.refused", approval.id, "refused", subject_kind="approval")
        return approval, None
    if approval.action == APPLY:
        seal = _new_seal(session, ports, approval)
        approval.seal_code = seal.code
    else:
        assert approval.seal_code is not None
        seal = locked(session, approval.seal_code)
        require_state(seal, SUCCEEDED)
    event = seal_event(
        session, ports, actor, _APPROVED[approval.action], seal.code, "approved", approval=approval.id
    )
    if approval.action == APPLY:
        session.add(history_row(seal, event))
    session.flush()
    return approval, seal


def wanted(session: Session, seal: Seal) -> Wanted:
    """What is to be made of the seal: the application approved last, if nothing was made for it.

    Raises VermilionError(CONFLICT, reason "seal_state").
    """
    require_state(seal, ("approved", *SUCCEEDED))
    row = session.execute(
        select(Approval, ApplicationPicture, SealEdition.id)
        .join(ApplicationPicture, ApplicationPicture.approval_id == Approval.id)
        .outerjoin(SealEdition, SealEdition.approval_id == Approval.id)
        .where(
            Approval.seal_code == seal.code,
            Approval.action.in_(APPLICATIONS),
            Approval.state == "approved",
        )
        .order_by(Approval.decided_at.desc(), SealEdition.id.is_(None).desc(), Approval.id)
        .limit(1)
    ).one()
    approval, picture, made = row
    if made is not None:
        detail = "nothing that was approved waits to be made"
        raise VermilionError(Kind.CONFLICT, detail, reason="seal_state")
    said = approval.payload
    if sha256(picture.data).hexdigest() != said["picture"]["sha256"]:
        raise VermilionError(
            Kind.UNAVAILABLE, "the picture on record is not the one approved", reason="picture_altered"
        )
    return Wanted(
        approval.id,
        Application(said["kind"], said["name"], said["bottom_text"]),
        SealPicture(picture.type, picture.data, picture.width_mm, picture.height_mm),
    )


def locked(session: Session, code: str) -> Seal:
    """The seal as it is now, its row locked until the transaction ends."""
    return session.get_one(Seal, code, with_for_update=True, populate_existing=True)


def _own_active(session: Session, actor: Actor, code: str) -> Seal:
    actor.require_person("applicant")
    seal = seal_seen_by(session, actor, code)
    if seal.agency_code != actor.agency_code:
        raise VermilionError(Kind.FORBIDDEN, "a seal is its own agency's to apply for", reason="other_agency")
    require_state(seal, ("active",))
    return seal


def _apply_for_edition(
    session: Session,
    ports: Ports,
    actor: Actor,
    action: str,
    seal: Seal,
    application: Application,
    picture: SealPicture,
) -> Approval:
    approval = _request(session, ports, actor, action, seal.code, application, picture)
    kind = "seal.renewal_applied" if action == RENEW else "seal.change_applied"
    seal_event(
        session, ports, actor, kind, seal.code, "application",
        approval=approval.id, payload_sha256=approval.payload_sha256.hex(),
    )  # fmt: skip
    return approval


def _request(
    session: Session,
    ports: Ports,
    actor: Actor,
    action: str,
    code: str | None,
    application: Application,
    picture: SealPicture,
) -> Approval:
    payload: dict[str, Any] = {
        "action": action,
        "agency": actor.agency_code,
        "kind": application.kind,
        "name": application.name,
        "bottom_text": application.bottom_text,
        "picture": {
            "type": picture.type,
            "sha256": sha256(picture.data).hexdigest(),
            "width_mm": whole_mm(picture.width_mm),
            "height_mm": whole_mm(picture.height_mm),
        },
    }
    if code is not None:
        payload["seal"] = code
    approval = request(session, ports, actor, action, code, payload)
    session.add(
        ApplicationPicture(
            approval_id=approval.id,
            type=picture.type,
            data=picture.data,
            width_mm=picture.width_mm,
            height_mm=picture.height_mm,
        )
    )
    session.flush()
    return approval


def whole_mm(length: float) -> int:
    """As GB/T 38540 has it: every norm size is whole millimetres."""
    assert length == int(length)
    return int(length)


def _new_seal(session: Session, ports: Ports, approval: Approval) -> Seal:
    """A seal under a code nobody has: the agency's division and 8 digits by chance."""
    agency = session.get_one(Agency, approval.payload["agency"])
    for _ in range(20):
        number = int.from_bytes(ports.random(8), "big") % 10**CODE_DIGITS
        seal = Seal(
            code=f"{agency.division}{number:0{CODE_DIGITS}}",
            agency_code=agency.code,
            kind=approval.payload["kind"],
            name=approval.payload["name"],
            state="approved",
            state_version=1,
            compromised_since=None,
        )
        try:
            with session.begin_nested():
                session.add(seal)
        except IntegrityError:
            continue
        return seal
    raise VermilionError(Kind.UNAVAILABLE, "no free seal code was found", reason="seal_code")
