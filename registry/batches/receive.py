"""Taking a batch in: line by line, each encrypted before it is kept, nothing of it trusted.

What a line's form says is judged here, its values later (`work`): a body may take its time to come, and
whoever sends it is answered once it is there.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import Any, Protocol

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.batches.lines import Line, read_lines
from registry.batches.requests import close_request
from registry.batches.states import UNFINISHED, BatchState, ItemState
from registry.batches.tables import Batch, BatchItem
from registry.licences.duties import require_officer
from registry.licences.examine import IssueRequest, check_seals, civil_day, may_issue, not_entitled
from registry.licences.forms import issue_request
from registry.licences.outage import database_errors
from registry.licences.types import current_type
from registry.ports import Ports
from registry.rows import changed_rows, insert_absent
from registry.seals.use import usable_seal

MAX_BODY = 256 * 1024 * 1024
MAX_LINES = 100_000
MAX_UNFINISHED = 10  # batches of one client
CHUNK = 64 * 1024
SLAB_LINES, SLAB_BYTES = 500, 2 * 1024 * 1024  # that are kept in one transaction
RETRY_SECONDS = 60


class Readable(Protocol):
    """What a body comes from."""

    def read(self, size: int, /) -> bytes:
        """The next octets; none at its end."""


@dataclass(frozen=True, slots=True)
class Upload:
    """A body on its way."""

    stream: Readable
    length: int | None  # bytes, as its sender said; None: the stream itself raises where it is cut off
    media_type: str  # of `lines`


@dataclass
class _Body:
    """An upload's bytes, counted and digested as they are read."""

    upload: Upload
    count: int = 0
    digest: Any = field(default_factory=sha256)

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.upload.stream.read(CHUNK):
            self.count += len(chunk)
            self.digest.update(chunk)
            yield chunk

    def drain(self) -> None:
        """Read what is left: who is still sending would not read an answer."""
        for _ in self:
            pass

    def mac(self, ports: Ports, *, check_only: bool) -> bytes:
        """What tells this body from another. Raises VermilionError(MALFORMED) for one that was cut off: a
        server shows the end of a connection as the end of its body.
        """
        if self.upload.length is not None and self.count != self.upload.length:
            raise VermilionError(Kind.MALFORMED, "the body ended before its end", reason="cut")
        purpose = "check" if check_only else "issue"
        return ports.vault.blind("batch", self.upload.media_type, purpose, self.digest.hexdigest())


def receive(ports: Ports, actor: Actor, upload: Upload, key: str, *, check_only: bool) -> tuple[str, bool]:
    """Keep a batch for checking and issuing: its id, and whether this very request was served before.

    The type and seal of the first line that is right in form are the batch's; whether the client may use them
    is asked at once. A batch that is refused later, or that never comes whole, sets the key free. Raises
    VermilionError: as `issue` where type or seal may not be used; INVALID (`empty`, `header`); MALFORMED;
    TOO_LARGE (`too_many_lines`); TOO_MANY; IDEMPOTENCY_REUSED; IN_PROGRESS; UNAVAILABLE.
    """
    require_officer(actor)
    ports.vault.ready()
    body = _Body(upload)
    try:
        batch_id, before = _begin(ports, actor, key, check_only=check_only)
        if before is not None:
            body.drain()
            if not hmac.compare_digest(before, body.mac(ports, check_only=check_only)):
                raise VermilionError(
                    Kind.IDEMPOTENCY_REUSED,
                    "the idempotency key was used for another batch",
                    reason="key_reused",
                )
            return batch_id, True
        try:
            _keep(ports, actor, batch_id, body, check_only=check_only)
        except BaseException:
            _drop(ports, batch_id)
            raise
    except VermilionError:
        body.drain()
        raise
    return batch_id, False


