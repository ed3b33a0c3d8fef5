"""XML as it is written into packages: indented, so that people can read it, and the same each time."""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, indent, tostring


def add(parent: Element, name: str, text: str | int | None = None) -> Element:
    """An element below `parent`, with this text."""
    element = SubElement(parent, name)
    if text is not None:
        element.text = str(text)
    return element


def written(root: Element) -> bytes:
    indent(root)
    text: str = tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()
