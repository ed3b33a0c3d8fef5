"""`vermilion publish` as a timer runs it, and as it goes on by itself."""

from __future__ import annotations

from pathlib import Path

from signing.bundle import TRUST_LIST
from tests.cli.conftest import Run
from tests.services.running import Place, command, until


def test_once(vermilion: Run, place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    code, out, err = vermilion(place, "publish", folder)
    assert (code, err) == (0, "")
    assert f"written {TRUST_LIST}" in out.splitlines()
    assert vermilion(place, "publish", folder) == (0, "", "")
    (tmp_path / "other").write_text("x")
    code, _, err = vermilion(place, "publish", tmp_path)
    assert (code, err.count("holds other things")) == (1, 1)
    assert vermilion(place, "publish", folder, "--every", "0")[0] == 64


def test_again_and_again_until_it_is_told_to_stop(place: Place, tmp_path: Path) -> None:
    folder = tmp_path / "published"
    with command("publish", str(folder), "--every", "5", settings=place.settings) as going:
        until((folder / "index.json").exists, "the index")
        assert going.stop() == 0
    assert (folder / TRUST_LIST).exists()
