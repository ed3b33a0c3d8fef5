"""First start: what it makes, what it keeps, and which files it refuses to trust."""

from __future__ import annotations

import os
import resource
import stat
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.composition import establish_registry, open_ports
from registry.custodians import passphrase_path, root_passphrase_path
from registry.database import Database
from registry.seals.tables import Certificate
from registry.settings import Settings
from tests.registry.world import CHEAP, Ticker


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings(data=tmp_path / "var")
    establish_registry(made, test=True, clock=Ticker(), cost=CHEAP)
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_keys_and_passphrase_are_the_owners_alone(settings: Settings) -> None:
    assert mode(settings.keys_directory) == 0o700
    assert mode(passphrase_path(settings)) == 0o600
    keys = list(settings.keys_directory.glob("*.key"))
    assert len(keys) == 6  # issuing, trust list, time-stamps, OCSP, status lists, receipts
    assert {mode(path) for path in keys} == {0o600}
    assert mode(settings.root_place) == 0o700
    assert sorted(path.suffix for path in settings.root_place.iterdir()) == ["", ".key"]
    assert {mode(path) for path in settings.root_place.iterdir()} == {0o600}


def test_two_registries_have_different_passphrases(settings: Settings, tmp_path: Path) -> None:
    other = Settings(data=tmp_path / "other")
    establish_registry(other, test=True, clock=Ticker(), cost=CHEAP)
    assert len(passphrase_path(settings).read_bytes().strip()) >= 43
    places = [place(one) for one in (settings, other) for place in (passphrase_path, root_passphrase_path)]
    assert len({path.read_bytes() for path in places}) == 4, "the root's is another one, too"


def test_the_passphrase_is_on_the_disk_before_a_key_is_under_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A power failure that took it and left the keys would leave keys that nothing opens."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    settings = Settings(data=tmp_path / "var", passphrase_file=elsewhere / "passphrase")
    synced: list[tuple[bool, bool, int]] = []  # a directory, the passphrase lies there, keys there are
    root = settings.root_place
    fsync = os.fsync

    def note(descriptor: int) -> None:
        found = os.fstat(descriptor)
        place, keys = (root, root) if root.exists() else (elsewhere, settings.keys_directory)
        there, made = (place / "passphrase").exists(), len(list(keys.glob("*.key")))
        if made == 0 and (os.path.samestat(found, place.stat()) or found.st_size == 45):
            synced.append((stat.S_ISDIR(found.st_mode), there, made))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    establish_registry(settings, test=True, clock=Ticker(), cost=CHEAP)
    assert synced == [(False, False, 0), (True, True, 0)] * 2  # of the keys, and then of the root


def test_a_passphrase_that_could_not_be_written_leaves_nothing_and_the_next_start_makes_one(
    tmp_path: Path,
) -> None:
    settings = Settings(data=tmp_path / "var", passphrase_file=tmp_path / "passphrase")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # no file can grow: the disk is full
    try:
        with pytest.raises(VermilionError) as refused:
            establish_registry(settings, test=True, clock=Ticker(), cost=CHEAP)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "passphrase")
    assert [path.name for path in tmp_path.iterdir()] == ["var"]
    establish_registry(settings, test=True, clock=Ticker(), cost=CHEAP)
    assert len(passphrase_path(settings).read_bytes()) == 45


def test_no_second_passphrase_is_made_beside_keys_that_only_the_first_one_opens(settings: Settings) -> None:
    passphrase_path(settings).unlink()
    with pytest.raises(VermilionError, match="put it back") as refused:
        establish_registry(settings, test=True, clock=Ticker(), cost=CHEAP)
    assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "passphrase")
    assert not passphrase_path(settings).exists()


def test_neither_is_one_made_beside_a_root_without_a_certificate(settings: Settings, tmp_path: Path) -> None:
    other = Settings(data=tmp_path / "other", root_directory=settings.root_place)
    root_passphrase_path(settings).unlink()
    with pytest.raises(VermilionError, match="put it back"):
        establish_registry(other, test=True, clock=Ticker(), cost=CHEAP)
    assert not root_passphrase_path(settings).exists()


def test_started_again_it_makes_nothing_twice(settings: Settings) -> None:
    establish_registry(settings, test=True, clock=Ticker(), cost=CHEAP)
    database = Database.open(settings.url)
    with Session(database.read) as session:
        assert session.scalar(select(func.count()).select_from(Certificate)) == 7
    database.dispose()


def test_a_test_registry_says_so_in_its_root(settings: Settings) -> None:
    from cryptography import x509

    from registry.seals.authority import root

    database = Database.open(settings.url)
    with Session(database.read) as session:
        certificate = x509.load_der_x509_certificate(root(session))
    database.dispose()
    assert "TEST" in certificate.subject.rfc4514_string()


def test_files_open_to_others_are_refused(settings: Settings) -> None:
    passphrase_path(settings).chmod(0o640)
    with pytest.raises(VermilionError) as refused:
        open_ports(settings, clock=Ticker(), cost=CHEAP)
    assert (refused.value.kind, refused.value.reason) == (Kind.INVALID, "permissions")
    passphrase_path(settings).chmod(0o600)
    settings.keys_directory.chmod(0o750)
    with pytest.raises(VermilionError) as refused:
        open_ports(settings, clock=Ticker(), cost=CHEAP)
    assert refused.value.reason == "permissions"


def test_before_the_first_start_there_is_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(VermilionError) as refused:
        open_ports(Settings(data=tmp_path / "nothing"), clock=Ticker(), cost=CHEAP)
    assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "passphrase")
