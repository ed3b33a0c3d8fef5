"""The life of a seal: applied, approved, made, filed, active, suspended, cancelled (GB/T 33481).

Different people apply, approve, make and keep, told apart by credential. One person may suspend at once;
approving, resuming and cancelling need a second person, who sends back the digest of what is approved.
Each change of state goes through `transitions.move`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Update, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.agencies.tables import Agency
from registry.log.rules import Ground
from registry.ports import Ports
from registry.rows import changed_rows
from registry.seals.approvals import decide, request
from registry.seals.duties import (
    authority_person,
    keeper,
    require_different,
    require_keeper_or_approver,
    seal_seen_by,
)
from registry.seals.keys import activate_key, civil_ground
from registry.seals.revocation import hold_seal, release_seal, revoke_seal
from registry.seals.tables import Approval, Key, Seal, SealEdition
from registry.seals.transitions import history_row, move, require_state, seal_event
from signing.document import SealPicture
from signing.seal_picture import SealKind, draw_seal_picture

CODE_DIGITS = 8  # after the 6 of the division
APPLY, RESUME, CANCEL, COMPROMISE = "apply", "resume", "cancel", "compromise"
_REQUESTED = {
    RESUME: "seal.resumption_requested",
    CANCEL: "seal.cancellation_requested",
    COMPROMISE: "seal.compromise_requested",
}
# The trust list counts seconds from here (RFC 7519, section 2).
_FIRST_INSTANT = datetime.fromtimestamp(0, UTC)
NOT_CANCELLED = ("approved", "made", "filed", "active", "suspended")


@dataclass(frozen=True, slots=True)
class Application:
    """What an agency applies for."""

    kind: str  # a value of signing.seal_picture.SealKind
    name: str  # along the rim
    bottom_text: str | None = None


def draw(ports: Ports, application: Application, code: str | None = None) -> SealPicture:
    """The picture of a seal. Raises VermilionError(INVALID) with the field at fault."""
    try:
        kind = SealKind(application.kind)
    except ValueError:
        raise field_fault("/kind", "unknown_kind", f"a kind is one of {', '.join(SealKind)}") from None
    try:
        return draw_seal_picture(
            application.name, kind, ports.fonts, bottom_text=application.bottom_text, code=code
        )
    except VermilionError as error:
        if error.faults or error.kind not in {Kind.INVALID, Kind.MALFORMED}:
            raise
        where = "/bottom_text" if error.reason == "seal_text_length" else "/name"
        raise field_fault(where, error.reason, error.detail) from None


def apply(session: Session, ports: Ports, actor: Actor, application: Application) -> Approval:
    """Apply for a seal of the applicant's own agency; `draw` has accepted it before.

    Raises VermilionError(FORBIDDEN).
    """
    actor.require_person("applicant")
    payload = {
        "action": APPLY,
        "agency": actor.agency_code,
        "kind": application.kind,
        "name": application.name,
        "bottom_text": application.bottom_text,
    }
    approval = request(session, ports, actor, APPLY, None, payload)
    seal_event(
        session, ports, actor, "seal.applied", approval.id, "application", subject_kind="approval",
        agency=actor.agency_code, payload_sha256=approval.payload_sha256.hex(),
    )  # fmt: skip
    return approval


def decide_application(
    session: Session, ports: Ports, actor: Actor, approval_id: str, payload_sha256: bytes, *, approve: bool
) -> tuple[Approval, Seal | None]:
    """Approve or refuse an application: an approver of a seal authority, not the applicant.

    Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT).
    """
    approval = decide(session, ports, actor, approval_id, payload_sha256, {APPLY}, approve=approve)
    if not approve:
        seal_event(session, ports, actor, "seal.refused", approval.id, "refused", subject_kind="approval")
        return approval, None
    seal = _new_seal(session, ports, actor, approval)
    approval.seal_code = seal.code
    event = seal_event(session, ports, actor, "seal.approved", seal.code, "approved", approval=approval.id)
    session.add(history_row(seal, event))
    session.flush()
    return approval, seal


def begin_making(session: Session, actor: Actor, code: str) -> tuple[Seal, Application]:
    """What is to be made, after checking that the actor may: a maker of a seal authority who neither applied
    for nor approved the seal. Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT).
    """
    person = authority_person(session, actor, "maker")
    seal = seal_seen_by(session, actor, code)
    require_different(person, seal, applied=True, approved=True)
    require_state(seal, ("approved",))
    payload = session.scalars(
        select(Approval.payload).where(
            Approval.seal_code == code, Approval.action == APPLY, Approval.state == "approved"
        )
    ).one()
    return seal, Application(payload["kind"], payload["name"], payload["bottom_text"])


def finish_making(
    session: Session, ports: Ports, actor: Actor, code: str, version: int, edition: SealEdition
) -> Seal:
    """Record the edition made, if the seal is still as it was at `version`.

    Raises VermilionError(CONFLICT).
    """
    seal = session.get_one(Seal, code)
    person = actor.require_person("maker")
    detail = {"edition": edition.id, "certificate": edition.certificate_serial}
    move(session, ports, actor, seal, "made", ("approved",), "making", version=version, detail=detail)
    seal.made_by = person
    activate_key(session, edition.key_id, ports.clock())
    session.add(edition)
    session.flush()
    return seal


def file(session: Session, ports: Ports, actor: Actor, code: str) -> Seal:
    """File the seal with the register (备案): a maker of a seal authority, not who approved it."""
    person = authority_person(session, actor, "maker")
    seal = seal_seen_by(session, actor, code)
    require_different(person, seal, applied=True, approved=True)
    return move(session, ports, actor, seal, "filed", ("made",), "filing")


def activate(session: Session, ports: Ports, actor: Actor, code: str) -> Seal:
    """Put the seal into use (启用): its keeper, who neither applied for, approved nor made it."""
    keeper(session, actor, code)
    seal = seal_seen_by(session, actor, code)
    return move(session, ports, actor, seal, "active", ("filed",), "activation")


def suspend(session: Session, ports: Ports, actor: Actor, code: str, ground: Ground) -> Seal:
    """Stop the seal at once (停用, 挂失): one person, its keeper or an approver of a seal authority."""
    seal = seal_seen_by(session, actor, code)
    require_keeper_or_approver(session, actor, seal)
    move(session, ports, actor, seal, "suspended", ("active",), "suspension", ground=ground)
    hold_seal(session, ports, actor, code, ground)
    return seal


def request_change(
    session: Session,
    ports: Ports,
    actor: Actor,
    code: str,
    action: str,
    ground: Ground,
    compromised_since: datetime | None = None,
) -> Approval:
    """Ask for a seal to be resumed or cancelled; nothing changes until another person agrees.

    `compromised_since` is the invalidity date where a cancelled seal's key is compromised. A leak found after
    the cancellation is asked for in the same way. Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT,
    INVALID).
    """
    seal = seal_seen_by(session, actor, code)
    require_keeper_or_approver(session, actor, seal)
    if action == CANCEL and seal.state == "cancelled" and compromised_since is not None:
        action = COMPROMISE
        if seal.compromised_since is not None and seal.compromised_since <= compromised_since:
            # What relying parties were once told not to trust is not given back.
            detail = "an invalidity date is only ever moved back in time"
            raise field_fault("/compromised_since", "not_earlier", detail)
    else:
        require_state(seal, ("suspended",) if action == RESUME else NOT_CANCELLED)
    payload: dict[str, Any] = {
        "action": action,
        "seal": code,
        "legal_basis": ground.legal_basis,
        "reason_code": ground.reason_code,
    }
    if action == RESUME:
        payload["state_version"] = seal.state_version  # a later suspension is not lifted by this request
    elif compromised_since is not None:
        if compromised_since > ports.clock():
            raise field_fault("/compromised_since", "in_future", "an invalidity date lies in the past")
        if compromised_since < _FIRST_INSTANT:
            raise field_fault("/compromised_since", "too_early", "an invalidity date lies in 1970 or later")
        payload["compromised_since"] = compromised_since.isoformat()
    approval = request(session, ports, actor, action, code, payload)
    seal_event(
        session, ports, actor, _REQUESTED[action], code, ground,
        approval=approval.id, payload_sha256=approval.payload_sha256.hex(),
    )  # fmt: skip
    return approval


def decide_change(
    session: Session, ports: Ports, actor: Actor, approval_id: str, payload_sha256: bytes, *, approve: bool
) -> tuple[Approval, Seal]:
    """Agree to what `request_change` asked, or refuse: another person than who asked, an approver of a seal
    authority. Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT).
    """
    approval = decide(session, ports, actor, approval_id, payload_sha256, _REQUESTED, approve=approve)
    assert approval.seal_code is not None
    seal = session.get_one(Seal, approval.seal_code)
    said = approval.payload
    now = ports.clock()
    ground = civil_ground(now, ports.settings.tz, said["reason_code"], said["legal_basis"])
    if not approve:
        seal_event(session, ports, actor, "seal.change_refused", seal.code, "refused", approval=approval.id)
    elif approval.action == RESUME:
        move(
            session, ports, actor, seal, "active", ("suspended",), "resumption",
            ground=ground, version=said["state_version"], detail={"approval": approval.id},
        )  # fmt: skip
        release_seal(session, ports, actor, seal.code, ground)
    else:
        detail = {"approval": approval.id, "compromised_since": said.get("compromised_since")}
        if approval.action == CANCEL:
            move(
                session, ports, actor, seal, "cancelled", NOT_CANCELLED, "cancellation",
                ground=ground, detail=detail,
            )  # fmt: skip
            seal.compromised_since = _since(said)
        else:
            _compromise(session, ports, actor, seal, ground, detail)
        changed_rows(session, _retire_keys(seal.code, _since(said), now))
        session.flush()
        revoke_seal(session, ports, actor, seal.code, ground, _since(said))
    return approval, seal


def _new_seal(session: Session, ports: Ports, actor: Actor, approval: Approval) -> Seal:
    """A seal under a code nobody has: the agency's division and 8 digits by chance."""
    assert actor.person_id is not None
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
            applied_by=approval.requested_by,
            approved_by=actor.person_id,
            made_by=None,
            compromised_since=None,
        )
        try:
            with session.begin_nested():
                session.add(seal)
        except IntegrityError:
            continue
        return seal
    raise VermilionError(Kind.UNAVAILABLE, "no free seal code was found", reason="seal_code")


