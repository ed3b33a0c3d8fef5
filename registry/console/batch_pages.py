"""Batches: listed, sent as a file, watched, cancelled, fetched. Each page asks the rules of the API."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry import web
from registry.actor import Actor
from registry.agencies.rules import SCOPE_LICENCE
from registry.batches import rules
from registry.batches.api import documents_answer
from registry.batches.lines import CSV, NDJSON
from registry.batches.receive import MAX_BODY, Upload, receive
from registry.batches.states import UNFINISHED, BatchState, ItemState
from registry.batches.tables import Batch
from registry.console.browser import (
    at,
    blueprint,
    fresh,
    go,
    live,
    page,
    require_token_told,
    said,
    staff,
    words,
)
from registry.console.grounds import number_or_none
from registry.console.rendering import language_of
from registry.console.uploads import FileForm
from registry.licences.duties import require_officer
from registry.licences.outage import database_errors
from registry.licences.types import known_type

BATCHES = "/console/batches"
SHOWN = 25
LINES_SHOWN = 50
FAULTS_SHOWN = 5  # of a line
MEDIA = {".csv": CSV, ".ndjson": NDJSON, ".jsonl": NDJSON}
"""By how a file's name ends: what browsers say of a file depends on what is installed beside them."""

_TOLD_BY_PAGE = {
    Kind.INVALID, Kind.MALFORMED, Kind.TOO_LARGE, Kind.TOO_MANY, Kind.UNSUPPORTED_MEDIA, Kind.CONFLICT,
    Kind.IN_PROGRESS, Kind.IDEMPOTENCY_REUSED, Kind.NOT_FOUND, Kind.FORBIDDEN,
}  # fmt: skip
_NOT_TOLD = {"duty", "scope", "role", "form", "origin", "step_up"}  # of who asks, not of what is sent
_SETTLED = {
    BatchState.CHECKING: {ItemState.WAITING, ItemState.REFUSED},
    BatchState.ISSUING: {ItemState.ISSUED, ItemState.FAILED},
    BatchState.CANCELLING: {ItemState.ISSUED, ItemState.FAILED, ItemState.CANCELLED},
}
"""Lines that are done with, in each state of their batch that has still something to do."""


@blueprint.get("/batches")
def batches() -> Response:
    after = request.args.get("after")
    if after is not None and not re.fullmatch(r"[0-9a-f]{32}", after):
        raise VermilionError(Kind.MALFORMED, "no page ended so", reason="cursor")
    actor = staff(SCOPE_LICENCE)
    with database_errors(), Session(web.ports().database.read) as session:
        found, following = rules.batches_of(session, actor, after, SHOWN)
        rows = [row_of(session, one) for one in found]
    return page("batches.html", rows=rows, after=following)


@blueprint.get("/batches/new")
def sending_batch() -> Response:
    fresh()  # before somebody chooses a file, which no page can give back
    return _form_page()


@blueprint.post("/batches/new")
def send_batch() -> Response:
    """The file is read as it comes, by the rules of the API: each line that is right in form is kept
    encrypted, and nothing else of it anywhere. The key of the form makes a second press the same request.
    """
    actor = staff(SCOPE_LICENCE)
    require_officer(actor)
    with web.state().batches.one():
        sent = FileForm(max_bytes=MAX_BODY)
        try:
            batch_id = _received(actor, sent)
        except VermilionError as error:
            sent.drain()
            if error.kind not in _TOLD_BY_PAGE or error.reason in _NOT_TOLD:
                raise
            return _form_page(error)
    return go(f"{BATCHES}/{batch_id}")


def _received(actor: Actor, sent: FileForm) -> str:
    require_token_told(live(), sent.fields.get("form"))
    fresh()
    key, purpose = sent.fields.get("key", ""), sent.fields.get("purpose", "")
    if not re.fullmatch(r"[0-9a-f]{32}", key) or purpose not in {"check", "issue"}:
        raise VermilionError(Kind.MALFORMED, "the form is not whole", reason="request")
    ending = re.search(r"\.[a-z]+\Z", sent.file_name.lower())
    media = MEDIA.get("" if ending is None else ending[0])
    if media is None:
        raise VermilionError(
            Kind.INVALID, "the file's name ends in .csv, .ndjson or .jsonl", reason="file_kind"
        )
    upload = Upload(sent, None, media)
    batch_id, _ = receive(web.ports(), actor, upload, f"console-{key}", check_only=purpose == "check")
    return batch_id


def _form_page(error: VermilionError | None = None) -> Response:
    require_officer(staff(SCOPE_LICENCE))
    return page(
        "batch_form.html",
        error=error,
        key=web.ports().random(16).hex(),
        fault=None if error is None else said(error.reason),
        faults=[]
        if error is None
        else [(one.field, _line_words(one.reason, one.detail)) for one in error.faults],
    )


