"""Pages for people who do not sign in: their language, words and templates, read once when this is imported.
They are dressed as the console is, by its style sheet.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from flask import Request
from jinja2 import Environment

from registry.console.rendering import VERSION
from registry.templates import environment

LANGUAGES = {"zh": "简体中文", "en": "English", "es": "Español"}
"""By code, each by its own name. The first serves readers of none of them."""

HTML_LANG = {"zh": "zh-Hans", "en": "en", "es": "es"}
_LOCALES = {"zh": Locale.parse("zh_Hans_CN"), "en": Locale.parse("en_GB"), "es": Locale.parse("es_ES")}
_MINUTE = {"zh": "y年M月d日 HH:mm", "en": "d MMMM y, HH:mm", "es": "d 'de' MMMM 'de' y, HH:mm"}
_DAY = {"zh": "y年M月d日", "en": "d MMMM y", "es": "d 'de' MMMM 'de' y"}
_HERE = Path(__file__).parent


class Pages:
    """Words by language and templates, those of a later folder in the place of earlier ones."""

    def __init__(self, folders: Iterable[Path]) -> None:
        self.words: dict[str, dict[str, str]] = {lang: {} for lang in LANGUAGES}
        templates: dict[str, str] = {}
        for folder in folders:
            for lang in LANGUAGES:
                self.words[lang] |= tomllib.loads((folder / "words" / f"{lang}.toml").read_text("utf-8"))
            templates |= {path.name: path.read_text("utf-8") for path in (folder / "templates").iterdir()}
        self._templates: Mapping[str, str] = templates
        self._environment: Environment | None = None

    def fill_in(self, template: str, lang: str, path: str, **context: Any) -> str:
        """The page. Raises UndefinedError for a name that neither the words nor `context` has."""
        if self._environment is None:
            self._environment = environment(self._templates)
        others = [(code, name, HTML_LANG[code]) for code, name in LANGUAGES.items() if code != lang]
        return self._environment.get_template(template).render(
            w=self.words[lang],
            lang=lang,
            html_lang=HTML_LANG[lang],
            others=others,
            static=f"/holder/static/{VERSION}",
            path=path,
            **{"keep": "", **context},  # what of the query the language switch keeps
        )


OF_HOLDERS = _HERE
PAGES = Pages([OF_HOLDERS])
WORDS = PAGES.words
fill_in = PAGES.fill_in


def language_of(request: Request, own: str | None = None) -> str:
    """`?lang=` first, then the page's `own`, then what the browser likes best."""
    for told in (request.args.get("lang"), own):
        if told in LANGUAGES:
            return str(told)
    return request.accept_languages.best_match(list(LANGUAGES)) or next(iter(LANGUAGES))


def minute(value: datetime, zone: ZoneInfo, lang: str) -> str:
    """4 March 2026, 10:32; in the registry's zone."""
    return str(format_datetime(value.astimezone(zone), _MINUTE[lang], locale=_LOCALES[lang]))


def civil(day: date, lang: str) -> str:
    """4 March 2026."""
    return str(format_date(day, _DAY[lang], locale=_LOCALES[lang]))
