"""Licence types put into service and taken out by the registry's administrator."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.licences.publish import publish_type, withdraw_type
from registry.log.tables import Event, Leaf
from registry.samples import sample_types
from tests.registry.issuing import request_body
from tests.registry.world import GROUND, World, on_sqlite

FOOD = next(folder for folder in sample_types() if folder.name == "food-business-licence")


def publish(world: World, folder: Path) -> str:
    with world.ports.database.transaction() as session:
        return publish_type(session, world.ports, world.system, folder).code


def withdraw(world: World, version: int = 1) -> None:
    with world.ports.database.transaction() as session:
        withdraw_type(
            session, world.ports, world.system, code=world.type_code, version=version, ground=GROUND
        )


def dry_run(world: World) -> tuple[int, str | None]:
    answer = world.post("/api/v1/licences?dry_run=1", request_body(world), **{"Idempotency-Key": "dry-run"})
    return answer.status_code, answer.get_json().get("reason")


def edition_of(folder: Path, version: int) -> Path:
    """The type's next version, in a folder of the same name."""
    copy = folder / str(version) / FOOD.name
    shutil.copytree(FOOD, copy)
    text = (copy / "type.toml").read_text("utf-8")
    assert "\nversion = 1\n" in text
    (copy / "type.toml").write_text(text.replace("\nversion = 1\n", f"\nversion = {version}\n"), "utf-8")
    return copy


def test_a_withdrawn_type_is_not_issued_until_published_again(world: World) -> None:
    assert dry_run(world)[0] == 200
    withdraw(world)
    withdraw(world)  # the same again changes nothing
    assert dry_run(world) == (422, "type_unknown")
    assert publish(world, FOOD) == world.type_code
    assert publish(world, FOOD) == world.type_code
    assert dry_run(world)[0] == 200
    with Session(world.ports.database.read) as session:
        events = session.scalars(select(Event).where(Event.subject == world.type_code)).all()
        assert sorted(event.kind for event in events) == [
            "type.published",
            "type.published",
            "type.withdrawn",
        ]
        assert all(session.get(Leaf, event.id) for event in events)
        (withdrawn,) = [event for event in events if event.kind == "type.withdrawn"]
        assert withdrawn.detail == {"version": 1}
        assert (withdrawn.legal_basis, withdrawn.person_id) == (GROUND.legal_basis, world.system.person_id)


def test_an_older_version_does_not_take_the_place_of_a_withdrawn_one(world: World, tmp_path: Path) -> None:
    publish(world, edition_of(tmp_path, 2))
    assert dry_run(world)[0] == 200
    withdraw(world, 2)
    assert dry_run(world) == (422, "type_unknown")
    publish(world, edition_of(tmp_path, 3))
    assert dry_run(world)[0] == 200


@on_sqlite
def test_the_event_of_a_publication_binds_both_files(world: World) -> None:
    with Session(world.ports.database.read) as session:
        event = session.scalars(select(Event).where(Event.subject == world.type_code)).one()
    assert event.detail == {
        "version": 1,
        "slug": FOOD.name,
        "type_sha256": sha256((FOOD / "type.toml").read_bytes()).hexdigest(),
        "face_sha256": sha256((FOOD / "face.pdf").read_bytes()).hexdigest(),
    }


@on_sqlite
def test_a_version_never_changes(world: World, tmp_path: Path) -> None:
    copy = tmp_path / FOOD.name
    shutil.copytree(FOOD, copy)
    (copy / "face.pdf").write_bytes((copy / "face.pdf").read_bytes() + b"% changed\n")
    with pytest.raises(VermilionError) as refused:
        publish(world, copy)
    assert refused.value.reason == "version_exists"
    withdraw(world)
    with pytest.raises(VermilionError) as refused:
        publish(world, copy)
    assert refused.value.reason == "version_exists"


@on_sqlite
def test_what_is_no_type_is_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(VermilionError) as refused:
        publish(world, tmp_path)
    assert refused.value.kind is Kind.NOT_FOUND
    with pytest.raises(VermilionError) as refused:
        withdraw(world, 9)
    assert refused.value.kind is Kind.NOT_FOUND
