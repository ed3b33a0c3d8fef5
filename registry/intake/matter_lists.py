"""Lists of matters on record: imported with their approval, versioned, found by day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from hashlib import sha256

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.agencies.rules import known_agency
from registry.intake.matter_names import note
from registry.intake.matters import ListKind, Matter, MatterList, read_list
from registry.intake.moves import CaseState
from registry.intake.tables import Case, ListedMatter, MatterListVersion, MatterVersion
from registry.licences.types import known_type
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings
from registry.rows import unless_known

LEGAL_BASIS = "Anhui Measures, Art. 5"
"""What a list rests on: matters are managed by lists."""


@dataclass(frozen=True, slots=True)
class InForce:
    """A matter as it is handled on a day, and the version of its list that says so."""

    matter: Matter
    version: int


def import_list(
    session: Session, ports: Surroundings, admin: Administrator, raw: bytes, name: str
) -> MatterList:
    """Put a version of a list on record, as it was approved. The same file again changes nothing.

    Raises VermilionError: as `read_list`; FORBIDDEN; CONFLICT (`version_exists`, `list_version`,
    `matter_elsewhere`); INVALID (`matter_unlisted`, `type_unknown`); NOT_FOUND for an agency that is not on
    record.
    """
    in_office(session, admin, Duty.SYSTEM)
    made = read_list(raw, name)
    text = raw.decode("utf-8")
    known = session.get(MatterListVersion, (made.code, made.version), with_for_update=True)
    if known is not None:
        if known.toml != text:
            raise _exists("this version is on record with other contents: they need a higher version")
        return made
    _require_next(session, made)
    if made.kind is ListKind.IMPLEMENTATION:
        known_agency(session, made.owner)
        for place, matter in enumerate(made.matters, 1):
            for part in matter.joint:
                known_agency(session, part.agency_code)
            _require_listed(session, made, matter, place)
    row = MatterListVersion(
        code=made.code,
        version=made.version,
        kind=made.kind.value,
        owner=made.owner,
        division=made.division,
        effective_from=made.effective_from,
        effective_to=made.effective_to,
        toml=text,
        created_at=ports.clock(),
    )
    with unless_known(session, _exists("somebody else imports this version at this moment")):
        session.add(row)
    for one in made.listed:
        session.add(ListedMatter(base_code=one.base_code, list_code=made.code, list_version=made.version))
    for matter in made.matters:
        session.add(
            MatterVersion(
                code=matter.code,
                version=made.version,
                list_code=made.code,
                base_code=matter.base_code,
                agency_code=made.owner,
            )
        )
    session.flush()  # what a matter is found by refers to it
    for matter in made.matters:
        note(session, matter, made.version, known_agency(session, made.owner))
    record_event(
        session,
        kind="matter_list.imported",
        subject_kind="matter_list",
        subject=made.code,
        ground=Ground(LEGAL_BASIS, "imported", made.effective_from),
        actor=admin,
        now=ports.clock(),
        random=ports.random,
        detail={
            "version": made.version,
            "list": made.kind.value,
            "owner": made.owner,
            "approval": made.approval,
            "sha256": sha256(raw).hexdigest(),
        },
    )
    return made


def matter_on(session: Session, code: str, day: date) -> InForce | None:
    """A matter as it is handled on a day; None where it is not, or not any more."""
    row = session.execute(in_force_on(day).where(MatterVersion.code == code)).one_or_none()
    return None if row is None else shown(*row)


def matter_version(session: Session, code: str, version: int) -> Matter:
    """As a version of its list has it, whether that holds or not. The version is on record."""
    return next(one for one in list_of(session, code, version).matters if one.code == code)


def matter_of(session: Session, case: Case, day: date) -> Matter:
    """By which a case is handled: of a draft as it is on the day, and as it was where it is not any more."""
    found = matter_on(session, case.matter_code, day) if case.state == CaseState.DRAFT else None
    return matter_version(session, case.matter_code, case.matter_version) if found is None else found.matter


def list_of(session: Session, code: str, version: int) -> MatterList:
    """The list that has a version of a matter, which is on record."""
    toml = session.scalars(
        select(MatterListVersion.toml)
        .join(MatterVersion, _ITS_LIST)
        .where(MatterVersion.code == code, MatterVersion.version == version)
    ).one()
    return _list(toml)


def matters_on(
    session: Session, day: date, *, agency_code: str | None = None, after: str = "", size: int = 100
) -> tuple[list[InForce], bool]:
    """At most `size` matters behind a code, of an agency or of all; and whether there are more."""
    wanted = in_force_on(day).where(MatterVersion.code > after)
    if agency_code is not None:
        wanted = wanted.where(MatterVersion.agency_code == agency_code)
    rows = session.execute(wanted.order_by(MatterVersion.code).limit(size + 1)).all()
    return [shown(*row) for row in rows[:size]], len(rows) > size


def lists_on_record(session: Session) -> Sequence[MatterListVersion]:
    """All versions of all lists."""
    order = (MatterListVersion.code, MatterListVersion.version)
    return session.scalars(select(MatterListVersion).order_by(*order)).all()


def in_force_on(day: date) -> Select[MatterVersion, str]:
    """The matters that are handled on a day, each with its list's file."""
    return (
        select(MatterVersion, MatterListVersion.toml).join(MatterListVersion, _ITS_LIST).where(*_holds(day))
    )