def _since(said: dict[str, Any]) -> datetime | None:
    """The invalidity date that a request names."""
    text = said.get("compromised_since")
    return None if text is None else datetime.fromisoformat(text)


def _compromise(
    session: Session, ports: Ports, actor: Actor, seal: Seal, ground: Ground, detail: dict[str, Any]
) -> None:
    """Give a cancelled seal an invalidity date. Its state and history stay: it has sealed nothing since.

    Raises VermilionError(CONFLICT) where an earlier date was agreed to meanwhile.
    """
    since = _since(detail)
    statement = (
        update(Seal)
        .where(Seal.code == seal.code, Seal.state == "cancelled")
        .where(or_(Seal.compromised_since.is_(None), Seal.compromised_since > since))
        .values(compromised_since=since)
    )
    if changed_rows(session, statement) != 1:
        raise VermilionError(
            Kind.CONFLICT, "an earlier invalidity date is on record already", reason="not_earlier"
        )
    session.refresh(seal)
    seal_event(session, ports, actor, "seal.compromised", seal.code, ground, **detail)


def _retire_keys(code: str, compromised_since: datetime | None, now: datetime) -> Update:
    state = "retired" if compromised_since is None else "compromised"
    return (
        update(Key)
        .where(Key.id.in_(select(SealEdition.key_id).where(SealEdition.seal_code == code)))
        .values(state=state, since=compromised_since or now)
    )
