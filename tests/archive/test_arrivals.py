"""A package from elsewhere is kept like one of our own, or returned with the list; nothing is registered by
halves.
"""

from __future__ import annotations

import socket
import tarfile
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from keys.handover import Archive
from registry.archive import natures
from registry.archive.arrivals import Arrived, Whence, arrive, told
from registry.archive.checks import IN_STORE, INGEST, checks_of
from registry.archive.contents import Item, Part
from registry.archive.drill import restore_drill
from registry.archive.natures import Nature
from registry.archive.numbering import LEASE
from registry.archive.opened import Limits
from registry.archive.package import make_package
from registry.archive.stores import Stores
from registry.archive.sweep import sweep
from registry.archive.tables import ArchiveCopy, ArchivePackage
from registry.archive.transfer_tables import ArchiveArrival
from registry.licences.fsck import fsck
from tests.archive.keeping import NAMES, OutStore, copies, file_of, files, kept, packages, stores_of, whole
from tests.archive.packages import ABOUT, ACTS, AGENTS, ITEMS
from tests.archive.test_archiving import _Died
from tests.archive.test_archiving import told as events
from tests.archive.test_natures import OFD, PACKAGE
from tests.archive.test_natures import rebagged as others
from tests.archive.test_opened import _link, written
from tests.archive.test_opened import rebagged as broken
from tests.intake.test_scanning import EICAR, serving
from tests.registry.issuing import issue_one
from tests.registry.world import GROUND, Ticker, World

SENDER = Archive("ARCHIVE-7", "另一档案馆")


def brought(
    world: World,
    tar: bytes = PACKAGE.tar,
    *,
    digest: bytes | None = None,
    stores: Stores | None = None,
    sender: Archive = SENDER,
    own_number: bool = False,
) -> Arrived:
    whence = Whence(sender, world.codes["own"], own_number=own_number)
    return arrive(
        world.ports,
        stores or stores_of(world),
        world.system,
        GROUND,
        tar,
        whence,
        digest or sha256(tar).digest(),
    )


def count(world: World, table: type[ArchiveArrival | ArchivePackage | ArchiveCopy]) -> int:
    with Session(world.ports.database.read) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_foreign_package_keeps_its_number_and_fonds(world: World) -> None:
    done = brought(world)
    (row,) = packages(world)
    assert (done.package_id, done.reason, done.number) == (row.id, None, ABOUT.number)
    assert (row.number, row.fonds, row.catalogue, row.year) == (
        ABOUT.number,
        ABOUT.fonds,
        ABOUT.catalogue,
        2026,
    )
    assert (row.retention, row.retention_until) == ("30", date(2056, 12, 31))
    assert (row.agency_code, row.identifier, row.state) == (world.codes["own"], ABOUT.identifier, "kept")
    assert (row.sha256, row.size) == (PACKAGE.sha256, len(PACKAGE.tar))
    assert copies(world, row.id) == dict.fromkeys(NAMES, "present")
    assert all(whole(world, row, name) for name in NAMES)
    with Session(world.ports.database.read) as session:
        (check,) = checks_of(session, row.id)
    assert check.occasion == INGEST
    assert {one.nature for one in check.findings} == set(Nature)
    (event,) = events(world, "package.received")
    assert (event.detail["from"], event.person_id) == (SENDER.code, world.system.person_id)
    assert event.agency_code == world.codes["own"]
    assert fsck(world.ports) == []


def test_a_package_may_get_a_number_of_ours(world: World) -> None:
    done = brought(world, own_number=True)
    (row,) = packages(world)
    assert row.number == done.number == f"{world.codes['own']}-JS·2026·D30-000001"
    assert row.fonds == world.codes["own"]
    assert fsck(world.ports) == []


