"""Bags (BagIt 1.0, RFC 8493): files in a folder with the digests of each, readable without software of ours.

A bag is kept, and carried, as one uncompressed tar archive (RFC 8493, 4.2): any system opens it, what it
holds is as long as it says, and the same bag is the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import new as new_hash

ALGORITHMS = ("sha256", "sha512")
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
PAYLOAD = "data/"

MAX_PATH = 90
"""With a bag's name before it, what fits into a tar header as it always was (ustar)."""
_PATH = re.compile(r"[a-z0-9][a-z0-9_-]*(?:[./][a-z0-9][a-z0-9_-]*)*")
_LABEL = re.compile(r"[A-Z][A-Za-z]*(?:-[A-Z][A-Za-z0-9]*)*")
_BREAK = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]")
_BLOCK = 512
_END = bytes(2 * _BLOCK)


Digests = Mapping[str, str]
"""Of one file, hex, by algorithm."""


def digests_of(data: bytes) -> Digests:
    return {name: new_hash(name, data).hexdigest() for name in ALGORITHMS}


def bag(
    payload: Mapping[str, bytes],
    info: Iterable[tuple[str, str]],
    tags: Mapping[str, bytes],
    known: Mapping[str, Digests] | None = None,
) -> dict[str, bytes]:
    """The files of a bag, by path: `payload` lies under `data/`, `tags` beside it, `info` is bag-info.txt;
    of the payload digests may be `known` already.

    Raises ValueError for paths that not every system can write, and for what is no line of bag-info.txt.
    """
    files = {PAYLOAD + path: data for path, data in payload.items()}
    found = {
        PAYLOAD + path: known[path] if known and path in known else digests_of(data)
        for path, data in payload.items()
    }
    return files | tag_files(found, sum(map(len, payload.values())), info, tags)


def tag_files(
    found: Mapping[str, Digests], size: int, info: Iterable[tuple[str, str]], tags: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The files of a bag beside its payload, of which the digests are `found`, by path in the bag, and `size`
    is the sum. Raises ValueError as `bag` does.
    """
    _check_paths([*found, *tags])
    manifests = {f"manifest-{name}.txt": _manifest(found, name) for name in ALGORITHMS}
    lines = [*info, ("Payload-Oxum", f"{size}.{len(found)}")]
    beside = {
        "bagit.txt": DECLARATION,
        "bag-info.txt": "".join(map(_line, lines)).encode(),
        **tags,
        **manifests,
    }
    if len(beside) != 2 + len(tags) + len(manifests):
        raise ValueError("a tag file with the name of one of the bag's own")
    tagged = {path: digests_of(data) for path, data in beside.items()}
    tag_manifests = {f"tagmanifest-{name}.txt": _manifest(tagged, name) for name in ALGORITHMS}
    return beside | tag_manifests


def _manifest(files: Mapping[str, Digests], algorithm: str) -> bytes:
    """A line for each file, as `sha256sum --check` reads it too."""
    return "".join(f"{found[algorithm]}  {path}\n" for path, found in sorted(files.items())).encode()


def to_tar(name: str, files: Mapping[str, bytes], at: datetime) -> bytes:
    """The bag as one archive, in a folder of its name; every file is dated `at`."""
    seconds = int(at.astimezone(UTC).timestamp())
    parts: list[bytes] = []
    for path, data in sorted(files.items()):
        parts += [_header(name, path, len(data), seconds), data, bytes(-len(data) % _BLOCK)]
    return b"".join((*parts, _END))


def _header(folder: str, path: str, size: int, seconds: int) -> bytes:
    """Of a plain file (POSIX.1-1988, ustar), readable by all, of nobody in particular."""
    if size >= 8**11 or not path.isascii() or len(path) > 100 or len(folder) > 155:
        raise ValueError("no file for an archive of this format")
    before = b"%-100b%07o\0%07o\0%07o\0%011o\0%011o\0" % (b"", 0o644, 0, 0, size, seconds)
    before = path.encode().ljust(100, b"\0") + before[100:]
    after = (
        b"0" + bytes(100) + b"ustar\x0000" + bytes(64) + b"0000000\x000000000\0" + folder.encode()
    ).ljust(_BLOCK - 156, b"\0")
    return before + b"%06o\0 " % (sum(before) + 8 * 32 + sum(after)) + after


def _check_paths(paths: Iterable[str]) -> None:
    """Lower case alone: no two are one on a disk that knows no cases."""
    for path in paths:
        if len(path) > MAX_PATH or not (path == "README.txt" or _PATH.fullmatch(path)):
            raise ValueError("a path that not every system can write")


def _line(pair: tuple[str, str]) -> str:
    label, value = pair
    if not _LABEL.fullmatch(label) or not value or _BREAK.search(value) or value != value.strip():
        raise ValueError("no line of bag-info.txt")
    return f"{label}: {value}\n"
