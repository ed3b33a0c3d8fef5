"""A check's outcome as a page tells it: words, never markup."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from signing.annotation import Annotation
from signing.check import Outcome
from signing.disclosure import Disclosed, disclose, of_role
from signing.field_values import parse_iso_date
from signing.licence_type import FieldKind, LicenceType, Role
from signing.live import LiveLicence
from signing.record import LIST_JOIN
from signing.sentences import (
    check_name,
    heading,
    in_language,
    next_step,
    reason_sentence,
    result_word,
    sentence,
)
from signing.showing import Showing
from signing.verdict import COPY_EXPIRED, COPY_WITHDRAWN, Check, Verdict, Verification, instant
from verify_web.assets import WORDS
from verify_web.language import day_in_words, moment_in_words, month_in_words

TONES = {
    Verdict.ALTERED: "bad",
    Verdict.NOT_RECOGNISED: "bad",
    Verdict.UNKNOWN: "bad",
    Verdict.ENDED: "bad",
    Verdict.SUSPENDED: "warn",
    Verdict.REPLACED: "warn",
    Verdict.EXPIRED: "warn",
    Verdict.NOT_YET_VALID: "warn",
    Verdict.GENUINE_OFFLINE: "note",
    Verdict.CANNOT_CHECK: "unsure",
    Verdict.VALID: "note",  # "good" only where all three checks passed
}

_IN_WORDS = frozenset({FieldKind.DATE, FieldKind.MONTH})
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")


class Fact(NamedTuple):
    """`label_lang`, `lang`: of label and value, where it is another than the page's; else ""."""

    label: str
    value: str
    label_lang: str = ""
    lang: str = ""
    id: str = ""  # by which the script finds it, where it may change


class CheckLine(NamedTuple):
    """One of the three named checks: `result` and `word` say the same to machines and to readers."""

    name: str
    label: str
    result: str
    word: str
    sentence: str


@dataclass(frozen=True, slots=True)
class ResultPage:
    verdict: str
    tone: str
    heading: str
    sentence: str
    dated: str  # the day that the verdict turns on; "" where there is none
    shown: str  # since when, and for how long, its holder shows it; "" where nobody does
    checked_at: str
    copy: tuple[Fact, ...]  # of an annotated copy alone: for what it was made
    facts: tuple[Fact, ...]
    fields: tuple[Fact, ...]
    masked: bool
    checks: tuple[CheckLine, ...]
    next: str
    contact: str
    technical: tuple[Fact, ...]
    specimen: bool
    credential_sha256: str


def hollow(page: ResultPage) -> tuple[ResultPage, list[str]]:
    """The page without the texts that are one licence's or one moment's, which it only puts down; and these
    texts, in the order in which `filled` puts them back.
    """
    texts: list[str] = []

    def without(facts: tuple[Fact, ...]) -> tuple[Fact, ...]:
        texts.extend([fact.value for fact in facts])
        return tuple([Fact(label, "", label_lang, lang, name) for label, _, label_lang, lang, name in facts])

    shape = ResultPage(
        verdict=page.verdict,
        tone=page.tone,
        heading=page.heading,
        sentence=page.sentence,
        dated="dated" if page.dated else "",
        shown="shown" if page.shown else "",
        checked_at="",
        copy=without(page.copy),
        facts=without(page.facts),
        fields=without(page.fields),
        masked=page.masked,
        checks=page.checks,
        next=page.next,
        contact="",
        technical=without(page.technical),
        specimen=page.specimen,
        credential_sha256="",
    )
    return shape, [*texts, page.dated, page.shown, page.checked_at, page.contact]


def filled(shape: ResultPage, texts: Iterator[str]) -> ResultPage:
    """What `hollow` made two of."""

    def put_back(facts: tuple[Fact, ...]) -> tuple[Fact, ...]:
        return tuple([fact._replace(value=next(texts)) for fact in facts])

    copy, facts = put_back(shape.copy), put_back(shape.facts)
    fields, technical = put_back(shape.fields), put_back(shape.technical)
    dated, shown, checked_at, contact = next(texts), next(texts), next(texts), next(texts)
    return replace(
        shape,
        copy=copy,
        facts=facts,
        fields=fields,
        technical=technical,
        dated=dated if shape.dated else "",
        shown=shown if shape.shown else "",
        checked_at=checked_at,
        contact=contact,
    )


def _validity(licence: LiveLicence, lang: str) -> str:
    words = WORDS[lang]
    record = licence.record
    start = day_in_words(record.valid_from, lang)
    if record.valid_to is None:
        return words["valid_without_end"].replace("{from}", start)
    end = day_in_words(record.valid_to, lang)
    return words["valid_between"].replace("{from}", start).replace("{to}", end)


