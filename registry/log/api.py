"""`/api/v1/audit/…`: what an auditor reads over HTTP, with a token of their own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import urlencode

from flask import Blueprint, Response, request

from registry import web
from registry.described import JSON, Answer, Parameter, described
from registry.licences.outage import database_errors
from registry.log.answers import AuditPage
from registry.log.audit import LEDGERS, Question, Trailer, end_of, instant, read, spoken

blueprint = Blueprint(web.AUDIT, __name__, url_prefix="/api/v1/audit")

NDJSON = "application/x-ndjson"
INSTANT = {"type": "string", "format": "date-time"}
TEXT = {"type": "string"}


@blueprint.get(f"/<any({', '.join(repr(name) for name in LEDGERS)}):ledger>")
@described(
    "readAudit", "Events, refusals, uses of keys and of seals",
    parameters=(
        Parameter("since", "From this instant.", INSTANT),
        Parameter("until", "Up to this instant, exclusive; a minute ago at the latest.", INSTANT),
        Parameter("actor", "A person's id; of events and refusals.", {"pattern": "^[0-9a-f]{32}$"}),
        Parameter("kind", "A kind such as person.added; of events.", {"maxLength": 81}),
        Parameter("after", "As `next` of a full page says."),
    ),
    answers={200: Answer("A page; as NDJSON its last line is a trailer.", {JSON: AuditPage, NDJSON: TEXT})},
)  # fmt: skip
def page(ledger: str) -> Response:
    """A page, as JSON, or as NDJSON whose last line is a trailer; both say where the next page begins."""
    arguments = web.query({"since", "until", "actor", "kind", "after"})
    ports, asked = web.ports(), LEDGERS[ledger]
    until = end_of(ports.clock, instant("until", arguments.get("until")))
    question = Question(
        until=until,
        since=instant("since", arguments.get("since")),
        actor=arguments.get("actor"),
        kind=arguments.get("kind"),
    )
    with database_errors(), ports.database.transaction() as session:
        found = read(session, ports, web.auditor(), asked, question, arguments.get("after"))
    following = None if found.after is None else _address(ledger, arguments, until, found.after)
    if request.accept_mimetypes.best_match(["application/json", NDJSON]) == NDJSON:
        trailer = Trailer(asked, question)
        lines = [trailer.written(line) for line in found.lines]
        return Response("".join([*lines, trailer.last(next=following)]), content_type=NDJSON)
    body = {"ledger": ledger, "until": spoken(until), "lines": list(found.lines)}
    return web.answer(body if following is None else {**body, "next": following})


def _address(ledger: str, arguments: Mapping[str, str], until: datetime, after: str) -> str:
    """Of the next page; the end stays that of the first, because each page is an event that would follow."""
    more = {**arguments, "until": spoken(until), "after": after}
    return f"/api/v1/audit/{ledger}?{urlencode(more)}"
