"""`vermilion seal …`: the seal life from a terminal, each act by the person whose duty it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from registry.client import ApiClient, Credential


def _credential_option(command: Any) -> Any:
    return click.option(
        "--credential",
        required=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Credential file of the person who acts (mode 0600).",
    )(command)


def _ground_options(command: Any) -> Any:
    for option in (
        click.option("--legal-basis", required=True, help="The words of the law or order it rests on."),
        click.option("--reason", "reason_code", required=True, help="Reason code."),
    ):
        command = option(command)
    return command


def _post(credential: Path, path: str, body: dict[str, Any]) -> None:
    answer = ApiClient(Credential.load(credential)).post(path, body).expect(200, 201, 202)
    click.echo(json.dumps(answer.json(), ensure_ascii=False, indent=1))


@click.group()
def seal() -> None:
    """Apply for, approve, make, use, suspend and cancel seals."""


@seal.command("show")
@click.argument("code")
@_credential_option
def show(code: str, credential: Path) -> None:
    """Show a seal, its state and its editions."""
    answer = ApiClient(Credential.load(credential)).get(f"/api/v1/seals/{code}").expect(200)
    click.echo(json.dumps(answer.json(), ensure_ascii=False, indent=1))


@seal.command("apply")
@click.option("--kind", required=True, help="Kind of seal, e.g. special.")
@click.option("--name", required=True, help="Name along the rim.")
@_credential_option
def apply_for(kind: str, name: str, credential: Path) -> None:
    """Apply for a seal of the applicant's own agency."""
    _post(credential, "/api/v1/seal-applications", {"kind": kind, "name": name})


@seal.command("approve")
@click.argument("application")
@click.option(
    "--payload-sha256", required=True, help="Digest of what is approved, as the application shows it."
)
@click.option("--refuse", is_flag=True, help="Refuse instead.")
@_credential_option
def approve(application: str, payload_sha256: str, refuse: bool, credential: Path) -> None:
    """Decide an application; never by the person who applied."""
    body = {"decision": "refuse" if refuse else "approve", "payload_sha256": payload_sha256}
    _post(credential, f"/api/v1/seal-applications/{application}/approval", body)


def _step(name: str, path: str, text: str) -> None:
    @seal.command(name, help=text)
    @click.argument("code")
    @_credential_option
    def step(code: str, credential: Path) -> None:
        _post(credential, f"/api/v1/seals/{code}/{path}", {})


_step("make", "making", "Make the seal: key, certificate and picture.")
_step("file", "filing", "File the seal with the register.")
_step("activate", "activation", "Put the seal into use.")


def _change(name: str, path: str, text: str) -> None:
    @seal.command(name, help=text)
    @click.argument("code")
    @_ground_options
    @_credential_option
    def change(code: str, legal_basis: str, reason_code: str, credential: Path) -> None:
        body = {"legal_basis": legal_basis, "reason_code": reason_code}
        _post(credential, f"/api/v1/seals/{code}/{path}", body)


_change("suspend", "suspension", "Suspend the seal at once; one person is enough.")
_change("resume", "resumption-request", "Ask for the seal to be resumed; another person decides.")
_change("cancel", "cancellation-request", "Ask for the seal to be cancelled; another person decides.")


@seal.command("decide")
@click.argument("approval")
@click.option("--payload-sha256", required=True, help="Digest of what is decided, as the request shows it.")
@click.option("--refuse", is_flag=True, help="Refuse instead.")
@_credential_option
def decide(approval: str, payload_sha256: str, refuse: bool, credential: Path) -> None:
    """Decide a request to resume or cancel; never by the person who asked."""
    body = {"decision": "refuse" if refuse else "approve", "payload_sha256": payload_sha256}
    _post(credential, f"/api/v1/approvals/{approval}/decision", body)


@seal.command("authorise")
@click.argument("code")
@click.option("--client", "client_id", required=True, help="The client that may use the seal.")
@click.option("--type", "type_code", required=True, help="Licence type code.")
@click.option("--from", "valid_from", required=True, help="First day, YYYY-MM-DD.")
@click.option("--to", "valid_to", required=True, help="Last day, YYYY-MM-DD.")
@click.option("--daily-limit", required=True, type=int, help="Most uses in one day.")
@_credential_option
def authorise(
    code: str,
    client_id: str,
    type_code: str,
    valid_from: str,
    valid_to: str,
    daily_limit: int,
    credential: Path,
) -> None:
    """Let a client use the seal for a licence type (the keeper's duty)."""
    body = {
        "client_id": client_id,
        "type_code": type_code,
        "valid_from": valid_from,
        "valid_to": valid_to,
        "daily_limit": daily_limit,
    }
    _post(credential, f"/api/v1/seals/{code}/authorisations", body)
