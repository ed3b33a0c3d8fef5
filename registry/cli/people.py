"""`vermilion person …` and `vermilion client …`: who may act, put on record, disabled and enabled."""

from __future__ import annotations

from pathlib import Path

import click

from registry.cli.jwk import public_key_option, read_jwk, read_person
from registry.cli.machine import ground_today, locked, publish, unlocked
from registry.cli.options import ground_options

_agency_option = click.option(
    "--agency", "agency_code", required=True, help="Its agency's unified social credit code."
)
_name_option = click.option("--name", required=True, help="Name on record.")


@click.group()
def person() -> None:
    """Put people on record, disable and enable them."""


@person.command("add")
@click.argument(
    "file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@_agency_option
@click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    help="applicant, approver, maker, keeper or officer; repeat for several.",
)
def person_add(file: Path, agency_code: str, roles: tuple[str, ...]) -> None:
    """Put a person on record by the public key that signs for them, and print their id.

    FILE holds {"name": ..., "jwk": the public key (JWK, P-256)}; - reads standard input. A name is no
    argument: those are seen by every user of the machine.
    """
    from registry.agencies.rules import add_person

    name, public = read_person(file)
    with locked() as at:
        with at.database.transaction() as session:
            row = add_person(session, at, agency_code=agency_code, name=name, roles=roles, jwk=public)
        click.echo(row.id)


@click.group()
def client() -> None:
    """Put clients of the agency API on record, entitle, disable and enable them."""


@client.command("add")
@_agency_option
@_name_option
@click.option("--scope", "scopes", multiple=True, required=True, help="licence or seal; repeat for both.")
@click.option("--type", "types", multiple=True, help="Licence type code the client may issue; repeat.")
@public_key_option
def client_add(
    agency_code: str, name: str, scopes: tuple[str, ...], types: tuple[str, ...], jwk: Path
) -> None:
    """Put a client on record by its public key (private_key_jwt), and print its id."""
    from registry.agencies.rules import add_client

    public = read_jwk(jwk)
    with unlocked() as ports:
        with ports.database.transaction() as session:
            row = add_client(
                session, ports, agency_code=agency_code, name=name, scopes=scopes, types=types, jwks=[public]
            )
        click.echo(row.id)
        publish(ports)


@client.command("entitle")
@click.argument("client_id", metavar="CLIENT")
@click.argument("type_code", metavar="TYPE")
def client_entitle(client_id: str, type_code: str) -> None:
    """Let a client issue one more licence type. This is never taken back: disable the client instead."""
    from registry.agencies.rules import entitle

    with unlocked() as ports:
        with ports.database.transaction() as session:
            entitle(session, ports, client_id=client_id, type_code=type_code)
        publish(ports)


def _switch(group: click.Group, what: str, name: str, active: bool, text: str) -> None:
    @group.command(name, help=text)
    @click.argument("row_id", metavar=what.upper())
    @ground_options
    def switch(row_id: str, legal_basis: str, reason_code: str) -> None:
        from registry.agencies.rules import set_client_active, set_person_active

        with locked() as at:
            ground = ground_today(at, legal_basis, reason_code)
            with at.database.transaction() as session:
                if what == "client":
                    set_client_active(session, at, client_id=row_id, active=active, ground=ground)
                else:
                    set_person_active(session, at, person_id=row_id, active=active, ground=ground)


_switch(client, "client", "disable", False, "Disable a client: its tokens lose their force at once.")
_switch(client, "client", "enable", True, "Enable a client again.")
_switch(person, "person", "disable", False, "Disable a person: tokens for them lose their force at once.")
_switch(person, "person", "enable", True, "Enable a person again.")
