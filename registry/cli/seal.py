"""`vermilion seal …`: the seal life from a terminal, each act by the person whose duty it is."""

from __future__ import annotations

import base64
import hashlib
import json
import textwrap
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from keys.errors import Kind, VermilionError
from registry.cli.asking import address, credential_option, get, post
from registry.cli.options import ground_options
from registry.cli.seal_records import impact, uses
from registry.client import ApiClient, Credential

SEALS = "/api/v1/seals"
APPLICATIONS = "/api/v1/seal-applications"
APPROVALS = "/api/v1/approvals"
MAX_PICTURE = 300_000  # bytes; the registry takes no more
MAX_CHAIN = 64 * 1024  # bytes of certificates


def _decision_options(command: Any) -> Any:
    for option in (
        click.option("--refuse", is_flag=True, help="Refuse instead."),
        click.option(
            "--payload-sha256", required=True, help="Digest of what is decided, as `seal request` shows it."
        ),
    ):
        command = option(command)
    return command


@click.group()
def seal() -> None:
    """Apply for, approve, make, use, suspend and cancel seals."""


@seal.command("list")
@click.option("--after", default="", help="Go on behind this seal code, as `next` of a full page says.")
@credential_option
def listing(after: str, credential: Path) -> None:
    """List the seals of one's own agency; a seal authority's people see every agency's."""
    get(credential, SEALS, query=f"?after={quote(after, safe='')}" if after else "")


@seal.command("show")
@click.argument("code")
@credential_option
def show(code: str, credential: Path) -> None:
    """Show a seal: its state and history, its editions, and who may use it."""
    get(credential, SEALS, code)


@seal.command("request")
@click.argument("request")
@credential_option
def show_request(request: str, credential: Path) -> None:
    """Show what somebody asked for: an application, a resumption or a cancellation, with its digest."""
    get(credential, APPROVALS, request)


def _picture_options(command: Any) -> Any:
    for option in (
        click.option(
            "--picture",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Picture of the seal, a PNG in red on a transparent ground; drawn where there is none.",
        ),
        click.option("--bottom-text", help="Line below the star, e.g. what a special seal is for."),
        click.option("--name", required=True, help="Name along the rim."),
        click.option("--kind", required=True, help="Kind of seal, e.g. special."),
    ):
        command = option(command)
    return command


@seal.command("apply")
@_picture_options
@credential_option
def apply_for(kind: str, name: str, bottom_text: str | None, picture: Path | None, credential: Path) -> None:
    """Apply for a seal of the applicant's own agency."""
    post(credential, _application(kind, name, bottom_text, picture), APPLICATIONS)


def _application(kind: str, name: str, bottom_text: str | None, picture: Path | None) -> dict[str, Any]:
    body = {"kind": kind, "name": name, "bottom_text": bottom_text}
    if picture is None:
        return body
    return {**body, "picture": base64.b64encode(_bytes_of(picture, MAX_PICTURE)).decode("ascii")}


@seal.command("picture")
@click.argument("application")
@click.option(
    "--save", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Where to write the PDF."
)
@credential_option
def picture_of(application: str, save: Path, credential: Path) -> None:
    """Fetch the very picture that an application is for, and print its digest."""
    path = address(APPLICATIONS, application, "picture")
    data = ApiClient(Credential.load(credential)).get(path).expect(200).body
    try:
        save.write_bytes(data)
    except OSError as error:
        raise VermilionError(Kind.INVALID, f"{save}: {error.strerror}") from error
    click.echo(json.dumps({"sha256": hashlib.sha256(data).hexdigest()}))


@seal.command("approve")
@click.argument("application")
@_decision_options
@credential_option
def approve(application: str, payload_sha256: str, refuse: bool, credential: Path) -> None:
    """Decide an application; never by the person who applied."""
    post(credential, _decision(payload_sha256, refuse=refuse), APPLICATIONS, application, "approval")


def _decision(payload_sha256: str, *, refuse: bool) -> dict[str, str]:
    return {"decision": "refuse" if refuse else "approve", "payload_sha256": payload_sha256}


@seal.command("renew")
@click.argument("code")
@credential_option
def renew(code: str, credential: Path) -> None:
    """Apply for a new key and certificate under the same picture.

    Approved, made, filed and activated as the first edition was; the old key is then retired.
    """
    post(credential, {}, SEALS, code, "renewal-application")


@seal.command("change")
@click.argument("code")
@_picture_options
@credential_option
def change_face(
    code: str, kind: str, name: str, bottom_text: str | None, picture: Path | None, credential: Path
) -> None:
    """Apply for another name or picture of the same seal, as when the agency is renamed.

    Approved, made, filed and activated as the first edition was. What the keeper authorised ends then.
    """
    post(credential, _application(kind, name, bottom_text, picture), SEALS, code, "change-application")


def _step(name: str, path: str, text: str) -> None:
    @seal.command(name, help=text)
    @click.argument("code")
    @credential_option
    def step(code: str, credential: Path) -> None:
        post(credential, {}, SEALS, code, path)


