"""The three checks, each answer against what must be said."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from functools import cache
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.errors import Kind, VermilionError
from keys.trust_list import TrustList
from signing.check import Outcome, check_file, check_id, check_scan, check_typed, failed_check
from signing.credential import link_text
from signing.disclosure import disclose, public_record, public_record_from_json, public_record_to_json
from signing.licence_type import Disclosure, FieldKind, Role
from signing.page_data import page_data, page_json
from signing.record import Printout, Record, printout_to_json
from signing.sentences import for_language
from signing.verdict import Result, Verdict, table
from tests.signing import sealing
from tests.signing.checking import (
    LINK_ID,
    NOW,
    ORIGIN,
    QR_KEY,
    Alarms,
    Register,
    changed,
    food,
    key,
    kid,
    licence,
    register,
    sign,
    teacher,
    trusted,
    types,
)
from tests.signing.scan_cases import Case, cases

LATER = sealing.NOW + timedelta(hours=1)
LINK = link_text(ORIGIN, LINK_ID)
CODE = "7K2M9QXR"


def reasons(outcome: Outcome) -> tuple[str, str, str, str]:
    v = outcome.verification
    return v.verdict.value, v.content.reason, v.issuer.reason, v.status.reason


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_scan(case: Case) -> None:
    alarms = Alarms()
    outcome = check_scan(case.text, case.trust, case.live, alarms, NOW)
    assert reasons(outcome) == case.want
    assert outcome.alarm == case.alarm
    if case.alarm is None:
        assert not alarms.raised
    else:
        ((reason, key_id, _, digest),) = alarms.raised
        assert (reason, key_id) == (case.alarm, kid(QR_KEY).hex())
        assert len(digest) == 32
    if outcome.claims is not None:
        assert outcome.verification.content.result is Result.PASSED
        assert outcome.verification.issuer.result is not Result.FAILED
    # Without any alarm port the answer is the same.
    assert reasons(check_scan(case.text, case.trust, case.live, None, NOW)) == case.want


def test_an_alarm_that_cannot_be_written_changes_no_answer() -> None:
    class Broken:
        def raise_alarm(self, *_: object) -> None:
            raise VermilionError(Kind.UNAVAILABLE, "the store is out")

    case = next(case for case in cases() if case.alarm)
    outcome = check_scan(case.text, case.trust, case.live, Broken(), NOW)
    assert (reasons(outcome), outcome.alarm) == (case.want, case.alarm)


@given(st.text(max_size=60), st.sampled_from(["", f"{LINK}#", LINK]))
@settings(max_examples=200)
def test_no_text_breaks_a_scan_or_passes_it(text: str, before: str) -> None:
    case = next(cases())
    outcome = check_scan(before + text, case.trust, case.live, None, NOW)
    assert not outcome.verification.green
    if text and before != "":
        assert outcome.verification.verdict in {Verdict.ALTERED, Verdict.NOT_RECOGNISED, Verdict.VALID}
        assert (outcome.verification.verdict is Verdict.VALID) == (text == "#" and before == LINK)


def test_the_page_says_the_same_of_an_unknown_id_and_of_none() -> None:
    case = next(cases())
    answers = [
        check_id(text, case.trust, Register(), NOW)
        for text in (LINK[-22:], "A" * 22, "x", "", "é" * 22, LINK[-22:] + "\n")
    ]
    assert {answer.verification for answer in answers} == {answers[0].verification}
    assert answers[0].verification.verdict is Verdict.UNKNOWN


def test_the_page_shows_the_live_status_without_the_fragment() -> None:
    case = next(cases())
    outcome = check_id(LINK[-22:], case.trust, case.live, NOW)
    assert (outcome.verification.heading, outcome.verification.green) == ("valid_not_compared", False)
    assert outcome.verification.identifier == food().identifier
    assert (
        check_id(LINK[-22:], case.trust, Register(out=True), NOW).verification.verdict is Verdict.CANNOT_CHECK
    )


@pytest.mark.parametrize(
    "live", [None, register(licence(food(), sign(food())))], ids=["offline", "on record"]
)
def test_missing_zone_rules_are_never_held_against_a_licence(live: Register | None) -> None:
    case = next(cases())
    assert case.trust is not None
    trust = replace(case.trust, zone="Nowhere/Installed")
    verdict, _, issuer, _ = reasons(check_scan(case.text, trust, live, None, NOW))
    assert (verdict, issuer) == (
        "cannot_check",
        "zone_rules_missing" if live is None else "issuer_recognised",
    )


def test_the_page_carries_the_keys_of_this_issuer_alone_and_nothing_personal() -> None:
    case = next(cases())
    assert case.trust is not None
    other = trusted(key(3), teacher(), agency=teacher().issuer_code)
    trust = replace(case.trust, keys=(*case.trust.keys, other, replace(other, use="seal")))
    found = check_id(LINK[-22:], trust, register(licence(food(), sign(food()))), NOW)
    data = page_data(found, trust, "zh")
    assert [k["kid"] for k in data["keys"]] == [kid(QR_KEY).hex()]
    out = page_data(check_id(LINK[-22:], trust, Register(out=True), NOW), trust, "zh")
    assert [k["kid"] for k in out["keys"]] == [kid(QR_KEY).hex(), kid(key(3)).hex()]
    assert out["names"] == {}
    named = replace(
        trust,
        agencies={
            food().issuer_code: {"en": "Yangben Administration"},
            "of none of these keys": {"zh": "机关"},
        },
        types={food().type_code: {"zh": "食品经营许可证", "en": "Food Business Licence"}},
    )
    out = page_data(check_id(LINK[-22:], named, Register(out=True), NOW), named, "zh")
    assert out["names"] == {
        food().issuer_code: ("Yangben Administration", "en"),
        food().type_code: ("食品经营许可证", "zh"),
    }
    unknown = check_id(LINK[-22:], named, Register(), NOW)
    assert page_data(unknown, named, "zh")["names"] == {}  # there is nothing to tell
    hostile = replace(found, licence=licence(food(), type_name={"zh": "</script><b>&\u2028"}))
    text = page_json(hostile, trust, "zh")
    assert not set("<>&\u2028") & set(text)
    read = json.loads(text)
    assert {name: read[name] for name in read if name not in {"table", "sentences"}} == page_data(
        hostile, trust, "zh"
    ) | {"names": {code: list(name) for code, name in page_data(hostile, trust, "zh")["names"].items()}}
    assert (read["table"], read["sentences"]) == (table(), for_language("zh"))
    assert page_data(found, case.trust, "zh")["keys"] == data["keys"]
    assert page_data(found, replace(trust, keys=()), "zh")["keys"] == []
    for value in food().fields.values():
        for said in value if isinstance(value, tuple) else (value,):
            assert said == food().number or said not in text


# --- typed details


def typed(identifier: str, code: str, live: Register | None) -> Outcome:
    return check_typed(identifier, code, live, NOW, next(cases()).trust)


def test_typed_details_are_answered_by_the_register() -> None:
    live = Register(codes={(food().identifier, CODE): licence(food())})
    for identifier, code in ((food().identifier, CODE), (f" {food().identifier.lower()} ", "7k2m 9qxr")):
        outcome = typed(identifier, code, live)
        assert (outcome.verification.verdict, outcome.verification.green) == (Verdict.VALID, False)


def test_unknown_number_wrong_code_and_silence_are_one_answer() -> None:
    live = Register(codes={(food().identifier, CODE): licence(food())})
    wrong = typed(food().identifier, "7K2M9QXS", live)
    unknown = typed(teacher().identifier, CODE, live)
    assert wrong == unknown
    assert reasons(wrong) == ("cannot_check", "content_not_compared", "issuer_not_checked", "not_matched")
    assert wrong.verification.identifier is None
    assert reasons(typed(food().identifier, CODE, Register(out=True)))[::3] == (
        "cannot_check",
        "registry_unreachable",
    )
    assert reasons(typed(food().identifier, CODE, None))[::3] == ("cannot_check", "status_not_asked")


def test_what_the_text_itself_shows_is_named() -> None:
    wrong_check = food().identifier[:-1] + ("0" if food().identifier[-1] != "0" else "1")
    with pytest.raises(VermilionError) as refused:
        typed(wrong_check, "7K2M9Q", Register())
    assert refused.value.kind is Kind.INVALID
    assert [(f.field, f.reason) for f in refused.value.faults] == [
        ("/identifier", "check_character"),
        ("/lookup_code", "malformed"),
    ]


@given(st.text(max_size=250), st.text(max_size=80))
def test_no_typed_text_breaks_the_check(identifier: str, code: str) -> None:
    with pytest.raises(VermilionError) as refused:
        typed(identifier, code, Register())
    assert refused.value.kind is Kind.INVALID


# --- files


def printout(record: Record, cose: bytes | None = None) -> Printout:
    return Printout(record, LINK, sign(record) if cose is None else cose, CODE, None)


def sealed(content: bytes) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sealing, "RECORD", content)
        return sealing.office().seal(pdf=sealing.drawn_page()).data


@cache
def document() -> bytes:
    return sealed(printout_to_json(printout(food())))


def trust(record: Record | None = None, **seal: object) -> TrustList:
    """The office's list, with its seal entitled and the QR key beside it."""
    record = record or food()
    own = sealing.office().trust
    entitled = {"agency": record.issuer_code, "types": (record.type_code,), **seal}
    keys = tuple(replace(k, **entitled) if k.use == "seal" else k for k in own.keys)  # type: ignore[arg-type]
    return replace(own, keys=(*keys, trusted(QR_KEY, record)))


