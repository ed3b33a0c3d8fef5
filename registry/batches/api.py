"""Batches over HTTP: send one, watch it, cancel it, fetch what it made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import structlog
from flask import Blueprint, Response
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError
from registry import repeats, web
from registry.actor import Actor
from registry.batches import rules
from registry.batches.answers import BatchItemPage, BatchPage, BatchShown
from registry.batches.archive import archive, archive_length
from registry.batches.lines import CSV, NDJSON
from registry.batches.receive import MAX_BODY, MAX_LINES, Upload, receive
from registry.batches.states import TOLD, UNTOLD, BatchState, ItemState
from registry.batches.tables import Batch
from registry.described import (
    ADDRESS,
    BINARY,
    DRY_RUN,
    IDEMPOTENCY_KEY,
    IF_NONE_MATCH,
    Answer,
    Parameter,
    described,
    told,
)
from registry.licences.forms import Operator
from registry.licences.idempotency import Answered
from registry.licences.issued import read_document
from registry.licences.outage import database_errors
from registry.licences.shown import licence_actor, require_named
from registry.ports import Ports
from registry.uses import rules as uses
from registry.uses.rules import Used, UseKind
from signing.verdict import instant

blueprint = Blueprint("batches", __name__, url_prefix="/api/v1/batches")

_log = structlog.get_logger("registry.api")
NO_STORE = {"Cache-Control": "no-store"}
_MEDIA = (NDJSON, CSV)
LISTED = 100
LINES = {"type": "string", "description": "Lines, each what `issueLicence` takes."}


class CancelBody(web.Body):
    operator: Operator | None = None


@blueprint.post("")
@described(
    "sendBatch", "Send a batch",
    sends={NDJSON: LINES, CSV: LINES},
    parameters=(DRY_RUN, replace(IDEMPOTENCY_KEY, required=True)),
    answers={202: told("The batch.", BatchShown, Location=ADDRESS)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def create() -> Response:
    """202 with the batch, on a replay too, which says `Idempotency-Replayed: true`.

    The body is NDJSON, or CSV with a header: each line is what `POST /api/v1/licences` takes. With
    `dry_run=1` the lines are checked and nothing is issued.
    """
    actor = licence_actor()
    check_only = web.flag("dry_run", web.query({"dry_run"}))
    key = web.idempotency_key(required=True)
    upload = Upload(*web.body_stream(_MEDIA, max_bytes=MAX_BODY))
    with web.state().batches.one():
        batch_id, replayed = receive(web.ports(), actor, upload, key, check_only=check_only)
    headers = {"Location": _href(batch_id), **NO_STORE}
    if replayed:
        headers["Idempotency-Replayed"] = "true"
    return web.answer(_told(actor, batch_id), 202, headers)


@blueprint.get("")
@described(
    "listBatches", "The agency's batches",
    parameters=(
        Parameter("after", "The batch before the page."),
        Parameter("state", "Only batches of this state.", {"enum": [one.value for one in TOLD]}),
    ),
    answers={200: told("A page.", BatchPage)},
    refuses=(Kind.NOT_FOUND,),
)  # fmt: skip
def index() -> Response:
    """The newest first, in pages of 100; `state` picks one. How far each is, it says itself."""
    arguments = web.query({"after", "state"})
    state = web.chosen("state", arguments, BatchState, "no batch is ever in this state")
    if state in UNTOLD:
        fault = Fault("?state", "unknown", "nobody is told of a batch in this state")
        raise VermilionError(Kind.INVALID, fault.detail, reason="query", faults=(fault,))
    after = web.hex_id("?after", arguments["after"]) if "after" in arguments else None
    with database_errors(), Session(web.ports().database.read) as session:
        found, following = rules.batches_of(session, licence_actor(), after, LISTED, state)
    body: dict[str, Any] = {"batches": [{**_named(one), "href": _href(one.id)} for one in found]}
    if following is not None:
        picked = {} if state is None else {"state": state.value}
        body["next"] = f"{blueprint.url_prefix}?{urlencode({'after': following, **picked})}"
    return web.answer(body, 200, NO_STORE)


@blueprint.get("/<hex32:batch_id>")
@described(
    "readBatch", "A batch", parameters=(IF_NONE_MATCH,), answers={200: told("As it stands.", BatchShown)}
)
def show(batch_id: str) -> Response:
    """How far it is: lines by state."""
    web.query()
    return web.shown(_told(licence_actor(), batch_id), NO_STORE)


@blueprint.get("/<hex32:batch_id>/items")
@described(
    "readBatchItems", "The lines of a batch",
    parameters=(
        Parameter("after", "The line before the page.", {"type": "integer", "minimum": 0}),
        Parameter("state", "Only lines of this state.", {"enum": [one.value for one in ItemState]}),
    ),
    answers={200: told("A page.", BatchItemPage)},
)  # fmt: skip
def items(batch_id: str) -> Response:
    """What became of each line, in pages of 500; `state` picks one. A line that was refused or failed says
    what is wrong with it, never its values.
    """
    arguments = web.query({"after", "state"})
    after = _after(arguments.get("after", "0"))
    state = web.chosen("state", arguments, ItemState, "no line is ever in this state")
    with database_errors(), Session(web.ports().database.read) as session:
        batch = rules.find_batch(session, licence_actor(), batch_id)
        found, more = rules.page(session, batch.id, after, state)
    body: dict[str, Any] = {"batch": batch_id, "items": [_item(item) for item in found]}
    if more:
        picked = {} if state is None else {"state": state.value}
        body["next"] = f"{_href(batch_id)}/items?{urlencode({'after': found[-1].line, **picked})}"
    return web.answer(body, 200, NO_STORE)


@blueprint.post("/<hex32:batch_id>/cancel")
@described(
    "cancelBatch", "Cancel a batch",
    sends=CancelBody,
    parameters=(IDEMPOTENCY_KEY,),
    answers={200: told("The batch.", BatchShown)},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def cancel(batch_id: str) -> Response:
    """Lines that nobody has begun are not issued. The answer is the batch as it stands then."""
    body = web.parse_body(CancelBody)
    actor = licence_actor(body.operator)
    require_named(actor)

    def work(session: Session) -> Answered:
        rules.cancel(session, web.ports(), actor, batch_id)
        return Answered(200, {})  # told as it stands then

    answered, replayed = repeats.once(actor, body, work)
    return repeats.told(answered, replayed=replayed, **_told(actor, batch_id))


@blueprint.get("/<hex32:batch_id>/documents")
@described(
    "readBatchDocuments", "The documents of a batch",
    answers={200: Answer("A ZIP.", {"application/zip": BINARY})},
    refuses=(Kind.CONFLICT,),
)  # fmt: skip
def documents(batch_id: str) -> Response:
    """A ZIP of the sealed originals, once the batch has come to its end: `<line>-<identifier>.pdf`. Their
    holders see that they were downloaded.
    """
    web.query()
    return documents_answer(licence_actor(), batch_id)


def documents_answer(actor: Actor, batch_id: str) -> Response:
    """Raises VermilionError: NOT_FOUND, FORBIDDEN; CONFLICT before its end; UNAVAILABLE."""
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        batch = rules.find_batch(session, actor, batch_id)
        rules.require_ended(batch)
        length = archive_length(
            (_name(line, name), size) for line, name, size in rules.sealed_sizes(session, batch_id)
        )
        made_at = batch.created_at.astimezone(ports.settings.tz)
    with ExitStack() as held:
        held.enter_context(web.state().batches.one())
        pieces = archive(_files(ports, actor, batch_id), made_at)
        answer = Response(pieces, 200, NO_STORE, mimetype="application/zip")
        answer.call_on_close(held.pop_all().close)
    answer.headers["Content-Length"] = str(length)
    answer.headers["Content-Disposition"] = f'attachment; filename="{batch_id}.zip"'
    return answer


def _files(ports: Ports, actor: Actor, batch_id: str) -> Iterator[tuple[str, bytes]]:
    """What an ended batch has sealed does not change. Each page of it is put into the log of uses before it
    is sent. Where a document cannot be read the archive breaks off, shorter than it was said to be; no answer
    can say why by then, so the log does.
    """
    after = 0
    try:
        while True:
            with Session(ports.database.read) as session:
                found = rules.sealed_items(session, batch_id, after)
            with ports.database.transaction() as session:
                used = [Used(item.edition_id, item.licence_id) for item in found]
                uses.record_many(session, ports, used, UseKind.DOWNLOADED, actor)
            for item in found:
                yield (
                    _name(item.line, item.identifier),
                    read_document(ports.documents, item.store_key, item.sha256),
                )
                after = item.line
            if not found:
                return
    except Exception as error:
        reason = error.reason if isinstance(error, VermilionError) else type(error).__name__
        _log.error("archive_broken_off", batch=batch_id, after_line=after, reason=reason)
        raise


def _name(line: int, identifier: str) -> str:
    return f"{line:0{len(str(MAX_LINES))}}-{identifier}.pdf"


def _told(actor: Actor, batch_id: str) -> dict[str, Any]:
    with database_errors(), Session(web.ports().database.read) as session:
        batch = rules.find_batch(session, actor, batch_id)
        counts = rules.counts(session, batch_id)
    return _batch(batch, counts)


def _batch(batch: Batch, counts: dict[str, int]) -> dict[str, Any]:
    href = _href(batch.id)
    body: dict[str, Any] = {**_named(batch), "counts": counts, "items": f"{href}/items"}
    if batch.waiting_for is not None:
        body["waiting_for"] = batch.waiting_for
    if batch.end_reason is not None:
        body["reason"] = batch.end_reason
    if batch.state == BatchState.REFUSED:
        body["errors"] = f"{href}/items?state={ItemState.REFUSED.value}"
    if batch.state in rules.ENDED and counts.get(ItemState.ISSUED):
        body["documents"] = f"{href}/documents"
    return body


def _named(batch: Batch) -> dict[str, Any]:
    return {
        "id": batch.id,
        "state": batch.state,
        "dry_run": batch.check_only,
        "type": batch.type_code or None,
        "seal": batch.seal_code or None,
        "lines": batch.lines,
        "created_at": instant(batch.created_at),
        "ended_at": None if batch.ended_at is None else instant(batch.ended_at),
    }


def _item(item: rules.Item) -> dict[str, Any]:
    body: dict[str, Any] = {"line": item.line, "state": item.state}
    if item.identifier is not None and item.sha256 is not None:
        body["identifier"] = item.identifier
        body["document"] = {
            "sha256": item.sha256.hex(),
            "href": f"/api/v1/licences/{item.identifier}/document",
            "size": item.size,
            "level": item.level,
        }
    if item.reason is not None:
        body["reason"] = item.reason
    if item.faults:
        body["errors"] = list(item.faults)
    return body


def _href(batch_id: str) -> str:
    return f"/api/v1/batches/{batch_id}"


def _after(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        fault = Fault("?after", "line", "after is the number of a line")
        raise VermilionError(Kind.INVALID, fault.detail, reason="query", faults=(fault,))
    return int(text)
