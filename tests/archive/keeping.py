"""An archive of two folders beside a test's registry, and what its register says."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.archive.keep import keep_due
from registry.archive.rules import Round
from registry.archive.stores import Stores, open_stores, package_key
from registry.archive.tables import ArchiveCopy, ArchiveDue, ArchivePackage
from registry.documents import ObjectStore
from tests.registry.issuing import issue_one
from tests.registry.world import World

NAMES = ("first", "second")


def stores_of(world: World) -> Stores:
    return open_stores(world.ports.settings)


def kept(world: World, stores: Stores | None = None) -> Round:
    """What a round keeps, without a defect."""
    done = keep_due(world.ports, stores or stores_of(world))
    assert done.defects == {}
    return done


def packages(world: World) -> list[ArchivePackage]:
    with Session(world.ports.database.read) as session:
        found = session.scalars(
            select(ArchivePackage).order_by(ArchivePackage.number, ArchivePackage.sequence)
        )
        rows = list(found)
        session.expunge_all()
    return rows


def archived_package(world: World) -> str:
    """The id of a package of `own` that was just archived."""
    issue_one(world)
    return kept(world).kept[-1]


def copies(world: World, package_id: str) -> dict[str, str]:
    with Session(world.ports.database.read) as session:
        found = select(ArchiveCopy.store, ArchiveCopy.state).where(ArchiveCopy.package_id == package_id)
        return {row.store: row.state for row in session.execute(found)}


def due(world: World) -> int:
    with Session(world.ports.database.read) as session:
        return session.scalar(select(func.count()).select_from(ArchiveDue)) or 0


def file_of(world: World, package: ArchivePackage, store: str) -> Path:
    key = package_key(package.id, package.attempt)
    return world.ports.settings.data / "archive" / store / key


def files(world: World) -> set[Path]:
    return {path for path in (world.ports.settings.data / "archive").rglob("*") if path.is_file()}


def whole(world: World, package: ArchivePackage, store: str) -> bool:
    path = file_of(world, package, store)
    return path.exists() and sha256(path.read_bytes()).digest() == package.sha256


class OutStore(ObjectStore):
    """A store that does not answer."""

    def __init__(self) -> None:
        from obstore.store import MemoryStore

        super().__init__(MemoryStore())

    def put_many(self, documents: Iterable[tuple[str, bytes]]) -> list[VermilionError | None]:
        return [_out() for _ in documents]

    def read_again(self, key: str) -> bytes | None:
        raise _out()

    def remove(self, key: str) -> None:
        raise _out()


def _out() -> VermilionError:
    return VermilionError(Kind.UNAVAILABLE, "the store does not answer", reason="documents")
