"""The form of an application as a PDF, for its applicant to confirm or sign: the same bytes for the same
application.
"""

from __future__ import annotations

import hashlib
import io
import tomllib
from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from registry.intake.applications import Application
from registry.intake.matters import Matter
from signing.fonts import Fonts
from signing.licence_type import FieldKind
from signing.sentences import in_language

WORDS = Path(__file__).with_name("form_words.toml")


def draw_form(
    case_id: str,
    matter: Matter,
    agency: Mapping[str, str],
    application: Application,
    fields: Mapping[str, Any],
    files: Sequence[Sequence[str]],
    language: str,
    fonts: Fonts,
) -> bytes:
    """`fields`: the application's, checked; `files`: code and SHA-256 of each material. Raises
    VermilionError(UNAVAILABLE) without a font.
    """
    from pikepdf import Pdf

    from signing.draw import saved
    from signing.fonts import Weight
    from signing.line_pages import Line, draw_lines

    words = _words(language)

    def title(text: str) -> Line:
        return Line("", text, size=10.5, weight=Weight.BOLD, space=8)

    lines = [
        Line("", words["title"], size=18, weight=Weight.BOLD),
        Line(words["matter"], f"{_said(matter.name, language)} ({matter.code})", space=8),
        Line(words["agency"], _said(agency, language)),
        title(words["applicant"]),
        Line(words["applicant"], application.name),
        Line(words["id_code"], application.id_code),
        title(words["values"]),
        *(Line(label, value) for label, value in _values(matter, fields, language)),
        *([title(words["materials"])] if files else []),
        *(Line(label, value) for label, value in _files(matter, files, language)),
        title(words["declaration_title"]),
        Line("", words["declaration"]),
    ]

    def below(at: int, pages: int) -> str:
        return f"{case_id}    {words['page'].replace('{page}', str(at)).replace('{pages}', str(pages))}"

    drawn = draw_lines(lines, below, fonts, {Weight.REGULAR: "FormRegular", Weight.BOLD: "FormBold"})
    with Pdf.open(io.BytesIO(drawn)) as pdf:
        return saved(pdf, f"{words['title']} {case_id}", {"zh": "zh-CN"}.get(language, language))


def _values(matter: Matter, fields: Mapping[str, Any], language: str) -> Iterator[tuple[str, str]]:
    for field in matter.fields:
        value = fields.get(field.name)
        if value is None:
            continue
        if field.kind is FieldKind.PHOTO:
            digest = hashlib.sha256(b64decode(value)).hexdigest()
            value = _words(language)["photo"].replace("{digest}", digest)
        yield _said(field.label, language), "；".join(value) if isinstance(value, list) else str(value)


def _files(matter: Matter, files: Sequence[Sequence[str]], language: str) -> Iterator[tuple[str, str]]:
    names = {one.code: one.name for one in matter.materials}
    for code, digest in files:
        yield _said(names[code], language) if code in names else code, f"SHA-256 {digest}"


def _said(names: Mapping[str, str], language: str) -> str:
    found = in_language(names, language)
    return "" if found is None else found[0]


@cache
def _words(language: str) -> dict[str, str]:
    table = tomllib.loads(WORDS.read_text("utf-8"))
    return {key: texts[language] for key, texts in table.items()}
