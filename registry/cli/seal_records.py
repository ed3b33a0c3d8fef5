"""`vermilion seal impact` and `seal uses`: what a seal has sealed, row by row as the pages come."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import click

from registry.client import ApiClient, Credential

Command = TypeVar("Command", bound=Callable[..., Any])

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet may take for the beginning of a formula."""

USES = ("begun_at", "ended_at", "state", "seal_edition", "licence", "copy", "type",
        "document_sha256", "authorisation", "client", "client_name", "operator", "id")  # fmt: skip
IMPACT = ("identifier", "copy", "edition", "type", "seal_edition", "sealed_at", "clock", "status", "ground",
          "how", "standing", "proofs")  # fmt: skip


def listing_options(command: Command) -> Command:
    for option in (
        click.option(
            "--format", "form", type=click.Choice(["json", "csv"]), default="json", show_default=True,
            help="JSON, an object a line, or CSV for a spreadsheet.",
        ),
        click.option(
            "--credential", required=True,
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            help="Credential file of a keeper, or of somebody of a seal authority (mode 0600).",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


@click.command("impact")
@click.argument("code")
@listing_options
def impact(code: str, form: str, credential: Path) -> None:
    """List each licence that the seal sealed, and what proves that it came before the seal's end.

    The totals come first: proven by an authority outside, on the registry's own word alone, unproven, and
    sealed after the end. As CSV the totals stand on standard error.
    """
    pages = _pages(credential, f"/api/v1/seals/{quote(code, safe='')}/impact")
    first = next(pages)
    head = {name: first[name] for name in ("seal", "state", "limit", "totals", "log")}
    click.echo(json.dumps(head, ensure_ascii=False), err=form == "csv")
    write_rows(_rows(first, pages, "licences"), IMPACT, form)


@click.command("uses")
@click.argument("code")
@click.option("--from", "first", help="First day, YYYY-MM-DD.")
@click.option("--to", "last", help="Last day, YYYY-MM-DD.")
@listing_options
def uses(code: str, first: str | None, last: str | None, form: str, credential: Path) -> None:
    """List each use of the seal: when, for which licence and document, by whom and under which authorisation.

    Uses that came to nothing are there as `void`.
    """
    days = {name: day for name, day in (("from", first), ("to", last)) if day is not None}
    path = f"/api/v1/seals/{quote(code, safe='')}/uses"
    pages = _pages(credential, f"{path}?{urlencode(days)}" if days else path)
    write_rows(_rows(next(pages), pages, "uses"), USES, form)


def write_rows(rows: Iterator[Mapping[str, Any]], columns: Sequence[str], form: str) -> None:
    """The rows on standard output, each as it comes."""
    if form == "json":
        for row in rows:
            click.echo(json.dumps(row, ensure_ascii=False))
        return
    table = csv.writer(sys.stdout, lineterminator="\r\n")  # RFC 4180
    table.writerow(columns)
    for row in rows:
        table.writerow([cell(row[name]) for name in columns])


def cell(value: object) -> str:
    """A value as a cell that no spreadsheet takes for a formula."""
    if value is None:
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _pages(credential: Path, path: str) -> Iterator[dict[str, Any]]:
    client = ApiClient(Credential.load(credential))
    following: str | None = path
    while following is not None:
        page = client.get(following).expect(200).json()
        yield page
        following = page.get("next")


def _rows(first: dict[str, Any], more: Iterator[dict[str, Any]], member: str) -> Iterator[dict[str, Any]]:
    yield from first[member]
    for page in more:
        yield from page[member]
