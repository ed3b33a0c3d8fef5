"""The pages for holders: their language, words and templates, read once when this is imported. They are
dressed as the console is, by its style sheet.
"""

from __future__ import annotations

import tomllib
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_datetime
from flask import Request
from jinja2 import Environment

from registry.console.rendering import VERSION
from registry.templates import environment

LANGUAGES = {"zh": "简体中文", "en": "English", "es": "Español"}
"""By code, each by its own name. The first serves readers of none of them."""

HTML_LANG = {"zh": "zh-Hans", "en": "en", "es": "es"}
_LOCALES = {"zh": Locale.parse("zh_Hans_CN"), "en": Locale.parse("en_GB"), "es": Locale.parse("es_ES")}
_MINUTE = {"zh": "y年M月d日 HH:mm", "en": "d MMMM y, HH:mm", "es": "d 'de' MMMM 'de' y, HH:mm"}
_HERE = Path(__file__).parent
WORDS: dict[str, dict[str, str]] = {
    lang: tomllib.loads((_HERE / "words" / f"{lang}.toml").read_text("utf-8")) for lang in LANGUAGES
}
_TEMPLATES = {path.name: path.read_text("utf-8") for path in sorted((_HERE / "templates").iterdir())}


@cache
def _environment() -> Environment:
    return environment(_TEMPLATES)


def language_of(request: Request, own: str | None = None) -> str:
    """`?lang=` first, then the page's `own`, then what the browser likes best."""
    for told in (request.args.get("lang"), own):
        if told in LANGUAGES:
            return str(told)
    return request.accept_languages.best_match(list(LANGUAGES)) or next(iter(LANGUAGES))


def fill_in(template: str, lang: str, path: str, **context: Any) -> str:
    """The page. Raises UndefinedError for a name that neither the words nor `context` has."""
    others = [(code, name, HTML_LANG[code]) for code, name in LANGUAGES.items() if code != lang]
    return (
        _environment()
        .get_template(template)
        .render(
            w=WORDS[lang],
            lang=lang,
            html_lang=HTML_LANG[lang],
            others=others,
            static=f"/holder/static/{VERSION}",
            path=path,
            **context,
        )
    )


def minute(value: datetime, zone: ZoneInfo, lang: str) -> str:
    """4 March 2026, 10:32; in the registry's zone."""
    return str(format_datetime(value.astimezone(zone), _MINUTE[lang], locale=_LOCALES[lang]))
