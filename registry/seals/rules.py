"""The life of a seal: applied, approved, made, filed, active, suspended, cancelled (GB/T 33481).

Different people apply, approve, make and keep, told apart by credential. One person may suspend at once;
approving, resuming and cancelling need a second person, who sends back the digest of what is approved.
Each change of state goes through `transitions`, where the table of them is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Update, or_, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.log.rules import Ground
from registry.ports import Ports
from registry.rows import changed_rows
from registry.seals.applications import SUCCEEDED, Wanted, locked, wanted
from registry.seals.approvals import decide, request
from registry.seals.duties import (
    authority_person,
    keeper,
    require_different,
    require_keeper_or_approver,
    seal_seen_by,
)
from registry.seals.editions import drop, editions_in, succeed, the_edition
from registry.seals.keys import activate_key, civil_ground
from registry.seals.outside_request import retire_requests
from registry.seals.outside_status import current_good
from registry.seals.revocation import hold_seal, release_seal, revoke_seal
from registry.seals.tables import Approval, Certificate, Key, Seal, SealEdition
from registry.seals.transitions import (
    EDITION_STEPS,
    NOT_CANCELLED,
    move,
    require_state,
    seal_event,
    take,
    take_edition,
)

RESUME, CANCEL, COMPROMISE = "resume", "cancel", "compromise"
LOST = "reported_lost"
_REQUESTED = {
    RESUME: "seal.resumption_requested",
    CANCEL: "seal.cancellation_requested",
    COMPROMISE: "seal.compromise_requested",
}
# The trust list counts seconds from here (RFC 7519, section 2).
_FIRST_INSTANT = datetime.fromtimestamp(0, UTC)


def begin_making(session: Session, actor: Actor, code: str) -> tuple[Seal, Wanted]:
    """What is to be made, after checking that the actor may: a maker of a seal authority who neither applied
    for nor approved any edition of the seal. Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT).
    """
    person = authority_person(session, actor, "maker")
    seal = seal_seen_by(session, actor, code)
    require_different(session, person, code, applied=True, approved=True)
    return seal, wanted(session, seal)


def finish_making(session: Session, ports: Ports, actor: Actor, code: str, edition: SealEdition) -> Seal:
    """Record the edition made, if it is still what is wanted of the seal. One that waited to be put into use
    is dropped for it.

    Raises VermilionError(CONFLICT).
    """
    seal = locked(session, code)
    require_still_wanted(session, seal, edition.approval_id)
    now = ports.clock()
    detail: dict[str, Any] = {
        "edition": edition.id,
        "number": edition.number,
        "certificate": edition.certificate_serial,
    }
    if seal.state == "approved":
        take(session, ports, actor, seal, "making", detail=detail)
    else:
        for waiting in editions_in(session, code, "made", "filed"):
            drop(session, ports, actor, waiting, now)
        seal_event(session, ports, actor, "seal.edition_made", code, "making", **detail)
    activate_key(session, edition.key_id, now)
    retire_requests(session, ports, edition.approval_id)
    session.add(edition)
    session.flush()
    return seal


def require_still_wanted(session: Session, seal: Seal, approval_id: str) -> None:
    """Raises VermilionError(CONFLICT, reason "seal_state")."""
    if wanted(session, seal).approval_id != approval_id:
        raise VermilionError(
            Kind.CONFLICT, "another edition of the seal is wanted meanwhile", reason="seal_state"
        )


def file(session: Session, ports: Ports, actor: Actor, code: str) -> Seal:
    """File what was made with the register (备案): a maker of a seal authority, not who approved it."""
    person = authority_person(session, actor, "maker")
    seal = seal_seen_by(session, actor, code)
    require_different(session, person, code, applied=True, approved=True)
    seal = locked(session, code)
    edition = the_edition(session, seal, "made")
    if seal.state == "made":
        take(session, ports, actor, seal, "filing", detail={"edition": edition.id})
    else:
        require_state(seal, SUCCEEDED)
        event = EDITION_STEPS["filing"].event
        seal_event(session, ports, actor, event, code, "filing", edition=edition.id, number=edition.number)
    take_edition(session, edition, "filing")
    return seal


def activate(session: Session, ports: Ports, actor: Actor, code: str) -> Seal:
    """Put into use what is filed (启用): the seal's keeper, who neither applied for, approved nor made it.

    A certificate of an authority outside must be known to be good.
    Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT, UNAVAILABLE).
    """
    keeper(session, actor, code)
    seal = locked(session, code)
    edition = the_edition(session, seal, "filed")
    current_good(session, session.get_one(Certificate, edition.certificate_serial), ports.clock())
    if seal.state != "filed":
        return succeed(session, ports, actor, seal, edition)
    take(session, ports, actor, seal, "activation", detail={"edition": edition.id})
    take_edition(session, edition, "activation", in_use_from=ports.clock())
    return seal


def suspend(session: Session, ports: Ports, actor: Actor, code: str, ground: Ground) -> Seal:
    """Stop the seal at once (停用, 挂失): one person, its keeper or an approver of a seal authority."""
    seal = seal_seen_by(session, actor, code)
    require_keeper_or_approver(session, actor, seal)
    move(session, ports, actor, seal, "suspended", ("active",), "suspension", ground=ground)
    hold_seal(session, ports, actor, code, ground)
    return seal


def report_lost(session: Session, ports: Ports, actor: Actor, code: str, legal_basis: str) -> Seal:
    """Stop the seal at once because it is lost (挂失): one person, as `suspend`.

    A seal that is suspended already is reported lost all the same: what was asked for before, a resumption,
    is answered by nobody any more. Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT).
    """
    ground = civil_ground(ports.clock(), ports.settings.tz, LOST, legal_basis)
    seal = seal_seen_by(session, actor, code)
    if seal.state != "suspended":
        return suspend(session, ports, actor, code, ground)
    require_keeper_or_approver(session, actor, seal)
    return take(session, ports, actor, seal, LOST, ground=ground)


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
    """All keys of a seal; those retired before stay so since then, unless they are compromised."""
    keys = update(Key).where(Key.id.in_(select(SealEdition.key_id).where(SealEdition.seal_code == code)))
    if compromised_since is None:
        return keys.where(Key.state == "active").values(state="retired", since=now)
    return keys.values(state="compromised", since=compromised_since)
