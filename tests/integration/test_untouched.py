"""The untouched file: `valid` online, `genuine_offline` with the trust file alone."""

from __future__ import annotations

import json
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import pytest

from tests.integration.conftest import ABSENT
from tests.integration.province import Paper, Province
from tests.registry.world import on_sqlite


@pytest.fixture
def file(paper: Paper, tmp_path: Path) -> Path:
    path = tmp_path / "licence.pdf"
    path.write_bytes(paper.pdf)
    return path


def test_every_way_to_ask_the_registry_says_valid(province: Province, paper: Paper, file: Path) -> None:
    passed = ["passed"] * 3
    for answer in (
        province.check_file(paper.pdf),
        province.check_link(paper.link),
        province.check_link(paper.link, "qr"),
        province.online(file),
        province.online(paper.link),
    ):
        assert (answer.verdict, answer.results) == ("valid", passed)
        assert answer.body["identifier"] == paper.identifier
    assert province.online(file).code == 0
    typed = province.check_typed(paper.identifier, paper.answer["lookup_code"])
    assert (typed.verdict, typed.results) == ("valid", ["not_done", "passed", "passed"])
    looked = province.look(paper)
    assert (looked.code, looked.verdict, looked.results) == (200, "valid", ["not_done", "passed", "passed"])


def test_a_form_sent_by_a_browser_says_valid(province: Province, paper: Paper) -> None:
    form = {"file": (BytesIO(paper.pdf), "licence.pdf")}
    answer = province.site.test_client().post("/upload", data=form, headers={"Accept-Language": "en"})
    assert answer.status_code == 200
    assert 'data-tone="good"' in answer.text
    assert paper.answer["number"] in answer.text


def test_the_trust_file_alone_says_genuine_offline(province: Province, paper: Paper, file: Path) -> None:
    for subject in (file, paper.link):
        answer = province.offline(subject)
        assert (answer.code, answer.verdict) == (2, "genuine_offline")
        assert answer.results == ["passed", "passed", "not_done"]
    assert province.offline(file).body["identifier"] == paper.identifier


@on_sqlite
def test_offline_needs_neither_database_nor_service_nor_network(
    province: Province, paper: Paper, file: Path, bare: dict[str, str]
) -> None:
    for subject in (file, paper.link):
        done = province.command(subject, "--trust", province.trust_file, "--json", environment=bare)
        assert (done.returncode, done.stderr) == (2, "")
        answer = json.loads(done.stdout)
        assert answer["verdict"] == "genuine_offline"
        assert answer["checks"]["status"] == {"result": "not_done", "reason": "status_not_asked"}
    told = province.command(file, "--trust", province.trust_file, environment=bare)
    assert told.returncode == 2
    assert told.stdout.startswith("genuine_offline: ")


@on_sqlite
@pytest.mark.parametrize("paper", ["own"], indirect=True)
def test_the_bare_environment_is_bare(province: Province, file: Path, bare: dict[str, str]) -> None:
    program = f"""
import importlib, socket
for name in {ABSENT!r}:
    try:
        importlib.import_module(name)
    except ModuleNotFoundError:
        print(name)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], env=bare, capture_output=True, text=True, check=True
    )
    assert tuple(done.stdout.split()) == ABSENT
    local = province.command(file, "--data", province.world.ports.settings.data, environment=bare)
    assert (local.returncode, local.stdout.partition(":")[0]) == (2, "cannot_check")
    assert "vermilion: the local registry cannot be asked without " in local.stderr


@pytest.mark.parametrize("paper", ["own"], indirect=True)
def test_the_command_says_valid_by_the_local_registry(province: Province, paper: Paper, file: Path) -> None:
    done = province.command(file, "--data", province.world.ports.settings.data, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert (answer["verdict"], answer["identifier"]) == ("valid", paper.identifier)
