"""The names of matters, cut into pairs of characters when a list is imported: Chinese has no spaces by which
words could be told apart, and neither database needs an extension for it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from sqlalchemy.orm import Session

from registry.agencies.tables import Agency
from registry.intake.matters import Matter
from registry.intake.search_tables import MatterGram


def pairs(texts: Iterable[str]) -> set[str]:
    """The pairs of characters within the words of texts, whatever their case and width."""
    found: set[str] = set()
    for text in texts:
        for word in unicodedata.normalize("NFKC", text).casefold().split():
            found |= {word[place : place + 2] for place in range(len(word) - 1)}
    return {pair for pair in found if len(pair) == 2}


def note(session: Session, matter: Matter, version: int, agency: Agency) -> None:
    """Let a matter's version be found; its row is there."""
    names = [*matter.name.values(), agency.name_zh, agency.name_en]
    session.add_all(MatterGram(gram=pair, code=matter.code, version=version) for pair in sorted(pairs(names)))
