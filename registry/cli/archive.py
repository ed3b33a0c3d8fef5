"""`vermilion archive-stamp`: time-stamps for the archive, now."""

from __future__ import annotations

import json

import click

from registry.cli.machine import unlocked


@click.command("archive-stamp")
@click.argument("identifier", required=False)
def archive_stamp(identifier: str | None) -> None:
    """Append the time-stamps that are due for the archive, as the API does by itself; or that of the licence
    IDENTIFIER, whatever its age.

    Says as JSON, one object a line, what became of each; exit code 1 when one could not be stamped.
    """
    from registry.licences.archive import pick_due, pick_one
    from registry.licences.document_stamps import stamp_due

    failed = False
    with unlocked() as ports:
        wanted = None if identifier is None else pick_one(ports, identifier)
        while True:
            picked = 0 if wanted is not None else pick_due(ports)
            report = stamp_due(ports, wanted)
            for outcome, editions in (
                ("stamped", report.stamped),
                ("deferred", report.deferred),
                ("refused", report.refused),
                ("defect", report.defects),
            ):
                failed |= outcome != "stamped" and bool(editions)
                for edition_id in editions:
                    click.echo(json.dumps({"edition": edition_id, "outcome": outcome}))
            if report.outage is not None:
                raise report.outage
            if wanted is not None and not report:
                click.echo(json.dumps({"edition": wanted, "outcome": "waiting"}))
            if wanted is not None or not (picked or report):
                break
    if failed:
        raise click.exceptions.Exit(1)
