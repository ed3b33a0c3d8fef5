"""The console's pages: their language, words, templates and static files, read once when this is imported."""

from __future__ import annotations

import gzip
import hashlib
import tomllib
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from flask import Request, Response
from jinja2 import Environment
from markupsafe import Markup
from qrcode.constants import ERROR_CORRECT_M
from qrcode.main import QRCode

from registry.templates import environment

LANGUAGES = {"zh": "简体中文", "en": "English"}
"""By code, each by its own name. The first serves readers of neither."""

HTML_LANG = {"zh": "zh-Hans", "en": "en"}
LANGUAGE_COOKIE = "console-language"
_LOCALES = {"zh": Locale.parse("zh_Hans_CN"), "en": Locale.parse("en_GB")}
_MINUTE = {"zh": "y年M月d日 HH:mm", "en": "d MMMM y, HH:mm"}
_DAY = {"zh": "y年M月d日", "en": "d MMMM y"}
_HERE = Path(__file__).parent
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
WORDS: dict[str, dict[str, str]] = {
    lang: tomllib.loads((_HERE / "words" / f"{lang}.toml").read_text("utf-8")) for lang in LANGUAGES
}
_TEMPLATES = {path.name: path.read_text("utf-8") for path in sorted((_HERE / "templates").iterdir())}


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file, and its gzip form."""

    data: bytes
    packed: bytes
    media_type: str


STATIC = {
    path.name: Asset(
        path.read_bytes(), gzip.compress(path.read_bytes(), 9, mtime=0), _MEDIA_TYPES[path.suffix]
    )
    for path in sorted((_HERE / "static").iterdir())
}
VERSION = hashlib.sha256(b"".join(asset.data for asset in STATIC.values())).hexdigest()[:12]


@cache
def _environment() -> Environment:
    return environment(_TEMPLATES)


def language_of(request: Request) -> str:
    """`?lang=` first, then the cookie that it left, then what the browser likes best."""
    for told in (request.args.get("lang"), request.cookies.get(LANGUAGE_COOKIE)):
        if told in LANGUAGES:
            return str(told)
    return request.accept_languages.best_match(list(LANGUAGES)) or next(iter(LANGUAGES))


def fill_in(template: str, lang: str, **context: Any) -> str:
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
            static=f"/console/static/{VERSION}",
            **context,
        )
    )


def moment(value: datetime, zone: ZoneInfo, lang: str) -> str:
    """4 March 2026, 10:32; in the registry's zone."""
    return str(format_datetime(value.astimezone(zone), _MINUTE[lang], locale=_LOCALES[lang]))


def civil(day: date, lang: str) -> str:
    """4 March 2026."""
    return str(format_date(day, _DAY[lang], locale=_LOCALES[lang]))


def qr_picture(text: str) -> Markup:
    """A QR code as an SVG element: drawn in the page, so that no policy must let pictures in."""
    code = QRCode(error_correction=ERROR_CORRECT_M, border=4)
    code.add_data(text)
    rows = code.get_matrix()
    path = "".join(f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, dark in enumerate(row) if dark)
    return Markup(
        '<svg class="qr" viewBox="0 0 {size} {size}" aria-hidden="true" focusable="false">'
        '<path class="paper" d="M0 0h{size}v{size}h-{size}z"/><path class="ink" d="{path}"/></svg>'
    ).format(size=len(rows), path=path)


def static_file(request: Request, version: str, name: str) -> Response | None:
    """A static file, or None. Under another version, of a page from before an update, it is not kept."""
    asset = STATIC.get(name)
    if asset is None:
        return None
    packed = request.accept_encodings["gzip"] > 0
    response = Response(
        asset.packed if packed else asset.data, content_type=f"{asset.media_type}; charset=utf-8"
    )
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    lasting = "public, max-age=31536000, immutable"
    response.headers["Cache-Control"] = lasting if version == VERSION else "no-cache"
    return response
