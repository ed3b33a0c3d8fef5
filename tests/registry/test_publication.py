"""Files for relying parties: whole, newest, readable by any web server, and nothing else touched."""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
from contextlib import suppress
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import delete, event, select, update
from sqlalchemy.orm import Session

from keys.crl import verify_crl
from keys.errors import Kind, VermilionError
from keys.status_list import LIFE
from keys.trust_list import read_trust_list
from registry.licences.status_lists import COALESCE, publish_due
from registry.licences.status_tables import StatusListToken
from registry.publication import INDEX, MARKER, Report, publish_to
from registry.schema import PUBLIC_TABLES
from registry.seals.revocation_list import COALESCE as CRL_COALESCE
from registry.seals.revocation_list import publish_due as publish_crls
from registry.seals.tables import Certificate, PublishedTrustList
from registry.seals.trust import publish_trust_list
from signing.bundle import TRUST_LIST, Bundle
from signing.status_list import Value, look_up, read_status_list, uri_of
from signing.verdict import Status
from tests.registry.issuing import issue_one
from tests.registry.test_status import change
from tests.registry.world import START, Ticker, World, on_sqlite


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "srv" / "published"


def published(world: World, folder: Path) -> Report:
    return publish_to(world.ports.database.read, folder, world.ports.clock())


