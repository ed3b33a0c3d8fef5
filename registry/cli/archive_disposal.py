"""`vermilion archive retention|hold|release|dispose …`: how long packages are kept, and their end."""

from __future__ import annotations

from pathlib import Path

import click

from registry.actor import Duty
from registry.cli.acting import Acting, administrative
from registry.cli.machine import ground_today, locked, unlocked
from registry.cli.options import ground_options
from registry.cli.telling import tell


@click.group()
def retention() -> None:
    """Say how long packages are kept, by licence type or matter."""


@retention.command("set")
@click.argument("of", type=click.Choice(["type", "matter"]))
@click.argument("code")
@click.argument("term", type=click.Choice(["permanent", "30", "10"]))
@ground_options
@administrative(Duty.SYSTEM)
def retention_set(of: str, code: str, term: str, legal_basis: str, reason_code: str, acting: Acting) -> None:
    """Keep the packages of the editions of a type, or of the cases of a matter, for TERM years, or for good:
    those that are numbered from now on. What has a number keeps the term that it names.
    """
    from registry.archive.retention import decide_retention

    with acting.locked() as (at, admin), at.database.transaction() as session:
        ground = ground_today(at, legal_basis, reason_code)
        decide_retention(session, at, admin, of=of, code=code, retention=term, ground=ground)
    click.echo(f"{of} {code}: {term}")


@retention.command("list")
def retention_list() -> None:
    """List what was decided, a JSON object a line. A matter that is not here has the term of its own list, a
    type that is not here is kept for good.
    """
    from sqlalchemy.orm import Session

    from registry.archive.retention import schedule

    with locked() as at, Session(at.database.read) as session:
        for one in schedule(session):
            tell(one)


@click.command("hold")
@click.argument("number")
@ground_options
@administrative(Duty.SYSTEM, Duty.SECURITY)
def hold(number: str, legal_basis: str, reason_code: str, acting: Acting) -> None:
    """Keep all packages of the archive number NUMBER whatever their term, from now on; print the hold's id.

    Several may be on a number, each with its own ground; until the last is released nothing of it is disposed
    of, whatever was asked or approved.
    """
    from registry.archive.retention import place_hold

    with acting.locked() as (at, admin), at.database.transaction() as session:
        made = place_hold(session, at, admin, number, ground_today(at, legal_basis, reason_code))
        click.echo(made.id)


@click.command("release")
@click.argument("hold_id", metavar="HOLD")
@ground_options
@administrative(Duty.SECURITY)
def release(hold_id: str, legal_basis: str, reason_code: str, acting: Acting) -> None:
    """Take the hold of this id away; print the number that it was on."""
    from registry.archive.retention import release_hold

    with acting.locked() as (at, admin), at.database.transaction() as session:
        released = release_hold(session, at, admin, hold_id, ground_today(at, legal_basis, reason_code))
        click.echo(released.number)


@click.command("holds")
@click.option("--number", help="Those of one archive number, released ones as well.")
def holds(number: str | None) -> None:
    """List holds, a JSON object a line."""
    from sqlalchemy.orm import Session

    from registry.archive.retention import holds as holds_of

    with locked() as at, Session(at.database.read) as session:
        for one in holds_of(session, number):
            tell(one)


@click.group()
def dispose() -> None:
    """Dispose of packages whose term is over: asked by one person, approved by another."""


@dispose.command("due")
def dispose_due() -> None:
    """List numbers that may be disposed of, at most 500, a JSON object a line."""
    from sqlalchemy.orm import Session

    from registry.archive.disposal import due
    from registry.licences.examine import civil_day

    with locked() as at, Session(at.database.read) as session:
        for one in due(session, civil_day(at.clock(), at.settings.tz)):
            tell(one)


@dispose.command("ask")
@click.argument("numbers", nargs=-1, required=True)
@ground_options
@administrative(Duty.SYSTEM)
def dispose_ask(numbers: tuple[str, ...], legal_basis: str, reason_code: str, acting: Acting) -> None:
    """Put these archive numbers on a list for somebody else to approve; print the list's id."""
    from registry.archive.disposal import ask

    with acting.locked() as (at, admin), at.database.transaction() as session:
        made = ask(session, at, admin, numbers, ground_today(at, legal_basis, reason_code))
        click.echo(made.id)


def _decision(name: str, words: str, *, approve: bool) -> None:
    @dispose.command(name, help=words)
    @click.argument("disposal")
    @ground_options
    @administrative(Duty.SECURITY)
    def decided(disposal: str, legal_basis: str, reason_code: str, acting: Acting) -> None:
        from registry.archive.disposal import decide

        with acting.locked() as (at, admin), at.database.transaction() as session:
            ground = ground_today(at, legal_basis, reason_code)
            found = decide(session, at, admin, disposal, ground, approve=approve)
            click.echo(f"{found.id} {found.state}")


_decision(
    "approve",
    "Approve the list of this id: it is carried out from then on, and nobody takes it back. What a hold or a "
    "newer package has come upon is left out.",
    approve=True,
)
_decision("refuse", "Refuse the list of this id: its numbers are kept.", approve=False)


@dispose.command("list")
@click.option("--disposal", help="The numbers of one list, each with what became of it.")
def dispose_list(disposal: str | None) -> None:
    """List all lists, or the numbers of one, a JSON object a line."""
    from sqlalchemy.orm import Session

    from registry.archive.disposal import disposals, items_of

    with locked() as at, Session(at.database.read) as session:
        if disposal is None:
            for one in disposals(session):
                tell(one)
            return
        for item in items_of(session, disposal):
            told = {"number": item.number, "state": item.state, "reason": item.reason}
            tell(told)


@dispose.command("carry-out")
def dispose_carry_out() -> None:
    """Carry out now what was approved, as the API does by itself.

    Says as JSON what became of it; exit code 1 when a store was out, after which it goes on by itself.
    """
    from registry.archive.erasure import carry_out
    from registry.archive.stores import open_stores

    with unlocked() as ports:
        done = carry_out(ports, open_stores(ports.settings))
    for number in done.disposed:
        tell({"number": number, "outcome": "disposed"})
    for number, reason in done.left_out.items():
        tell({"number": number, "outcome": "left_out", "reason": reason})
    for disposal_id in done.done:
        tell({"disposal": disposal_id, "outcome": "done"})
    for store, outage in done.outages.items():
        tell({"store": store or "documents", "reason": outage.reason})
    if done.outages:
        raise click.exceptions.Exit(1)


@dispose.command("certificate")
@click.argument("disposal")
@click.argument("out", type=click.Path(dir_okay=False, path_type=Path))
def dispose_certificate(disposal: str, out: Path) -> None:
    """Write the certificate of destruction of a list that is done to OUT (JSON), and beside it, as OUT.tst,
    the registry's time-stamp over its SHA-256.
    """
    from sqlalchemy.orm import Session

    from keys.errors import Kind, VermilionError
    from registry.archive.disposal_tables import ArchiveDisposal

    with locked() as at, Session(at.database.read) as session:
        found = session.get(ArchiveDisposal, disposal)
        if found is None or found.certificate is None or found.token is None:
            raise VermilionError(Kind.NOT_FOUND, "no such list, or it is not done", reason="disposal_unknown")
        out.write_bytes(found.certificate)
        out.with_name(f"{out.name}.tst").write_bytes(found.token)
    click.echo(str(out))
