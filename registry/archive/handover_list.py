"""The list of a handover (移交清单): for machines as canonical JSON, which is signed; for people as a table.

Its columns are named by the terms of DA/T 48 and GB/T 42727; the annexes that say how they are laid out were
not at hand. With each package stand its digest and every item of the four-nature check at the handover.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from keys.canonical import canonical_json, strict_json
from keys.errors import Kind, VermilionError
from keys.handover import MAX_PIECES, Archive
from registry.archive.checks import failed, packed, unpacked
from registry.archive.natures import Finding, Nature
from registry.csv_text import csv_text
from signing.verdict import instant

MAX_LIST_BYTES = 24 * 1024 * 1024
MAX_SEQUENCE = 10_000
"""Of the packages of one number: each is there since something happened."""
COLUMNS = (
    "序号", "档号", "全宗号", "目录号", "年度", "保管期限", "题名", "标识", "电子文件号", "版次",
    "文件数", "字节数", "SHA-256", "真实性", "完整性", "可用性", "安全性",
)  # fmt: skip
_PASSED, _FAILED = "通过", "不通过"
_HEX32, _HEX64 = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Entry:
    """A package of a list."""

    number: str
    fonds: str
    catalogue: str
    year: int
    retention: str
    title: str
    identifier: str
    package: str
    sequence: int
    items: int
    size: int
    sha256: str
    findings: tuple[Finding, ...]

    @property
    def path(self) -> str:
        """Below the handover's folder."""
        return f"data/packages/{self.package}.tar"


@dataclass(frozen=True, slots=True)
class HandoverList:
    handover: str
    sender: Archive
    receiver: Archive
    made_at: datetime
    entries: tuple[Entry, ...]


def list_json(listed: HandoverList) -> bytes:
    return canonical_json(
        {
            "v": 1,
            "handover": listed.handover,
            "from": {"code": listed.sender.code, "name": listed.sender.name},
            "to": {"code": listed.receiver.code, "name": listed.receiver.name},
            "made_at": instant(listed.made_at),
            "packages": [_said(one) for one in listed.entries],
        }
    )


def list_table(listed: HandoverList) -> bytes:
    """For people, as CSV."""
    rows = [
        (
            number, one.number, one.fonds, one.catalogue, one.year, one.retention, one.title, one.identifier,
            one.package, one.sequence, one.items, one.size, one.sha256, *natures_told(one.findings),
        )
        for number, one in enumerate(listed.entries, 1)
    ]  # fmt: skip
    return csv_text(COLUMNS, rows).encode()


def natures_told(findings: Sequence[Finding]) -> list[str]:
    """Of each nature whether it passed, and which items did not."""
    told = []
    for nature in Nature:
        wrong = [one.item for one in failed(findings) if one.nature is nature]
        told.append(f"{_FAILED}：{'、'.join(wrong)}" if wrong else _PASSED)
    return told


def read_entries(data: bytes) -> tuple[Entry, ...]:
    """The packages of a list that came from elsewhere, signed; each once.

    Raises VermilionError(INVALID, `handover_list`) for any other form.
    """
    try:
        value = strict_json(data, max_bytes=MAX_LIST_BYTES, max_depth=6)
        if canonical_json(value) != data or set(value) != _MEMBERS or value["v"] != 1:
            _refuse("it is not in its one form")
        packages = value["packages"]
        if not isinstance(packages, list) or not 1 <= len(packages) <= MAX_PIECES:
            _refuse("it names no package, or too many")
        entries = tuple(_entry(one) for one in packages)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        _refuse(f"it has other members ({type(error).__name__})")
    for once in (
        {one.package for one in entries},
        {one.sha256 for one in entries},
        {(one.number, one.sequence) for one in entries},
    ):
        if len(once) != len(entries):
            _refuse("it names a package twice")
    return entries


def unlistable(entry: Entry) -> str | None:
    """Why whoever reads a list with this entry would refuse all of it; None where nobody would."""
    try:
        _entry(_said(entry))
    except VermilionError as error:
        return error.detail
    return None


def as_title(text: str) -> str:
    """A description as a line of a list: what is no printable character (an ideographic space, say) is a
    space.
    """
    plain = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(plain.split())[: _TEXTS["title"]].strip()


_MEMBERS = {"v", "handover", "from", "to", "made_at", "packages"}
_TEXTS = {
    "number": 100, "fonds": 40, "catalogue": 40, "retention": 10, "title": 300, "identifier": 120,
}  # fmt: skip
_NUMBERS = ("year", "sequence", "items", "size")


def _said(one: Entry) -> dict[str, Any]:
    return {
        "number": one.number,
        "fonds": one.fonds,
        "catalogue": one.catalogue,
        "year": one.year,
        "retention": one.retention,
        "title": one.title,
        "identifier": one.identifier,
        "package": one.package,
        "sequence": one.sequence,
        "items": one.items,
        "size": one.size,
        "sha256": one.sha256,
        "path": one.path,
        "findings": packed(one.findings),
    }


def _entry(value: Any) -> Entry:
    """Raises TypeError, ValueError, KeyError, AttributeError; VermilionError."""
    for name, longest in _TEXTS.items():
        text = value[name]
        if not isinstance(text, str) or not 1 <= len(text) <= longest or not text.isprintable():
            _refuse(f"{name} is no line of text")
    if any(type(value[name]) is not int or not 0 <= value[name] < 2**53 for name in _NUMBERS):
        _refuse("a number is none")
    if not 1 <= value["sequence"] <= MAX_SEQUENCE:
        _refuse("a sequence is none")
    if not _HEX32.fullmatch(value["package"]) or not _HEX64.fullmatch(value["sha256"]):
        _refuse("an id or a digest is none")
    entry = Entry(
        **{name: value[name] for name in (*_TEXTS, *_NUMBERS, "package", "sha256")},
        findings=unpacked(value["findings"]),
    )
    if _said(entry) != value:
        _refuse("a package has other members")
    return entry


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, f"not a list of a handover: {detail}", reason="handover_list")