@pytest.mark.parametrize(
    ("tar", "item", "said"),
    [
        (broken(**{"fetch.txt": b"http://localhost/x 1 data/x\n"}), "package_opens", "package_fetch"),
        (broken(**{"data/documents/licence.pdf": b"%PDF-1.7 samplE"}), "package_opens", "package_bag"),
        (written(("bag/bagit.txt", b"1"), ("../out", b"2")), "package_opens", "package_path"),
        (written(("bag/bagit.txt", b"1"), ("bag/link", _link(tarfile.SYMTYPE))), "package_opens", "package_archive"),
        (written(("bag/a", b"1"), ("bag/A", b"2")), "package_opens", "package_path"),
        (b"", "package_opens", "package_archive"),
        (PACKAGE.tar[:-512], "package_opens", "package_archive"),
        (others(**{"documents/more.pdf": b"%PDF-1.7"}), "files_as_listed", "data/documents/more.pdf"),
        (others(**{"materials/run.exe": b"MZ"}), "formats_kept", "data/materials/run.exe"),
        (others(**{"metadata/metadata.xml": None}), "metadata_readable", "there is none"),
    ],
)  # fmt: skip
def test_what_does_not_pass_is_returned_and_kept_nowhere(
    world: World, tar: bytes, item: str, said: str
) -> None:
    done = brought(world, tar)
    assert (done.package_id, done.reason) == (None, "natures")
    found = {one.item: one.detail for one in done.findings if not one.passed}
    assert found[item].startswith(said)
    assert (packages(world), files(world)) == ([], set())
    (one,) = told([done])
    assert (one["outcome"], one["sha256"]) == ("refused", sha256(tar).hexdigest())
    (event,) = events(world, "package.returned")
    assert item in event.detail["items"]
    with Session(world.ports.database.read) as session:
        row = session.scalars(select(ArchiveArrival)).one()
    assert (row.state, row.reason, row.package_id) == ("refused", "natures", None)
    assert [item, said] in [[name, detail[: len(said)]] for _, name, detail in row.findings]


def test_a_bomb_is_not_opened(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = natures.looked_at.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "limits", Limits(total=1024))
    done = brought(world)
    assert [one.detail for one in done.findings if not one.passed] == [
        "package_size: the archive is too large"
    ]


def test_other_bytes_than_were_announced_are_returned(world: World) -> None:
    done = brought(world, digest=bytes(32))
    assert [one.item for one in done.findings if not one.passed] == ["received_as_sent"]


def test_a_scanner_is_asked_of_every_file_and_without_it_nothing_is_taken(
    world: World, tmp_path: Path
) -> None:
    infected = make_package(ABOUT, [*_items(), Item(Part.MATERIALS, "a.txt", "附件", EICAR)], ACTS, AGENTS)
    where = f"unix:{tmp_path}/s"
    ports = replace(world.ports, settings=world.ports.settings.model_copy(update={"malware_scanner": where}))

    def come(tar: bytes) -> Arrived:
        whence = Whence(SENDER, world.codes["own"])
        return arrive(ports, stores_of(world), world.system, GROUND, tar, whence)

    with pytest.raises(VermilionError) as caught:
        come(PACKAGE.tar)
    assert (caught.value.reason, count(world, ArchiveArrival)) == ("scanner", 0)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{tmp_path}/s")
    listener.listen()
    with serving(listener, where):
        done = come(infected.tar)
        assert (done.package_id, done.reason) == (None, "natures")
        assert [one.item for one in done.findings if not one.passed] == ["malware"]
        assert come(PACKAGE.tar).package_id is not None


def test_malware_that_a_scanner_has_learnt_of_since_is_found_in_store(world: World, tmp_path: Path) -> None:
    infected = make_package(ABOUT, [*_items(), Item(Part.MATERIALS, "a.txt", "附件", EICAR)], ACTS, AGENTS)
    package_id = brought(world, infected.tar).package_id
    assert package_id is not None
    where = f"unix:{tmp_path}/s"
    ports = replace(world.ports, settings=world.ports.settings.model_copy(update={"malware_scanner": where}))
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"{tmp_path}/s")
    listener.listen()
    with serving(listener, where):
        done = restore_drill(ports, stores_of(world), "first", tmp_path / "restored", None)
    assert [one["reason"] for one in done.faults] == ["natures"]
    with Session(world.ports.database.read) as session:
        (check,) = [one for one in checks_of(session, package_id) if one.occasion == IN_STORE]
    assert [one.item for one in check.findings if not one.passed] == ["malware"]


def test_the_same_package_is_kept_once(world: World) -> None:
    brought(world)
    again = brought(world)
    assert (again.package_id, again.reason) == (None, "package_known")
    assert len(packages(world)) == 1


