"""`vermilion archive …`: packages of what was issued and ended, in at least two stores."""

from __future__ import annotations

from pathlib import Path

import click

from registry.cli.archive_disposal import dispose, hold, holds, release, retention
from registry.cli.archive_transfer import COMMANDS
from registry.cli.machine import locked, unlocked
from registry.cli.options import Sha256
from registry.cli.telling import tell


@click.group()
def archive() -> None:
    """Keep packages, find them, and see that every copy is whole."""


@archive.command("keep")
def archive_keep() -> None:
    """Archive now what is due, as the API does by itself.

    Says as JSON what became of it; exit code 1 when something is put off, which is tried again by itself.
    """
    from registry.archive.keep import keep_due
    from registry.archive.stores import open_stores

    with unlocked() as ports:
        done = keep_due(ports, open_stores(ports.settings))
    for package_id in done.kept:
        tell({"package": package_id, "outcome": "kept"})
    for what, error in done.deferred.items():
        tell({"of": what, "outcome": "deferred", "reason": error.reason})
    for what, defect in done.defects.items():
        tell({"of": what, "outcome": "defect", "kind": type(defect).__name__})
    for package_id, findings in done.unsound.items():
        items = [one.item for one in findings]
        tell({"package": package_id, "outcome": "unsound", "items": items})
    if done.deferred or done.defects or done.unsound:
        raise click.exceptions.Exit(1)


@archive.command("find")
@click.option("--number", help="Archive number (档号).")
@click.option("--identifier", help="Of a licence.")
@click.option("--agency", help="Unified social credit code.")
@click.option("--year", type=int, help="Year of the catalogue.")
def archive_find(number: str | None, identifier: str | None, agency: str | None, year: int | None) -> None:
    """List packages, at most 500, a JSON object a line, each with the state of its copies."""
    from sqlalchemy.orm import Session

    from registry.archive.search import find

    if number is None and identifier is None and agency is None:
        raise click.UsageError("--number, --identifier or --agency")
    with locked() as at, Session(at.database.read) as session:
        for one in find(session, number=number, identifier=identifier, agency_code=agency, year=year):
            tell(one)


@archive.command("statistics")
def archive_statistics() -> None:
    """Count packages, copies and what waits to be archived, a JSON object a line."""
    from sqlalchemy.orm import Session

    from registry.archive.search import statistics

    with locked() as at, Session(at.database.read) as session:
        for one in statistics(session):
            tell(one)


@archive.command("audit")
def archive_audit() -> None:
    """Read every copy in every store now, as fast as it goes, and repair what is lost; what the API does by
    itself within VERMILION_ARCHIVE_AUDIT_DAYS.

    Says as JSON what was found; exit code 1 when a copy was lost or a store was out.
    """
    from registry.archive.audit import audit_due
    from registry.archive.stores import open_stores

    with unlocked() as ports:
        done = audit_due(ports, open_stores(ports.settings), rest=lambda _seconds: None, at_once=True)
    for store, count in done.read.items():
        tell({"store": store, "read": count})
    for package_id, store, state in done.lost:
        tell({"package": package_id, "store": store, "found": state})
    for package_id, store in done.repaired:
        tell({"package": package_id, "store": store, "repaired": True})
    for package_id in done.beyond_repair:
        tell({"package": package_id, "repaired": False})
    for store, outage in done.outages.items():
        tell({"store": store, "reason": outage.reason})
    if done:
        raise click.exceptions.Exit(1)


@archive.command("sweep")
def archive_sweep() -> None:
    """Remove from every store attempts to write a package that was kept by another one, and files that were
    never finished; what the API does by itself whenever it has read a store through.

    Says as JSON how many of each store; what belongs to no package on record is counted and left. Exit code 1
    when there is any, or a store was out.
    """
    from registry.archive.stores import open_stores
    from registry.archive.sweep import sweep

    with unlocked() as ports:
        done = sweep(ports, open_stores(ports.settings))
    for store, count in done.removed.items():
        tell({"store": store, "removed": count, "unknown": done.unknown[store]})
    for store, outage in done.outages.items():
        tell({"store": store, "reason": outage.reason})
    if done.outages or any(done.unknown.values()):
        raise click.exceptions.Exit(1)


