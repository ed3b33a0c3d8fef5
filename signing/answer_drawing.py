"""Drawing the page of a signed answer (`signing.answer_page`)."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from pikepdf import Dictionary, Name, Pdf

from keys.errors import Kind, VermilionError
from signing.answer_page import ATTACHMENT
from signing.associated_file import associate
from signing.document import SealMaterial
from signing.draw import saved
from signing.fonts import Fonts, Weight
from signing.laid_out import LaidOut
from signing.line_pages import Line, draw_lines
from signing.seal import lay_out
from signing.sentences import (
    LANGUAGES,
    check_name,
    heading,
    in_language,
    key_of,
    next_step,
    reason_sentence,
    result_word,
    sentence,
)
from signing.signed_answer import SignedAnswer, parse_instant
from signing.verdict import Verdict

TABLE = Path(__file__).parent / "answer_page_words.json"

_FONT_NAMES = {Weight.REGULAR: "ReceiptRegular", Weight.BOLD: "ReceiptBold"}


@cache
def _words(lang: str) -> dict[str, str]:
    table: dict[str, dict[str, str]] = json.loads(TABLE.read_text(encoding="utf-8"))
    return {key: texts[lang] for key, texts in table.items()}


def page_lines(answer: SignedAnswer, lang: str, zone: ZoneInfo) -> list[Line]:
    """What the page says, in order, for an answer to one check. Raises VermilionError(MALFORMED)."""
    content = answer.content
    if len(content.answers) != 1 or lang not in LANGUAGES:
        raise VermilionError(Kind.MALFORMED, "a page shows one answer, in a language of ours", reason="page")
    (said,) = content.answers
    words = _words(lang)
    past = "clock" in said
    clock = words[f"clock_{said['clock']}"] if past else ""
    moment = f"{words['as_of']} {_moment(parse_instant(said['as_of']), zone)} {clock}".strip()
    lines = [
        Line("", words["title"], size=12),
        *_specimen(said, words),
        Line("", heading(said, lang), size=18, weight=Weight.BOLD, space=8),
        Line("", moment, size=10.5, weight=Weight.BOLD),
        *(Line("", told, size=10.5) for told in _meaning(said, words, lang)),
        Line(words["reference"], content.reference, space=8),
        *_optional(words["request_reference"], content.request_reference),
        Line(words["audience"], content.audience),
        Line(words["issuer"], content.issuer),
        Line(words["issued_at"], _moment(content.issued_at, zone)),
        Line(words["key"], answer.key.kid),
        _title(words["presented"]),
        *(Line(words[name], value) for name, value in said["presented"].items()),
    ]
    if "copy" in said:
        lines += [_title(words["copy"]), *_copy(said["copy"], words)]
    if "licence" in said:
        lines += [_title(words["licence"]), *_licence(said, words, lang)]
    lines.append(_title(words["checks"]))
    for name, check in said["checks"].items():
        told = result_word(check["result"], lang)
        if name == "status":  # a page is filed: it knows no "now"
            told += "" if past else f" – {reason_sentence(check['reason'], lang)}"
            lines.append(Line(words["status"], told))
            continue
        lines.append(Line(check_name(name, lang), f"{told} – {reason_sentence(check['reason'], lang)}"))
    again = words["again_text"].replace("{issuer}", content.issuer)
    return [*lines, _title(words["again"]), Line("", again, size=8.5)]


def draw_page(answer: SignedAnswer, token: bytes, lang: str, *, fonts: Fonts, zone: ZoneInfo) -> bytes:
    """A PDF of the answer, with its token attached. `zone`: whose civil time is shown.

    Raises VermilionError(MALFORMED) for an answer to several checks, UNAVAILABLE without a font.
    """
    words, foot = _words(lang), answer.content.reference
    drawn = draw_lines(
        page_lines(answer, lang, zone),
        lambda at, pages: (
            f"{foot}    {words['page'].replace('{page}', str(at)).replace('{pages}', str(pages))}"
        ),
        fonts,
        _FONT_NAMES,
    )
    return _finish(drawn, token, f"{words['title']} {foot}", lang)


def lay_out_page(pdf: bytes, material: SealMaterial, at: datetime) -> LaidOut:
    """Room for the signature of a drawn page, which shows nothing. Raises VermilionError(INVALID)."""
    return lay_out(pdf, material=material, places=(), at=at, reason_text="Answer to a check")


def _specimen(said: Mapping[str, Any], words: Mapping[str, str]) -> Iterator[Line]:
    if said.get("licence", {}).get("specimen"):
        yield Line("", words["specimen"], weight=Weight.BOLD, space=4)


def _meaning(said: Mapping[str, Any], words: Mapping[str, str], lang: str) -> Iterator[str]:
    """What the verdict means, in words that stay right in a file."""
    if "clock" in said:
        yield words["past"]
        return
    yield words["valid"] if key_of(said) == Verdict.VALID else sentence(said, lang)
    yield next_step(said, lang)
    if said["verdict"] in (Verdict.ALTERED, Verdict.NOT_RECOGNISED):
        yield words["as_found"]


def _optional(label: str, value: str | None) -> Iterator[Line]:
    if value is not None:
        yield Line(label, value)


def _title(text: str) -> Line:
    return Line("", text, size=10.5, weight=Weight.BOLD, space=8)


def _copy(copy: Mapping[str, Any], words: Mapping[str, str]) -> Iterator[Line]:
    yield Line(words["copy_purpose"], copy["purpose"])
    yield Line(words["copy_recipient"], copy["recipient"])
    yield Line(words["copy_valid_to"], copy["valid_to"])


def _licence(said: Mapping[str, Any], words: Mapping[str, str], lang: str) -> Iterator[Line]:
    licence = said["licence"]
    if said["identifier"] is not None:
        yield Line(words["identifier"], said["identifier"])
    for label, one in (("type", licence["type"]), ("authority", licence["issuer"])):
        name, _ = in_language(one["name"], lang) or ("", lang)
        yield Line(words[label], f"{name} ({one['code']})")
    for field in licence["fields"]:
        label, _ = in_language(field["label"], lang) or (field["name"], lang)
        value = field["value"]
        yield Line(label, value if isinstance(value, str) else "、".join(value))
    if any(field["masked"] for field in licence["fields"]):
        yield Line("", words["masked"], size=8.5)
    yield Line(words["edition"], f"{licence['edition']:03}")
    yield Line(words["issue_date"], licence["issue_date"])
    yield Line(words["valid_from"], licence["valid_from"])
    yield Line(words["valid_to"], licence["valid_to"] or words["no_end"])
    yield from _optional(words["since"], licence["since"])
    yield from _optional(words["suspended_until"], licence["suspended_until"])
    ground = licence["ground"]
    yield from _optional(words["ground"], words.get(f"ground_{ground}", ground))


def _moment(at: datetime, zone: ZoneInfo) -> str:
    return at.astimezone(zone).isoformat(sep=" ", timespec="seconds")


def _finish(drawn: bytes, token: bytes, title: str, lang: str) -> bytes:
    """The token as the one associated file; title and language."""
    with Pdf.open(io.BytesIO(drawn)) as pdf:
        attached = pdf.make_stream(token, Type=Name.EmbeddedFile, Subtype=Name("/application/jwt"))
        attached.Params = Dictionary(Size=len(token))
        associate(pdf, ATTACHMENT, attached, "The signed answer", Name.Source)
        return saved(pdf, title, {"zh": "zh-CN"}.get(lang, lang))
