"""Bags (BagIt 1.0, RFC 8493): files in a folder with the digests of each, readable without software of ours.

A bag is kept, and carried, as one uncompressed tar archive (RFC 8493, 4.2): any system opens it, what it
holds is as long as it says, and the same bag is the same bytes.
"""

from __future__ import annotations

import re
import tarfile
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
_BLOCK = 512
_END = bytes(2 * _BLOCK)


def bag(
    payload: Mapping[str, bytes], info: Iterable[tuple[str, str]], tags: Mapping[str, bytes]
) -> dict[str, bytes]:
    """The files of a bag, by path: `payload` lies under `data/`, `tags` beside it, `info` is bag-info.txt.

    Raises ValueError for paths that not every system can write, and for what is no line of bag-info.txt.
    """
    files = {PAYLOAD + path: data for path, data in payload.items()}
    _check_paths([*files, *tags])
    manifests = {f"manifest-{name}.txt": manifest(files, name) for name in ALGORITHMS}
    size = sum(map(len, payload.values()))
    lines = [*info, ("Payload-Oxum", f"{size}.{len(payload)}")]
    beside = {
        "bagit.txt": DECLARATION,
        "bag-info.txt": "".join(map(_line, lines)).encode(),
        **tags,
        **manifests,
    }
    if len(beside) != 2 + len(tags) + len(manifests):
        raise ValueError("a tag file with the name of one of the bag's own")
    tag_manifests = {f"tagmanifest-{name}.txt": manifest(beside, name) for name in ALGORITHMS}
    return files | beside | tag_manifests


def manifest(files: Mapping[str, bytes], algorithm: str) -> bytes:
    """A line for each file, as `sha256sum --check` reads it too."""
    lines = (f"{new_hash(algorithm, data).hexdigest()}  {path}\n" for path, data in sorted(files.items()))
    return "".join(lines).encode()


def to_tar(name: str, files: Mapping[str, bytes], at: datetime) -> bytes:
    """The bag as one archive, in a folder of its name; every file is dated `at`."""
    seconds = int(at.astimezone(UTC).timestamp())
    parts: list[bytes] = []
    for path, data in sorted(files.items()):
        header = tarfile.TarInfo(f"{name}/{path}")
        header.size, header.mtime, header.mode = len(data), seconds, 0o644
        parts += [header.tobuf(tarfile.USTAR_FORMAT), data, bytes(-len(data) % _BLOCK)]
    return b"".join((*parts, _END))


def _check_paths(paths: Iterable[str]) -> None:
    """Lower case alone: no two are one on a disk that knows no cases."""
    for path in paths:
        if len(path) > MAX_PATH or not (path == "README.txt" or _PATH.fullmatch(path)):
            raise ValueError("a path that not every system can write")


def _line(pair: tuple[str, str]) -> str:
    label, value = pair
    if not _LABEL.fullmatch(label) or not value or not value.isprintable() or value != value.strip():
        raise ValueError("no line of bag-info.txt")
    return f"{label}: {value}\n"
