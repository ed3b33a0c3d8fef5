"""What a check gets to know: by unguessable keys, by indexes, through a connection that cannot write."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, inspect, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.trust_list import read_trust_list
from registry.database import read_engine, write_engine
from registry.licences import lookup
from registry.licences.digests import link_digest
from registry.licences.lookup import SqlLiveRegistry, current_trust_list
from registry.licences.outage import DATABASE_OUT
from registry.licences.tables import Document, Edition
from registry.licences.types import current_type
from registry.schema import upgrade
from registry.seals.tables import KeyUse, SealUse, StandingAuthorisation
from signing.credential import parse_link
from signing.disclosure import public_record
from signing.licence_type import LicenceType
from signing.live import LiveRegistry
from tests.registry.issuing import issue_one
from tests.registry.world import BASIS, Ticker, World
from tests.signing.sealing import use_of


def registry(world: World) -> SqlLiveRegistry:
    return SqlLiveRegistry(world.ports.database.read, world.ports.clock)


def own_type(world: World) -> LicenceType:
    with Session(world.ports.database.read) as session:
        loaded = current_type(session, world.type_code)
    assert loaded is not None
    return loaded.type


def test_every_key_leads_to_the_same_licence(world: World) -> None:
    issued = issue_one(world)
    issue_one(world)
    live: LiveRegistry = registry(world)
    identifier = issued.printout.record.identifier
    found = live.by_link_id(link_digest(parse_link(issued.link).id_bytes))
    assert found is not None
    assert found.record == public_record(issued.printout.record, own_type(world))
    assert (found.status, found.seal_state, found.seal_state_at_sealing) == ("in_force", "active", "active")
    assert found.entitled
    assert found.documents == (issued.sha256,)
    assert found.credential_sha256 == sha256(issued.printout.credential).digest()
    assert found.type_name == {
        "zh": "食品经营许可证", "en": "Food Business Licence", "es": "Licencia de actividad alimentaria",
    }  # fmt: skip
    assert found.issuer_name["zh"] == "云溪省样本市市场监督管理局"
    assert found == live.by_document(issued.sha256)
    assert found == live.by_identifier(identifier)
    assert found == live.by_identifier_and_code(identifier, issued.printout.lookup_code)
    typed = issued.printout.lookup_code.lower()
    assert found == live.by_identifier_and_code(identifier, f"{typed[:4]} {typed[4:]}")


def test_wrong_and_unknown_keys_lead_nowhere(world: World) -> None:
    first, second = issue_one(world), issue_one(world)
    live = registry(world)
    assert live.by_link_id(bytes(32)) is None
    assert live.by_document(bytes(32)) is None
    assert live.by_identifier_and_code(first.printout.record.identifier, second.printout.lookup_code) is None
    assert live.by_identifier_and_code(second.printout.record.identifier, first.printout.lookup_code) is None


def test_an_added_form_of_the_document_leads_to_it_too(world: World) -> None:
    issued = issue_one(world)
    added = sha256(b"with an archival time-stamp").digest()
    with world.ports.database.transaction() as session:
        session.add(
            Document(
                sha256=added, edition_id=issued.edition_id, kind="time_stamped", format="pdf", level="B-LTA",
                store_key="", size=1, stamped_at=None, stamped_by=None, registered_at=world.ports.clock(),
            )
        )  # fmt: skip
    found = registry(world).by_document(added)
    assert found is not None
    assert set(found.documents) == {issued.sha256, added}


def test_the_registry_knows_what_its_seals_have_signed(world: World) -> None:
    """The document need not be registered: what is asked is whether a stranger made the signature."""
    issued = issue_one(world)
    data = world.ports.documents.get(f"{issued.edition_id[:2]}/{issued.edition_id}.enc")
    assert data is not None
    live = registry(world)
    assert live.seal_use_recorded(use_of(data))
    assert not live.seal_use_recorded(bytes(32))
    with Session(world.ports.database.read) as session:
        uses = session.execute(select(KeyUse.kind, KeyUse.digest).where(KeyUse.signed.is_(True))).all()
    known = [kind for kind, digest in uses if live.seal_use_recorded(digest)]
    assert known == ["signed-attributes"]
    assert {"sig-structure", "time-stamp-attributes"} < {kind for kind, _ in uses}
    with world.ports.database.transaction() as session:
        session.execute(update(SealUse).values(state="void"))
    assert live.seal_use_recorded(use_of(data))
    for outcome in (False, None):  # begun, and never signed
        with world.ports.database.transaction() as session:
            session.execute(update(KeyUse).where(KeyUse.digest == use_of(data)).values(signed=outcome))
        assert not live.seal_use_recorded(use_of(data))


def test_a_seal_suspended_later_was_active_when_it_sealed(world: World) -> None:
    issued = issue_one(world)
    world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)  # in the same second
    found = registry(world).by_document(issued.sha256)
    assert found is not None
    assert (found.seal_state, found.seal_state_at_sealing) == ("suspended", "active")


def test_a_seal_use_beyond_its_authorisation_is_not_entitled(world: World) -> None:
    issued = issue_one(world)
    with world.ports.database.transaction() as session:
        session.execute(update(StandingAuthorisation).values(type_code=world.types["other"]))
    found = registry(world).by_document(issued.sha256)
    assert found is not None
    assert not found.entitled


def test_a_withdrawal_told_by_a_clock_that_is_behind_takes_no_licence_back(
    world: World, clock: Ticker
) -> None:
    """That the authorisation held was proved under its lock; two hosts' clocks do not say which came first."""
    issued = issue_one(world)
    clock.advance(timedelta(milliseconds=-200))
    path = f"/api/v1/seals/{world.seal_code}/authorisations/{world.authorisation_id}/withdrawal"
    world.act("keeper", path, {})
    found = registry(world).by_document(issued.sha256)
    assert found is not None
    assert found.entitled


