"""The picture of an application: seen by who approves it, and made as it was approved."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from registry.seals.tables import ApplicationPicture, SealEdition
from tests.registry.test_seals_life import refused
from tests.registry.world import World, on_sqlite
from tests.signing.test_seal_upload import imprint, png

NAME = {"name": "云溪省样本市人民政府"}


def body(kind: str = "government", **changes: Any) -> dict[str, Any]:
    picture = base64.b64encode(png(imprint())).decode()
    return {"kind": kind, **NAME, "picture": picture, **changes}


def applied(world: World, **changes: Any) -> dict[str, Any]:
    return world.act("applicant", "/api/v1/seal-applications", body(**changes), 201)


def seen(world: World, application: dict[str, Any], person: str = "approver") -> bytes:
    path = f"/api/v1/seal-applications/{application['id']}/picture"
    answer = world.get(path, world.system_of(person), person)
    assert (answer.status_code, answer.mimetype) == (200, "application/pdf")
    assert answer.get_etag()[0] == sha256(answer.data).hexdigest()
    data: bytes = answer.data
    return data


def test_an_uploaded_picture_is_approved_by_its_digest_and_made(world: World) -> None:
    application = applied(world)
    shown = seen(world, application)
    assert application["payload"]["picture"] == {
        "type": "pdf", "sha256": sha256(shown).hexdigest(), "width_mm": 45, "height_mm": 45,
    }  # fmt: skip
    assert seen(world, application, "applicant") == shown
    code = world.decide(application)["seal"]
    world.act("maker", f"/api/v1/seals/{code}/making", {}, 201)
    (edition,) = world.get(f"/api/v1/seals/{code}").get_json()["editions"]
    assert edition["picture_sha256"] == sha256(shown).hexdigest()
    assert edition["width_mm"] == 45


def test_a_drawn_picture_is_seen_before_it_is_approved_too(world: World) -> None:
    application = world.apply_for_seal()
    shown = seen(world, application)
    assert shown.startswith(b"%PDF")
    code = world.decide(application)["seal"]
    world.act("maker", f"/api/v1/seals/{code}/making", {}, 201)
    with Session(world.ports.database.read) as session:
        made = session.scalars(select(SealEdition.picture).where(SealEdition.seal_code == code)).one()
    assert made == shown


def test_a_picture_changed_after_the_approval_is_not_made(world: World) -> None:
    application = applied(world)
    code = world.decide(application)["seal"]
    with world.ports.database.transaction() as session:
        other = session.scalars(
            select(ApplicationPicture.data).where(ApplicationPicture.approval_id != application["id"])
        ).first()
        session.execute(
            update(ApplicationPicture)
            .where(ApplicationPicture.approval_id == application["id"])
            .values(data=other)
        )
    refused(world, "maker", f"/api/v1/seals/{code}/making", {}, 503, "picture_altered")
    path = f"/api/v1/seal-applications/{application['id']}/picture"
    assert world.get(path, "authority-system", "approver").status_code == 503


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"picture": None}, "/picture", "emblem_not_drawn"),
        ({"picture": "!"}, "/picture", "base64"),
        ({"picture": ""}, "/picture", "picture_format"),
        ({"picture": "A" * 400_020}, "/picture", "base64"),
        ({"picture": base64.b64encode(png(imprint(100))).decode()}, "/picture", "picture_size"),
        ({"bottom_text": "专用章"}, "/bottom_text", "drawn_only"),
        ({"name": "样"}, "/name", "seal_name_length"),
        ({"kind": "square"}, "/kind", "unknown_kind"),
    ],
)
def test_what_is_wrong_with_it_is_named(
    world: World, changes: dict[str, Any], pointer: str, code: str
) -> None:
    answer = world.post("/api/v1/seal-applications", {**body(), **changes}, "system", "applicant")
    (fault,) = answer.get_json()["errors"]
    assert (answer.status_code, fault["pointer"], fault["reason"]) == (422, pointer, code)


@on_sqlite
def test_a_body_too_long_is_cut_off(world: World) -> None:
    answer = world.post("/api/v1/seal-applications", body(picture="A" * 500_000), "system", "applicant")
    assert answer.status_code == 413


@on_sqlite
def test_who_does_not_see_the_application_does_not_see_its_picture(world: World) -> None:
    path = f"/api/v1/seal-applications/{applied(world)['id']}/picture"
    assert world.get(path, "other-system", "other-keeper").status_code == 404
    assert world.get(f"/api/v1/seal-applications/{'0' * 32}/picture", "system", "keeper").status_code == 404
