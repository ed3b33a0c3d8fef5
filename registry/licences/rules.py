"""What happens to a licence after it was issued: suspended, resumed, inspected, ended, and later formally
removed.

Which operation is permitted on which status stands in one table (`registry.licences.operations`). Every
change is conditional on the status version it was decided on, and an event with its leaf. The edition is
locked before anything is decided and before the clock is read, so its events follow each other as they
happened. What is decided for a later day waits (`registry.licences.schedule`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Row, delete, select, update
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError
from registry.actor import Actor
from registry.licences.days import require_day, require_schedule, require_term
from registry.licences.duties import require_officer
from registry.licences.examine import may_issue
from registry.licences.moment import Moment, moment
from registry.licences.operations import (
    EVENTS,
    NEXT_EDITIONS,
    NO_MORE,
    PERMITTED,
    REPLACED,
    UNEXPIRED,
    Change,
    Decision,
    Effect,
    How,
    Operation,
    SuspensionGround,
)
from registry.licences.schedule import Planned, drop_waiting, schedule
from registry.licences.status_changes import note_changes
from registry.licences.tables import Edition, Holding, Licence
from registry.log.rules import Ground, record_event
from registry.ports import Ports
from registry.rows import changed_rows


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
    suspended_until: date | None  # the last day of a suspension that ends by itself
    removed_on: date | None


def suspend(
    session: Session,
    ports: Ports,
    actor: Actor,
    identifier: str,
    decision: Decision,
    suspension: SuspensionGround,
    until: date | None = None,
) -> LicenceStatus | Planned:
    """Suspend: `penalty` 暂扣 or `other` 暂停; `until` its last day, after which the registry lifts it.
    Raises VermilionError as `own_for` and `_decided` do.
    """
    edition = own_for(session, actor, identifier, lock=True)
    return _decided(session, ports, actor, edition, "suspend", decision, Effect(suspension, until))


def resume(
    session: Session, ports: Ports, actor: Actor, identifier: str, decision: Decision
) -> LicenceStatus | Planned:
    """End a suspension. Raises VermilionError as `own_for` and `_decided` do."""
    edition = own_for(session, actor, identifier, lock=True)
    return _decided(session, ports, actor, edition, "resume", decision, NO_MORE)


def end(
    session: Session, ports: Ports, actor: Actor, identifier: str, decision: Decision, how: How
) -> LicenceStatus | Planned:
    """End the licence; or, with `cancelled` on one that ended otherwise, note the day of its formal removal.

    A removal is a date beside `how` and never overwrites it. Raises VermilionError as `own_for` and
    `_decided` do.
    """
    edition = own_for(session, actor, identifier, lock=True)
    operation: Change = "remove" if edition.status == "ended" and how == "cancelled" else "end"
    return _decided(session, ports, actor, edition, operation, decision, Effect(how=how))


def inspect(
    session: Session,
    ports: Ports,
    actor: Actor,
    identifier: str,
    decision: Decision,
    period: str,
    *,
    passed: bool,
) -> LicenceStatus:
    """Record an annual inspection 年检 of a period, say "2026", and its result. The status stays: who did not
    pass is suspended by a decision of its own. Raises VermilionError as `own_for` and `change` do.
    """
    edition = own_for(session, actor, identifier, lock=True)
    at = moment(ports)
    require_permitted(edition, "inspect", decision, at.day)
    effective = decision.effective_from or at.day
    require_day(effective, today=at.day, issued=edition.issue_date, earliest=edition.issue_date)
    detail = {"identifier": edition.identifier, "period": period, "passed": passed}
    _tell(session, ports, actor, edition, "inspect", decision, effective, at, detail)
    return recorded_status(edition)


def status_of(session: Session, actor: Actor, identifier: str) -> LicenceStatus:
    """Raises VermilionError(NOT_FOUND) for a licence of another agency, and for none."""
    return recorded_status(own_for(session, actor, identifier))


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
        raise licence_unknown()
    return edition


def own_for(session: Session, actor: Actor, identifier: str, *, lock: bool = False) -> Edition:
    """The edition, for whoever may act on it. Raises VermilionError: FORBIDDEN for a person who is no
    officer, and for a type that the client may not issue; NOT_FOUND.
    """
    require_officer(actor)
    edition = own_edition(session, actor.agency_code, identifier, lock=lock)
    type_code = session.get_one(Licence, edition.licence_id).type_code
    if not may_issue(session, actor.client_id, actor.agency_code, type_code):
        raise type_not_entitled()
    return edition


def _decided(
    session: Session,
    ports: Ports,
    actor: Actor,
    edition: Edition,
    operation: Change,
    decision: Decision,
    effect: Effect,
) -> LicenceStatus | Planned:
    """A change that takes effect by today is made, one for a later day is put on record.

    Raises VermilionError as `change` does, and INVALID for a day too far ahead. Whether the status permits
    what is to come is asked on that day; what it will never permit is refused now.
    """
    at = moment(ports)
    due = decision.effective_from
    if due is None or due <= at.day or operation == "remove":
        return change(session, ports, actor, edition, operation, decision, effect, at)
    _require_current(edition, decision)
    if edition.status == "ended":
        raise not_possible(edition)
    require_schedule(due, today=at.day)
    if effect.until is not None:
        require_term(effect.until, effective=due, today=at.day)
    planned = Planned(edition.licence_id, operation, due, decision.legal_basis, decision.reason_code, effect)
    return schedule(session, ports, actor, edition, planned, at)


def change(
    session: Session,
    ports: Ports,
    actor: Actor,
    edition: Edition,
    operation: Change,
    decision: Decision,
    effect: Effect,
    at: Moment,
    scheduled: str | None = None,
) -> LicenceStatus:
    """Make one change of the table to a locked edition; `scheduled` names the row that asked for it.

    Raises VermilionError: INVALID for an effective date that cannot be; CONFLICT with `status` for a change
    that the present status does not permit, with `status_version` when it is no longer what was decided on.
    """
    after = require_permitted(edition, operation, decision, at.day)
    effective = decision.effective_from or at.day
    # An annulment 撤销 says that the licence should never have been granted: it may reach back to the issue.
    back = operation == "end" and effect.how == "annulled"
    earliest = edition.issue_date if back else max(edition.issue_date, edition.since)
    require_day(effective, today=at.day, issued=edition.issue_date, earliest=earliest)
    if effect.until is not None:
        require_term(effect.until, effective=effective, today=at.day)
    values: dict[str, object] = {"status": after, "status_version": edition.status_version + 1}
    if operation == "remove":
        values["removed_on"] = effective
    else:
        values |= {
            "since": effective,
            "ground": effect.ground,
            "suspended_until": effect.until,
            "how": effect.how,
        }
    statement = (
        update(Edition)
        .where(Edition.id == edition.id, Edition.status_version == edition.status_version)
        .values(**values)
    )
    if changed_rows(session, statement) != 1:
        raise changed_meanwhile(decision.version)
    note_changes(session, ports.random, [edition.id], at.now)
    detail: dict[str, object] = {
        "identifier": edition.identifier,
        "status": after,
        "status_version": edition.status_version + 1,
        **effect.told(),
    }
    if scheduled is not None:
        detail["scheduled"] = scheduled
    _tell(session, ports, actor, edition, operation, decision, effective, at, detail)
    _what_waits(session, ports, actor, edition, operation, decision, effect, at, scheduled)
    return recorded_status(own_edition(session, actor.agency_code, edition.identifier))


def _what_waits(
    session: Session,
    ports: Ports,
    actor: Actor,
    edition: Edition,
    operation: Change,
    decision: Decision,
    effect: Effect,
    at: Moment,
    scheduled: str | None,
) -> None:
    """What a change means for those to come: a suspension with a term is lifted after it, a lift waits for no
    other end of it, and a licence that has ended has nothing to come; its holder may have another.
    """
    if operation == "suspend" and effect.until is not None:
        day_after = effect.until + timedelta(days=1)
        lift = Planned(edition.licence_id, "lift", day_after, decision.legal_basis, decision.reason_code)
        schedule(session, ports, actor, edition, lift, at)
    elif operation in {"resume", "lift"}:
        drop_waiting(session, edition.licence_id, "resumed", at.now, only="lift", but=scheduled)
    elif operation == "end":
        drop_waiting(session, edition.licence_id, "ended", at.now, but=scheduled)
        changed_rows(session, delete(Holding).where(Holding.licence_id == edition.licence_id))


def require_permitted(edition: Edition, operation: Operation, decision: Decision, today: date) -> str:
    """The status after an operation on an edition, of the one table.

    Raises VermilionError(CONFLICT): `status_version`, `status`, `expired`.
    """
    _require_current(edition, decision)
    after = PERMITTED.get((edition.status, operation))
    removed = edition.removed_on is not None or edition.how in {"cancelled", REPLACED}
    if after is None or (operation == "remove" and removed):
        raise not_possible(edition)
    if operation in UNEXPIRED and edition.valid_to is not None and edition.valid_to < today:
        instead = ": renew it first" if operation in NEXT_EDITIONS else ""
        raise VermilionError(Kind.CONFLICT, f"the licence has expired{instead}", reason="expired")
    return after


def _require_current(edition: Edition, decision: Decision) -> None:
    if decision.version is not None and decision.version != edition.status_version:
        raise changed_meanwhile(decision.version)


def _tell(
    session: Session,
    ports: Ports,
    actor: Actor,
    edition: Edition,
    operation: Change,
    decision: Decision,
    effective: date,
    at: Moment,
    detail: dict[str, object],
) -> None:
    record_event(
        session,
        kind=EVENTS[operation],
        subject_kind="edition",
        subject=edition.id,
        ground=Ground(decision.legal_basis, decision.reason_code, effective),
        actor=actor,
        now=at.now,
        random=ports.random,
        detail=detail,
    )


def licence_unknown() -> VermilionError:
    """The answer to whoever asks for another agency's licence, or for none."""
    return VermilionError(Kind.NOT_FOUND, "the agency has no such licence", reason="licence_unknown")


