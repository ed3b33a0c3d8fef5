"""`vermilion verifier`: a relying party on record, approved, disabled."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.conftest import Run
from tests.cli.test_administration import GROUND
from tests.services.running import Place


def listed(vermilion: Run, place: Place, party: str | None = None) -> list[dict[str, Any]]:
    """All, since others may be on record there; or one of them."""
    code, out, _ = vermilion(place, "verifier", "list")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    return rows if party is None else [row for row in rows if row["id"] == party]


def test_a_relying_party_is_put_on_record_approved_and_disabled(vermilion: Run, place: Place) -> None:
    code, out, err = vermilion(place, "verifier", "add", "--name", "样本银行", "--per-minute", "5")
    assert (code, err) == (0, "")
    made = json.loads(out)
    assert made["key"].startswith("vk_")
    (row,) = listed(vermilion, place, made["id"])
    assert (row["id"], row["name"], row["thumbprint"]) == (made["id"], "样本银行", made["thumbprint"])
    assert (row["active"], row["per_minute"], row["per_day"]) == (False, 0, 0)
    assert made["key"] not in json.dumps(row)
    assert vermilion(place, "verifier", "enable", made["id"], *GROUND)[0] == 1
    assert vermilion(place, "admin", "approve", f"{made['id']}=another")[0] == 1
    assert vermilion(place, "admin", "approve", f"{made['id']}={made['thumbprint']}")[0] == 0
    (row,) = listed(vermilion, place, made["id"])
    assert (row["active"], row["per_minute"], row["per_day"]) == (True, 5, 10_000)
    for act, active in (("disable", False), ("enable", True)):
        assert vermilion(place, "verifier", act, made["id"], *GROUND) == (0, "", "")
        assert [one["active"] for one in listed(vermilion, place, made["id"])] == [active]


def test_what_cannot_be_put_on_record_is_refused(vermilion: Run, place: Place) -> None:
    before = listed(vermilion, place)
    code, _, err = vermilion(place, "verifier", "add", "--name", "样本银行", "--per-day", "0")
    assert (code, "a quota is 1 to" in err) == (1, True)
    assert vermilion(place, "verifier", "disable", "0" * 32, *GROUND)[0] == 1
    assert listed(vermilion, place) == before
