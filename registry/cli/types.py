"""`vermilion type …`: versions of licence types, put into service and taken out."""

from __future__ import annotations

from pathlib import Path

import click

from registry.actor import Duty
from registry.cli.acting import Acting, administrative
from registry.cli.machine import ground_today, publish
from registry.cli.options import ground_options


@click.group("type")
def licence_type() -> None:
    """Publish and withdraw licence types."""


@licence_type.command("publish")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@administrative(Duty.SYSTEM)
def type_publish(folder: Path, acting: Acting) -> None:
    """Publish the type version in FOLDER (type.toml and face.pdf), and print its code.

    A version never changes: other files need a higher version number.
    """
    from registry.licences.publish import publish_type

    with acting.unlocked() as (ports, admin):
        with ports.database.transaction() as session:
            published = publish_type(session, ports, admin, folder.absolute())  # its last part: the slug
        click.echo(published.code)
        publish(ports)


@licence_type.command("withdraw")
@click.argument("code")
@click.argument("version", type=int)
@ground_options
@administrative(Duty.SYSTEM)
def type_withdraw(code: str, version: int, legal_basis: str, reason_code: str, acting: Acting) -> None:
    """Let nothing more be issued under a version; what was issued stays valid.

    An older version does not take its place: publish a newer one, or this one again.
    """
    from registry.licences.publish import withdraw_type

    with acting.locked() as (at, admin):
        ground = ground_today(at, legal_basis, reason_code)
        with at.database.transaction() as session:
            withdraw_type(session, at, admin, code=code, version=version, ground=ground)
