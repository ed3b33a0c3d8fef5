"""The report on an uploaded file: made beside the verdict, and put into words for the page."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from signing.check import Outcome
from signing.report import Report, Signature
from signing.report_words import (
    added_words,
    coverage_word,
    indication_word,
    report_sentence,
    word,
)
from signing.sentences import in_language
from signing.validator import END_SENTENCES, report_of
from verify_web.assets import WORDS
from verify_web.language import moment_in_words
from verify_web.page import Fact
from verify_web.site import Site


@dataclass(frozen=True, slots=True)
class ReportPage:
    """`of_others`: it speaks of signatures, and says nothing about a licence."""

    sentence: str
    note: str  # why the explanation is not whole; "" where it is
    of_others: bool
    facts: tuple[Fact, ...]
    revisions: tuple[Fact, ...]
    signatures: tuple[tuple[str, tuple[Fact, ...]], ...]  # heading, and what is said of it


def file_report(here: Site, data: bytes, outcome: Outcome) -> Report:
    """The report on a file that was just checked. Never raises."""
    report = report_of(data, outcome, here.trust.current(), here.live, here.validator, here.clock())
    here.metrics.reports.labels(report.explained.value).inc()
    return report


def report_page(report: Report, outcome: Outcome, zone: ZoneInfo, lang: str) -> ReportPage:
    words = WORDS[lang]
    ended = END_SENTENCES.get(report.explained)
    facts = []
    if report.indication is not None:
        said = indication_word(report.indication, report.sub_indication, lang)
        facts.append(Fact(words["report_indication"], said))
    if report.signer is not None:
        facts.append(_signer(report, outcome, lang))
    if report.sealed_at is not None:
        facts.append(Fact(words["report_sealed_at"], moment_in_words(report.sealed_at, zone, lang)))
    if report.level is not None:
        facts.append(Fact(words["report_level"], f"PAdES {report.level}"))
    if report.coverage is not None:
        revision = 1 if report.original is None else report.original.revision
        said = word("coverage", report.coverage, lang, revision=revision)
        facts.append(Fact(words["report_coverage"], said))
    told = report.revisions if len(report.revisions) > 1 else ()
    revisions = [
        Fact(
            words["report_revision"].replace("{number}", str(one.number)),
            added_words(one.changes, lang) if one.number > 1 else words["report_first"],
        )
        for one in told
    ]
    if report.trailing is not None:
        revisions.append(Fact(words["report_trailing"], added_words((report.trailing,), lang)))
    return ReportPage(
        sentence=report_sentence(report, lang),
        note="" if ended in {None, report.sentence} else word("sentences", ended, lang),
        of_others=report.sentence in {"licensed", "licensed_doubt", "stranger"},
        facts=tuple(facts),
        revisions=tuple(revisions),
        signatures=tuple(
            (f"{word('kinds', one.kind, lang)} {number}", _signature(one, zone, lang))
            for number, one in enumerate(report.signatures, 1)
        ),
    )


def _signer(report: Report, outcome: Outcome, lang: str) -> Fact:
    label = WORDS[lang]["report_signer"]
    names = {} if outcome.licence is None else outcome.licence.issuer_name
    name, language = in_language(names, lang) or (report.signer or "", "")
    return Fact(label, name, lang="" if language == lang else language)


def _signature(one: Signature, zone: ZoneInfo, lang: str) -> tuple[Fact, ...]:
    words = WORDS[lang]
    facts = [Fact(words["report_indication"], indication_word(one.indication, one.sub_indication, lang))]
    if one.signer is not None:
        label = "report_signer" if one.certified else "report_signer_claimed"
        facts.append(Fact(words[label], one.signer))
    if one.issuer is not None:
        facts.append(Fact(words["report_certified_by"], one.issuer))
    facts += [
        Fact(words["report_authority"], word("authorities", one.authority or "none", lang)),
        Fact(words["report_integrity"], word("integrity", one.integrity, lang)),
        Fact(words["report_coverage"], coverage_word(one, lang)),
    ]
    if one.at is not None:
        label = "report_proven_at" if one.proven else "report_claimed_at"
        facts.append(Fact(words[label], moment_in_words(one.at, zone, lang)))
    if one.level is not None:
        facts.append(Fact(words["report_level"], f"PAdES {one.level}"))
    return tuple(facts)
