"""Who gathers what: archivers that work side by side do not gather the material of one subject twice.

A claim costs a short transaction before the work, and is given back when the subject is numbered; one that
nobody gave back lapses. It decides nothing: what is archived is decided where a package is numbered.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from registry.archive.transfer_tables import ArchiveClaim
from registry.ports import Ports
from registry.rows import changed_rows, insert_absent

V = TypeVar("V")


def claimed(
    ports: Ports, subject_kind: str, look: Callable[[], Mapping[str, V]], until: datetime
) -> dict[str, V]:
    """What `look` finds, as far as nobody else is at it; ours until then. `look` passes over what is claimed
    by others (`elsewhere`): where all of it was claimed just then, the next look finds other subjects.
    """
    while found := look():
        rows = [{"subject_kind": subject_kind, "subject": one, "until": until} for one in sorted(found)]
        with ports.database.transaction() as session:
            _forget_lapsed(session, ports.clock())
            mine = insert_absent(session, rows, ArchiveClaim.subject)
        if mine:
            return {one: found[one] for one in found if one in mine}
    return {}


def elsewhere(subject_kind: str, now: datetime) -> Any:
    """Subjects that somebody is at."""
    return select(ArchiveClaim.subject).where(
        ArchiveClaim.subject_kind == subject_kind, ArchiveClaim.until > now
    )


@contextmanager
def held(ports: Ports, subject_kind: str, subjects: Iterable[str]) -> Iterator[None]:
    """Where the work on these fails, they are nobody's again."""
    try:
        yield
    except BaseException:
        with suppress(Exception), ports.database.transaction() as session:  # else they lapse
            give_back(session, subject_kind, subjects)
        raise


def give_back(session: Session, subject_kind: str, subjects: Iterable[str]) -> None:
    which = (ArchiveClaim.subject_kind == subject_kind, ArchiveClaim.subject.in_(list(subjects)))
    changed_rows(session, delete(ArchiveClaim).where(*which))


def _forget_lapsed(session: Session, now: datetime) -> None:
    changed_rows(session, delete(ArchiveClaim).where(ArchiveClaim.until <= now))
