"""How long packages are kept, and what is kept whatever its term: the schedule, and legal holds.

The schedule says it of packages that are numbered from then on, since an archive number names its term. A
hold is on a number: all packages of an edition or a case.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Exists, exists, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.archive.disposal_tables import ArchiveHold, ArchiveTombstone
from registry.archive.numbering import OF_MATTER, OF_TYPE, RETENTIONS
from registry.archive.tables import ArchivePackage, ArchiveRetention
from registry.intake.tables import MatterVersion
from registry.licences.types import known_type
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings


def decide_retention(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    *,
    of: str,
    code: str,
    retention: str,
    ground: Ground,
) -> None:
    """Say how long packages of a type's editions, or of a matter's cases, are kept.

    Raises VermilionError: FORBIDDEN; INVALID for no such retention; NOT_FOUND for no such type or matter.
    """
    in_office(session, admin, Duty.SYSTEM)
    if of not in {OF_TYPE, OF_MATTER} or retention not in RETENTIONS:
        raise VermilionError(
            Kind.INVALID, f"a retention is one of {', '.join(RETENTIONS)}", reason="retention"
        )
    if of == OF_TYPE:
        known = known_type(session, code) is not None
    else:
        matters = select(MatterVersion.code).where(MatterVersion.code == code).limit(1)
        known = session.scalar(matters) is not None
    if not known:
        raise VermilionError(Kind.NOT_FOUND, f"no such {of} is on record", reason=f"{of}_unknown")
    row = session.get(ArchiveRetention, (of, code), with_for_update=True)
    before = None if row is None else row.retention
    values = {
        "retention": retention,
        "legal_basis": ground.legal_basis,
        "decided_by": admin.person_id,
        "decided_at": ports.clock(),
    }
    if row is None:
        session.add(ArchiveRetention(of=of, code=code, **values))
    else:
        for name, value in values.items():
            setattr(row, name, value)
    _record(session, ports, admin, "retention.decided", of, code, ground, {"was": before, "is": retention})


def schedule(session: Session) -> Iterator[dict[str, Any]]:
    """What was decided, of types and matters."""
    rows = select(ArchiveRetention).order_by(ArchiveRetention.of, ArchiveRetention.code)
    for row in session.scalars(rows):
        yield {
            "of": row.of,
            "code": row.code,
            "retention": row.retention,
            "legal_basis": row.legal_basis,
            "by": row.decided_by,
            "at": row.decided_at.isoformat(),
        }


def place_hold(
    session: Session, ports: Surroundings, admin: Administrator, number: str, ground: Ground
) -> ArchiveHold:
    """Keep a number whatever its term, from now on. Several holds may be on it, each with its ground.

    Raises VermilionError: FORBIDDEN; NOT_FOUND for no such number; CONFLICT (`disposed`) where its disposal
    has begun, after which nothing is left to be held.
    """
    in_office(session, admin, Duty.SYSTEM, Duty.SECURITY)
    packages = locked_packages(session, number)
    if session.get(ArchiveTombstone, number) is not None:
        raise VermilionError(Kind.CONFLICT, "its disposal has begun: nothing can be held", reason="disposed")
    hold = ArchiveHold(
        id=ports.random(16).hex(),
        number=number,
        legal_basis=ground.legal_basis,
        reason_code=ground.reason_code,
        placed_by=admin.person_id,
        placed_at=ports.clock(),
        release_basis=None,
        released_by=None,
        released_at=None,
    )
    session.add(hold)
    session.flush()
    detail = {"number": number, "hold": hold.id}
    _record(session, ports, admin, "package.held", "package", packages[0].id, ground, detail)
    return hold


def release_hold(
    session: Session, ports: Surroundings, admin: Administrator, hold_id: str, ground: Ground
) -> ArchiveHold:
    """Take one hold away. Raises VermilionError: FORBIDDEN; NOT_FOUND; CONFLICT (`released`)."""
    in_office(session, admin, Duty.SECURITY)
    hold = session.get(ArchiveHold, hold_id, with_for_update=True, populate_existing=True)
    if hold is None:
        raise VermilionError(Kind.NOT_FOUND, "no such hold", reason="hold_unknown")
    if hold.released_at is not None:
        raise VermilionError(Kind.CONFLICT, "the hold was released before", reason="released")
    hold.release_basis, hold.released_by = ground.legal_basis, admin.person_id
    hold.released_at = ports.clock()
    packages = locked_packages(session, hold.number)
    detail = {"number": hold.number, "hold": hold.id}
    _record(session, ports, admin, "package.released", "package", packages[0].id, ground, detail)
    return hold


def is_held(number: Any) -> Exists:
    """Whether a hold is on a number, as part of a statement."""
    return exists().where(ArchiveHold.number == number, ArchiveHold.released_at.is_(None))


def holds(session: Session, number: str | None = None) -> Iterator[dict[str, Any]]:
    """Those that were not released, of one number or of all; of one number those that were as well."""
    wanted = select(ArchiveHold).order_by(ArchiveHold.placed_at, ArchiveHold.id)
    if number is None:
        wanted = wanted.where(ArchiveHold.released_at.is_(None))
    else:
        wanted = wanted.where(ArchiveHold.number == number)
    for row in session.scalars(wanted):
        yield {
            "hold": row.id,
            "number": row.number,
            "legal_basis": row.legal_basis,
            "reason": row.reason_code,
            "placed_by": row.placed_by,
            "placed_at": row.placed_at.isoformat(),
            "released_by": row.released_by,
            "released_at": None if row.released_at is None else row.released_at.isoformat(),
        }


def locked_packages(session: Session, number: str) -> list[ArchivePackage]:
    """All packages of a number, oldest first, their rows locked. Raises VermilionError(NOT_FOUND)."""
    wanted = (
        select(ArchivePackage)
        .where(ArchivePackage.number == number)
        .order_by(ArchivePackage.sequence)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = list(session.scalars(wanted))
    if not found:
        raise VermilionError(Kind.NOT_FOUND, "the archive has no such number", reason="number_unknown")
    return found


def _record(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    kind: str,
    subject_kind: str,
    subject: str,
    ground: Ground,
    detail: dict[str, Any],
) -> None:
    record_event(
        session,
        kind=kind,
        subject_kind=subject_kind,
        subject=subject,
        ground=ground,
        actor=admin,
        now=ports.clock(),
        random=ports.random,
        detail=detail,
    )
