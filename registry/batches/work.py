"""What happens to batches in the background: checked, issued, wound up, their requests erased.

Slice by slice, each in short transactions and none of them in a transaction while it issues. Whatever is out
puts a batch off and keeps no other waiting; a process that dies leaves claims that lapse (`claims`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import delete, func, or_, select, update
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.batches import rules
from registry.batches.claims import CHECK, ISSUE, SLICE, WIND_UP, Claimed, Phase, claim, give_back, locked
from registry.batches.receive import faults_of, refusal, set_aside
from registry.batches.requests import KeptRequest, open_request, ordered
from registry.batches.states import UNFINISHED, BatchState, ItemState
from registry.batches.tables import Batch, BatchItem
from registry.licences.examine import IssueRequest, civil_day, examine
from registry.licences.idempotency import request_mac, served_before
from registry.licences.issue import Issued
from registry.licences.issue_many import Ordered, issue_many
from registry.licences.numbers import number_mac
from registry.licences.outage import DATABASE_OUT, database_errors
from registry.licences.room import require_room
from registry.licences.tables import Number
from registry.ports import Ports
from registry.rows import changed_rows

SWEEP = 1000  # lines that are changed or removed together, where nothing but rows is touched
LONGEST_REST = timedelta(minutes=5)
DEFECT_REST = timedelta(minutes=1)
AGAIN = frozenset({"taken_over", "seal_changed", "qr_key_retired", "intent"})
"""Refusals of what changed while a licence was being sealed: asked again, the rules see what holds now. The
last is the custodian's, where the intent's lease had run out by then.
"""

DAILY_LIMIT, DEFECT = "daily_limit", "defect"
Columns = dict[str, object]


@dataclass
class Round:
    """One round of work: how many lines it claims at once, and what it could not do."""

    size: int = SLICE
    outages: dict[str, VermilionError] = field(default_factory=dict)  # by batch: it is put off
    defects: list[tuple[str, Exception]] = field(default_factory=list)  # batch: what must not happen

    def __bool__(self) -> bool:
        return bool(self.outages or self.defects)


def work(ports: Ports, stopped: Callable[[], bool] = lambda: False, size: int = SLICE) -> Round:
    """Do what is due, a slice of one batch after another, until nothing is or `stopped` says so.

    A defect in one batch keeps no other waiting. Raises VermilionError(UNAVAILABLE) without a database.
    """
    round_ = Round(size)
    while not stopped():
        with database_errors(), ports.database.read.connect() as connection:
            due = select(Batch.id, Batch.state).where(Batch.due_at <= ports.clock())
            row = connection.execute(due.order_by(Batch.due_at, Batch.id).limit(1)).one_or_none()
        if row is None:
            break
        try:
            with database_errors():
                STEPS[BatchState(row.state)](ports, row.id, round_)
        except Exception as error:  # noqa: BLE001  (whatever it is, the others are not kept waiting)
            _put_off(ports, row.id, error, round_)
    return round_


def _put_off(ports: Ports, batch_id: str, error: Exception, round_: Round) -> None:
    outage = error if isinstance(error, VermilionError) and error.kind is Kind.UNAVAILABLE else None
    if outage is None:
        round_.defects.append((batch_id, error))
    elif outage.reason == DATABASE_OUT:
        raise outage
    with database_errors(), ports.database.transaction() as session:
        batch = session.get_one(Batch, batch_id, with_for_update=True)
        if outage is None:
            batch.due_at = ports.clock() + DEFECT_REST
        else:
            _rest(batch, ports.clock(), outage, round_)


def _rest(batch: Batch, now: datetime, outage: VermilionError, round_: Round) -> None:
    """Longer each time that nothing came of it."""
    batch.outages += 1
    rest = timedelta(seconds=max(2 ** min(batch.outages, 10), outage.retry_after or 0))
    batch.due_at = now + min(rest, LONGEST_REST)
    batch.waiting_for = outage.reason[:60]
    round_.outages[batch.id] = outage


# --- checking ------------------------------------------------------------------------------------------


def _check(ports: Ports, batch_id: str, round_: Round) -> None:
    claimed = claim(ports, batch_id, CHECK, round_.size)
    if claimed is None:
        return
    batch, items = claimed
    if not items:
        _end_check(ports, batch_id)
        return
    with Session(ports.database.read) as session:
        actor = rules.acting_for(session, batch)
        found = [None] * len(items) if actor is None else _judged(session, ports, actor, batch, items)
    held: list[tuple[Claimed, Columns]] = []
    outage: VermilionError | None = None
    for item, what in zip(items, found, strict=True):
        if isinstance(what, bytes):
            held.append((item, {"state": ItemState.WAITING.value, "attempt": 0, "number_mac": what or None}))
        elif what is None or what.kind is Kind.UNAVAILABLE:
            outage = outage or what
            held.append((item, {"state": ItemState.RECEIVED.value}))
        else:
            held.append((item, refusal(faults_of(what))))
    _settle(ports, batch_id, CHECK, held, outage, round_, may_act=actor is not None)


def _judged(
    session: Session, ports: Ports, actor: Actor, batch: Batch, items: Sequence[Claimed]
) -> list[bytes | VermilionError]:
    """All that reading can say of lines, as of single requests: what is wrong with each; else the MAC of its
    number, empty where the registry gives that.
    """
    day = civil_day(ports.clock(), ports.settings.tz)

    def opened(item: Claimed) -> IssueRequest | VermilionError:
        try:
            return open_request(ports.vault, batch.id, item.line, item.request).request
        except VermilionError as error:
            return error

    requests = [opened(item) for item in items]
    readable = [request for request in requests if isinstance(request, IssueRequest)]
    examined = iter(examine(session, actor, readable, day, ports.fonts))

    def judged(request: IssueRequest | VermilionError) -> bytes | VermilionError:
        found = request if isinstance(request, VermilionError) else next(examined)
        if isinstance(found, VermilionError):
            return found
        try:
            require_room(ports, found, actor.agency_code)
            if found.number is None:
                return b""
            return number_mac(ports.vault, batch.type_code, actor.agency_code, found.number)
        except VermilionError as error:
            return error

    outcomes = [judged(request) for request in requests]
    macs = {outcome for outcome in outcomes if isinstance(outcome, bytes)}
    of_agency = select(Number.number_mac).where(
        Number.type_code == batch.type_code,
        Number.issuer_code == actor.agency_code,
        Number.number_mac.in_(macs),
    )
    taken = set(session.scalars(of_agency))
    detail = "the agency has a licence of this type with this number"
    refused = field_fault("/number", "number_taken", detail, Kind.CONFLICT)
    return [refused if outcome in taken else outcome for outcome in outcomes]


def _end_check(ports: Ports, batch_id: str) -> None:
    """Every line was looked at: all are right, and the batch is accepted, or nothing of it is issued."""
    with ports.database.transaction() as session:
        batch = locked(session, batch_id, CHECK.batch)
        if batch is None or _await_others(session, ports, batch, CHECK):
            return
        _refuse_repeated_numbers(session, batch_id)
        now = batch.due_at = ports.clock()
        if rules.counts(session, batch_id).get(ItemState.REFUSED, 0):
            batch.state, batch.ended_at, batch.idempotency_key = BatchState.REFUSED, now, None
        elif batch.check_only:
            batch.state, batch.ended_at = BatchState.CHECKED, now
        else:
            batch.state = BatchState.ISSUING
            rules.record(session, ports, batch, "accepted", rules.acting_for(session, batch))


def _refuse_repeated_numbers(session: Session, batch_id: str) -> None:
    mine = (BatchItem.batch_id == batch_id, BatchItem.number_mac.is_not(None))
    repeated = (
        select(BatchItem.number_mac, func.min(BatchItem.line).label("first"))
        .where(*mine)
        .group_by(BatchItem.number_mac)
        .having(func.count() > 1)
        .subquery()
    )
    later = (
        select(BatchItem.line)
        .join(repeated, repeated.c.number_mac == BatchItem.number_mac)
        .where(*mine, BatchItem.line > repeated.c.first)
    )
    fault = Fault("/number", "number_repeated", "an earlier line has this number")
    values = refusal((fault,)) | {"number_mac": None}
    lines = list(session.scalars(later))
    for at in range(0, len(lines), SWEEP):
        some = update(BatchItem).where(
            BatchItem.batch_id == batch_id, BatchItem.line.in_(lines[at : at + SWEEP])
        )
        changed_rows(session, some.values(values))


# --- issuing -------------------------------------------------------------------------------------------


def _issue(ports: Ports, batch_id: str, round_: Round) -> None:
    claimed = claim(ports, batch_id, ISSUE, round_.size)
    if claimed is None:
        return
    batch, items = claimed
    if not items:
        _end(ports, batch_id, ISSUE, BatchState.DONE)
        return
    with Session(ports.database.read) as session:
        actor = rules.acting_for(session, batch)
    if actor is None:
        unbegun: list[tuple[Claimed, Columns]] = [(i, {"state": ItemState.WAITING.value}) for i in items]
        _settle(ports, batch_id, ISSUE, unbegun, None, round_, may_act=False)
        return
    held: list[tuple[Claimed, Columns]] = []
    orders: list[tuple[Claimed, Ordered]] = []
    for item in items:
        kept = _opened(ports, batch_id, item)
        if isinstance(kept, KeptRequest):
            orders.append((item, ordered(batch_id, item.line, kept)))
        else:
            held.append((item, kept))
    outcomes = _outcomes(ports, actor, batch_id, [order for _, order in orders], round_)
    outage: VermilionError | None = None
    issued: list[tuple[int, str]] = []
    for (item, order), told in zip(orders, outcomes, strict=True):
        outcome = told
        if isinstance(told, VermilionError) and told.reason == DEFECT:
            outcome = _after_defect(ports, actor, order)
        if isinstance(outcome, Issued):
            issued.append((item.line, outcome.edition_id))
        elif _is_for_later(outcome):
            outage = outcome if outage is None or outcome.reason == DAILY_LIMIT else outage
            held.append((item, {"state": ItemState.WAITING.value}))
        else:
            held.append((item, _failure(outcome)))
    _settle(ports, batch_id, ISSUE, held, outage, round_, issued)


def _opened(ports: Ports, batch_id: str, item: Claimed) -> KeptRequest | Columns:
    """The request; or what to put down where it was altered. Raises VermilionError(UNAVAILABLE)."""
    try:
        return open_request(ports.vault, batch_id, item.line, item.request)
    except VermilionError as error:
        if error.kind is Kind.UNAVAILABLE:
            raise
        return _failure(error)


def _is_for_later(error: VermilionError) -> bool:
    return error.kind in {Kind.UNAVAILABLE, Kind.IN_PROGRESS} or error.reason in AGAIN | {DAILY_LIMIT}


def _failure(error: VermilionError) -> Columns:
    return refusal(faults_of(error)) | {
        "state": ItemState.FAILED.value,
        "reason": error.reason[:60],
        "number_mac": None,
    }


def _outcomes(
    ports: Ports, actor: Actor, batch_id: str, orders: Sequence[Ordered], round_: Round
) -> list[Issued | VermilionError]:
    """One for each. A defect is its own line's: the others are asked again, which issues nothing twice."""
    if not orders:
        return []
    try:
        return issue_many(ports, actor, orders)
    except Exception as error:  # noqa: BLE001
        if isinstance(error, VermilionError) and (len(orders) == 1 or error.kind is Kind.UNAVAILABLE):
            return [error] * len(orders)
        if len(orders) > 1:
            return [_outcomes(ports, actor, batch_id, [order], round_)[0] for order in orders]
        round_.defects.append((batch_id, error))
        return [VermilionError(Kind.UNAVAILABLE, "the licence could not be issued", reason=DEFECT)]