def _foreign(language: str, lang: str) -> str:
    """The `lang` attribute's value; "" where the page's own says it."""
    return "" if language == lang else language


def _name(label: str, names: Mapping[str, str], code: str, lang: str) -> Fact:
    """A name in the reader's language, or in one that the registry has, or the code it stands for."""
    name, language = in_language(names, lang) or (code, lang)
    return Fact(label, name, lang=_foreign(language, lang))


def _value(label: str, shown: Disclosed, lang: str, label_lang: str = "") -> Fact:
    """What the record says is Chinese where it has Chinese characters; a date is in words of the page."""
    value = shown.value
    if not isinstance(value, str) or shown.field.kind in _IN_WORDS:
        value = in_words(shown, lang)
    return Fact(label, value, label_lang, "zh" if lang != "zh" and _HAN.search(value) else "")


def _field(shown: Disclosed, lang: str) -> Fact:
    label, language = in_language(shown.field.label, lang) or (shown.field.name, lang)
    return _value(label, shown, lang, "" if language == lang else language)


def _facts(licence: LiveLicence, shown: tuple[Disclosed, ...], lang: str) -> tuple[Fact, ...]:
    words, record = WORDS[lang], licence.record
    facts = [
        _name(words["issuer"], licence.issuer_name, record.issuer_code, lang),
        _name(words["type"], licence.type_name, record.type_code, lang),
    ]
    for role, label in ((Role.NUMBER, "number"), (Role.HOLDER_NAME, "holder")):
        found = of_role(shown, role)
        if found is not None:
            facts.append(_value(words[label], found, lang))
    facts.append(Fact(words["valid"], _validity(licence, lang)))
    if licence.ground is not None:
        facts.append(Fact(words["ground"], words[f"ground_{licence.ground}"]))
    return tuple(facts)


def _copy(annotation: Annotation, lang: str) -> tuple[Fact, ...]:
    """For what a copy was made; what a code alone does not say is left out."""
    words = WORDS[lang]

    def text(value: str) -> str:
        return "zh" if lang != "zh" and _HAN.search(value) else ""

    facts = [
        Fact(words["copy_purpose"], annotation.purpose, lang=text(annotation.purpose)),
        Fact(words["copy_recipient"], annotation.recipient, lang=text(annotation.recipient)),
        Fact(words["copy_until"], day_in_words(annotation.valid_to, lang)),
    ]
    if annotation.made_on is not None:
        facts.append(Fact(words["copy_made"], day_in_words(annotation.made_on, lang)))
    if annotation.count is not None:
        facts.append(Fact(words["copy_count"], str(annotation.count)))
    return tuple(facts)


def _dated(verification: Verification, licence: LiveLicence | None, lang: str) -> str:
    if licence is None:
        return ""
    day: date | None
    match verification.verdict:
        case Verdict.ENDED if verification.how == COPY_WITHDRAWN and licence.copy is not None:
            key, day = "dated_since", licence.copy.withdrawn_on
        case Verdict.EXPIRED if verification.status.reason == COPY_EXPIRED and licence.copy is not None:
            key, day = "dated_expired", licence.copy.annotation.valid_to
        case Verdict.VALID if licence.copy is not None:
            key, day = "dated_until", licence.copy.annotation.valid_to
        case Verdict.SUSPENDED if licence.since is not None and licence.suspended_until is not None:
            text = WORDS[lang]["dated_term"].replace("{day}", day_in_words(licence.since, lang))
            return text.replace("{until}", day_in_words(licence.suspended_until, lang))
        case Verdict.ENDED | Verdict.SUSPENDED | Verdict.REPLACED:
            key, day = "dated_since", licence.since
        case Verdict.EXPIRED:
            key, day = "dated_expired", licence.record.valid_to
        case Verdict.NOT_YET_VALID:
            key, day = "dated_from", licence.record.valid_from
        case Verdict.VALID:
            key, day = "dated_until", licence.record.valid_to
        case _:
            return ""
    return "" if day is None else WORDS[lang][key].replace("{day}", day_in_words(day, lang))


def _shown(verification: Verification, zone: ZoneInfo, now: datetime, lang: str) -> str:
    """Of a presentation code: since when it is shown and for how long still, or when it was over."""
    showing = verification.showing
    if showing is None or showing.shown_at is None or showing.until is None:
        return ""

    def clock(at: datetime) -> str:
        return at.astimezone(zone).strftime("%H:%M:%S")

    if not showing.holds(now):
        return WORDS[lang]["shown_until"].replace("{moment}", clock(showing.until))
    left = max(1, int((showing.until - now).total_seconds()))
    text = WORDS[lang]["shown_at"].replace("{moment}", clock(showing.shown_at))
    return text.replace("{seconds}", str(left))