def type_not_entitled() -> VermilionError:
    """The answer to a client that may not act on a licence's type."""
    detail = "the client may not act on this licence type"
    return VermilionError(Kind.FORBIDDEN, detail, reason="type_not_entitled")


def not_possible(edition: Edition) -> VermilionError:
    """The answer to an operation that the present status does not permit."""
    spoken = f"ended ({edition.how})" if edition.status == "ended" else edition.status.replace("_", " ")
    return VermilionError(Kind.CONFLICT, f"the licence is {spoken}: this is not possible", reason="status")


def changed_meanwhile(version: int | None) -> VermilionError:
    """The answer to a decision that rests on another status than the present one."""
    fault = Fault("/status_version", "status_version", "the status changed meanwhile")
    named = () if version is None else (fault,)
    return VermilionError(Kind.CONFLICT, fault.detail, reason=fault.reason, faults=named)


def recorded_status(row: Edition | Row[Any]) -> LicenceStatus:
    """Of an edition, or of a row with its columns."""
    return LicenceStatus(
        edition_id=row.id,
        identifier=row.identifier,
        status=row.status,
        status_version=row.status_version,
        ground=row.ground,
        how=row.how,
        since=row.since,
        suspended_until=row.suspended_until,
        removed_on=row.removed_on,
    )
