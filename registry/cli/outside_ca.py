"""`vermilion outside-ca …`: licensed CAs outside whose certificates seals may have."""

from __future__ import annotations

import json
from pathlib import Path

import click

from keys.errors import Kind, VermilionError
from registry.actor import Duty
from registry.cli.acting import Acting, administrative
from registry.cli.machine import ground_today, locked
from registry.cli.options import ground_options

MAX_FILE = 64 * 1024  # bytes


@click.group("outside-ca")
def outside_ca() -> None:
    """Put licensed CAs outside on record; withdraw them."""


@outside_ca.command("add")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="What the CA is called here.")
@click.option(
    "--host",
    "hosts",
    required=True,
    multiple=True,
    help="Host (name or name:port) of its CRLs or OCSP; may be repeated. Nothing else is fetched from.",
)
@ground_options
@administrative(Duty.SYSTEM)
def add(
    file: Path, name: str, hosts: tuple[str, ...], legal_basis: str, reason_code: str, acting: Acting
) -> None:
    """Put a licensed CA on record by its own certificate (DER or PEM), and print that one's SHA-256.

    Chains that makers bring must lead to it; see docs/runbooks/outside-ca.md.
    """
    from registry.seals.outside_ca import add_authority

    try:
        with file.open("rb") as opened:
            data = opened.read(MAX_FILE + 1)
    except OSError as error:
        raise VermilionError(Kind.INVALID, f"{file}: {error.strerror}") from error
    with acting.locked() as (at, admin):
        ground = ground_today(at, legal_basis, reason_code)
        with at.database.transaction() as session:
            added = add_authority(session, at, admin, name=name, file=data, hosts=hosts, ground=ground)
            click.echo(added.sha256)


@outside_ca.command("list")
def listing() -> None:
    """List the CAs on record as JSON, one object a line."""
    from sqlalchemy.orm import Session

    from registry.seals.outside_ca import authorities

    with locked() as at, Session(at.database.read) as session:
        for one in authorities(session):
            row = {
                "name": one.name,
                "sha256": one.sha256,
                "hosts": one.hosts.split(" "),
                "added_at": one.added_at.isoformat(),
                "withdrawn_at": None if one.withdrawn_at is None else one.withdrawn_at.isoformat(),
            }
            click.echo(json.dumps(row, ensure_ascii=False))


@outside_ca.command("withdraw")
@click.argument("name")
@ground_options
@administrative(Duty.SYSTEM)
def withdraw(name: str, legal_basis: str, reason_code: str, acting: Acting) -> None:
    """Take no more certificates of a CA. Seals that have one go on: suspend those that are to stop."""
    from registry.seals.outside_ca import withdraw_authority

    with acting.locked() as (at, admin):
        ground = ground_today(at, legal_basis, reason_code)
        with at.database.transaction() as session:
            withdraw_authority(session, at, admin, name, ground)
