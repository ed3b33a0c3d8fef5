"""Licence types put into service and taken out by the registry's administrator."""

from __future__ import annotations

import io
import shutil
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.trust_list import read_trust_list
from registry.licences.lookup import current_trust_list
from registry.licences.publish import import_type, own_files, publish_type, tried_files, withdraw_type
from registry.licences.published_types import PublishedTypes
from registry.licences.tables import TypeVersion
from registry.licences.types import current_type, newest_version, published_version
from registry.log.tables import Event, Leaf
from registry.samples import sample_types
from registry.seals.trust import publish_trust_list
from signing.licence_type import LicenceType
from tests.registry.issuing import issue_one, request_body
from tests.registry.keeping import verdict
from tests.registry.world import GROUND, World, on_sqlite
from tests.signing import forms

FOOD = next(folder for folder in sample_types() if folder.name == "food-business-licence")


def draft(world: World, folder: Path) -> LicenceType:
    with world.ports.database.transaction() as session:
        return import_type(session, world.ports, world.system, own_files(folder))


def publish(world: World, version: int = 1) -> None:
    with world.ports.database.transaction() as session:
        publish_type(session, world.ports, world.system, code=world.type_code, version=version)


def withdraw(world: World, version: int = 1) -> None:
    with world.ports.database.transaction() as session:
        withdraw_type(
            session, world.ports, world.system, code=world.type_code, version=version, ground=GROUND
        )


def dry_run(world: World) -> tuple[int, str | None]:
    answer = world.post("/api/v1/licences?dry_run=1", request_body(world), **{"Idempotency-Key": "dry-run"})
    return answer.status_code, answer.get_json().get("reason")


def state_of(world: World, version: int = 1) -> str:
    with Session(world.ports.database.read) as session:
        return session.get_one(TypeVersion, (world.type_code, version)).state


def events_of(world: World) -> list[Event]:
    with Session(world.ports.database.read) as session:
        found = session.scalars(
            select(Event).where(Event.subject == world.type_code).order_by(Event.recorded_at)
        ).all()
        assert all(session.get(Leaf, event.id) for event in found)
        return list(found)


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
    assert draft(world, FOOD).code == world.type_code  # the same files: not even a draft
    assert state_of(world) == "withdrawn"
    publish(world)
    publish(world)
    assert dry_run(world)[0] == 200
    events = events_of(world)
    assert sorted(event.kind for event in events) == [
        "type.imported", "type.published", "type.published", "type.withdrawn",
    ]  # fmt: skip
    (withdrawn,) = [event for event in events if event.kind == "type.withdrawn"]
    assert withdrawn.detail == {"version": 1}
    assert (withdrawn.legal_basis, withdrawn.person_id) == (GROUND.legal_basis, world.system.person_id)


def test_a_draft_serves_nothing_until_it_is_published(world: World, tmp_path: Path) -> None:
    folder = edition_of(tmp_path, 2)
    (folder / "type.toml").write_text(
        (folder / "type.toml").read_text("utf-8").replace("食品经营许可证", "食品经营许可证二"), "utf-8"
    )
    before = trust_list(world)
    draft(world, folder)
    assert state_of(world, 2) == "draft"
    with Session(world.ports.database.read) as session:
        loaded = current_type(session, world.type_code)
        assert loaded is not None
        assert loaded.type.version == 1
        assert newest_version(session, world.type_code).type.version == 1
    with world.ports.database.transaction() as session:
        assert published_version(session, world.type_code, 2) is None
    assert trust_list(world) == before
    assert PublishedTypes(world.ports.database.read)(world.type_code, 2) is None
    with pytest.raises(VermilionError) as refused:
        withdraw(world, 2)
    assert refused.value.reason == "type_draft"
    publish(world, 2)
    with Session(world.ports.database.read) as session:
        loaded = current_type(session, world.type_code)
        assert loaded is not None
        assert loaded.type.version == 2
    assert trust_list(world) != before


def test_what_was_sealed_under_a_version_stays_as_it_was(world: World, tmp_path: Path) -> None:
    issued = issue_one(world)
    record = issued.printout.record
    path = f"/api/v1/licences/{record.identifier}/document"
    sealed = world.get(path).get_data()
    draft(world, edition_of(tmp_path, 2))
    publish(world, 2)
    withdraw(world, 1)
    assert world.get(path).get_data() == sealed
    assert sha256(sealed).digest() == issued.sha256
    publish_trust_list(world.ports)
    assert verdict(world, issued.link) == "valid"
    newer = issue_one(world).printout.record
    assert (record.type_version, newer.type_version) == (1, 2)


def trust_list(world: World) -> dict[str, dict[str, str]]:
    publish_trust_list(world.ports)
    found = read_trust_list(current_trust_list(world.ports.database.read), at=world.ports.clock())
    return {code: dict(names) for code, names in found.types.items()}


