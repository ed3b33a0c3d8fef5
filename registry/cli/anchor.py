"""`vermilion anchor …`: what an authority outside stamped, day by day, for anybody to check."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import click

from registry.cli.machine import locked


@click.group()
def anchor() -> None:
    """Show the days that an authority outside has stamped; hand one out to be checked."""


@anchor.command("list")
def list_anchors() -> None:
    """List the anchored days as JSON, one object a line, the oldest first."""
    from sqlalchemy import select
    from sqlalchemy.orm import Session

    from registry.seals.tables import DayAnchor

    with locked() as at, Session(at.database.read) as session:
        for row in session.scalars(select(DayAnchor).order_by(DayAnchor.day)):
            shown = {
                "day": row.day.isoformat(),
                "documents": row.documents,
                "sha256": row.digest.hex(),
                "authority": row.authority,
                "stamped_at": row.gen_time.isoformat(),
            }
            click.echo(json.dumps(shown, ensure_ascii=False))


@anchor.command("export")
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]))
@click.argument("folder", type=click.Path(file_okay=False, exists=True, path_type=Path))
def export(day: datetime, folder: Path) -> None:
    """Write DAY.txt, the list that was stamped, and DAY.tst, the token, into FOLDER.

    Check: openssl ts -verify -data DAY.txt -in DAY.tst -token_in -CAfile CA.pem
    """
    from sqlalchemy.orm import Session

    from keys.errors import Kind, VermilionError
    from registry.seals.anchor import Day, day_content
    from registry.seals.tables import DayAnchor

    with locked() as at, Session(at.database.read) as session:
        row = session.get(DayAnchor, day.date())
        if row is None:
            raise VermilionError(Kind.NOT_FOUND, "that day has no anchor", reason="anchor_unknown")
        content, _count = day_content(session, Day(row.day, row.from_at, row.to_at))
    for suffix, data in (("txt", content), ("tst", row.token)):
        path = folder / f"{row.day.isoformat()}.{suffix}"
        path.write_bytes(data)
        click.echo(path)
