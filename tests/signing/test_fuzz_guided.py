"""What `make fuzz` gives to atheris works without it: over right inputs and some of each kind of wrong ones."""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests import fuzz_guided
from tests.fuzz import mutated
from tests.fuzz_guided import FindingError, Judge, feeding, judges

MAKEFILE = Path(__file__).parents[2] / "Makefile"
TARGETS = ("text", "credential", "cms", "signature", "file")
ODD = (b"", b"\0", b"#", b"%PDF-1.7\n", b"\x30\x80", b"\xff" * 300, "https://例/c/#1".encode(), b"9" * 5000)


@pytest.fixture(scope="module")
def made() -> dict[str, tuple[Judge, bytes]]:
    return judges()


def test_make_runs_every_target(made: dict[str, tuple[Judge, bytes]]) -> None:
    (named,) = re.findall(r"for target in ([a-z ]+);", MAKEFILE.read_text("utf-8"))
    assert tuple(named.split()) == TARGETS == tuple(made)


@pytest.mark.parametrize("name", TARGETS)
def test_each_target_takes_any_input(made: dict[str, tuple[Judge, bytes]], name: str) -> None:
    judge, right = made[name]
    take, rng = feeding(judge), random.Random(20261120)
    for data in (right, *ODD, *(mutated(rng, right) for _ in range(25))):
        take(data)


def test_a_finding_ends_the_run() -> None:
    with pytest.raises(FindingError, match="positive"):
        feeding(lambda data: "positive: valid" if data else None)(b"1")


def test_a_run_begins_with_the_right_input(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """libFuzzer, but for its search: first it runs what is in the corpus."""
    given: list[tuple[list[str], Callable[[bytes], None]]] = []
    taken: list[bytes] = []

    def run() -> None:
        ((_, *options), take) = given[0]
        assert options == ["-runs=1", str(tmp_path)]
        for path in tmp_path.iterdir():
            take(path.read_bytes())
            taken.append(path.read_bytes())

    library = SimpleNamespace(
        instrument_imports=lambda include: nullcontext() if include else pytest.fail("nothing is watched"),
        Setup=lambda arguments, take: given.append((arguments, take)),
        Fuzz=run,
    )
    monkeypatch.setitem(sys.modules, "atheris", library)
    monkeypatch.setattr(sys, "argv", ["fuzz_guided", "credential", "-runs=1", str(tmp_path)])
    fuzz_guided.main()
    assert taken == [judges()["credential"][1]]
