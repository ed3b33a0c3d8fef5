"""First start: what it makes, what it keeps, and which files it refuses to trust."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.composition import establish_registry, open_ports, passphrase_path
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
    assert len(keys) == 3  # root, issuing, time-stamps
    assert {mode(path) for path in keys} == {0o600}


def test_two_registries_have_different_passphrases(settings: Settings, tmp_path: Path) -> None:
    other = Settings(data=tmp_path / "other")
    establish_registry(other, test=True, clock=Ticker(), cost=CHEAP)
    assert len(passphrase_path(settings).read_bytes().strip()) >= 43
    assert passphrase_path(settings).read_bytes() != passphrase_path(other).read_bytes()


def test_started_again_it_makes_nothing_twice(settings: Settings) -> None:
    establish_registry(settings, test=True, clock=Ticker(), cost=CHEAP)
    database = Database.open(settings.url)
    with Session(database.read) as session:
        assert session.scalar(select(func.count()).select_from(Certificate)) == 3
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
