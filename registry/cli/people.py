"""`vermilion person …` and `vermilion client …`: who may act: put on record, granted, disabled, enabled."""

from __future__ import annotations

import json
from pathlib import Path

import click

from registry.actor import Duty
from registry.cli.acting import Acting, administrative
from registry.cli.jwk import read_jwk, read_name_or_person
from registry.cli.machine import ground_today, publish
from registry.cli.options import ground_options

_agency_option = click.option(
    "--agency", "agency_code", required=True, help="Its agency's unified social credit code."
)
_name_option = click.option("--name", required=True, help="Name on record.")
_role_option = click.option(
    "--role",
    "roles",
    multiple=True,
    required=True,
    help="applicant, approver, maker, keeper, officer, decider or supervisor; repeat for several.",
)


@click.group()
def person() -> None:
    """Put people on record, grant and withdraw their roles, disable and enable them."""


@person.command("add")
@click.argument(
    "file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
)
@_agency_option
@_role_option
@administrative(Duty.SYSTEM)
def person_add(file: Path, agency_code: str, roles: tuple[str, ...], acting: Acting) -> None:
    """Put a person on record by the public key that signs for them, and print their id. They can do nothing
    until `vermilion admin approve`.

    FILE holds {"name": ..., "jwk": the public key (JWK, P-256)}, or the name alone for somebody who will act
    with a browser, by the console; - reads standard input. A name is no argument: those are seen by every
    user of the machine.
    """
    from registry.agencies.rules import add_person

    with acting.locked() as (at, admin):
        name, public = read_name_or_person(file)
        with at.database.transaction() as session:
            row = add_person(session, at, admin, agency_code=agency_code, name=name, roles=roles, jwk=public)
        click.echo(row.id)


@click.group()
def client() -> None:
    """Put clients of the agency API on record, entitle, disable and enable them."""


@person.command("invite")
@click.argument("person_id", metavar="PERSON")
@click.option("--account", required=True, help="The name they will sign in by: a-z, 0-9, dot, dash.")
@administrative(Duty.SYSTEM)
def person_invite(person_id: str, account: str, acting: Acting) -> None:
    """Invite a person, or an administrator, to set how they sign in to the console; prints the invitation's
    id and a link for them alone. All that they signed in by before will end.

    The link is of use once security administration has released the invitation, `vermilion admin release`,
    and given them its code. Within 24 hours.
    """
    from registry.console.invitations import invite

    with acting.locked() as (at, admin):
        with at.database.transaction() as session:
            made = invite(session, at, admin, person_id=person_id, account=account)
        link = f"{at.settings.console}/console/enrol?invitation={made.token}"
        told = {"invitation": made.id, "link": link, "until": made.expires_at.isoformat()}
        click.echo(json.dumps(told))


@person.command("bind")
@click.argument("person_id", metavar="PERSON")
@click.option("--subject", required=True, help="What the OpenID provider of the settings calls them.")
@administrative(Duty.SYSTEM)
def person_bind(person_id: str, subject: str, acting: Acting) -> None:
    """Say by which identity of the OpenID provider a person signs in, and print its id. It takes effect with
    `vermilion admin approve`, by its thumbprint: SHA-256 of issuer, line feed, subject.
    """
    from registry.console.identities import bind

    with acting.locked() as (at, admin):
        with at.database.transaction() as session:
            row = bind(session, at, admin, person_id=person_id, subject=subject)
        click.echo(row.id)


@person.command("unbind")
@click.argument("identity_id", metavar="IDENTITY")
@ground_options
@administrative(Duty.SYSTEM, Duty.SECURITY)
def person_unbind(identity_id: str, legal_basis: str, reason_code: str, acting: Acting) -> None:
    """Let nobody sign in by an identity any more: whoever did is signed out."""
    from registry.console.identities import unbind

    with acting.locked() as (at, admin):
        ground = ground_today(at, legal_basis, reason_code)
        with at.database.transaction() as session:
            unbind(session, at, admin, identity_id=identity_id, why=ground)


