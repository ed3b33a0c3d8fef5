"""Was it valid then? As of a past moment, by either clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from registry.licences.tables import Document
from registry.seals.trust import publish_trust_list
from signing.live import SETTLING
from tests.registry.issuing import issue_one
from tests.registry.relying import API, BULK, SIGNED, Front, front, moment
from tests.registry.test_status import change
from tests.registry.world import START, Ticker, World, on_sqlite

DAY = timedelta(days=1)


@pytest.fixture
def site(world: World) -> Iterator[Front]:
    with front(world) as made:
        yield made


def verdict(site: Front, item: dict[str, Any], at: str, clock: str) -> str:
    """The answer's, alone, among others, and signed, which are one."""
    asked = {"as_of": at, "clock": clock}
    alone = site.said({**item, **asked})
    assert alone["clock"] == clock
    (among,) = site.said({"items": [item], **asked}, BULK)["answers"]
    (signed,) = site.signed({**item, **asked}).content.answers
    assert alone == among == {name: value for name, value in signed.items() if name != "presented"}
    how = alone["how"]
    return str(alone["verdict"]) if how is None else f"{alone['verdict']} ({how})"


def test_each_clock_tells_its_own_story(site: Front, clock: Ticker) -> None:
    """Issued on day 0; suspended on day 4, from day 2; resumed on day 6; annulled on day 8, from the issue on."""
    world = site.world
    issued = issue_one(world)
    identifier = issued.printout.record.identifier
    issue_day = issued.printout.record.issue_date
    item = {"qr": issued.link}

    def on(number: int) -> str:
        return moment(START + number * DAY)

    def recorded(number: int) -> str:
        return verdict(site, item, on(number), "recorded")

    def effective(number: int) -> str:
        return verdict(site, item, (issue_day + number * DAY).isoformat(), "effective")

    clock.advance(4 * DAY)
    change(world, "suspend", identifier, issue_day + 2 * DAY, suspension="penalty")
    clock.advance(2 * DAY)
    change(world, "resume", identifier)
    publish_trust_list(world.ports)
    clock.advance(DAY + SETTLING)
    assert [recorded(n) for n in (0, 1, 3, 5, 7)] == ["unknown", "valid", "valid", "suspended", "valid"]
    assert [effective(n) for n in (0, 1, 2, 5, 6)] == ["valid", "valid", "suspended", "suspended", "valid"]
    clock.advance(DAY)
    change(world, "end", identifier, issue_day, how="annulled")
    assert [recorded(n) for n in (1, 5, 7)] == ["valid", "suspended", "valid"]
    assert {effective(n) for n in range(8)} == {"ended (annulled)"}
    assert effective(-1) == "not_yet_valid"


def test_before_it_was_issued_and_after_it_expired(site: Front, clock: Ticker) -> None:
    issued = issue_one(site.world)
    record = issued.printout.record
    item = {"sha256": issued.sha256.hex()}
    assert record.valid_to is not None
    assert verdict(site, item, (record.valid_from - DAY).isoformat(), "effective") == "not_yet_valid"
    assert verdict(site, item, moment(START - DAY), "recorded") == "unknown"
    clock.advance(
        (record.valid_to - record.valid_from) + 3 * DAY
    )  # no trust list lasts so long, nor is needed
    asked = {"as_of": record.valid_to.isoformat(), "clock": "effective"}
    assert site.said({**item, **asked})["verdict"] == "valid"  # the last day belongs to it
    asked["as_of"] = (record.valid_to + DAY).isoformat()
    assert site.said({**item, **asked})["verdict"] == "expired"