@archive.command("restore-drill")
@click.argument("into", type=click.Path(file_okay=False, path_type=Path))
@click.option("--store", required=True, help="Name of the store to restore from, and from no other.")
@click.option("--sample", type=click.IntRange(1), help="So many packages, taken by chance; without it all.")
def archive_restore_drill(into: Path, store: str, sample: int | None) -> None:
    """Restore packages from one store into the empty folder INTO and check them there: digests, manifests,
    seals, counts. The report is kept, time-stamped by the registry, and left beside them (report.json,
    report.tst).

    Prints the report; exit code 1 when something could not be restored.
    """
    from registry.archive.drill import restore_drill
    from registry.archive.stores import open_stores

    with unlocked() as ports:
        done = restore_drill(ports, open_stores(ports.settings), store, into, sample)
    (into / "report.json").write_bytes(done.signed)
    (into / "report.tst").write_bytes(done.token)
    click.echo(done.signed.decode())
    if done.faults:
        raise click.exceptions.Exit(1)


@archive.command("evidence")
@click.argument("package")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
def archive_evidence(package: str, out: Path) -> None:
    """Write the evidence record (RFC 4998, DER) of the package of this id to OUT: with the package's tar
    file it proves since when that existed. Prints the times that it proves, oldest first, as JSON.
    """
    from sqlalchemy.orm import Session

    from keys.errors import Kind, VermilionError
    from keys.evidence_record import encode_record
    from registry.archive.evidence import digests_of, evidence_of, verified
    from registry.archive.tables import ArchivePackage
    from registry.licences.trust import trust_now

    with unlocked() as ports:
        with Session(ports.database.read) as session:
            record = evidence_of(session, package)
            found = session.get(ArchivePackage, package)
            digest = None if found is None else found.sha256
            digests = digests_of(session, package, digest or b"")
        if record is None or digest is None:
            raise VermilionError(
                Kind.NOT_FOUND, "no such package, or its first night is to come", reason="package_unknown"
            )
        times = verified(record, digests, trust_now(ports)).times
    out.write_bytes(encode_record(record))
    tell({"package": package, "times": [at.isoformat() for at in times]})


@archive.command("renew-evidence")
@click.option("--digest", required=True, type=click.Choice(["sha384", "sha512"]), help="The stronger one.")
def archive_renew_evidence(digest: str) -> None:
    """Give every package's evidence record a further chain by a stronger digest algorithm (RFC 4998, 5.2):
    each package is read once from a store, within VERMILION_ARCHIVE_AUDIT_MB. What was stopped goes on where
    it was when it is called again.

    Says as JSON what was read and renewed; exit code 1 when no store had a package whole.
    """
    import time

    from registry.archive.renewal import renew_evidence
    from registry.archive.stores import open_stores

    with unlocked() as ports:
        done = renew_evidence(ports, open_stores(ports.settings), digest, rest=time.sleep)
    tell({"read": done.read, "renewed": done.renewed, "unreadable": done.unreadable})
    if done.unreadable:
        raise click.exceptions.Exit(1)


@archive.command("check")
@click.argument("package", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--sha256", "digest", type=Sha256(), help="What the package was registered or announced with.")
def archive_check(package: Path, digest: bytes | None) -> None:
    """Look at a package (tar file), from wherever it comes: is it authentic, whole, usable and safe. A JSON
    object a line for each item; exit code 1 when one failed, and the list goes back to whoever sent it.

    Neither a registry nor a key is needed. Files are not scanned for malware.
    """
    from registry.archive.checks import MAX_DETAIL
    from registry.archive.natures import four_natures
    from registry.archive.opened import LIMITS

    with package.open("rb") as file:
        found = four_natures(file.read(LIMITS.total + 1), digest=digest)
    for one in found:
        detail = one.detail[:MAX_DETAIL]
        tell({"nature": one.nature.value, "item": one.item, "passed": one.passed, "detail": detail})
    if not all(one.passed for one in found):
        raise click.exceptions.Exit(1)


for _command in (retention, hold, holds, release, dispose, *COMMANDS):
    archive.add_command(_command)
