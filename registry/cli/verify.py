"""`vermilion verify`: what a relying party runs. With `--trust` or `--bundle` it needs neither database nor
network.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keys.errors import Kind, VermilionError
from registry.cli import is_about_settings

if TYPE_CHECKING:
    from keys.trust_list import TrustList
    from signing.check import Outcome
    from signing.live import Alarm, LiveRegistry
    from signing.status_list import Source
    from signing.verdict import Verification

MAX_FILE = 8 * 1024 * 1024
MAX_IDENTIFIER = 120
MAX_ANNOTATION = 200
CHECKS = ("content", "issuer", "status")
LANGUAGES = ("zh", "en", "es")
"""As `signing.sentences` has them, which is loaded when a check is shown."""
_REASON = re.compile(r"[a-z][a-z0-9_]{0,63}")


@click.command()
@click.argument("subject", metavar="FILE|LINK")
@click.option(
    "--trust",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Signed trust list: check offline, without any service.",
)
@click.option(
    "--bundle",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with trust list and status lists, as `vermilion publish` writes it, or a copy: check "
    "offline, the status too.",
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
@click.option(
    "--report",
    is_flag=True,
    help="Of a file, say what is in it too: its revisions, what was added after sealing, each signature.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@click.option(
    "--lang",
    type=click.Choice(LANGUAGES),
    help="Language of the sentences. Without it the verdict is in English and Chinese, the rest in English.",
)
@click.option(
    "--catch-all/--no-catch-all",
    default=True,
    hidden=True,
    help="Off in tests: a defect ends as in any command.",
)
def verify(
    subject: str,
    trust: Path | None,
    bundle: Path | None,
    root_sha256: str | None,
    service: str | None,
    data: Path | None,
    report: bool,
    as_json: bool,
    lang: str | None,
    catch_all: bool,
) -> None:
    """Check a sealed PDF, or the text of a scanned code.

    Exit code: 0 valid; 2 genuine_offline or cannot_check; 1 anything else; 64 wrong usage. What keeps the
    check from being made, a trust list that cannot be trusted included, is said on standard error. So is an
    alarm: where the local registry is asked, a right signature of ours over what was never registered.
    """
    if sum(one is not None for one in (trust, bundle)) + (service is not None or data is not None) > 1:
        raise click.UsageError(
            "--trust and --bundle check offline: neither goes with the other, with --service or with --data"
        )
    shown = subject if _is_link(subject) else _read(subject)  # a file that is not there is wrong usage
    if trust is not None:
        ask = partial(_offline, shown, str(trust), _read(str(trust)), root_sha256, report=report)
    elif bundle is not None:
        ask = partial(_by_bundle, shown, bundle, root_sha256, report=report)
    elif service is not None:
        ask = partial(_by_service, shown, service)
    else:
        ask = partial(_by_database, shown, data, report=report)
    try:
        answer = ask()
        if service is not None and not report:
            answer.pop("report", None)
        text = _text(answer, lang, as_json=as_json)
    except VermilionError as error:
        answer, text = _failed(error.detail, lang, as_json=as_json)
    except Exception as error:
        if not catch_all or is_about_settings(error):
            raise
        # A defect ends a command with 1, which would say something about the licence; its message may say
        # a secret.
        answer, text = _failed(f"the check failed: {type(error).__name__}", lang, as_json=as_json)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what a terminal cannot show changes no verdict
    click.echo(text)
    from signing.verdict import Verdict, exit_code

    sys.exit(exit_code(Verdict(answer["verdict"])))


def _failed(why: str, lang: str | None, *, as_json: bool) -> tuple[dict[str, Any], str]:
    """Say on standard error why there is no check; the answer is `cannot_check`."""
    from signing.check import failed_check

    click.echo(f"vermilion: {why}", err=True)
    answer = _as_json(failed_check(datetime.now(UTC)).verification)
    return answer, _text(answer, lang, as_json=as_json)


def _is_link(subject: str) -> bool:
    return subject.startswith(("http://", "https://"))


def _read(subject: str) -> bytes:
    path = Path(subject)
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE + 1)
    except OSError as error:
        raise click.UsageError(f"{subject}: {error.strerror}") from error


class StandardErrorAlarm:
    """Implements `signing.live.Alarm` for whoever checks on the registry's own machine."""

    def raise_alarm(self, reason: str, key_id: str, identifier: str | None, digest: bytes) -> None:  # noqa: ARG002
        click.echo(f"vermilion: alarm: {reason}, key {key_id}, SHA-256 {digest.hex()}", err=True)