def file(
    data: bytes, with_trust: TrustList | None, live: Register | None = None, at: timedelta = timedelta()
) -> Outcome:
    alarms = Alarms()
    outcome = check_file(data, with_trust, live, alarms, LATER + at)
    assert [a[0] for a in alarms.raised] == ([outcome.alarm] if outcome.alarm else [])
    assert all(a[3] == sha256(data).digest() for a in alarms.raised)
    return outcome


def test_an_untouched_file_offline() -> None:
    outcome = file(document(), trust())
    assert reasons(outcome) == (
        "genuine_offline",
        "signature_correct",
        "issuer_recognised",
        "status_not_asked",
    )
    assert outcome.printout is not None
    assert outcome.printout.record == food()
    assert outcome.verification.identifier == food().identifier


def test_an_untouched_file_online() -> None:
    live = Register(documents={sha256(document()).digest(): licence(food())})
    for list_ in (trust(), None):
        outcome = file(document(), list_, live)
        assert reasons(outcome) == ("valid", "registered_document", "issuer_recognised", "in_force")
        assert outcome.verification.green
    for how in ("revoked", "annulled", "withdrawn", "cancelled"):
        live.documents = {sha256(document()).digest(): licence(food(), status="ended", how=how)}
        outcome = file(document(), trust(), live)
        assert (outcome.verification.verdict, outcome.verification.how) == (Verdict.ENDED, how)