def test_a_number_is_given_once(world: World) -> None:
    brought(world)
    other = make_package(replace(ABOUT, id="cd" * 16), _items(), ACTS, AGENTS)
    done = brought(world, other.tar)
    assert (done.package_id, done.reason) == (None, "number_taken")
    assert [one.item for one in done.findings if not one.passed] == ["registrable"]
    assert brought(world, other.tar, own_number=True).package_id is not None


def test_nobody_gives_numbers_of_our_catalogues(world: World) -> None:
    """Those have no gaps, and the registry alone fills them."""
    issue_one(world)
    kept(world)
    (own,) = packages(world)
    about = replace(ABOUT, id="cd" * 16, fonds=own.fonds, catalogue=own.catalogue, number=f"{own.number}9")
    done = brought(world, make_package(about, _items(), ACTS, AGENTS).tar)
    assert (done.package_id, done.reason) == (None, "number_of_ours")
    back = brought(world, file_of(world, own, "first").read_bytes())
    assert (back.package_id, back.reason) == (None, "package_known")
    assert fsck(world.ports) == []


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("<年度>2026</年度>|<年度>twenty</年度>", "package_year"),
        (f"<年度>2026</年度>|<年度>01900{'9' * 30}</年度>", "package_year"),
        ("<保管期限>定期30年</保管期限>|<保管期限>some time</保管期限>", "package_retention"),
        ("2056-12-31|2056-13-31", "package_retention"),
        (f"<全宗号>{ABOUT.fonds}</全宗号>|<全宗号>{'9' * 41}</全宗号>", "package_metadata"),
    ],
)
def test_what_the_register_cannot_take_over_is_returned(world: World, said: str, reason: str) -> None:
    before, _, after = said.partition("|")
    path = "metadata/metadata.xml"
    changed = PACKAGE.files[f"data/{path}"].replace(before.encode(), after.encode())
    assert changed != PACKAGE.files[f"data/{path}"]
    done = brought(world, others(**{path: changed}))
    assert (done.package_id, done.reason) == (None, reason)
    assert files(world) == set()


def test_one_store_is_not_enough(world: World, clock: Ticker) -> None:
    half = Stores({**stores_of(world).by_name, "second": OutStore()})
    with pytest.raises(VermilionError) as caught:
        brought(world, stores=half)
    assert caught.value.reason == "archive_copies"
    assert packages(world) == []
    assert len(files(world)) == 1
    assert sweep(world.ports, stores_of(world)).removed["first"] == 0  # it might still be on its way
    clock.advance(LEASE + timedelta(seconds=1))
    assert sweep(world.ports, stores_of(world)).removed == {"first": 1, "second": 0}
    assert (files(world), count(world, ArchiveArrival)) == (set(), 0)
    assert brought(world).package_id is not None


@pytest.mark.parametrize("written_to", [0, 1, 2])
def test_a_process_that_dies_leaves_nothing_half_registered(
    world: World, clock: Ticker, written_to: int
) -> None:
    stores = stores_of(world)
    alive = list(stores.by_name.values())[:written_to]

    class Dies(Stores):
        def write(self, name, some):  # type: ignore[no-untyped-def]
            if self.by_name[name] not in alive:
                raise _Died
            return super().write(name, some)

    dying: Callable[[], object] = lambda: brought(world, stores=Dies(stores.by_name))  # noqa: E731
    if written_to == 2:  # in the transaction that would have registered it
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("registry.archive.arrivals.note_checks", _die)
            with pytest.raises(_Died):
                dying()
    else:
        with pytest.raises(_Died):
            dying()
    assert (count(world, ArchivePackage), count(world, ArchiveCopy)) == (0, 0)
    assert fsck(world.ports) == []
    clock.advance(LEASE + timedelta(seconds=1))
    assert sum(sweep(world.ports, stores).removed.values()) == written_to
    assert files(world) == set()
    assert brought(world).package_id is not None
    assert sum(sweep(world.ports, stores).removed.values()) == 0


def _die(*_: object) -> None:
    raise _Died


def _items() -> list[Item]:
    return [*(one for one in ITEMS if one.part is not Part.MATERIALS), OFD]
