"""`vermilion webhook …`: what agencies' endpoints were told, and what could not be."""

from __future__ import annotations

import json

import click

from registry.actor import Duty
from registry.cli.acting import Acting, administrative
from registry.cli.machine import ground_today, locked
from registry.cli.options import ground_options


@click.group()
def webhook() -> None:
    """See where agencies are told of events, send again what was given up, disable an endpoint."""


@webhook.command("list")
def webhook_list() -> None:
    """List the endpoints, a JSON object a line, with how many deliveries are in which state."""
    from sqlalchemy.orm import Session

    from registry.webhooks.administration import endpoints_on_record

    with locked() as at, Session(at.database.read) as session:
        for one in endpoints_on_record(session):
            click.echo(json.dumps(one))


@webhook.command("dead")
@click.argument("endpoint_id", metavar="ENDPOINT")
def webhook_dead(endpoint_id: str) -> None:
    """List what was given up for an endpoint, a JSON object a line, the newest event first."""
    from sqlalchemy.orm import Session

    from registry.webhooks.administration import dead_letters

    with locked() as at, Session(at.database.read) as session:
        for one in dead_letters(session, endpoint_id):
            click.echo(json.dumps(one))


@webhook.command("redeliver")
@click.argument("endpoint_id", metavar="ENDPOINT")
@click.option("--event", "event_id", help="This event, whatever became of it.")
@click.option("--since", help="What was given up of events since this instant, YYYY-MM-DDThh:mm:ssZ.")
@administrative(Duty.SYSTEM)
def webhook_redeliver(endpoint_id: str, event_id: str | None, since: str | None, acting: Acting) -> None:
    """Have the API send again what was given up for an endpoint, or one event, under the ids that they have.

    Prints how many, as JSON.
    """
    from datetime import UTC, datetime

    from registry.log.audit import instant
    from registry.webhooks import administration
    from registry.webhooks.rules import SLICE

    if event_id is not None and since is not None:
        raise click.UsageError("--event or --since")
    moment = instant("since", since) or datetime.min.replace(tzinfo=UTC)
    with acting.locked() as (at, admin):
        count = 0
        while True:
            with at.database.transaction() as session:
                if event_id is not None:
                    administration.redeliver(session, at, admin, endpoint_id, event_id)
                    some = 1
                else:
                    some = administration.redeliver_dead(session, at, admin, endpoint_id, moment)
            count += some
            if some < SLICE:
                break
        click.echo(json.dumps({"redelivered": count}))


@webhook.command("disable")
@click.argument("endpoint_id", metavar="ENDPOINT")
@ground_options
@administrative(Duty.SYSTEM, Duty.SECURITY)
def webhook_disable(endpoint_id: str, legal_basis: str, reason_code: str, acting: Acting) -> None:
    """Send nothing more to an endpoint. Its client may activate it again, unless it is disabled too."""
    from registry.webhooks.administration import disable

    with acting.locked() as (at, admin):
        ground = ground_today(at, legal_basis, reason_code)
        with at.database.transaction() as session:
            disable(session, at, admin, endpoint_id, ground)
