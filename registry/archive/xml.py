"""XML as it is written into packages: indented, so that people can read it, and the same each time.

Elements and text alone, which is a fifth of the work of a general library's for ten thousand packages a
night.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_IMPOSSIBLE = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold; and CR, which a reader would take for LF."""


@dataclass(slots=True)
class Element:
    """One with text, or with elements within it."""

    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    within: list[Element] = field(default_factory=list)


def add(parent: Element, name: str, text: str | int | None = None, **attributes: str) -> Element:
    """An element below `parent`, with this text."""
    element = Element(name, attributes, "" if text is None else str(text))
    parent.within.append(element)
    return element


def written(root: Element) -> bytes:
    """Raises ValueError for text that XML cannot hold."""
    lines = ['<?xml version="1.0" encoding="UTF-8"?>']
    _write(root, "", lines)
    return ("\n".join(lines) + "\n").encode()


def _write(element: Element, indent: str, lines: list[str]) -> None:
    opening = element.name
    for name, value in element.attributes.items():
        opening += f' {name}="{_escaped(value)}"'
    if element.within:
        lines.append(f"{indent}<{opening}>")
        for one in element.within:
            _write(one, indent + "  ", lines)
        lines.append(f"{indent}</{element.name}>")
    else:
        lines.append(f"{indent}<{opening}>{_escaped(element.text)}</{element.name}>")


def _escaped(text: str) -> str:
    if _IMPOSSIBLE.search(text):
        raise ValueError("no text for XML")
    if "&" in text or "<" in text or ">" in text or '"' in text:
        return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return text


def legible(text: str) -> str:
    """What people wrote, as XML can hold it: line ends as LF, what it cannot hold as U+FFFD."""
    return _IMPOSSIBLE.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
