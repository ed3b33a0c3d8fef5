"""Supplying a material, each call of which fails once: what was told as kept is there, once, and is told by an event."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.intake.material_tables import CaseMaterial
from registry.intake.materials import MaterialState, read_material, versions
from registry.intake.supplying import keep
from registry.log.tables import Event
from tests.intake.casework import Desk, a_material, draft, open_desk
from tests.intake.test_materials import named
from tests.postgres import Backend
from tests.registry.faults import Faults, Point, by_turns, fail, faulty
from tests.registry.world import World


def test_every_call_fails_once_in_turn(worlds: dict[Backend, World], tell: Callable[[str], None]) -> None:
    """On one of the databases, before the call or after it."""
    desks = {backend: open_desk(world) for backend, world in worlds.items()}
    calls = {backend: calls_of_one(desk, named(desk.world)) for backend, desk in desks.items()}
    for backend, points in by_turns(calls).items():
        last: Point = (len(calls[backend]), "after")  # it was kept, and nobody heard of it
        some = sorted({*points, last})
        told = fail_at(desks[backend], named(worlds[backend]), calls[backend], some)
        tell(f"{backend}: {told}")


def calls_of_one(desk: Desk, actor: Actor) -> list[str]:
    case_id, counting = draft(desk), Faults()
    with faulty(desk.ports, counting) as watched:
        keep(watched, actor, case_id, "layout", a_material())
    return counting.calls


def fail_at(desk: Desk, actor: Actor, calls: list[str], points: list[Point]) -> str:
    kinds = Counter(name.split(maxsplit=1)[0] for name in calls)
    assert kinds["store"] == 1
    outcomes: Counter[str] = Counter()
    for at, when in points:
        case_id = draft(desk)
        faults = Faults(at=at, when=when, strike=fail)
        with faulty(desk.ports, faults) as watched:
            try:
                keep(watched, actor, case_id, "layout", a_material())
            except VermilionError as error:
                assert error.kind is Kind.UNAVAILABLE, calls[at - 1]
        assert faults.struck, calls[at - 1]
        row, new = keep(desk.ports, actor, case_id, "layout", a_material())
        outcomes["at once" if not new else "again"] += 1
        with Session(desk.ports.database.read) as session:
            kept = versions(session, case_id)
            events = session.scalars(
                select(Event).where(Event.subject == case_id, Event.kind == "case.material_added")
            ).all()
            rest = session.scalars(
                select(CaseMaterial.version).where(
                    CaseMaterial.case_id == case_id, CaseMaterial.state == MaterialState.TAKEN
                )
            ).all()
        assert [one.version for one in kept] == [row.version], calls[at - 1]
        assert [one.id for one in events] == [row.event_id], calls[at - 1]
        assert set(rest) <= {row.version - 1}, "what was begun and not ended is known"
        assert read_material(desk.ports, row) == a_material().data
    assert set(outcomes) == {"at once", "again"}
    return f"{len(points)} of {len(calls)} calls {dict(kinds)} failed: {dict(outcomes)}"
