"""`vermilion type …`: versions of licence types, tried, put into service and taken out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from registry.actor import Duty
from registry.cli.acting import Acting, administrative
from registry.cli.machine import ground_today, publish
from registry.cli.options import ground_options

if TYPE_CHECKING:
    from signing.face_trial import Trial


@click.group("type")
def licence_type() -> None:
    """Try, import, publish and withdraw licence types.

    A type is a folder with type.toml and face.pdf, a form drawn in any tool. docs/faces.md says how.
    """


_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@licence_type.command("preview")
@click.argument("folder", type=_FOLDER)
@click.argument("picture", type=click.Path(dir_okay=False, path_type=Path))
def type_preview(folder: Path, picture: Path) -> None:
    """Try the type version in FOLDER as an import does, and draw a specimen with the longest values.

    The specimen goes into the PNG file PICTURE. Nothing is put on record.
    """
    import tempfile

    from registry.licences.publish import tried_files
    from registry.settings import Settings
    from signing.fonts import Fonts

    with tempfile.TemporaryDirectory() as glyphs:
        _, trial = tried_files(folder, Fonts.find(Path(glyphs)), Settings().public_origin)
    picture.write_bytes(trial.picture)
    _tell_room(trial)


@licence_type.command("import")
@click.argument("folder", type=_FOLDER)
@administrative(Duty.SYSTEM)
def type_import(folder: Path, acting: Acting) -> None:
    """Try the type version in FOLDER and put it on record as a draft; print its code and version.

    Other files may take a draft's place. What was published never changes: other files need a higher version
    number.
    """
    from registry.licences.publish import import_type, tried_files

    with acting.unlocked() as (ports, admin):
        files, trial = tried_files(folder, ports.fonts, ports.settings.public_origin)
        with ports.database.transaction() as session:
            made = import_type(session, ports, admin, files)
    click.echo(f"{made.code} {made.version}")
    _tell_room(trial)


@licence_type.command("publish")
@click.argument("code")
@click.argument("version", type=int)
@administrative(Duty.SYSTEM)
def type_publish(code: str, version: int, acting: Acting) -> None:
    """Let licences be issued under a version: a draft, or one that was withdrawn."""
    from registry.licences.publish import publish_type

    with acting.unlocked() as (ports, admin):
        with ports.database.transaction() as session:
            publish_type(session, ports, admin, code=code, version=version)
        publish(ports)


def _tell_room(trial: Trial) -> None:
    """Texts that may be longer than their place: longer ones are refused when they are issued."""
    for name, count in trial.room.items():
        click.echo(f"{name}: room for {count} characters of any width", err=True)


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
