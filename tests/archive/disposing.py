"""Lists of disposal in a test world, asked and approved by its two administrators."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from registry.archive.disposal import ask, decide
from registry.archive.disposal_tables import ArchiveDisposal, ArchiveTombstone
from registry.archive.erasure import Disposed, carry_out
from registry.archive.retention import place_hold, release_hold
from registry.archive.stores import Stores
from registry.archive.tables import ArchivePackage
from registry.log.rules import Ground
from tests.archive.keeping import stores_of
from tests.registry.world import World

BASIS = "《机关文件材料归档范围和文书档案保管期限规定》"


def ground(world: World, reason: str = "term_over") -> Ground:
    return Ground(BASIS, reason, world.today)


def term_over(world: World, *numbers: str) -> None:
    """As if the years of their retention had gone by."""
    of = ArchivePackage.number.in_(numbers) if numbers else ArchivePackage.id.is_not(None)
    with world.ports.database.transaction() as session:
        session.execute(
            update(ArchivePackage).where(of).values(retention="10", retention_until=date(2020, 12, 31))
        )


def asked(world: World, *numbers: str) -> str:
    with world.ports.database.transaction() as session:
        return ask(session, world.ports, world.system, numbers, ground(world)).id


def decided(world: World, disposal_id: str, *, approve: bool = True) -> str:
    with world.ports.database.transaction() as session:
        found = decide(session, world.ports, world.security, disposal_id, ground(world), approve=approve)
        return found.state


def approved(world: World, *numbers: str) -> str:
    disposal_id = asked(world, *numbers)
    decided(world, disposal_id)
    return disposal_id


def carried_out(world: World, stores: Stores | None = None) -> Disposed:
    return carry_out(world.ports, stores or stores_of(world))


def held(world: World, number: str) -> str:
    with world.ports.database.transaction() as session:
        return place_hold(session, world.ports, world.security, number, ground(world, "lawsuit")).id


def released(world: World, hold_id: str) -> None:
    with world.ports.database.transaction() as session:
        release_hold(session, world.ports, world.security, hold_id, ground(world, "lawsuit_over"))


def disposal(world: World, disposal_id: str) -> ArchiveDisposal:
    with Session(world.ports.database.read) as session:
        return session.get_one(ArchiveDisposal, disposal_id)


def tombstones(world: World) -> Sequence[ArchiveTombstone]:
    with Session(world.ports.database.read) as session:
        return session.scalars(select(ArchiveTombstone).order_by(ArchiveTombstone.number)).all()
