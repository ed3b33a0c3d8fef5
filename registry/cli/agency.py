"""`vermilion agency …`: agencies on record, and the keys that sign their QR codes."""

from __future__ import annotations

import json

import click

from registry.cli.machine import locked, publish, unlocked


@click.group()
def agency() -> None:
    """Put agencies on record; give them keys for their QR codes."""


@agency.command("add")
@click.argument("code")
@click.option("--name-zh", required=True, help="Name in Chinese.")
@click.option("--name-en", required=True, help="Name in English.")
@click.option("--division", required=True, help="Division code of GB/T 2260, six digits.")
@click.option("--seal-authority", is_flag=True, help="It approves and makes the seals of others.")
def agency_add(code: str, name_zh: str, name_en: str, division: str, seal_authority: bool) -> None:
    """Put an agency on record by its unified social credit code, with a key for its QR codes.

    Repeated, it finishes what was interrupted and changes nothing else.
    """
    from registry.agencies.qr_keys import ensure_qr_key
    from registry.agencies.rules import add_agency

    with unlocked() as ports:
        name = {"zh": name_zh, "en": name_en}
        with ports.database.transaction() as session:
            add_agency(session, ports, code=code, name=name, division=division, seal_authority=seal_authority)
        ensure_qr_key(ports, code)
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
def give(code: str) -> None:
    """Give the agency one more key, and print its id. The older ones stay recognised."""
    from registry.seals.authority import give_qr_key

    with unlocked() as ports:
        click.echo(give_qr_key(ports, code).key.id)
        publish(ports)
