"""Disposal: what is due is put on a list by one person and approved by another; erasing it is a job's
(`registry.archive.erasure`).

Whether a number may be disposed of is asked three times: when it is put on a list, when that is approved, and
in the transaction in which erasing begins. What has come in between (a hold, a newer package) takes it off
the list; the rest goes on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, exists, func, select
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.archive.disposal_tables import ArchiveDisposal, ArchiveDisposalItem, ArchiveTombstone
from registry.archive.handover import WAITING
from registry.archive.numbering import EDITION, KEPT
from registry.archive.retention import is_held, locked_packages
from registry.archive.tables import ArchiveDue, ArchivePackage
from registry.archive.transfer_tables import ArchiveHandoverItem
from registry.licences.examine import civil_day
from registry.licences.tables import Edition
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings

MOST = 500
"""Numbers on one list: as many as somebody looks through."""


class DisposalState(StrEnum):
    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    DONE = "done"  # each number of it is disposed of, or was left out


class ItemState(StrEnum):
    LISTED = "listed"
    REFUSED = "refused"
    LEFT_OUT = "left_out"  # something forbids it, which the reason says
    ERASING = "erasing"  # begun: the database has none of it any more
    DISPOSED = "disposed"  # no store has


OPEN = (ItemState.LISTED.value, ItemState.ERASING.value)


def due(session: Session, today: date, size: int = MOST) -> Iterator[dict[str, Any]]:
    """Numbers whose term is over, that nothing keeps, and that stand on no open list; oldest term first."""
    listed = exists().where(
        ArchiveDisposalItem.number == ArchivePackage.number, ArchiveDisposalItem.state.in_(OPEN)
    )
    numbers = (
        select(ArchivePackage.number, func.max(ArchivePackage.retention_until).label("until"))
        .where(*_over(today), ~is_held(ArchivePackage.number), ~listed)
        .group_by(ArchivePackage.number)
        .order_by("until", ArchivePackage.number)
    )
    found = 0
    for number, until in session.execute(numbers).all():
        packages = _packages(session, number)
        if obstacle(session, packages, today) is None:  # a handover, say, whose receipt has not come
            found += 1
            yield {
                "number": number,
                "kind": packages[0].subject_kind,
                "identifier": packages[0].identifier,
                "agency": packages[0].agency_code,
                "packages": len(packages),
                "retention": packages[0].retention,
                "retention_until": str(until),
            }
        if found == size:
            return


def ask(
    session: Session, ports: Surroundings, admin: Administrator, numbers: Sequence[str], ground: Ground
) -> ArchiveDisposal:
    """Put these numbers on a list for somebody else to approve: all of them, or there is no list.

    Raises VermilionError: FORBIDDEN; INVALID for none or too many; NOT_FOUND; CONFLICT (`not_due`) with what
    keeps each number that may not be disposed of.
    """
    in_office(session, admin, Duty.SYSTEM)
    wanted = sorted(set(numbers))
    if not 1 <= len(wanted) <= MOST:
        raise VermilionError(Kind.INVALID, f"a list has 1 to {MOST} numbers", reason="disposal_size")
    today = civil_day(ports.clock(), ports.settings.tz)
    faults = []
    for number in wanted:
        reason = obstacle(session, locked_packages(session, number), today)
        open_list = exists().where(ArchiveDisposalItem.number == number, ArchiveDisposalItem.state.in_(OPEN))
        if reason is None and session.scalar(select(open_list)):
            reason = "listed"
        if reason is not None:
            faults.append(Fault(f"/numbers/{number}", reason, f"{number} may not be disposed of: {reason}"))
    if faults:
        detail = "; ".join(one.detail for one in faults[:20])
        raise VermilionError(Kind.CONFLICT, detail, reason="not_due", faults=tuple(faults))
    disposal = ArchiveDisposal(
        id=ports.random(16).hex(),
        state=DisposalState.ASKED.value,
        legal_basis=ground.legal_basis,
        reason_code=ground.reason_code,
        asked_by=admin.person_id,
        asked_at=ports.clock(),
        decided_by=None,
        decided_at=None,
        done_at=None,
        certificate=None,
        token=None,
    )
    session.add(disposal)
    session.flush()  # the rows below refer to it
    for number in wanted:
        session.add(
            ArchiveDisposalItem(
                disposal_id=disposal.id,
                number=number,
                state=ItemState.LISTED.value,
                reason=None,
                ended_at=None,
            )
        )
    session.flush()
    record_disposal(session, ports, admin, disposal, "asked", ground, {"numbers": str(len(wanted))})
    return disposal


def decide(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    disposal_id: str,
    ground: Ground,
    *,
    approve: bool,
) -> ArchiveDisposal:
    """Approve a list or refuse it. What may not be disposed of any more is left out, with its reason.

    Raises VermilionError: FORBIDDEN, and by whoever has asked (`same_person`); NOT_FOUND; CONFLICT
    (`disposal_state`).
    """
    in_office(session, admin, Duty.SECURITY)
    disposal = locked_disposal(session, disposal_id)
    if disposal.asked_by == admin.person_id:
        detail = "whoever asks for a disposal does not approve it as well"
        raise VermilionError(Kind.FORBIDDEN, detail, reason="same_person")
    if disposal.state != DisposalState.ASKED:
        raise VermilionError(Kind.CONFLICT, f"the list is {disposal.state}", reason="disposal_state")
    now = ports.clock()
    disposal.decided_by, disposal.decided_at = admin.person_id, now
    disposal.state = (DisposalState.APPROVED if approve else DisposalState.REFUSED).value
    today = civil_day(now, ports.settings.tz)
    left_out = 0
    for item in items_of(session, disposal_id):
        reason = obstacle(session, locked_packages(session, item.number), today) if approve else None
        if not approve:
            item.state, item.ended_at = ItemState.REFUSED.value, now
        elif reason is not None:
            item.state, item.reason, item.ended_at = ItemState.LEFT_OUT.value, reason, now
            left_out += 1
    what = "approved" if approve else "refused"
    record_disposal(session, ports, admin, disposal, what, ground, {"left_out": str(left_out)})
    return disposal


def obstacle(session: Session, packages: Sequence[ArchivePackage], today: date) -> str | None:
    """Why a number, all of whose packages are given, may not be disposed of; None where nothing keeps it."""
    first = packages[0]
    if session.get(ArchiveTombstone, first.number) is not None:
        return "disposed"
    if any(one.state != KEPT for one in packages):
        return "archiving"
    if any(one.retention_until is None for one in packages):
        return "permanent"
    if any(one.retention_until is not None and one.retention_until >= today for one in packages):
        return "term"
    if session.scalar(select(is_held(first.number))):
        return "held"
    waiting = exists().where(
        ArchiveDue.subject_kind == first.subject_kind, ArchiveDue.subject == first.subject
    )
    if session.scalar(select(waiting)):
        return "archiving"
    on_its_way = exists().where(
        ArchiveHandoverItem.package_id.in_([one.id for one in packages]), ArchiveHandoverItem.state == WAITING
    )
    if session.scalar(select(on_its_way)):
        return "handover"  # another archive has it to look at, and no receipt says whether it took it
    if first.subject_kind == EDITION:
        edition = session.get_one(Edition, first.subject)
        over = edition.valid_to is not None and edition.valid_to < today
        if edition.status != "ended" and not over:
            return "in_force"
    return None


def items_of(session: Session, disposal_id: str) -> list[ArchiveDisposalItem]:
    wanted = select(ArchiveDisposalItem).where(ArchiveDisposalItem.disposal_id == disposal_id)
    return list(session.scalars(wanted.order_by(ArchiveDisposalItem.number)))


def locked_disposal(session: Session, disposal_id: str) -> ArchiveDisposal:
    """Its row locked. Raises VermilionError(NOT_FOUND)."""
    found = session.get(ArchiveDisposal, disposal_id, with_for_update=True, populate_existing=True)
    if found is None:
        raise VermilionError(Kind.NOT_FOUND, "no such disposal", reason="disposal_unknown")
    return found


def disposals(session: Session) -> Iterator[dict[str, Any]]:
    """Every list, the newest first, with how many of its numbers are in which state."""
    counted = select(ArchiveDisposalItem.disposal_id, ArchiveDisposalItem.state, func.count()).group_by(
        ArchiveDisposalItem.disposal_id, ArchiveDisposalItem.state
    )
    numbers: dict[str, dict[str, int]] = {}
    for disposal_id, state, count in session.execute(counted):
        numbers.setdefault(disposal_id, {})[state] = count
    rows = select(ArchiveDisposal).order_by(ArchiveDisposal.asked_at.desc(), ArchiveDisposal.id)
    for row in session.scalars(rows):
        yield {
            "disposal": row.id,
            "state": row.state,
            "legal_basis": row.legal_basis,
            "asked_by": row.asked_by,
            "asked_at": row.asked_at.isoformat(),
            "decided_by": row.decided_by,
            "done_at": None if row.done_at is None else row.done_at.isoformat(),
            "numbers": numbers.get(row.id, {}),
        }


def record_disposal(
    session: Session,
    ports: Surroundings,
    admin: Administrator | None,
    disposal: ArchiveDisposal,
    what: str,
    ground: Ground,
    detail: dict[str, Any],
) -> None:
    """Add an event about a list."""
    record_event(
        session,
        kind=f"disposal.{what}",
        subject_kind="disposal",
        subject=disposal.id,
        ground=ground,
        actor=admin,
        now=ports.clock(),
        random=ports.random,
        detail=detail,
    )


def _over(today: date) -> tuple[ColumnElement[bool], ...]:
    return (
        ArchivePackage.state == KEPT,
        ArchivePackage.retention_until.is_not(None),
        ArchivePackage.retention_until < today,
    )


def _packages(session: Session, number: str) -> list[ArchivePackage]:
    wanted = select(ArchivePackage).where(ArchivePackage.number == number)
    return list(session.scalars(wanted.order_by(ArchivePackage.sequence)))
