"""Which language a reader gets, and dates in words."""

from __future__ import annotations

from datetime import UTC, date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, get_timezone_name
from flask import Request
from werkzeug.datastructures import LanguageAccept
from werkzeug.http import parse_accept_header

from verify_web.headers import of_header

LANGUAGES = {"zh": "简体中文", "en": "English", "es": "Español"}
"""By code; each language by its own name. The first serves readers of none."""

HTML_LANG = {"zh": "zh-Hans", "en": "en", "es": "es"}
_LOCALES = {"zh": Locale.parse("zh_Hans_CN"), "en": Locale.parse("en_GB"), "es": Locale.parse("es")}
_MINUTE = {"zh": "y年M月d日 HH:mm", "en": "d MMMM y, HH:mm", "es": "d 'de' MMMM 'de' y, HH:mm"}
_MONTH = {"zh": "y年M月", "en": "MMMM y", "es": "MMMM 'de' y"}


def chosen(request: Request) -> str | None:
    """The language asked for by `?lang=`, if it is one of ours."""
    lang = request.args.get("lang")
    return lang if lang in LANGUAGES else None


def negotiate(request: Request) -> str:
    """`?lang=` first, then Accept-Language, then the first of LANGUAGES."""
    return chosen(request) or preferred(request.headers.get("Accept-Language", ""))


def preferred(header: str) -> str:
    """By Accept-Language, then the first of LANGUAGES."""
    return accepted(header) or next(iter(LANGUAGES))


@of_header
def accepted(header: str) -> str | None:
    """The one of LANGUAGES that a reader likes best (RFC 9110, 12.5.4); None where none is welcome.

    Any variety of a language stands for it (es-MX for es) with its full quality: readers of `es-MX, en;q=0.5`
    want Spanish. `*` speaks for the languages that are not named. Of equal ones the first named.
    """
    named: dict[str, tuple[float, int]] = {}
    for place, (tag, quality) in enumerate(parse_accept_header(header, LanguageAccept)):
        primary = tag.lower().replace("_", "-").partition("-")[0]
        if primary == "*" or primary in LANGUAGES:
            named[primary] = max(named.get(primary, (0.0, 0)), (quality, -place))
    rest = named.get("*", (0.0, 0))
    ranked = {lang: named.get(lang, rest) for lang in LANGUAGES}
    best = max(ranked, key=lambda lang: ranked[lang])
    return best if ranked[best][0] > 0 else None


@lru_cache(maxsize=4096)
def day_in_words(value: date, lang: str) -> str:
    """4 March 2026; 2026年3月4日; 4 de marzo de 2026."""
    return str(format_date(value, "long", locale=_LOCALES[lang]))


def moment_in_words(value: datetime, zone: ZoneInfo, lang: str) -> str:
    """4 March 2026, 10:32 (China Standard Time); to the minute, with its zone."""
    return _second_in_words(value.astimezone(UTC).replace(microsecond=0), zone, lang)


@lru_cache(maxsize=100)
def _second_in_words(value: datetime, zone: ZoneInfo, lang: str) -> str:
    local = value.astimezone(zone)
    name = get_timezone_name(local, locale=_LOCALES[lang])
    words = format_datetime(local, _MINUTE[lang], locale=_LOCALES[lang])
    return f"{words}（{name}）" if lang == "zh" else f"{words} ({name})"


@lru_cache(maxsize=1024)
def month_in_words(value: date, lang: str) -> str:
    """March 2026; 2026年3月; marzo de 2026."""
    return str(format_date(value, _MONTH[lang], locale=_LOCALES[lang]))
