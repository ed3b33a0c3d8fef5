"""`vermilion archive …`: packages handed over to another archive, and taken in from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.actor import Duty
from registry.cli.acting import Acting, administrative
from registry.cli.machine import ground_today, locked
from registry.cli.options import Sha256, ground_options
from registry.cli.telling import tell

if TYPE_CHECKING:
    from registry.archive.arrivals import Arrived

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW = click.Path(dir_okay=False, path_type=Path)


@click.command("hand-over")
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--agency", required=True, help="Unified social credit code of the agency that hands over.")
@click.option("--catalogue", help="Only of this catalogue (目录号).")
@click.option("--year", type=int, help="Only of this year.")
@click.option("--due", is_flag=True, help="Only what is kept for good and is five years old.")
@click.option("--to", "to_code", required=True, help="Code of the archive that receives.")
@click.option("--to-name", required=True, help="Its name.")
@ground_options
@administrative(Duty.SYSTEM)
def archive_hand_over(
    out: Path,
    agency: str,
    catalogue: str | None,
    year: int | None,
    due: bool,
    to_code: str,
    to_name: str,
    legal_basis: str,
    reason_code: str,
    acting: Acting,
) -> None:
    """Make a handover of an agency's packages, those that went by none yet: a folder in OUT, with the
    packages, the list (移交清单) for machines and people, and its signature. At most 5000; those that did not
    pass the four-nature check stay behind.

    Says as JSON what it holds; exit code 1 when a package stayed behind.
    """
    from keys.handover import Archive
    from registry.archive.handover import Choice, hand_over
    from registry.archive.stores import open_stores

    with acting.unlocked() as (ports, admin):
        ground = ground_today(ports, legal_basis, reason_code)
        choice = Choice(agency, catalogue, year, due)
        receiver = Archive(to_code, to_name)
        done = hand_over(ports, open_stores(ports.settings), admin, ground, choice, receiver, out)
    for package, findings in done.unsound.items():
        items = [one.item for one in findings]
        tell({"package": package, "outcome": "stayed", "items": items})
    count = len(done.listed.entries)
    tell({"handover": done.id, "packages": count, "more": done.more})
    if done.unsound:
        raise click.exceptions.Exit(1)


@click.command("receipt")
@click.argument("file", type=_FILE)
@ground_options
@administrative(Duty.SYSTEM)
def archive_receipt(file: Path, legal_basis: str, reason_code: str, acting: Acting) -> None:
    """Take the receiver's receipt for a handover (JWS) from FILE: what it accepted is handed over from now
    on, and what it refused may go again. VERMILION_ARCHIVE_PARTNERS names whose receipts are believed.

    Says as JSON what was refused, and why; exit code 1 when anything was.
    """
    from keys.handover import MAX_BYTES
    from registry.archive.handover import take_receipt

    with file.open("rb") as opened:
        data = opened.read(MAX_BYTES + 1)
    with acting.locked() as (at, admin):
        ground = ground_today(at, legal_basis, reason_code)
        with at.database.transaction() as session:
            done = take_receipt(at, session, admin, ground, data)
    for number, package, reason in done.refused:
        tell({"package": package, "number": number, "reason": reason})
    tell({"handover": done.handover, "accepted": len(done.accepted), "again": done.again})
    if done.refused:
        raise click.exceptions.Exit(1)


@click.command("take-back")
@click.argument("handover")
@ground_options
@administrative(Duty.SYSTEM)
def archive_take_back(handover: str, legal_basis: str, reason_code: str, acting: Acting) -> None:
    """Take back the handover of this id, to which no receipt came: its packages may go by another one."""
    from registry.archive.handover import withdraw

    with acting.locked() as (at, admin):
        ground = ground_today(at, legal_basis, reason_code)
        with at.database.transaction() as session:
            withdraw(at, session, admin, ground, handover)


@click.command("handovers")
@click.argument("handover", required=False)
def archive_handovers(handover: str | None) -> None:
    """List the handovers on record, newest first; or the packages of HANDOVER and what became of each. A
    JSON object a line.
    """
    from sqlalchemy.orm import Session

    from registry.archive.handover import handovers

    with locked() as at, Session(at.database.read) as session:
        for one in handovers(session, handover):
            tell(one)


@click.command("receive")
@click.argument("folder", type=_FOLDER)
@click.argument("receipt", type=_NEW)
@click.option("--agency", required=True, help="Code of the agency here that the list names as receiver.")
@click.option("--returned", type=_NEW, help="Write what was found of each package to this file, too (CSV).")
@ground_options
@administrative(Duty.SYSTEM)
def archive_receive(
    folder: Path,
    receipt: Path,
    agency: str,
    returned: Path | None,
    legal_basis: str,
    reason_code: str,
    acting: Acting,
) -> None:
    """Take in the handover in FOLDER, that another archive made: its list must be signed by one of
    VERMILION_ARCHIVE_PARTNERS. Each package is looked at item by item, and kept or returned. The signed
    receipt is written to RECEIPT.

    Says as JSON what became of each; exit code 1 when one was refused.
    """
    from registry.archive.receiving import receive
    from registry.archive.stores import open_stores

    with acting.unlocked() as (ports, admin):
        ground = ground_today(ports, legal_basis, reason_code)
        done = receive(ports, open_stores(ports.settings), admin, ground, folder, agency)
    receipt.write_text(done.receipt, encoding="ascii")
    _say(done.arrived, returned)


@click.command("import")
@click.argument("package", type=_FILE)
@click.option("--agency", required=True, help="Code of the agency in whose charge it comes.")
@click.option("--from", "from_code", required=True, help="Code of whoever brings it.")
@click.option("--from-name", required=True, help="Their name.")
@click.option("--sha256", "digest", type=Sha256(), help="What it was announced with.")
@click.option("--own-number", is_flag=True, help="Give it a number of ours, instead of the one that it has.")
@click.option("--returned", type=_NEW, help="Write what was found to this file, too (CSV).")
@ground_options
@administrative(Duty.SYSTEM)
def archive_import(
    package: Path,
    agency: str,
    from_code: str,
    from_name: str,
    digest: bytes | None,
    own_number: bool,
    returned: Path | None,
    legal_basis: str,
    reason_code: str,
    acting: Acting,
) -> None:
    """Take in one package (tar file) from elsewhere: it is looked at item by item, and kept like one of our
    own or returned with the list.

    Says as JSON what was found; exit code 1 when it was refused.
    """
    from keys.handover import Archive
    from registry.archive.arrivals import Whence, arrive
    from registry.archive.opened import LIMITS
    from registry.archive.stores import open_stores

    with package.open("rb") as file:
        tar = file.read(LIMITS.total + 1)
    whence = Whence(Archive(from_code, from_name), agency, own_number=own_number)
    with acting.unlocked() as (ports, admin):
        ground = ground_today(ports, legal_basis, reason_code)
        done = arrive(ports, open_stores(ports.settings), admin, ground, tar, whence, digest)
    _say([done], returned)


def _say(arrived: Sequence[Arrived], returned: Path | None) -> None:
    from registry.archive.arrivals import told
    from registry.archive.receiving import returned_table

    if returned is not None:
        returned.write_bytes(returned_table(arrived))
    for one in told(arrived):
        tell(one)
    if any(one.package_id is None for one in arrived):
        raise click.exceptions.Exit(1)


COMMANDS = (
    archive_hand_over,
    archive_receipt,
    archive_take_back,
    archive_handovers,
    archive_receive,
    archive_import,
)
