"""Packages as they come back, from a store or from elsewhere: opened strictly, or not at all.

A tar archive is told apart by hand, since what a general reader forgives is what an attacker writes: links,
devices, sparse files, two files of one name, a path that leads out, sizes that lie. A bag is whole only if
each manifest names each file once, with its digest, and nothing else; what it would have fetched from
somewhere is refused.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import new as new_hash
from typing import NoReturn

from keys.errors import Kind, VermilionError
from registry.archive.bag import ALGORITHMS, PAYLOAD

_BLOCK = 512
_OCTAL = re.compile(rb"[0-7]{1,11}")
_MANIFEST = re.compile(r"(tag)?manifest-(sha256|sha512)\.txt")
_OTHER_MANIFEST = re.compile(r"(tag)?manifest-.*\.txt", re.IGNORECASE)
_LINE = re.compile(r"([0-9A-Fa-f]+)[ \t]+\*?([^ \t*].*)")
_DECLARED = re.compile(r"BagIt-Version: (0\.97|1\.0)\nTag-File-Character-Encoding: UTF-8\n?")
_READ = {name.casefold(): name for name in ("External-Identifier", "External-Description", "Payload-Oxum")}
"""Labels of bag-info.txt that are read here: of any case (RFC 8493, 2.2.2), and each once."""
_NEWLINE = re.compile(r"\r\n|\n|\r")
_NO_FILE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
"""Names that some systems keep for devices."""
_MANIFEST_BYTES, _TAG_BYTES = 4 * 1024 * 1024, 64 * 1024
"""More than a manifest of as many files as are taken needs, and than anybody says of a bag: each line becomes
a text of its own, many times as large.
"""
_OXUM = re.compile(r"([0-9]{1,15})\.([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Limits:
    """Of what is opened at all."""

    total: int = 256 * 1024 * 1024  # bytes of the archive
    files: int = 5000
    path: int = 240  # bytes
    depth: int = 12


LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Opened:
    """A bag that is whole: the folder it was in, and its files by path within it."""

    name: str
    files: Mapping[str, bytes]
    info: Mapping[str, str]  # bag-info.txt, the last of each label
    digests: Mapping[str, Mapping[str, str]]  # of the payload, hex, by algorithm: as the manifests have them


def open_package(tar: bytes, limits: Limits = LIMITS) -> Opened:
    """Raises VermilionError(INVALID): `package_archive` for what is no archive of plain files in one folder,
    `package_size` for too much, `package_path` for a path that leads elsewhere or stands twice,
    `package_fetch` for a bag that is to be completed from elsewhere, `package_bag` for one that is not whole.
    """
    if len(tar) > limits.total:
        _refuse("package_size", "the archive is too large")
    found: dict[str, bytes] = {}
    spelled: dict[str, str] = {}
    for path, data in _members(tar, limits):
        name = _checked(path, limits)
        folded = _folded(name)
        if folded in spelled:
            _refuse("package_path", "two files would have one name")
        spelled[folded] = name
        if data is not None:
            found[name] = data
    tops = {path.partition("/")[0] for path in spelled.values()}
    if len(tops) != 1 or any("/" not in path for path in found):
        _refuse("package_archive", "a bag lies in one folder, and nothing beside it")
    (top,) = tops
    _no_folder_is_another(spelled.values(), found)
    files = {path.partition("/")[2]: data for path, data in found.items()}
    info = check_bag(files)
    by_algorithm = {
        name: listed_in(files[f"manifest-{name}.txt"])
        for name in ALGORITHMS
        if f"manifest-{name}.txt" in files
    }
    payload = [path for path in files if path.startswith(PAYLOAD)]
    digests = {path: {name: listed[path] for name, listed in by_algorithm.items()} for path in payload}
    return Opened(top, files, info, digests)


def check_bag(files: Mapping[str, bytes]) -> dict[str, str]:
    """See that a bag is whole; what its bag-info.txt says. Raises VermilionError(INVALID) as above."""
    if any(path.casefold() == "fetch.txt" for path in files):
        _refuse("package_fetch", "a bag that is to be completed from elsewhere is not taken")
    if not _DECLARED.fullmatch(_text(files.get("bagit.txt", b""))):
        _refuse("package_bag", "bagit.txt does not declare a bag")
    payload = {path for path in files if path.startswith(PAYLOAD)}
    named = {path: found for path in files if (found := _MANIFEST.fullmatch(path)) is not None}
    longest = dict.fromkeys(named, _MANIFEST_BYTES) | dict.fromkeys(("bagit.txt", "bag-info.txt"), _TAG_BYTES)
    for path, most in longest.items():
        if len(files.get(path, b"")) > most:
            _refuse("package_bag", f"{path} is too long")
    if any(_OTHER_MANIFEST.fullmatch(path) and path not in named for path in files):
        _refuse("package_bag", "a manifest is by an algorithm that is not taken")
    if not payload or not any(found[1] is None for found in named.values()):
        _refuse("package_bag", "the bag has no payload, or no manifest of it")
    for path, found in named.items():
        listed = listed_in(files[path])
        if found[1] is None and listed.keys() != payload:
            _refuse("package_bag", f"{path} does not name the payload, each file once")
        if found[1] is not None:
            tags = files.keys() - payload - {one for one, other in named.items() if other[1] is not None}
            if listed.keys() != tags:
                _refuse("package_bag", f"{path} does not name the tag files, each once")
        for name, digest in listed.items():
            if new_hash(found[2], files[name]).hexdigest() != digest:
                _refuse("package_bag", "a file is not what its manifest says")
    info = _info(files.get("bag-info.txt", b""))
    if "Payload-Oxum" in info:
        oxum = _OXUM.fullmatch(info["Payload-Oxum"])
        counted = sum(len(files[path]) for path in payload), len(payload)
        if oxum is None or (int(oxum[1]), int(oxum[2])) != counted:
            _refuse("package_bag", "the payload is not as much as bag-info.txt says")
    return info


def _members(tar: bytes, limits: Limits) -> Iterator[tuple[str, bytes | None]]:
    """Each plain file; a folder as a path without data."""
    if len(tar) % _BLOCK:
        _refuse("package_archive", "not whole blocks")
    at = count = 0
    while True:
        header = tar[at : at + _BLOCK]
        if len(header) < _BLOCK:
            _refuse("package_archive", "the archive ends in the middle")
        if header.count(0) == _BLOCK:
            break
        count += 1
        if count > limits.files:
            _refuse("package_size", "too many files")
        if _number(header[148:156]) != sum(header[:148]) + sum(header[156:]) + 8 * 32:
            _refuse("package_archive", "a header's sum is wrong")
        if header[257:265] not in (b"ustar\x0000", b"ustar  \x00"):
            _refuse("package_archive", "not an archive of the ustar format")
        kind, size = header[156:157], _number(header[124:136])
        prefix = header[345:500].rstrip(b"\0") if header[257:265] == b"ustar\x0000" else b""
        raw = header[:100].rstrip(b"\0")
        path = _text(prefix + b"/" + raw if prefix else raw, "package_path")
        at += _BLOCK
        if kind == b"5" and size == 0:
            yield path.removesuffix("/"), None
            continue
        if kind not in (b"0", b"\0") or header[157:257].strip(b"\0"):
            _refuse("package_archive", "a link, a device, or an extension of the format")
        end = at + size
        if end > len(tar):
            _refuse("package_archive", "a file is longer than the archive")
        yield path, tar[at:end]
        at = end + -size % _BLOCK
        if tar[end:at].strip(b"\0"):
            _refuse("package_archive", "something is hidden behind a file")
    if tar.count(0, at) != len(tar) - at or len(tar) - at < 2 * _BLOCK:
        _refuse("package_archive", "something follows the end of the archive")


def _number(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not _OCTAL.fullmatch(digits):
        _refuse("package_archive", "a number of a header is none")
    return int(digits, 8)


def _checked(path: str, limits: Limits) -> str:
    """A path that stays below the folder, and means the same on every system."""
    parts = path.split("/")
    if (
        len(path.encode()) > limits.path
        or len(parts) > limits.depth
        or not path.isprintable()
        or any(part in ("", ".", "..") or part != part.strip(" .") for part in parts)
        or any(character in path for character in '\\:*?"<>|%')
        or any(_NO_FILE.fullmatch(part) for part in parts)
    ):
        _refuse("package_path", "a path leads elsewhere, or is not one on every system")
    return path


def _folded(path: str) -> str:
    """The same for what is one name to a system that tells no cases apart, nor ways to write a letter."""
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def _no_folder_is_another(paths: Iterable[str], files: Mapping[str, bytes]) -> None:
    """Each folder is spelled in one way, and is no file; whether it has a member of its own or not."""
    folders: dict[str, str] = {}
    for path in paths:
        for at, character in enumerate(path):
            if character == "/" and folders.setdefault(_folded(path[:at]), path[:at]) != path[:at]:
                _refuse("package_path", "two folders would have one name")
    if any(_folded(path) in folders for path in files):
        _refuse("package_path", "a file is a folder, too")


def listed_in(manifest: bytes) -> dict[str, str]:
    """Digests by path, as a manifest has them, each path once. Raises VermilionError(INVALID)."""
    found: dict[str, str] = {}
    for line in _text(manifest).splitlines():
        parts = _LINE.fullmatch(line)
        if parts is None or parts[2] in found:
            _refuse("package_bag", "a line of a manifest is none, or names a file again")
        found[parts[2]] = parts[1].lower()
    return found


def _info(data: bytes) -> dict[str, str]:
    found: dict[str, str] = {}
    label = ""
    lines = _NEWLINE.split(_text(data))
    for line in lines if lines[-1] else lines[:-1]:
        if any(unicodedata.category(one) in ("Cc", "Zl", "Zp") for one in line if one != "\t"):
            _refuse("package_bag", "bag-info.txt holds a character that is none of a line")
        if line[:1] in (" ", "\t") and label:
            found[label] += " " + line.strip()
            continue
        label, colon, value = line.partition(":")
        label = label.rstrip()  # 0.97 lets space stand before the colon
        if not colon or not label or label != label.strip() or not label.isprintable():
            _refuse("package_bag", "a line of bag-info.txt is none")
        label = _READ.get(label.casefold(), label)
        if label in found and label in _READ.values():
            _refuse("package_bag", f"bag-info.txt says {label} twice")
        found[label] = value.strip()
    return found


def _text(data: bytes, reason: str = "package_bag") -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        _refuse(reason, "not UTF-8")


def _refuse(reason: str, detail: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
