"""What may be asked about a batch and done with it, and what is put on record of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, func, literal, select, tuple_, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.agencies.rules import SCOPE_LICENCE
from registry.agencies.tables import Client, Person
from registry.batches.states import UNFINISHED, UNTOLD, BatchState, ItemState
from registry.batches.tables import Batch, BatchItem
from registry.licences.duties import OFFICER, require_officer
from registry.licences.issued import ORIGINAL
from registry.licences.moment import moment
from registry.licences.tables import Document, Edition
from registry.licences.types import newest_version
from registry.log.rules import Ground, record_event
from registry.ports import Ports
from registry.rows import changed_rows

PAGE = 500
LONGEST_WAIT = timedelta(days=2)  # a used-up daily limit makes a batch wait for the next day
ENDED = frozenset({BatchState.REFUSED, BatchState.CHECKED, BatchState.CANCELLED, BatchState.DONE})


@dataclass(frozen=True, slots=True)
class Item:
    """A line and what became of it."""

    line: int
    state: str
    reason: str | None
    faults: Sequence[Mapping[str, str]]  # pointer, reason, detail
    identifier: str | None
    sha256: bytes | None  # of the sealed original, as the two below
    size: int | None
    level: str | None


@dataclass(frozen=True, slots=True)
class SealedItem:
    """A line that was issued, and where its sealed original lies."""

    line: int
    edition_id: str
    licence_id: str
    identifier: str
    store_key: str
    sha256: bytes
    size: int


def find_batch(session: Session, actor: Actor, batch_id: str) -> Batch:
    """A batch of the actor's agency. Raises VermilionError(NOT_FOUND, FORBIDDEN)."""
    require_officer(actor)
    batch = session.get(Batch, batch_id)
    if batch is None or batch.agency_code != actor.agency_code or batch.state in UNTOLD:
        raise VermilionError(Kind.NOT_FOUND, "the agency has no such batch", reason="batch_unknown")
    return batch


def batches_of(
    session: Session, actor: Actor, after: str | None, size: int, state: BatchState | None = None
) -> tuple[Sequence[Batch], str | None]:
    """At most `size` batches of the actor's agency (of one state, where that is asked), the newest first,
    behind the batch `after`; and behind which the next page begins. Raises VermilionError(FORBIDDEN,
    NOT_FOUND).
    """
    require_officer(actor)
    wanted = select(Batch).where(Batch.agency_code == actor.agency_code)
    wanted = wanted.where(Batch.state.not_in(UNTOLD) if state is None else Batch.state == state)
    if after is not None:
        last = find_batch(session, actor, after)
        place = tuple_(literal(last.created_at, Batch.created_at.type), literal(last.id))
        wanted = wanted.where(tuple_(Batch.created_at, Batch.id) < place)
    rows = session.scalars(wanted.order_by(Batch.created_at.desc(), Batch.id.desc()).limit(size + 1)).all()
    return rows[:size], rows[size - 1].id if len(rows) > size else None


def unfinished(session: Session, actor: Actor, now: datetime, most: int) -> Sequence[Batch]:
    """Batches of the actor's agency that are being worked on, at most so many. What is due to be worked on
    stands in an index of its own. Raises VermilionError(FORBIDDEN).
    """
    require_officer(actor)
    wanted = select(Batch).where(
        Batch.due_at <= now + LONGEST_WAIT,
        Batch.agency_code == actor.agency_code,
        Batch.state.in_(UNFINISHED - UNTOLD),
    )
    return session.scalars(wanted.order_by(Batch.due_at, Batch.id).limit(most)).all()


def counts(session: Session, batch_id: str) -> dict[str, int]:
    """How many lines are in which state; states of none are left out."""
    grouped = (
        select(BatchItem.state, func.count()).where(BatchItem.batch_id == batch_id).group_by(BatchItem.state)
    )
    return {str(state): int(count) for state, count in session.execute(grouped)}


def page(
    session: Session, batch_id: str, after: int, state: ItemState | None, size: int = PAGE
) -> tuple[list[Item], bool]:
    """At most `size` lines behind the line `after`, and whether there are more."""
    wanted = (
        select(
            BatchItem.line,
            BatchItem.state,
            BatchItem.reason,
            BatchItem.faults,
            Edition.identifier,
            Document.sha256,
            Document.size,
            Document.level,
        )
        .outerjoin(Edition, Edition.id == BatchItem.edition_id)
        .outerjoin(Document, (Document.edition_id == Edition.id) & (Document.kind == ORIGINAL))
        .where(BatchItem.batch_id == batch_id, BatchItem.line > after)
        .order_by(BatchItem.line)
        .limit(size + 1)
    )
    if state is not None:
        wanted = wanted.where(BatchItem.state == state)
    rows = session.execute(wanted).all()
    return [_item(row) for row in rows[:size]], len(rows) > size


