"""Commands that ask the agency API, each with the credential of whoever acts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from keys.errors import Kind, VermilionError
from registry.client import ApiClient, Credential

MEDIA = {
    ".pdf": "application/pdf",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
}


def credential_option(command: Any) -> Any:
    return click.option(
        "--credential",
        required=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Credential file of the person who acts (mode 0600).",
    )(command)


def post(credential: Path, body: Mapping[str, Any], *path: str, idempotency_key: str | None = None) -> None:
    """Send a JSON body and print the answer. Raises VermilionError for a refusal, and for no answer."""
    answer = ApiClient(Credential.load(credential)).post(
        address(*path), body, idempotency_key=idempotency_key
    )
    _print(answer.expect(200, 201, 202).json())


def put_file(credential: Path, file: Path, headers: Mapping[str, str], *path: str) -> None:
    """As `post`, for a file, whose media type its name says. Raises VermilionError(INVALID), too, for one
    that says none, or cannot be read.
    """
    media_type = MEDIA.get(file.suffix.lower())
    if media_type is None:
        raise VermilionError(Kind.INVALID, f"{file}: the name ends in none of {', '.join(MEDIA)}")
    try:
        data = file.read_bytes()
    except OSError as error:
        raise VermilionError(Kind.INVALID, f"{file}: {error.strerror}") from error
    sent = {"Content-Type": media_type, **headers}
    answer = ApiClient(Credential.load(credential)).request("PUT", address(*path), data, sent)
    _print(answer.expect(200, 201).json())


def get(credential: Path, *path: str, query: str = "") -> None:
    """As `post`, for what is read."""
    _print(ApiClient(Credential.load(credential)).get(address(*path) + query).expect(200).json())


def save_file(credential: Path, save: Path, *path: str) -> None:
    """As `get`, for a file, which is written to `save`. Raises VermilionError(INVALID) where it cannot be."""
    data = ApiClient(Credential.load(credential)).get(address(*path)).expect(200).body
    try:
        save.write_bytes(data)
    except OSError as error:
        raise VermilionError(Kind.INVALID, f"{save}: {error.strerror}") from error


def address(base: str, *parts: str) -> str:
    """What was typed is one part of a path, whatever it holds."""
    return "/".join((base, *(quote(part, safe="") for part in parts)))


def _print(answer: Mapping[str, Any]) -> None:
    click.echo(json.dumps(answer, ensure_ascii=False, indent=1))