def _after_defect(ports: Ports, actor: Actor, order: Ordered) -> VermilionError:
    """A line has failed only where no licence can come of it any more: an intent may be open, or done."""
    try:
        with database_errors(), Session(ports.database.read) as session:
            if _served(session, ports, actor.client_id, order) is None:
                return VermilionError(Kind.CONFLICT, "the licence could not be issued", reason=DEFECT)
    except VermilionError as error:
        return error
    return VermilionError(Kind.IN_PROGRESS, "the licence is registered", reason="in_progress")


def _served(session: Session, ports: Ports, client_id: str, order: Ordered) -> str | None:
    asked = {order.idempotency_key: request_mac(ports.vault, order.body_sha256)}
    found = served_before(session, client_id, asked, ports.clock()).get(order.idempotency_key)
    if isinstance(found, VermilionError):
        raise found
    return found


def _settle(
    ports: Ports,
    batch_id: str,
    phase: Phase,
    held: list[tuple[Claimed, Columns]],
    outage: VermilionError | None,
    round_: Round,
    issued: Sequence[tuple[int, str]] = (),
    *,
    may_act: bool = True,
) -> None:
    """Put down what became of a slice, and when the batch is due again.

    That a line was issued is a fact, whoever learns of it and however late; all else counts only while the
    line is still the caller's. A batch that others brought to its end meanwhile is not due again.
    """
    waiting = phase.waiting.value
    moved = bool(issued) or any(columns["state"] != waiting for _, columns in held)
    with ports.database.transaction() as session:
        batch = session.get_one(Batch, batch_id, with_for_update=True)
        give_back(session, batch_id, phase, held)
        for line, edition_id in issued:
            fact = update(BatchItem).where(
                BatchItem.batch_id == batch_id, BatchItem.line == line, BatchItem.edition_id.is_(None)
            )
            values = {
                "state": ItemState.ISSUED.value, "edition_id": edition_id, "request": None,
                "number_mac": None, "reason": None, "faults": None, "lease_until": None,
            }  # fmt: skip
            changed_rows(session, fact.values(values))
        if batch.state in UNFINISHED:
            _due_again(ports, batch, outage, round_, moved=moved)
        session.flush()
        if not may_act:
            rules.stop(session, ports, batch_id, None, "not_entitled")


