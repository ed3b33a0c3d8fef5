"""Handover to an archives authority (Art. 13): packages that are chosen or due leave together, with a signed
list, each looked at as it goes; its receipt says what became of each.

What is handed over is a folder: a bag whose payload are the list, its signature, and the packages' bags. It
is whole on the disk before the handover is on record, and gets its name after that. Copies here stay until
they are disposed of: handing over ends no duty of keeping them by itself.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import bindparam, exists, or_, select, update
from sqlalchemy.orm import Session, aliased

from keys.errors import Kind, VermilionError
from keys.files import sync
from keys.handover import MAX_PIECES, SKEW, Archive, Listed, Receipt, list_input, read_receipt
from registry.actor import Administrator
from registry.agencies.rules import known_agency
from registry.archive.bag import Digests, digests_of, tag_files
from registry.archive.checks import HANDOVER, failed, note_checks
from registry.archive.handover_list import (
    Entry,
    HandoverList,
    as_title,
    list_json,
    list_table,
    read_entries,
    unlistable,
)
from registry.archive.natures import Finding, Nature, described_by, looked_at
from registry.archive.numbering import KEPT, PERMANENT
from registry.archive.partners import partners, state_signed
from registry.archive.stores import Stores, package_key
from registry.archive.tables import ArchivePackage
from registry.archive.transfer_tables import ArchiveHandover, ArchiveHandoverItem
from registry.licences.outage import database_errors
from registry.log.rules import Ground, Happening, record_event, record_events
from registry.ports import Ports, Surroundings
from registry.rows import changed_each, changed_rows, insert_rows

LIST, TABLE, SIGNED = "data/list.json", "data/list.csv", "data/list.jws"
WAITING, ANSWERED, WITHDRAWN = "waiting", "answered", "withdrawn"
HANDED_OVER, REFUSED = "handed_over", "refused"
DUE_AFTER = 5
"""Years after which what is kept for good is due to be handed over, by its catalogue's year."""
_SLICE = 500


@dataclass(frozen=True, slots=True)
class Choice:
    """Which packages of an agency: all that is given holds of each. `due`: kept for good, and of a year long
    enough ago.
    """

    agency_code: str
    catalogue: str | None = None
    year: int | None = None
    due: bool = False


@dataclass(frozen=True, slots=True)
class HandedOver:
    """A handover that is on record. `unsound` stayed behind, by package: what was found of each. `more`:
    there are further packages, for a next one.
    """

    id: str
    folder: Path
    listed: HandoverList
    unsound: Mapping[str, Sequence[Finding]]
    more: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """What a receipt said: numbers of what was accepted, and what was not with the reason."""

    handover: str
    accepted: tuple[str, ...]
    refused: tuple[tuple[str, str, str], ...]  # number, package, reason
    again: bool = False  # the receipt had been taken before


@dataclass
class _Bag:
    """The files of a handover as they are written: a package is in memory while it is."""

    folder: Path
    digests: dict[str, Digests] = field(default_factory=dict)
    size: int = 0
    named: set[tuple[str, int]] = field(default_factory=set)  # number and sequence of each package

    def add(self, path: str, data: bytes) -> None:
        self._write(path, data)
        self.digests[path] = digests_of(data)
        self.size += len(data)

    def close(self, info: Sequence[tuple[str, str]]) -> None:
        for path, data in tag_files(self.digests, self.size, info, {}).items():
            self._write(path, data)
        for folder in (self.folder / "data" / "packages", self.folder / "data", self.folder):
            sync(folder)

    def _write(self, path: str, data: bytes) -> None:
        target = self.folder / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())


