"""Keys that commands read from files (RFC 7517)."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keys.canonical import strict_json
from keys.errors import Kind, VermilionError
from registry.actor import Duty

if TYPE_CHECKING:
    from registry.agencies.administrators import Newcomer

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
    value = _read_json(path)
    if isinstance(value, dict) and isinstance(value.get("keys"), list) and value["keys"]:
        value = value["keys"][0]
    if not isinstance(value, dict):
        raise VermilionError(Kind.MALFORMED, f"{_spoken(path)} is not a JWK")
    return value


def read_person(path: Path) -> tuple[str, dict[str, Any]]:
    """A person's name and public key from `{"name": ..., "jwk": {...}}`, in a file or on standard input: an
    argument would show the name to every user of the machine. Raises VermilionError(MALFORMED).
    """
    return _person(_read_json(path), _spoken(path))


def read_name_or_person(path: Path) -> tuple[str, dict[str, Any] | None]:
    """As `read_person`, for somebody who may have no key: `{"name": ...}`."""
    value = _read_json(path)
    if isinstance(value, dict) and set(value) == {"name"} and isinstance(value["name"], str):
        return value["name"], None
    return _person(value, _spoken(path))


def read_newcomers(path: Path) -> dict[Duty, Newcomer]:
    """Administrators to be, a person as `read_person` reads them by each duty. Raises
    VermilionError(MALFORMED).
    """
    from registry.agencies.administrators import Newcomer

    value, duties = _read_json(path), [duty.value for duty in Duty]
    if not isinstance(value, dict) or not set(value) <= set(duties):
        raise VermilionError(
            Kind.MALFORMED, f"{_spoken(path)} is not a person by each of {', '.join(duties)}"
        )
    return {Duty(duty): Newcomer(*_person(who, _spoken(path))) for duty, who in value.items()}


def _person(value: object, where: str) -> tuple[str, dict[str, Any]]:
    if (
        not isinstance(value, dict)
        or set(value) != {"name", "jwk"}
        or not isinstance(value["name"], str)
        or not isinstance(value["jwk"], dict)
    ):
        raise VermilionError(Kind.MALFORMED, f'{where} is not {{"name": ..., "jwk": {{...}}}}')
    return value["name"], value["jwk"]


def _read_json(path: Path) -> Any:
    name = _spoken(path)
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as file:
                data = file.read(MAX_BYTES + 1)
        return strict_json(data, max_bytes=MAX_BYTES, max_depth=MAX_DEPTH)
    except OSError as error:
        raise VermilionError(Kind.MALFORMED, f"{name} cannot be read: {error.strerror}") from error
    except VermilionError as error:
        raise VermilionError(Kind.MALFORMED, f"{name} is not JSON: {error.detail}") from error


def _spoken(path: Path) -> str:
    return "standard input" if str(path) == "-" else str(path)
