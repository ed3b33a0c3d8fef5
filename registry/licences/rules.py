"""What happens to a licence after it was issued: suspended, resumed, ended, and later formally removed.

Which change may follow which status stands in one table. Every change is conditional on the status
version it was decided on, and an event with its leaf. The edition is locked before anything is decided and
before the clock is read, so its events follow each other as they happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.licences.duties import require_officer
from registry.licences.examine import may_issue
from registry.licences.moment import moment
from registry.licences.status_changes import note_changes
from registry.licences.tables import Edition, Licence
from registry.log.rules import Ground, record_event
from registry.ports import Ports
from registry.rows import changed_rows

SuspensionGround = Literal["penalty", "other"]  # 暂扣 / 暂停
How = Literal["revoked", "annulled", "withdrawn", "cancelled"]  # 吊销 / 撤销 / 撤回 / 注销
Act = Literal["suspend", "resume", "end", "remove"]

PERMITTED: dict[tuple[str, Act], str] = {
    ("in_force", "suspend"): "suspended",
    ("suspended", "resume"): "in_force",
    ("in_force", "end"): "ended",
    ("suspended", "end"): "ended",
    ("ended", "remove"): "ended",
}
"""(status, act) -> the status after it; any other pair is refused."""

EVENTS: dict[Act, str] = {
    "suspend": "licence.suspended",
    "resume": "licence.resumed",
    "end": "licence.ended",
    "remove": "licence.removed",
}


@dataclass(frozen=True, slots=True)
class LicenceStatus:
    """The recorded status of an edition. Expired and not yet valid are for the reader to reckon."""

    edition_id: str
    identifier: str
    status: str
    status_version: int
    ground: str | None
    how: str | None
    since: date
    removed_on: date | None


@dataclass(frozen=True, slots=True)
class Decision:
    """An agency's decision to change a status: its ground, and what it was decided on."""

    legal_basis: str
    reason_code: str
    effective_from: date | None = None  # None: the day it is recorded
    version: int | None = None  # the status version it was decided on; None: whatever it is when recorded


def suspend(
    session: Session,
    ports: Ports,
    actor: Actor,
    identifier: str,
    decision: Decision,
    suspension: SuspensionGround,
) -> LicenceStatus:
    """Suspend: `penalty` 暂扣 or `other` 暂停. Raises VermilionError as `_own` and `_change` do."""
    edition = _own(session, actor, identifier, lock=True)
    return _change(session, ports, actor, edition, "suspend", decision, suspension=suspension)


def resume(
    session: Session, ports: Ports, actor: Actor, identifier: str, decision: Decision
) -> LicenceStatus:
    """End a suspension. Raises VermilionError as `_own` and `_change` do."""
    edition = _own(session, actor, identifier, lock=True)
    return _change(session, ports, actor, edition, "resume", decision)


def end(
    session: Session, ports: Ports, actor: Actor, identifier: str, decision: Decision, how: How
) -> LicenceStatus:
    """End the licence; or, with `cancelled` on one that ended otherwise, note the day of its formal removal.

    A removal is a date beside `how` and never overwrites it. Raises VermilionError as `_own` and `_change`
    do.
    """
    edition = _own(session, actor, identifier, lock=True)
    act: Act = "remove" if edition.status == "ended" and how == "cancelled" else "end"
    return _change(session, ports, actor, edition, act, decision, how=how)


def status_of(session: Session, actor: Actor, identifier: str) -> LicenceStatus:
    """Raises VermilionError(NOT_FOUND) for a licence of another agency, and for none."""
    return _status(_own(session, actor, identifier))


def own_edition(session: Session, agency_code: str, identifier: str, *, lock: bool = False) -> Edition:
    """The agency's edition; with `lock`, nobody else changes it until the transaction ends.

    Raises VermilionError(NOT_FOUND) alike for a foreign one and for none.
    """
    statement = (
        select(Edition)
        .join(Licence, Licence.id == Edition.licence_id)
        .where(Edition.identifier == identifier, Licence.issuer_code == agency_code)
        .execution_options(populate_existing=True)
    )
    edition = session.scalars(statement.with_for_update(of=Edition) if lock else statement).one_or_none()
    if edition is None:
        raise VermilionError(Kind.NOT_FOUND, "the agency has no such licence", reason="licence_unknown")
    return edition


