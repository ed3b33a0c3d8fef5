"""`vermilion credential …`: how a client or a person gets the file that shows who they are.

For whoever holds the key, on their own machine: a private half never travels, and no registry is asked.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from keys.errors import Kind, VermilionError
from keys.files import write_once
from registry.cli.jwk import read_jwk
from registry.client import Credential, new_person_key

_key_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def credential() -> None:
    """Make the keys and credential files of clients and people."""


@credential.command("key")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def key(file: Path) -> None:
    """Make a key pair: the private half into FILE (mode 0600), the public half, a JWK, to standard output.

    The public half is what `person add` and `client add` take. Its kid is the thumbprint (RFC 7638): tell
    it to whoever approves, yourself.
    """
    private, public = new_person_key()
    _write_new(file, private)
    click.echo(json.dumps(public))


@credential.command("file")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--api", required=True, help="Address of the agency API.")
@click.option("--client", "client_id", required=True, help="The client's id, as `client add` printed it.")
@click.option("--client-key", required=True, type=_key_file, help="File with the client's private key.")
@click.option("--person", "person_id", help="The id of the person who acts through the client.")
@click.option("--person-key", type=_key_file, help="File with the person's private key.")
def credential_file(
    file: Path, api: str, client_id: str, client_key: Path, person_id: str | None, person_key: Path | None
) -> None:
    """Write the credential file that `issue` and `seal` take (mode 0600)."""
    if (person_id is None) != (person_key is None):
        raise click.UsageError("--person and --person-key go together")
    whole = Credential(
        api=api,
        client_id=client_id,
        client_key=_private(client_key),
        person_id=person_id,
        person_key=None if person_key is None else _private(person_key),
    )
    _write_new(file, asdict(whole))


def _write_new(path: Path, value: dict[str, Any]) -> None:
    """Never over another file: that could be somebody's only key."""
    try:
        write_once(path, (json.dumps(value, indent=1) + "\n").encode())
    except OSError as error:
        raise VermilionError(Kind.INVALID, f"{path}: {error.strerror}") from error


def _private(path: Path) -> dict[str, Any]:
    value = read_jwk(path)
    if "d" not in value:
        raise VermilionError(Kind.MALFORMED, f"{path} holds no private key (JWK)")
    return value
