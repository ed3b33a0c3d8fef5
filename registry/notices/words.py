"""The one table of what messages to people say: by kind and language, with values filled in."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import get_args

from registry.notices.kinds import Language

LANGUAGES: tuple[str, ...] = get_args(Language)


@dataclass(frozen=True, slots=True)
class Wording:
    """What a kind of message says in one language."""

    subject: str
    text: str

    @property
    def values(self) -> frozenset[str]:
        """The names of what is filled in."""
        parts = [*Formatter().parse(self.subject), *Formatter().parse(self.text)]
        return frozenset(name for _, name, _, _ in parts if name is not None)


@dataclass(frozen=True, slots=True)
class Said:
    """A message in words."""

    subject: str
    text: str


def _read() -> dict[str, dict[str, Wording]]:
    table = tomllib.loads(Path(__file__).with_name("words.toml").read_text("utf-8"))
    return {
        kind: {
            lang: Wording(words["subject"], words["text"].lstrip("\n")) for lang, words in languages.items()
        }
        for kind, languages in table.items()
    }


TABLE: Mapping[str, Mapping[str, Wording]] = _read()
"""By kind, then language. Read when this module is: the process may become a user who could not."""


def said(kind: str, language: str, values: Mapping[str, str]) -> Said:
    """Raises KeyError for a kind, a language or a value that there is not."""
    wording = TABLE[kind][language]
    return Said(wording.subject.format_map(values), wording.text.format_map(values))
