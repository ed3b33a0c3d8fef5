"""What an auditor reads: events, refusals, uses of keys and of seals, page by page in the order of time.

Each page enters an index where the last one ended and reads a bounded number of rows, so it costs the same
wherever it lies; nothing is counted. A page of events says of each whether the salted commitment written with
it still holds. Reading is itself an event.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Select, literal, select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

from keys.clock import Clock
from keys.errors import Fault, Kind, VermilionError
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.log.refusals import LEGAL_BASIS, REFUSED
from registry.log.rules import Ground, leaf_bytes, record_event
from registry.log.tables import Event, Leaf
from registry.ports import Surroundings
from registry.seals.tables import KeyUse, KeyUseBlock, SealUse
from registry.vault import DISPOSED
from signing.live import SETTLING

PAGE = 500  # rows read at most for one page
_ID = re.compile(r"[0-9a-f]{32}")
_KIND = re.compile(r"[a-z_]{1,40}\.[a-z_]{1,40}")
_CURSOR = re.compile(r"([0-9]{1,17})-([0-9a-f]{32})")  # microseconds since 1970 (to 5138), and the row's id
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
KEPT, BROKEN, MISSING, DISPOSED_OF = "kept", "broken", "missing", "disposed"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for. `until`, by `end_of`, is exclusive and fixed before the first page: reading is an
    event too.
    """

    until: datetime
    since: datetime | None = None
    actor: str | None = None  # a person's id
    kind: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Lines, and where the next page begins; None after the last."""

    lines: tuple[dict[str, Any], ...]
    after: str | None


@dataclass(frozen=True, slots=True)
class Ledger:
    """One of the lists. `filters` names what a question may narrow, besides its times."""

    name: str
    statement: Select[*tuple[Any, ...]]
    at: InstrumentedAttribute[datetime]
    id: InstrumentedAttribute[str]
    line: Callable[[Any], dict[str, Any]]
    filters: Mapping[str, InstrumentedAttribute[Any]] = field(default_factory=dict)


def read(
    session: Session,
    ports: Surroundings,
    auditor: Administrator,
    ledger: Ledger,
    question: Question,
    after: str | None = None,
) -> Page:
    """One page, and the event of its being read.

    Raises VermilionError: FORBIDDEN for who is no auditor in office; INVALID for what the ledger cannot be
    asked.
    """
    in_office(session, auditor, Duty.AUDIT)
    page = _page(session, ledger, question, after)
    asked = {
        "since": None if question.since is None else question.since.isoformat(),
        "until": question.until.isoformat(),
        "actor": question.actor,
        "kind": question.kind,
        "after": after,
    }
    note_reading(session, ports, auditor, ledger.name, asked)
    return page


def note_reading(
    session: Session,
    ports: Surroundings,
    auditor: Administrator,
    ledger: str,
    asked: Mapping[str, str | None],
) -> None:
    """The event of a reading, with what was asked for."""
    now = ports.clock()
    record_event(
        session,
        kind="audit.read",
        subject_kind="audit",
        subject=ledger,
        ground=Ground(LEGAL_BASIS, "audit", now.astimezone(ports.settings.tz).date()),
        actor=auditor,
        now=now,
        random=ports.random,
        detail={name: value for name, value in asked.items() if value is not None},
    )


def _page(session: Session, ledger: Ledger, question: Question, after: str | None) -> Page:
    statement = ledger.statement.where(ledger.at < question.until)
    if question.since is not None:
        statement = statement.where(ledger.at >= question.since)
    for name, value, shape in (("actor", question.actor, _ID), ("kind", question.kind, _KIND)):
        if value is None:
            continue
        if name not in ledger.filters:
            raise _refused(name, f"{ledger.name} have no {name} to ask for")
        if shape.fullmatch(value) is None:  # the question is put on record: no free text
            raise _refused(name, "a person's id" if name == "actor" else "a kind, e.g. person.added")
        statement = statement.where(ledger.filters[name] == value)
    if after is not None:
        at, row_id = place_of(after)
        statement = statement.where(
            tuple_(ledger.at, ledger.id) > tuple_(literal(at, ledger.at.type), literal(row_id))
        )
    rows = session.execute(statement.order_by(ledger.at, ledger.id).limit(PAGE + 1)).all()
    lines = tuple(ledger.line(row) for row in rows[:PAGE])
    return Page(lines, _cursor(ledger, rows[PAGE - 1]) if len(rows) > PAGE else None)


def _cursor(ledger: Ledger, row: Any) -> str:
    entity = row[0]
    return cursor_of(getattr(entity, ledger.at.key), getattr(entity, ledger.id.key))


def cursor_of(at: datetime, row_id: str) -> str:
    """Where a page ends."""
    microseconds = (at - _EPOCH) // (_EPOCH.resolution)
    return f"{microseconds}-{row_id}"


def place_of(after: str) -> tuple[datetime, str]:
    """Time and id of the row at which a page ended. Raises VermilionError(INVALID)."""
    found = _CURSOR.fullmatch(after)
    if found is None:
        raise _refused("after", "after is what `next` of a full page says")
    return _EPOCH + int(found[1]) * _EPOCH.resolution, found[2]


def _refused(name: str, words: str) -> VermilionError:
    return VermilionError(Kind.INVALID, words, reason="query", faults=(Fault(f"?{name}", "query", words),))


# --- the ledgers ---------------------------------------------------------------------------------------


def _event_line(row: Any) -> dict[str, Any]:
    event, leaf = row
    return {
        "id": event.id,
        "at": event.recorded_at.isoformat(),
        "kind": event.kind,
        "subject_kind": event.subject_kind,
        "subject": event.subject,
        "agency": event.agency_code,
        "effective_from": event.effective_from.isoformat(),
        "legal_basis": event.legal_basis,
        "reason": event.reason_code,
        "person": event.person_id,
        "client": event.client_id,
        "operator": event.operator,
        "detail": event.detail,
        "commitment": _commitment(event, leaf),
    }


def _commitment(event: Event, leaf: Leaf | None) -> str:
    if leaf is None:
        return MISSING
    if leaf.salt == DISPOSED:
        return (
            DISPOSED_OF  # with what it was about (`registry.archive.erasure`); `fsck` says where it was not
        )
    return KEPT if leaf.data == leaf_bytes(event, leaf.salt) else BROKEN


def _key_use_line(row: Any) -> dict[str, Any]:
    (use,) = row
    return {
        "id": use.id,
        "begun_at": use.begun_at.isoformat(),
        "ended_at": None if use.ended_at is None else use.ended_at.isoformat(),
        "key": use.key_id,
        "kind": use.kind,
        "record": use.record,
        "sha256": use.digest.hex(),
        "signed": use.signed,
    }


def _block_line(row: Any) -> dict[str, Any]:
    (block,) = row
    return {
        "id": block.id,
        "opened_at": block.opened_at.isoformat(),
        "closed_at": None if block.closed_at is None else block.closed_at.isoformat(),
        "key": block.key_id,
        "kind": block.kind,
        "size": block.size,
        "begun": block.begun,
        "failed": block.failed,
        "sha256": None if block.digest is None else block.digest.hex(),
    }


def _seal_use_line(row: Any) -> dict[str, Any]:
    (use,) = row
    return {
        "id": use.id,
        "begun_at": use.begun_at.isoformat(),
        "ended_at": None if use.ended_at is None else use.ended_at.isoformat(),
        "seal_edition": use.seal_edition_id,
        "place": use.place,
        "authorisation": use.authorisation_id,
        "intent": use.intent_id,
        "state": use.state,
        "document_sha256": None if use.document_sha256 is None else use.document_sha256.hex(),
    }


_EVENTS: Select[*tuple[Any, ...]] = select(Event, Leaf).outerjoin(Leaf, Leaf.event_id == Event.id)

EVENTS = Ledger(
    "events", _EVENTS, Event.recorded_at, Event.id, _event_line,
    {"actor": Event.person_id, "kind": Event.kind},
)  # fmt: skip
REFUSALS = Ledger(
    "refusals", _EVENTS.where(Event.kind == REFUSED), Event.recorded_at, Event.id, _event_line,
    {"actor": Event.person_id},
)  # fmt: skip
KEY_USES = Ledger("key-uses", select(KeyUse), KeyUse.begun_at, KeyUse.id, _key_use_line)
KEY_USE_BLOCKS = Ledger(
    "key-use-blocks", select(KeyUseBlock), KeyUseBlock.opened_at, KeyUseBlock.id, _block_line
)
SEAL_USES = Ledger("seal-uses", select(SealUse), SealUse.begun_at, SealUse.id, _seal_use_line)
LEDGERS = {one.name: one for one in (EVENTS, REFUSALS, KEY_USES, KEY_USE_BLOCKS, SEAL_USES)}


class Trailer:
    """What stands at the end of an export: how many lines, what their commitments say, and the SHA-256 of the
    lines as written, each with its line end, so that an auditor can tell that a file is whole. `until` is the
    `since` of the next export.
    """

    def __init__(self, ledger: Ledger, question: Question) -> None:
        self._ledger, self._until = ledger.name, spoken(question.until)
        self._lines = 0
        self._commitments: dict[str, int] = {}
        self._digest = sha256()

    def written(self, line: Mapping[str, Any]) -> str:
        """The line as it is to be written."""
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
        self._digest.update(text.encode())
        self._lines += 1
        if "commitment" in line:
            said = str(line["commitment"])
            self._commitments[said] = self._commitments.get(said, 0) + 1
        return text

    @property
    def whole(self) -> bool:
        """Whether every event that was written has a commitment that holds."""
        return set(self._commitments) <= {KEPT, DISPOSED_OF}

    def last(self, **more: Any) -> str:
        value = {
            "ledger": self._ledger,
            "until": self._until,
            "lines": self._lines,
            "commitments": self._commitments,
            "sha256": self._digest.hexdigest(),
            **more,
        }
        return json.dumps({"trailer": value}, ensure_ascii=False, separators=(",", ":")) + "\n"


def end_of(clock: Clock, until: datetime | None) -> datetime:
    """Where a reading ends and the next one begins: as asked, and never later than all is settled."""
    # What is younger waits for the next export, so that exports from end to end leave nothing out.
    settled = clock().replace(microsecond=0) - SETTLING
    return settled if until is None else min(until, settled)


def spoken(at: datetime) -> str:
    """As `instant` reads it."""
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def instant(name: str, text: str | None) -> datetime | None:
    """An instant of a question: RFC 3339 in UTC, whole seconds. Raises VermilionError(INVALID)."""
    if text is None:
        return None
    try:
        if re.fullmatch(r"[0-9-]{10}T[0-9:]{8}Z", text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise _refused(name, "an instant is written YYYY-MM-DDThh:mm:ssZ")


def pages(ask: Callable[[str | None], Page]) -> Iterator[Page]:
    """Page after page."""
    after: str | None = None
    while True:
        page = ask(after)
        yield page
        after = page.after
        if after is None:
            return
