"""Files of applications that nobody needs any more leave the store and the record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.documents import FolderStore, document_key
from registry.intake import material_sweep
from registry.intake.application_form import make_form
from registry.intake.cases import record_about
from registry.intake.material_sweep import TAKING, sweep
from registry.intake.material_tables import CaseForm, CaseMaterial
from registry.intake.materials import leave, supplied
from registry.intake.supplying import _taken, keep
from registry.intake.tables import Case
from registry.licences.moment import moment
from tests.intake.casework import a_material, draft, open_desk
from tests.intake.test_materials import named
from tests.registry.world import Ticker, World


def row_of(world: World, case_id: str) -> CaseMaterial:
    of_layout = (CaseMaterial.case_id == case_id, CaseMaterial.code == "layout")
    with Session(world.ports.database.read) as session:
        return session.scalars(select(CaseMaterial).where(*of_layout)).one()


def test_what_was_never_kept_is_removed_once_nobody_can_be_at_it(world: World, clock: Ticker) -> None:
    desk = open_desk(world)
    ports, case_id, kept = desk.ports, draft(desk), draft(desk)
    keep(ports, named(world), kept, "layout", a_material())
    ports.vault.ready()
    with ports.database.transaction() as session:
        case = session.get_one(Case, case_id)
        material_id = _taken(session, ports, named(world), case, "layout", a_material()).id
    ports.documents.put_new(document_key(material_id), a_material().data)
    assert sweep(ports) == 0, "somebody may be storing it"
    clock.now += TAKING + timedelta(seconds=1)
    assert (sweep(ports), sweep(ports)) == (1, 0)
    assert ports.documents.get(document_key(material_id)) is None
    row = row_of(world, case_id)
    assert (row.state, row.report) == ("erased", None)
    with Session(ports.database.read) as session:
        assert set(supplied(session, kept)) == {"layout"}
    assert keep(ports, named(world), case_id, "layout", a_material())[0].version == 2


def test_what_is_kept_as_the_sweep_comes_stays(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Storing took over an hour, and ended when the sweep had listed the file."""
    desk = open_desk(world)
    ports, case_id = desk.ports, draft(desk)
    row, _ = keep(ports, named(world), case_id, "layout", a_material())
    monkeypatch.setattr(material_sweep, "_due", lambda _ports: [row.id])
    assert sweep(ports) == 0
    assert row_of(world, case_id).state == "kept"
    assert ports.documents.get(document_key(row.id)) == a_material().data


def test_what_is_stored_after_the_sweep_was_there_is_removed(world: World, clock: Ticker) -> None:
    desk = open_desk(world)
    ports, case_id, store = desk.ports, draft(desk), desk.ports.documents

    class Slow:
        def put_new(self, key: str, data: bytes) -> None:
            clock.now += TAKING + timedelta(seconds=1)
            assert sweep(ports) == 1
            store.put_new(key, data)

    slow = replace(ports, documents=cast("Any", Slow()))
    with pytest.raises(VermilionError) as caught:
        keep(slow, named(world), case_id, "layout", a_material())
    assert caught.value.reason == "material_given_up"
    row = row_of(world, case_id)
    assert row.state == "erased"
    assert store.get(document_key(row.id)) is None


def test_a_draft_that_lapsed_leaves_no_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = open_desk(world)
    ports, case_id = desk.ports, draft(desk)
    row, _ = keep(ports, named(world), case_id, "layout", a_material())
    make_form(ports, named(world), case_id, "zh")
    with ports.database.transaction() as session:  # with the event that says so
        leave(session, case_id)
        record_about(session, ports, session.get_one(Case, case_id), None, "finished", moment(ports), {})
    with Session(ports.database.read) as session:
        assert supplied(session, case_id) == {}
        assert session.scalars(select(CaseForm)).all() == []

    def out(_self: FolderStore, _key: str) -> None:
        raise VermilionError(Kind.UNAVAILABLE, "out", reason="documents")

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "remove", out)
        with pytest.raises(VermilionError):
            sweep(ports)
    assert row_of(world, case_id).state == "left", "the record says so until the store does"
    assert sweep(ports) == 2
    assert ports.documents.get(document_key(row.id)) is None
    left = row_of(world, case_id)
    assert (left.state, left.report, left.sha256) == ("erased", None, row.sha256)
    with Session(ports.database.read) as session:
        assert supplied(session, case_id) == {}
