"""Keys that commands read from files (RFC 7517)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from keys.canonical import strict_json
from keys.errors import Kind, VermilionError

MAX_BYTES = 16 * 1024
MAX_DEPTH = 4

public_key_option = click.option(
    "--jwk",
    required=True,
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="File with the public key (JWK, P-256); - reads standard input.",
)


def read_jwk(path: Path) -> dict[str, Any]:
    """A JWK from a file or, as `-`, from standard input; of a JWK set, the first.

    Raises VermilionError(MALFORMED).
    """
    stdin = str(path) == "-"
    name = "standard input" if stdin else str(path)
    try:
        if stdin:
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        value = strict_json(data, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    except OSError as error:
        raise VermilionError(Kind.MALFORMED, f"{name} cannot be read: {error.strerror}") from error
    except VermilionError as error:
        raise VermilionError(Kind.MALFORMED, f"{name} is not JSON: {error.detail}") from error
    if isinstance(value, dict) and isinstance(value.get("keys"), list) and value["keys"]:
        value = value["keys"][0]
    if not isinstance(value, dict):
        raise VermilionError(Kind.MALFORMED, f"{name} is not a JWK")
    return value
