"""The site before a real database, through the engine that cannot write."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event
from sqlalchemy.engine import Engine

from registry.database import write_engine
from registry.licences.published_types import PublishedTypes
from registry.settings import Settings
from registry.tables import metadata
from registry.typed_limits import PAIR
from tests.verify_web.world import DOCUMENT, LINK_ID, LOOKUP_CODE, SAMPLES, Hand, sample
from verify_web.app import create_app
from verify_web.store import Store

API = "/api/v1/verifications"


@dataclass
class Real:
    client: FlaskClient
    clock: Hand
    statements: list[str]
    writer: Engine


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Real]:
    settings = Settings(data=tmp_path)
    (tmp_path / "database").mkdir()
    writer = write_engine(settings.url)
    metadata.create_all(writer)
    clock = Hand()
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    app = create_app(settings, clock=clock, catch_all=False)
    yield Real(app.test_client(), clock, statements, writer)
    event.remove(Engine, "before_cursor_execute", note)
    site = app.extensions["site"]
    assert isinstance(site.store, Store)
    site.store.close()
    site.types._engine.dispose()
    writer.dispose()


def test_an_empty_registry_knows_nothing_and_says_so(real: Real) -> None:
    assert real.client.get(f"/c/{LINK_ID}").status_code == 404
    answer = real.client.post(API, data=DOCUMENT, content_type="application/pdf").get_json()
    assert answer["verdict"] == "unknown"
    ready = real.client.get("/readyz")
    assert ready.get_json() == {"registry": "ok", "trust_list": "failing", "store": "ok"}
    assert ready.status_code == 503


def test_an_attempt_too_many_does_not_ask_the_registry(real: Real) -> None:
    """Nothing of what is on record can then show in how long the answer took."""
    typed = {"identifier": sample().record.identifier, "lookup_code": LOOKUP_CODE}
    asked, answers = [], set()
    for _ in range(PAIR.burst + 2):
        real.statements.clear()
        answer = real.client.post(API, json=typed, environ_base={"REMOTE_ADDR": "10.0.0.1"})
        answers.add((answer.status_code, answer.data))
        asked.append(any("FROM edition" in statement for statement in real.statements))
    assert len(answers) == 1
    assert asked == [True] * PAIR.burst + [False] * 2


def test_no_page_writes_to_the_registry(real: Real) -> None:
    for path in ("/", f"/c/{LINK_ID}", "/readyz", "/metrics"):
        real.client.get(path)
    real.client.post("/check", data={"identifier": sample().record.identifier, "lookup_code": LOOKUP_CODE})
    tables = set(metadata.tables)
    for statement in real.statements:
        if statement.split()[0] in {"INSERT", "UPDATE", "DELETE"}:
            assert not any(f" {name} " in statement for name in tables), statement


def test_a_lost_database_answers_cannot_check(real: Real, tmp_path: Path) -> None:
    metadata.drop_all(real.writer)
    answer = real.client.get(f"/c/{LINK_ID}", headers={"Accept": "application/json"})
    assert (answer.status_code, answer.get_json()["verdict"]) == (503, "cannot_check")
    assert answer.get_json()["checks"]["status"]["reason"] == "registry_unreachable"


def test_types_come_from_their_published_texts(real: Real) -> None:
    from sqlalchemy.orm import Session

    from registry.actor import Duty
    from registry.agencies.administrators import Newcomer, found
    from registry.cli.machine import Machine
    from registry.client import new_person_key
    from registry.database import Database
    from registry.licences.publish import own_files, put_into_service

    types = PublishedTypes(real.writer)
    kind = sample().record
    assert types(kind.type_code, 1) is None
    with Session(real.writer) as session, session.begin():
        machine = Machine(Settings(), Database(real.writer, real.writer), real.clock)
        newcomers = {duty: Newcomer("样本", new_person_key()[1]) for duty in Duty}
        put_into_service(
            session,
            machine,
            found(session, machine, newcomers)[Duty.SYSTEM],
            own_files(SAMPLES / "food-business-licence"),
        )
    published = types(kind.type_code, 1)
    assert published is not None
    assert published.slug == "food-business-licence"
    assert types(kind.type_code, 2) is None