@on_sqlite
def test_a_draft_may_be_replaced_and_what_was_published_never(world: World, tmp_path: Path) -> None:
    folder = edition_of(tmp_path, 2)
    draft(world, folder)
    draft(world, folder)  # the same again changes nothing
    (folder / "face.pdf").write_bytes((folder / "face.pdf").read_bytes() + b"% changed\n")
    draft(world, folder)
    second = [event for event in events_of(world) if event.detail["version"] == 2]
    assert [event.kind for event in second] == ["type.imported", "type.imported"]
    assert {event.detail["face_sha256"] for event in second} == {
        sha256((file / "face.pdf").read_bytes()).hexdigest() for file in (FOOD, folder)
    }
    publish(world, 2)
    assert draft(world, folder).version == 2  # the same files again
    assert state_of(world, 2) == "published"
    for state in ("published", "withdrawn"):
        (folder / "face.pdf").write_bytes((folder / "face.pdf").read_bytes() + b"% more\n")
        with pytest.raises(VermilionError) as refused:
            draft(world, folder)
        assert (refused.value.kind, refused.value.reason) == (Kind.CONFLICT, "version_exists")
        assert state_of(world, 2) == state
        withdraw(world, 2)


def test_an_older_version_does_not_take_the_place_of_a_withdrawn_one(world: World, tmp_path: Path) -> None:
    draft(world, edition_of(tmp_path, 2))
    publish(world, 2)
    assert dry_run(world)[0] == 200
    withdraw(world, 2)
    assert dry_run(world) == (422, "type_unknown")
    draft(world, edition_of(tmp_path, 3))
    publish(world, 3)
    assert dry_run(world)[0] == 200


def test_a_licence_of_an_older_version_stays_as_it_was_sealed(world: World, tmp_path: Path) -> None:
    """Not the face that serves today, but the bytes that were sealed: and they are as valid as before."""

    def download() -> bytes:
        answer = world.get(f"/api/v1/licences/{first.printout.record.identifier}/document")
        assert answer.status_code == 200
        return bytes(answer.data)

    first = issue_one(world)
    sealed = download()
    assert (sha256(sealed).digest(), len(sealed)) == (first.sha256, first.size)
    folder = edition_of(tmp_path, 2)
    text = (folder / "type.toml").read_text("utf-8")
    (folder / "type.toml").write_text(
        text.replace("\nline_spacing = 1.3\n", "\nline_spacing = 1.5\n"), "utf-8"
    )
    draft(world, folder)
    publish(world, 2)
    withdraw(world)
    assert (state_of(world), state_of(world, 2)) == ("withdrawn", "published")
    publish_trust_list(world.ports)
    second = issue_one(world)
    assert (first.printout.record.type_version, second.printout.record.type_version) == (1, 2)
    assert download() == sealed
    assert [verdict(world, one.link) for one in (first, second)] == ["valid", "valid"]


@on_sqlite
def test_the_events_of_import_and_publication_bind_both_files(world: World) -> None:
    imported, published = sorted(events_of(world), key=lambda event: event.kind)
    assert (imported.kind, published.kind) == ("type.imported", "type.published")
    assert imported.detail == published.detail == {
        "version": 1,
        "slug": FOOD.name,
        "type_sha256": sha256((FOOD / "type.toml").read_bytes()).hexdigest(),
        "face_sha256": sha256((FOOD / "face.pdf").read_bytes()).hexdigest(),
    }  # fmt: skip


@on_sqlite
def test_what_is_no_type_is_refused(world: World, tmp_path: Path) -> None:
    with pytest.raises(VermilionError) as refused:
        own_files(tmp_path)
    assert refused.value.kind is Kind.NOT_FOUND
    for act in (withdraw, publish):
        with pytest.raises(VermilionError) as refused:
            act(world, 9)
        assert refused.value.kind is Kind.NOT_FOUND


@on_sqlite
def test_a_type_from_outside_is_tried_with_the_registrys_fonts_and_links(
    world: World, tmp_path: Path
) -> None:
    settings = world.ports.settings
    files, trial = tried_files(FOOD, world.ports.fonts, settings.public_origin)
    assert files == own_files(FOOD)
    with Image.open(io.BytesIO(trial.picture)) as picture:
        assert picture.format == "PNG"
    copy = edition_of(tmp_path, 2)
    (copy / "face.pdf").write_bytes(forms.edited(FOOD, forms.moved("qr", 213, 86, 30, 30)))
    with pytest.raises(VermilionError) as refused:
        tried_files(copy, world.ports.fonts, settings.public_origin)
    assert refused.value.reason == "face_qr_small"


@on_sqlite
def test_a_face_that_is_not_what_its_digest_says_issues_nothing(world: World) -> None:
    with world.ports.database.transaction() as session:
        version = session.get_one(TypeVersion, (world.type_code, 1))
        version.face_sha256 = bytes(32)
    with Session(world.ports.database.read) as session, pytest.raises(VermilionError) as refused:
        current_type(session, world.type_code)
    assert refused.value.reason == "face_altered"
