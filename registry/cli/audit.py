"""`vermilion audit …`: what an auditor reads on the registry's own machine, and hands out."""

from __future__ import annotations

import click

from registry.actor import Duty
from registry.cli.acting import Acting, administrative


@click.group()
def audit() -> None:
    """Read and export what was done: events, refusals, uses of keys and seals. Each reading is an event.

    What is younger than a minute may not be complete yet, and waits: the next export begins, by --since, at
    the `until` in this one's trailer.
    """


def _reading(name: str, text: str, *filters: str) -> None:
    @audit.command(name, help=text)
    @click.option("--since", help="From this instant, YYYY-MM-DDThh:mm:ssZ.")
    @click.option("--until", help="Before this instant, and no later than a minute ago.")
    @click.option("--json", "as_json", is_flag=True, help="One JSON object a line, and a trailer (NDJSON).")
    @administrative(Duty.AUDIT)
    def reading(
        since: str | None, until: str | None, as_json: bool, acting: Acting, **narrowed: str | None
    ) -> None:
        _read(name, since, until, as_json, acting, narrowed)

    for option in filters:
        words = {"actor": "Only acts of this person, by id.", "kind": "Only this kind, e.g. person.added."}
        click.option(f"--{option}", help=words[option])(reading)


def _read(
    name: str,
    since: str | None,
    until: str | None,
    as_json: bool,
    acting: Acting,
    narrowed: dict[str, str | None],
) -> None:
    from registry.log.audit import LEDGERS, Page, Question, Trailer, end_of, instant, pages, read

    ledger = LEDGERS[name]
    with acting.locked() as (at, auditor):
        question = Question(
            until=end_of(at.clock, instant("until", until)), since=instant("since", since), **narrowed
        )

        def ask(after: str | None) -> Page:
            with at.database.transaction() as session:
                return read(session, at, auditor, ledger, question, after)

        trailer = Trailer(ledger, question)
        for page in pages(ask):
            for line in page.lines:
                text = trailer.written(line)
                if not as_json:
                    text = "  ".join(_plain(value) for value in line.values()) + "\n"
                click.echo(text, nl=False)
    click.echo(trailer.last(), nl=False, err=not as_json)
    if not trailer.whole:
        raise click.exceptions.Exit(1)


def _plain(value: object) -> str:
    return "-" if value is None or value == "" else str(value)


_reading(
    "events", "Read the events, each with whether its commitment holds; exit code 1 if one does not.",
    "actor", "kind",
)  # fmt: skip
_reading("refusals", "Read what was refused to somebody who had proved who they are.", "actor")
_reading("key-uses", "Read the uses of keys, those that gave no signature included.")
_reading("key-use-blocks", "Read the uses of keys that answer anybody (OCSP), in blocks.")
_reading("seal-uses", "Read the uses of seals, those that came to nothing included.")
