"""`vermilion key …`: the keys of the registry, and their end."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from registry.actor import Duty
from registry.cli.acting import Acting, administrative
from registry.cli.machine import ground_today, locked, publish
from registry.cli.options import ground_options


@click.group("key")
def key_group() -> None:
    """List the keys on record; retire one, or say that it is compromised."""


@key_group.command("list")
@click.option(
    "--purpose", help="Only keys made for this: seal, qr, tsa, ocsp, trust-list, status-list, receipt, …"
)
def list_keys(purpose: str | None) -> None:
    """List keys with their certificates as JSON, one object a line, the oldest first."""
    from sqlalchemy.orm import Session

    from registry.seals.retirement import keys_on_record

    with locked() as at, Session(at.database.read) as session:
        for row in keys_on_record(session, purpose):
            click.echo(json.dumps(row, ensure_ascii=False))


@key_group.command("renew-data")
@ground_options
@administrative(Duty.SYSTEM)
def renew_data(legal_basis: str, reason_code: str, acting: Acting) -> None:
    """Make a new wrapping key for encryption at rest, and new data keys from now on; print its id.

    What is encrypted already stays as it is, and opens under the old data keys, wrapped anew.
    """
    from registry.seals.data_keys import renew_data_keys

    with acting.unlocked() as (ports, admin):
        ground = ground_today(ports, legal_basis, reason_code)
        made = renew_data_keys(ports, admin, ground)
    click.echo(made)


@key_group.command("new-passphrase")
@click.argument("directory", type=click.Path(path_type=Path))
def new_passphrase(directory: Path) -> None:
    """Write the key files again into a new DIRECTORY, with a new passphrase in its file `passphrase`.

    The files in use are not touched: stop the services, move the directory to where they look for their keys,
    and the passphrase to its file. For key files only; a token's PIN is changed by its own tool.
    """
    from registry.custodians import copy_under_new_passphrase
    from registry.settings import Settings

    click.echo(f"{copy_under_new_passphrase(Settings(), directory, os.urandom)} keys")


@key_group.command("retire")
@click.argument("key")
@click.option(
    "--compromised",
    is_flag=True,
    help="Somebody else may have used it: offline, nothing it signed is proven any more.",
)
@ground_options
@administrative(Duty.SYSTEM)
def retire(key: str, compromised: bool, legal_basis: str, reason_code: str, acting: Acting) -> None:
    """End a key for QR codes, time-stamps, OCSP, makers, status lists, receipts or the trust list, at once.

    What it signed up to now stays recognised, its certificate is revoked, and the trust list says so. Where
    the registry is left without one for time-stamps, OCSP or status lists, it makes another and prints its
    id. An agency without a key for its QR codes issues nothing more: give it the new one first.
    """
    from registry.seals.retirement import retire_key, succeed

    with acting.unlocked() as (ports, admin):
        ground = ground_today(ports, legal_basis, reason_code)
        with ports.database.transaction() as session:
            purpose = retire_key(session, ports, admin, key_id=key, ground=ground, compromised=compromised)
        successor = succeed(ports, purpose, admin)
        publish(ports)
    if successor is not None:
        click.echo(successor)
