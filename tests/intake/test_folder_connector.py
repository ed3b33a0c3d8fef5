"""A folder that somebody else fills: names, links, lengths and digests, and what is told there."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.canonical import canonical_json
from keys.errors import Kind, VermilionError
from registry.intake.connectors import Acknowledged
from registry.intake.exchanged import MAX_ANSWER, answer_json
from registry.intake.folder_connector import SERVING, FolderConnector, holder_file
from tests.intake.exchanging import write
from tests.intake.test_http_connector import FIELDS, NOW, QUERY, WRONG


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    inner = tmp_path / "exchange" / QUERY.data_set
    inner.mkdir(parents=True)
    (inner / SERVING).touch()
    (inner.parent / "corrections").mkdir()
    return inner.parent


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / QUERY.data_set / holder_file(QUERY.holder_type, QUERY.holder_code)
    write(path, answer_json(QUERY, FIELDS, NOW, reference=None))
    return path


def refusal(folder: Path) -> str:
    with pytest.raises(VermilionError) as error:
        FolderConnector(folder).retrieve(QUERY)
    assert error.value.kind is Kind.UNAVAILABLE
    return error.value.reason


def test_a_file_answers(folder: Path, file: Path) -> None:
    answer = FolderConnector(folder).retrieve(QUERY)
    assert answer is not None
    assert (answer.fields["name"], answer.raw) == (FIELDS["name"], file.read_bytes())
    other = replace(QUERY, holder_code="91990100MA1000018X")
    assert FolderConnector(folder).retrieve(other) is None
    write(file, answer_json(QUERY, None, NOW, reference=None))
    assert FolderConnector(folder).retrieve(QUERY) is None


def test_a_folder_that_is_not_there_is_out_and_not_empty(folder: Path, tmp_path: Path) -> None:
    (folder / QUERY.data_set / SERVING).unlink()  # as where nothing is mounted
    assert refusal(folder) == "folder"
    assert refusal(tmp_path / "none") == "folder"


def test_no_link_is_followed(folder: Path, file: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / SERVING).touch()
    write(outside / file.name, file.read_bytes())
    file.unlink()
    file.symlink_to(outside / file.name)
    assert refusal(folder) == "folder"
    file.unlink()
    inner = folder / QUERY.data_set
    inner.rename(folder / "moved")
    inner.symlink_to(outside)
    assert refusal(folder) == "folder"
    linked = tmp_path / "linked"
    linked.symlink_to(folder)
    assert refusal(linked) == "folder"


def test_only_plain_files_of_a_bounded_length_are_read(folder: Path, file: Path) -> None:
    write(file, b"[" * (MAX_ANSWER + 1))
    assert refusal(folder) == "answer_size"
    write(file, b'{"a":' * 50_000)
    assert refusal(folder) == "answer_form"
    with file.open("wb") as hole:  # of which nothing lies on the disk
        hole.truncate(10 * 1024**3)
    assert refusal(folder) == "answer_size"
    file.unlink()
    os.mkfifo(file)  # nobody waits for who writes to it
    assert refusal(folder) == "folder"
    file.unlink()
    file.mkdir()
    assert refusal(folder) == "folder"


def test_a_file_is_what_its_digest_says(folder: Path, file: Path) -> None:
    digest = file.with_name(file.name + ".sha256")
    for text in ("0" * 64, "", "x" * 64, digest.read_text().upper(), digest.read_text() + "\n\n"):
        digest.write_text(text)
        assert refusal(folder) == "answer_digest"
    digest.unlink()  # it is being written
    assert refusal(folder) == "answer_digest"


def test_nobody_else_may_write_to_the_folder(folder: Path, file: Path) -> None:
    assert file.exists()
    for one in (folder, folder / QUERY.data_set):
        one.chmod(0o777)
        assert refusal(folder) == "folder"
        one.chmod(0o755)
    assert FolderConnector(folder).retrieve(QUERY) is not None


def test_a_file_is_about_the_holder_that_its_name_says(folder: Path, file: Path) -> None:
    other = replace(QUERY, holder_code="91990100MA1000018X")
    write(file, answer_json(other, FIELDS, NOW, reference=None))
    assert refusal(folder) == "answer_form"


def test_an_error_is_told_once_and_acknowledged_by_a_file(folder: Path) -> None:
    connector = FolderConnector(folder)
    assert connector.report(WRONG) is None
    (told,) = (folder / "corrections").iterdir()
    assert told.name == f"{WRONG.reference}.json"
    assert json.loads(told.read_text())["right"] == "新名"
    before = told.stat()
    assert connector.report(WRONG) is None
    assert told.stat().st_mtime_ns == before.st_mtime_ns
    answer = {"reference": WRONG.reference, "state": "acknowledged", "name": "HX-1"}
    (folder / "corrections" / f"{WRONG.reference}.ack.json").write_bytes(canonical_json(answer))
    assert connector.report(WRONG) == Acknowledged("HX-1")
    with pytest.raises(VermilionError):
        connector.report(replace(WRONG, reference="../" + "0" * 29))


@given(st.text(max_size=60), st.text(max_size=60))
def test_nothing_that_somebody_is_called_leads_elsewhere(kind: str, code: str) -> None:
    name = holder_file(kind, code)
    assert len(name) == 69
    assert set(name.removesuffix(".json")) <= set("0123456789abcdef")


@pytest.mark.parametrize("name", ["..", "../x", "/etc", "corrections", "", "a" * 50, "x/y", "A-B-C"])
def test_a_data_set_is_one_folder(folder: Path, name: str) -> None:
    with pytest.raises(VermilionError) as error:
        FolderConnector(folder).retrieve(replace(QUERY, data_set=name))
    assert error.value.reason == "folder"