@pytest.mark.parametrize(
    ("asked", "pointer", "reason"),
    [
        ({"as_of": "2026-05-03T00:00:00Z"}, "/clock", "clock"),
        ({"clock": "recorded"}, "/clock", "clock"),
        ({"as_of": "2026-05-03", "clock": "recorded"}, "/as_of", "instant"),
        ({"as_of": "2026-05-03T00:00:00", "clock": "recorded"}, "/as_of", "instant"),
        ({"as_of": "2026-02-30", "clock": "effective"}, "/as_of", "instant"),
        ({"as_of": "0001-01-01", "clock": "effective"}, "/as_of", "not_past"),
        ({"as_of": "9999-12-31T23:59:59-23:59", "clock": "recorded"}, "/as_of", "instant"),
        ({"as_of": "2026-12-24", "clock": "effective"}, "/as_of", "not_past"),
        ({"as_of": 5, "clock": "effective"}, "/as_of", "string_type"),
        ({"as_of": "2026-05-03", "clock": "moon"}, "/clock", "literal_error"),
    ],
)
@pytest.mark.parametrize("database_backend", ["sqlite"])
def test_a_moment_that_is_none_is_named(
    site: Front, asked: dict[str, Any], pointer: str, reason: str
) -> None:
    for path, body in ((API, {"link": "x"}), (BULK, {"items": [{"link": "x"}]})):
        answer = site.ask({**body, **asked}, path)
        (fault,) = answer.get_json()["errors"]
        assert (answer.status_code, fault["pointer"], fault["reason"]) == (422, pointer, reason)


@pytest.mark.parametrize("database_backend", ["sqlite"])
def test_what_was_not_on_record_yet_raises_no_alarm(site: Front, clock: Ticker) -> None:
    """A genuine code, asked about before it was registered, is no sign that a key was stolen."""
    issued = issue_one(site.world)
    clock.advance(DAY)
    asked = {"qr": issued.link, "as_of": moment(START - DAY), "clock": "recorded"}
    assert site.said(asked)["verdict"] == "unknown"
    assert site.app.extensions["site"].store.alarms() == 0
    assert site.ask(asked, **SIGNED).status_code == 200


def test_a_day_is_a_day_of_the_registry_s_zone(site: Front, clock: Ticker) -> None:
    """Half past midnight in Shanghai is the day before in UTC."""
    issued = issue_one(site.world)
    identifier = issued.printout.record.identifier
    clock.advance(3 * DAY)
    day: date = site.world.today
    change(site.world, "end", identifier, day, how="revoked")
    clock.advance(DAY)
    before = f"{(day - DAY).isoformat()}T23:30:00+08:00"
    after = f"{day.isoformat()}T00:30:00+08:00"
    asked = {"qr": issued.link, "clock": "effective"}
    assert site.said({**asked, "as_of": before})["verdict"] == "valid"
    assert site.said({**asked, "as_of": after})["verdict"] == "ended"


@on_sqlite
def test_a_form_that_was_registered_later_was_not_on_record_then(site: Front, clock: Ticker) -> None:
    """What the registry would have answered to that file, not to its licence."""
    issued = issue_one(site.world)
    clock.advance(4 * DAY)
    with site.world.ports.database.transaction() as session:
        form = update(Document).where(Document.sha256 == issued.sha256)
        session.execute(form.values(registered_at=START + 2 * DAY))
    file = {"sha256": issued.sha256.hex()}
    assert verdict(site, file, moment(START + DAY), "recorded") == "unknown"
    assert verdict(site, file, moment(START + 3 * DAY), "recorded") == "valid"
    assert verdict(site, file, moment(START + DAY), "effective") == "valid"
    assert verdict(site, {"qr": issued.link}, moment(START + DAY), "recorded") == "valid"


@on_sqlite
def test_what_is_recorded_now_is_certain_after_a_minute(site: Front, clock: Ticker) -> None:
    """What is timed now may be committed after it was asked about."""
    issued = issue_one(site.world)
    clock.advance(DAY)
    now = clock.now.replace(microsecond=0)
    asked = {"qr": issued.link, "as_of": moment(now - SETTLING + timedelta(seconds=1)), "clock": "recorded"}
    (fault,) = site.ask(asked).get_json()["errors"]
    assert (fault["pointer"], fault["reason"]) == ("/as_of", "not_settled")
    assert site.said(asked | {"clock": "effective"})["verdict"] == "valid"
    assert verdict(site, {"qr": issued.link}, moment(now - SETTLING), "recorded") == "valid"
