"""The commands are tried on the data directory of one first start."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from registry.cli import main
from tests.services.conftest import again, empty_place, first_start, place, sample
from tests.services.running import Place

__all__ = ["Run", "again", "empty_place", "first_start", "place", "sample", "vermilion"]

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def vermilion(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a place: exit code, standard output, standard error."""

    def run(at: Place | None, *arguments: object) -> tuple[int, str, str]:
        with monkeypatch.context() as here:
            for name, value in (at.settings if at else {}).items():
                here.setenv(name, str(value))
            with pytest.raises(SystemExit) as ended:
                main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, captured.out, captured.err

    return run