def hand_over(
    ports: Ports,
    stores: Stores,
    actor: Administrator,
    ground: Ground,
    choice: Choice,
    receiver: Archive,
    out: Path,
) -> HandedOver:
    """Make a handover of at most 5000 packages as a new folder in `out`, named by the handover's id.

    Raises VermilionError: NOT_FOUND (`agency_unknown`; `handover_empty` where there is nothing that could be
    handed over); INVALID (`handover_place`); CONFLICT (`handover_taken`) where one of the packages went by
    another handover meanwhile; UNAVAILABLE; as the custodian does.
    """
    now = ports.clock().replace(microsecond=0)
    handover_id = ports.random(16).hex()
    with database_errors(), Session(ports.database.read) as session:
        agency = known_agency(session, choice.agency_code)
        sender = Archive(agency.code, agency.name_zh)
        rows = _chosen(session, choice, now.astimezone(ports.settings.tz).date())
    folder = out / f"{handover_id}.part"
    try:
        folder.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise VermilionError(Kind.INVALID, "the place cannot be written", reason="handover_place") from error
    bag, entries, checks = _Bag(folder), list[Entry](), dict[str, list[Finding]]()
    try:
        for row in rows[:MAX_PIECES]:
            entry, checks[row.id] = _looked_at(stores, row, bag)
            if entry is not None:
                entries.append(entry)
        unsound = {one: failed(found) for one, found in checks.items() if failed(found)}
        if not entries:
            _note_unsound(ports, checks, now)
            detail = f"no package can be handed over; {len(unsound)} did not pass the check"
            raise VermilionError(Kind.NOT_FOUND, detail, reason="handover_empty")
        listed = HandoverList(handover_id, sender, receiver, now, tuple(entries))
        said = list_json(listed)
        statement = Listed(handover_id, sender, receiver, now, len(entries), sha256(said).hexdigest())
        signed = state_signed(ports, "list", lambda suite, chain: list_input(statement, suite, chain))
        for path, data in ((LIST, said), (TABLE, list_table(listed)), (SIGNED, signed.encode())):
            bag.add(path, data)
        bag.close(_info(listed))
        _record(ports, actor, ground, listed, said, signed, checks)
    except BaseException:
        _remove(folder)
        raise
    named = out / handover_id
    folder.rename(named)
    sync(out)
    return HandedOver(handover_id, named, listed, unsound, len(rows) > MAX_PIECES)


def _chosen(session: Session, choice: Choice, today: date) -> list[Any]:
    """The newest package of each subject that is neither with another archive nor on its way there, one more
    than a handover takes. Of a subject of which one went before, each that came since: whoever has that one
    takes the next of its number, and none that skips.
    """
    later, earlier = aliased(ArchivePackage), aliased(ArchivePackage)
    newer = exists().where(
        later.subject_kind == ArchivePackage.subject_kind,
        later.subject == ArchivePackage.subject,
        later.sequence > ArchivePackage.sequence,
        later.state == KEPT,
    )
    began = exists().where(
        earlier.subject_kind == ArchivePackage.subject_kind,
        earlier.subject == ArchivePackage.subject,
        earlier.sequence < ArchivePackage.sequence,
        ArchiveHandoverItem.package_id == earlier.id,
    )
    gone = exists().where(
        ArchiveHandoverItem.package_id == ArchivePackage.id,
        ArchiveHandoverItem.state.in_((WAITING, HANDED_OVER)),
    )
    wanted = select(ArchivePackage).where(
        ArchivePackage.agency_code == choice.agency_code,
        ArchivePackage.state == KEPT,
        or_(~newer, began),
        ~gone,
    )
    if choice.catalogue is not None:
        wanted = wanted.where(ArchivePackage.catalogue == choice.catalogue)
    if choice.year is not None:
        wanted = wanted.where(ArchivePackage.year == choice.year)
    if choice.due:
        wanted = wanted.where(
            ArchivePackage.retention == PERMANENT, ArchivePackage.year + DUE_AFTER < today.year
        )
    found = session.scalars(
        wanted.order_by(ArchivePackage.number, ArchivePackage.sequence).limit(MAX_PIECES + 1)
    ).all()
    session.expunge_all()
    return list(found)


def _looked_at(stores: Stores, row: ArchivePackage, bag: _Bag) -> tuple[Entry | None, list[Finding]]:
    """A package as it goes, and what was found of it; written only where every item passed. The list calls
    it as it calls itself, which is what its receiver finds: one from elsewhere may have a number of ours
    beside its own. Of two that call themselves the same one stays for another handover.
    """
    digest = row.sha256 or b""
    data = stores.first_good(package_key(row.id, row.attempt), digest)
    if data is None:
        return None, [Finding(Nature.INTEGRITY, "copy_whole", "no store has it whole")]
    findings, opened = looked_at(data, digest=digest)
    if opened is None or failed(findings):
        return None, findings
    said = described_by(opened)
    number = said.get("档号", row.number)
    if (number, row.sequence) in bag.named:
        return None, [
            *findings,
            Finding(Nature.AUTHENTICITY, "listed_once", f"{number} stands there already"),
        ]
    entry = Entry(
        number=number,
        fonds=said.get("来源/全宗号", row.fonds),
        catalogue=said.get("目录号", row.catalogue),
        year=row.year,
        retention=row.retention,
        title=as_title(opened.info.get("External-Description", "")) or row.number,
        identifier=row.identifier,
        package=row.id,
        sequence=row.sequence,
        items=row.items or 0,
        size=len(data),
        sha256=digest.hex(),
        findings=tuple(findings),
    )
    if (wrong := unlistable(entry)) is not None:
        return None, [*findings, Finding(Nature.AUTHENTICITY, "listable", wrong)]
    bag.named.add((number, row.sequence))
    bag.add(entry.path, data)
    return entry, findings


