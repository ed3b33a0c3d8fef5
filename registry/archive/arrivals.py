"""Packages from elsewhere: each is opened as a stranger's, looked at item by item, and kept like one of our
own or returned with the list of what was found.

Nothing is registered by halves. What comes is on record as arriving before a store sees it; copies are
written and read back; one transaction then makes it a package of the register, with its number, its copies
and its check. Whoever dies in between leaves an arrival whose lease lapses, and the sweep takes what it had
written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import Any, NoReturn

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.handover import Archive
from registry.actor import Administrator
from registry.agencies.administrators import lock_administration
from registry.agencies.rules import known_agency
from registry.archive.checks import INGEST, failed, note_checks, packed
from registry.archive.handover_list import Entry
from registry.archive.metadata import PARTS, RETENTIONS
from registry.archive.natures import Finding, Nature, described_by, looked_at
from registry.archive.numbering import (
    DISPOSED,
    ERASING,
    FOREIGN,
    KEPT,
    LEASE,
    RETENTION_CODES,
    catalogue_of,
    next_numbers,
)
from registry.archive.numbering import RETENTIONS as YEARS
from registry.archive.opened import Opened
from registry.archive.rules import MISSING, PRESENT
from registry.archive.stores import COPIES, Stores, package_key
from registry.archive.tables import ArchiveCopy, ArchivePackage, ArchiveSerial
from registry.archive.transfer_tables import ArchiveArrival
from registry.intake.scanning import scanner
from registry.licences.outage import database_errors
from registry.log.rules import Ground, record_event
from registry.ports import Ports
from registry.rows import changed_rows, insert_rows, unless_known

WRITING, REFUSED = "writing", "refused"
RECEIVED = "JS"  # 接收, in the number of a catalogue of ours for what came without one that can be kept
NATURES, KNOWN, GONE = "natures", "package_known", "package_disposed"
_COMMITTED_WITHIN = timedelta(minutes=1)
"""So long its lease has to last yet: once it is over, the sweep removes what is not on record as kept."""
_RETENTIONS = {words: code for code, words in RETENTIONS.items()}


@dataclass(frozen=True, slots=True)
class Whence:
    """Who brings a package, in whose charge it comes, and by which handover of theirs. `own_number`: it gets
    a number of ours, in a catalogue of the agency's, instead of the one that it has.
    """

    sender: Archive
    agency_code: str
    handover: str | None = None
    own_number: bool = False


@dataclass(frozen=True, slots=True)
class Arrived:
    """What became of a package: `package_id` where it is kept, else the reason; and what was found of it."""

    arrival: str
    number: str | None
    sha256: str
    package_id: str | None
    reason: str | None
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Said:
    """What a package says of itself, as far as the register takes it over."""

    number: str
    fonds: str
    catalogue: str
    year: int
    retention: str
    retention_until: date | None
    identifier: str
    occasion: str


def arrive(
    ports: Ports,
    stores: Stores,
    actor: Administrator,
    ground: Ground,
    tar: bytes,
    whence: Whence,
    digest: bytes | None = None,
    listed: Entry | None = None,
) -> Arrived:
    """Take in a package, or return it. `digest` is the SHA-256 that it was announced with, where it was, and
    `listed` what its list says of it. A later package of a number that is here already is taken from whoever
    brought the one before, as the next of it by their list.

    Raises VermilionError: NOT_FOUND (`agency_unknown`), UNAVAILABLE where fewer than two stores took it, or
    the database or the scanner for malware is out: nothing of it is kept then, and it may be brought again.
    """
    now, own = ports.clock(), sha256(tar).digest()
    arrival = ports.random(16).hex()
    findings, opened = looked_at(tar, digest=digest, infected=scanner(ports.settings))
    number = None if opened is None else _number(opened)
    with database_errors():
        with Session(ports.database.read) as session:
            known_agency(session, whence.agency_code)
            before = _kept_before(session, own)
        sequence = None if listed is None else listed.sequence
        coming = _Coming(arrival, number, sequence, own, len(tar), whence, tuple(findings))
        if listed is not None and number is not None and listed.number != number:
            detail = "its list has it under another number"
            return _returned(ports, actor, ground, coming, "number_differs", detail)
        if digest is not None and digest != own:  # what was announced is not what came, whatever that is
            return _returned(ports, actor, ground, coming, NATURES)
        if before is not None:
            return _come_again(ports, actor, ground, coming, before)
        if opened is None or failed(findings):
            return _returned(ports, actor, ground, coming, NATURES)
        try:
            said = _said(opened)
            with Session(ports.database.read) as session:
                _place(session, said, coming)
        except VermilionError as error:
            return _refused(ports, actor, ground, coming, error)
        package_id = ports.random(16).hex()
        _announce(ports, coming, package_id, now)
        copies = _written(stores, package_key(package_id, 1), tar)
        if sum(copies.values()) < COPIES:
            raise VermilionError(
                Kind.UNAVAILABLE, "fewer than two stores took the package", reason="archive_copies"
            )
        try:
            number = _registered(ports, actor, ground, coming, _Kept(package_id, said, opened, copies))
        except VermilionError as error:
            if error.kind is not Kind.CONFLICT:
                raise
            return _refused(ports, actor, ground, coming, error)
    return Arrived(arrival, number, own.hex(), package_id, None, coming.findings)


@dataclass(frozen=True, slots=True)
class _Coming:
    id: str
    number: str | None
    sequence: int | None  # as its list has it
    sha256: bytes
    size: int
    whence: Whence
    findings: tuple[Finding, ...]

    def row(self, now: datetime, **values: Any) -> dict[str, Any]:
        return {
            "id": self.id,
            "sha256": self.sha256,
            "size": self.size,
            "number": self.number,
            "from_code": self.whence.sender.code,
            "from_name": self.whence.sender.name,
            "agency_code": self.whence.agency_code,
            "handover": self.whence.handover,
            "arrived_at": now,
            "lease_until": now + LEASE,
            "reason": None,
            "findings": packed(self.findings),
            "package_id": None,
            **values,
        }


@dataclass(frozen=True, slots=True)
class _Kept:
    package_id: str
    said: _Said
    opened: Opened
    copies: Mapping[str, bool]


def _come_again(ports: Ports, actor: Administrator, ground: Ground, coming: _Coming, before: Any) -> Arrived:
    """By the same handover, in its place there, it is accepted, as it was, while it is here; what was written
    of it a second time lapses.
    """
    whence = coming.whence
    if before is _DISPOSED:
        detail = "it was kept here, and was disposed of when its term was over"
        return _returned(ports, actor, ground, coming, GONE, detail)
    same = before.from_code == whence.sender.code and before.handover == whence.handover
    if same and whence.handover is not None and _in_its_place(ports, coming, before.package_id):
        return Arrived(
            before.id, before.number, coming.sha256.hex(), before.package_id, None, coming.findings
        )
    return _returned(ports, actor, ground, coming, KNOWN)


def _in_its_place(ports: Ports, coming: _Coming, package_id: str) -> bool:
    """Whether its list has it where it is kept: one package is not two of a number."""
    with Session(ports.database.read) as session:
        kept = session.scalar(select(ArchivePackage.sequence).where(ArchivePackage.id == package_id))
    return coming.sequence in {None, kept} or coming.whence.own_number


def _number(opened: Opened) -> str | None:
    number = described_by(opened).get("档号", "")
    return number if 1 <= len(number) <= 100 and number.isprintable() else None


def _said(opened: Opened) -> _Said:
    """Raises VermilionError(INVALID) for what the register cannot take over."""
    said = described_by(opened)
    number, year = _number(opened), said.get("年度", "")
    retention = _RETENTIONS.get(said.get("保管期限", ""))
    until = said.get("保管期限截止日期")
    if number is None:
        _refuse("the archive number is no line of at most 100 characters", "package_number")
    if not (len(year) == 4 and year.isascii() and year.isdigit() and 1900 <= int(year) <= 2200):
        _refuse("the year is none", "package_year")
    if retention is None:
        _refuse("the retention is none of those that are known here", "package_retention")
    try:
        last = None if until is None else date.fromisoformat(until)
    except ValueError:
        _refuse("the last day of retention is none", "package_retention")
    years = YEARS[retention]
    if last is not None and (years is None or last.year < int(year) + years):
        _refuse(
            "the last day is before the retention is over, or what is kept for good has one",
            "package_retention",
        )
    texts = {
        "fonds": (said.get("来源/全宗号", ""), 40),
        "catalogue": (said.get("目录号", "-"), 40),
        "identifier": (said.get("标识", number), 120),
        "occasion": (said.get("归档缘由", "received"), 40),
    }
    for name, (text, longest) in texts.items():
        if not 1 <= len(text) <= longest or not text.isprintable():
            _refuse(f"the {name} is no line of at most {longest} characters", "package_metadata")
    return _Said(
        number=number,
        year=int(year),
        retention=retention,
        retention_until=last,
        **{name: text for name, (text, _) in texts.items()},
    )


def _refused(
    ports: Ports, actor: Administrator, ground: Ground, coming: _Coming, error: VermilionError
) -> Arrived:
    """Returned, unless another process has taken in these very bytes since they were looked for."""
    with Session(ports.database.read) as session:
        before = _kept_before(session, coming.sha256)
    if before is not None:
        return _come_again(ports, actor, ground, coming, before)
    return _returned(ports, actor, ground, coming, error.reason or "invalid", error.detail)


def _kept_before(session: Session, digest: bytes) -> Any:
    """The same bytes, kept already or disposed of: as what came from elsewhere, or as a package of ours."""
    gone = (ArchivePackage.sha256 == digest, ArchivePackage.state.in_((ERASING, DISPOSED)))
    if session.scalar(select(ArchivePackage.id).where(*gone).limit(1)) is not None:
        return _DISPOSED
    there = select(ArchivePackage.id).where(ArchivePackage.sha256 == digest).limit(1)
    if session.scalar(there) is None:
        return None
    # Asked after: the arrival of a package is registered with it, and another process may be at that now.
    arrived = select(ArchiveArrival).where(ArchiveArrival.sha256 == digest, ArchiveArrival.state == KEPT)
    row = session.scalars(arrived.limit(1)).one_or_none()
    if row is None:
        return _OURS
    session.expunge(row)
    return row


class _Own:
    """A package of our own that comes back."""

    from_code = handover = None


_OURS, _DISPOSED = _Own(), object()


def _place(session: Session, said: _Said, coming: _Coming) -> tuple[str, int]:
    """Subject and sequence of a package whose number is nobody's yet, and of no catalogue in which numbers
    are given here, which have no gaps; or that is the next of its number.

    Raises VermilionError(CONFLICT).
    """
    first = coming.sha256.hex()
    if coming.whence.own_number:
        return first, 1
    of = select(ArchivePackage).where(ArchivePackage.number == said.number)
    before = session.scalars(of.order_by(ArchivePackage.sequence.desc()).limit(1)).one_or_none()
    if before is not None and before.subject_kind == FOREIGN:
        _require_next(session, before, said, coming)
        return before.subject, before.sequence + 1
    catalogues = {(said.fonds, said.catalogue), catalogue_of(said.number)}  # whatever it says that it is of
    if any(one is not None and session.get(ArchiveSerial, one) is not None for one in catalogues):
        raise _taken("numbers of this catalogue are given here", "number_of_ours")
    if before is not None:
        raise _taken("another package has its number", "number_taken")
    return first, coming.sequence or 1


def _require_next(session: Session, before: ArchivePackage, said: _Said, coming: _Coming) -> None:
    """It comes from whoever brought the one before, into the same charge, and is described as that one is:
    nobody else adds to a number, and no number gets another term or comes to stand for something else.

    Raises VermilionError(CONFLICT).
    """
    whence = coming.whence
    senders = select(ArchiveArrival.from_code).where(
        ArchiveArrival.package_id == before.id,
        ArchiveArrival.state == KEPT,
        ArchiveArrival.number == before.number,  # one that got a number of ours has no later one
    )
    if session.scalar(senders) != whence.sender.code or before.agency_code != whence.agency_code:
        raise _taken("another package has its number", "number_taken")
    if coming.sequence != before.sequence + 1:
        detail = f"of its number {before.sequence} is the newest here, and it is not said to be the next"
        raise _taken(detail, "number_taken")
    names = ("fonds", "catalogue", "year", "retention", "identifier")
    if any(getattr(said, name) != getattr(before, name) for name in names):
        raise _taken("the one before of its number is described otherwise", "number_taken")
    if before.state != KEPT:
        raise _taken("what is here of its number was disposed of when its term was over", GONE)


def _announce(ports: Ports, coming: _Coming, package_id: str, now: datetime) -> None:
    with ports.database.transaction() as session:
        insert_rows(session, ArchiveArrival, [coming.row(now, state=WRITING, package_id=package_id)])


def _written(stores: Stores, key: str, tar: bytes) -> dict[str, bool]:
    return {name: stores.write(name, [(key, tar)])[0] is None for name in stores.by_name}


def _registered(ports: Ports, actor: Administrator, ground: Ground, coming: _Coming, kept: _Kept) -> str:
    """Its number in the register. Raises VermilionError(CONFLICT)."""
    said, opened, package_id = kept.said, kept.opened, kept.package_id
    taken = _taken("another package has its number, or is the same", "number_taken")
    with ports.database.transaction() as session, unless_known(session, taken):
        lock_administration(session)  # of its number nothing begins to be erased meanwhile
        now = ports.clock()  # nothing is waited for any more
        mine = (
            ArchiveArrival.id == coming.id,
            ArchiveArrival.state == WRITING,
            ArchiveArrival.lease_until > now + _COMMITTED_WITHIN,
        )
        if changed_rows(session, update(ArchiveArrival).where(*mine).values(state=KEPT)) != 1:
            raise _taken("it took too long to write", "package_lapsed")
        subject, sequence = _place(session, said, coming)
        number, fonds, catalogue = said.number, said.fonds, said.catalogue
        if coming.whence.own_number:
            fonds = coming.whence.agency_code
            catalogue = f"{RECEIVED}·{said.year}·{RETENTION_CODES[said.retention]}"
            (number,) = next_numbers(session, fonds, catalogue, 1)
        manifest = opened.files.get("manifest-sha256.txt")
        row = {
            "id": package_id,
            "subject_kind": FOREIGN,
            "subject": subject,
            "sequence": sequence,
            "number": number,
            "fonds": fonds,
            "catalogue": catalogue,
            "year": said.year,
            "occasion": said.occasion,
            "agency_code": coming.whence.agency_code,
            "type_code": None,
            "identifier": said.identifier,
            "retention": said.retention,
            "retention_until": said.retention_until,
            "state": KEPT,
            "attempt": 1,
            "lease_until": now,
            "sha256": coming.sha256,
            "manifest_sha256": None if manifest is None else sha256(manifest).digest(),
            "size": coming.size,
            "items": sum(path.startswith(f"data/{part.value}/") for path in opened.files for part in PARTS),
            "made_at": now,
            "kept_at": now,
        }
        insert_rows(session, ArchivePackage, [row])
        insert_rows(
            session,
            ArchiveCopy,
            [
                {
                    "package_id": package_id,
                    "store": name,
                    "state": PRESENT if good else MISSING,
                    "written_at": now if good else None,
                    "checked_at": now if good else None,
                }
                for name, good in kept.copies.items()
            ],
        )
        note_checks(session, INGEST, {package_id: coming.findings}, now)
        record_event(
            session,
            kind="package.received",
            subject_kind="package",
            subject=package_id,
            ground=ground,
            actor=actor,
            now=now,
            random=ports.random,
            detail={
                "number": number,
                "sequence": sequence,
                "from": coming.whence.sender.code,
                "handover": coming.whence.handover,
                "sha256": coming.sha256.hex(),
                "stores": [name for name, good in kept.copies.items() if good],
            },
        )
    return number


def _returned(
    ports: Ports, actor: Administrator, ground: Ground, coming: _Coming, reason: str, detail: str = ""
) -> Arrived:
    """It is kept nowhere, and on record as what was returned; what a rule of the register found wrong stands
    among the findings.
    """
    now, findings = ports.clock(), coming.findings
    if reason != NATURES:
        findings = (*findings, Finding(Nature.AUTHENTICITY, "registrable", f"{reason}: {detail}".strip(": ")))
    values = {"state": REFUSED, "reason": reason[:40], "findings": packed(findings)}
    with ports.database.transaction() as session:
        of = (ArchiveArrival.id == coming.id, ArchiveArrival.state == WRITING)
        if changed_rows(session, update(ArchiveArrival).where(*of).values(**values)) == 0:
            insert_rows(session, ArchiveArrival, [coming.row(now, **values)])
        record_event(
            session,
            kind="package.returned",
            subject_kind="arrival",
            subject=coming.id,
            ground=ground,
            actor=actor,
            now=now,
            random=ports.random,
            detail={
                "from": coming.whence.sender.code,
                "handover": coming.whence.handover,
                "reason": reason[:40],
                "items": [one.item for one in failed(findings)],
                "sha256": coming.sha256.hex(),
            },
        )
    return Arrived(coming.id, coming.number, coming.sha256.hex(), None, reason[:40], findings)


def told(arrived: Sequence[Arrived]) -> list[dict[str, Any]]:
    """For machines: what became of each, and every item's finding."""
    return [
        {
            "number": one.number,
            "sha256": one.sha256,
            "package": one.package_id,
            "outcome": "refused" if one.package_id is None else "accepted",
            "reason": one.reason,
            "findings": packed(one.findings),
        }
        for one in arrived
    ]


def _taken(detail: str, reason: str) -> VermilionError:
    return VermilionError(Kind.CONFLICT, detail, reason=reason)


def _refuse(detail: str, reason: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
