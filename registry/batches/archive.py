"""A ZIP of many files (APPNOTE.TXT 6.3), written as it goes and stored uncompressed.

Its length is known before its first byte: an archive that breaks off is then no whole answer, whatever a
server makes of it. Sizes and offsets beyond 32 bits are written in the ZIP64 form.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from zlib import crc32

_MOST32, _MOST16 = 0xFFFFFFFF, 0xFFFF
_LOCAL, _CENTRAL = struct.Struct("<4s5H3L2H"), struct.Struct("<4s6H3L5H2L")
_END64, _LOCATOR64, _END = struct.Struct("<4sQ2H2L4Q"), struct.Struct("<4sLQL"), struct.Struct("<4s4H2LH")
_OFFSET64 = struct.Struct("<2HQ")  # extra field 0x0001 with the offset alone: files are small
_UTF8 = 0x0800


@dataclass(frozen=True, slots=True)
class Stored:
    """What the archive's directory says of a file."""

    name: bytes
    size: int
    crc: int
    offset: int


def archive_length(files: Iterable[tuple[str, int]]) -> int:
    """Bytes of the archive of files with these names and sizes, in this order."""
    offset = directory = count = 0
    for name, size in files:
        entry = Stored(name.encode(), size, 0, offset)
        offset += _LOCAL.size + len(entry.name) + size
        directory += _CENTRAL.size + len(entry.name) + len(_extra(entry))
        count += 1
    return offset + directory + len(_ending(count, directory, offset))


def archive(files: Iterable[tuple[str, bytes]], made_at: datetime) -> Iterator[bytes]:
    """The archive's bytes, a few pieces a file. Names are relative paths, each once."""
    stamp = _dos_time(made_at)
    entries: list[Stored] = []
    offset = 0
    for name, data in files:
        entry = Stored(name.encode(), len(data), crc32(data), offset)
        entries.append(entry)
        sizes = (entry.crc, entry.size, entry.size)
        head = _LOCAL.pack(b"PK\x03\x04", 20, _UTF8, 0, *stamp, *sizes, len(entry.name), 0)
        yield head + entry.name
        yield data
        offset += len(head) + len(entry.name) + len(data)
    directory = 0
    for entry in entries:
        extra = _extra(entry)
        sizes = (entry.crc, entry.size, entry.size)
        lengths = (len(entry.name), len(extra), 0)
        shown = _MOST32 if extra else entry.offset
        version = 45 if extra else 20
        head = _CENTRAL.pack(
            b"PK\x01\x02", version, version, _UTF8, 0, *stamp, *sizes, *lengths, 0, 0, 0, shown
        )
        yield head + entry.name + extra
        directory += len(head) + len(entry.name) + len(extra)
    yield _ending(len(entries), directory, offset)


def _beyond(offset: int) -> bool:
    """Whether 32 bits cannot say it; their greatest number says that another field does."""
    return offset >= _MOST32


def _extra(entry: Stored) -> bytes:
    return _OFFSET64.pack(0x0001, 8, entry.offset) if _beyond(entry.offset) else b""


def _ending(count: int, directory: int, offset: int) -> bytes:
    """The end of the central directory of `directory` bytes, which begins at `offset`."""
    if count < _MOST16 and not _beyond(offset) and not _beyond(directory):
        return _END.pack(b"PK\x05\x06", 0, 0, count, count, directory, offset, 0)
    ending = _END64.pack(b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, directory, offset)
    ending += _LOCATOR64.pack(b"PK\x06\x07", 0, offset + directory, 1)
    return ending + _END.pack(b"PK\x05\x06", 0, 0, _MOST16, _MOST16, _MOST32, _MOST32, 0)


def _dos_time(at: datetime) -> tuple[int, int]:
    """Local time to two seconds: 5.4.6 of the note."""
    day = (max(at.year, 1980) - 1980) << 9 | at.month << 5 | at.day
    return at.hour << 11 | at.minute << 5 | at.second // 2, day
