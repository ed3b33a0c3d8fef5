"""What commands tell machines, and whoever looks on: a JSON object a line."""

from __future__ import annotations

import json
from typing import Any

import click


def tell(value: Any) -> None:
    """Write it as one line, legible in any script. Texts of it may be a stranger's: what a terminal obeys
    instead of showing it (control and format characters, line separators) is escaped, as JSON has it.
    """
    text = json.dumps(value, ensure_ascii=False)
    click.echo("".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text))