def row_of(session: Session, batch: Batch) -> dict[str, Any]:
    """What a list says of a batch."""
    known = known_type(session, batch.type_code) if batch.type_code else None
    return {
        "id": batch.id,
        "at": at(batch.created_at),
        "type": batch.type_code if known is None else known.name[language_of(request)],
        "lines": batch.lines,
        "dry_run": batch.check_only,
        "state": words()[f"batch_{batch.state}"],
        "tone": _tone(batch),
    }


def _tone(batch: Batch) -> str:
    return {BatchState.REFUSED: "failed", BatchState.CANCELLED: "suspended"}.get(
        BatchState(batch.state), "active"
    )


# --- one batch -----------------------------------------------------------------------------------------


@blueprint.get("/batches/<hex32:batch_id>")
def batch(batch_id: str) -> Response:
    return _batch_page(batch_id)


@blueprint.post("/batches/<hex32:batch_id>")
def cancel_batch(batch_id: str) -> Response:
    fresh()
    actor, ports = staff(SCOPE_LICENCE), web.ports()
    require_officer(actor)
    try:
        with database_errors(), ports.database.transaction() as session:
            rules.cancel(session, ports, actor, batch_id)
    except VermilionError as error:
        if error.kind is not Kind.CONFLICT:
            raise
        return _batch_page(batch_id, error)
    return go(f"{BATCHES}/{batch_id}")


@blueprint.get("/batches/<hex32:batch_id>/documents")
def batch_documents(batch_id: str) -> Response:
    """A ZIP of the sealed originals."""
    return documents_answer(staff(SCOPE_LICENCE), batch_id)


def _batch_page(batch_id: str, error: VermilionError | None = None) -> Response:
    actor, told = staff(SCOPE_LICENCE), words()
    after = number_or_none(request.args.get("after", "0"))
    asked = request.args.get("state")
    if after is None or asked not in {None, *ItemState}:
        raise VermilionError(Kind.MALFORMED, "no page ended so", reason="cursor")
    with database_errors(), Session(web.ports().database.read) as session:
        found = rules.find_batch(session, actor, batch_id)
        counted = rules.counts(session, batch_id)
        state = ItemState(asked) if asked else _of_interest(counted)
        lines, more = rules.page(session, batch_id, after, state, LINES_SHOWN)
        row = row_of(session, found)
    running = found.state in UNFINISHED
    settled = sum(counted.get(one, 0) for one in _SETTLED.get(BatchState(found.state), set()))
    return page(
        "batch.html",
        error=error,
        batch=row,
        seal=found.seal_code,
        ended=at(found.ended_at) if found.ended_at else None,
        running=running,
        watching=running and request.args.get("still") != "1",
        settled=settled,
        tenths=0 if not found.lines else settled * 10 // found.lines * 10,
        counts=[(one.value, told[f"item_{one}"], counted[one]) for one in ItemState if counted.get(one)],
        waiting_for=None if found.waiting_for is None else _why(found.waiting_for),
        why=None if found.end_reason is None else _why(found.end_reason),
        right=found.state == BatchState.CHECKED,
        refused=found.state == BatchState.REFUSED,
        may_cancel=found.state in {BatchState.CHECKING, BatchState.ISSUING},
        fetchable=found.state in rules.ENDED and counted.get(ItemState.ISSUED, 0) > 0,
        state=None if state is None else state.value,
        lines=[_line(one) for one in lines],
        after=lines[-1].line if more else None,
        fault=None if error is None else said(error.reason),
    )


def _of_interest(counted: dict[str, int]) -> ItemState | None:
    """Lines that something is wrong with come first."""
    return next((one for one in (ItemState.REFUSED, ItemState.FAILED) if counted.get(one)), None)


def _why(reason: str) -> str:
    """A reason of a batch or a line, in words where there are some."""
    return words().get(f"fault_{reason}") or words().get(f"why_{reason}", reason)


def _line(item: rules.Item) -> dict[str, Any]:
    faults: Sequence[Any] = item.faults or ()
    return {
        "line": item.line,
        "state": words()[f"item_{item.state}"],
        "identifier": item.identifier,
        "reason": None if item.reason is None or faults else _why(item.reason),
        "faults": [
            (one["pointer"], _line_words(one["reason"], one["detail"])) for one in faults[:FAULTS_SHOWN]
        ],
        "more": max(0, len(faults) - FAULTS_SHOWN),
    }


def _line_words(reason: str, detail: str) -> str:
    """What is wrong, in the reader's language; in the API's own words where the console has none."""
    return words().get(f"line_{reason}", detail)