def test_a_right_seal_over_bytes_never_registered() -> None:
    """Whatever it says: online never positive, never `altered`, and the alarm is raised."""
    odd = printout(changed(food(), operator_name="另一家样本餐馆"), sign(food()))
    for data, identifier in (
        (document(), food().identifier),
        (sealed(printout_to_json(odd)), food().identifier),
        (sealed(b'{"no":"record"}'), None),
    ):
        outcome = file(data, trust(), Register())
        assert (outcome.verification.verdict, outcome.alarm) == (Verdict.UNKNOWN, "document_not_registered")
        assert outcome.verification.identifier == identifier
        assert outcome.printout is None
    compromised = file(document(), trust(state="compromised", since=NOW), Register())
    assert (compromised.verification.verdict, compromised.alarm) == (
        Verdict.UNKNOWN,
        "document_not_registered",
    )
    foreign = file(document(), trust(teacher()), Register())
    assert (foreign.verification.verdict, foreign.alarm) == (
        Verdict.NOT_RECOGNISED,
        "document_not_registered",
    )


def test_the_registry_out_of_reach_leaves_what_the_list_proves() -> None:
    outcome = file(document(), trust(), Register(out=True))
    assert reasons(outcome)[::3] == ("genuine_offline", "registry_unreachable")
    assert outcome.alarm is None
    assert reasons(file(document(), None, Register(out=True)))[0] == "cannot_check"


