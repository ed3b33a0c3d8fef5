"""What a visitor sends, read strictly and within bounds. Uploads stay in memory."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import IO

from flask import Request
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from keys.errors import Fault, Kind, VermilionError
from signing.codes import normalise_lookup_code, parse_identifier

MAX_FILE = 8 * 1024 * 1024
MAX_ENVELOPE = 16 * 1024  # what multipart adds around a file
MAX_JSON = 16 * 1024
MAX_TYPED = 120


class SiteRequest(Request):
    """A request whose uploads are never written to disk."""

    max_content_length = MAX_JSON
    max_form_memory_size = 256 * 1024  # the parser reads 64 kB at a time; the whole body is bounded above
    max_form_parts = 8

    def _get_file_stream(
        self,
        total_content_length: int | None,  # noqa: ARG002
        content_type: str | None,  # noqa: ARG002
        filename: str | None = None,  # noqa: ARG002
        content_length: int | None = None,  # noqa: ARG002
    ) -> IO[bytes]:
        return BytesIO()


@dataclass(frozen=True, slots=True)
class Typed:
    identifier: str
    lookup_code: str


def _too_large(limit: int = MAX_FILE) -> VermilionError:
    return VermilionError(Kind.TOO_LARGE, f"at most {limit} bytes are read", reason="too_large")


def invalid(*faults: Fault) -> VermilionError:
    return VermilionError(Kind.INVALID, "the request does not say what to check", faults=faults)


def read_typed(identifier: str, lookup_code: str) -> Typed:
    """Raises VermilionError(INVALID), with a fault for each member, where either cannot be right.

    Both rules are public arithmetic: nothing of what the registry holds shows in them.
    """
    faults = []
    identifier = "".join(identifier.split()).upper()
    code = ""
    try:
        if len(identifier) > MAX_TYPED:
            raise VermilionError(Kind.MALFORMED, "it is too long", reason="too_long")
        parse_identifier(identifier)
    except VermilionError as error:
        faults.append(Fault("/identifier", error.reason, error.detail))
    try:
        code = normalise_lookup_code(lookup_code[:MAX_TYPED])
    except VermilionError as error:
        faults.append(Fault("/lookup_code", error.reason, error.detail))
    if faults:
        raise invalid(*faults)
    return Typed(identifier, code)


def read_file(request: Request) -> bytes:
    """The one file of a multipart form, in the field `file`; b"" where none was chosen.

    Raises VermilionError(TOO_LARGE, MALFORMED).
    """
    request.max_content_length = MAX_FILE + MAX_ENVELOPE
    try:
        files = request.files.getlist("file")
    except RequestEntityTooLarge:
        raise _too_large() from None
    except (HTTPException, ValueError):  # werkzeug: a part's header or charset that cannot be read
        raise VermilionError(Kind.MALFORMED, "the form cannot be read") from None
    if len(files) > 1:
        raise VermilionError(Kind.MALFORMED, "one file at a time, please", reason="several_files")
    data = files[0].stream.read(MAX_FILE + 1) if files else b""
    if len(data) > MAX_FILE:
        raise _too_large()
    return bytes(data)


def read_body(request: Request, limit: int) -> bytes:
    request.max_content_length = limit + 1  # a body of unknown length may be cut there without a word
    try:
        data = request.get_data(cache=False)
    except RequestEntityTooLarge:
        raise _too_large(limit) from None
    except HTTPException:
        raise VermilionError(Kind.MALFORMED, "the body ended too early") from None
    if len(data) > limit:
        raise _too_large(limit)
    return data
