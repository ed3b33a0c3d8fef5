"""A licence's life over HTTP: next editions, changes now and later, its history, and what was so when."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from registry.licences.due import make_due
from registry.seals.trust import publish_trust_list
from tests.registry.issuing import Died, Store
from tests.registry.next_editions import next_body, next_edition
from tests.registry.test_licences_api import GROUND, PATH, issued, problem
from tests.registry.world import START, Ticker, World

DAY = timedelta(days=1)


def amended(world: World, identifier: str, key: str, **changes: Any) -> dict[str, Any]:
    body = next_body(world, **{"fields": {"premises": "云溪省样本市西湖路9号"}, **changes})
    answer = world.post(f"{PATH}/{identifier}/amendment", body, **{"Idempotency-Key": key})
    assert answer.status_code == 201, answer.get_data(as_text=True)
    value: dict[str, Any] = answer.get_json()
    return value


def test_a_next_edition_answers_as_an_issue_does_and_both_name_each_other(world: World) -> None:
    first = issued(world)
    second = amended(world, first["identifier"], "k")
    assert second.keys() == first.keys()
    assert (second["edition"], second["number"], second["status"]) == (2, first["number"], "in_force")
    body = next_body(world, fields={"premises": "云溪省样本市西湖路9号"})
    again = world.post(f"{PATH}/{first['identifier']}/amendment", body, **{"Idempotency-Key": "k"})
    assert (again.headers["Idempotency-Replayed"], again.get_json()) == ("true", second)
    renewed = world.post(
        f"{PATH}/{first['identifier']}/replacement", next_body(world), **{"Idempotency-Key": "k"}
    )
    assert problem(renewed, 422)["reason"] == "key_reused"
    old, new = (world.get(f"{PATH}/{one['identifier']}").get_json() for one in (first, second))
    assert (old["made_by"], old["previous"], old["next"]) == ("issue", None, second["identifier"])
    assert (new["made_by"], new["previous"], new["next"]) == ("amend", first["identifier"], None)
    assert (old["status"], old["how"]) == ("ended", "replaced")
    assert new["fields"]["premises"] == "云溪省样本市西湖路9号"


def test_what_is_read_is_told_again_only_where_it_changed(world: World) -> None:
    path = f"{PATH}/{issued(world)['identifier']}"
    first = world.get(path)
    headers = {**world.headers("system"), "If-None-Match": first.headers["ETag"]}
    same = world.http.get(path, headers=headers)
    assert (same.status_code, same.data) == (304, b"")
    world.post(f"{path}/suspension", GROUND | {"ground": "other"})
    changed = world.http.get(path, headers=headers)
    assert (changed.status_code, changed.get_json()["status"]) == (200, "suspended")


def test_an_abandoned_next_edition_is_nobodys_neighbour(world: World) -> None:
    first = issued(world)["identifier"]
    with pytest.raises(Died):
        next_edition(
            world,
            "replace",
            first,
            ports=replace(world.ports, documents=Store(world.ports.documents, lambda _data: None)),
        )
    assert world.get(f"{PATH}/{first}").get_json()["next"] is None


def test_what_waits_is_answered_202_and_shown(world: World, clock: Ticker) -> None:
    path = f"{PATH}/{issued(world)['identifier']}"
    day = (world.today + 2 * DAY).isoformat()
    answer = world.post(f"{path}/ending", GROUND | {"how": "revoked", "effective_from": day})
    assert answer.status_code == 202
    planned = answer.get_json()["scheduled"]
    assert (planned["operation"], planned["due"], planned["how"]) == ("end", day, "revoked")
    assert world.get(path).get_json()["scheduled"] == [planned]
    clock.advance(2 * DAY)
    make_due(world.ports)
    shown = world.get(path).get_json()
    assert (shown["status"], shown["how"], shown["since"], shown["scheduled"]) == (
        "ended",
        "revoked",
        day,
        [],
    )


def test_a_change_asked_again_under_its_key_is_answered_again_and_made_once(
    world: World, clock: Ticker
) -> None:
    path = f"{PATH}/{issued(world)['identifier']}"
    body = GROUND | {"ground": "penalty"}
    first = world.post(f"{path}/suspension", body, **{"Idempotency-Key": "a"})
    clock.advance(DAY)
    again = world.post(f"{path}/suspension", body, **{"Idempotency-Key": "a"})
    assert (again.status_code, again.get_json()) == (200, first.get_json())
    assert (first.headers.get("Idempotency-Replayed"), again.headers["Idempotency-Replayed"]) == (
        None,
        "true",
    )
    for other, key in ((GROUND | {"ground": "other"}, "a"), (body, "b")):
        refused = world.post(f"{path}/suspension", other, **{"Idempotency-Key": key})
        assert problem(refused, 422 if key == "a" else 409)["reason"] == (
            "key_reused" if key == "a" else "status"
        )
    resumed = world.post(f"{path}/resumption", GROUND, **{"Idempotency-Key": "a"})
    assert problem(resumed, 422)["reason"] == "key_reused"
    assert [one["kind"] for one in world.get(f"{path}/history").get_json()["events"]] == [
        "licence.issued", "licence.suspended",
    ]  # fmt: skip
    issue_key = issued(world)["number"]  # under which a licence was issued
    used = world.post(f"{path}/resumption", GROUND, **{"Idempotency-Key": issue_key})
    assert problem(used, 422)["reason"] == "key_reused"
    day = (world.today + DAY).isoformat()
    later = [
        world.post(
            f"{path}/ending", GROUND | {"how": "revoked", "effective_from": day}, **{"Idempotency-Key": "c"}
        )
        for _ in range(2)
    ]
    assert [one.status_code for one in later] == [202, 202]
    assert later[0].get_json() == later[1].get_json()
    assert len(world.get(path).get_json()["scheduled"]) == 1


def test_a_change_that_is_tried_answers_as_it_would_be_answered_and_leaves_nothing(world: World) -> None:
    path = f"{PATH}/{issued(world)['identifier']}"
    later = {"effective_from": (world.today + 2 * DAY).isoformat()}
    waiting = world.post(f"{path}/ending", GROUND | {"how": "revoked"} | later).get_json()["scheduled"]["id"]

    def record() -> tuple[Any, Any]:
        return world.get(path).get_json(), world.get(f"{path}/history").get_json()

    asked: tuple[tuple[str, dict[str, Any]], ...] = (
        ("inspection", {"period": "2026", "result": "passed"}),
        ("suspension", {"ground": "other", **later}),
        ("suspension", {"ground": "other", "until": (world.today + DAY).isoformat()}),
        (f"scheduled/{waiting}/withdrawal", {}),
        ("ending", {"how": "revoked"}),
    )
    for number, (what, body) in enumerate(asked):
        before, key = record(), {"Idempotency-Key": f"tried-{number}"}
        tried = world.post(f"{path}/{what}?dry_run=1", GROUND | body, **key)
        assert tried.get_json().get("dry_run") is True, tried.text
        assert "Idempotency-Replayed" not in tried.headers
        assert record() == before
        made = world.post(f"{path}/{what}", GROUND | body, **key)
        assert "Idempotency-Replayed" not in made.headers  # the key was not used up
        assert made.status_code == tried.status_code
        assert said(made.get_json()) == said(tried.get_json())
    for what, body, status, reason in (
        ("resumption", {}, 409, "status"),
        ("suspension", {"ground": "other", "status_version": 1}, 409, "status_version"),
        ("suspension", {"ground": "whim"}, 422, "invalid_fields"),
    ):
        answers = [world.post(f"{path}/{what}{query}", GROUND | body) for query in ("?dry_run=1", "")]
        assert [problem(one, status)["reason"] for one in answers] == [reason] * 2
    assert (
        problem(world.post(f"{path}/ending?dry_run=yes", GROUND | {"how": "revoked"}), 422)["reason"]
        == "query"
    )
    assert problem(world.post(f"{path}/ending?x=1", GROUND | {"how": "revoked"}), 422)["reason"] == "query"
    assert world.get(path, "system").status_code == 200
    refused = world.post(f"{path}/ending?dry_run=1", GROUND | {"how": "revoked"}, "other-system")
    assert problem(refused, 404)["reason"] == "licence_unknown"


def said(body: dict[str, Any]) -> dict[str, Any]:
    """But for the id of what was never put on record, and for where it shows."""
    kept = {name: value for name, value in body.items() if name not in {"dry_run", "shown_in"}}
    return {name: {**one, "id": ""} if isinstance(one, dict) else one for name, one in kept.items()}


def test_an_inspection_is_on_record_and_changes_no_status(world: World) -> None:
    path = f"{PATH}/{issued(world)['identifier']}"
    body = GROUND | {"period": "2026", "result": "failed"}
    assert world.act("officer", f"{path}/inspection", body)["status_version"] == 1
    (event,) = [
        one for one in world.get(f"{path}/history").get_json()["events"] if one["kind"] == "licence.inspected"
    ]
    assert event["detail"] == {"period": "2026", "passed": False}
    assert event["person"] == world.people["officer"].id
    wrong = world.post(f"{path}/inspection", GROUND | {"period": "26", "result": "passed"})
    assert problem(wrong, 422)["errors"][0]["pointer"] == "/period"
    world.post(f"{path}/suspension", GROUND | {"ground": "other"})
    assert problem(world.post(f"{path}/inspection", body), 409)["reason"] == "status"


def test_the_history_tells_of_every_edition_with_who_and_why(world: World, clock: Ticker) -> None:
    first = issued(world)["identifier"]
    clock.advance(DAY)
    world.act("officer", f"{PATH}/{first}/suspension", GROUND | {"ground": "penalty"})
    clock.advance(DAY)
    world.post(f"{PATH}/{first}/resumption", GROUND)
    clock.advance(DAY)
    second = amended(world, first, "k")["identifier"]
    clock.advance(DAY)
    world.post(f"{PATH}/{second}/ending", GROUND | {"how": "withdrawn"})
    told = [world.get(f"{PATH}/{one}/history").get_json()["events"] for one in (first, second)]
    assert told[0] == told[1]  # the licence's, by whichever edition it is asked
    assert [(one["identifier"], one["kind"]) for one in told[0]] == [
        (first, "licence.issued"), (first, "licence.suspended"), (first, "licence.resumed"),
        (first, "licence.replaced"), (second, "licence.issued"), (second, "licence.ended"),
    ]  # fmt: skip
    assert all(one["legal_basis"] and one["reason_code"] and one["client"] for one in told[0])
    assert all(one["person"] or one["operator"] for one in told[0])
    assert problem(world.get(f"{PATH}/{first}/history", "other-system"), 404)["reason"] == "licence_unknown"


def test_was_it_valid_on_that_day(world: World, clock: Ticker) -> None:
    """Issued on day 0; on day 4 suspended from day 2 on; resumed on day 6; amended on day 8; annulled on day 9,
    from the issue of its second edition on.
    """
    first = issued(world)["identifier"]
    clock.advance(4 * DAY)
    since = (world.today - 2 * DAY).isoformat()
    world.post(f"{PATH}/{first}/suspension", GROUND | {"ground": "penalty", "effective_from": since})
    clock.advance(2 * DAY)
    world.post(f"{PATH}/{first}/resumption", GROUND)
    clock.advance(2 * DAY)
    publish_trust_list(world.ports)
    second = amended(world, first, "k")["identifier"]
    from_its_issue = world.today.isoformat()
    clock.advance(DAY)
    world.post(f"{PATH}/{second}/ending", GROUND | {"how": "annulled", "effective_from": from_its_issue})

    def told(identifier: str, day: int, clock_name: str) -> str:
        at = (START + day * DAY).isoformat().replace("+00:00", "Z")
        answer = world.get(f"{PATH}/{identifier}/status?at={at}&clock={clock_name}")
        if answer.status_code == 404:
            return str(answer.get_json()["reason"])
        said = answer.get_json()
        assert said["valid"] == (said["status"] == "in_force")
        return f"{said['status']} ({said['how']})" if said["how"] else str(said["status"])

    assert [told(first, day, "recorded") for day in (0, 3, 5, 7, 9)] == [
        "in_force", "in_force", "suspended", "in_force", "ended (replaced)",
    ]  # fmt: skip
    assert [told(first, day, "effective") for day in (0, 1, 3, 5, 7, 9)] == [
        "in_force", "in_force", "suspended", "suspended", "in_force", "ended (replaced)",
    ]  # fmt: skip
    assert [told(second, day, "recorded") for day in (0, 7, 8, 9)] == [
        "not_yet_there", "not_yet_there", "in_force", "ended (annulled)",
    ]  # fmt: skip
    assert [told(second, day, "effective") for day in (7, 8, 9)] == [
        "not_yet_there", "ended (annulled)", "ended (annulled)",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("clock=effective", "?at"), ("at=2026-11-20&clock=effective", "?at"),
        ("at=2026-11-20T00:00:00Z", "?clock"), ("at=2026-11-20T00:00:00Z&clock=wall", "?clock"),
        ("at=2046-11-20T00:00:00Z&clock=recorded", "?at"), ("at=x&clock=recorded&more=1", "?more"),
    ],
)  # fmt: skip
def test_a_question_about_the_past_names_moment_and_clock(world: World, query: str, field: str) -> None:
    answer = world.get(f"{PATH}/{issued(world)['identifier']}/status?{query}")
    assert [one["pointer"] for one in problem(answer, 422)["errors"]] == [field]
