"""The words of a report in Chinese, English and Spanish, from `report_words.json`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from signing.report import Change, Report, Signature, to_json
from signing.sentences import LANGUAGES

_MOST_TOLD = 5
TABLE = Path(__file__).parent / "report_words.json"


@cache
def table() -> dict[str, dict[str, dict[str, str]]]:
    """Section, key, language."""
    loaded: dict[str, dict[str, dict[str, str]]] = json.loads(TABLE.read_text(encoding="utf-8"))
    return loaded


def word(section: str, key: str, lang: str, **values: object) -> str:
    """One text with its places filled, each once: what is filled in is never read again."""
    text = table()[section][key][lang]
    parts = []
    while text:
        before, opened, rest = text.partition("{")
        parts.append(before)
        if not opened:
            break
        name, _, text = rest.partition("}")
        parts.append(str(values[name]))
    return "".join(parts)


def change_word(change: Change, lang: str) -> str:
    """What was added, and on which page."""
    what = word("changes", change.kind, lang)
    return what if change.page is None else word("pages", "page", lang, what=what, page=change.page)


def added_words(changes: tuple[Change, ...], lang: str) -> str:
    """What was added, in a line: of many things the first few."""
    told = [change_word(change, lang) for change in changes[:_MOST_TOLD]]
    more = [word("pages", "more", lang)] if len(changes) > _MOST_TOLD else []
    return word("pages", "joined", lang).join(told + more)


def report_sentence(report: Report, lang: str) -> str:
    """The one sentence."""
    original = report.original
    revision = 1 if original is None else original.revision
    return word(
        "sentences",
        report.sentence,
        lang,
        revision=revision,
        revisions=max(len(report.revisions), revision),
        added=added_words(report.added or (Change("bytes"),), lang),
        signer=report.signer or word("pages", "somebody", lang),
    )


def report_json(report: Report) -> dict[str, object]:
    """The member `report` of an answer: what was found, and what it comes to, in each language."""
    says = {lang: report_sentence(report, lang) for lang in LANGUAGES}
    return {**to_json(report), "says": says}


def coverage_word(signature: Signature, lang: str) -> str:
    return word("coverage", signature.coverage, lang, revision=signature.revision or 1)


def indication_word(indication: str, sub_indication: str | None, lang: str) -> str:
    """ETSI's own words stand behind ours: they are what a colleague is asked about."""
    said = indication if sub_indication is None else f"{indication} / {sub_indication}"
    return f"{word('indications', indication, lang)} ({said})"
