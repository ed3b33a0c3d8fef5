"""Reading TOML data strictly: each key has a type, an unknown key is refused, errors name the key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import NoReturn

from keys.errors import Kind, VermilionError

MAX_BYTES = 256 * 1024
MAX_LINE = 500
MAX_DOTS = 30
"""In one line, which a key never leaves: the time and memory for a dotted key grow with the square of its
parts, so that a file of the largest size would take minutes and all memory.
"""


def is_line(text: str, most: int = MAX_LINE) -> bool:
    return len(text) <= most and text.isprintable() and text == text.strip()


class Table:
    """One TOML table being taken apart; `finish` refuses what was not taken."""

    def __init__(self, data: dict[str, object], where: str) -> None:
        self._left = dict(data)
        self.where = where

    @classmethod
    def load(cls, path: Path) -> Table:
        """Read a file. Raises VermilionError(NOT_FOUND, TOO_LARGE, MALFORMED)."""
        try:
            with path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
        except OSError as error:
            raise VermilionError(Kind.NOT_FOUND, f"{path.name} cannot be read") from error
        return cls.parse(raw, path.name)

    @classmethod
    def parse(cls, raw: bytes, name: str) -> Table:
        """A file's bytes. Raises VermilionError(TOO_LARGE, MALFORMED)."""
        if len(raw) > MAX_BYTES:
            raise VermilionError(Kind.TOO_LARGE, f"{name} is larger than {MAX_BYTES} bytes")
        if any(line.count(b".") > MAX_DOTS for line in raw.split(b"\n")):
            raise VermilionError(Kind.MALFORMED, f"{name} has a line with more than {MAX_DOTS} dots")
        try:
            return cls(tomllib.loads(raw.decode("utf-8")), name)
        # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        except (ValueError, RecursionError) as error:
            raise VermilionError(Kind.MALFORMED, f"{name} is not TOML: {error}") from error

    def refuse(self, key: str, why: str) -> NoReturn:
        raise VermilionError(Kind.INVALID, f"{self.where}: {key} {why}", reason="bad_data_file")

    def has(self, key: str) -> bool:
        return key in self._left

    def names(self) -> tuple[str, ...]:
        return tuple(self._left)

    def take(self, key: str) -> object:
        if key not in self._left:
            self.refuse(key, "is missing")
        return self._left.pop(key)

    def text(self, key: str, default: str | None = None) -> str:
        if default is not None and not self.has(key):
            return default
        value = self.take(key)
        if not isinstance(value, str) or not value:
            self.refuse(key, "must be a text")
        return value

    def line(self, key: str, default: str | None = None, most: int = MAX_LINE) -> str:
        """A text that stands as it is in a heading, a list or a package's description."""
        value = self.text(key, default)
        if not is_line(value, most):
            self.refuse(key, f"must be a printable line of at most {most} characters")
        return value

    def number(self, key: str, default: float | None = None) -> float:
        if default is not None and not self.has(key):
            return default
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e6:
            self.refuse(key, "must be a number")
        return float(value)

    def integer(self, key: str, default: int | None = None) -> int:
        if default is not None and not self.has(key):
            return default
        value = self.take(key)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**6:
            self.refuse(key, "must be a whole number")
        return value

    def flag(self, key: str, *, default: bool | None = None) -> bool:
        if default is not None and not self.has(key):
            return default
        value = self.take(key)
        if not isinstance(value, bool):
            self.refuse(key, "must be true or false")
        return value

    def day(self, key: str) -> date:
        value = self.take(key)
        if not isinstance(value, date) or isinstance(value, datetime):
            self.refuse(key, "must be a date, such as 2026-07-01")
        return value

    def choice(self, key: str, allowed: tuple[str, ...], default: str | None = None) -> str:
        value = self.text(key, default)
        if value not in allowed:
            self.refuse(key, f"must be one of {', '.join(allowed)}")
        return value

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        if default is not None and not self.has(key):
            return default
        value = self.take(key)
        if not isinstance(value, list) or not all(isinstance(v, str) and v for v in value):
            self.refuse(key, "must be a list of texts")
        return tuple(value)

    def languages(self, key: str) -> dict[str, str]:
        """A table with the languages zh and en, and es where it is wanted."""
        table = self.table(key)
        names = {"zh": table.line("zh"), "en": table.line("en")}
        if table.has("es"):
            names["es"] = table.line("es")
        table.finish()
        return names

    def table(self, key: str) -> Table:
        value = self.take(key)
        if not isinstance(value, dict):
            self.refuse(key, "must be a table")
        return Table(value, f"{self.where}: {key}")

    def tables(self, key: str) -> Iterator[Table]:
        value = self.take(key) if self.has(key) else []
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            self.refuse(key, "must be a list of tables")
        for number, item in enumerate(value, 1):
            yield Table(item, f"{self.where}: {key} {number}")

    def finish(self) -> None:
        for key in self._left:
            self.refuse(key, "is not known here")
