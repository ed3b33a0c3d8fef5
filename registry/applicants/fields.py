"""A matter's form as a page has it: what is typed becomes JSON values and the other way round, and each fault
is told beside its field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from keys.errors import Fault
from registry.intake.applications import Application, Contact
from registry.intake.matters import Matter
from signing.licence_type import Field, FieldKind

PERSONS = ("111", "114", "115", "118", "119", "120", "122", "411", "412", "413", "414", "511", "516", "999")
ORGANISATIONS = ("001", "099")
NATURAL = "1"  # of `registry.intake.matters.AUDIENCES`
SOME_CHOICES = 6  # more of them are a list to select from

_PREFIX = "f_"
_DAY = re.compile(r"([0-9]{4})\D+([0-9]{1,2})\D+([0-9]{1,2})\D*")
_MONTH = re.compile(r"([0-9]{4})\D+([0-9]{1,2})\D*")
_CODES = frozenset({FieldKind.USCC, FieldKind.CITIZEN_ID})
_SAME_CODE = {FieldKind.USCC: "001", FieldKind.CITIZEN_ID: "111"}
_SAID = {
    "string_too_short": "missing", "string_too_long": "too_long", "plain_text": "bad_characters",
    "literal_error": "not_a_choice", "string_type": "missing",
}  # fmt: skip
_WORDED = frozenset(
    {
        "missing", "too_long", "bad_characters", "blank", "too_many", "not_a_choice", "not_a_date",
        "not_a_month", "not_a_phone", "bad_photo", "email", "channel_closed",
    }
)  # fmt: skip
_WHERE = {
    "/applicant/name": "name",
    "/applicant/id_type": "id_type",
    "/applicant/id_code": "id_code",
    "/contact/to": "email",
    "/contact/channel": "email",
    "/channel": "email",
}


@dataclass(frozen=True, slots=True)
class Input:
    """A control of a page. `fault` and `why` are told beside it: what is wrong, and why it is asked for."""

    name: str
    label: str
    kind: str  # text, lines, radio, select, file
    required: bool = True
    label_lang: str | None = None
    hint: str | None = None
    value: str = ""
    choices: tuple[tuple[str, str], ...] = ()  # values and labels
    choices_lang: str | None = None
    max_length: int | None = None
    autocomplete: str | None = None
    inputmode: str | None = None
    fault: str | None = None
    why: str | None = None


def name_of(field: Field) -> str:
    """What a matter's field is called in a page."""
    return _PREFIX + field.name


def id_types(matter: Matter) -> tuple[str, ...]:
    """The kinds of code by which those whom a matter is for are known."""
    persons, others = NATURAL in matter.audience, set(matter.audience) != {NATURAL}
    return (ORGANISATIONS if others else ()) + (PERSONS if persons else ())


def read_application(
    matter: Matter, typed: Mapping[str, str], language: str, before: Application | None
) -> Application:
    """What somebody typed, as it is kept: nothing is checked, and what is empty is left out. A photo is that
    of `before`.
    """
    kind = typed.get("id_type", "")
    email = _line(typed.get("email", ""))
    contact = Contact("smtp", "smtp", email, language) if email else Contact(language=language)
    made = Application(
        name=_line(typed.get("name", "")),
        id_type=kind if kind in id_types(matter) else "",
        id_code=_code(typed.get("id_code", "")),
        contact=contact,
        fields=read_values(matter.fields, typed),
    )
    kept = {} if before is None else photos(matter, before)
    return replace(made, fields={**_with_own_code(matter, made), **kept})


def read_values(fields: Sequence[Field], typed: Mapping[str, str]) -> dict[str, Any]:
    """The values of fields, without photos."""
    values: dict[str, Any] = {}
    for field in fields:
        text = typed.get(name_of(field), "")
        value: Any = [line for line in map(_line, text.splitlines()) if line]
        if field.kind is not FieldKind.LIST:
            value = _canonical(field.kind, text)
        if value and field.kind is not FieldKind.PHOTO:
            values[field.name] = value
    return values


def photos(matter: Matter, application: Application) -> dict[str, Any]:
    names = {field.name for field in matter.fields if field.kind is FieldKind.PHOTO}
    return {name: value for name, value in application.fields.items() if name in names}


def typed_of(application: Application) -> dict[str, str]:
    """What a page shows of an application that is kept; no photo."""
    typed = {
        "name": application.name,
        "id_type": application.id_type,
        "id_code": application.id_code,
        "email": application.contact.to,
    }
    for name, value in application.fields.items():
        typed[_PREFIX + name] = "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    return typed