_NO_MOMENT = datetime.min.replace(tzinfo=UTC)


class _Said(NamedTuple):
    heading: str
    sentence: str
    next: str
    checks: tuple[CheckLine, ...]


@lru_cache(maxsize=2000)
def _said(
    verdict: Verdict,
    how: str | None,
    checks: tuple[Check, Check, Check],
    lang: str,
    *,
    copied: bool,
    shown: bool,
) -> _Said:
    """What is said of a verdict and its checks, whichever licence, copy or code it is about."""
    verification = Verification(
        verdict,
        how,
        *checks,
        as_of=_NO_MOMENT,
        identifier=None,
        copy=Annotation("", "", date.max) if copied else None,
        showing=Showing() if shown else None,
    )

    def line(name: str, check: Check) -> CheckLine:
        result = check.result.value
        return CheckLine(
            name,
            check_name(name, lang),
            result,
            result_word(result, lang),
            reason_sentence(check.reason, lang),
        )

    return _Said(
        heading(verification, lang),
        _meaning(verification, lang),
        next_step(verification, lang),
        tuple(map(line, ("content", "issuer", "status"), checks)),
    )


def _meaning(verification: Verification, lang: str) -> str:
    """The verdict's sentence; for details that did not match, that they did not."""
    if verification.status.reason == "not_matched":
        return (
            reason_sentence("not_matched", lang)
            + ("" if lang == "zh" else " ")
            + sentence(verification, lang)
        )
    return sentence(verification, lang)


def _technical(verification: Verification, licence: LiveLicence | None, lang: str) -> tuple[Fact, ...]:
    words = WORDS[lang]
    how = f" ({verification.how})" if verification.how else ""
    facts = [
        Fact(words["technical_verdict"], verification.verdict.value + how, id="verdict"),
        Fact(words["technical_moment"], instant(verification.as_of), id="moment"),
    ]
    if verification.identifier is not None:
        facts.append(Fact(words["identifier"], verification.identifier))
    if licence is not None:
        facts.append(Fact(words["edition"], f"{licence.record.edition:03}"))
        facts.append(Fact(words["technical_credential"], licence.credential_sha256.hex()))
    return tuple(facts)


def in_words(shown: Disclosed, lang: str) -> str:
    """A disclosed value for reading: lists joined, dates in the reader's language."""
    value, kind = shown.value, shown.field.kind
    if not isinstance(value, str):
        return LIST_JOIN.join(value)
    if shown.masked or kind not in _IN_WORDS:
        return value
    day = parse_iso_date(value if kind is FieldKind.DATE else f"{value}-01")
    if day is None:
        return value
    return day_in_words(day, lang) if kind is FieldKind.DATE else month_in_words(day, lang)


def result_page(
    outcome: Outcome, licence_type: LicenceType | None, zone: ZoneInfo, now: datetime, lang: str
) -> ResultPage:
    """`now` is when the reader asked; the status is as of `verification.as_of`."""
    words = WORDS[lang]
    verification, licence = outcome.verification, outcome.licence
    shown = disclose(licence.record, licence_type) if licence is not None else ()

    checks = (verification.content, verification.issuer, verification.status)
    copy = verification.copy
    said = _said(
        verification.verdict,
        verification.how,
        checks,
        lang,
        copied=copy is not None,
        shown=verification.showing is not None,
    )
    contact = words["contact_unknown"]
    if licence is not None:
        issuer = _name("", licence.issuer_name, licence.record.issuer_code, lang)
        contact = words["contact_issuer"].replace("{issuer}", issuer.value)
    return ResultPage(
        verdict=verification.verdict.value,
        tone="good" if verification.green else TONES[verification.verdict],
        heading=said.heading,
        sentence=said.sentence,
        dated=_dated(verification, licence, lang),
        shown=_shown(verification, zone, now, lang),
        checked_at=words["checked_at"].replace("{moment}", moment_in_words(now, zone, lang)),
        copy=() if copy is None else _copy(copy, lang),
        facts=_facts(licence, shown, lang) if licence is not None else (),
        fields=tuple(_field(value, lang) for value in shown),
        masked=any(value.masked for value in shown),
        checks=said.checks,
        next=said.next,
        contact=contact,
        technical=_technical(verification, licence, lang),
        specimen=licence is not None and licence.record.specimen,
        credential_sha256="" if licence is None else licence.credential_sha256.hex(),
    )
