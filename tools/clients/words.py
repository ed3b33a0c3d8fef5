"""Texts of a description, wrapped."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

WIDTH = 100


def wrapped(text: str, width: int) -> Iterator[str]:
    """Paragraphs, with an empty line between each two."""
    for place, part in enumerate(text.split("\n\n")):
        if place:
            yield ""
        yield from textwrap.wrap(" ".join(part.split()), width, break_on_hyphens=False)