def inputs_of(
    fields: Sequence[Field], typed: Mapping[str, str], words: Mapping[str, str], lang: str
) -> list[Input]:
    """The controls of a matter's fields."""
    return [_input(field, typed.get(name_of(field), ""), words, lang) for field in fields]


def told(
    inputs: Sequence[Input], faults: Sequence[Fault], kinds: Mapping[str, FieldKind], words: Mapping[str, str]
) -> list[Input]:
    """The controls, each with the first thing that is wrong with it."""
    first: dict[str, Fault] = {}
    for fault in faults:
        first.setdefault(control(fault.field), fault)
    return [
        one
        if one.name not in first
        else replace(one, fault=_say(first[one.name], kinds.get(one.name), words))
        for one in inputs
    ]


def control(pointer: str) -> str:
    """The control that a fault is about."""
    if pointer.startswith("/fields/"):
        return _PREFIX + pointer.removeprefix("/fields/").partition("/")[0]
    return _WHERE.get(pointer, "")


def kinds_of(fields: Sequence[Field]) -> dict[str, FieldKind]:
    """Of the controls of a matter's fields."""
    return {name_of(field): field.kind for field in fields}


def said_of_fault(fault: Fault, kind: FieldKind | None, words: Mapping[str, str]) -> str:
    return _say(fault, kind, words)


def _say(fault: Fault, kind: FieldKind | None, words: Mapping[str, str]) -> str:
    reason = _SAID.get(fault.reason, fault.reason)
    if reason in _WORDED:
        return words[f"wrong_{reason}"]
    if kind in _CODES or control(fault.field) == "id_code":
        return words["wrong_code"]
    return words["wrong_value"]


def _input(field: Field, value: str, words: Mapping[str, str], lang: str) -> Input:
    label, tag = in_language(field.label, lang)
    plain = Input(
        name_of(field), label, "text", field.required, tag, _hint(field, words), value,
        max_length=field.max_length,
    )  # fmt: skip
    match field.kind:
        case FieldKind.LIST:
            return replace(plain, kind="lines", max_length=None)
        case FieldKind.CHOICE:
            kind = "radio" if len(field.choices) <= SOME_CHOICES else "select"
            pairs = tuple((one, one) for one in field.choices)
            return replace(plain, kind=kind, choices=pairs, choices_lang=None if lang == "zh" else "zh-Hans")
        case FieldKind.PHOTO:
            return replace(plain, kind="file", value="", max_length=None)
        case FieldKind.PHONE:
            return replace(plain, inputmode="tel", autocomplete="tel", max_length=24)
        case FieldKind.DATE | FieldKind.MONTH:
            return replace(plain, inputmode="numeric", max_length=20)
        case FieldKind.USCC | FieldKind.CITIZEN_ID:
            return replace(plain, autocomplete="off", max_length=40)
        case _:
            return plain


def _hint(field: Field, words: Mapping[str, str]) -> str | None:
    known = {FieldKind.LIST, FieldKind.DATE, FieldKind.MONTH, FieldKind.PHONE, FieldKind.PHOTO} | _CODES
    return words[f"hint_{field.kind.value}"] if field.kind in known else None


def in_language(names: Mapping[str, str], lang: str) -> tuple[str, str | None]:
    """A name in the reader's language; or in English, and that it is."""
    return (names[lang], None) if lang in names else (names["en"], "en")


def _with_own_code(matter: Matter, made: Application) -> dict[str, Any]:
    """The applicant's own code need not be typed twice (WCAG 2.2, 3.3.7)."""
    values = dict(made.fields)
    for field in matter.fields:
        if field.name not in values and made.id_code and _SAME_CODE.get(field.kind) == made.id_type:
            values[field.name] = made.id_code
    return values


def _canonical(kind: FieldKind, text: str) -> str:
    """What is meant by what was typed; whether it is right is checked elsewhere."""
    line = _line(text)
    if kind in _CODES:
        return _code(line)
    if kind is FieldKind.DATE and (day := _DAY.fullmatch(line)):
        return f"{day[1]}-{int(day[2]):02}-{int(day[3]):02}"
    if kind is FieldKind.MONTH and (month := _MONTH.fullmatch(line)):
        return f"{month[1]}-{int(month[2]):02}"
    return line


def _code(text: str) -> str:
    return "".join(text.split()).upper()


def _line(text: str) -> str:
    return " ".join(text.split())
