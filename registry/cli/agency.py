"""`vermilion agency …`: agencies on record, and the keys that sign their QR codes."""

from __future__ import annotations

import json

import click

from registry.actor import Duty
from registry.cli.acting import Acting, administrative
from registry.cli.machine import locked, publish


@click.group()
def agency() -> None:
    """Put agencies on record; give them keys for their QR codes."""


@agency.command("add")
@click.argument("code")
@click.option("--name-zh", required=True, help="Name in Chinese.")
@click.option("--name-en", required=True, help="Name in English.")
@click.option("--division", required=True, help="Division code of GB/T 2260, six digits.")
@click.option("--seal-authority", is_flag=True, help="It approves and makes the seals of others.")
@administrative(Duty.SYSTEM)
def agency_add(
    code: str, name_zh: str, name_en: str, division: str, seal_authority: bool, acting: Acting
) -> None:
    """Put an agency on record by its unified social credit code, with a key for its QR codes.

    Repeated, it finishes what was interrupted and changes nothing else.
    """
    from registry.agencies.qr_keys import ensure_qr_key
    from registry.agencies.rules import add_agency

    with acting.unlocked() as (ports, admin):
        name = {"zh": name_zh, "en": name_en}
        with ports.database.transaction() as session:
            add_agency(
                session, ports, admin, code=code, name=name, division=division, seal_authority=seal_authority
            )
        ensure_qr_key(ports, code, admin)
        publish(ports)
    click.echo(code)


@agency.command("show")
@click.argument("code")
def agency_show(code: str) -> None:
    """Show an agency with its people, clients and QR keys, as JSON: the ids that other commands take."""
    from sqlalchemy.orm import Session

    from registry.agencies.overview import overview

    with locked() as at, Session(at.database.read) as session:
        click.echo(json.dumps(overview(session, code), ensure_ascii=False, indent=1))


@agency.group("qr-key")
def qr_key() -> None:
    """Give the keys that sign an agency's QR codes; `vermilion key retire` ends them."""


@qr_key.command("give")
@click.argument("code")
@administrative(Duty.SYSTEM)
def give(code: str, acting: Acting) -> None:
    """Give the agency one more key, and print its id. The older ones stay recognised."""
    from registry.agencies.qr_keys import give_another

    with acting.unlocked() as (ports, admin):
        click.echo(give_another(ports, admin, code))
        publish(ports)
