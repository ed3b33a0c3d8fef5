"""Which language a reader gets, and dates in words."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, get_timezone_name
from flask import Request

LANGUAGES = {"zh": "简体中文", "en": "English"}
"""By code; each language by its own name. The first serves readers of neither."""

HTML_LANG = {"zh": "zh-Hans", "en": "en"}
_LOCALES = {"zh": Locale.parse("zh_Hans_CN"), "en": Locale.parse("en_GB")}
_MINUTE = {"zh": "y年M月d日 HH:mm", "en": "d MMMM y, HH:mm"}


def chosen(request: Request) -> str | None:
    """The language asked for by `?lang=`, if it is one of ours."""
    lang = request.args.get("lang")
    return lang if lang in LANGUAGES else None


def negotiate(request: Request) -> str:
    """`?lang=` first, then Accept-Language (RFC 9110, 12.5.4), then the first of LANGUAGES."""
    default = next(iter(LANGUAGES))
    return chosen(request) or request.accept_languages.best_match(list(LANGUAGES), default) or default


def day_in_words(value: date, lang: str) -> str:
    """4 March 2026; 2026年3月4日."""
    return str(format_date(value, "long", locale=_LOCALES[lang]))


def moment_in_words(value: datetime, zone: ZoneInfo, lang: str) -> str:
    """4 March 2026, 10:32 (China Standard Time); to the minute, with its zone."""
    local = value.astimezone(zone)
    name = get_timezone_name(local, locale=_LOCALES[lang])
    words = format_datetime(local, _MINUTE[lang], locale=_LOCALES[lang])
    return f"{words}（{name}）" if lang == "zh" else f"{words} ({name})"


def month_in_words(value: date, lang: str) -> str:
    """March 2026; 2026年3月."""
    return str(format_date(value, {"zh": "y年M月", "en": "MMMM y"}[lang], locale=_LOCALES[lang]))
