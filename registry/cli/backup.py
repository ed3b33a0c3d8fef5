"""`vermilion backup` and `vermilion restore`: the whole record in one encrypted file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.cli.machine import unlocked

if TYPE_CHECKING:
    from registry.backup import Backup


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def backup(file: Path) -> None:
    """Write database and documents, as they are now, into a new encrypted FILE; the services may go on.

    It opens with the registry's keys alone, which are not in it: copy their directory and passphrase, or the
    token, to another place. PostgreSQL is asked by pg_dump.
    """
    from registry.backup import back_up

    with unlocked() as ports:
        made = back_up(ports.settings, ports.vault, file, clock=ports.clock, random=ports.random)
    _tell(made)


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
def restore(file: Path) -> None:
    """Bring database and documents back from FILE, into a place without a registry; the keys are there.

    Stop the services first, and run `vermilion fsck` before they start again. What was issued after the
    backup is not on record any more: see docs/operate.md.
    """
    import os

    from keys.clock import system_clock
    from registry.backup import restore as bring_back
    from registry.first_start import founding
    from registry.settings import Settings

    settings = Settings()
    with founding(settings):
        made = bring_back(settings, file, clock=system_clock, random=os.urandom)
    _tell(made)


def _tell(made: Backup) -> None:
    told = {
        "backup": made.id,
        "created_at": made.created_at.isoformat(),
        "database": made.database,
        "schema": made.revision,
        "documents": made.documents,
    }
    click.echo(json.dumps(told))
