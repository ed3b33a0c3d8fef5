"""Administrators of a registry under test."""

from __future__ import annotations

from pathlib import Path

import click
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.actor import Administrator, Duty
from registry.agencies.tables import Person
from registry.cli import cli
from registry.sample_registry import ADMINISTRATORS_FOLDER


def holder_of(session: Session, duty: Duty) -> Administrator:
    """Whoever is on record with the duty, as their proof would establish them."""
    held = select(Person.id).where(Person.duty == duty.value, Person.active).limit(1)
    return Administrator(session.scalars(held).one(), duty)


def sample_key(data: Path, duty: Duty) -> Path:
    """The file that a first start leaves for the administrator of its sample province."""
    return data / "credentials" / ADMINISTRATORS_FOLDER / f"{duty.value}.json"


def duties_of(command: click.Command) -> tuple[Duty, ...]:
    """Whose duty a command is; empty for one that is no act of administration."""
    return getattr(command.callback, "duties", ())


def named(arguments: list[str]) -> click.Command:
    """The command that the arguments call."""
    command: click.Command = cli
    for argument in arguments:
        if not isinstance(command, click.Group):
            break
        inner = command.get_command(click.Context(command), argument)
        if inner is None:
            break
        command = inner
    return command
