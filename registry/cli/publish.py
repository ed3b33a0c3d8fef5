"""`vermilion publish`: trust list, status lists and CRLs as files for any web server."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from registry.publication import Report


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--every",
    type=click.IntRange(5, 3600),
    metavar="SECONDS",
    help="Go on, so often; a failure is logged and tried again. Without it: once, for a timer.",
)
def publish(folder: Path, every: int | None) -> None:
    """Write trust list, status lists, CRLs and authorities' certificates into FOLDER, with an index.

    For relying parties, behind any web server, or copied to one. Only what changed is written, each file as a
    whole, nothing older over something newer. It needs no key and only reads, by the public site's role
    (VERMILION_PUBLIC_DATABASE_URL). Prints what was written and removed.
    """
    from keys.clock import system_clock
    from registry import background
    from registry.database import read_engine
    from registry.logs import configure_logs
    from registry.publication import publish_to
    from registry.settings import Settings
    from registry.stopping import on_signals

    engine = read_engine(Settings().public_url)
    try:
        if every is None:
            _say(publish_to(engine, folder, system_clock()))
            return
        configure_logs()
        tasks = {"not_published": lambda: _say(publish_to(engine, folder, system_clock()))}
        background.keep(tasks, on_signals(), timedelta(seconds=every))
    finally:
        engine.dispose()


def _say(report: Report) -> None:
    for word, paths in (("written", report.written), ("removed", report.removed), ("kept", report.kept)):
        for path in paths:
            click.echo(f"{word} {path}")
