"""How pages are made from templates, whoever's they are: escaped, and strict about what is not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jinja2 import DictLoader, Environment, StrictUndefined

STRICT: Mapping[str, Any] = {
    "undefined": StrictUndefined,
    "trim_blocks": True,
    "lstrip_blocks": True,
    "auto_reload": False,
}


def environment(templates: Mapping[str, str]) -> Environment:
    """Of templates by name. Rendering raises UndefinedError for a name that a page is not given."""
    return Environment(loader=DictLoader(templates), autoescape=True, **STRICT)