def _by_bundle(shown: str | bytes, folder: Path, root_sha256: str | None, *, report: bool) -> dict[str, Any]:
    from signing.bundle import TRUST_LIST, Bundle

    bundle = Bundle(folder)
    trust_list, lists = bundle.trust_list(), bundle.status_lists
    return _offline(shown, str(folder / TRUST_LIST), trust_list, root_sha256, lists, report=report)


def _offline(
    shown: str | bytes,
    trust_file: str,
    trust_list: bytes,
    root_sha256: str | None,
    lists: Source | None = None,
    *,
    report: bool,
) -> dict[str, Any]:
    from keys.trust_list import read_trust_list
    from signing.verdict import list_json, to_json

    now = datetime.now(UTC)
    trust: TrustList | None = None
    try:
        trust = read_trust_list(trust_list, at=now, root_sha256=root_sha256)
    except VermilionError as error:
        click.echo(f"vermilion: {trust_file}: {error.detail}", err=True)
    outcome = _outcome(shown, trust, None, None, now, lists)
    ages: dict[str, object] = {}
    if trust is not None:
        ages["trust_list"] = list_json(trust.issued_at, trust.expires_at, now)
    if outcome.status_list is not None:
        found = outcome.status_list
        ages["status_list"] = list_json(found.issued_at, found.expires_at, now)
    return to_json(outcome.verification, ages | _report(shown, outcome, trust, None, now, wanted=report))


def _report(
    shown: str | bytes,
    outcome: Outcome,
    trust: TrustList | None,
    live: LiveRegistry | None,
    now: datetime,
    *,
    wanted: bool,
) -> dict[str, object]:
    if not wanted or isinstance(shown, str):
        return {}
    from registry.cli.verify_report import report_on

    return {"report": report_on(shown, outcome, trust, live, now)}


def _by_database(shown: str | bytes, data: Path | None, *, report: bool) -> dict[str, Any]:
    try:
        from registry.database import read_engine
        from registry.licences.lookup import SqlLiveRegistry, current_trust_list
        from registry.settings import Settings
    except ModuleNotFoundError as error:
        words = f"the local registry cannot be asked without {error.name}: give --trust or --service"
        raise VermilionError(Kind.UNAVAILABLE, words) from error
    from keys.trust_list import read_trust_list
    from signing.verdict import to_json

    settings = Settings() if data is None else Settings(data=data)
    now = datetime.now(UTC)
    engine = read_engine(settings.url)
    try:
        trust = read_trust_list(current_trust_list(engine), at=now)
        live = SqlLiveRegistry(engine, lambda: now)
        outcome = _outcome(shown, trust, live, StandardErrorAlarm(), now)
        return to_json(outcome.verification, _report(shown, outcome, trust, live, now, wanted=report))
    finally:
        engine.dispose()


def _outcome(
    shown: str | bytes,
    trust: TrustList | None,
    live: LiveRegistry | None,
    alarm: Alarm | None,
    now: datetime,
    lists: Source | None = None,
) -> Outcome:
    """What comes of the text of a code, or of the bytes of a file."""
    from signing.check import check_file, check_scan, check_showing

    if isinstance(shown, str) and "/p/" in shown:
        return check_showing(shown, trust, live, now)
    if isinstance(shown, str):
        return check_scan(shown, trust, live, alarm, now, lists)
    return check_file(shown, trust, live, alarm, now, lists)


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
    return understood(answer.expect(200, 404, 503).json())


