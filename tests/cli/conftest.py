"""The commands are tried on the data directory of one first start."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.cli import main
from tests.administration import duties_of, named, sample_key
from tests.services.places import again, empty_place, first_start, place, sample
from tests.services.running import Place

__all__ = ["again", "empty_place", "first_start", "place", "sample"]

Run = Callable[..., tuple[int, str, str]]
Verify = Callable[..., tuple[int, dict[str, Any], str]]
MEMBERS = {"verdict", "how", "checks", "as_of", "identifier"}


def person_file(folder: Path, jwk: object, name: str = "样本人员") -> Path:
    """What `person add` reads, in a file."""
    path = folder / "person.json"
    path.write_text(json.dumps({"name": name, "jwk": jwk}))
    return path


@pytest.fixture
def vermilion(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a place, an administrative one as the sample administrator whose duty it is: exit code,
    standard output, standard error.
    """

    def run(at: Place | None, *arguments: object) -> tuple[int, str, str]:
        with monkeypatch.context() as here:
            for name, value in (at.settings if at else {}).items():
                here.setenv(name, str(value))
            duties = duties_of(named([str(argument) for argument in arguments]))
            if at is not None and duties:
                here.setenv("VERMILION_KEY", str(sample_key(at.data, duties[0])))
            with pytest.raises(SystemExit) as ended:
                main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return run


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Verify:
    """Runs the command with --json: exit code, answer, standard error. The catch-all is off unless asked for."""

    def run(*arguments: object, catch_all: bool = False) -> tuple[int, dict[str, Any], str]:
        monkeypatch.setattr("sys.argv", ["vermilion"])
        switch = () if catch_all else ("--no-catch-all",)
        with pytest.raises(SystemExit) as ended:
            main(["verify", *map(str, arguments), "--json", *switch])
        captured = capsys.readouterr()
        answer = json.loads(captured.out) if captured.out else {}
        if answer:
            assert set(answer) >= MEMBERS
            assert set(answer["checks"]) == {"content", "issuer", "status"}
            assert all(set(check) == {"result", "reason"} for check in answer["checks"].values())
        assert isinstance(ended.value.code, int)
        return ended.value.code, answer, captured.err

    return run
