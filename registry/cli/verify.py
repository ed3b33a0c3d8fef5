"""`vermilion verify`: what a relying party runs. With `--trust` it needs no database and no network."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keys.errors import Kind, VermilionError

if TYPE_CHECKING:
    from keys.trust_list import TrustList
    from signing.verdict import Verification

MAX_FILE = 8 * 1024 * 1024


@click.command()
@click.argument("subject", metavar="FILE|LINK")
@click.option(
    "--trust",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Signed trust list: check offline, without any service.",
)
@click.option("--root-sha256", metavar="HEX", help="Fingerprint that the trust list's root must have.")
@click.option(
    "--service",
    metavar="ADDRESS",
    help="Public site to ask. Without it and --trust, the local registry's database is asked; never the "
    "address in the link, which may be anybody's.",
)
@click.option(
    "--data", type=click.Path(file_okay=False, path_type=Path), help="Data directory of a local registry."
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
def verify(
    subject: str,
    trust: Path | None,
    root_sha256: str | None,
    service: str | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Check a sealed PDF, or the text of a scanned code.

    Exit code: 0 valid; 2 genuine_offline or cannot_check; 1 anything else; 64 wrong usage. What keeps the
    check from being made, a trust list that cannot be trusted included, is said on standard error.
    """
    if trust is not None and (service is not None or data is not None):
        raise click.UsageError("--trust checks offline: it goes with neither --service nor --data")
    shown = subject if _is_link(subject) else _read(subject)  # a file that is not there is wrong usage
    try:
        answer = (
            _offline(shown, trust, root_sha256)
            if trust is not None
            else _by_service(shown, service)
            if service is not None
            else _by_database(shown, data)
        )
    except VermilionError as error:
        from signing.check import failed_check

        click.echo(f"vermilion: {error.detail}", err=True)
        answer = _as_json(failed_check(datetime.now(UTC)).verification)
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
    else:
        _explain(answer)
    from signing.verdict import Verdict, exit_code

    sys.exit(exit_code(Verdict(answer["verdict"])))


def _is_link(subject: str) -> bool:
    return subject.startswith(("http://", "https://"))


def _read(subject: str) -> bytes:
    path = Path(subject)
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE + 1)
    except OSError as error:
        raise click.UsageError(f"{subject}: {error.strerror}") from error


def _offline(shown: str | bytes, trust_file: Path, root_sha256: str | None) -> dict[str, Any]:
    from keys.trust_list import read_trust_list

    now = datetime.now(UTC)
    trust: TrustList | None = None
    try:
        trust = read_trust_list(_read(str(trust_file)), at=now, root_sha256=root_sha256)
    except VermilionError as error:
        click.echo(f"vermilion: {trust_file}: {error.detail}", err=True)
    return _check(shown, trust, None, now)


def _by_database(shown: str | bytes, data: Path | None) -> dict[str, Any]:
    from keys.trust_list import read_trust_list
    from registry.database import read_engine
    from registry.licences.lookup import SqlLiveRegistry, current_trust_list
    from registry.settings import Settings

    settings = Settings() if data is None else Settings(data=data)
    now = datetime.now(UTC)
    engine = read_engine(settings.url)
    try:
        trust = read_trust_list(current_trust_list(engine), at=now)
        return _check(shown, trust, SqlLiveRegistry(engine, lambda: now), now)
    finally:
        engine.dispose()


def _check(shown: str | bytes, trust: TrustList | None, live: Any, now: datetime) -> dict[str, Any]:
    """The verdict on the text of a code, or on the bytes of a file."""
    from signing.check import check_file, check_scan

    if isinstance(shown, str):
        outcome = check_scan(shown, trust, live, None, now)
    else:
        outcome = check_file(shown, trust, live, None, now)
    return _as_json(outcome.verification)


def _as_json(verification: Verification) -> dict[str, Any]:
    from signing.verdict import to_json

    return to_json(verification)


def _by_service(shown: str | bytes, service: str) -> dict[str, Any]:
    from registry.client import call, pdf_headers

    url = service.rstrip("/") + "/api/v1/verifications"
    if isinstance(shown, str):
        body = json.dumps({"link": shown}).encode()
        answer = call("POST", url, body=body, headers={"Content-Type": "application/json"})
    else:
        answer = call("POST", url, body=shown, headers=pdf_headers())
    return _understood(answer.expect(200, 404, 503).json())


def _understood(answer: dict[str, Any]) -> dict[str, Any]:
    """The service's answer, if it is one. Raises VermilionError(MALFORMED)."""
    from signing.verdict import Verdict

    checks = answer.get("checks")
    good = (
        answer.get("verdict") in set(Verdict)
        and {"how", "as_of", "identifier"} <= set(answer)
        and isinstance(checks, dict)
        and all(
            isinstance(checks.get(name), dict) and {"result", "reason"} <= set(checks[name])
            for name in ("content", "issuer", "status")
        )
    )
    if not good:
        raise VermilionError(Kind.MALFORMED, "the service's answer is not a verdict")
    return answer


def _explain(answer: dict[str, Any]) -> None:
    from signing.sentences import heading, reason_sentence

    click.echo(f"{answer['verdict']}: {heading(answer, 'en')} / {heading(answer, 'zh')}")
    for name in ("content", "issuer", "status"):
        check = answer["checks"][name]
        click.echo(f"  {name:8}{check['result']:9} {reason_sentence(check['reason'], 'en')}")
    click.echo(f"  identifier  {answer['identifier'] or '-'}")
    click.echo(f"  as of       {answer['as_of']}")
