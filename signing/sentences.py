"""The words for verdicts, checks and reasons in Chinese, English and Spanish, from `sentences.json`.

Answers carry slugs; only here do they become sentences, for pages, command line and script alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from signing.verdict import COPY, LICENCE, SHOWN, Result, Verdict, Verification, heading_key

TABLE = Path(__file__).parent / "sentences.json"
LANGUAGES = ("zh", "en", "es")

Answer = Verification | Mapping[str, Any]
"""A verification, or its JSON of design section 6."""


@cache
def table() -> dict[str, Any]:
    """The whole table: `verdicts`, `reasons`, `checks`, `claims` and `results`, each by key and language."""
    loaded: dict[str, Any] = json.loads(TABLE.read_text(encoding="utf-8"))
    return loaded


def key_of(answer: Answer) -> str:
    """The table's key for an answer (`signing.verdict.heading_key`)."""
    if isinstance(answer, Verification):
        return answer.heading
    checks = answer["checks"].values()
    green = answer["verdict"] == Verdict.VALID and all(c["result"] == Result.PASSED for c in checks)
    reason = answer["checks"]["status"]["reason"]
    what = COPY if answer.get("copy") else SHOWN if answer.get("showing") else LICENCE
    return heading_key(Verdict(answer["verdict"]), answer.get("how"), reason, green=green, what=what)


def _verdict(answer: Answer, language: str, part: str) -> str:
    return str(table()["verdicts"][key_of(answer)][language][part])


def heading(answer: Answer, language: str) -> str:
    """The verdict in a few words; `language` is one of LANGUAGES."""
    return _verdict(answer, language, "heading")


def sentence(answer: Answer, language: str) -> str:
    """What the verdict means, in one sentence or two."""
    return _verdict(answer, language, "sentence")


def next_step(answer: Answer, language: str) -> str:
    """What the reader should do next."""
    return _verdict(answer, language, "next")


def reason_sentence(reason: str, language: str) -> str:
    """The sentence for a check's reason; a slug of a newer service than this is shown as it stands."""
    return str(table()["reasons"].get(reason, {}).get(language, reason))


def check_name(name: str, language: str) -> str:
    """The name of a check: content, issuer or status."""
    return str(table()["checks"][name][language])


def result_word(result: str, language: str) -> str:
    """Passed, failed or not done."""
    return str(table()["results"][result][language])


def in_language(words: Mapping[str, str], language: str) -> tuple[str, str] | None:
    """What the registry says by language (a name, a label), and the language it is in: the reader's, else
    English, else Chinese; None where it says nothing.
    """
    for each in (language, "en", "zh"):
        if each in words:
            return words[each], each
    return None


def for_language(language: str) -> dict[str, Any]:
    """The table in one language, as the page's script gets it."""
    return {part: {key: words[language] for key, words in rows.items()} for part, rows in table().items()}