def _due_again(
    ports: Ports, batch: Batch, outage: VermilionError | None, round_: Round, *, moved: bool
) -> None:
    now = ports.clock()
    if moved:
        batch.outages, batch.waiting_for = 0, None
    if outage is not None and outage.reason == DAILY_LIMIT:
        batch.due_at, batch.waiting_for = _next_day(ports, now), DAILY_LIMIT
    elif outage is not None and not moved:
        _rest(batch, now, outage, round_)
    else:
        batch.due_at = now


def _next_day(ports: Ports, now: datetime) -> datetime:
    """When the registry's next civil day begins, and its limits with it."""
    tz = ports.settings.tz
    return datetime.combine(civil_day(now, tz) + timedelta(days=1), time(), tz).astimezone(UTC)


# --- coming to an end ----------------------------------------------------------------------------------


def _await_others(session: Session, ports: Ports, batch: Batch, phase: Phase) -> bool:
    """Whether lines are left that somebody has to bring to their end; the batch is due again then."""
    of_batch = select(func.count(), func.min(BatchItem.lease_until)).where(
        BatchItem.batch_id == batch.id, BatchItem.state.in_([phase.waiting, phase.held])
    )
    left, first_lapse = session.execute(of_batch).one()
    if left:
        now = ports.clock()
        batch.due_at = now if first_lapse is None else max(first_lapse + timedelta(seconds=1), now)
    return bool(left)


