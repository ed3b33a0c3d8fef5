"""The life of a seal: applied, approved, made, filed, active, suspended, cancelled (GB/T 33481).

Different people apply, approve, make and keep, told apart by credential. One person may suspend at once;
approving, resuming and cancelling need a second person, who sends back the digest of what is approved.
Each change is one conditional UPDATE on the seal's state version, one row of history and one event.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Update, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError
from registry.actor import Actor
from registry.agencies.tables import Agency
from registry.log.rules import Ground, record_event
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
from registry.seals.tables import Approval, Key, Seal, SealEdition, SealState
from signing.document import SealPicture
from signing.seal_picture import SealKind, draw_seal_picture

SUBJECT = "seal"
CODE_DIGITS = 8  # after the 6 of the division
APPLY, RESUME, CANCEL = "apply", "resume", "cancel"
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
        raise _fault("/kind", "unknown_kind", f"a kind is one of {', '.join(SealKind)}") from None
    try:
        return draw_seal_picture(
            application.name, kind, ports.fonts, bottom_text=application.bottom_text, code=code
        )
    except VermilionError as error:
        if error.faults or error.kind not in {Kind.INVALID, Kind.MALFORMED}:
            raise
        where = "/bottom_text" if error.reason == "seal_text_length" else "/name"
        raise _fault(where, error.reason, error.detail) from None


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
    now = approval.requested_at
    record_event(
        session,
        kind="seal.applied",
        subject_kind="approval",
        subject=approval.id,
        ground=civil_ground(now, ports.settings.tz, "application"),
        actor=actor,
        now=now,
        random=ports.random,
        detail={"agency": actor.agency_code, "payload_sha256": approval.payload_sha256.hex()},
    )
    return approval


def decide_application(
    session: Session, ports: Ports, actor: Actor, approval_id: str, payload_sha256: bytes, *, approve: bool
) -> tuple[Approval, Seal | None]:
    """Approve or refuse an application: an approver of a seal authority, not the applicant.

    Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT).
    """
    approval = decide(session, ports, actor, approval_id, payload_sha256, {APPLY}, approve=approve)
    if not approve:
        _event(session, ports, actor, "seal.refused", approval.id, "refused", subject_kind="approval")
        return approval, None
    seal = _new_seal(session, ports, actor, approval)
    approval.seal_code = seal.code
    event = _event(session, ports, actor, "seal.approved", seal.code, "approved", approval=approval.id)
    session.add(_history(seal, event.id, ports.clock()))
    session.flush()
    return approval, seal


def begin_making(session: Session, actor: Actor, code: str) -> tuple[Seal, Application]:
    """What is to be made, after checking that the actor may: a maker of a seal authority who neither applied
    for nor approved the seal. Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT).
    """
    person = authority_person(session, actor, "maker")
    seal = seal_seen_by(session, actor, code)
    require_different(person, seal, applied=True, approved=True)
    _require_state(seal, ("approved",))
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
    _move(session, ports, actor, seal, "made", ("approved",), "making", version=version, detail=detail)
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
    return _move(session, ports, actor, seal, "filed", ("made",), "filing")


def activate(session: Session, ports: Ports, actor: Actor, code: str) -> Seal:
    """Put the seal into use (启用): its keeper, who neither approved nor made it."""
    keeper(session, actor, code)
    seal = seal_seen_by(session, actor, code)
    return _move(session, ports, actor, seal, "active", ("filed",), "activation")


def suspend(session: Session, ports: Ports, actor: Actor, code: str, ground: Ground) -> Seal:
    """Stop the seal at once (停用, 挂失): one person, its keeper or an approver of a seal authority."""
    seal = seal_seen_by(session, actor, code)
    require_keeper_or_approver(session, actor, seal)
    return _move(session, ports, actor, seal, "suspended", ("active",), "suspension", ground=ground)


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

    `compromised_since` is the invalidity date where a cancelled seal's key is compromised.
    Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT, INVALID).
    """
    seal = seal_seen_by(session, actor, code)
    require_keeper_or_approver(session, actor, seal)
    _require_state(seal, ("suspended",) if action == RESUME else NOT_CANCELLED)
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
            raise _fault("/compromised_since", "in_future", "an invalidity date lies in the past")
        if compromised_since < _FIRST_INSTANT:
            raise _fault("/compromised_since", "too_early", "an invalidity date lies in 1970 or later")
        payload["compromised_since"] = compromised_since.isoformat()
    return request(session, ports, actor, action, code, payload)


