"""`vermilion verify-answer`: a signed answer that a relying party has filed, checked again by the trust list.
It needs neither database nor network.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keys.errors import VermilionError
from registry.cli.verify import LANGUAGES, explained, understood

if TYPE_CHECKING:
    from signing.signed_answer import SignedAnswer

CANNOT_CHECK = 2


@click.command("verify-answer")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--trust",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Signed trust list.",
)
@click.option(
    "--bundle",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with the trust list, as `vermilion publish` writes it, or a copy.",
)
@click.option("--root-sha256", metavar="HEX", help="Fingerprint that the trust list's root must have.")
@click.option("--json", "as_json", is_flag=True, help="Print what it is and says as JSON.")
@click.option("--lang", type=click.Choice(LANGUAGES), help="Language of the sentences; without it English.")
def verify_answer(
    file: Path,
    trust: Path | None,
    bundle: Path | None,
    root_sha256: str | None,
    as_json: bool,
    lang: str | None,
) -> None:
    """Check who signed an answer, and when; and show what it says. FILE is the token, or its page (PDF).

    Exit code: 0 where the registry gave this answer, whatever it says; 1 where it did not; 2 where that
    cannot be checked, since the trust list cannot be trusted; 64 wrong usage. What the registry says to the
    same now, only the registry knows: ask it.
    """
    from keys.trust_list import read_trust_list
    from signing.answer_page import is_page, read_page
    from signing.bundle import Bundle
    from signing.signed_answer import read_signed_answer

    if (trust is None) == (bundle is None):
        raise click.UsageError("give --trust or --bundle")
    now = datetime.now(UTC)
    try:
        listed = trust.read_bytes() if trust is not None else Bundle(bundle or Path()).trust_list()
        known = read_trust_list(listed, at=now, root_sha256=root_sha256)
    except (OSError, VermilionError) as error:
        words = error.detail if isinstance(error, VermilionError) else error.strerror
        click.echo(f"vermilion: the trust list: {words}", err=True)
        sys.exit(CANNOT_CHECK)
    try:
        data = _read(file)
        found = (read_page if is_page(data) else read_signed_answer)(data, trust=known, at=now)
        answers = [understood(dict(answer)) for answer in found.content.answers]
    except VermilionError as error:
        if as_json:
            click.echo(json.dumps({"genuine": False, "reason": error.reason}))
        click.echo(f"vermilion: {error.detail}", err=True)
        sys.exit(1)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    if as_json:
        click.echo(json.dumps(_as_json(found)))
        return
    for line in _lines(found, answers, lang or "en"):
        click.echo(line)


def _read(file: Path) -> bytes:
    from keys.signed_answer import MAX_BYTES

    with file.open("rb") as opened:
        return opened.read(MAX_BYTES + 3)  # a line's end may follow it


def _as_json(found: SignedAnswer) -> dict[str, Any]:
    from signing.signed_answer import told

    return told(found) | {"answers": [dict(answer) for answer in found.content.answers]}


def _lines(found: SignedAnswer, answers: list[dict[str, Any]], lang: str) -> Iterator[str]:
    from signing.verdict import instant

    content = found.content
    yield f"given by {content.issuer} at {instant(content.issued_at)}, signed by key {found.key.kid}"
    yield f"  reference   {content.reference}"
    yield f"  given to    {content.audience}"
    if content.request_reference is not None:
        yield f"  your own    {content.request_reference}"
    for answer in answers:
        for name, value in answer["presented"].items():
            yield f"presented: {name} {value}"
        yield from explained(answer, lang)
