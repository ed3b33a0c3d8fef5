"""A backup brings a registry back as it was, says nothing to who has no key, and is believed whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json, strict_json
from keys.errors import Kind, VermilionError
from registry.backup import back_up, restore
from registry.composition import open_ports
from registry.documents import document_key
from registry.licences.fsck import fsck
from registry.licences.tables import Edition
from registry.seals.tables import KeyUse
from registry.settings import Settings
from tests.registry.issuing import issue_one, request_body
from tests.registry.world import BASIS, CHEAP, Ticker, World, on_sqlite
from tests.tools import need

NewDatabase = Callable[..., str]


def made(world: World, path: Path) -> Path:
    if make_url(world.ports.settings.url).get_backend_name() == "postgresql":
        need("pg_dump")
        need("pg_restore")
    ports = world.ports
    back_up(ports.settings, ports.vault, path, clock=ports.clock, random=ports.random)
    return path


def elsewhere(world: World, place: Path, url: str) -> Settings:
    """An empty place with the registry's keys, brought there by another way."""
    data = place / "elsewhere"
    data.mkdir()
    shutil.copytree(world.ports.settings.keys_directory, data / "keys")
    sqlite = make_url(url).get_backend_name() == "sqlite"
    return Settings(data=data, database_url="" if sqlite else url, demo=True)


def brought_back(world: World, settings: Settings, path: Path) -> None:
    restore(settings, path, clock=world.ports.clock, random=world.ports.random)


def refusal(work: Callable[[], object]) -> VermilionError:
    with pytest.raises(VermilionError) as caught:
        work()
    return caught.value


def test_a_registry_comes_back_as_it_was(
    world: World, clock: Ticker, tmp_path: Path, new_database: NewDatabase
) -> None:
    body = request_body(world)
    issued = issue_one(world, body)
    world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)
    path = made(world, tmp_path / "backup")
    world.ports.settings.documents_directory.rename(tmp_path / "burnt")
    settings = elsewhere(world, tmp_path, new_database())
    brought_back(world, settings, path)

    ports = open_ports(settings, clock=clock, cost=CHEAP)
    try:
        assert fsck(ports) == []
        again = issue_one(world, body, ports=ports)
        assert (again.replayed, again.sha256, again.link) == (True, issued.sha256, issued.link)
        error = refusal(lambda: issue_one(world, request_body(world), ports=ports))
        assert error.reason == "seal_not_active"
        with Session(ports.database.read) as session:
            uses = session.scalars(select(KeyUse).where(KeyUse.record.startswith("backup:"))).all()
        assert [use.signed for use in uses] == [True], "the restored record says that a key was used for it"
    finally:
        ports.database.dispose()


def test_a_backup_says_nothing_and_is_closed_to_others(world: World, tmp_path: Path) -> None:
    issued = issue_one(world)
    path = made(world, tmp_path / "backup")
    data = path.read_bytes()
    assert path.stat().st_mode & 0o077 == 0
    record = issued.printout.record
    for shown in (str(record.fields["operator_name"]), record.identifier, "SQLite format", "%PDF", "edition"):
        assert shown.encode() not in data
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith(".backup-")] == []


def test_a_backup_is_never_written_over_another(world: World, tmp_path: Path) -> None:
    path = made(world, tmp_path / "backup")
    before = path.read_bytes()
    assert refusal(lambda: made(world, path)).reason == "backup_exists"
    assert path.read_bytes() == before


def untouched(settings: Settings) -> bool:
    return sorted(path.name for path in settings.data.iterdir()) == ["keys"]