@pytest.mark.parametrize(
    ("seal", "verdict", "reason"),
    [
        ({"state": "retired"}, "genuine_offline", "issuer_recognised"),
        (
            {"state": "compromised", "since": sealing.NOW + timedelta(minutes=5)},
            "cannot_check",
            "key_compromised",
        ),
        ({"agency": teacher().issuer_code}, "not_recognised", "not_entitled"),
        ({"types": (teacher().type_code,)}, "not_recognised", "not_entitled"),
        ({"use": "qr"}, "not_recognised", "key_unknown"),
        ({"sign_to": sealing.NOW}, "not_recognised", "out_of_period"),
        ({"sign_from": sealing.NOW + timedelta(minutes=1)}, "not_recognised", "out_of_period"),
    ],
)
def test_offline_the_seal_must_be_entitled(seal: dict[str, Any], verdict: str, reason: str) -> None:
    outcome = file(document(), trust(**seal))
    assert (outcome.verification.verdict, outcome.verification.issuer.reason) == (verdict, reason)
    if verdict == "not_recognised":
        assert (outcome.printout, outcome.verification.identifier) == (None, None)


def test_offline_the_record_and_its_code_must_agree() -> None:
    other = changed(food(), operator_name="另一家样本餐馆")
    stranger = sign(food(), private=key(2), kid_bytes=kid(QR_KEY))
    for one in (
        printout(other, sign(food())),
        printout(food(), stranger),
        printout(food(), sign(food(), link_id=bytes(16))),
        printout(food(), b"\x80"),
        printout(replace(food(), status_index=1), sign(food())),
    ):
        outcome = file(sealed(printout_to_json(one)), trust())
        assert reasons(outcome)[::2] == ("not_recognised", "record_disagrees")
    without_key = replace(trust(), keys=trust().keys[:-1])
    assert reasons(file(document(), without_key))[::2] == ("not_recognised", "key_unknown")
    moved = replace(trust(), origins=("https://example.org",))
    assert reasons(file(document(), moved))[::2] == ("not_recognised", "origin_unknown")
    assert reasons(file(sealed(b"{}"), trust()))[::2] == ("not_recognised", "record_malformed")


def test_offline_time_is_that_of_the_printed_record() -> None:
    for first, last, verdict in (
        (date(2026, 6, 15), date(2026, 11, 19), "expired"),
        (date(2026, 6, 15), date(2026, 11, 20), "genuine_offline"),
        (date(2026, 11, 21), None, "not_yet_valid"),
    ):
        timed = replace(food(), valid_from=first, valid_to=last)
        data = sealed(printout_to_json(printout(timed)))
        assert file(data, trust()).verification.verdict == verdict
    # 16:00 UTC is midnight in the registry's zone.
    timed = replace(food(), valid_to=date(2026, 11, 20))
    data = sealed(printout_to_json(printout(timed)))
    assert (
        file(data, trust(), at=timedelta(hours=12, minutes=29)).verification.verdict
        is Verdict.GENUINE_OFFLINE
    )
    assert file(data, trust(), at=timedelta(hours=12, minutes=30)).verification.verdict is Verdict.EXPIRED