def _info(listed: HandoverList) -> list[tuple[str, str]]:
    return [
        ("Source-Organization", f"{listed.sender.name} ({listed.sender.code})"),
        ("External-Identifier", listed.handover),
        ("External-Description", f"移交 {len(listed.entries)} 件至 {listed.receiver.name}"),
        ("Bagging-Date", listed.made_at.date().isoformat()),
    ]


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


def _note_unsound(ports: Ports, checks: Mapping[str, Sequence[Finding]], now: datetime) -> None:
    with database_errors(), ports.database.transaction() as session:
        note_checks(session, HANDOVER, checks, now)


def _record(
    ports: Ports,
    actor: Administrator,
    ground: Ground,
    listed: HandoverList,
    said: bytes,
    signed: str,
    checks: Mapping[str, Sequence[Finding]],
) -> None:
    ids = sorted(one.package for one in listed.entries)
    with database_errors(), ports.database.transaction() as session:
        for at in range(0, len(ids), _SLICE):
            _require_free(session, ids[at : at + _SLICE])
        session.add(
            ArchiveHandover(
                id=listed.handover,
                agency_code=listed.sender.code,
                to_code=listed.receiver.code,
                to_name=listed.receiver.name,
                made_at=listed.made_at,
                state=WAITING,
                packages=len(ids),
                listed=said,
                signed=signed,
                receipt=None,
                answered_at=None,
                accepted=None,
            )
        )
        session.flush()  # the rows below refer to it
        items = [
            {"handover_id": listed.handover, "package_id": one, "state": WAITING, "reason": None}
            for one in ids
        ]
        insert_rows(session, ArchiveHandoverItem, items)
        note_checks(session, HANDOVER, checks, ports.clock())
        detail = {
            "to": listed.receiver.code,
            "packages": len(ids),
            "list_sha256": sha256(said).hexdigest(),
        }
        _event(session, ports, "handover.made", listed.handover, ground, actor, detail)


def _require_free(session: Session, ids: Sequence[str]) -> None:
    """Nobody hands these over meanwhile: their rows stay locked until the transaction ends."""
    locked = select(ArchivePackage.state).where(ArchivePackage.id.in_(ids)).order_by(ArchivePackage.id)
    states = session.scalars(locked.with_for_update()).all()
    if list(states) != [KEPT] * len(ids):
        raise VermilionError(
            Kind.CONFLICT, "a package is being disposed of meanwhile", reason="handover_taken"
        )
    taken = select(ArchiveHandoverItem.package_id).where(
        ArchiveHandoverItem.package_id.in_(ids), ArchiveHandoverItem.state.in_((WAITING, HANDED_OVER))
    )
    if session.scalar(taken.limit(1)) is not None:
        raise VermilionError(
            Kind.CONFLICT, "a package went by another handover meanwhile", reason="handover_taken"
        )


def withdraw(
    at: Surroundings, session: Session, actor: Administrator, ground: Ground, handover_id: str
) -> None:
    """Take back a handover that was not answered: its packages may go by another one.

    Raises VermilionError: NOT_FOUND (`handover_unknown`), CONFLICT (`handover_answered`).
    """
    row = _locked(session, handover_id)
    if row.state == ANSWERED:
        raise _answered()
    if row.state == WITHDRAWN:
        return
    row.state = WITHDRAWN
    of = (ArchiveHandoverItem.handover_id == handover_id, ArchiveHandoverItem.state == WAITING)
    changed_rows(session, update(ArchiveHandoverItem).where(*of).values(state=WITHDRAWN))
    _event(session, at, "handover.withdrawn", handover_id, ground, actor, {"to": row.to_code})


