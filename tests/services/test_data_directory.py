"""What a start does to the directory that it is given: it changes what it made, and nothing else."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from keys.errors import Kind, VermilionError
from registry.first_start import MARKER, _alone, prepare_public
from registry.settings import Settings
from tests.services.running import Place, command, passable_folder
from tests.services.test_isolation import root_only


@pytest.fixture
def folder() -> Iterator[Path]:
    with passable_folder() as found:
        yield found


def state(path: Path) -> dict[str, tuple[int, int, int]]:
    """Mode and owners of a directory and all that is in it."""
    return {
        str(p.relative_to(path)): (p.stat().st_mode, p.stat().st_uid, p.stat().st_gid)
        for p in (path, *path.rglob("*"))
    }


def begin(data: Path) -> None:
    with _alone(Settings(data=data), None):
        pass


def refusal(data: Path) -> str:
    """What both kinds of start say of a directory, which they leave as it is."""
    before = state(data)
    words = set()
    for start in (partial(begin, data), partial(prepare_public, Settings(data=data), None)):
        with pytest.raises(VermilionError) as refused:
            start()
        assert (refused.value.kind, refused.value.reason) == (Kind.INVALID, "data_directory")
        words.add(refused.value.detail)
    assert state(data) == before
    (said,) = words
    assert said.startswith(f"{data} ")
    return said


def test_a_directory_with_other_things_is_not_taken(folder: Path) -> None:
    """`--data /var` or `--data ~` would give away what lies there, or shut others out of it."""
    data = folder / "home"
    (data / "keys").mkdir(parents=True, mode=0o755)  # somebody else's, by chance of that name
    (data / "letters").mkdir(mode=0o755)
    data.chmod(0o750)
    assert "holds other things" in refusal(data)


def test_run_says_so_in_one_line(folder: Path) -> None:
    data = folder / "home"
    data.mkdir(mode=0o755)
    (data / "letter").touch()
    before = state(data)
    with command("run", settings=Place(data).settings) as run:
        assert run.ended() == 1
        assert (run.out, run.err.count("\n")) == ("", 1)
        assert run.err.startswith(f"vermilion: {data} holds other things: choose another data directory ")
    assert state(data) == before


def test_a_directory_that_anybody_can_write_in_is_not_taken(folder: Path) -> None:
    data = folder / "shared"
    data.mkdir()
    data.chmod(0o1777)
    assert "can be written in by anybody" in refusal(data)


@root_only
def test_a_directory_of_another_user_is_not_taken(folder: Path) -> None:
    """Who owns it could have put links there, for root to follow."""
    data = folder / "theirs"
    data.mkdir()
    (data / MARKER).touch()
    os.chown(data, 65534, 65534)
    assert "belongs to another user" in refusal(data)


@pytest.mark.parametrize("before", [[], ["secrets"], ["public"]], ids=["empty", "with secrets", "a volume"])
def test_one_that_is_empty_or_prepared_is_taken_and_keeps_its_mode(folder: Path, before: list[str]) -> None:
    data = folder / "private"
    data.mkdir()
    for name in before:
        (data / name).mkdir(mode=0o700)
    data.chmod(0o700)
    for _ in range(2):
        begin(data)
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert (data / MARKER).exists()
    assert stat.S_IMODE((data / "keys").stat().st_mode) == 0o700
    assert {path.name for path in data.iterdir()} >= {"keys", "documents", "database", *before}


def test_one_that_is_missing_is_made_passable_with_all_above_it(folder: Path) -> None:
    data = folder / "a" / "b" / "var"
    mask = os.umask(0o077)
    try:
        begin(data)
    finally:
        os.umask(mask)
    assert {stat.S_IMODE(p.stat().st_mode) for p in (data, data.parent, data.parent.parent)} == {0o711}
    (data / "a note of its keeper").touch()
    begin(data)  # it is ours
