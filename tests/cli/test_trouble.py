"""What a command says where it cannot do its work: one line, without a value, a name or a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import text

from registry.client import new_person_key
from registry.database import write_engine
from registry.sample_registry import agency
from registry.settings import Settings
from tests.cli.conftest import Run, person_file
from tests.services.running import Place

NAME = "样本张三"
ADDRESS = "an http or https address without user, query, fragment or slash at its end"
DATABASE = "sqlite:///file, or postgresql+psycopg://user@host/name"
ORIGIN = "http:// or https://, a host, perhaps a port, and nothing after it"
ZONE = "no zone of the IANA database"


@pytest.fixture
def enrolment(tmp_path: Path) -> tuple[object, ...]:
    """The arguments that put a person on record."""
    path = person_file(tmp_path, new_person_key()[1], NAME)
    return ("person", "add", path, "--agency", agency().code, "--role", "keeper")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("API_PORT", "postgresql://user:secret@host", None),
        ("ZONE", "Secret/Olympus", ZONE),
        ("ZONE", "Asia", ZONE),
        ("ZONE", "/etc/secret", ZONE),
        ("ZONE", "", ZONE),
        ("ORIGIN", "secret.example", ORIGIN),
        ("ORIGIN", "https://secret.example/", ORIGIN),
        ("ORIGIN", "https://secret.example:99999", ORIGIN),
        ("ORIGIN", "https://user:secret@example", ORIGIN),
        ("ISSUER", "secret.example", ADDRESS),
        ("ISSUER", "https://user:secret@example", ADDRESS),
        ("ISSUER", "https://secret.example/api/", ADDRESS),
        ("ISSUER", "https://secret.example:99999", ADDRESS),
        ("DATABASE_URL", "secret", DATABASE),
        ("DATABASE_URL", "postgres://user:secret@host/name", DATABASE),
        ("PUBLIC_DATABASE_URL", "mysql://user:secret@host/name", DATABASE),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_wrong_setting_is_one_line_without_its_value(
    vermilion: Run, monkeypatch: pytest.MonkeyPatch, name: str, value: str, words: str | None
) -> None:
    monkeypatch.setenv(f"VERMILION_{name}", value)
    code, _, err = vermilion(None, "migrate")
    assert code == 64
    assert err.startswith(f"vermilion: VERMILION_{name}: {words or ''}")
    assert err.count("\n") == 1
    assert "secret" not in err.lower()


def test_an_origin_is_taken_in_its_normal_form() -> None:
    assert Settings(origin="https://Verify.Example:443").public_origin == "https://verify.example"
    assert "https://gate.example/api" in Settings(issuer="https://gate.example/api").audiences


def test_without_a_registry_nobody_is_put_on_record_and_none_is_made(
    vermilion: Run, tmp_path: Path, enrolment: tuple[object, ...]
) -> None:
    missing, empty = Place(tmp_path / "missing"), Place(tmp_path / "empty")
    (empty.data / "database").mkdir(parents=True)
    key = tmp_path / "key.json"
    key.write_text(json.dumps({"person_id": "0" * 32, "person_key": new_person_key()[0]}))
    key.chmod(0o600)
    for place in (missing, empty):
        code, out, err = vermilion(place, *enrolment, "--key", key)
        assert (code, out) == (1, "")
        assert err.startswith("vermilion: there is no registry here: ")
        assert err.count("\n") == 1
    assert not missing.data.exists()
    assert list((empty.data / "database").iterdir()) == []


def test_a_database_of_another_version_is_said(
    vermilion: Run, place: Place, enrolment: tuple[object, ...]
) -> None:
    _change(place, "UPDATE alembic_version SET version_num = '0000'")
    code, _, err = vermilion(place, *enrolment)
    assert (code, err.count("\n")) == (1, 1)
    assert "vermilion migrate" in err


def test_a_database_that_fails_is_said_without_what_was_to_be_stored(
    vermilion: Run, place: Place, enrolment: tuple[object, ...]
) -> None:
    (place.data / "database" / "registry.db").write_bytes(b"no database at all" * 1000)
    code, out, err = vermilion(place, *enrolment)
    assert (code, out, err) == (1, "", "vermilion: the database does not answer\n")
    code, out, err = vermilion(place, "fsck")
    assert (code, out, err) == (1, "", "vermilion: the database does not answer\n")


def test_a_defect_is_named_by_kind_and_place_alone(
    vermilion: Run, place: Place, enrolment: tuple[object, ...]
) -> None:
    _change(place, "CREATE TRIGGER broken BEFORE INSERT ON person BEGIN SELECT RAISE(FAIL, 'broken'); END")
    code, out, err = vermilion(place, *enrolment)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith("vermilion: a defect: IntegrityError at ")
    assert "people.py:" in err
    assert NAME not in err


def _change(place: Place, statement: str) -> None:
    engine = write_engine(Settings(data=place.data).url)
    with engine.begin() as connection:
        connection.execute(text(statement))
    engine.dispose()