@on_sqlite
def test_what_was_altered_cut_off_or_is_of_other_keys_restores_nothing(
    world: World, tmp_path: Path, new_database: NewDatabase
) -> None:
    issue_one(world)
    path = made(world, tmp_path / "backup")
    data = path.read_bytes()
    settings = elsewhere(world, tmp_path, new_database())
    header, _, rest = data.partition(b"\n")
    told = strict_json(header, max_bytes=4096, max_depth=2)
    assert isinstance(told, dict)

    def said(**changes: str) -> bytes:
        return canonical_json({**told, **changes}) + b"\n" + rest

    wrong = {
        "altered": data[:-1] + bytes([data[-1] ^ 1]),
        "cut off": data[:-20],
        "cut off early": data[: len(data) // 2],
        "longer": data + b"\0",
        "another id": said(id="0" * 32),
        "another prefix": said(prefix="00" * 7),
        "another moment": said(created_at="2020-01-01T00:00:00+00:00"),
        "another key": said(wrapped=told["wrapped"][:-8] + "AAAAAAA="),
    }
    for what, content in wrong.items():
        path.chmod(0o600)
        path.write_bytes(content)
        error = refusal(lambda: brought_back(world, settings, path))
        assert error.kind is Kind.UNAUTHENTICATED, what
        assert untouched(settings), what
    for content in (b"", b"\n", b"{}\n", rest, said(more="1"), said(format="vermilion-backup-2")):
        path.write_bytes(content)
        assert refusal(lambda: brought_back(world, settings, path)).kind is Kind.MALFORMED
        assert untouched(settings)
    path.write_bytes(data)
    (settings.keys_directory / next(settings.keys_directory.glob("*.wrapping")).name).rename(tmp_path / "key")
    assert refusal(lambda: brought_back(world, settings, path)).reason == "key_unusable"
    assert untouched(settings)
    (tmp_path / "key").rename(settings.keys_directory / f"{told['wrapping_key']}.wrapping")
    brought_back(world, settings, path)


def test_nothing_is_restored_over_a_registry(world: World, tmp_path: Path, new_database: NewDatabase) -> None:
    issue_one(world)
    path = made(world, tmp_path / "backup")
    error = refusal(lambda: brought_back(world, world.ports.settings, path))
    assert (error.kind, error.reason) == (Kind.CONFLICT, "not_empty")
    settings = elsewhere(world, tmp_path, new_database())
    brought_back(world, settings, path)
    assert refusal(lambda: brought_back(world, settings, path)).reason == "not_empty"
    assert fsck(world.ports) == []


def test_a_backup_taken_while_licences_are_issued_holds_together(
    world: World, clock: Ticker, tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is issued after the database was copied has a document in the backup, and no row: it is not missed."""
    from registry import backup as module

    issue_one(world)
    copy = module._copy_database

    def copy_and_go_on(url: str, target: Path) -> None:
        copy(url, target)
        issue_one(world)

    monkeypatch.setattr(module, "_copy_database", copy_and_go_on)
    path = made(world, tmp_path / "backup")
    settings = elsewhere(world, tmp_path, new_database())
    brought_back(world, settings, path)
    ports = open_ports(settings, clock=clock, cost=CHEAP)
    try:
        assert fsck(ports) == []
        with Session(ports.database.read) as session:
            assert len(session.scalars(select(Edition.id)).all()) == 1
    finally:
        ports.database.dispose()


@on_sqlite
def test_what_is_erased_while_a_backup_is_written_is_not_in_it(
    world: World, clock: Ticker, tmp_path: Path, new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drafts lapse and packages are disposed of all day, and a large registry is read for hours."""
    from registry import backup as module

    issued, archive = issue_one(world), module._archive
    erased = document_key(issued.edition_id)

    def meanwhile(*about: Any) -> Iterator[bytes]:
        (world.ports.settings.documents_directory / erased).unlink()
        return archive(*about)

    monkeypatch.setattr(module, "_archive", meanwhile)
    path = made(world, tmp_path / "backup")
    settings = elsewhere(world, tmp_path, new_database())
    brought_back(world, settings, path)
    assert not (settings.documents_directory / erased).exists()
    ports = open_ports(settings, clock=clock, cost=CHEAP)
    try:
        (missing,) = fsck(ports)
        assert issued.edition_id in missing
    finally:
        ports.database.dispose()


@on_sqlite
def test_where_a_signer_holds_the_keys_the_restorer_is_told_who_can(world: World, tmp_path: Path) -> None:
    path = made(world, tmp_path / "backup")
    settings = Settings(data=tmp_path / "elsewhere", signer_socket=tmp_path / "socket")
    settings.data.mkdir()
    assert refusal(lambda: brought_back(world, settings, path)).reason == "signer_socket"
    assert list(settings.data.iterdir()) == []


@on_sqlite
def test_nothing_is_restored_beside_another_databases_journal_or_documents(
    world: World, clock: Ticker, tmp_path: Path, new_database: NewDatabase
) -> None:
    issued = issue_one(world)
    path = made(world, tmp_path / "backup")
    settings = elsewhere(world, tmp_path, new_database())
    database = Path(make_url(settings.url).database or "")
    database.parent.mkdir()
    for suffix in ("-wal", "-shm", "-journal"):
        left = database.with_name(database.name + suffix)
        left.write_bytes(b"of another database")
        assert refusal(lambda: brought_back(world, settings, path)).reason == "not_empty"
        left.unlink()
    folder = settings.documents_directory / issued.edition_id[:2]
    folder.mkdir(parents=True)
    assert refusal(lambda: brought_back(world, settings, path)).reason == "not_empty"
    folder.rmdir()
    database.touch()  # a first start's
    brought_back(world, settings, path)
    ports = open_ports(settings, clock=clock, cost=CHEAP)
    assert fsck(ports) == []
    ports.database.dispose()


@on_sqlite
@pytest.mark.parametrize("what", ["_copy", "_restore_database"])
def test_a_restore_that_failed_left_nothing_and_is_tried_again(
    world: World,
    clock: Ticker,
    tmp_path: Path,
    new_database: NewDatabase,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
) -> None:
    from registry import backup as module

    issue_one(world)
    issue_one(world)
    path = made(world, tmp_path / "backup")
    settings = elsewhere(world, tmp_path, new_database())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(module, what, full)
        assert refusal(lambda: brought_back(world, settings, path)).kind is Kind.UNAVAILABLE
    assert list(settings.documents_directory.iterdir()) == []
    brought_back(world, settings, path)
    ports = open_ports(settings, clock=clock, cost=CHEAP)
    assert fsck(ports) == []
    ports.database.dispose()


@on_sqlite
def test_the_copy_in_clear_never_lies_beside_the_backup(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from registry import backup as module

    seen: list[Path] = []
    copy = module._copy_database

    def watched(url: str, target: Path) -> None:
        seen.append(target)
        copy(url, target)

    monkeypatch.setattr(module, "_copy_database", watched)
    medium = tmp_path / "medium"
    medium.mkdir()
    made(world, medium / "backup")
    assert [target.is_relative_to(world.ports.settings.data) for target in seen] == [True]
    assert [path.name for path in medium.iterdir()] == ["backup"]


def test_what_the_url_says_of_tls_reaches_the_programs_and_its_password_does_not_stand_in_arguments() -> None:
    from registry.backup import _conninfo

    url = make_url(
        "postgresql+psycopg://owner:secret@db.example:5433/record?sslmode=verify-full&sslrootcert=/etc/ca.pem"
    )
    told = _conninfo(url)
    assert sorted(told.split()) == [
        "dbname=record", "host=db.example", "port=5433", "sslmode=verify-full", "sslrootcert=/etc/ca.pem",
        "user=owner",
    ]  # fmt: skip
    for wrong in ("host=a&host=b", "no_such_option=1"):
        error = refusal(partial(_conninfo, make_url(f"postgresql+psycopg:///record?{wrong}")))
        assert (error.kind, error.reason) == (Kind.INVALID, "database_url")
