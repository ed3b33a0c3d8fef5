"""`vermilion conform`: an integrator's life cycle against a sandbox, and what was found."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from keys.errors import VermilionError


@click.command()
@click.option("--base-url", required=True, help="Address of the sandbox's agency API.")
@click.option(
    "--credential",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Credential file of a client with the scopes `licence` and `seal` (mode 0600).",
)
@click.option(
    "--client",
    help="Command of the client that is judged, run without a shell; without it our own client is.",
)
@click.option(
    "--only",
    type=click.Choice(["server", "client"]),
    help="Judge the sandbox alone, or the client alone.",
)
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for conformance.json and conformance.xml (JUnit).",
)
@click.option(
    "--requests",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file of requests that the sandbox accepts; without it they are for the sample licences.",
)
@click.option("--seal", help="Code of the seal; without it the agency's first active one.")
@click.option("--audience", help="What tokens are asked of; without it the credential file's API.")
@click.option("--zone", default="Asia/Shanghai", show_default=True, help="The sandbox's IANA zone.")
@click.option(
    "--listen",
    default="127.0.0.1:0",
    show_default=True,
    metavar="ADDRESS:PORT",
    help="Where the kit receives webhooks.",
)
@click.option("--hooks-url", help="Address under which the sandbox reaches that; without it the same.")
@click.option(
    "--minutes",
    type=click.FloatRange(0.1, 60),
    default=10,
    show_default=True,
    help="After which nothing more is begun.",
)
@click.option(
    "--step-seconds",
    type=click.FloatRange(1, 600),
    default=60,
    show_default=True,
    help="For which a client may be at work on one step.",
)
@click.option("--force", is_flag=True, help="Issue licences even where the registry is no sandbox.")
def conform(
    base_url: str,
    credential: Path,
    client: str | None,
    only: str | None,
    report: Path | None,
    requests: Path | None,
    seal: str | None,
    audience: str | None,
    zone: str,
    listen: str,
    hooks_url: str | None,
    minutes: float,
    step_seconds: float,
    force: bool,
) -> None:
    """Play an integrator's life cycle against a sandbox: judge the sandbox, and a client against it.

    Some twenty licences are issued, so a registry is refused whose licences would be no specimens (样本).
    Exit code 0: all that was looked at is as it should be; 1: something is not, or the sandbox cannot be
    asked; 64: wrong usage, or no sandbox. docs/conformance.md says what is looked at, and how a client is
    told its steps.
    """
    from registry.conform import report as reports
    from registry.conform.run import Wanted
    from registry.conform.run import conform as run

    wanted = Wanted(
        base=_base(base_url),
        credential=credential,
        audience=audience,
        seal=seal,
        requests=requests,
        client=None if client is None else _command(client),
        sides=frozenset({only} if only else {"server", "client"}),
        zone=_zone(zone),
        listen=_listen(listen),
        hooks_url=hooks_url,
        minutes=minutes,
        step_seconds=step_seconds,
        force=force,
    )
    try:
        found = run(wanted, lambda result: click.echo(reports.line(result)))
    except VermilionError as error:
        if error.reason in {"not_a_sandbox", "requests", "seal"}:
            raise click.UsageError(error.detail) from error
        raise
    click.echo(list(reports.lines(found))[-1])
    if report is not None:
        reports.save(found, report)
    click.get_current_context().exit(0 if found.passed else 1)


def _base(text: str) -> str:
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or True)
    except ValueError:
        good = False
    if not good or set(text) & set("?#@") or not text.isprintable():
        raise click.UsageError("--base-url is an http or https address without user, query or fragment")
    return text.rstrip("/")


def _command(text: str) -> list[str]:
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    if not words:
        raise click.UsageError("--client is a command")
    return words


def _zone(text: str) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise click.UsageError("--zone is no zone of the IANA database") from None
    return text


def _listen(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise click.UsageError("--listen is ADDRESS:PORT")
    return host, int(port)
