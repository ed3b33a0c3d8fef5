"""Which worker has which lines: claimed for a while, by several processes at once, never by two.

PostgreSQL's workers skip what another is claiming; SQLite has one writer. A claim raises the line's attempt,
so that what an earlier holder says of it later counts no more, and lapses with its lease: whoever claims it
then issues under the same idempotency key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Table, bindparam, func, select, update
from sqlalchemy.orm import Session

from registry.batches.states import BatchState, ItemState
from registry.batches.tables import Batch, BatchItem
from registry.ports import Ports

SLICE = 128
SLICE_BYTES = 8 * 1024 * 1024
"""Lines of one claim, and of their requests (one at least): they are held in memory together."""

_items = cast("Table", BatchItem.__table__)


@dataclass(frozen=True, slots=True)
class Claimed:
    line: int
    attempt: int
    request: bytes | None  # encrypted; a line that is to be worked on has one


@dataclass(frozen=True, slots=True)
class Phase:
    """A state of a batch, the lines that wait in it, and what they are while a worker has them."""

    batch: BatchState
    waiting: ItemState
    held: ItemState


CHECK = Phase(BatchState.CHECKING, ItemState.RECEIVED, ItemState.CHECKING)
ISSUE = Phase(BatchState.ISSUING, ItemState.WAITING, ItemState.ISSUING)
WIND_UP = Phase(BatchState.CANCELLING, ItemState.WAITING, ItemState.ISSUING)


def claim(ports: Ports, batch_id: str, phase: Phase, size: int) -> tuple[Batch, list[Claimed]] | None:
    """Lines for the caller alone, least tried first, and their batch; None if that is in another state.

    At most `size`, and half of that for each outage in a row: what took so long that leases ran out must not
    take as long the next time, and while a part is out a few lines are enough to find out.

    The batch's row is locked meanwhile: who cancels does so wholly before, or after.
    """
    now = ports.clock()
    with ports.database.transaction() as session:
        batch = locked(session, batch_id, phase.batch, shared=True)
        if batch is None:
            return None
        mine = BatchItem.batch_id == batch_id
        size = max(1, size >> min(batch.outages, 16))
        order = (BatchItem.attempt, BatchItem.line)
        lapsed = (mine, BatchItem.state == phase.held, BatchItem.lease_until < now)
        waiting = (mine, BatchItem.state == phase.waiting)
        lines: list[int] = []
        left = SLICE_BYTES
        for wanted in (lapsed, waiting):
            found = (
                select(BatchItem.line, func.length(BatchItem.request))
                .where(*wanted)
                .order_by(*order)
                .limit(size - len(lines))
                .with_for_update(skip_locked=True)
            )
            for line, length in session.execute(found):
                left -= length or 0
                if left >= 0 or not lines:
                    lines.append(line)
        rows: list[Claimed] = []
        if lines:
            taken = update(BatchItem).where(mine, BatchItem.line.in_(lines))
            values = {
                "state": phase.held.value,
                "attempt": BatchItem.attempt + 1,
                "lease_until": now + ports.settings.lease,
            }
            session.execute(taken.values(values), execution_options={"synchronize_session": False})
            now_held = select(BatchItem.line, BatchItem.attempt, BatchItem.request)
            held = now_held.where(mine, BatchItem.line.in_(lines)).order_by(BatchItem.line)
            rows = [Claimed(line, attempt, request) for line, attempt, request in session.execute(held)]
    return batch, rows


def locked(session: Session, batch_id: str, state: BatchState, *, shared: bool = False) -> Batch | None:
    """The batch, its row locked; None unless it is in this state."""
    statement = select(Batch).where(Batch.id == batch_id, Batch.state == state)
    return session.scalars(statement.with_for_update(read=shared)).one_or_none()


def give_back(
    session: Session, batch_id: str, phase: Phase, held: Sequence[tuple[Claimed, dict[str, object]]]
) -> None:
    """What became of claimed lines, as columns by name; those that another worker has meanwhile stay as they
    are.
    """
    fixed = dict.fromkeys(("state", "request", "number_mac", "edition_id", "reason", "faults", "attempt"))
    for columns in {frozenset(values) for _, values in held}:
        assert columns <= set(fixed)
        ours = (
            update(_items)
            .where(
                _items.c.batch_id == batch_id,
                _items.c.line == bindparam("of_line"),
                _items.c.state == phase.held.value,
                _items.c.attempt == bindparam("of_attempt"),
            )
            .values({"lease_until": None, **{name: bindparam(f"to_{name}") for name in columns}})
        )
        session.connection().execute(
            ours,
            [
                {"of_line": item.line, "of_attempt": item.attempt}
                | {f"to_{name}": value for name, value in values.items()}
                for item, values in held
                if frozenset(values) == columns
            ],
        )
