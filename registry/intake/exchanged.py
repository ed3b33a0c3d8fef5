"""What connectors send and read: JSON in one form, for HTTP and for files alike."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any, NoReturn

from keys.canonical import canonical_json, strict_json
from keys.errors import Kind, VermilionError
from registry.intake.connectors import Acknowledged, Answer, Query, Wrong
from signing.field_values import has_refused_characters
from signing.verdict import instant

MAX_ANSWER = 256 * 1024
_DEPTH = 4
_FIELDS, _ITEMS, _LENGTH = 100, 100, 2000
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_ANSWERED = re.compile(r"[\x21-\x7e]{1,60}")


def query_json(query: Query) -> bytes:
    """A question about one holder."""
    return canonical_json(
        {
            "reference": query.reference,
            "data_set": query.data_set,
            "purpose": query.purpose,
            "legal_basis": query.legal_basis,
            "agency": query.agency,
            "matter": query.matter,
            "case_number": query.case_number,
            "material": query.material,
            "holder": _holder(query),
        }
    )


def wrong_json(wrong: Wrong) -> bytes:
    """An error in a source, as it is told to it."""
    return canonical_json(
        {
            "reference": wrong.reference,
            "data_set": wrong.data_set,
            "agency": wrong.agency,
            "answer": {"reference": wrong.retrieval, "sha256": wrong.answer_sha256},
            "field": wrong.field,
            "told": wrong.told,
            "right": wrong.right,
            "legal_basis": wrong.legal_basis,
            "reason_code": wrong.reason_code,
        }
    )


def read_answer(raw: bytes, query: Query, *, reference: str | None) -> Answer | None:
    """What a source says of the holder who was asked about; None where it has nothing of them. `reference`:
    of the question that it answers; None for a file, which answers whoever asks.

    Raises VermilionError(UNAVAILABLE, `answer_form`) for what is no answer to this.
    """
    value = _read(raw)
    if reference is not None and value.pop("reference", None) != reference:
        _refuse("it answers another question")
    if value.pop("data_set", None) != query.data_set or value.pop("holder", None) != _holder(query):
        _refuse("it is about something else")
    result, fields, as_of = value.pop("result", None), value.pop("fields", None), value.pop("as_of", None)
    if value:
        _refuse("it has members that are not known")
    if result == "none" and fields is None:
        return None
    if result != "found" or not isinstance(fields, dict) or not 1 <= len(fields) <= _FIELDS:
        _refuse("it says neither what there is nor that there is nothing")
    return Answer({name: _value(name, said) for name, said in fields.items()}, _instant(as_of), raw)


def read_acknowledgement(raw: bytes, wrong: Wrong) -> Acknowledged | None:
    """What a source says of an error that it was told; None: not yet.

    Raises VermilionError(UNAVAILABLE, `answer_form`).
    """
    value = _read(raw)
    if value.pop("reference", None) != wrong.reference:
        _refuse("it answers another report")
    state, name = value.pop("state", None), value.pop("name", None)
    if value:
        _refuse("it has members that are not known")
    if state == "pending" and name is None:
        return None
    if state != "acknowledged" or not isinstance(name, str) or not _ANSWERED.fullmatch(name):
        _refuse("it acknowledges nothing under a name")
    return Acknowledged(name)


def _holder(query: Query) -> dict[str, str]:
    return {"type": query.holder_type, "code": query.holder_code}


def _read(raw: bytes) -> dict[str, Any]:
    try:
        value = strict_json(raw, max_bytes=MAX_ANSWER, max_depth=_DEPTH)
    except VermilionError as error:
        _refuse(error.detail)
    if not isinstance(value, dict):
        _refuse("it is no object")
    return dict(value)


def _value(name: str, said: object) -> str | tuple[str, ...]:
    if not _NAME.fullmatch(name):
        _refuse("a field has no name")
    if isinstance(said, list):
        if not 1 <= len(said) <= _ITEMS:
            _refuse("a list has no items, or too many")
        return tuple(_text(item) for item in said)
    return _text(said)


def _text(said: object) -> str:
    if not isinstance(said, str) or not 1 <= len(said) <= _LENGTH or has_refused_characters(said):
        _refuse("a value is no plain text")
    return said


def _instant(text: object) -> datetime:
    if not isinstance(text, str) or not _INSTANT.fullmatch(text):
        _refuse("it does not say as of when")
    try:
        return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        _refuse("it does not say as of when")


def answer_json(query: Query, fields: object, as_of: datetime, *, reference: str | None) -> bytes:
    """What a source writes: for files of samples, and for tests. `fields` None: it has nothing."""
    value: dict[str, Any] = {"data_set": query.data_set, "holder": _holder(query)}
    if reference is not None:
        value["reference"] = reference
    if fields is None:
        return canonical_json({**value, "result": "none"})
    return canonical_json({**value, "result": "found", "fields": fields, "as_of": instant(as_of)})


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.UNAVAILABLE, f"this is no answer: {detail}", reason="answer_form")