def understood(answer: dict[str, Any]) -> dict[str, Any]:
    """The service's answer, if each member of design section 6 is what it must be; more members may stand
    beside them. Raises VermilionError(MALFORMED).
    """
    from signing.verdict import HOWS, Verdict

    verdict, how, checks = answer.get("verdict"), answer.get("how", ""), answer.get("checks")
    if not (
        _is_one_of(verdict, tuple(Verdict))
        and (_is_one_of(how, HOWS) if verdict == Verdict.ENDED else how is None)
        and isinstance(checks, dict)
        and all(_is_check(checks.get(name)) for name in CHECKS)
        and _is_instant(answer.get("as_of"))
        and _is_identifier(answer.get("identifier", ""))
        and ("copy" not in answer or _is_copy(answer["copy"]))
    ):
        raise VermilionError(Kind.MALFORMED, "the service's answer is not a verdict")
    return answer


def _is_copy(value: object) -> bool:
    """None, or for what a copy was made, in lines that a terminal can be shown."""
    if not isinstance(value, dict):
        return value is None
    texts = [value.get(name) for name in ("purpose", "recipient", "valid_to")]
    return all(
        isinstance(text, str) and 0 < len(text) <= MAX_ANNOTATION and text.isprintable() for text in texts
    )


def _is_check(value: object) -> bool:
    from signing.verdict import Result

    return (
        isinstance(value, dict)
        and _is_one_of(value.get("result"), tuple(Result))
        and isinstance(reason := value.get("reason"), str)
        and _REASON.fullmatch(reason) is not None
    )


def _is_one_of(value: object, words: tuple[str, ...]) -> bool:
    return isinstance(value, str) and value in words


def _is_instant(value: object) -> bool:
    """An instant as `signing.verdict.instant` writes it."""
    from signing.verdict import instant

    try:
        return isinstance(value, str) and instant(datetime.fromisoformat(value)) == value
    except (ValueError, OverflowError):
        return False


def _is_identifier(value: object) -> bool:
    """None, or a line that a terminal can be shown."""
    return value is None or (
        isinstance(value, str) and 0 < len(value) <= MAX_IDENTIFIER and value.isprintable()
    )


def _text(answer: dict[str, Any], lang: str | None, *, as_json: bool) -> str:
    """What is printed. As JSON it is ASCII: whatever a service adds steers no terminal."""
    return json.dumps(answer) if as_json else "\n".join(explained(answer, lang))


def explained(answer: dict[str, Any], lang: str | None) -> Iterator[str]:
    """An answer in lines: the verdict, the three checks, of what and as of when."""
    from signing.sentences import heading, reason_sentence

    said = " / ".join(heading(answer, each) for each in ((lang,) if lang else ("en", "zh")))
    yield f"{answer['verdict']}: {said}"
    for name in CHECKS:
        check = answer["checks"][name]
        yield f"  {name:8}{check['result']:9} {reason_sentence(check['reason'], lang or 'en')}"
    if answer.get("copy") is not None:
        for name, member in (("copy for", "recipient"), ("purpose", "purpose"), ("copy until", "valid_to")):
            yield f"  {name:11} {answer['copy'][member]}"
    showing = answer.get("showing")
    if isinstance(showing, dict) and _is_instant(showing.get("until")):
        yield f"  shown until {showing['until']}"
    yield f"  identifier  {answer['identifier'] or '-'}"
    yield f"  as of       {answer['as_of']}"
    if "report" in answer:
        from registry.cli.verify_report import report_lines

        yield from report_lines(answer["report"], lang or "en")
    for name, member in (("trust list", "trust_list"), ("status list", "status_list")):
        listed = answer.get(member)
        signed, age = (
            (listed.get("issued_at"), listed.get("age")) if isinstance(listed, dict) else (None, None)
        )
        if _is_instant(signed) and type(age) is int:
            yield f"  {name:11} of {signed}, {_in_words(age)} old"


def _in_words(seconds: int) -> str:
    """An age in the largest unit that leaves two of it, or in minutes."""
    for size, unit in ((86400, "days"), (3600, "hours")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{max(0, seconds) // 60} minutes"