def _end(ports: Ports, batch_id: str, phase: Phase, ended: BatchState) -> None:
    with ports.database.transaction() as session:
        batch = locked(session, batch_id, phase.batch)
        if batch is None or _await_others(session, ports, batch, phase):
            return
        batch.state, batch.ended_at, batch.due_at, batch.waiting_for = ended, ports.clock(), None, None
        rules.record(session, ports, batch, "done", None, detail=rules.counts(session, batch_id))


def _wind_up(ports: Ports, batch_id: str, round_: Round) -> None:
    """Of a cancelled batch: what nobody began is cancelled, what somebody did is asked after."""
    unbegun = or_(
        BatchItem.state.in_([ItemState.RECEIVED, ItemState.CHECKING]),
        (BatchItem.state == ItemState.WAITING) & (BatchItem.attempt == 0),
    )
    if _swept(ports, batch_id, WIND_UP.batch, unbegun, ItemState.CANCELLED):
        return
    claimed = claim(ports, batch_id, WIND_UP, round_.size)
    if claimed is None:
        return
    batch, items = claimed
    if not items:
        _end(ports, batch_id, WIND_UP, BatchState.CANCELLED)
        return
    held: list[tuple[Claimed, Columns]] = []
    issued: list[tuple[int, str]] = []
    outage: VermilionError | None = None
    with Session(ports.database.read) as session:
        for item in items:
            kept = _opened(ports, batch_id, item)
            if not isinstance(kept, KeptRequest):
                held.append((item, kept))
                continue
            try:
                edition_id = _served(session, ports, batch.client_id, ordered(batch_id, item.line, kept))
            except VermilionError as error:
                outage = error
                held.append((item, {"state": ItemState.WAITING.value}))
                continue
            if edition_id is not None:
                issued.append((item.line, edition_id))
            else:
                held.append((item, {"state": ItemState.CANCELLED.value, "request": None, "number_mac": None}))
    _settle(ports, batch_id, WIND_UP, held, outage, round_, issued)


