"""What happens to a licence after it was issued: suspended, resumed, ended, and later formally removed.

Which change may follow which status stands in one table. Every change is conditional on the status
version it was decided on, and an event with its leaf.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError
from registry.actor import Actor
from registry.licences.examine import may_issue
from registry.licences.records import stored_record
from registry.licences.register import Moment
from registry.licences.tables import Edition, Licence
from registry.log.rules import Ground, record_event
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


def suspend(
    session: Session,
    actor: Actor,
    identifier: str,
    *,
    suspension: SuspensionGround,
    ground: Ground,
    moment: Moment,
    version: int | None = None,
) -> LicenceStatus:
    """Suspend: `penalty` 暂扣 or `other` 暂停. Raises VermilionError as `_change` does."""
    return _change(session, actor, identifier, "suspend", ground, moment, version, suspension=suspension)


def resume(
    session: Session,
    actor: Actor,
    identifier: str,
    *,
    ground: Ground,
    moment: Moment,
    version: int | None = None,
) -> LicenceStatus:
    """End a suspension. Raises VermilionError as `_change` does."""
    return _change(session, actor, identifier, "resume", ground, moment, version)


def end(
    session: Session,
    actor: Actor,
    identifier: str,
    *,
    how: How,
    ground: Ground,
    moment: Moment,
    version: int | None = None,
) -> LicenceStatus:
    """End the licence; or, with `cancelled` on one that ended otherwise, note the day of its formal removal.

    A removal is a date beside `how` and never overwrites it. Raises VermilionError as `_change` does.
    """
    edition = _own(session, actor, identifier)
    act: Act = "remove" if edition.status == "ended" and how == "cancelled" else "end"
    return _change(session, actor, identifier, act, ground, moment, version, how=how)


def status_of(session: Session, actor: Actor, identifier: str) -> LicenceStatus:
    """Raises VermilionError(NOT_FOUND) for a licence of another agency, and for none."""
    return _status(_own(session, actor, identifier))


def own_edition(session: Session, agency_code: str, identifier: str) -> Edition:
    """The agency's edition. Raises VermilionError(NOT_FOUND) alike for a foreign one and for none."""
    edition = session.scalars(
        select(Edition)
        .join(Licence, Licence.id == Edition.licence_id)
        .where(Edition.identifier == identifier, Licence.issuer_code == agency_code)
        .execution_options(populate_existing=True)
    ).one_or_none()
    if edition is None:
        raise VermilionError(Kind.NOT_FOUND, "the agency has no such licence", reason="licence_unknown")
    return edition


def _own(session: Session, actor: Actor, identifier: str) -> Edition:
    edition = own_edition(session, actor.agency_code, identifier)
    type_code = stored_record(edition.record).type_code
    if not may_issue(session, actor.client_id, actor.agency_code, type_code):
        raise VermilionError(
            Kind.FORBIDDEN, "the client may not act on this licence type", reason="type_not_entitled"
        )
    return edition


def _change(
    session: Session,
    actor: Actor,
    identifier: str,
    act: Act,
    ground: Ground,
    moment: Moment,
    version: int | None,
    *,
    suspension: SuspensionGround | None = None,
    how: How | None = None,
) -> LicenceStatus:
    """Make one change of the table above.

    `version` is the status version the caller decided on; None: whatever it is now. Raises VermilionError:
    NOT_FOUND; FORBIDDEN; INVALID for an effective date that cannot be; CONFLICT with `status` for a change
    that the present status does not permit, with `status_version` when it changed meanwhile.
    """
    edition = _own(session, actor, identifier)
    if version is not None and version != edition.status_version:
        raise _changed_meanwhile(version)
    after = PERMITTED.get((edition.status, act))
    if after is None or (act == "remove" and (edition.removed_on or edition.how == "cancelled")):
        raise VermilionError(
            Kind.CONFLICT, f"the licence is {_spoken(edition)}: this is not possible", reason="status"
        )
    _check_day(edition, act, how, ground.effective_from, moment.day)
    values: dict[str, object] = {"status": after, "status_version": edition.status_version + 1}
    if act == "remove":
        values["removed_on"] = ground.effective_from
    else:
        values |= {"since": ground.effective_from, "ground": suspension, "how": how}
    statement = (
        update(Edition)
        .where(Edition.id == edition.id, Edition.status_version == edition.status_version)
        .values(**values)
    )
    if changed_rows(session, statement) != 1:
        raise _changed_meanwhile(version)
    detail: dict[str, object] = {
        "identifier": identifier,
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
        ground=ground,
        actor=actor,
        now=moment.now,
        random=moment.random,
        detail=detail,
    )
    return _status(own_edition(session, actor.agency_code, identifier))


def _check_day(edition: Edition, act: Act, how: How | None, effective: date, today: date) -> None:
    """Changes take effect by today. None precedes the one before it, but an annulment 撤销, which says that
    the licence should never have been granted: it may reach back to the issue.
    """
    issued = stored_record(edition.record).issue_date
    earliest = issued if act == "end" and how == "annulled" else max(issued, edition.since)
    if effective > today:
        fault = Fault("/effective_from", "in_future", "changes for a later day are not accepted yet")
    elif effective < issued:
        fault = Fault("/effective_from", "before_issue", "it lies before the issue date")
    elif effective < earliest:
        fault = Fault("/effective_from", "before_last_change", "it lies before the last change of status")
    else:
        return
    raise VermilionError(Kind.INVALID, fault.detail, reason=fault.reason, faults=(fault,))


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
