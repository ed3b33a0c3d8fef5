"""Once a civil day, an authority outside stamps what was registered: proof that does not rest on our own
word.

The content is a plain list, reproducible from the record: a heading, then the SHA-256 of each document
registered that day, in order. Anybody checks it with `openssl ts -verify -data`. A day is stamped when it is
over; one that could not be is made up for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from hashlib import sha256
from typing import Protocol

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.clock import Clock
from keys.errors import Kind, VermilionError
from registry.database import Database
from registry.licences.tables import Document
from registry.seals.outside_tsa import OutsideStamp, OutsideTimeStamps, load_outside_tsas
from registry.seals.tables import DayAnchor
from registry.settings import Settings

GRACE = timedelta(hours=1)
"""After a day's end: whatever was registered under its last readings of a clock is on record by then."""
HEADING = "vermilion documents of a day, SHA-256, version 1"


class Stamper(Protocol):
    """Who stamps a SHA-256 digest; `OutsideTimeStamps` is one. Raises VermilionError(UNAVAILABLE)."""

    def stamp(self, digest: bytes) -> OutsideStamp: ...


class Pieces(Protocol):
    """What an anchor is made with; `registry.ports.Ports` is one."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def random(self) -> Callable[[int], bytes]: ...


@dataclass(frozen=True, slots=True)
class Day:
    """A civil day as instants, UTC: from the first on, and before the second."""

    day: date
    begin: datetime
    end: datetime


def outside_stamper(pieces: Pieces) -> OutsideTimeStamps | None:
    """Who stamps by the settings; None where nobody is configured. Raises as `load_outside_tsas`."""
    if pieces.settings.outside_tsas is None:
        return None
    authorities = load_outside_tsas(pieces.settings.outside_tsas)
    return OutsideTimeStamps(authorities, clock=pieces.clock, random=pieces.random)


def anchor_due(pieces: Pieces, stamper: Stamper) -> int:
    """Have each finished day stamped that has documents and no anchor, the oldest first; how many were.

    Raises VermilionError(UNAVAILABLE): the next call goes on there.
    """
    made = 0
    while (day := _next(pieces)) is not None:
        with Session(pieces.database.read) as session:
            content, count = day_content(session, day)
        stamp = stamper.stamp(sha256(content).digest())
        if stamp.stamp.gen_time < day.end:
            raise VermilionError(
                Kind.UNAVAILABLE, "the authority outside stamps before the day's end", reason="outside_tsa"
            )
        row = DayAnchor(
            day=day.day, from_at=day.begin, to_at=day.end, documents=count,
            digest=sha256(content).digest(), token=stamp.token, authority=stamp.authority,
            stamped_by=sha256(stamp.stamp.certificate).hexdigest(), gen_time=stamp.stamp.gen_time,
        )  # fmt: skip
        try:
            with pieces.database.transaction() as session:
                session.add(row)
        except IntegrityError:
            continue  # another process was faster
        made += 1
    return made


def day_content(session: Session, day: Day) -> tuple[bytes, int]:
    """The very bytes that are stamped, and how many documents they name."""
    rows = session.scalars(
        select(Document.sha256)
        .where(Document.registered_at >= day.begin, Document.registered_at < day.end)
        .order_by(Document.sha256)
    )
    names = [digest.hex() for digest in rows]
    return "".join(f"{line}\n" for line in (HEADING, day.day.isoformat(), *names)).encode(), len(names)


def broken_anchors(session: Session) -> Iterator[str]:
    """A sentence for each anchored day whose documents are no longer those that were stamped."""
    for row in session.scalars(select(DayAnchor).order_by(DayAnchor.day)):
        content, _count = day_content(session, Day(row.day, row.from_at, row.to_at))
        if sha256(content).digest() != row.digest:
            yield f"anchor {row.day.isoformat()}: the documents of that day are not those that were stamped"


def _next(pieces: Pieces) -> Day | None:
    """The first day that is over, has documents and has no anchor."""
    zone = pieces.settings.tz
    with Session(pieces.database.read) as session:
        last = session.scalar(select(func.max(DayAnchor.to_at)))
        first = select(func.min(Document.registered_at))
        registered = session.scalar(first if last is None else first.where(Document.registered_at >= last))
    if registered is None:
        return None
    civil = registered.astimezone(zone).date()
    begin, end = (datetime.combine(civil + timedelta(days=n), time(), zone).astimezone(UTC) for n in (0, 1))
    return Day(civil, begin, end) if pieces.clock() >= end + GRACE else None