def sealed_items(session: Session, batch_id: str, after: int = 0, size: int = PAGE) -> list[SealedItem]:
    """At most `size` issued lines behind the line `after`."""
    rows = session.execute(_sealed(batch_id).where(BatchItem.line > after).limit(size))
    return [SealedItem(*row) for row in rows]


def sealed_sizes(session: Session, batch_id: str) -> Iterator[tuple[int, str, int]]:
    """Line, identifier and size of every issued line, in the order of the lines."""
    after = 0
    while found := sealed_items(session, batch_id, after, 10 * PAGE):
        yield from ((item.line, item.identifier, item.size) for item in found)
        after = found[-1].line


def _sealed(batch_id: str) -> Select[*tuple[Any, ...]]:
    return (
        select(
            BatchItem.line,
            Edition.id,
            Edition.licence_id,
            Edition.identifier,
            Document.store_key,
            Document.sha256,
            Document.size,
        )
        .join(Edition, Edition.id == BatchItem.edition_id)
        .join(Document, (Document.edition_id == Edition.id) & (Document.kind == ORIGINAL))
        .where(BatchItem.batch_id == batch_id)
        .order_by(BatchItem.line)
    )


def require_ended(batch: Batch) -> None:
    """Raises VermilionError(CONFLICT) for a batch that is still being worked on."""
    if batch.state not in ENDED:
        raise VermilionError(Kind.CONFLICT, "the batch has not come to its end", reason="batch_state")


def cancel(session: Session, ports: Ports, actor: Actor, batch_id: str) -> Batch:
    """Begin no further line. What a worker has begun comes to its end; what was issued stays issued.

    The same again changes nothing. Raises VermilionError: NOT_FOUND, FORBIDDEN; CONFLICT (`batch_state`) for
    a batch that has come to its end.
    """
    batch = find_batch(session, actor, batch_id)
    if not stop(session, ports, batch_id, actor, "cancelled"):
        session.refresh(batch)
        if batch.state not in {BatchState.CANCELLING, BatchState.CANCELLED}:
            raise VermilionError(Kind.CONFLICT, "the batch has come to its end", reason="batch_state")
    session.refresh(batch)
    return batch


def stop(session: Session, ports: Ports, batch_id: str, actor: Actor | None, reason: str) -> bool:
    """Let no worker begin another line; False unless the batch was being checked or issued.

    `actor` is None where the registry does so by itself.
    """
    running = update(Batch).where(
        Batch.id == batch_id, Batch.state.in_([BatchState.CHECKING, BatchState.ISSUING])
    )
    now = ports.clock()
    values = {"state": BatchState.CANCELLING.value, "end_reason": reason, "due_at": now, "waiting_for": None}
    if changed_rows(session, running.values(values)) != 1:
        return False
    record(session, ports, session.get_one(Batch, batch_id), "cancelled", actor, reason=reason)
    return True


def record(
    session: Session,
    ports: Ports,
    batch: Batch,
    what: str,
    actor: Actor | None,
    *,
    reason: str = "",
    detail: Mapping[str, int] | None = None,
) -> None:
    """The event `batch.<what>`: under the law of the licence type, and about no holder."""
    at = moment(ports)
    law = newest_version(session, batch.type_code).type.legal_basis
    record_event(
        session,
        kind=f"batch.{what}",
        subject_kind="batch",
        subject=batch.id,
        ground=Ground(law, reason or what, at.day),
        actor=actor,
        now=at.now,
        random=ports.random,
        detail={"type": batch.type_code, "seal": batch.seal_code, "lines": batch.lines, **(detail or {})},
    )


def acting_for(session: Session, batch: Batch) -> Actor | None:
    """On whose behalf a batch is worked on, by their present state; None where they may no longer issue."""
    client = session.get_one(Client, batch.client_id)
    if not client.active or client.agency_code != batch.agency_code or SCOPE_LICENCE not in client.scopes:
        return None
    roles: frozenset[str] = frozenset()
    if batch.person_id is not None:
        person = session.get_one(Person, batch.person_id)
        if not person.active or person.agency_code != batch.agency_code or OFFICER not in person.roles:
            return None
        roles = frozenset(person.roles)
    return Actor(
        client_id=client.id,
        agency_code=batch.agency_code,
        scopes=frozenset(client.scopes),
        person_id=batch.person_id,
        roles=roles,
        operator=batch.operator,
    )


def _item(row: Row[Any]) -> Item:
    return Item(
        line=row.line,
        state=row.state,
        reason=row.reason,
        faults=row.faults or (),
        identifier=row.identifier,
        sha256=row.sha256,
        size=row.size,
        level=row.level,
    )
