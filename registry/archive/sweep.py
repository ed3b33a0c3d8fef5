"""What lies in a store and counts for nothing: attempts to write a package that another one has kept, and
what a process left that died while it wrote.

The former come from processes that were given up and went on, and from stores that were out when a copy was
to be removed. Only where a package is kept, with its copies, is another attempt of it removed; what belongs
to no package on record is counted and left as it is: a database that was restored knows less than its stores.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete, select

from keys.errors import Kind, VermilionError
from registry.archive.numbering import DISPOSED, KEPT
from registry.archive.stores import Stores, attempt_of
from registry.archive.tables import ArchivePackage
from registry.archive.transfer_tables import ArchiveArrival
from registry.licences.outage import database_errors
from registry.ports import Ports
from registry.rows import changed_rows

SLICE = 500
WRITING = "writing"
UNFINISHED_AFTER = timedelta(days=1)
"""So old a file that a writer did not finish is nobody's: writing one takes seconds."""


@dataclass
class Swept:
    """By store: copies that were removed, and copies of which nobody knows; stores that were out."""

    removed: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    outages: dict[str, VermilionError] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return any(self.removed.values()) or any(self.unknown.values()) or bool(self.outages)


def sweep(
    ports: Ports,
    stores: Stores,
    names: Iterable[str] | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> Swept:
    """Remove from these stores, or all, what counts for nothing. Raises VermilionError(UNAVAILABLE) without a
    database.
    """
    done, lapsed = Swept(), _given_up(ports)
    for name in stores.by_name if names is None else names:
        done.removed[name] = done.unknown[name] = 0
        try:
            for some in _slices(stores.by_name[name].keys()):
                if stopping():
                    return done
                _sweep(ports, stores, name, some, done)
            done.removed[name] += stores.by_name[name].drop_unfinished(ports.clock() - UNFINISHED_AFTER)
        except VermilionError as error:
            if error.kind is not Kind.UNAVAILABLE:
                raise
            done.outages[name] = error
    if names is None and not done.outages:
        _forget(ports, lapsed)
    return done


def _given_up(ports: Ports) -> dict[str, str]:
    """Packages that were coming in when their process ended: id of the package and of its arrival."""
    over = (ArchiveArrival.state == WRITING, ArchiveArrival.lease_until <= ports.clock())
    with database_errors(), ports.database.read.connect() as connection:
        rows = connection.execute(select(ArchiveArrival.package_id, ArchiveArrival.id).where(*over))
        return {row.package_id: row.id for row in rows}


def _forget(ports: Ports, lapsed: dict[str, str]) -> None:
    """No store has anything of these any more."""
    if not lapsed:
        return
    with database_errors(), ports.database.transaction() as session:
        which = (ArchiveArrival.id.in_(list(lapsed.values())), ArchiveArrival.state == WRITING)
        changed_rows(session, delete(ArchiveArrival).where(*which))


def _slices(keys: Iterator[str]) -> Iterator[list[str]]:
    some: list[str] = []
    for key in keys:
        some.append(key)
        if len(some) == SLICE:
            yield some
            some = []
    if some:
        yield some


def _sweep(ports: Ports, stores: Stores, name: str, keys: list[str], done: Swept) -> None:
    found = {key: attempt_of(key) for key in keys}
    ids = {package_id for package_id, _ in found.values()}
    with database_errors(), ports.database.read.connect() as connection:
        coming = select(ArchiveArrival.package_id, ArchiveArrival.lease_until)
        on_the_way = {
            row.package_id: row.lease_until
            for row in connection.execute(
                coming.where(ArchiveArrival.package_id.in_(ids), ArchiveArrival.state != KEPT)
            )
        }
        # After those on the way: what is registered meanwhile is one or the other.
        packages = select(ArchivePackage.id, ArchivePackage.state, ArchivePackage.attempt)
        rows = {row.id: row for row in connection.execute(packages.where(ArchivePackage.id.in_(ids)))}
    now = ports.clock()
    for key, (package_id, attempt) in found.items():
        row = rows.get(package_id)
        if row is None and package_id not in on_the_way:
            done.unknown[name] += 1
        elif _is_left(row, attempt, on_the_way.get(package_id), now):
            stores.remove(name, key)
            done.removed[name] += 1


def _is_left(row: Any, attempt: int, lease_until: datetime | None, now: datetime) -> bool:
    if row is not None:
        # Of what was disposed of nothing lies there: a repair that was under way may have put it back.
        return bool(row.state == DISPOSED or (row.state == KEPT and row.attempt != attempt))
    return lease_until is not None and lease_until <= now
