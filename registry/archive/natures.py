"""The four-nature check (四性检测, DA/T 70): is a package authentic, whole, usable and safe, item by item.

For a package that comes in, is handed over or is looked at in store. Each item has its finding, so that one
that fails is returned with the list. Signatures of sealed documents are judged by whoever knows whom to
trust.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from xml.etree.ElementTree import Element, ParseError, fromstring

from keys.errors import VermilionError
from registry.archive.bag import ALGORITHMS, PAYLOAD, digests_of
from registry.archive.contents import FORMATS
from registry.archive.metadata import METADATA, NAMESPACE
from registry.archive.opened import LIMITS, Limits, Opened, open_package
from registry.archive.premis import PREMIS

MAX_METADATA = 8 * 1024 * 1024
_BEGINNINGS: Mapping[str, tuple[bytes, ...]] = {
    "pdf": (b"%PDF-",), "ofd": (b"PK\x03\x04",), "png": (b"\x89PNG\r\n\x1a\n",), "jpg": (b"\xff\xd8\xff",),
    "tif": (b"II*\0", b"MM\0*"), "xml": (b"<?xml",),
    "cer": (b"0",), "crl": (b"0",), "ors": (b"0",), "tst": (b"0",),
}  # fmt: skip
_WANTED = ("聚合层次", "来源/全宗号", "来源/立档单位名称", "档号", "年度", "保管期限", "题名", "办结日期")
_OF_THE_PACKAGE = {PAYLOAD + METADATA, PAYLOAD + PREMIS}
"""What its metadata do not list: themselves."""
_DESCRIBED = (
    *_WANTED[1:], "来源/立档单位代码", "目录号", "标识", "事项/编码", "归档缘由", "保管期限截止日期",
)  # fmt: skip


class Nature(StrEnum):
    AUTHENTICITY = "authenticity"  # 真实性
    INTEGRITY = "integrity"  # 完整性
    USABILITY = "usability"  # 可用性
    SECURITY = "security"  # 安全性


@dataclass(frozen=True, slots=True)
class Finding:
    """`detail` says what is wrong; "" where the item passed."""

    nature: Nature
    item: str
    detail: str = ""

    @property
    def passed(self) -> bool:
        return not self.detail


def four_natures(
    tar: bytes,
    *,
    digest: bytes | None = None,
    infected: Callable[[bytes], bool] | None = None,
    limits: Limits = LIMITS,
) -> list[Finding]:
    """Every item's finding. `digest` is the SHA-256 that was registered or announced, where there is one;
    `infected` a scanner for malware, where there is one. Whatever is wrong is a finding; nothing is raised.
    """
    return looked_at(tar, digest=digest, infected=infected, limits=limits)[0]


def looked_at(
    tar: bytes,
    *,
    digest: bytes | None = None,
    infected: Callable[[bytes], bool] | None = None,
    limits: Limits = LIMITS,
) -> tuple[list[Finding], Opened | None]:
    """As `four_natures`, and what was opened; None where it is no package."""
    found = []
    if digest is not None:
        same = sha256(tar).digest() == digest
        found.append(Finding(Nature.AUTHENTICITY, "received_as_sent", "" if same else "other bytes"))
    try:
        opened = open_package(tar, limits)
    except VermilionError as error:
        opens = Finding(Nature.SECURITY, "package_opens", f"{error.reason}: {error.detail}")
        return [*found, opens], None
    found.append(Finding(Nature.SECURITY, "package_opens"))
    found.append(Finding(Nature.INTEGRITY, "manifests"))  # else it would not have opened
    if infected is not None:
        bad = [path for path, data in sorted(opened.files.items()) if infected(data)]
        found.append(Finding(Nature.SECURITY, "malware", _named(bad)))
    found += _usable(opened)
    metadata = _metadata(opened)
    if isinstance(metadata, str):
        return [*found, Finding(Nature.USABILITY, "metadata_readable", metadata)], opened
    found.append(Finding(Nature.USABILITY, "metadata_readable"))
    return [*found, *_whole(opened, metadata), *_authentic(opened, metadata)], opened


def described_by(opened: Opened) -> Mapping[str, str]:
    """What the metadata of a package that passed say of it, by the names of their elements; only those that
    stand there once, and say anything.
    """
    root = _metadata(opened)
    if isinstance(root, str):
        return {}
    found = {name: _texts(root, name) for name in _DESCRIBED}
    return {name: texts[0] for name, texts in found.items() if len(texts) == 1 and texts[0]}


def _usable(opened: Opened) -> Iterator[Finding]:
    payload = sorted(path for path in opened.files if path.startswith(PAYLOAD))
    strange = [path for path in payload if _ending(path) not in FORMATS]
    yield Finding(Nature.USABILITY, "formats_kept", _named(strange))
    other = [path for path in payload if not _begins(path, opened.files[path])]
    yield Finding(Nature.USABILITY, "formats_as_named", _named(other))


def _named(paths: Iterable[str]) -> str:
    """What a package calls nothing at all is named as well, else nothing would be wrong with it."""
    return ", ".join(path or "(no path)" for path in paths)


def _ending(path: str) -> str:
    return path.rpartition(".")[2]


def _begins(path: str, data: bytes) -> bool:
    beginning = _BEGINNINGS.get(_ending(path))
    return beginning is None or data.startswith(beginning)


def _metadata(opened: Opened) -> Element | str:
    """Parsed, or what is wrong. A document type would bring entities along, which no package of ours has."""
    data = opened.files.get(PAYLOAD + METADATA)
    if data is None:
        return "there is none"
    if len(data) > MAX_METADATA or b"<!" in data or data.startswith((b"\xff", b"\xfe")) or b"\0" in data:
        return "too long, or with a document type"
    try:
        root = fromstring(data)  # noqa: S314  (no document type: nothing to expand)
    except (ParseError, ValueError, LookupError):
        return "not XML"
    return root if root.tag == f"{{{NAMESPACE}}}电子档案元数据" else "of another kind"


def _texts(root: Element, path: str) -> list[str]:
    steps = "/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/"))
    return [one.text or "" for one in root.findall(steps)]


def _whole(opened: Opened, root: Element) -> Iterator[Finding]:
    missing = [name for name in _WANTED if not any(_texts(root, name))]
    yield Finding(Nature.INTEGRITY, "metadata_complete", ", ".join(missing))
    named = _texts(root, "电子文件列表/电子文件/路径")
    there = {path for path in opened.files if path.startswith(PAYLOAD)} - _OF_THE_PACKAGE
    wrong = sorted(there.symmetric_difference(named)) or ["named twice"] * (len(named) != len(there))
    yield Finding(Nature.INTEGRITY, "files_as_listed", _named(wrong))
    done = _texts(root, "业务行为列表/业务行为/行为")
    yield Finding(Nature.INTEGRITY, "handling_recorded", "" if done else "no act is on record")


def _authentic(opened: Opened, root: Element) -> Iterator[Finding]:
    wrong = [path for path, said in _said(root).items() if said != _found(opened, path)]
    yield Finding(Nature.AUTHENTICITY, "content_as_described", _named(sorted(wrong)))
    number, bagged = _texts(root, "档号"), opened.info.get("External-Identifier")
    yield Finding(Nature.AUTHENTICITY, "one_number", "" if number == [bagged] else "档号 differs within")


def _said(root: Element) -> Mapping[str, tuple[str, dict[str, str]]]:
    """Of each file its size and digests, as the metadata have them."""
    said = {}
    for one in root.findall(f"{{{NAMESPACE}}}电子文件列表/{{{NAMESPACE}}}电子文件"):
        digests = {
            digest.get("算法", ""): digest.text or "" for digest in one.findall(f"{{{NAMESPACE}}}摘要值")
        }
        path = one.findtext(f"{{{NAMESPACE}}}路径") or ""
        said[path] = (one.findtext(f"{{{NAMESPACE}}}大小") or "", digests)
    return said


def _found(opened: Opened, path: str) -> tuple[str, dict[str, str]] | None:
    data = opened.files.get(path)
    if data is None:
        return None
    known = opened.digests.get(path, {})
    return str(len(data)), dict(known if len(known) == len(ALGORITHMS) else digests_of(data))
