"""The sample food matter with another agency that takes part, and that agency's people."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from joserfc.jwk import ECKey
from sqlalchemy.orm import Session

from registry.actor import Actor
from registry.agencies.enrolments import decide
from registry.agencies.rules import add_person
from registry.intake.cases import Act, act, draw_up, locked
from registry.intake.joint import sub_cases_of
from registry.intake.joint_tables import SubCase
from registry.intake.matter_lists import import_list
from registry.intake.moves import Action, Who
from registry.intake.opinions import begin
from registry.samples import sample_matters
from tests.intake.casework import (
    BASIS,
    MATTER,
    Desk,
    application,
    import_matters,
    open_desk,
    supply_all,
)
from tests.registry.world import Holder, World

OVERDUE = 'overdue_basis = { law = "《样本省政务服务条例》", article = "第二十条" }\n'
DAYS = 3


@dataclass(frozen=True)
class Table:
    """The agency that takes part: who takes sub-cases up, and who gives its opinion."""

    desk: Desk
    officer: Actor
    decider: Actor


def joint_text(world: World, *, overdue: str = OVERDUE, part: str = "other") -> str:
    """The food list, with another agency in its matter."""
    path = next(one for one in sample_matters() if one.name == "food-business-licence.toml")
    joint = (
        f'[[matter.joint]]\nagency = "{world.codes[part]}"\n'
        'decides_on = { zh = "经营场所消防条件", en = "Fire safety of the premises" }\n'
        f'days = {DAYS}\nfields = ["operator_name", "premises"]\nmaterials = ["layout"]\n{overdue}\n'
    )
    return path.read_text("utf-8").replace("[[matter.step]]", f"{joint}[[matter.step]]", 1)


def import_joint(world: World, *, overdue: str = OVERDUE) -> None:
    """The catalogue and the joint matter, and people of the other agency to sign in as."""
    catalogue = next(one for one in sample_matters() if one.name == "catalogue.toml")
    with world.ports.database.transaction() as session:
        import_list(session, world.ports, world.system, catalogue.read_bytes(), "catalogue.toml")
        text = joint_text(world, overdue=overdue).encode()
        import_list(session, world.ports, world.system, text, "food.toml")
    for role in ("officer", "decider"):
        world.people[f"other-{role}"] = beside(world, role)


def open_joint_desk(world: World, *, overdue: str = OVERDUE) -> Table:
    """As `open_desk`, of the joint matter."""
    import_joint(world, overdue=overdue)
    desk = open_desk(world, matters=False)
    system = world.actor("other-system")
    officer, decider = (
        replace(system, person_id=world.people[f"other-{role}"].id, roles=frozenset({role}))
        for role in ("officer", "decider")
    )
    return Table(desk, officer, decider)


def beside(world: World, *roles: str) -> Holder:
    """One more person of the other agency."""
    key = ECKey.generate_key("P-256")
    ports, code = world.ports, world.codes["other"]
    with ports.database.transaction() as session:
        person = add_person(
            session, ports, world.system, agency_code=code, name=f"样本{roles[0]}", roles=roles,
            jwk=key.as_dict(private=False),
        )  # fmt: skip
        decide(session, ports, world.security, subject=person.id, approve=True, seen=[key.thumbprint()])
        return Holder(person.id, key, code)


CLIENTS = {"own": "system", "other": "other-system", "authority": "authority-system"}
_BESIDE = "99013100100011990100MB01010557"


def joint_case(world: World, lead: str, part: str) -> str:
    """The id of a sub-case: of a matter like the food one, that one agency leads and another takes part in."""
    import_matters(world)
    text = joint_text(world, part=part).replace("yangben-food", f"beside-{lead}")
    matter = f"{_BESIDE}{lead[:3].upper()}"
    text = text.replace(f'owner = "{world.codes["own"]}"', f'owner = "{world.codes[lead]}"').replace(
        MATTER, matter
    )
    actor = replace(world.actor(CLIENTS[lead]), operator="window-03")
    with world.ports.database.transaction() as session:
        import_list(session, world.ports, world.system, text.encode(), "beside.toml")
        case = draw_up(session, world.ports, actor, matter, application(world, told=False))
        act(session, world.ports, case, Action.SUBMIT, Act(Who.APPLICANT, actor, declared=True))
        case_id = case.id
    supply_all(world.ports, actor, case_id)
    with world.ports.database.transaction() as session:
        case = locked(session, actor, case_id)
        for action in (Action.RECEIVE, Action.ACCEPT):
            act(session, world.ports, case, action, Act(Who.WINDOW, actor))
        (found,) = sub_cases_of(session, case.id)
        return found.id


def joint_material(world: World) -> dict[str, str]:
    """A file that another agency needs for its part in a case of the own one."""
    sub_case_id = joint_case(world, "own", "authority")
    return {"sub_case_id": sub_case_id, "material_code": "layout", "version": "1"}


def sub_case_requests(world: World) -> dict[str, Any]:
    """Right requests by endpoint, for the tests that hold every route. The seal authority is on the other side
    of each, so that a third agency is none of its business.
    """
    from tests.registry.test_bodies import Right

    waiting, handled = (joint_case(world, "authority", "own") for _ in range(2))
    owed = joint_case(world, "own", "authority")
    with world.ports.database.transaction() as session:
        begin(session, world.ports, replace(world.actor("system"), operator="window-03"), handled)
        session.get_one(SubCase, owed).due_on = world.today - timedelta(days=1)
    return {
        "sub_cases.begin": Right({"sub_case_id": waiting}, None, {"operator": "window-03"}),
        "sub_cases.give": Right({"sub_case_id": handled}, "decider", {"opinion": "agrees", **BASIS}),
        "sub_cases.miss": Right({"sub_case_id": owed}, "decider", dict(BASIS)),
    }


def sub_case(desk: Desk, case_id: str) -> SubCase:
    """The only one of a case."""
    with Session(desk.ports.database.read) as session:
        (found,) = sub_cases_of(session, case_id)
        return found
