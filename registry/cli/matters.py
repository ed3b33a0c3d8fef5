"""`vermilion matter …` and `vermilion holiday …`: lists of matters and notices of holidays put on record."""

from __future__ import annotations

import json
from pathlib import Path

import click

from registry.actor import Duty
from registry.cli.acting import Acting, administrative
from registry.cli.machine import locked

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def matter() -> None:
    """Check and import lists of matters: catalogue, supplement and implementation lists."""


@matter.command("check")
@click.argument("file", type=_FILE)
def matter_check(file: Path) -> None:
    """Read the list in FILE (TOML) as an import does, and say what it holds. Nothing is put on record."""
    from registry.intake.matters import read_list

    made = read_list(_read(file), file.name)
    click.echo(f"{made.kind.value} {made.code} {made.version}: {len(made.listed) + len(made.matters)}")


@matter.command("import")
@click.argument("file", type=_FILE)
@administrative(Duty.SYSTEM)
def matter_import(file: Path, acting: Acting) -> None:
    """Put the list in FILE (TOML) on record, with its approval; print its code and version.

    It holds from the day that it names. A list that is on record never changes: other contents need a higher
    version, from a later day. A committed limit beyond the statutory one, and a demand for paper, presence,
    fees or secrecy without a legal basis are refused, each by its place.
    """
    from registry.intake.matter_lists import import_list

    with acting.locked() as (at, admin), at.database.transaction() as session:
        made = import_list(session, at, admin, _read(file), file.name)
    click.echo(f"{made.code} {made.version}")


@matter.command("list")
def matter_list() -> None:
    """List the lists on record, every version, a JSON object a line."""
    from sqlalchemy.orm import Session

    from registry.intake.matter_lists import lists_on_record

    with locked() as at, Session(at.database.read) as session:
        for row in lists_on_record(session):
            until = None if row.effective_to is None else row.effective_to.isoformat()
            told = {
                "code": row.code,
                "version": row.version,
                "list": row.kind,
                "owner": row.owner,
                "division": row.division,
                "effective_from": row.effective_from.isoformat(),
                "effective_to": until,
            }
            click.echo(json.dumps(told, ensure_ascii=False))


@click.group()
def holiday() -> None:
    """Import the State Council's notices of holidays, by which working days are counted."""


@holiday.command("import")
@click.argument("file", type=_FILE)
@administrative(Duty.SYSTEM)
def holiday_import(file: Path, acting: Acting) -> None:
    """Put the notice in FILE (TOML) on record; print its year and version.

    It says `year`, `version` and `source`, and `[[rest]]` and `[[work]]`, each with `day` and `name`: the
    holidays from Monday to Friday, and the Saturdays and Sundays that are worked on. What was due by other
    days is counted anew by the API's process.
    """
    from registry.intake.calendars import import_notice

    with acting.locked() as (at, admin), at.database.transaction() as session:
        made = import_notice(session, at, admin, _read(file), file.name)
    click.echo(f"{made.notice.year} {made.version}")


def _read(file: Path) -> bytes:
    from signing.toml_table import MAX_BYTES

    with file.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)
