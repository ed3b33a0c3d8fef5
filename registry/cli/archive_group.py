"""`vermilion archive …`: packages of what was issued and ended, in at least two stores."""

from __future__ import annotations

import json

import click

from registry.cli.machine import locked, unlocked


@click.group()
def archive() -> None:
    """Keep packages, find them, and see that every copy is whole."""


@archive.command("keep")
def archive_keep() -> None:
    """Archive now what is due, as the API does by itself.

    Says as JSON what became of it; exit code 1 when something is put off, which is tried again by itself.
    """
    from registry.archive.rules import keep_due
    from registry.archive.stores import open_stores

    with unlocked() as ports:
        done = keep_due(ports, open_stores(ports.settings))
    for package_id in done.kept:
        click.echo(json.dumps({"package": package_id, "outcome": "kept"}))
    for what, error in done.deferred.items():
        click.echo(json.dumps({"of": what, "outcome": "deferred", "reason": error.reason}))
    for what, defect in done.defects.items():
        click.echo(json.dumps({"of": what, "outcome": "defect", "kind": type(defect).__name__}))
    if done.deferred or done.defects:
        raise click.exceptions.Exit(1)


@archive.command("find")
@click.option("--number", help="Archive number (档号).")
@click.option("--identifier", help="Of a licence.")
@click.option("--agency", help="Unified social credit code.")
@click.option("--year", type=int, help="Year of the catalogue.")
def archive_find(number: str | None, identifier: str | None, agency: str | None, year: int | None) -> None:
    """List packages, at most 500, a JSON object a line, each with the state of its copies."""
    from sqlalchemy.orm import Session

    from registry.archive.search import find

    if number is None and identifier is None and agency is None:
        raise click.UsageError("--number, --identifier or --agency")
    with locked() as at, Session(at.database.read) as session:
        for one in find(session, number=number, identifier=identifier, agency_code=agency, year=year):
            click.echo(json.dumps(one, ensure_ascii=False))


@archive.command("statistics")
def archive_statistics() -> None:
    """Count packages, copies and what waits to be archived, a JSON object a line."""
    from sqlalchemy.orm import Session

    from registry.archive.search import statistics

    with locked() as at, Session(at.database.read) as session:
        for one in statistics(session):
            click.echo(json.dumps(one, ensure_ascii=False))