def _begin(ports: Ports, actor: Actor, key: str, *, check_only: bool) -> tuple[str, bytes | None]:
    """A new batch's id; or an earlier one's under this key, with the MAC of its body."""
    now = ports.clock()
    batch_id = ports.random(16).hex()
    of_client = select(Batch).where(Batch.client_id == actor.client_id)
    with database_errors(), ports.database.transaction() as session:
        found = session.scalars(of_client.where(Batch.idempotency_key == key).with_for_update()).one_or_none()
        if found is not None and found.body_mac is not None:
            return found.id, found.body_mac
        if found is not None and found.due_at is not None and found.due_at > now:
            raise _in_progress(found.due_at, now)
        if found is not None:
            set_aside(session, found.id, now)
        unfinished = (
            select(func.count())
            .select_from(Batch)
            .where(Batch.client_id == actor.client_id, Batch.state.in_(UNFINISHED))
        )
        if (session.scalar(unfinished) or 0) >= MAX_UNFINISHED:
            raise VermilionError(
                Kind.TOO_MANY,
                f"the client has {MAX_UNFINISHED} batches that are not done",
                reason="too_many_batches",
                retry_after=RETRY_SECONDS,
            )
        until = now + ports.settings.lease
        row: dict[str, object] = {
            "id": batch_id, "client_id": actor.client_id, "person_id": actor.person_id,
            "agency_code": actor.agency_code, "operator": "", "idempotency_key": key, "body_mac": None,
            "check_only": check_only, "type_code": "", "seal_code": "", "state": BatchState.RECEIVING.value,
            "lines": 0, "outages": 0, "due_at": until, "created_at": now,
        }  # fmt: skip
        if not insert_absent(session, [row], Batch.id):
            raise _in_progress(until, now)
    return batch_id, None


def set_aside(session: Session, batch_id: str, now: datetime) -> bool:
    """Give up a batch that is not whole; a worker removes its rows. False if it came whole meanwhile."""
    coming = update(Batch).where(Batch.id == batch_id, Batch.state == BatchState.RECEIVING)
    values = {"state": BatchState.DROPPED.value, "idempotency_key": None, "due_at": now}
    return changed_rows(session, coming.values(values)) == 1


def _drop(ports: Ports, batch_id: str) -> None:
    """What cannot be given up now, a worker gives up once the lease has lapsed."""
    try:
        with database_errors(), ports.database.transaction() as session:
            set_aside(session, batch_id, ports.clock())
    except VermilionError:
        pass


def _keep(ports: Ports, actor: Actor, batch_id: str, body: _Body, *, check_only: bool) -> None:
    first: IssueRequest | None = None
    lines = 0
    slab = _Slab(ports, batch_id)
    for line in read_lines(body.upload.media_type, body):
        lines += 1
        if lines > MAX_LINES:
            detail = f"a batch has at most {MAX_LINES} lines"
            raise VermilionError(Kind.TOO_LARGE, detail, reason="too_many_lines")
        request, faults = _formed(line)
        if request is not None and first is None:
            first = request
            _require_entitled(ports, replace(actor, operator=first.operator), first)
        if request is not None and first is not None:
            faults = _differing(first, request)
        slab.add(line, faults)
    mac = body.mac(ports, check_only=check_only)
    if lines == 0:
        raise VermilionError(Kind.INVALID, "the batch has no line", reason="empty")
    slab.flush()
    _commit(ports, batch_id, lines, mac, first)


def _commit(ports: Ports, batch_id: str, lines: int, mac: bytes, first: IssueRequest | None) -> None:
    """It came whole. Where no line has even the right form, there is nothing left to check."""
    now = ports.clock()
    values: dict[str, object] = {"lines": lines, "body_mac": mac, "due_at": now}
    if first is None:
        values |= {"state": BatchState.REFUSED.value, "idempotency_key": None, "ended_at": now}
    else:
        values |= {
            "state": BatchState.CHECKING.value,
            "operator": first.operator,
            "type_code": first.type_code,
            "seal_code": first.seal_code,
        }
    with database_errors(), ports.database.transaction() as session:
        coming = update(Batch).where(Batch.id == batch_id, Batch.state == BatchState.RECEIVING)
        if changed_rows(session, coming.values(values)) != 1:
            raise _given_up()


