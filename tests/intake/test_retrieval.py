"""Looked for before it is asked for: in the registry, then in data exchange; outages are no answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from registry.intake.moves import Action
from registry.intake.retrieving import retrieve_due
from tests.intake.casework import Desk, application, open_desk, taken
from tests.intake.exchanging import SOURCE, Source, connect, put_down, retrievals, source, told
from tests.registry.world import World


@pytest.fixture
def desk(world: World) -> Desk:
    return open_desk(world)


@pytest.fixture
def platform(desk: Desk) -> Iterator[Source]:
    with source(desk.ports.clock) as made:
        yield made


def same(desk: Desk, **changes: str) -> dict[str, str]:
    """What a source tells that knows the applicant as the applicant does."""
    fields = application(desk.world).fields
    value = {
        "name": fields["operator_name"],
        "legal_person": fields["representative"],
        "address": fields["domicile"],
        "capital": "壹佰万元",
    }
    return value | changes


def test_a_material_is_had_from_a_source_and_not_asked_for(desk: Desk, platform: Source) -> None:
    desk = connect(desk, platform.url)
    platform.reply = lambda _path, asked: told(asked, same(desk))
    case_id = taken(desk, Action.SUBMIT)
    (row,) = retrievals(desk, case_id)
    assert (row.material, row.state, row.attempt) == ("business_licence", "waiting", 0)
    done = retrieve_due(desk.ports)
    assert (done.found, done.not_found, done.outages, done.defects) == (1, 0, {}, [])
    (row,) = retrievals(desk, case_id)
    assert (row.state, row.source, row.data_set) == ("found", SOURCE, "business-registration")


def test_a_folder_is_a_source_too(desk: Desk) -> None:
    desk = connect(desk)
    put_down(desk.ports, application(desk.world).id_code, same(desk))
    case_id = taken(desk, Action.SUBMIT)
    done = retrieve_due(desk.ports)
    assert (done.found, done.outages, done.defects) == (1, {}, [])
    (row,) = retrievals(desk, case_id)
    assert row.state == "found"
