"""The hostile corpus by `vermilion verify` without a network: no file of it is genuine, and none ends the command
otherwise than by an answer.
"""

from __future__ import annotations

import json
import time
from datetime import datetime, tzinfo
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import registry.cli.verify
from registry.cli.verify import verify
from signing.bundle import TRUST_LIST
from signing.sentences import LANGUAGES
from tests.signing import long_term
from tests.signing.hostile_files import GROUPS, plain_attacks
from tests.signing.sealing import LATER

FILES = {name: one for group in GROUPS.values() for name, one in group.items()}
SECONDS = 2.0
"""Of processor time for the strict check, which is made in the command's own process: many times what it takes."""


class Then(datetime):
    """A clock that stands still, and gives moments that a process apart can be told."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return LATER.astimezone(tz)


@pytest.fixture(scope="module")
def licence() -> bytes:
    return long_term.genuine(0).data


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundle")
    (folder / TRUST_LIST).parent.mkdir(parents=True)
    (folder / TRUST_LIST).write_text(long_term.trust_list_for(0))
    return folder


@pytest.fixture(autouse=True)
def then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.cli.verify, "datetime", Then)


def asked(path: Path, bundle: Path, *more: str) -> tuple[int, dict[str, Any]]:
    """Exit code and answer; the catch-all is off."""
    done = CliRunner().invoke(verify, [str(path), "--bundle", str(bundle), "--no-catch-all", "--json", *more])
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.stderr == ""
    return done.exit_code, json.loads(done.stdout)


def is_refused(code: int, answer: dict[str, Any], name: str) -> None:
    assert answer["verdict"] in {"altered", "not_recognised", "unknown"}, name
    assert code == 1, name


def test_the_licence_itself_is_genuine(licence: bytes, bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "licence.pdf"
    path.write_bytes(licence)
    code, answer = asked(path, bundle)
    assert (code, answer["verdict"]) == (2, "genuine_offline"), answer


@pytest.mark.parametrize("group", GROUPS)
def test_no_hostile_file_is(licence: bytes, bundle: Path, tmp_path: Path, group: str) -> None:
    path = tmp_path / "file.pdf"
    for name, hostile in GROUPS[group].items():
        path.write_bytes(hostile.make(licence))
        began = time.process_time()
        is_refused(*asked(path, bundle), name)
        assert time.process_time() - began < SECONDS, name


def test_nor_what_every_other_check_is_tried_with(licence: bytes, bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "file.pdf"
    for name, data in plain_attacks(licence).items():
        path.write_bytes(data)
        is_refused(*asked(path, bundle), name)


@pytest.mark.parametrize(
    "name", ["page content", "wrapped", "content a bomb", "references in a circle", "encrypted", "zeros"]
)
def test_its_report_explains_why(licence: bytes, bundle: Path, tmp_path: Path, name: str) -> None:
    """By the validator in a process apart, as the site's."""
    path = tmp_path / "file.pdf"
    path.write_bytes(FILES[name].make(licence))
    code, answer = asked(path, bundle, "--report")
    is_refused(code, answer, name)
    report = answer["report"]
    assert report["indication"] != "TOTAL_PASSED"
    offline = {"original_changed": "sealed_changed"}  # what is on record is not known there
    assert report["sentence"] in {offline.get(one, one) for one in FILES[name].sentence}
    assert all(report["says"][lang] for lang in LANGUAGES)