def lying(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_is_published_is_enough_to_check_by(world: World, clock: Ticker, folder: Path) -> None:
    issued = issue_one(world)
    publish_due(world.ports)
    publish_crls(world.ports)
    old = os.umask(0o077)
    try:
        report = published(world, folder)
    finally:
        os.umask(old)
    names = lying(folder)
    authorities = {name.removeprefix("ca/").removesuffix(".cer") for name in names if name.startswith("ca/")}
    assert len(authorities) == 2
    assert names == {
        MARKER, INDEX, TRUST_LIST, "status/index.json", "status/0", "status/0.cwt", "status/1", "status/1.cwt",
        *(f"ca/{name}.cer" for name in authorities), *(f"crl/{name}.crl" for name in authorities),
    }  # fmt: skip
    assert set(report.written) == names - {MARKER}
    assert (report.removed, report.kept) == ((), ())
    for path in folder.rglob("*"):
        mode = stat.S_IMODE(path.stat().st_mode)
        assert path.name == MARKER or mode == (0o755 if path.is_dir() else 0o644), path

    bundle = Bundle(folder)
    trust = read_trust_list(bundle.trust_list(), at=clock.now)
    record = issued.printout.record
    looked = look_up(bundle.status_lists, trust, record.status_list, record.status_index, clock.now)
    assert looked.listed.status is Status.LISTED
    token = (folder / "status" / "1.cwt").read_bytes()
    read_status_list(token, uri=uri_of(trust.status_lists, 1), trust=trust, at=clock.now)
    (issuing,) = trust.issuing
    crls = [(folder / f"crl/{name}.crl").read_bytes() for name in authorities]
    for authority in (issuing, trust.roots[0]):
        assert any(_verifies(crl, authority) for crl in crls)
        assert authority in {(folder / f"ca/{name}.cer").read_bytes() for name in authorities}
    assert json.loads((folder / "status/index.json").read_text()) == {
        "status_lists": [uri_of(trust.status_lists, number) for number in (0, 1)]
    }
    for entry in json.loads((folder / INDEX).read_text())["files"]:
        data = (folder / entry["path"]).read_bytes()
        assert (entry["sha256"], entry["size"]) == (sha256(data).hexdigest(), len(data))
    assert published(world, folder) == Report((), (), ())


def _verifies(crl: bytes, authority: bytes) -> bool:
    try:
        verify_crl(crl, authority)
    except VermilionError:
        return False
    return True


@on_sqlite
def test_only_what_changed_is_written(world: World, clock: Ticker, folder: Path) -> None:
    issued = issue_one(world)
    publish_due(world.ports)
    published(world, folder)
    before = {name: (folder / name).stat().st_ino for name in lying(folder)}
    clock.advance(max(COALESCE, CRL_COALESCE))
    change(world, "end", issued.printout.record.identifier, how="revoked")
    publish_due(world.ports)
    assert published(world, folder).written == ("status/0", "status/0.cwt", INDEX)
    changed = {name for name in lying(folder) if (folder / name).stat().st_ino != before[name]}
    assert changed == {"status/0", "status/0.cwt", INDEX}
    trust = read_trust_list((folder / TRUST_LIST).read_bytes(), at=clock.now)
    found = read_status_list(
        (folder / "status/0").read_bytes(), uri=uri_of(trust.status_lists, 0), trust=trust, at=clock.now
    )
    assert found.value(issued.printout.record.status_index) is Value.INVALID


@on_sqlite
def test_what_is_no_more_is_removed_when_it_has_expired_and_nothing_else(
    world: World, clock: Ticker, folder: Path
) -> None:
    """A replica that lags does not know of it yet: neither of a list, nor of an authority."""
    publish_due(world.ports)
    issue_one(world)
    publish_due(world.ports)
    published(world, folder)
    (folder / "robots.txt").write_text("an operator's own\n")
    (folder / "status" / ".publish-dead").write_text("of a process that died")
    index = json.loads((folder / INDEX).read_text())
    outside = folder.parent / "precious"
    outside.write_text("not ours")
    index["files"] += [{"path": "../precious"}, {"path": "robots.txt"}, {"path": 1}, 1]
    (folder / INDEX).write_text(json.dumps(index))
    with world.ports.database.transaction() as session:
        session.execute(delete(StatusListToken).where(StatusListToken.list == 1))
        session.execute(update(Certificate).where(Certificate.profile == "root").values(profile="root-link"))
    lists = (folder / "status/index.json").read_bytes()
    authorities = {path for path in lying(folder) if path.startswith("ca/")}
    assert published(world, folder) == Report((INDEX,), (), ())
    assert published(world, folder) == Report((), (), ())
    assert {"status/1", "status/1.cwt", *authorities} <= lying(folder)
    assert (folder / "status/index.json").read_bytes() == lists
    clock.advance(LIFE + timedelta(seconds=1))
    report = published(world, folder)
    assert report.removed == ("status/1", "status/1.cwt")
    assert authorities <= lying(folder)
    assert (folder / "status/index.json").read_bytes() != lists
    assert not (folder / "status" / ".publish-dead").exists()
    assert {"robots.txt", "status/0"} <= lying(folder)
    assert outside.read_text() == "not ours"


@on_sqlite
def test_nothing_older_takes_the_place_of_something_newer(world: World, clock: Ticker, folder: Path) -> None:
    """A replica may lag behind. The numbers decide, and not what a host's clock said."""
    publish_due(world.ports)
    clock.advance(timedelta(days=3))
    publish_trust_list(world.ports)
    publish_due(world.ports)
    published(world, folder)
    with world.ports.database.transaction() as session:
        session.execute(update(StatusListToken).values(generation=1, jwt="older", cwt=b"older"))
    report = published(world, folder)
    assert (report.kept, report.written, report.removed) == (("status/0", "status/0.cwt"), (), ())
    assert (folder / "status/0").read_bytes() != b"older"
    with world.ports.database.transaction() as session:
        session.execute(update(StatusListToken).values(generation=3, issued_at=START, jwt="newer", cwt=b"n"))
    assert set(published(world, folder).written) == {"status/0", "status/0.cwt", INDEX}
    clock.advance(LIFE + timedelta(seconds=1))
    with world.ports.database.transaction() as session:  # of a backup: better than what has expired
        session.execute(update(StatusListToken).values(generation=2, jwt="restored", cwt=b"r"))
    assert "status/0" in published(world, folder).written
    (folder / TRUST_LIST).unlink()  # nothing lies there: then what there is
    assert TRUST_LIST in published(world, folder).written


@on_sqlite
def test_a_source_whose_trust_list_is_older_changes_nothing(
    world: World, clock: Ticker, folder: Path
) -> None:
    publish_due(world.ports)
    clock.advance(timedelta(days=3))
    publish_trust_list(world.ports)
    published(world, folder)
    before = {name: (folder / name).read_bytes() for name in lying(folder)}
    publish_due(world.ports)
    with world.ports.database.transaction() as session:
        newest = select(PublishedTrustList).order_by(PublishedTrustList.sequence.desc())
        session.delete(session.scalars(newest).first())
    with pytest.raises(VermilionError) as caught:
        published(world, folder)
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "source_behind")
    assert {name: (folder / name).read_bytes() for name in lying(folder)} == before
    (folder / INDEX).unlink()  # a backup was restored, says the operator
    assert {TRUST_LIST, "status/0", INDEX} <= set(published(world, folder).written)


