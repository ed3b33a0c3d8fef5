"""What a custodian asks before it signs the answer to a check: that it is true now, by the registry itself.

The public site composes answers, and whoever takes it over composes what they like. So each answer says by
digests what was presented, and the policy finds out once more what is to be said to that, by the same rules.
Only what the thing itself shows (`altered`, `not_recognised`) the site alone can know: nothing positive.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import product
from typing import Any, NoReturn
from zoneinfo import ZoneInfo

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.clock import Clock
from keys.custodian import SignRequest
from keys.errors import Kind, VermilionError
from keys.signed_answer import Content as Answer
from keys.signed_answer import read_input
from keys.suite import SUITES
from keys.trust_list import kid_of
from registry.agencies.tables import Verifier
from registry.licences.lookup import SqlLiveRegistry
from registry.licences.published_types import PublishedTypes
from registry.licences.trust import current_list
from registry.seals.keys import key_ref
from registry.seals.tables import Key
from signing.answer_json import answer_json
from signing.check import check_presented
from signing.issuer import origin_is_trusted
from signing.live import OLDEST, SETTLING, Past
from signing.sentences import table as reasons
from signing.signed_answer import as_said, parse_instant, presented_of, wanted
from signing.verdict import Content, Facts, Issuer, OnRecord, Status, Time, Verdict, decide

PATIENCE = timedelta(minutes=1)  # between what an answer says, and the signer's own clock, either way
_OF_THE_THING = frozenset({Verdict.ALTERED, Verdict.NOT_RECOGNISED, Verdict.CANNOT_CHECK})
CHECKS = ("content", "issuer", "status")
_ANY = datetime(2000, 1, 1, tzinfo=UTC)
_MEMBERS = {"presented", "log", "verdict", "how", "checks", "as_of", "identifier"}
_OF_A_LICENCE = {"credential_sha256", "licence", "copy"}


class AnswerPolicy:
    """Sees that answers are true, by the database's reading engine."""

    def __init__(self, engine: Engine, clock: Clock, zone: ZoneInfo) -> None:
        self._engine = engine
        self._live = SqlLiveRegistry(engine, clock)
        self._types = PublishedTypes(engine)
        self._zone = zone

    def require_true(self, content: Answer, now: datetime) -> None:
        """Each answer is what the registry says now, or said at the past moment that it names.

        Raises VermilionError: KEY_REFUSED (`answer_form`, `answer_time`, `answer_untrue`); UNAVAILABLE.
        """
        # The list names all origins that the registry ever had.
        if not origin_is_trusted(content.issuer, current_list(self._engine, now)):
            _refuse("the answer was given by another site than the trust list's", "answer_form")
        try:
            presented = [presented_of(answer) for answer in content.answers]
            moments = [parse_instant(answer.get("as_of")) for answer in content.answers]
        except VermilionError as error:
            _refuse(error.detail, "answer_form")
        past = self._past(content.answers, moments, now)
        live = self._live.gather(wanted(presented), past)
        zone = self._zone.key
        for said, thing, at in zip(content.answers, presented, moments, strict=True):
            outcome = check_presented(thing, zone, live, at)
            licence = outcome.licence
            kind = None
            if licence is not None:
                kind = self._types(licence.record.type_code, licence.record.type_version)
            expected = answer_json(outcome, kind, past) | {"as_of": said["as_of"]}
            # Of what was typed a site sees no more than the signer does; and a registered file has its bytes.
            exact = thing.identifier is not None or (thing.document is not None and licence is not None)
            true = _same(as_said(said), expected) if exact else _is_true(as_said(said), expected)
            if not true:
                _refuse("an answer says another thing than the registry", "answer_untrue")

    def _past(
        self, answers: Sequence[Mapping[str, Any]], moments: Sequence[datetime], now: datetime
    ) -> Past | None:
        """The past moment that all answers are about; None where they are about the present."""
        clocks = [answer.get("clock") for answer in answers]
        if clocks == [None] * len(clocks):
            if not all(abs(at - now) <= PATIENCE for at in moments):
                _refuse("an answer is not of this moment", "answer_time")
            return None
        clock = clocks[0]
        if (
            clock not in ("recorded", "effective")
            or clocks.count(clock) != len(clocks)
            or len(set(moments)) != 1
        ):
            _refuse("the answers are about several moments, or by a clock that is none", "answer_form")
        at = moments[0]
        latest = now - SETTLING if clock == "recorded" else now + PATIENCE
        if not now - OLDEST <= at <= latest:
            _refuse("the moment is not past", "answer_time")
        return Past(at, clock, at.astimezone(self._zone).date())


