"""What a case's package has of what was retrieved and compared, and what is left of it once it is disposed of."""

from __future__ import annotations

import json
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.archive.case_exchange import ERASED, erase_exchange, exchange_items
from registry.archive.contents import Part
from registry.intake.exchange_tables import CaseRetrieval, VerificationTask
from registry.intake.moves import Action
from registry.intake.retrieving import retrieve_due
from registry.intake.task_values import TaskState
from tests.intake.casework import application, open_desk, taken
from tests.intake.exchanging import SOURCE, connect, ended, put_down, tasks_of
from tests.registry.conftest import clock, world
from tests.registry.world import World

__all__ = ["clock", "world"]


def test_what_was_retrieved_and_compared_is_in_the_package(world: World) -> None:
    desk = connect(open_desk(world))
    path = put_down(desk.ports, application(world).id_code, {"name": "另一名称"})
    case_id = taken(desk, Action.SUBMIT, Action.RECEIVE)
    retrieve_due(desk.ports)
    ended(desk, tasks_of(desk, case_id)["operator_name"].id, TaskState.CONFIRMED, words="已核实")
    items = {one.path: one for one in exchange_items(desk.ports, case_id)}
    material = items["materials/business_licence-retrieved-1.json"]
    assert (material.part, material.source, material.retrieved) == (
        Part.MATERIALS, SOURCE, desk.ports.clock(),
    )  # fmt: skip
    assert material.data == path.read_bytes()  # as it was told, byte for byte
    (search,) = json.loads(items["process/retrievals.json"].data)
    assert (search["state"], search["purpose"]) == ("found", "办理食品经营许可，核验主体资格")
    assert search["sha256"] == sha256(material.data).hexdigest()
    (difference,) = json.loads(items["process/differences.json"].data)
    assert (difference["source"], difference["state"], difference["words"]) == (
        "另一名称", "confirmed", "已核实",
    )  # fmt: skip
    assert difference["error"]["state"] == "waiting"


def test_a_case_for_which_nothing_was_looked_for_has_none_of_it(world: World) -> None:
    desk = open_desk(world)
    case_id = taken(desk, Action.SUBMIT, Action.RECEIVE)
    assert list(exchange_items(desk.ports, case_id)) == []


def test_an_outage_is_in_the_package_as_one(world: World) -> None:
    desk = connect(open_desk(world))  # there is no folder
    case_id = taken(desk, Action.SUBMIT)
    retrieve_due(desk.ports)
    (item,) = exchange_items(desk.ports, case_id)
    (search,) = json.loads(item.data)
    assert (search["state"], search["outage"], search["sha256"]) == ("outage", "folder", None)


def test_disposal_leaves_when_and_from_whom_and_no_value(world: World) -> None:
    desk = connect(open_desk(world))
    put_down(desk.ports, application(world).id_code, {"name": "另一名称"})
    case_id = taken(desk, Action.SUBMIT, Action.RECEIVE)
    other = taken(desk, Action.SUBMIT, Action.RECEIVE)
    retrieve_due(desk.ports)
    ended(desk, tasks_of(desk, case_id)["operator_name"].id, TaskState.REFUSED, words="已核实")
    with desk.ports.database.transaction() as session:
        assert list(erase_exchange(session, case_id)) == []
    with Session(desk.ports.database.read) as session:
        (row,) = session.scalars(select(CaseRetrieval).where(CaseRetrieval.case_id == case_id))
        (task,) = session.scalars(select(VerificationTask).where(VerificationTask.case_id == case_id))
    assert (row.content, task.values, task.words) == (ERASED, ERASED, None)
    assert (row.source, row.state, task.state) == (SOURCE, "found", "refused")
    assert list(exchange_items(desk.ports, other))  # another case keeps its own