def take_receipt(
    at: Surroundings, session: Session, actor: Administrator, ground: Ground, data: bytes
) -> Answered:
    """Take the receiver's answer to a handover: each package that it accepted is handed over from now on,
    each that it refused may go again. The receipt is kept as it came.

    Raises VermilionError: INVALID (as `keys.handover.read_receipt`; `receipt_differs` for one that is not to
    this list, this receiver, or names other packages); NOT_FOUND (`handover_unknown`); CONFLICT
    (`handover_answered` by another receipt, `handover_withdrawn`).
    """
    now, data = at.clock(), data.strip()
    receipt = read_receipt(data, partners(at.settings.archive_partners))
    row = _locked(session, receipt.handover)
    if row.state == ANSWERED and row.receipt != data:
        raise _answered()
    if row.state == WITHDRAWN:
        raise VermilionError(Kind.CONFLICT, "the handover was taken back", reason="handover_withdrawn")
    _require_answer(row, receipt, now)
    accepted = [one for one in receipt.pieces if one.reason is None]
    refused = [one for one in receipt.pieces if one.reason is not None]
    answer = Answered(
        row.id,
        tuple(one.number for one in accepted),
        tuple((one.number, one.package, one.reason or "") for one in refused),
        again=row.state == ANSWERED,
    )
    if answer.again:
        return answer
    row.state, row.receipt, row.answered_at, row.accepted = ANSWERED, data, now, len(accepted)
    _note_items(session, receipt)
    receipt_sha256 = sha256(data).hexdigest()
    record_events(
        session,
        kind="package.handed_over",
        subject_kind="package",
        happenings=[
            Happening(
                one.package,
                ground,
                actor,
                {"number": one.number, "handover": row.id, "to": row.to_code, "receipt": receipt_sha256},
            )
            for one in accepted
        ],
        now=now,
        random=at.random,
    )
    detail = {
        "to": row.to_code, "accepted": len(accepted), "refused": len(refused), "receipt": receipt_sha256,
    }  # fmt: skip
    _event(session, at, "handover.answered", row.id, ground, actor, detail)
    return answer


def _require_answer(row: ArchiveHandover, receipt: Receipt, now: datetime) -> None:
    """A receipt is of this list, by this receiver, after it was made, and names each package once."""
    if receipt.list_sha256 != sha256(row.listed).hexdigest():
        raise _differs("it is for another list")
    if receipt.receiver != Archive(row.to_code, row.to_name):
        raise _differs("it is by another archive than the list is to")
    if not row.made_at - SKEW <= receipt.received_at <= now + SKEW:
        raise _differs("it was given before the handover, or in the future")
    wanted = {one.package: (one.number, one.sha256) for one in read_entries(row.listed)}
    named = {one.package: (one.number, one.sha256) for one in receipt.pieces}
    if len(named) != len(receipt.pieces):
        raise _differs("it names a package twice")
    if named.keys() != wanted.keys():
        raise _differs("it names other packages than the list, or not all")
    for package, said in named.items():
        if said != wanted[package]:
            raise _differs(f"it names package {package} with another number or digest")


def _note_items(session: Session, receipt: Receipt) -> None:
    changed = (
        update(ArchiveHandoverItem)
        .where(
            ArchiveHandoverItem.handover_id == receipt.handover,
            ArchiveHandoverItem.package_id == bindparam("package"),
            ArchiveHandoverItem.state == WAITING,
        )
        .values(state=bindparam("now_is"), reason=bindparam("because"))
    )
    items = [
        {
            "package": one.package,
            "now_is": HANDED_OVER if one.reason is None else REFUSED,
            "because": one.reason,
        }
        for one in receipt.pieces
    ]
    changed_each(session, changed, items)


def _locked(session: Session, handover_id: str) -> ArchiveHandover:
    row = session.get(ArchiveHandover, handover_id, with_for_update=True)
    if row is None:
        raise VermilionError(Kind.NOT_FOUND, "no such handover", reason="handover_unknown")
    return row


def _answered() -> VermilionError:
    return VermilionError(
        Kind.CONFLICT, "the handover was answered by another receipt", reason="handover_answered"
    )


def _differs(detail: str) -> VermilionError:
    return VermilionError(Kind.INVALID, f"the receipt does not fit: {detail}", reason="receipt_differs")


def _event(
    session: Session,
    at: Surroundings,
    kind: str,
    handover_id: str,
    ground: Ground,
    actor: Administrator,
    detail: Mapping[str, Any],
) -> None:
    record_event(
        session,
        kind=kind,
        subject_kind="handover",
        subject=handover_id,
        ground=ground,
        actor=actor,
        now=at.clock(),
        random=at.random,
        detail=detail,
    )


def handovers(session: Session, handover_id: str | None = None) -> list[dict[str, Any]]:
    """Those on record, newest first, at most 500; or the packages of one with what became of each."""
    if handover_id is None:
        rows = session.scalars(select(ArchiveHandover).order_by(ArchiveHandover.made_at.desc()).limit(500))
        return [
            {
                "handover": one.id,
                "agency": one.agency_code,
                "to": one.to_code,
                "to_name": one.to_name,
                "made_at": one.made_at.isoformat(),
                "state": one.state,
                "packages": one.packages,
                "accepted": one.accepted,
            }
            for one in rows
        ]
    items = (
        select(ArchiveHandoverItem, ArchivePackage.number)
        .join(ArchivePackage, ArchivePackage.id == ArchiveHandoverItem.package_id)
        .where(ArchiveHandoverItem.handover_id == handover_id)
        .order_by(ArchivePackage.number)
    )
    return [
        {"package": one.package_id, "number": number, "state": one.state, "reason": one.reason}
        for one, number in session.execute(items)
    ]
