"""Taking a JSON object of a record apart, strictly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from keys.errors import Kind, VermilionError
from signing.field_values import is_plain_text, parse_iso_date


def bad_record(what: str) -> VermilionError:
    """The error of anything that is not the JSON of a record."""
    return VermilionError(Kind.MALFORMED, f"not a record: {what}", reason="bad_record")


class JsonObject:
    """A JSON object being taken apart: each member once, with its type, and nothing left over."""

    def __init__(self, data: object) -> None:
        if not isinstance(data, dict):
            raise bad_record("an object was expected")
        self._left = dict(data)

    def _take(self, name: str) -> object:
        if name not in self._left:
            raise bad_record(f"{name} is missing")
        return self._left.pop(name)

    def text(self, name: str, longest: int) -> str:
        value = self._take(name)
        if not isinstance(value, str) or not 0 < len(value) <= longest or not is_plain_text(value):
            raise bad_record(f"{name} must be a text")
        return value

    def integer(self, name: str, largest: int) -> int:
        value = self._take(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= largest:
            raise bad_record(f"{name} must be a whole number")
        return value

    def flag(self, name: str) -> bool:
        value = self._take(name)
        if not isinstance(value, bool):
            raise bad_record(f"{name} must be true or false")
        return value

    def day(self, name: str) -> date:
        value = parse_iso_date(self.text(name, 10))
        if value is None:
            raise bad_record(f"{name} must be a date")
        return value

    def day_or_none(self, name: str) -> date | None:
        if self._left.get(name, "") is None:
            self._take(name)
            return None
        return self.day(name)

    def has(self, name: str) -> bool:
        return name in self._left

    def array(self, name: str, longest: int) -> Sequence[object]:
        value = self._take(name)
        if not isinstance(value, list) or len(value) > longest:
            raise bad_record(f"{name} must be a list of at most {longest}")
        return value

    def object(self, name: str) -> dict[str, object]:
        value = self._take(name)
        if not isinstance(value, dict):
            raise bad_record(f"{name} must be an object")
        return value

    def finish(self) -> None:
        if self._left:
            raise bad_record("there is an unknown member")