@dataclass
class _Slab:
    """Lines that are kept together."""

    ports: Ports
    batch_id: str
    rows: list[dict[str, object]] = field(default_factory=list)
    size: int = 0
    since: datetime | None = None

    def add(self, line: Line, faults: tuple[Fault, ...]) -> None:
        row: dict[str, object] = {
            "batch_id": self.batch_id, "line": line.number, "state": ItemState.RECEIVED.value, "attempt": 0,
            "request": None, "reason": None, "faults": None,
        }  # fmt: skip
        if faults:
            row |= refusal(faults)
        else:
            kept = close_request(self.ports.vault, self.batch_id, line.number, line.value)
            row["request"] = kept
            self.size += len(kept)
        self.rows.append(row)
        now = self.ports.clock()
        self.since = self.since or now
        late = now - self.since > self.ports.settings.lease / 4
        if len(self.rows) >= SLAB_LINES or self.size >= SLAB_BYTES or late:
            self.flush()

    def flush(self) -> None:
        """Keep them, and hold the batch's lease for another while."""
        if not self.rows:
            return
        until = self.ports.clock() + self.ports.settings.lease
        with database_errors(), self.ports.database.transaction() as session:
            coming = update(Batch).where(Batch.id == self.batch_id, Batch.state == BatchState.RECEIVING)
            if changed_rows(session, coming.values(due_at=until)) != 1:
                raise _given_up()
            session.execute(insert(BatchItem), self.rows)
        self.rows, self.size, self.since = [], 0, None


def refusal(faults: tuple[Fault, ...]) -> dict[str, object]:
    """The columns of a line that is refused. Its request is not kept."""
    return {
        "state": ItemState.REFUSED.value,
        "request": None,
        "reason": faults[0].reason[:60],
        "faults": [{"pointer": f.field, "reason": f.reason, "detail": f.detail} for f in faults],
    }


def faults_of(error: VermilionError) -> tuple[Fault, ...]:
    """At least one fault for whatever is refused."""
    return error.faults or (Fault("", error.reason, error.detail),)


def _formed(line: Line) -> tuple[IssueRequest | None, tuple[Fault, ...]]:
    if line.fault is not None:
        return None, (line.fault,)
    try:
        return issue_request(line.value), ()
    except VermilionError as error:
        return None, faults_of(error)


def _differing(first: IssueRequest, request: IssueRequest) -> tuple[Fault, ...]:
    wanted: tuple[tuple[str, str, Callable[[IssueRequest], object]], ...] = (
        ("/type", "type_differs", lambda r: r.type_code),
        ("/seal", "seal_differs", lambda r: r.seal_code),
        ("/co_seals", "seal_differs", lambda r: r.co_seals),
    )
    detail = "a batch has one type and the same seals throughout: those of its first right line"
    return tuple(Fault(at, reason, detail) for at, reason, of in wanted if of(request) != of(first))


def _require_entitled(ports: Ports, actor: Actor, request: IssueRequest) -> None:
    """As for a single licence; nothing is drawn from the authorisation's limit. One that is used up today is
    no reason to refuse: the batch waits for the next day.
    """
    now = ports.clock()
    with database_errors(), Session(ports.database.read) as session:
        if not may_issue(session, actor.client_id, actor.agency_code, request.type_code):
            raise not_entitled()
        loaded = current_type(session, request.type_code)
        if loaded is None:
            raise field_fault("/type", "type_unknown", "no such licence type is published")
        check_seals(loaded, request)
        for place, code in enumerate((request.seal_code, *request.co_seals), 1):
            usable_seal(
                session,
                seal_code=code,
                client_id=actor.client_id,
                agency_code=actor.agency_code,
                type_code=request.type_code,
                seal_kind=loaded.type.kind_at(place),
                day=civil_day(now, ports.settings.tz),
                now=now,
                place=place,
            )


def _in_progress(until: datetime, now: datetime) -> VermilionError:
    left = max(1, int((until - now).total_seconds()) + 1)
    return VermilionError(
        Kind.IN_PROGRESS, "the same batch is being received", reason="in_progress", retry_after=left
    )


def _given_up() -> VermilionError:
    return VermilionError(
        Kind.UNAVAILABLE, "the body took too long to come: send it again", reason="stalled", retry_after=1
    )
