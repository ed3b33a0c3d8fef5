"""What an address of a problem's type answers: what the kind means, what to do, the reasons it may carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.problems import LANGUAGES, TABLE, Explained, type_uri


def as_json(kind: Explained) -> dict[str, Any]:
    """For programs: all languages."""
    return {
        "type": type_uri(kind.slug),
        "status": kind.status,
        "title": dict(kind.title),
        "meaning": dict(kind.meaning),
        "advice": dict(kind.advice),
        "retry": kind.retry,
        "reasons": {reason: dict(words) for reason, words in sorted(kind.reasons.items())},
    }


def spoken(lang: str) -> str:
    """The language in which a reader of `lang` is told: English where the table has no words in it."""
    return lang if lang in LANGUAGES else "en"


def for_page(kind: Explained, lang: str) -> dict[str, Any]:
    """For people, in the language that is `spoken`."""
    words = spoken(lang)
    return {
        "slug": kind.slug,
        "type": type_uri(kind.slug),
        "status": kind.status,
        "title": kind.title[words],
        "meaning": kind.meaning[words],
        "advice": kind.advice[words],
        "reasons": [(reason, said[words]) for reason, said in sorted(kind.reasons.items())],
    }


def listed(lang: str) -> list[dict[str, Any]]:
    """Every kind, in the order of its status."""
    return [for_page(kind, lang) for kind in sorted(TABLE.values(), key=lambda one: (one.status, one.slug))]


WORDS: Mapping[str, Mapping[str, str]] = {
    "zh": {
        "all": "各类问题",
        "status": "HTTP 状态码",
        "type": "类型地址",
        "advice": "如何处理",
        "reasons": "可能的原因（reason）",
        "only_kind": "没有更具体的原因时，reason 就是这一类的名称。",
        "other": "English",
        "other_lang": "en",
    },
    "en": {
        "all": "Kinds of problems",
        "status": "HTTP status",
        "type": "Address of the type",
        "advice": "What to do",
        "reasons": "Reasons it may carry",
        "only_kind": "Where there is no closer reason, `reason` is the name of the kind.",
        "other": "简体中文",
        "other_lang": "zh",
    },
}
"""The words of the pages around."""
