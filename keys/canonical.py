"""JSON in one canonical form out, and strictly bounded JSON in."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from keys.errors import Kind, VermilionError

# Possessive: a string that never ends is tried once, and takes the rest of the text.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|([\[\]{}])', re.DOTALL)


def canonical_json(value: object) -> bytes:
    """UTF-8 JSON with sorted keys and no white space.

    Only dict (str keys), list, tuple, str, int, bool and None. Raises ValueError for anything else,
    floats and lone surrogates included: those have no canonical form here.
    """
    _refuse_uncanonical(value)
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")


def _refuse_uncanonical(value: object) -> None:
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError("a member name must be a string")  # noqa: TRY004
            _refuse_uncanonical(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _refuse_uncanonical(item)
    elif value is not None and not isinstance(value, str | int):
        raise ValueError(f"no canonical form for {type(value).__name__}")


def strict_json(data: bytes, *, max_bytes: int, max_depth: int, fractions: bool = False) -> Any:
    """Parse JSON (RFC 8259) from outside.

    Refused: more than `max_bytes`, nesting beyond `max_depth`, invalid UTF-8, a byte order mark, repeated
    member names, NaN and infinities, floats, integers beyond 2^53, lone surrogates. With `fractions` finite
    floats are taken: for what is only shown, never for what is digested or signed.
    Raises VermilionError(TOO_LARGE or MALFORMED).
    """
    if len(data) > max_bytes:
        raise VermilionError(Kind.TOO_LARGE, f"more than {max_bytes} bytes of JSON")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        _refuse("not UTF-8")
    if text.count("{") + text.count("[") > max_depth and _depth(text) > max_depth:
        _refuse(f"nested deeper than {max_depth}")
    try:
        value = (_WITH_FRACTIONS if fractions else _WHOLE).decode(text)
    except ValueError:
        _refuse("not JSON")
    if "\\u" in text:  # only an escape can bring in a surrogate that stands alone
        _refuse_surrogates(value)
    return value


def _depth(text: str) -> int:
    """The deepest nesting, brackets in strings not counted."""
    deepest = depth = 0
    for bracket in _STRING_OR_BRACKET.findall(text):  # a string's match is the empty group
        if bracket in ("[", "{"):
            depth += 1
            deepest = max(deepest, depth)
        elif bracket:
            depth -= 1
    return deepest


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        _refuse("a member name is repeated")
    return value


def _integer(text: str) -> int:
    if len(text) > 17 or abs(int(text)) > 2**53:
        _refuse("an integer is out of range")
    return int(text)


def _fraction(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _refuse("a number is out of range")
    return value


def _refuse_surrogates(value: object) -> None:
    if isinstance(value, str):
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            _refuse("a lone surrogate")
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_surrogates(key)
            _refuse_surrogates(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_surrogates(item)


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.MALFORMED, detail)


def _decoder(parse_float: Callable[[str], float]) -> json.JSONDecoder:
    return json.JSONDecoder(
        object_pairs_hook=_members,
        parse_float=parse_float,
        parse_int=_integer,
        parse_constant=lambda _text: _refuse("NaN and infinities are not JSON"),
    )


_WHOLE = _decoder(lambda _text: _refuse("a number is not an integer"))
_WITH_FRACTIONS = _decoder(_fraction)
