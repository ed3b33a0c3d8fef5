"""At rest nothing personal stands in clear, and what was altered or put in another's place does not open."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import inspect, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.wrapping import WRAPPED_BYTES
from registry.documents import document_key
from registry.licences.fsck import fsck
from registry.licences.lookup import SqlLiveRegistry
from registry.licences.recovery import recover
from registry.licences.tables import Edition, Intent, Licence, Number, StatusIndex, TypeVersion
from registry.seals.tables import DataKey, KeyUse
from registry.vault import Use, Vault
from tests.registry.issuing import LEASE, die, issue_one, request_body
from tests.registry.world import Ticker, World, on_sqlite

DOMICILE = "云溪省样本市静水区不公开路1099号"  # the sample type shows the public its first third


def refusal(work: Callable[[], object]) -> VermilionError:
    with pytest.raises(VermilionError) as caught:
        work()
    return caught.value


def everything_at_rest(world: World) -> Iterator[tuple[str, bytes]]:
    """Each row of the database, as the server gives it, and each file of the data directory."""
    engine = world.ports.database.read
    with engine.connect() as connection:
        for table in inspect(engine).get_table_names():
            for row in connection.execute(text(f'SELECT * FROM "{table}"')):
                yield table, repr(tuple(row)).encode() + b"".join(v for v in row if isinstance(v, bytes))
    for path in Path(world.ports.settings.data).rglob("*"):
        if path.is_file() and path.parent.name != "fonts" and not path.is_symlink():
            yield str(path.relative_to(world.ports.settings.data)), path.read_bytes()


def hidden_body(world: World) -> dict[str, Any]:
    body = request_body(world)
    return body | {"fields": body["fields"] | {"domicile": DOMICILE}}


def test_no_table_and_no_file_says_what_the_public_is_not_shown(world: World) -> None:
    issued = issue_one(world, hidden_body(world))
    fields = issued.printout.record.fields
    secrets = [DOMICILE]
    secrets += [issued.printout.lookup_code, issued.link.partition("#")[2][:40]]
    found = [
        where for where, data in everything_at_rest(world) for secret in secrets if secret.encode() in data
    ]
    found += [
        where
        for where, data in everything_at_rest(world)
        if any(json.dumps(secret)[1:-1].encode() in data for secret in secrets)
    ]
    assert found == []
    shown = [
        table for table, data in everything_at_rest(world) if str(fields["operator_name"]).encode() in data
    ]
    assert {"edition"} <= set(shown), "what is looked for would be found: the public is shown the name"
    stored = world.ports.settings.documents_directory / document_key(issued.edition_id)
    assert b"%PDF" not in stored.read_bytes()
    assert fsck(world.ports) == []


def test_who_reads_the_database_cannot_try_numbers_or_requests_against_it(world: World) -> None:
    """The digests of what can be guessed are made under a key."""
    from hashlib import sha256

    from registry.licences.numbers import number_mac

    issued = issue_one(world)
    record = issued.printout.record
    with Session(world.ports.database.read) as session:
        (kept,) = session.scalars(select(Number.number_mac))
    parts = (record.type_code, record.issuer_code, record.number)
    assert kept == number_mac(world.ports.vault, *parts)
    assert len(kept) == 32
    assert kept not in {sha256(joined.encode()).digest() for joined in ("|".join(parts), "".join(parts))}
    other = number_mac(world.ports.vault, record.type_code, record.issuer_code + record.number, "")
    assert other != kept, "where one part ends and the next begins is part of it"


def test_the_public_is_answered_by_who_holds_no_key(world: World) -> None:
    issued = issue_one(world, hidden_body(world))
    with world.ports.database.transaction() as session:
        session.execute(update(DataKey).values(wrapped=bytes(WRAPPED_BYTES)))
    live = SqlLiveRegistry(world.ports.database.read, world.ports.clock)
    found = live.by_identifier(issued.printout.record.identifier)
    assert found is not None
    assert found.record.fields["operator_name"] == issued.printout.record.fields["operator_name"]
    assert found.record.fields["domicile"] == DOMICILE[:6] + "*" * (len(DOMICILE) - 6)


@on_sqlite
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    plain=st.binary(max_size=200), owner=st.text("0123456789abcdef", min_size=1, max_size=32), data=st.data()
)
def test_what_is_encrypted_opens_for_its_use_and_owner_alone(
    world: World, plain: bytes, owner: str, data: st.DataObject
) -> None:
    vault = world.ports.vault
    kept = vault.encrypt(Use.RECORD, plain, owner)
    assert vault.decrypt(Use.RECORD, kept, owner) == plain
    assert kept != vault.encrypt(Use.RECORD, plain, owner)
    at = data.draw(st.integers(0, len(kept) - 1))
    altered = kept[:at] + bytes([kept[at] ^ data.draw(st.integers(1, 255))]) + kept[at + 1 :]
    for use, wrong, whose in (
        (Use.RECORD, altered, owner),
        (Use.RECORD, kept[:at], owner),
        (Use.RECORD, kept + b"\0", owner),
        (Use.RECORD, kept, owner + "0"),
        (Use.DOCUMENT, kept, owner),
    ):
        error = refusal(partial(vault.decrypt, use, wrong, whose))
        found = (Kind.UNAUTHENTICATED, f"{use.value}_damaged")
        nothing = (Kind.NOT_FOUND, "record_disposed")  # what stands there once it was disposed of
        assert (error.kind, error.reason) == (found if wrong else nothing)


def test_a_record_that_was_put_in_anothers_place_is_found_and_nothing_rests_on_it(world: World) -> None:
    first, second = issue_one(world), issue_one(world)
    with world.ports.database.transaction() as session:
        kept = session.get_one(Intent, first.edition_id).record
        session.execute(update(Intent).where(Intent.id == second.edition_id).values(record=kept))
    assert fsck(world.ports) == [
        f"intent {second.edition_id} has a record that cannot be read (record_damaged)"
    ]
    answer = world.get(f"/api/v1/licences/{second.printout.record.identifier}")
    assert (answer.status_code, answer.get_json()["reason"]) == (503, "record_damaged")
    assert str(first.printout.record.fields["operator_name"]) not in answer.get_data(as_text=True)


def test_what_the_public_is_shown_is_compared_with_the_record(world: World) -> None:
    issued = issue_one(world)
    with world.ports.database.transaction() as session:
        row = session.get_one(Edition, issued.edition_id)
        row.public_record = row.public_record.replace("云溪", "云海")
    assert fsck(world.ports) == [
        f"edition {issued.edition_id}: the public is shown another thing than the record's type says"
    ]


def test_a_document_that_does_not_open_is_lost_to_who_asks_and_named_by_fsck(world: World) -> None:
    body = request_body(world)
    issued = issue_one(world, body)
    path = world.ports.settings.documents_directory / document_key(issued.edition_id)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.chmod(0o600)
    path.write_bytes(bytes(data))
    answer = world.get(f"/api/v1/licences/{issued.printout.record.identifier}/document")
    assert (answer.status_code, answer.get_json()["reason"]) == (503, "document_lost")
    assert fsck(world.ports) == [f"edition {issued.edition_id}: the document does not verify (document_lost)"]


def test_an_intent_whose_document_does_not_open_is_given_up(world: World, clock: Ticker) -> None:
    die(world)
    with Session(world.ports.database.read) as session:
        (intent,) = session.scalars(select(Intent))
    path = world.ports.settings.documents_directory / document_key(intent.id)
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1])
    clock.advance(LEASE)
    report = recover(world.ports)
    assert (len(report.abandoned), report.defects) == (1, {})
    with Session(world.ports.database.read) as session:
        (intent,) = session.scalars(select(Intent))
    assert intent.end_reason == "document_damaged"
    assert fsck(world.ports) == []


def test_an_intent_whose_record_does_not_open_comes_to_an_end(world: World, clock: Ticker) -> None:
    body = die(world)
    with world.ports.database.transaction() as session:
        session.execute(update(Intent).values(record=b"\1" + bytes(60)))
    clock.advance(LEASE)
    report = recover(world.ports)
    assert (len(report.abandoned), report.defects) == (1, {})
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(Number)).all() == [], "the agency's number is free again"
    assert not issue_one(world, body).replayed


def test_fsck_names_what_stands_beside_the_record_and_says_otherwise(world: World) -> None:
    issued = issue_one(world)
    with world.ports.database.transaction() as session:
        session.get_one(Edition, issued.edition_id).number = 7
        licence = session.get_one(Licence, session.get_one(Edition, issued.edition_id).licence_id)
        licence.type_code = world.types["other"]
        session.execute(update(StatusIndex).values(index=StatusIndex.index + 1))
        session.execute(
            update(TypeVersion)
            .where(TypeVersion.code == world.type_code)
            .values(face_pdf=b"x", face_sha256=bytes(32))
        )
    (world.ports.settings.documents_directory / document_key(issued.edition_id)).unlink()
    found = "\n".join(fsck(world.ports))
    for said in (
        "identifier, number or dates", "its licence is another", "another slot", "its type cannot be read",
        "the document does not verify (document_lost)",
    ):  # fmt: skip
        assert said in found, found


def test_keys_that_open_in_part_are_not_taken_for_all(world: World) -> None:
    """Else a later transaction would find one missing, and wait for itself where the unwrapping is recorded."""

    class Failing:
        def __init__(self) -> None:
            self.left = 1

        def unwrap(self, *arguments: Any) -> bytes:
            self.left -= 1
            if self.left < 0:
                raise VermilionError(Kind.UNAVAILABLE, "out", reason="key_unusable")
            return bytes(wrapper(world).unwrap(*arguments))

    failing: Any = Failing()
    vault = Vault(world.ports.database, world.ports.random).opened_by(failing)
    assert refusal(vault.ready).reason == "key_unusable"
    failing.left = 9
    vault.ready()
    assert len(vault.encrypt(Use.RECORD, b"", "1")) > 0
    assert failing.left == 9 - len(Use), "all of them were asked for again, at once"


def test_a_data_key_that_was_altered_is_an_outage_and_a_busy_database_is_one(world: World) -> None:
    with world.ports.database.transaction() as session:
        session.execute(update(DataKey).values(wrapped=bytes(WRAPPED_BYTES)))
    vault = Vault(world.ports.database, world.ports.random).opened_by(wrapper(world))
    assert refusal(vault.ready).kind is Kind.UNAVAILABLE

    class Busy:
        def unwrap(self, *_: Any) -> bytes:
            raise OperationalError("", None, Exception("database is locked"))

    busy: Any = Busy()
    vault = Vault(world.ports.database, world.ports.random).opened_by(busy)
    assert refusal(vault.ready).kind is Kind.UNAVAILABLE


# --- the keys


def uses(world: World) -> list[KeyUse]:
    with Session(world.ports.database.read) as session:
        return list(session.scalars(select(KeyUse).where(KeyUse.kind == "unwrap").order_by(KeyUse.record)))


def test_each_unwrapping_is_on_record_and_happens_once_a_process(world: World) -> None:
    before = len(uses(world))
    fresh = Vault(world.ports.database, world.ports.random).opened_by(wrapper(world))
    fresh.ready()
    issue_one(world)
    fresh.encrypt(Use.RECORD, b"", "1")
    fresh.ready()
    now = uses(world)
    assert len(now) == before + len(Use)
    assert {use.record.partition("#")[0] for use in now} == {f"data-key:{use.value}:1" for use in Use}
    assert all(use.signed for use in now)


def wrapper(world: World) -> Any:
    return world.ports.vault._wrapper


def test_renewed_keys_encrypt_from_now_on_and_the_old_ones_open_what_was(world: World, clock: Ticker) -> None:
    body = request_body(world)
    old = issue_one(world, body)
    with Session(world.ports.database.read) as session:
        first = set(session.scalars(select(DataKey.wrapping_key_id)))
    other = Vault(world.ports.database, world.ports.random).opened_by(wrapper(world))
    other.ready()
    clock.advance(timedelta(days=1))
    made = world.ports.vault.renew(clock)
    with Session(world.ports.database.read) as session:
        rows = session.execute(select(DataKey.use, DataKey.generation, DataKey.wrapping_key_id)).all()
    assert {row.wrapping_key_id for row in rows} == {made}
    assert made not in first
    assert sorted((row.use, row.generation) for row in rows) == [
        ("document", 1), ("document", 2), ("index", 1), ("record", 1), ("record", 2)
    ]  # fmt: skip
    new = issue_one(world)
    with Session(world.ports.database.read) as session:
        generation = {
            intent.id: int.from_bytes(intent.record[1:5], "big") for intent in session.scalars(select(Intent))
        }
        kept = session.get_one(Intent, new.edition_id).record
    assert generation == {old.edition_id: 1, new.edition_id: 2}
    assert other.decrypt(Use.RECORD, kept, new.edition_id), (
        "a process that knows the old ones learns the new one"
    )
    again = issue_one(world, body)
    assert (again.replayed, again.sha256) == (True, old.sha256)
    assert fsck(world.ports) == []


def test_a_number_stays_taken_when_the_keys_are_renewed(world: World, clock: Ticker) -> None:
    body = request_body(world)
    issue_one(world, body)
    world.ports.vault.renew(clock)
    error = refusal(lambda: issue_one(world, body, key="another"))
    assert (error.kind, error.faults[0].reason) == (Kind.CONFLICT, "number_taken")


def test_of_two_who_renew_at_once_one_does(world: World, clock: Ticker) -> None:
    vault = world.ports.vault

    class Slow:
        """Somebody else is quicker, between the look and the touch."""

        def __getattr__(self, name: str) -> Any:
            return getattr(vault._wrapper, name)

        def make_wrapping_key(self) -> str:
            vault.renew(clock)
            return str(wrapper(world).make_wrapping_key())

    slow = Vault(world.ports.database, world.ports.random).opened_by(Slow())
    error = refusal(lambda: slow.renew(clock))
    assert (error.kind, error.reason) == (Kind.CONFLICT, "data_key_changed")
    assert fsck(world.ports) == []


def test_a_wrapping_key_that_is_lost_is_an_outage_and_no_licence_is_harmed(
    world: World, clock: Ticker
) -> None:
    body = request_body(world)
    issued = issue_one(world, body)
    keys = world.ports.settings.keys_directory
    (path,) = keys.glob("*.wrapping")
    path.rename(keys / "elsewhere")
    from registry.composition import open_ports
    from tests.registry.world import CHEAP

    ports = open_ports(world.ports.settings, clock=clock, cost=CHEAP)
    try:
        error = refusal(ports.vault.ready)
        assert (error.kind, error.reason) == (Kind.UNAVAILABLE, "key_unusable")
        assert refusal(lambda: ports.documents.get(document_key(issued.edition_id))).reason == "key_unusable"
        (keys / "elsewhere").rename(path)
        assert ports.documents.get(document_key(issued.edition_id)) is not None
    finally:
        ports.database.dispose()


def test_a_first_start_that_is_repeated_keeps_the_keys(world: World, clock: Ticker) -> None:
    with Session(world.ports.database.read) as session:
        before = session.execute(select(DataKey.use, DataKey.wrapped).order_by(DataKey.use)).all()
    world.ports.vault.establish(clock)
    with Session(world.ports.database.read) as session:
        assert session.execute(select(DataKey.use, DataKey.wrapped).order_by(DataKey.use)).all() == before


def test_a_registry_without_data_keys_issues_nothing(world: World) -> None:
    with world.ports.database.transaction() as session:
        session.execute(DataKey.__table__.delete())  # type: ignore[attr-defined]
    empty = Vault(world.ports.database, world.ports.random).opened_by(wrapper(world))
    for work in (
        lambda: empty.encrypt(Use.RECORD, b"", "1"),
        lambda: empty.blind("number", "1"),
        lambda: empty.wrap_apart(bytes(32), "backup:1"),
    ):
        error = refusal(work)
        assert (error.kind, error.reason) == (Kind.UNAVAILABLE, "data_key")
