"""Restore drill: packages are brought back from a store into an empty place, and prove themselves there.

That there is a copy is no proof that it can be restored; that it was restored is. Each package is opened as
one from elsewhere would be, unpacked, and compared with the register; each sealed document passes the strict
check. The report names what was found and is time-stamped by the registry, so that nobody dates or alters it
later.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import new as new_hash
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.errors import Kind, VermilionError
from keys.evidence_record import SIZES
from keys.trust_list import TrustList
from registry.archive.checks import IN_STORE, failed, note_checks
from registry.archive.evidence import evidence_of, verified
from registry.archive.natures import Finding, looked_at
from registry.archive.numbering import EDITION, FOREIGN, KEPT
from registry.archive.opened import Opened, open_package
from registry.archive.rules import LEGAL_BASIS, PRESENT
from registry.archive.stores import Stores, package_key
from registry.archive.tables import ArchiveCopy, ArchiveDrill, ArchivePackage
from registry.archive.transfer_tables import ArchiveArrival
from registry.intake.scanning import OUT as SCANNER_OUT
from registry.intake.scanning import scanner
from registry.intake.tables import Case
from registry.licences.examine import civil_day
from registry.licences.outage import database_errors
from registry.licences.tables import Document
from registry.licences.trust import trust_now
from registry.log.rules import Ground, record_event
from registry.ports import Ports
from signing.strict_check import strict_check

SLICE = 200
_DOCUMENTS = "data/documents/"


@dataclass(frozen=True, slots=True)
class Drill:
    """What was tried: the report as it is kept, and the token over its SHA-256."""

    id: str
    report: dict[str, Any]
    signed: bytes  # canonical JSON
    token: bytes

    @property
    def faults(self) -> list[dict[str, str]]:
        found: list[dict[str, str]] = self.report["faults"]
        return found


def restore_drill(ports: Ports, stores: Stores, store: str, into: Path, sample: int | None) -> Drill:
    """Restore `sample` packages taken by chance, or all of them, from one store alone.

    Raises VermilionError: INVALID for a store that is not known or a place that is not empty; UNAVAILABLE
    without database, trust list or time-stamp.
    """
    if store not in stores.by_name:
        raise VermilionError(Kind.INVALID, f"the archive has no store {store}", reason="archive_store")
    _require_empty(into)
    begun = ports.clock()
    faults: list[dict[str, str]] = []
    restored = documents = size = 0
    with database_errors():
        trust = trust_now(ports)
        counts = _counts(ports, store)
        after = ports.random(16).hex() if sample is not None else ""
        left = counts["packages"] if sample is None else min(sample, counts["packages"])
        while left > 0:
            rows = _packages(ports, after, min(left, SLICE))
            if not rows and not after:
                break
            if not rows:  # a sample goes on at the beginning
                after = ""
                continue
            checks: dict[str, list[Finding]] = {}
            for row in rows:
                try:
                    found = _restored(ports, stores, store, row, into, trust, checks)
                except VermilionError as error:
                    if error.reason == SCANNER_OUT:  # nothing was found of any package
                        raise
                    if not _still_kept(ports, row.id):
                        continue  # it was disposed of as it was read
                    faults.append({"package": row.id, "number": row.number, "reason": str(error.reason)})
                    continue
                restored, documents, size = restored + 1, documents + found, size + row.size
            _note(ports, checks)
            left, after = left - len(rows), rows[-1].id
        if counts["copies"] != counts["packages"]:
            faults.append({"package": "", "number": "", "reason": "copies_missing"})
        return _kept(ports, store, begun, sample, counts, faults, (restored, documents, size))


def _note(ports: Ports, checks: dict[str, list[Finding]]) -> None:
    """The four-nature check in store, of what was restored."""
    with ports.database.transaction() as session:
        note_checks(session, IN_STORE, checks, ports.clock())


def _require_empty(into: Path) -> None:
    try:
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        empty = not any(into.iterdir())
    except OSError as error:
        raise VermilionError(Kind.INVALID, "the place cannot be written", reason="restore_place") from error
    if not empty:
        raise VermilionError(Kind.INVALID, "the place is not empty", reason="restore_place")


def _counts(ports: Ports, store: str) -> dict[str, int]:
    with ports.database.read.connect() as connection:
        packages = connection.scalar(
            select(func.count()).select_from(ArchivePackage).where(ArchivePackage.state == KEPT)
        )
        copies = connection.scalar(
            select(func.count())
            .select_from(ArchiveCopy)
            .join(ArchivePackage, ArchivePackage.id == ArchiveCopy.package_id)
            .where(ArchiveCopy.store == store, ArchiveCopy.state == PRESENT, ArchivePackage.state == KEPT)
        )
    return {"packages": packages or 0, "copies": copies or 0}


def _still_kept(ports: Ports, package_id: str) -> bool:
    with Session(ports.database.read) as session:
        state = session.scalar(select(ArchivePackage.state).where(ArchivePackage.id == package_id))
    return state == KEPT


def _packages(ports: Ports, after: str, count: int) -> list[Any]:
    with ports.database.read.connect() as connection:
        return list(
            connection.execute(
                select(
                    ArchivePackage.id,
                    ArchivePackage.number,
                    ArchivePackage.attempt,
                    ArchivePackage.sha256,
                    ArchivePackage.manifest_sha256,
                    ArchivePackage.size,
                    ArchivePackage.subject_kind,
                    ArchivePackage.subject,
                    ArchiveArrival.number.label("as_it_came"),
                )
                .outerjoin(ArchiveArrival, ArchiveArrival.package_id == ArchivePackage.id)
                .where(ArchivePackage.state == KEPT, ArchivePackage.id > after)
                .order_by(ArchivePackage.id)
                .limit(count)
            )
        )


def _restored(
    ports: Ports,
    stores: Stores,
    store: str,
    row: Any,
    into: Path,
    trust: TrustList,
    checks: dict[str, list[Finding]],
) -> int:
    """How many sealed documents the package has, all of them good. Raises VermilionError."""
    data = stores.read(store, package_key(row.id, row.attempt))
    if data is None:
        raise _fault("copy_missing")
    if sha256(data).digest() != row.sha256:
        raise _fault("copy_damaged")
    checks[row.id], opened = looked_at(data, digest=row.sha256, infected=scanner(ports.settings))
    if opened is None:
        opened = open_package(data)  # says why
    if failed(checks[row.id]):
        raise _fault("natures")
    foreign = row.subject_kind == FOREIGN
    number, name = (row.as_it_came, opened.name) if foreign else (row.number, row.id)
    if opened.info.get("External-Identifier") != number or opened.name != name:
        raise _fault("another_package")
    manifest = opened.files.get("manifest-sha256.txt")
    if (None if manifest is None else sha256(manifest).digest()) != row.manifest_sha256:
        raise _fault("another_manifest")
    _unpack(opened, into / row.id if foreign else into)
    with Session(ports.database.read) as session:
        record = evidence_of(session, row.id)
    if record is not None:  # its first night may be to come
        verified(record, {name: new_hash(name, data).digest() for name in SIZES}, trust)
    if foreign:  # whose seals are to be believed, its own archive knows
        return 0
    edition_id = _edition_of(ports, row)
    return 0 if edition_id is None else _documents(ports, edition_id, into / opened.name, opened, trust)


def _edition_of(ports: Ports, row: Any) -> str | None:
    """Whose documents a package has: a case may have ended in no licence."""
    if row.subject_kind == EDITION:
        return str(row.subject)
    with Session(ports.database.read) as session:
        return session.scalars(select(Case.edition_id).where(Case.id == row.subject)).one()


def _unpack(opened: Opened, into: Path) -> None:
    """Its paths were checked when it was opened."""
    for path, data in opened.files.items():
        target = into / opened.name / path
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        target.write_bytes(data)


def _documents(ports: Ports, edition_id: str, folder: Path, opened: Opened, trust: TrustList) -> int:
    """Each, read from where it was restored, is a registered document of its edition with good seals."""
    with Session(ports.database.read) as session:
        registered = set(session.scalars(select(Document.sha256).where(Document.edition_id == edition_id)))
    paths = [path for path in opened.files if path.startswith(_DOCUMENTS)]
    for path in paths:
        evidence = strict_check((folder / path).read_bytes(), trust, at=ports.clock())
        if evidence.sha256 not in registered:
            raise _fault("document_unknown")
    if not paths:
        raise _fault("document_missing")
    return len(paths)


def _kept(
    ports: Ports,
    store: str,
    begun: datetime,
    sample: int | None,
    counts: dict[str, int],
    faults: list[dict[str, str]],
    done: tuple[int, int, int],
) -> Drill:
    now = ports.clock()
    restored, documents, size = done
    report: dict[str, Any] = {
        "v": 1,
        "drill": ports.random(16).hex(),
        "store": store,
        "asked": "all" if sample is None else sample,
        "begun_at": begun.isoformat(),
        "ended_at": now.isoformat(),
        "registered": counts["packages"],
        "copies": counts["copies"],
        "restored": restored,
        "documents": documents,
        "bytes": size,
        "faults": faults,
    }
    signed = canonical_json(report)
    token = ports.timestamper.stamp(sha256(signed).digest(), f"archive:{report['drill']}")
    with ports.database.transaction() as session:
        session.execute(
            insert(ArchiveDrill).values(
                id=report["drill"],
                store=store,
                ended_at=now,
                packages=restored,
                faults=len(faults),
                report=signed,
                token=token,
            )
        )
        record_event(
            session,
            kind="package.restored",
            subject_kind="drill",
            subject=report["drill"],
            ground=Ground(LEGAL_BASIS, "restore_drill", civil_day(now, ports.settings.tz)),
            actor=None,
            now=now,
            random=ports.random,
            detail={
                "store": store,
                "restored": restored,
                "faults": len(faults),
                "report": sha256(signed).hexdigest(),
            },
        )
    return Drill(report["drill"], report, signed, token)


def _fault(reason: str) -> VermilionError:
    return VermilionError(Kind.INVALID, "a package was not restored", reason=reason)
