"""Options that several commands take."""

from __future__ import annotations

from typing import Any

import click


def ground_options(command: Any) -> Any:
    """The options of a command that needs a ground."""
    for option in (
        click.option("--legal-basis", required=True, help="The words of the law or order it rests on."),
        click.option("--reason", "reason_code", required=True, help="Reason code."),
    ):
        command = option(command)
    return command