def decide_change(
    session: Session, ports: Ports, actor: Actor, approval_id: str, payload_sha256: bytes, *, approve: bool
) -> tuple[Approval, Seal]:
    """Agree to resume or cancel a seal, or refuse: another person than who asked, an approver of a seal
    authority. Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT).
    """
    approval = decide(session, ports, actor, approval_id, payload_sha256, {RESUME, CANCEL}, approve=approve)
    assert approval.seal_code is not None
    seal = session.get_one(Seal, approval.seal_code)
    said = approval.payload
    now = ports.clock()
    ground = civil_ground(now, ports.settings.tz, said["reason_code"], said["legal_basis"])
    if not approve:
        _event(session, ports, actor, "seal.change_refused", seal.code, "refused", approval=approval.id)
    elif approval.action == RESUME:
        _move(
            session, ports, actor, seal, "active", ("suspended",), "resumption",
            ground=ground, version=said["state_version"], detail={"approval": approval.id},
        )  # fmt: skip
    else:
        since = said.get("compromised_since")
        detail = {"approval": approval.id, "compromised_since": since}
        _move(
            session, ports, actor, seal, "cancelled", NOT_CANCELLED, "cancellation",
            ground=ground, detail=detail,
        )  # fmt: skip
        compromised = None if since is None else datetime.fromisoformat(since)
        seal.compromised_since = compromised
        changed_rows(session, _retire_keys(seal.code, compromised, now))
        session.flush()
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


def _move(
    session: Session,
    ports: Ports,
    actor: Actor,
    seal: Seal,
    state: str,
    allowed: tuple[str, ...],
    reason_code: str,
    *,
    ground: Ground | None = None,
    version: int | None = None,
    detail: dict[str, Any] | None = None,
) -> Seal:
    """One change of state, exactly once under races. Raises VermilionError(CONFLICT, reason "seal_state")."""
    _require_state(seal, allowed)
    expected = seal.state_version if version is None else version
    statement = (
        update(Seal)
        .where(Seal.code == seal.code, Seal.state_version == expected, Seal.state.in_(allowed))
        .values(state=state, state_version=expected + 1)
    )
    if changed_rows(session, statement) != 1:
        raise VermilionError(
            Kind.CONFLICT, "the seal was changed by somebody else meanwhile", reason="seal_state"
        )
    session.refresh(seal)
    now = ports.clock()
    event = record_event(
        session,
        kind=f"seal.{'resumed' if reason_code == 'resumption' else state}",
        subject_kind=SUBJECT,
        subject=seal.code,
        ground=ground or civil_ground(now, ports.settings.tz, reason_code),
        actor=actor,
        now=now,
        random=ports.random,
        detail={**(detail or {}), "version": seal.state_version},
    )
    session.add(_history(seal, event.id, now))
    session.flush()
    return seal


def _history(seal: Seal, event_id: str, now: datetime) -> SealState:
    return SealState(
        seal_code=seal.code, version=seal.state_version, state=seal.state, from_at=now, event_id=event_id
    )


def _event(
    session: Session,
    ports: Ports,
    actor: Actor,
    kind: str,
    subject: str,
    reason_code: str,
    *,
    subject_kind: str = SUBJECT,
    **detail: Any,
) -> Any:
    now = ports.clock()
    return record_event(
        session,
        kind=kind,
        subject_kind=subject_kind,
        subject=subject,
        ground=civil_ground(now, ports.settings.tz, reason_code),
        actor=actor,
        now=now,
        random=ports.random,
        detail=detail,
    )


def _require_state(seal: Seal, allowed: tuple[str, ...]) -> None:
    if seal.state not in allowed:
        raise VermilionError(
            Kind.CONFLICT, f"the seal is {seal.state}, not {' or '.join(allowed)}", reason="seal_state"
        )


def _retire_keys(code: str, compromised_since: datetime | None, now: datetime) -> Update:
    state = "retired" if compromised_since is None else "compromised"
    return (
        update(Key)
        .where(Key.id.in_(select(SealEdition.key_id).where(SealEdition.seal_code == code)))
        .values(state=state, since=compromised_since or now)
    )


def _fault(where: str, reason: str, detail: str) -> VermilionError:
    return VermilionError(Kind.INVALID, detail, reason=reason, faults=(Fault(where, reason, detail),))