def require_answer_form(
    session: Session, key: Key, request: SignRequest, reference: str, now: datetime
) -> Answer:
    """What is to be signed, if it is of this moment, under this key's name and the record's, for a relying
    party that is known. Raises VermilionError(KEY_REFUSED).
    """
    try:
        token = read_input(request.data, SUITES[key_ref(key).suite])
    except VermilionError as error:
        _refuse(error.detail, "answer_form")
    content = token.content
    if token.kid != kid_of(key.public_key) or content.reference != reference:
        _refuse("the answer names another key, or is another answer", "answer_form")
    if abs(content.issued_at - now) > PATIENCE:
        _refuse("the answer is not of this moment", "answer_time")
    known = select(Verifier.id).where(Verifier.id == content.audience, Verifier.active)
    if session.scalar(known) is None:
        _refuse("answers are signed for relying parties that are known", "answer_audience")
    return content


def _is_true(said: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    """Whether an answer may be given: exactly the expected one, or a negative one that only the thing itself
    can show, of the right licence or of none.
    """
    verdict = said.get("verdict")
    if not isinstance(verdict, str):
        return False
    if verdict not in _OF_THE_THING and verdict != Verdict.UNKNOWN:
        return _same(said, expected)
    if not _MEMBERS - {"presented"} <= set(said) <= _MEMBERS - {"presented"} | _OF_A_LICENCE | {"clock"}:
        return False
    if not _are_checks(said["checks"], verdict):
        return False
    if (
        said.get("clock") != expected.get("clock")
        or said["log"] != expected["log"]
        or said["how"] is not None
    ):
        return False
    if verdict == Verdict.UNKNOWN:  # what else its checks say, the thing showed
        return bool(
            expected["verdict"] == verdict and said["identifier"] is None and not _OF_A_LICENCE & set(said)
        )
    if _OF_A_LICENCE & set(said) not in (set(), _OF_A_LICENCE & set(expected)):
        return False
    about_none = said["identifier"] is None and not _OF_A_LICENCE & set(said)
    return about_none or {name: said.get(name) for name in ("identifier", *_OF_A_LICENCE)} == {
        name: expected.get(name) for name in ("identifier", *_OF_A_LICENCE)
    }


def _same(said: Mapping[str, Any], expected: Mapping[str, Any]) -> bool:
    return canonical_json(said) == canonical_json(expected)  # where 1 is not true


def _are_checks(value: object, verdict: str) -> bool:
    """The three of them, as the decision table can end with this verdict, and each for a reason that has a
    sentence: no room for other words.
    """
    if not isinstance(value, dict) or set(value) != set(CHECKS) or not all(map(_is_check, value.values())):
        return False
    results = tuple(value[name]["result"] for name in CHECKS)
    return (verdict, *results, value["status"]["reason"]) in _ends() or (verdict, *results, "") in _ends()


def _is_check(value: object) -> bool:
    return (
        isinstance(value, dict)
        and set(value) == {"result", "reason"}
        and all(isinstance(word, str) for word in value.values())
        and value["reason"] in reasons()["reasons"]
    )


@cache
def _ends() -> frozenset[tuple[str, ...]]:
    """Each verdict with the three results, and the reason of the status where the table names it, else ""."""
    found = set()
    for content, issuer, record, status, time in product(Content, Issuer, OnRecord, Status, Time):
        facts = Facts(content, issuer, record, status, time, status_reason="")
        made = decide(facts, as_of=_ANY)
        results = (made.content.result, made.issuer.result, made.status.result)
        found.add((made.verdict, *results, made.status.reason))
    return frozenset(found)


def _refuse(detail: str, reason: str) -> NoReturn:
    raise VermilionError(Kind.KEY_REFUSED, detail, reason=reason)
