"""Options that several commands take."""

from __future__ import annotations

import re
from typing import Any

import click

_HEX64 = re.compile("[0-9A-Fa-f]{64}")


class Sha256(click.ParamType[bytes]):
    """A SHA-256 as hex: its 32 bytes."""

    name = "hex"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bytes:
        if isinstance(value, bytes):
            return value
        if not _HEX64.fullmatch(value):
            self.fail("it is 64 hex digits", param, ctx)
        return bytes.fromhex(value)


def ground_options(command: Any) -> Any:
    """The options of a command that needs a ground."""
    for option in (
        click.option("--legal-basis", required=True, help="The words of the law or order it rests on."),
        click.option("--reason", "reason_code", required=True, help="Reason code."),
    ):
        command = option(command)
    return command
