"""`vermilion issue`: send one licence request to the agency API, as an agency's system does."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import click

from keys.errors import Kind, VermilionError
from registry.cli.batch import issue_batch, save_documents
from registry.client import ApiClient, Credential


@click.command()
@click.argument("request_file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--credential",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Credential file of the client (mode 0600).",
)
@click.option(
    "--idempotency-key",
    help="Key of this request; a retry with the same key issues nothing twice. A batch's is by its file.",
)
@click.option(
    "--batch",
    is_flag=True,
    help="FILE holds many requests, one a line: NDJSON, or CSV with a header where its name ends in .csv.",
)
@click.option("--dry-run", is_flag=True, help="Validate everything, touch no key, issue nothing.")
@click.option(
    "--save",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the sealed PDF; of a batch, a ZIP of them.",
)
def issue(
    request_file: Path,
    credential: Path,
    idempotency_key: str | None,
    batch: bool,
    dry_run: bool,
    save: Path | None,
) -> None:
    """Issue the licence that FILE (a JSON request body) asks for, and print the answer.

    The answer holds the licence's link and look-up code: who has them can look at the licence.

    With --batch every line is checked before any is issued, and watched to the end; the same command again
    goes on watching. Exit code 0: every line is issued; 65: a line is wrong, standard error says which, and
    nothing is issued; 2: some lines are not issued; 75: the service stopped answering.
    """
    api = ApiClient(Credential.load(credential))
    if batch:
        seen, status = issue_batch(api, request_file, idempotency_key=idempotency_key, dry_run=dry_run)
        if save is not None and seen.count("issued"):
            save_documents(api, seen, save)
        click.echo(json.dumps(seen.told, ensure_ascii=False, indent=1))
        click.get_current_context().exit(status)
    body = json_file(request_file)
    path = "/api/v1/licences" + ("?dry_run=1" if dry_run else "")
    answer = api.post(path, body, idempotency_key=idempotency_key or secrets.token_hex(16))
    issued = answer.expect(200, 201).json()
    click.echo(json.dumps(issued, ensure_ascii=False, indent=1))
    if save is not None and not dry_run:
        document = api.get(issued["document"]["href"]).expect(200)
        try:
            save.write_bytes(document.body)
        except OSError as error:
            raise VermilionError(Kind.INVALID, f"{save}: {error.strerror}; the licence is issued") from error


def json_file(path: Path) -> dict[str, Any]:
    """Raises VermilionError(MALFORMED) for a file that holds no JSON object."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise VermilionError(Kind.MALFORMED, f"{path} is not JSON") from error
    if not isinstance(value, dict):
        raise VermilionError(Kind.MALFORMED, f"{path} is not a JSON object")
    return value
