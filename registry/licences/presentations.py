"""Presentation codes 亮证码: an agency's own system has a licence shown on its holder's screen, for a minute
or two.

A code says nothing by itself; that it is being shown now only the registry knows. It is made and put on
record here, where the agency's client is known, and looked at by whoever checks it (`signing.showing`): the
public site makes none, and holds no key.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.licences.days import is_within
from registry.licences.digests import link_digest
from registry.licences.moment import moment
from registry.licences.rules import own_for
from registry.licences.tables import Edition, Presentation
from registry.licences.types import newest_version
from registry.log.rules import Ground, record_event
from registry.ports import Ports
from registry.rows import changed_rows
from registry.uses import rules as uses
from registry.uses.rules import Used, UseKind

KEPT = timedelta(minutes=10)
"""For which a code that is over is still called that; whoever asks later is told that there is none."""
SWEPT = 1000  # rows of a round


@dataclass(frozen=True, slots=True)
class Presented:
    """A code that was made. `id_bytes` is its secret, of which the digest is kept."""

    id_bytes: bytes
    shown_at: datetime
    until: datetime


def present(
    session: Session,
    ports: Ports,
    actor: Actor,
    identifier: str,
    seconds: int,
    id_of: Callable[[datetime], bytes],
) -> Presented:
    """Have a licence shown for so many seconds from now. `id_of` gives the 16 bytes of the code's id. One
    that was being shown before is over: a licence has one code at a time.

    Raises VermilionError as `own_for`; CONFLICT (`status`) for one that is not in force.
    """
    edition = own_for(session, actor, identifier, lock=True)
    at = moment(ports)
    _require_valid(edition, at.day)
    shown_at = at.now.replace(microsecond=0)
    made = Presented(id_of(shown_at), shown_at, shown_at + timedelta(seconds=seconds))
    earlier = update(Presentation).where(Presentation.edition_id == edition.id, Presentation.until > shown_at)
    changed_rows(session, earlier.values(until=shown_at))
    session.add(
        Presentation(
            id_sha256=link_digest(made.id_bytes),
            edition_id=edition.id,
            shown_at=made.shown_at,
            until=made.until,
        )
    )
    licence_type = newest_version(session, edition.type_code).type
    record_event(
        session,
        kind="licence.presented",
        subject_kind="presentation",
        subject=edition.id,
        ground=Ground(licence_type.legal_basis, "presented", at.day),
        actor=actor,
        now=at.now,
        random=ports.random,
        detail={"identifier": edition.identifier, "seconds": seconds},
    )
    uses.record(session, ports, Used(edition.id, edition.licence_id), UseKind.PRESENTED, actor)
    return made


def sweep(ports: Ports) -> int:
    """Remove rows of codes that have been over for long, at most a thousand; how many."""
    over = (
        select(Presentation.id_sha256)
        .where(Presentation.until < ports.clock() - KEPT)
        .order_by(Presentation.until)
        .limit(SWEPT)
    )
    with ports.database.read.connect() as connection:
        ids = connection.scalars(over).all()
    if not ids:
        return 0
    with ports.database.transaction() as session:
        return changed_rows(session, delete(Presentation).where(Presentation.id_sha256.in_(ids)))


def _require_valid(edition: Edition, today: date) -> None:
    if edition.status != "in_force" or not is_within(edition.valid_from, edition.valid_to, today):
        detail = "only a licence that is in force, and within its validity, is shown"
        raise VermilionError(Kind.CONFLICT, detail, reason="status")
