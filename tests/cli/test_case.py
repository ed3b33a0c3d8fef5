"""A case by commands alone, from what `make run` leaves: a permit of one agency in which another takes part."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from registry.client import Credential
from tests.cli.conftest import Run
from tests.services.places import READY
from tests.services.running import Place, command, until

GROUND = ("--legal-basis", "《中华人民共和国道路运输条例》", "--reason", "conditions_met")


class Hall:
    """Runs `vermilion case …` on a registry as one of its people."""

    def __init__(self, vermilion: Run, place: Place, folder: Path) -> None:
        self._vermilion, self._place, self._folder = vermilion, place, folder

    def sample(self, name: str) -> Path:
        return self._place.data / "sample" / name

    def does(self, who: str, act: str, *arguments: object, code: int = 0) -> Any:
        out, err = self._run(who, act, *arguments, code=code)
        return json.loads(out) if code == 0 else err

    def saves(self, who: str, act: str, *arguments: object) -> None:
        assert self._run(who, act, *arguments, code=0) == ("", "")

    def _run(self, who: str, act: str, *arguments: object, code: int) -> tuple[str, str]:
        path = self._folder / f"{who}.json"
        if not path.exists():
            kept = Credential.load(self._place.data / "credentials" / f"{who}.json")
            replace(kept, api=self._place.api).save(path)
        ended, out, err = self._vermilion(None, "case", act, *arguments, "--credential", path)
        assert ended == code, err
        return out, err


@pytest.fixture
def hall(vermilion: Run, place: Place, tmp_path: Path) -> Iterator[Hall]:
    with command("run", settings=place.settings) as run:
        run.said(READY)
        yield Hall(vermilion, place, tmp_path)
        assert run.stop() == 0


def test_a_permit_that_two_agencies_handle(hall: Hall) -> None:
    (listed,) = hall.does("transport-officer", "matters")["matters"]
    guide = hall.does("transport-officer", "matters", listed["code"])
    assert guide["name"]["en"] == "Permit for road goods transport (first issue)"
    case = hall.does("transport-officer", "file", hall.sample("permit-application.json"))["id"]
    material = hall.sample("material.pdf")
    for code in ("business_licence", "drivers", "safety_rules"):
        kept = hall.does("transport-officer", "supply", case, code, material)
    assert (kept["code"], kept["version"]) == ("safety_rules", 1)
    filed = hall.does("transport-officer", "step", case, "submit", "--declaration")
    assert len(filed["lookup_code"]) == 8
    assert hall.does("transport-officer", "list", "--state", "submitted")["cases"][0]["id"] == case
    missing = ("--item", "vehicles=请补充检测证明", *GROUND, "--words", "请补正")
    for action, more in (
        ("receive", ()),
        ("ask_correction", missing),
    ):
        told = hall.does("transport-officer", "step", case, action, *more)
    assert told["steps"][2]["items"] == [{"code": "vehicles", "why": "请补充检测证明"}]
    hall.does("transport-officer", "supply", case, "vehicles", material)
    hall.does("transport-officer", "step", case, "correct", "--declaration")
    for action in ("accept", "begin"):
        hall.does("transport-officer", "step", case, action)
    licence = ("--licence", hall.sample("permit-permission.json"))
    refused = hall.does("transport-decider", "decide", case, "permit", *licence, *GROUND, code=1)
    assert "have not given their opinions" in refused
    (part,) = hall.does("officer", "parts")["sub_cases"]
    assert hall.does("transport-officer", "parts", "--lead")["sub_cases"] == [part]
    assert hall.does("transport-officer", "parts")["sub_cases"] == []
    shown = hall.does("officer", "part", part["id"])
    assert set(shown["fields"]) == {"operator_name", "address", "business_scope"}
    (needed,) = shown["materials"]
    saved = hall.sample("needed.pdf")
    hall.saves("officer", "part-material", part["id"], needed["code"], needed["version"], "--save", saved)
    assert saved.read_bytes() == material.read_bytes()
    assert "not overdue" not in hall.does("transport-decider", "missed", part["id"], *GROUND, code=1)
    hall.does("officer", "take-up", part["id"])
    words = ("--words", "经营范围与登记一致")
    given = hall.does("decider", "opinion", part["id"], "agrees", *words, *GROUND)
    assert (given["state"], given["opinion"]) == ("given", "agrees")
    hall.does("transport-decider", "decide", case, "permit", *licence, *GROUND)
    until(lambda: hall.does("transport-officer", "show", case)["state"] == "done", "the permit")
    done = hall.does("transport-officer", "show", case)
    assert done["edition"].startswith("1.2.156.3005.2.")
    assert hall.does("transport-officer", "list", "--due", "overdue")["cases"] == []


def test_what_is_no_application_is_refused(hall: Hall) -> None:
    filed = hall.does("officer", "file", hall.sample("application.json"))
    assert filed["state"] == "draft"
    assert "none of" in hall.does(
        "officer", "supply", filed["id"], "layout", hall.sample("application.json"), code=1
    )
    assert "409" in hall.does("decider", "decide", filed["id"], "refuse", *GROUND, code=1)
    assert "422" in hall.does("officer", "file", hall.sample("permission.json"), code=1)