@contextmanager
def at_the_driver(engine: Engine) -> Iterator[list[str]]:
    """The statements as the driver is given them, by whatever way they come there."""
    statements: list[str] = []

    class Watched(psycopg.Cursor[Any]):
        def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
            statements.append(query)
            return super().execute(query, *arguments, **options)

    def begin(connection: Any, *_: object) -> None:
        if engine.dialect.name == "sqlite":
            connection.set_trace_callback(statements.append)
        else:
            connection.cursor_factory = Watched

    def end(connection: Any, *_: object) -> None:
        if engine.dialect.name == "sqlite":
            connection.set_trace_callback(None)
        else:
            connection.cursor_factory = psycopg.Cursor

    event.listen(engine, "checkout", begin)
    event.listen(engine, "checkin", end)
    try:
        yield statements
    finally:
        event.remove(engine, "checkout", begin)
        event.remove(engine, "checkin", end)


def test_what_the_driver_refuses_is_told_as_an_outage_and_answered_again_later(tmp_path: Path) -> None:
    """The quickest way to the database tells no less of its failures than the usual one."""
    url = f"sqlite:///{tmp_path}/registry.db"
    write_engine(url).connect().close()  # a database without our tables
    engine = read_engine(url)
    live = SqlLiveRegistry(engine, Ticker())
    with pytest.raises(VermilionError) as refused:
        live.by_link_id(bytes(32))
    assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, DATABASE_OUT)
    upgrade(url)
    assert live.by_link_id(bytes(32)) is None
    engine.dispose()


def test_one_statement_answers_by_an_index(world: World) -> None:
    issued = issue_one(world)
    live = registry(world)
    live.by_document(issued.sha256)  # names of types are read once
    engine = world.ports.database.read
    with at_the_driver(engine) as statements:
        live.by_link_id(link_digest(parse_link(issued.link).id_bytes))
        live.by_document(issued.sha256)
        live.by_identifier(issued.printout.record.identifier)
        live.seal_use_recorded(bytes(32))
        assert len(statements) == 4
        assert live.by_link_id(bytes(32)) is None
    assert len(statements) == 4 + 2  # what no licence has is looked for among copies
    indexed = {
        tuple(u["column_names"]) for u in inspect(engine).get_unique_constraints(Edition.__tablename__)
    }
    assert {("identifier",), ("link_id_sha256",)} <= indexed
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            for statement in statements:
                plan = connection.exec_driver_sql(
                    f"EXPLAIN QUERY PLAN {statement}", (b"",) * statement.count("?")
                ).all()
                assert not [row for row in plan if row.detail.startswith("SCAN")], plan


def test_the_connection_cannot_write(tmp_path: Path) -> None:
    """On SQLite by the connection; on PostgreSQL by the public role's grants, tested with the schema."""
    url = f"sqlite:///{tmp_path}/registry.db"
    upgrade(url)
    engine = read_engine(url)
    with engine.connect() as connection, pytest.raises(OperationalError, match="readonly"):
        connection.execute(text("DELETE FROM edition"))
    engine.dispose()


@given(identifier=st.text(max_size=80), code=st.text(max_size=20))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_hostile_typing_finds_nothing(world: World, identifier: str, code: str) -> None:
    live = registry(world)
    assert live.by_identifier(identifier) is None
    assert live.by_identifier_and_code(identifier, code) is None


def test_a_database_out_of_reach_is_unavailable_not_unknown(world: World, tmp_path: Path) -> None:
    engine = read_engine(f"sqlite:///{tmp_path}/missing.db")
    live = SqlLiveRegistry(engine, world.ports.clock)
    for ask in (
        lambda: live.by_link_id(bytes(32)),
        lambda: live.by_document(bytes(32)),
        lambda: live.seal_use_recorded(bytes(32)),
        lambda: live.by_identifier(issue_one(world).printout.record.identifier),
        lambda: current_trust_list(engine),
    ):
        with pytest.raises(VermilionError) as caught:
            ask()
        assert caught.value.kind is Kind.UNAVAILABLE
    engine.dispose()


def test_the_current_trust_list_is_the_newest(world: World) -> None:
    trust = read_trust_list(current_trust_list(world.ports.database.read), at=world.ports.clock())
    assert world.codes["own"] in trust.agencies
    assert trust.sequence > 1


def test_looking_up_brings_neither_rules_nor_private_keys() -> None:
    import subprocess
    import sys

    code = f"import {lookup.__name__}, sys; print([m for m in sys.modules if m.endswith('.rules') or m == 'keys.software'])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
