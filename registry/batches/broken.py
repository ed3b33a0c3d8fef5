"""Do batches hold together? Read by `fsck`."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.batches.requests import open_request
from registry.batches.rules import ENDED
from registry.batches.states import ItemState
from registry.batches.tables import Batch, BatchItem
from registry.licences.tables import Edition, Intent, Licence
from registry.vault import Vault

AT_REST = frozenset(
    {ItemState.REFUSED, ItemState.CHECKED, ItemState.ISSUED, ItemState.FAILED, ItemState.CANCELLED}
)
PAGE = 500


def broken_batches(session: Session, vault: Vault) -> Iterator[str]:
    """Every finding as a sentence without personal data."""
    for batch in session.scalars(select(Batch).order_by(Batch.id)):
        name = f"batch {batch.id}"
        if (batch.ended_at is not None) != (batch.state in ENDED):
            yield f"{name} is {batch.state}, and the time of its end does not fit"
        lines = select(func.count()).where(BatchItem.batch_id == batch.id)
        if batch.body_mac is not None and session.scalar(lines) != batch.lines:
            yield f"{name} has not the lines that it was sent with"
        settled = batch.state in ENDED and batch.due_at is None
        if settled and session.scalar(lines.where(BatchItem.state.not_in(AT_REST))):
            yield f"{name} has come to its end, and a line of it has not"
    yield from _foreign(session)
    yield from _items(session, vault)


def _foreign(session: Session) -> Iterator[str]:
    rows = session.execute(
        select(BatchItem.batch_id, BatchItem.line)
        .join(Batch, Batch.id == BatchItem.batch_id)
        .join(Edition, Edition.id == BatchItem.edition_id)
        .join(Intent, Intent.id == Edition.id)
        .join(Licence, Licence.id == Edition.licence_id)
        .where((Intent.client_id != Batch.client_id) | (Licence.type_code != Batch.type_code))
    )
    for batch_id, line in rows:
        yield f"batch {batch_id} line {line} names a licence that is not of its client and type"
    repeated = select(BatchItem.edition_id).group_by(BatchItem.edition_id).having(func.count() > 1)
    for edition_id in session.scalars(repeated.where(BatchItem.edition_id.is_not(None))):
        yield f"edition {edition_id} is of more than one line of a batch"


def _items(session: Session, vault: Vault) -> Iterator[str]:
    rows = session.execute(
        select(
            BatchItem.batch_id,
            BatchItem.line,
            BatchItem.state,
            BatchItem.edition_id,
            BatchItem.request,
            BatchItem.number_mac,
        ).execution_options(yield_per=PAGE)
    )
    for row in rows:
        name = f"batch {row.batch_id} line {row.line}"
        if (row.edition_id is not None) != (row.state == ItemState.ISSUED):
            yield f"{name} is {row.state}, and its edition is {'there' if row.edition_id else 'missing'}"
        if row.state in AT_REST:
            if row.request is not None or row.number_mac is not None:
                yield f"{name} is {row.state} and keeps what was asked for"
            continue
        try:
            open_request(vault, row.batch_id, row.line, row.request)
        except VermilionError as error:
            yield f"{name} has a request that cannot be read ({error.reason})"
