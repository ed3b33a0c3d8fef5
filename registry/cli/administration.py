"""What an administrator does to the whole record: `vermilion migrate` and `vermilion fsck`."""

from __future__ import annotations

import click

from registry.cli.machine import unlocked


@click.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    from registry.schema import upgrade
    from registry.settings import Settings

    upgrade(Settings().url)
    click.echo("the schema is up to date")


@click.command("fsck")
def fsck() -> None:
    """Check that records, documents, seal uses and leaves agree; exit code 1 when they do not."""
    from registry.licences.fsck import fsck as check

    with unlocked() as ports:
        findings = check(ports)
    for finding in findings:
        click.echo(finding)
    click.echo(f"{len(findings)} findings")
    if findings:
        raise click.exceptions.Exit(1)