def _erase(ports: Ports, batch_id: str, _round: Round) -> None:
    """The requests of lines that were right, where nothing is issued; what is at its end is due no more."""
    with Session(ports.database.read) as session:
        state = BatchState(session.get_one(Batch, batch_id).state)
    if not _swept(ports, batch_id, state, BatchItem.state == ItemState.WAITING, ItemState.CHECKED):
        with ports.database.transaction() as session:
            ended = update(Batch).where(Batch.id == batch_id, Batch.state == state)
            changed_rows(session, ended.values(due_at=None, waiting_for=None))


def _swept(ports: Ports, batch_id: str, state: BatchState, which: object, into: ItemState) -> int:
    """Bring some lines to an end, and forget their requests; how many."""
    with ports.database.transaction() as session:
        batch = locked(session, batch_id, state)
        if batch is None:
            return 0
        mine = BatchItem.batch_id == batch_id
        some = select(BatchItem.line).where(mine, which).limit(SWEEP)  # type: ignore[arg-type]
        swept = changed_rows(
            session,
            update(BatchItem)
            .where(mine, BatchItem.line.in_(some))
            .values(state=into.value, request=None, number_mac=None, lease_until=None),
        )
        batch.due_at = ports.clock()
    return swept


def _give_up(ports: Ports, batch_id: str, _round: Round) -> None:
    """Its sender's process died, or it came too slowly; one that is coming again meanwhile is left alone."""
    now = ports.clock()
    with ports.database.transaction() as session:
        batch = locked(session, batch_id, BatchState.RECEIVING)
        if batch is not None and batch.due_at is not None and batch.due_at <= now:
            set_aside(session, batch_id, now)


def _remove(ports: Ports, batch_id: str, _round: Round) -> None:
    with ports.database.transaction() as session:
        mine = BatchItem.batch_id == batch_id
        some = select(BatchItem.line).where(mine).limit(SWEEP)
        if not changed_rows(session, delete(BatchItem).where(mine, BatchItem.line.in_(some))):
            changed_rows(session, delete(Batch).where(Batch.id == batch_id))


STEPS: dict[BatchState, Callable[[Ports, str, Round], None]] = {
    BatchState.RECEIVING: _give_up,
    BatchState.DROPPED: _remove,
    BatchState.CHECKING: _check,
    BatchState.REFUSED: _erase,
    BatchState.CHECKED: _erase,
    BatchState.ISSUING: _issue,
    BatchState.CANCELLING: _wind_up,
    BatchState.CANCELLED: _erase,
    BatchState.DONE: _erase,
}
