"""An agency reads its own archive over HTTP, and in figures that are counted beforehand."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from registry.archive.audit import audit_due
from registry.archive.evidence import stamp_night
from registry.archive.figures import EVERY, count_due
from registry.archive.renewal import renew_evidence
from tests.archive.keeping import NAMES, archived_package, file_of, kept, packages, stores_of
from tests.archive.packages import ABOUT
from tests.archive.test_arrivals import SENDER, brought
from tests.archive.test_handover import Ends, ends
from tests.registry.issuing import issue_one
from tests.registry.world import Ticker, World

__all__ = ["ends"]
PACKAGES = "/api/v1/archive/packages"


def asked(world: World, path: str, *caller: str, status: int = 200) -> Any:
    answer = world.http.get(path, headers=world.headers(*(caller or ("system",))))
    assert answer.status_code == status, answer.text
    return answer.get_json()


def test_a_package_is_found_and_shown_with_its_checks_and_copies(world: World) -> None:
    issued = issue_one(world)
    kept(world)
    (row,) = packages(world)
    stamp_night(world.ports, at_once=True)
    renew_evidence(world.ports, stores_of(world), "sha512", rest=lambda _seconds: None)
    identifier = issued.printout.record.identifier
    for query in (
        "", f"?number={row.number}", f"?identifier={identifier}", f"?year={row.year}&catalogue={row.catalogue}",
    ):  # fmt: skip
        (one,) = asked(world, PACKAGES + query)["packages"]
        assert (one["package"], one["number"], one["identifier"]) == (row.id, row.number, identifier)
    for query in ("?number=none", "?year=1999", "?identifier=x"):
        assert asked(world, PACKAGES + query) == {"packages": [], "next": None}
    whole = asked(world, one["href"])
    assert {name: whole[name] for name in one} == one
    assert {copy["store"]: copy["state"] for copy in whole["copies"]} == dict.fromkeys(NAMES, "present")
    (check,) = whole["checks"]
    assert (check["occasion"], check["passed"]) == ("ingest", True)
    assert {finding["nature"] for finding in check["findings"]} == {
        "authenticity", "integrity", "usability", "security",
    }  # fmt: skip
    assert len(whole["time_stamped_at"]) == 2
    assert whole["arrived_from"] is None
    assert "样本" not in str(whole)  # nobody's name


def test_pages_lead_to_each_other(world: World) -> None:
    for _ in range(3):
        issue_one(world)
    kept(world)
    first = asked(world, f"{PACKAGES}?limit=2")
    second = asked(world, first["next"])
    assert [len(first["packages"]), len(second["packages"]), second["next"]] == [2, 1, None]
    seen = [one["package"] for page in (first, second) for one in page["packages"]]
    assert seen == sorted(one.id for one in packages(world))


@pytest.mark.parametrize(
    "query", ["?year=x", "?year=99999", "?limit=0", "?limit=201", "?after=x", "?number=", "?x=1"]
)
def test_what_is_asked_otherwise_is_refused(world: World, query: str) -> None:
    assert asked(world, PACKAGES + query, status=422)["errors"]


def test_an_agency_sees_its_own_alone(world: World) -> None:
    package_id = archived_package(world)
    count_due(world.ports, at_once=True)
    assert asked(world, PACKAGES, "other-system") == {"packages": [], "next": None}
    assert asked(world, f"{PACKAGES}/{package_id}", "other-system", status=404)["reason"] == "package_unknown"
    assert asked(world, f"{PACKAGES}/{'0' * 32}", status=404)["reason"] == "package_unknown"
    assert asked(world, "/api/v1/archive/statistics", "other-system")["packages"] == []
    assert asked(world, PACKAGES, "desk", status=403)["reason"] == "scope"


def test_figures_are_counted_every_hour(world: World, clock: Ticker) -> None:
    before = asked(world, "/api/v1/archive/statistics")
    assert before == {
        "as_of": None, "packages": [], "copies": [], "checks_failed": [], "handovers": [], "waiting": 0,
    }  # fmt: skip
    issue_one(world)
    assert count_due(world.ports) > 0
    assert asked(world, "/api/v1/archive/statistics")["waiting"] == 1
    kept(world)
    (row,) = packages(world)
    file_of(world, row, "second").unlink()
    file_of(world, row, "first").rename(file_of(world, row, "first").with_suffix(".aside"))
    audit_due(world.ports, stores_of(world), rest=lambda _seconds: None)
    assert count_due(world.ports) == 0  # not yet again
    clock.advance(EVERY + timedelta(seconds=1))
    count_due(world.ports)
    found = asked(world, "/api/v1/archive/statistics")
    assert found["packages"] == [
        {
            "fonds": row.fonds, "year": row.year, "retention": "permanent", "state": "kept", "packages": 1,
            "bytes": row.size,
        }
    ]  # fmt: skip
    assert found["copies"] == [{"store": name, "state": "missing", "copies": 1} for name in NAMES]
    assert (found["waiting"], found["checks_failed"]) == (0, [])


def test_what_came_and_what_went_is_shown(ends: Ends) -> None:
    issue_one(ends.first)
    kept(ends.first)
    done = ends.handed_over()
    (row,) = packages(ends.first)
    waiting = asked(ends.first, f"{PACKAGES}/{row.id}")
    assert (waiting["passed_on"]["state"], waiting["passed_on"]["accepted_at"]) == ("waiting", None)
    assert {check["occasion"] for check in waiting["checks"]} == {"ingest", "handover"}
    ends.answered(ends.received(done).receipt)
    count_due(ends.first.ports, at_once=True)
    gone = asked(ends.first, PACKAGES)["packages"][0]["passed_on"]
    assert (gone["handover"], gone["state"], gone["to"]) == (done.id, "handed_over", ends.receiver.code)
    assert gone["accepted_at"] is not None
    assert asked(ends.first, "/api/v1/archive/statistics")["handovers"] == [
        {"state": "handed_over", "handovers": 1}
    ]
    (theirs,) = packages(ends.second)
    came = asked(ends.second, f"{PACKAGES}/{theirs.id}")["arrived_from"]
    assert (came["code"], came["handover"], came["number"]) == (ends.first.codes["own"], done.id, row.number)


def test_what_was_brought_by_itself_is_shown(world: World) -> None:
    done = brought(world, own_number=True)
    whole = asked(world, f"{PACKAGES}/{done.package_id}")
    assert whole["arrived_from"] == {
        "code": SENDER.code, "name": SENDER.name, "handover": None, "number": ABOUT.number,
        "arrived_at": whole["kept_at"],
    }  # fmt: skip