@client.command("add")
@_agency_option
@_name_option
@click.option(
    "--scope", "scopes", multiple=True, required=True, help="licence, seal, use or case; repeat for more."
)
@click.option("--type", "types", multiple=True, help="Licence type code the client may issue; repeat.")
@click.option(
    "--jwk",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="File with the public key (JWK, P-256); - reads standard input.",
)
@click.option(
    "--secret", is_flag=True, help="Make a secret for a client that cannot sign, and print it once."
)
@click.option("--console", is_flag=True, help="The agency's console, which has no key: people sign in to it.")
@click.option(
    "--public-form",
    is_flag=True,
    help="The agency's public form, which has no key: anybody applies by it. Its scope is case.",
)
@click.option(
    "--require-certificate",
    is_flag=True,
    help="It gets a token only with a certificate that a proxy passes on; the token is bound to it.",
)
@administrative(Duty.SYSTEM)
def client_add(
    agency_code: str,
    name: str,
    scopes: tuple[str, ...],
    types: tuple[str, ...],
    jwk: Path | None,
    secret: bool,
    console: bool,
    public_form: bool,
    require_certificate: bool,
    acting: Acting,
) -> None:
    """Put a client on record by its public key (private_key_jwt), and print its id. It can do nothing until
    `vermilion admin approve`.

    With --secret the registry makes one, and prints it this once with the id and the thumbprint to approve,
    as JSON; only its digest is kept. A key is better: it never leaves its holder.

    With --console it is what the agency's people act through when they sign in with a browser, and may do
    for them what its scopes and types say. With --public-form it is what people apply through at the public
    pages of the agency's matters; disabled, it takes no applications.
    """
    from registry.agencies.credentials import thumbprints_of
    from registry.agencies.rules import add_client, new_secret

    with acting.locked() as (at, admin):
        if [console, public_form, secret, jwk is not None].count(True) != 1:
            raise click.UsageError("one of --jwk, --secret, --console and --public-form")
        public = [] if jwk is None else [read_jwk(jwk)]
        made = new_secret(at.random) if secret else None
        with at.database.transaction() as session:
            row = add_client(
                session, at, admin, agency_code=agency_code, name=name, scopes=scopes, types=types,
                jwks=public, secret=made, console=console, public_form=public_form,
                certificate_required=require_certificate,
            )  # fmt: skip
            (*_, thumbprint) = (None, *thumbprints_of(session, row))
        shown = {"id": row.id, "secret": made, "thumbprint": thumbprint}
        click.echo(row.id if made is None else json.dumps(shown))


@client.command("entitle")
@click.argument("client_id", metavar="CLIENT")
@click.argument("type_code", metavar="TYPE")
@administrative(Duty.SECURITY)
def client_entitle(client_id: str, type_code: str, acting: Acting) -> None:
    """Let a client issue one more licence type. This is never taken back: disable the client instead."""
    from registry.agencies.rules import entitle

    with acting.unlocked() as (ports, admin):
        with ports.database.transaction() as session:
            entitle(session, ports, admin, client_id=client_id, type_code=type_code)
        publish(ports)


def _change_roles(name: str, text: str) -> None:
    @person.command(name, help=text)
    @click.argument("person_id", metavar="PERSON")
    @_role_option
    @ground_options
    @administrative(Duty.SECURITY)
    def change(
        person_id: str, roles: tuple[str, ...], legal_basis: str, reason_code: str, acting: Acting
    ) -> None:
        from registry.agencies.rules import set_roles

        with acting.locked() as (at, admin):
            ground = ground_today(at, legal_basis, reason_code)
            granted, withdrawn = (roles, ()) if name == "grant" else ((), roles)
            with at.database.transaction() as session:
                set_roles(
                    session, at, admin, person_id=person_id, grant=granted, withdraw=withdrawn, ground=ground
                )


_change_roles("grant", "Grant roles to a person of an agency.")
_change_roles("withdraw", "Withdraw roles from a person; whoever is to keep none is disabled instead.")


def _switch(group: click.Group, what: str, name: str, active: bool, text: str) -> None:
    duties = (Duty.SECURITY,) if active else (Duty.SYSTEM, Duty.SECURITY)

    @group.command(name, help=text)
    @click.argument("row_id", metavar=what.upper())
    @ground_options
    @administrative(*duties)
    def switch(row_id: str, legal_basis: str, reason_code: str, acting: Acting) -> None:
        from registry.agencies.rules import set_client_active, set_person_active

        with acting.locked() as (at, admin):
            ground = ground_today(at, legal_basis, reason_code)
            with at.database.transaction() as session:
                if what == "client":
                    set_client_active(session, at, admin, client_id=row_id, active=active, ground=ground)
                else:
                    set_person_active(session, at, admin, person_id=row_id, active=active, ground=ground)


_switch(client, "client", "disable", False, "Disable a client: its tokens lose their force at once.")
_switch(client, "client", "enable", True, "Enable a client again.")
_switch(
    person, "person", "disable", False,
    "Disable a person, or an administrator who is not the last: their tokens lose their force at once.",
)  # fmt: skip
_switch(person, "person", "enable", True, "Enable a person again.")