_ITS_LIST = and_(
    MatterListVersion.code == MatterVersion.list_code, MatterListVersion.version == MatterVersion.version
)


def _holds(day: date) -> tuple[ColumnElement[bool], ...]:
    """Of each list the version that holds on the day: the newest that has begun, unless it is over."""
    other = aliased(MatterListVersion)
    newest = (
        select(func.max(other.version))
        .where(other.code == MatterListVersion.code, other.effective_from <= day)
        .scalar_subquery()
    )
    until = MatterListVersion.effective_to
    return MatterListVersion.version == newest, or_(until.is_(None), until >= day)


def shown(row: MatterVersion, toml: str) -> InForce:
    """A row of `in_force_on`."""
    return InForce(_parsed(toml, row.code), row.version)


def _parsed(toml: str, code: str) -> Matter:
    return next(one for one in _list(toml).matters if one.code == code)


@lru_cache(maxsize=200)
def _list(toml: str) -> MatterList:
    return read_list(toml.encode(), "matter_list")


def _require_next(session: Session, made: MatterList) -> None:
    """Versions follow one another: by number, by the day from which they hold, under one owner."""
    newest = session.scalars(
        select(MatterListVersion)
        .where(MatterListVersion.code == made.code)
        .order_by(MatterListVersion.version.desc())
        .limit(1)
    ).one_or_none()
    if newest is None:
        return
    same = (newest.kind, newest.owner, newest.division) == (made.kind.value, made.owner, made.division)
    if not same or made.version <= newest.version or made.effective_from <= newest.effective_from:
        raise VermilionError(
            Kind.CONFLICT,
            f"version {newest.version} is on record: the next is the same owner's, has a higher number and "
            "holds from a later day",
            reason="list_version",
        )


def _require_listed(session: Session, made: MatterList, matter: Matter, place: int) -> None:
    day = made.effective_from
    elsewhere = select(MatterVersion.list_code).where(
        MatterVersion.code == matter.code, MatterVersion.list_code != made.code
    )
    if session.scalar(elsewhere.limit(1)) is not None:
        raise field_fault(
            f"/matter/{place}/code", "matter_elsewhere", "another list has this matter", Kind.CONFLICT
        )
    lists = (
        select(MatterListVersion.division)
        .join(
            ListedMatter,
            and_(
                ListedMatter.list_code == MatterListVersion.code,
                ListedMatter.list_version == MatterListVersion.version,
            ),
        )
        .where(ListedMatter.base_code == matter.base_code, *_holds(day))
    )
    if not any(_covers(division, made.division) for division in session.scalars(lists)):
        detail = "no catalogue or supplement of this place has the matter on the day the list begins"
        raise field_fault(f"/matter/{place}/base_code", "matter_unlisted", detail)
    wanted = [matter.result.licence_type, *(one.licence_type for one in matter.materials)]
    if any(code is not None and known_type(session, code) is None for code in wanted):
        raise field_fault(f"/matter/{place}", "type_unknown", "no such licence type is on record")


def _covers(division: str, place: str) -> bool:
    """Whether a list of that division holds in a place: of the province, or of the city it lies in."""
    significant = division.removesuffix("00").removesuffix("00")
    return place.startswith(significant)


def _exists(detail: str) -> VermilionError:
    return VermilionError(Kind.CONFLICT, detail, reason="version_exists")
