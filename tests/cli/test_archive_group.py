"""`vermilion archive …` on the registry of a first start."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.cli.conftest import Run
from tests.cli.test_archive import levels
from tests.services.running import Place


def lines(out: str) -> list[Any]:
    return [json.loads(line) for line in out.splitlines()]


def test_what_was_issued_is_kept_found_read_restored_and_checked(
    place: Place, tmp_path: Path, vermilion: Run
) -> None:
    assert vermilion(place, "archive", "keep")[0] == 0
    assert vermilion(place, "fsck")[:2] == (0, "0 findings\n")
    identifiers = list(levels(place))
    packages = []
    for identifier in identifiers:
        code, out, _ = vermilion(place, "archive", "find", "--identifier", identifier)
        (package,) = lines(out)
        assert (code, package["copies"]) == (0, {"first": "present", "second": "present"})
        packages.append(package)
    code, out, _ = vermilion(place, "archive", "statistics")
    assert sum(one.get("packages", 0) for one in lines(out)) == len(identifiers)

    first = packages[0]["package"]
    lost = place.data / "archive" / "first" / first[:2] / f"{first}-1.tar"
    lost.unlink()
    code, out, _ = vermilion(place, "archive", "audit")
    assert code == 1
    assert {"package": first, "store": "first", "repaired": True} in lines(out)
    assert lost.exists()

    drill = tmp_path / "drill"
    code, out, _ = vermilion(place, "archive", "restore-drill", str(drill), "--store", "second")
    assert (code, json.loads(out)["restored"]) == (0, len(identifiers))
    assert {path.name for path in drill.iterdir()} == {one["package"] for one in packages} | {
        "report.json",
        "report.tst",
    }
    code, out, _ = vermilion(place, "archive", "check", str(lost), "--sha256", packages[0]["sha256"])
    assert code == 0
    assert {one["nature"] for one in lines(out)} == {"authenticity", "integrity", "usability", "security"}
    lost.write_bytes(lost.read_bytes()[:-512])
    assert vermilion(place, "archive", "check", str(lost))[0] == 1
