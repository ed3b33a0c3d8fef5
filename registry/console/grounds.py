"""Forms that ask for a decision: what was filled in, and what is wrong with it, in words by the field."""

from __future__ import annotations

from collections.abc import Collection

from keys.errors import VermilionError
from registry.console.browser import form, said, words


def filled(*names: str) -> dict[str, str]:
    """The fields of these names that have something in them, without white space at their ends."""
    told = form()
    return {name: text for name in names if (text := told.get(name, "").strip())}


def number_or_none(text: str | None) -> int | None:
    """What a hidden field says that we filled in; anything else is nothing."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else None


def fault_of(error: VermilionError | None, fields: Collection[str]) -> tuple[str | None, set[str]]:
    """What a form says of its failure, and which of its fields are at fault."""
    if error is None:
        return None, set()
    wrong = {fault.field.removeprefix("/") for fault in error.faults} & set(fields)
    told = words()
    if wrong and f"fault_{error.reason}" not in told:
        labels = [told[f"field_{name}"] for name in fields if name in wrong]
        return told["fault_fields"].format(fields=told["comma"].join(labels)), wrong
    return said(error.reason), wrong
