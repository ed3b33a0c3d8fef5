"""`vermilion connector …`: where data of other agencies is had from, put on record."""

from __future__ import annotations

import json
from pathlib import Path

import click

from registry.actor import Duty
from registry.cli.acting import Acting, administrative
from registry.cli.machine import locked

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def connector() -> None:
    """Check and import connectors of data exchange, and set the secrets by which they sign."""


@connector.command("check")
@click.argument("file", type=_FILE)
def connector_check(file: Path) -> None:
    """Read the connector in FILE (TOML) as an import does, and say what it holds. Nothing is recorded."""
    from registry.intake.connectors import read_connector

    made = read_connector(_read(file), file.name)
    click.echo(f"{made.kind.value} {made.code} {made.version}: {len(made.data_sets)}")


@connector.command("import")
@click.argument("file", type=_FILE)
@administrative(Duty.SYSTEM)
def connector_import(file: Path, acting: Acting) -> None:
    """Put the connector in FILE (TOML) on record; print its code and version.

    It says how sources are reached, and of each data set which agency vouches for it, for what purpose and on
    which ground it is asked, the materials of which matters it stands in for, and which values are compared.
    It serves from now on; what is on record never changes: other contents need a higher version.
    """
    from registry.intake.connector_register import import_connector

    with acting.locked() as (at, admin), at.database.transaction() as session:
        made = import_connector(session, at, admin, _read(file), file.name)
    click.echo(f"{made.code} {made.version}")


@connector.command("secret")
@click.argument("code")
@click.argument("file", type=_FILE)
@click.option("--key-id", required=True, help="What the other side calls the secret.")
@administrative(Duty.SYSTEM)
def connector_secret(code: str, file: Path, key_id: str, acting: Acting) -> None:
    """Sign the requests of the connector CODE by the secret in FILE (mode 0600), from now on.

    Answers are believed by the same secret alone. It is kept encrypted; FILE is of no more use.
    """
    from registry.intake.connector_register import set_secret
    from registry.secret_files import read_secret

    with acting.unlocked() as (ports, admin):
        secret = read_secret(file, "secret")
        ports.vault.ready()
        with ports.database.transaction() as session:
            set_secret(session, ports, admin, code, key_id, secret)


@connector.command("list")
def connector_list() -> None:
    """List the connectors on record, every version, a JSON object a line."""
    from sqlalchemy.orm import Session

    from registry.intake.connector_register import versions_on_record
    from registry.intake.connectors import read_connector

    with locked() as at, Session(at.database.read) as session:
        for row in versions_on_record(session):
            file = read_connector(row.toml.encode(), row.code)
            told = {
                "code": row.code,
                "version": row.version,
                "kind": file.kind.value,
                "data_sets": [
                    {"code": one.code, "source": one.source, "purpose": one.purpose} for one in file.data_sets
                ],
            }
            click.echo(json.dumps(told, ensure_ascii=False))


def _read(file: Path) -> bytes:
    from signing.toml_table import MAX_BYTES

    with file.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)