def test_a_seal_of_tomorrow_is_doubted_and_not_refused() -> None:
    """The clock that is wrong may be the reader's."""
    early = timedelta(days=-3)
    outcome = file(document(), trust(), at=early)
    assert reasons(outcome)[::2] == ("cannot_check", "sealed_in_future")
    online = file(document(), trust(), Register(), at=early)
    assert (online.verification.verdict, online.alarm) == (Verdict.UNKNOWN, "document_not_registered")


def test_altered_bytes_are_altered_and_strangers_are_not_recognised() -> None:
    data = document()
    page = data.index(b"/MediaBox")
    for altered in (
        data[:page] + b"/MediaBux" + data[page + 9 :],
        data + b"\n",
        data[:-1],
        data.replace(b"%PDF", b"%PDG", 1),
    ):
        for live in (None, Register(uses={sealing.use_of(data)})):
            outcome = file(altered, trust(), live)
            assert outcome.verification.verdict is Verdict.ALTERED
            assert outcome.alarm is None
    strange = sealing.make_office().seal().data
    for other, reason in (
        (strange, "issuer_unknown"),
        (sealing.drawn_page(), None),
        (b"", None),
        (b"hello", None),
        (b"\xff" * 2000, None),
    ):
        for live in (None, Register()):
            outcome = file(other, trust(), live)
            assert outcome.verification.verdict is Verdict.NOT_RECOGNISED
            assert reason in {None, outcome.verification.issuer.reason}


@given(st.data())
@settings(max_examples=60)
def test_no_single_byte_can_be_changed(data: st.DataObject) -> None:
    original = document()
    at = data.draw(st.integers(0, len(original) - 1))
    byte = data.draw(st.integers(0, 255).filter(lambda b: b != original[at]))
    altered = original[:at] + bytes([byte]) + original[at + 1 :]
    for live in (None, Register(uses={sealing.use_of(original)})):
        outcome = file(altered, trust(), live)
        assert outcome.verification.verdict in {Verdict.ALTERED, Verdict.NOT_RECOGNISED}
        assert outcome.alarm is None


@given(st.binary(max_size=300))
@settings(max_examples=50)
def test_garbage_is_never_positive(data: bytes) -> None:
    for live in (None, Register()):
        assert file(data, trust(), live).verification.verdict is Verdict.NOT_RECOGNISED


def test_a_check_that_broke_says_nothing() -> None:
    assert reasons(failed_check(NOW)) == ("cannot_check", "check_failed", "check_failed", "check_failed")


# --- disclosure


def test_the_public_sees_what_the_type_says() -> None:
    for record in (food(), teacher()):
        kind = types()[record.type_code]
        shown = {each.field.label["en"]: each.value for each in disclose(public_record(record, kind), kind)}
        for field in kind.fields:
            value = record.number if field.role is Role.NUMBER else record.fields.get(field.name)
            label = field.label["en"]
            if value is None or field.public is Disclosure.OMITTED or field.kind is FieldKind.PHOTO:
                assert label not in shown
            elif field.public is Disclosure.MASKED:
                assert "*" in shown[label]
                assert shown[label] != value
            else:
                assert shown[label] == value
    number = str(teacher().fields["citizen_id"])
    assert number not in str(public_record(teacher(), types()[teacher().type_code]))


def test_what_the_public_may_see_is_stored_and_read_back() -> None:
    for record in (food(), teacher()):
        public = public_record(record, types()[record.type_code])
        stored = public_record_to_json(public)
        assert public_record_from_json(stored) == public
        for name in stored:
            with pytest.raises(VermilionError) as caught:
                public_record_from_json({key: value for key, value in stored.items() if key != name})
            assert caught.value.kind is Kind.MALFORMED
        with pytest.raises(VermilionError):
            public_record_from_json({**stored, "number": "1"})
    assert disclose(public_record(teacher(), types()[teacher().type_code]), None) == ()
