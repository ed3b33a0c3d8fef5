"""A form with a file, read as it comes: its fields, and last the file, of which nothing touches a disk.

A browser sends the fields of a form in their order, so what proves that the form is ours is there before the
file is.
"""

from __future__ import annotations

from typing import BinaryIO

from flask import request
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.sansio.multipart import Data, Epilogue, Event, Field, File, MultipartDecoder, NeedData

from keys.errors import Kind, VermilionError
from registry import web
from registry.batches.receive import CHUNK

MULTIPART = "multipart/form-data"
MAX_PARTS = 8
MAX_FIELD_BYTES = 4096
MAX_HELD = 1 << 20  # bytes that are held at once, whatever is sent
ROOM = 64 * 1024  # for all that is not the file


class FileForm:
    """The form of this request: `fields` and `file_name` at once, the file by `read`."""

    def __init__(self, *, max_bytes: int) -> None:
        """Raises VermilionError(UNSUPPORTED_MEDIA, TOO_LARGE, MALFORMED)."""
        self.fields: dict[str, str] = {}
        self.file_name = ""
        self._stream: BinaryIO
        self._stream, self._length, _ = web.body_stream({MULTIPART}, max_bytes=max_bytes + ROOM)
        boundary = request.mimetype_params.get("boundary", "")
        if not 1 <= len(boundary) <= 70 or not boundary.isascii():  # RFC 2046, 5.1.1
            raise _malformed()
        self._decoder = MultipartDecoder(boundary.encode(), MAX_HELD, max_parts=MAX_PARTS)
        self._in_file = False
        self._read_fields()

    def _read_fields(self) -> None:
        name, value = "", b""
        while True:
            event = self._next()
            if isinstance(event, File):
                self.file_name, self._in_file = event.filename, True
                return
            if isinstance(event, Epilogue):
                return
            if isinstance(event, Field):
                name, value = event.name, b""
                if not isinstance(name, str) or name in self.fields:
                    raise VermilionError(Kind.MALFORMED, "a field is repeated, or has no name")
            elif isinstance(event, Data):
                value += event.data
                if len(value) > MAX_FIELD_BYTES:
                    raise VermilionError(Kind.TOO_LARGE, "a field of the form is too large")
                if not event.more_data:
                    self.fields[name] = value.decode("utf-8", "replace")

    def read(self, size: int, /) -> bytes:  # noqa: ARG002  (as much as has come)
        """The file's next octets; none at its end, behind which the form must end.

        Raises VermilionError(MALFORMED, `cut` where it was broken off).
        """
        while self._in_file:
            event = self._next()
            if isinstance(event, Epilogue):
                self._in_file = False
            elif not isinstance(event, Data):
                raise _malformed()
            elif event.data:
                return event.data
        return b""

    def drain(self) -> None:
        """Read what is left: who is still sending would not read an answer."""
        while self._stream.read(CHUNK):
            pass

    def _next(self) -> Event:
        try:
            while True:
                event = self._decoder.next_event()
                if not isinstance(event, NeedData):
                    return event
                piece = self._stream.read(CHUNK)
                self._decoder.receive_data(piece or None)
        except RequestEntityTooLarge:
            raise VermilionError(Kind.TOO_LARGE, "a part of the form is too large") from None
        except (ValueError, AttributeError, UnicodeDecodeError):
            raise VermilionError(Kind.MALFORMED, "the form was cut off, or is none", reason="cut") from None


def _malformed() -> VermilionError:
    return VermilionError(Kind.MALFORMED, "this is no form with a file")
