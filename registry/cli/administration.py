"""What an administrator does on the registry's own machine: agencies, people, clients, schema, fsck."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keys.errors import Kind, VermilionError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@contextmanager
def _transaction() -> Iterator[Session]:
    from registry.database import Database
    from registry.licences.outage import database_errors
    from registry.schema import require_current
    from registry.settings import Settings

    url = Settings().url
    require_current(url)
    database = Database.open(url)
    try:
        with database_errors(), database.transaction() as session:
            yield session
    finally:
        database.dispose()


def _public_jwk(path: Path) -> dict[str, Any]:
    """A public JWK from a file, or the first of a JWK set."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise VermilionError(Kind.MALFORMED, f"{path} is not JSON") from error
    if isinstance(value, dict) and isinstance(value.get("keys"), list) and value["keys"]:
        value = value["keys"][0]
    if not isinstance(value, dict):
        raise VermilionError(Kind.MALFORMED, f"{path} is not a JWK")
    return value


_jwk_option = click.option(
    "--jwk",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the public key (JWK, P-256).",
)


@click.group()
def agency() -> None:
    """Put agencies on record."""


@agency.command("add")
@click.argument("code")
@click.option("--name-zh", required=True, help="Name in Chinese.")
@click.option("--name-en", required=True, help="Name in English.")
@click.option("--division", required=True, help="Division code of GB/T 2260, six digits.")
@click.option("--seal-authority", is_flag=True, help="It approves and makes the seals of others.")
def agency_add(code: str, name_zh: str, name_en: str, division: str, seal_authority: bool) -> None:
    """Put an agency on record by its unified social credit code, with a key for its QR codes."""
    from registry.agencies.rules import add_agency
    from registry.composition import open_ports
    from registry.seals.authority import give_qr_key
    from registry.settings import Settings

    ports = open_ports(Settings())
    with ports.database.transaction() as session:
        add_agency(
            session,
            code=code,
            name={"zh": name_zh, "en": name_en},
            division=division,
            now=ports.clock(),
            seal_authority=seal_authority,
        )
    give_qr_key(ports, code)
    click.echo(code)


@click.group()
def person() -> None:
    """Put people on record."""


@person.command("add")
@click.option("--agency", "agency_code", required=True, help="Its agency's unified social credit code.")
@click.option("--name", required=True, help="Name on record.")
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    help="applicant, approver, maker, keeper or officer; repeat for several.",
)
@_jwk_option
def person_add(agency_code: str, name: str, roles: tuple[str, ...], jwk: Path) -> None:
    """Put a person on record by the public key that signs for them."""
    from registry.agencies.rules import add_person

    with _transaction() as session:
        row = add_person(
            session,
            agency_code=agency_code,
            name=name,
            roles=roles,
            jwk=_public_jwk(jwk),
            now=datetime.now(UTC),
            random=os.urandom,
        )
        click.echo(row.id)


@click.group()
def client() -> None:
    """Put clients of the agency API on record."""


@client.command("add")
@click.option("--agency", "agency_code", required=True, help="Its agency's unified social credit code.")
@click.option("--name", required=True, help="Name on record.")
@click.option("--scope", "scopes", multiple=True, required=True, help="licence or seal; repeat for both.")
@click.option("--type", "types", multiple=True, help="Licence type code the client may issue; repeat.")
@_jwk_option
def client_add(
    agency_code: str, name: str, scopes: tuple[str, ...], types: tuple[str, ...], jwk: Path
) -> None:
    """Put a client on record by its public key (private_key_jwt)."""
    from registry.agencies.rules import add_client

    with _transaction() as session:
        row = add_client(
            session,
            agency_code=agency_code,
            name=name,
            scopes=scopes,
            types=types,
            jwks=[_public_jwk(jwk)],
            now=datetime.now(UTC),
            random=os.urandom,
        )
        click.echo(row.id)


@click.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    from registry.schema import upgrade
    from registry.settings import Settings

    upgrade(Settings().url)
    click.echo("the schema is up to date")


@click.command("fsck")
def fsck() -> None:
    """Check that records, documents, seal uses and leaves agree; exit code 1 when they do not."""
    from registry.composition import open_ports
    from registry.licences.fsck import fsck as check
    from registry.settings import Settings

    findings = check(open_ports(Settings()))
    for finding in findings:
        click.echo(finding)
    click.echo(f"{len(findings)} findings")
    if findings:
        raise click.exceptions.Exit(1)