@on_sqlite
def test_the_index_tells_nothing_older_than_what_lies_there(
    world: World, clock: Ticker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whenever the process dies."""
    publish_due(world.ports)
    published(world, folder)
    clock.advance(timedelta(hours=1))
    publish_due(world.ports)
    sync, left = os.fsync, 0

    def dies(descriptor: int) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(5, "Input/output error")
        sync(descriptor)

    for left in range(1, 8):  # noqa: B007
        with monkeypatch.context() as patched, suppress(VermilionError):
            patched.setattr("registry.publication.os.fsync", dies)
            published(world, folder)
        told = {one["path"]: one["number"] for one in json.loads((folder / INDEX).read_text())["files"]}
        for path in ("status/0", "status/0.cwt"):
            with Session(world.ports.database.read) as session:
                signed = session.scalars(select(StatusListToken)).one()
            newest = (folder / path).read_bytes() in ((signed.jwt or "").encode(), signed.cwt)
            assert told[path] == 2 if newest else told[path] >= 1
    assert newest


@on_sqlite
def test_a_folder_that_is_not_ours_is_left_alone(world: World, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("somebody's site")
    with pytest.raises(VermilionError) as caught:
        published(world, folder)
    assert (caught.value.kind, caught.value.reason) == (Kind.INVALID, "folder")
    assert lying(folder) == {"index.html"}


@on_sqlite
def test_two_do_not_publish_to_one_folder(world: World, folder: Path) -> None:
    published(world, folder)
    with (folder / MARKER).open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(VermilionError) as caught:
            published(world, folder)
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "folder_busy")
    published(world, folder)


@on_sqlite
def test_a_disk_that_is_full_leaves_what_there_was(
    world: World, clock: Ticker, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_due(world.ports)
    published(world, folder)
    before = {name: (folder / name).read_bytes() for name in lying(folder)}
    clock.advance(timedelta(hours=1))
    publish_due(world.ports)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("registry.publication.os.fsync", full)
        with pytest.raises(VermilionError) as caught:
            published(world, folder)
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "folder")
    assert {name: (folder / name).read_bytes() for name in lying(folder)} == before
    assert "status/0" in published(world, folder).written


@on_sqlite
def test_it_reads_and_nothing_else(world: World, folder: Path) -> None:
    """By the tables that the public site's role may read."""
    publish_due(world.ports)
    seen: list[str] = []

    def note(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        seen.append(statement)

    engine = world.ports.database.read
    event.listen(engine, "before_cursor_execute", note)
    try:
        published(world, folder)
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert seen
    assert all(statement.startswith("SELECT") for statement in seen)
    tables = {name for statement in seen for name in re.findall(r"(?:FROM|JOIN) (\w+)", statement)}
    assert {"published_trust_list", "status_list_token", "revocation_list"} <= tables <= set(PUBLIC_TABLES)