def _own(session: Session, actor: Actor, identifier: str, *, lock: bool = False) -> Edition:
    """Raises VermilionError: FORBIDDEN for a person who is no officer, and for a type that the client may not
    issue; NOT_FOUND.
    """
    require_officer(actor)
    edition = own_edition(session, actor.agency_code, identifier, lock=lock)
    type_code = session.get_one(Licence, edition.licence_id).type_code
    if not may_issue(session, actor.client_id, actor.agency_code, type_code):
        raise VermilionError(
            Kind.FORBIDDEN, "the client may not act on this licence type", reason="type_not_entitled"
        )
    return edition


def _change(
    session: Session,
    ports: Ports,
    actor: Actor,
    edition: Edition,
    act: Act,
    decision: Decision,
    *,
    suspension: SuspensionGround | None = None,
    how: How | None = None,
) -> LicenceStatus:
    """Make one change of the table above to a locked edition.

    Raises VermilionError: INVALID for an effective date that cannot be; CONFLICT with `status` for a change
    that the present status does not permit, with `status_version` when it is no longer what was decided on.
    """
    at = moment(ports)
    if decision.version is not None and decision.version != edition.status_version:
        raise _changed_meanwhile(decision.version)
    after = PERMITTED.get((edition.status, act))
    if after is None or (act == "remove" and (edition.removed_on or edition.how == "cancelled")):
        raise VermilionError(
            Kind.CONFLICT, f"the licence is {_spoken(edition)}: this is not possible", reason="status"
        )
    effective_from = decision.effective_from or at.day
    _check_day(edition, act, how, effective_from, at.day)
    values: dict[str, object] = {"status": after, "status_version": edition.status_version + 1}
    if act == "remove":
        values["removed_on"] = effective_from
    else:
        values |= {"since": effective_from, "ground": suspension, "how": how}
    statement = (
        update(Edition)
        .where(Edition.id == edition.id, Edition.status_version == edition.status_version)
        .values(**values)
    )
    if changed_rows(session, statement) != 1:
        raise _changed_meanwhile(decision.version)
    note_changes(session, ports.random, [edition.id], at.now)
    detail: dict[str, object] = {
        "identifier": edition.identifier,
        "status": after,
        "status_version": edition.status_version + 1,
    }
    if suspension is not None:
        detail["ground"] = suspension
    if how is not None:
        detail["how"] = how
    record_event(
        session,
        kind=EVENTS[act],
        subject_kind="edition",
        subject=edition.id,
        ground=Ground(decision.legal_basis, decision.reason_code, effective_from),
        actor=actor,
        now=at.now,
        random=ports.random,
        detail=detail,
    )
    return _status(own_edition(session, actor.agency_code, edition.identifier))


def _check_day(edition: Edition, act: Act, how: How | None, effective: date, today: date) -> None:
    """Changes take effect by today. None precedes the one before it, but an annulment 撤销, which says that
    the licence should never have been granted: it may reach back to the issue.
    """
    issued = edition.issue_date
    earliest = issued if act == "end" and how == "annulled" else max(issued, edition.since)
    if effective > today:
        raise field_fault("/effective_from", "in_future", "changes for a later day are not accepted yet")
    if effective < issued:
        raise field_fault("/effective_from", "before_issue", "it lies before the issue date")
    if effective < earliest:
        raise field_fault("/effective_from", "before_last_change", "it lies before the last change of status")


def _spoken(edition: Edition) -> str:
    return f"ended ({edition.how})" if edition.status == "ended" else edition.status.replace("_", " ")


def _changed_meanwhile(version: int | None) -> VermilionError:
    fault = Fault("/status_version", "status_version", "the status changed meanwhile")
    named = () if version is None else (fault,)
    return VermilionError(Kind.CONFLICT, fault.detail, reason=fault.reason, faults=named)


def _status(edition: Edition) -> LicenceStatus:
    return LicenceStatus(
        edition_id=edition.id,
        identifier=edition.identifier,
        status=edition.status,
        status_version=edition.status_version,
        ground=edition.ground,
        how=edition.how,
        since=edition.since,
        removed_on=edition.removed_on,
    )
