"""`vermilion notice …`: messages to people, such as pick-up links, and what could not be handed over."""

from __future__ import annotations

import json

import click

from registry.actor import Duty
from registry.cli.acting import Acting, administrative
from registry.cli.machine import locked


@click.group()
def notice() -> None:
    """See what became of messages to people, and send again what was given up."""


@notice.command("list")
def notice_list() -> None:
    """List how many messages are in which state, by mail server and receiver, a JSON object a line."""
    from sqlalchemy.orm import Session

    from registry.notices.administration import on_record

    with locked() as at, Session(at.database.read) as session:
        for one in on_record(session):
            click.echo(json.dumps(one))


@notice.command("dead")
def notice_dead() -> None:
    """List what was given up, a JSON object a line, the first to expire first. To whom it was to go is told
    to nobody.
    """
    from sqlalchemy.orm import Session

    from registry.notices.administration import dead_letters

    with locked() as at, Session(at.database.read) as session:
        for one in dead_letters(session):
            click.echo(json.dumps(one))


@notice.command("redeliver")
@click.option("--notice", "notice_id", help="This message.")
@click.option("--since", help="What was given up of those written since this instant, YYYY-MM-DDThh:mm:ssZ.")
@administrative(Duty.SYSTEM)
def notice_redeliver(notice_id: str | None, since: str | None, acting: Acting) -> None:
    """Have the API send again what was given up and is still of use, or one message, under the ids that they
    have.

    Prints how many, as JSON.
    """
    from datetime import UTC, datetime

    from registry.log.audit import instant
    from registry.notices import administration
    from registry.rows import SLICE

    if notice_id is not None and since is not None:
        raise click.UsageError("--notice or --since")
    moment = instant("since", since) or datetime.min.replace(tzinfo=UTC)
    with acting.locked() as (at, admin):
        count = 0
        while True:
            with at.database.transaction() as session:
                if notice_id is not None:
                    administration.redeliver(session, at, admin, notice_id)
                    some = 1
                else:
                    some = administration.redeliver_dead(session, at, admin, moment)
            count += some
            if some < SLICE:
                break
        click.echo(json.dumps({"redelivered": count}))
