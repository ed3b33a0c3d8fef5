"""The verdict: every combination of facts, judged by rules that know nothing of the table."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from itertools import product
from pathlib import Path

import pytest

from signing.annotation import Annotation, annotation_to_json
from signing.showing import Showing
from signing.verdict import (
    HOWS,
    Content,
    Facts,
    Issuer,
    OnRecord,
    Result,
    Status,
    Time,
    Verdict,
    Verification,
    decide,
    exit_code,
    table,
    to_json,
)
from tests.vectors.make import HERE, files

NOW = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
EVERY = [Facts(*axes) for axes in product(Content, Issuer, OnRecord, Status, Time)]
POSITIVE = {Verdict.VALID, Verdict.GENUINE_OFFLINE}


def found(facts: Facts, how: str | None = None) -> Verification:
    return decide(facts, as_of=NOW, how=how)


def each(verdict: Verdict) -> list[Facts]:
    return [facts for facts in EVERY if found(facts).verdict is verdict]


def test_the_axes_are_those_of_the_code() -> None:
    names = {"content": Content, "issuer": Issuer, "record": OnRecord, "status": Status, "time": Time}
    assert table()["axes"] == {axis: list(values) for axis, values in names.items()}
    assert len(EVERY) == 3 * 4 * 3 * 8 * 6


def test_every_verdict_is_reached_and_every_rule_used() -> None:
    assert {found(facts).verdict for facts in EVERY} == set(Verdict)
    for rules in (table()["verdict"], *table()["checks"].values()):
        assert not rules[-1]["when"], "the last rule has no condition"
        for facts in EVERY:
            assert any(_applies(rule["when"], facts) for rule in rules)
        for number, rule in enumerate(rules):
            assert any(
                _applies(rule["when"], facts) and not any(_applies(r["when"], facts) for r in rules[:number])
                for facts in EVERY
            )


def _applies(when: dict[str, list[str]], facts: Facts) -> bool:
    return all(getattr(facts, axis) in values for axis, values in when.items())


def test_nothing_is_valid_unless_each_fact_says_so() -> None:
    assert [(f.content, f.issuer, f.record, f.status, f.time) for f in each(Verdict.VALID)] == [
        (Content.PROVEN, Issuer.RECOGNISED, OnRecord.KNOWN, Status.IN_FORCE, Time.WITHIN),
        (Content.PROVEN, Issuer.RECOGNISED, OnRecord.NOT_ASKED, Status.LISTED, Time.WITHIN),
        (Content.NOT_COMPARED, Issuer.RECOGNISED, OnRecord.KNOWN, Status.IN_FORCE, Time.WITHIN),
    ]


def test_green_is_one_combination_online_and_one_by_a_fresh_list() -> None:
    green = [facts for facts in EVERY if found(facts).green]
    assert green == [
        Facts(Content.PROVEN, Issuer.RECOGNISED, OnRecord.KNOWN, Status.IN_FORCE, Time.WITHIN),
        Facts(Content.PROVEN, Issuer.RECOGNISED, OnRecord.NOT_ASKED, Status.LISTED, Time.WITHIN),
    ]
    uncompared = found(
        Facts(Content.NOT_COMPARED, Issuer.RECOGNISED, OnRecord.KNOWN, Status.IN_FORCE, Time.WITHIN)
    )
    assert (uncompared.verdict, uncompared.heading, uncompared.green) == (
        Verdict.VALID,
        "valid_not_compared",
        False,
    )


def test_genuine_offline_wants_content_issuer_and_time() -> None:
    for facts in each(Verdict.GENUINE_OFFLINE):
        assert (facts.content, facts.issuer, facts.time) == (Content.PROVEN, Issuer.RECOGNISED, Time.WITHIN)
        assert facts.status in {Status.NOT_CHECKED, Status.LISTED_BEFORE}
        assert facts.record is not OnRecord.UNKNOWN


def test_what_goes_wrong_first_is_said_first() -> None:
    """The order of design section 6, written a second time and in another way."""
    for facts in EVERY:
        verdict = found(facts).verdict
        if facts.content is Content.ALTERED:
            expected: Verdict | None = Verdict.ALTERED
        elif facts.issuer is Issuer.REFUSED:
            expected = Verdict.NOT_RECOGNISED
        elif facts.record is OnRecord.UNKNOWN:
            expected = Verdict.UNKNOWN
        elif facts.status in {Status.ENDED, Status.SUSPENDED, Status.REPLACED}:
            expected = Verdict(facts.status.value)
        elif facts.status is Status.WITHDRAWN:  # a copy, of a licence in force
            expected = Verdict.ENDED
        elif facts.time in {Time.AFTER, Time.COPY_AFTER, Time.CODE_OVER}:
            expected = Verdict.EXPIRED
        elif facts.time is Time.BEFORE:
            expected = Verdict.NOT_YET_VALID
        else:
            expected = None
            assert verdict in POSITIVE | {Verdict.CANNOT_CHECK}
        assert expected is None or verdict is expected, facts


def test_doubt_is_never_positive_and_never_a_claim_of_fault() -> None:
    for facts in EVERY:
        verification = found(facts)
        if facts.issuer in {Issuer.DOUBTFUL, Issuer.NOT_CHECKED} or facts.time is Time.UNKNOWN:
            assert verification.verdict not in POSITIVE
        if verification.verdict is Verdict.CANNOT_CHECK:
            checks = (verification.content, verification.issuer, verification.status)
            assert Result.FAILED not in {check.result for check in checks}, facts


def test_better_facts_never_make_a_worse_verdict() -> None:
    """Taking one fact away from a positive answer never leaves a more positive one."""
    rank = {Verdict.VALID: 2, Verdict.GENUINE_OFFLINE: 1}
    for facts in each(Verdict.VALID) + each(Verdict.GENUINE_OFFLINE):
        for worse in (
            Facts(facts.content, Issuer.NOT_CHECKED, facts.record, facts.status, facts.time),
            Facts(facts.content, facts.issuer, OnRecord.NOT_ASKED, Status.NOT_CHECKED, facts.time),
            Facts(facts.content, facts.issuer, facts.record, facts.status, Time.UNKNOWN),
        ):
            assert rank.get(found(worse).verdict, 0) <= rank[found(facts).verdict]


def test_nothing_known_is_cannot_check() -> None:
    assert found(Facts()).verdict is Verdict.CANNOT_CHECK


def test_the_checks_say_what_their_axis_says() -> None:
    for facts in EVERY:
        v = found(facts)
        assert (v.content.result is Result.PASSED) == (facts.content is Content.PROVEN)
        assert (v.content.result is Result.FAILED) == (facts.content is Content.ALTERED)
        assert (v.issuer.result is Result.PASSED) == (facts.issuer is Issuer.RECOGNISED)
        assert (v.issuer.result is Result.FAILED) == (facts.issuer is Issuer.REFUSED)
        assert (v.status.result is Result.PASSED) == (
            (facts.record, facts.status)
            in {(OnRecord.KNOWN, Status.IN_FORCE), (OnRecord.NOT_ASKED, Status.LISTED)}
            and facts.time is Time.WITHIN
        )


# content, issuer, record, status, time -> verdict; written by hand from design section 6
BY_HAND = """
proven recognised known in_force within -> valid
not_compared recognised known in_force within -> valid
not_compared not_checked known in_force within -> cannot_check
not_compared doubtful known in_force within -> cannot_check
proven doubtful known in_force within -> cannot_check
proven recognised known in_force unknown -> cannot_check
proven recognised known in_force after -> expired
proven recognised known in_force before -> not_yet_valid
not_compared recognised known in_force after -> expired
proven recognised known suspended within -> suspended
proven recognised known suspended after -> suspended
not_compared recognised known suspended within -> suspended
proven recognised known ended within -> ended
proven recognised known ended after -> ended
not_compared not_checked known ended unknown -> ended
proven recognised known replaced within -> replaced
proven recognised known replaced after -> replaced
proven recognised not_asked not_checked within -> genuine_offline
proven recognised not_asked not_checked after -> expired
proven recognised not_asked not_checked before -> not_yet_valid
proven recognised not_asked not_checked unknown -> cannot_check
proven doubtful not_asked not_checked unknown -> cannot_check
proven doubtful not_asked not_checked within -> cannot_check
proven not_checked not_asked not_checked within -> cannot_check
not_compared not_checked not_asked not_checked unknown -> cannot_check
not_compared recognised not_asked not_checked within -> cannot_check
not_compared recognised known not_checked within -> cannot_check
proven recognised known not_checked within -> genuine_offline
altered recognised known in_force within -> altered
altered recognised known ended within -> altered
altered not_checked not_asked not_checked unknown -> altered
altered refused unknown not_checked unknown -> altered
altered recognised unknown not_checked unknown -> altered
proven refused known in_force within -> not_recognised
proven refused known ended within -> not_recognised
proven refused unknown not_checked unknown -> not_recognised
proven refused not_asked not_checked after -> not_recognised
not_compared refused not_asked not_checked unknown -> not_recognised
not_compared refused known suspended within -> not_recognised
proven recognised unknown not_checked within -> unknown
proven recognised unknown not_checked after -> unknown
proven doubtful unknown not_checked unknown -> unknown
not_compared not_checked unknown not_checked unknown -> unknown
proven recognised not_asked in_force within -> cannot_check
proven recognised not_asked suspended within -> suspended
proven recognised not_asked listed within -> valid
proven recognised not_asked listed after -> expired
proven recognised not_asked listed before -> not_yet_valid
proven recognised not_asked listed unknown -> cannot_check
proven doubtful not_asked listed within -> cannot_check
not_compared recognised not_asked listed within -> cannot_check
proven recognised known listed within -> cannot_check
proven recognised unknown listed within -> unknown
altered recognised not_asked listed within -> altered
proven refused not_asked listed within -> not_recognised
proven recognised not_asked listed_before within -> genuine_offline
proven recognised not_asked listed_before after -> expired
proven doubtful not_asked listed_before within -> cannot_check
proven recognised known in_force copy_after -> expired
proven recognised known withdrawn within -> ended
proven recognised known withdrawn copy_after -> ended
not_compared recognised known withdrawn within -> ended
proven recognised not_asked not_checked copy_after -> expired
proven recognised not_asked listed copy_after -> expired
proven recognised known suspended copy_after -> suspended
proven refused known withdrawn within -> not_recognised
altered recognised known withdrawn within -> altered
not_compared not_checked known not_checked code_over -> expired
not_compared recognised known suspended code_over -> suspended
""".strip().splitlines()


@pytest.mark.parametrize("line", BY_HAND)
def test_by_hand(line: str) -> None:
    left, _, verdict = line.partition(" -> ")
    c, i, r, s, t = left.split()
    assert found(Facts(Content(c), Issuer(i), OnRecord(r), Status(s), Time(t))).verdict == verdict


COPY = Annotation("办理银行开户", "样本市商业银行", date(2026, 12, 31))


def test_a_copy_is_never_called_what_its_licence_would_be() -> None:
    for facts in EVERY:
        plain, copy = found(facts), decide(facts, as_of=NOW, copy=COPY)
        assert (copy.verdict, copy.green) == (plain.verdict, plain.green)
        assert to_json(copy)["copy"] == annotation_to_json(COPY)
        if copy.verdict in POSITIVE:
            assert copy.heading == f"copy_{plain.heading}"
        assert "copy" not in to_json(plain)


def test_a_withdrawn_copy_has_ended_in_a_way_of_its_own() -> None:
    facts = Facts(Content.PROVEN, Issuer.RECOGNISED, OnRecord.KNOWN, Status.WITHDRAWN, Time.WITHIN)
    withdrawn = decide(facts, as_of=NOW, how="revoked", copy=COPY)
    assert (withdrawn.how, withdrawn.heading) == ("copy_withdrawn", "ended_copy_withdrawn")
    assert withdrawn.status.reason == "copy_withdrawn"


def test_what_a_code_shows_is_called_so_and_is_never_green() -> None:
    showing = Showing(NOW, NOW + timedelta(seconds=60))
    in_force = Facts(Content.NOT_COMPARED, Issuer.RECOGNISED, OnRecord.KNOWN, Status.IN_FORCE, Time.WITHIN)
    for facts, verdict, heading in (
        (in_force, "valid", "shown_valid"),
        (Facts(record=OnRecord.UNKNOWN), "unknown", "shown_unknown"),
        (Facts(record=OnRecord.KNOWN, time=Time.CODE_OVER), "expired", "code_over"),
        (Facts(), "cannot_check", "cannot_check"),
    ):
        shown = decide(facts, as_of=NOW, showing=showing)
        assert (shown.verdict, shown.heading, shown.green) == (verdict, heading, False)
    assert to_json(shown)["showing"] == {"shown_at": "2026-11-20T02:30:00Z", "until": "2026-11-20T02:31:00Z"}


def test_the_vectors_that_the_script_runs_are_up_to_date() -> None:
    for name, text in files().items():
        assert (HERE / name).read_text(encoding="utf-8") == text, f"{name}: run python -m tests.vectors.make"
    stored = json.loads((Path(HERE) / "verdict.json").read_text(encoding="utf-8"))
    assert len(stored["rows"]) == len(EVERY)


def test_how_a_licence_ended_is_said_where_it_ended_and_nowhere_else() -> None:
    for facts in EVERY:
        for how in (*HOWS, None, "replaced", "nonsense"):
            verification = found(facts, how)
            if verification.verdict is not Verdict.ENDED:
                assert verification.how is None
            else:
                own = "copy_withdrawn" if facts.status is Status.WITHDRAWN else None
                assert verification.how == (own or (how if how in HOWS else "unspecified"))
                assert verification.heading == f"ended_{verification.how}"


def test_the_json_has_the_members_of_the_design() -> None:
    facts = Facts(
        Content.PROVEN,
        Issuer.RECOGNISED,
        OnRecord.KNOWN,
        Status.ENDED,
        Time.WITHIN,
        "signature_correct",
        "issuer_recognised",
    )
    moment = datetime(2026, 11, 20, 10, 30, 0, 999, tzinfo=timezone(timedelta(hours=8)))
    verification = decide(facts, as_of=moment, how="revoked", identifier="1.2.156")
    assert to_json(verification, {"log": "not_available", "verdict": "valid"}) == {
        "verdict": "ended",
        "how": "revoked",
        "checks": {
            "content": {"result": "passed", "reason": "signature_correct"},
            "issuer": {"result": "passed", "reason": "issuer_recognised"},
            "status": {"result": "failed", "reason": "ended"},
        },
        "as_of": "2026-11-20T02:30:00Z",
        "identifier": "1.2.156",
        "log": "not_available",
    }


def test_exit_codes() -> None:
    assert {v.value: exit_code(v) for v in Verdict} == {
        **{v.value: 1 for v in Verdict}, "valid": 0, "genuine_offline": 2, "cannot_check": 2
    }  # fmt: skip
