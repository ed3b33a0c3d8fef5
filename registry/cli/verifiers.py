"""`vermilion verifier …`: relying parties that ask the public site by program."""

from __future__ import annotations

import json

import click

from registry.actor import Duty
from registry.cli.acting import Acting, administrative
from registry.cli.machine import ground_today, locked
from registry.cli.options import ground_options


@click.group()
def verifier() -> None:
    """Put relying parties on record, with a key and quotas; disable and enable them."""


@verifier.command("add")
@click.option("--name", required=True, help="Name of the bank, court or agency.")
@click.option("--per-minute", type=int, default=120, show_default=True, help="Checks a minute.")
@click.option("--per-day", type=int, default=10_000, show_default=True, help="Checks a day.")
@administrative(Duty.SYSTEM)
def verifier_add(name: str, per_minute: int, per_day: int, acting: Acting) -> None:
    """Put a relying party on record, and print its id, its key and the key's thumbprint, as JSON.

    The key is shown this once, and only its digest is kept. It serves after `vermilion admin approve` with
    the thumbprint. A key is replaced by putting the relying party on record again and disabling the old one.
    """
    from registry.agencies.verifiers import add_verifier, thumbprint

    with acting.locked() as (at, admin):
        with at.database.transaction() as session:
            row, key = add_verifier(session, at, admin, name=name, per_minute=per_minute, per_day=per_day)
            shown = {"id": row.id, "key": key, "thumbprint": thumbprint(row)}
        click.echo(json.dumps(shown))


@verifier.command("list")
def verifier_list() -> None:
    """List the relying parties, a JSON object a line."""
    from sqlalchemy.orm import Session

    from registry.agencies.verifiers import verifiers_on_record

    with locked() as at, Session(at.database.read) as session:
        for row in verifiers_on_record(session):
            click.echo(json.dumps(row, ensure_ascii=False))


def _switch(name: str, active: bool, text: str) -> None:
    duties = (Duty.SECURITY,) if active else (Duty.SYSTEM, Duty.SECURITY)

    @verifier.command(name, help=text)
    @click.argument("verifier_id", metavar="VERIFIER")
    @ground_options
    @administrative(*duties)
    def switch(verifier_id: str, legal_basis: str, reason_code: str, acting: Acting) -> None:
        from registry.agencies.verifiers import set_verifier_active

        with acting.locked() as (at, admin):
            ground = ground_today(at, legal_basis, reason_code)
            with at.database.transaction() as session:
                set_verifier_active(session, at, admin, verifier_id=verifier_id, active=active, ground=ground)


_switch("disable", False, "Disable a relying party: its key loses its force at once.")
_switch("enable", True, "Enable a relying party again.")