@seal.command("certificate-request")
@click.argument("code")
@click.option(
    "--suite",
    type=click.Choice(["p256-sha256", "p384-sha384", "rsa3072-sha256"]),
    default="p256-sha256",
    show_default=True,
    help="Algorithms of the seal's key.",
)
@click.option(
    "--save",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the request (PKCS #10, PEM).",
)
@credential_option
def certificate_request(code: str, suite: str, save: Path, credential: Path) -> None:
    """Ask a licensed CA outside for the certificate of what is to be made of the seal.

    The key is made and stays where the registry's keys are. `seal make --chain` takes what the CA gives.
    """
    path = address(SEALS, code, "certification-request")
    told = ApiClient(Credential.load(credential)).post(path, {"suite": suite}).expect(201).json()
    lines = textwrap.wrap(told.pop("request"), 64)
    pem = "\n".join(["-----BEGIN CERTIFICATE REQUEST-----", *lines, "-----END CERTIFICATE REQUEST-----", ""])
    try:
        save.write_text(pem, encoding="ascii")
    except OSError as error:
        raise VermilionError(Kind.INVALID, f"{save}: {error.strerror}") from error
    click.echo(json.dumps(told))


@seal.command("make")
@click.argument("code")
@click.option(
    "--chain",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Certificates that a licensed CA outside gave for the request, DER or PEM; may be repeated.",
)
@credential_option
def make_seal(code: str, chain: tuple[Path, ...], credential: Path) -> None:
    """Make what was approved of the seal: key, certificate and picture."""
    body = {"chain": [base64.b64encode(_bytes_of(path, MAX_CHAIN)).decode("ascii") for path in chain]}
    post(credential, body if chain else {}, SEALS, code, "making")


def _bytes_of(path: Path, most: int) -> bytes:
    """A file's content, or a byte more than `most` of it: that the registry refuses."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise VermilionError(Kind.INVALID, f"{path}: {error.strerror}") from error


_step("file", "filing", "File what was made with the register.")
_step("activate", "activation", "Put what was filed into use.")


def _change(name: str, path: str, text: str) -> None:
    @seal.command(name, help=text)
    @click.argument("code")
    @ground_options
    @credential_option
    def change(code: str, legal_basis: str, reason_code: str, credential: Path) -> None:
        post(credential, {"legal_basis": legal_basis, "reason_code": reason_code}, SEALS, code, path)


_change("suspend", "suspension", "Suspend the seal at once; one person is enough.")
_change("resume", "resumption-request", "Ask for the seal to be resumed; another person decides.")


@seal.command("report-lost")
@click.argument("code")
@click.option("--legal-basis", required=True, help="The words of the law or order it rests on.")
@credential_option
def report_lost(code: str, legal_basis: str, credential: Path) -> None:
    """Suspend the seal at once because it is lost; one person is enough."""
    post(credential, {"legal_basis": legal_basis}, SEALS, code, "loss-report")


@seal.command("seal-away")
@click.argument("code")
@click.argument("edition", type=click.IntRange(1, 9999))
@ground_options
@credential_option
def seal_away(code: str, edition: int, legal_basis: str, reason_code: str, credential: Path) -> None:
    """File away an edition whose life is over: ended, expired, or of a cancelled seal."""
    body = {"legal_basis": legal_basis, "reason_code": reason_code}
    post(credential, body, SEALS, code, "editions", str(edition), "sealing-away")


@seal.command("cancel")
@click.argument("code")
@click.option(
    "--compromised-since",
    help="Where the key is compromised: since when, YYYY-MM-DDThh:mm:ssZ.",
)
@ground_options
@credential_option
def cancel(
    code: str, compromised_since: str | None, legal_basis: str, reason_code: str, credential: Path
) -> None:
    """Ask for the seal to be cancelled; another person decides."""
    body = {
        "legal_basis": legal_basis,
        "reason_code": reason_code,
        "compromised_since": compromised_since,
    }
    post(credential, body, SEALS, code, "cancellation-request")


@seal.command("decide")
@click.argument("request")
@_decision_options
@credential_option
def decide(request: str, payload_sha256: str, refuse: bool, credential: Path) -> None:
    """Decide a request to resume or cancel; never by the person who asked."""
    post(credential, _decision(payload_sha256, refuse=refuse), APPROVALS, request, "decision")


@seal.command("authorise")
@click.argument("code")
@click.option("--client", "client_id", required=True, help="The client that may use the seal.")
@click.option("--type", "type_code", required=True, help="Licence type code.")
@click.option("--from", "valid_from", required=True, help="First day, YYYY-MM-DD.")
@click.option("--to", "valid_to", required=True, help="Last day, YYYY-MM-DD.")
@click.option("--daily-limit", required=True, type=int, help="Most uses in one day.")
@credential_option
def authorise(
    code: str,
    client_id: str,
    type_code: str,
    valid_from: str,
    valid_to: str,
    daily_limit: int,
    credential: Path,
) -> None:
    """Let a client use the seal for a licence type (the keeper's duty).

    The client is one of the seal's agency; or another agency's, where licences of the type bear several
    seals: then this one stands beside that agency's own.
    """
    body = {
        "client_id": client_id,
        "type_code": type_code,
        "valid_from": valid_from,
        "valid_to": valid_to,
        "daily_limit": daily_limit,
    }
    post(credential, body, SEALS, code, "authorisations")


@seal.command("withdraw")
@click.argument("code")
@click.argument("authorisation")
@credential_option
def withdraw(code: str, authorisation: str, credential: Path) -> None:
    """End an authorisation at once (the keeper's duty); what was sealed under it stays."""
    post(credential, {}, SEALS, code, "authorisations", authorisation, "withdrawal")


seal.add_command(impact)
seal.add_command(uses)
