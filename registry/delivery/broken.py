"""Do pick-up links and the log of uses hold together? Read by `fsck`."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.delivery.rules import PickUpState
from registry.delivery.tables import PickUp
from registry.licences.tables import Edition
from registry.uses.rules import open_told
from registry.uses.tables import LicenceUse
from registry.vault import Vault

BATCH = 500


def broken_deliveries(session: Session, vault: Vault) -> Iterator[str]:
    """Every finding as a sentence without personal data."""
    for one in session.scalars(select(PickUp).execution_options(yield_per=BATCH)):
        used = one.state == PickUpState.USED
        if used != (one.used_at is not None) or used != (one.fetched > 0):
            yield f"pick-up {one.id} is {one.state}, and was fetched {one.fetched} times"
        if not used and one.browser_sha256 is not None:
            yield f"pick-up {one.id} is {one.state}, and knows whose browser used it"
        if one.state != PickUpState.OPEN and one.token is not None:
            yield f"pick-up {one.id} is {one.state}, and what its link carried is not erased"
    rows = session.execute(
        select(LicenceUse, Edition.licence_id)
        .join(Edition, Edition.id == LicenceUse.edition_id)
        .execution_options(yield_per=BATCH)
    )
    for use, licence_id in rows:
        if use.licence_id != licence_id:
            yield f"use {use.id} is shown to the holder of another licence"
        if use.told is not None:
            try:
                open_told(vault, use.id, use.told)
            except VermilionError as error:
                yield f"use {use.id} cannot be read ({error.reason})"
