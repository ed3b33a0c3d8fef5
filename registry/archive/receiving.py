"""A handover that another archive brings: its folder is read as a stranger's, each package is taken in or
returned, and the sender gets a signed receipt that names them all.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import NoReturn

from keys.errors import Kind, VermilionError
from keys.handover import MAX_BYTES, MAX_PIECES, SKEW, Listed, Piece, Receipt, read_list, receipt_input
from registry.actor import Administrator
from registry.archive.arrivals import Arrived, Whence, arrive
from registry.archive.bag import ALGORITHMS, digests_of
from registry.archive.checks import failed
from registry.archive.handover import LIST, SIGNED, TABLE
from registry.archive.handover_list import (
    MAX_LIST_BYTES,
    Entry,
    HandoverList,
    list_json,
    natures_told,
    read_entries,
)
from registry.archive.opened import LIMITS, listed_in
from registry.archive.partners import partners, state_signed
from registry.archive.stores import Stores
from registry.csv_text import csv_text
from registry.log.rules import Ground, record_event
from registry.ports import Ports

MAX_DEPTH = 3
_TAGS = (
    "bagit.txt",
    "bag-info.txt",
    *(f"{kind}manifest-{name}.txt" for kind in ("", "tag") for name in ALGORITHMS),
)
_COLUMNS = ("档号", "SHA-256", "结果", "原因", "真实性", "完整性", "可用性", "安全性")


@dataclass(frozen=True, slots=True)
class Received:
    """What became of a handover: the receipt (JWS), and each package in the order of the list."""

    listed: Listed
    receipt: str
    arrived: tuple[Arrived, ...]

    @property
    def refused(self) -> tuple[Arrived, ...]:
        return tuple(one for one in self.arrived if one.package_id is None)


def receive(
    ports: Ports, stores: Stores, actor: Administrator, ground: Ground, folder: Path, agency_code: str
) -> Received:
    """Take in the handover in `folder` for an agency registered here, which its list names as the receiver.
    Called again, it goes on with what is not kept yet, and gives a further receipt.

    Raises VermilionError: INVALID (`handover_folder` for anything in it that is not as it must be, or is to
    be fetched from elsewhere; `handover_list`; `handover_not_ours`; as `keys.handover.read_list`); NOT_FOUND
    (`agency_unknown`); UNAVAILABLE; as the custodian does.
    """
    listed, entries = _read(ports, folder, agency_code)
    whence = Whence(listed.sender, agency_code, listed.handover)
    arrived = []
    for entry in entries:
        tar = _file(folder, entry.path, LIMITS.total)
        digest = bytes.fromhex(entry.sha256)
        arrived.append(arrive(ports, stores, actor, ground, tar, whence, digest, entry))
    receipt = Receipt(
        handover=listed.handover,
        list_sha256=listed.list_sha256,
        receiver=listed.receiver,
        received_at=ports.clock().replace(microsecond=0),
        pieces=tuple(
            Piece(entry.number, entry.package, entry.sha256, _reason(one))
            for entry, one in zip(entries, arrived, strict=True)
        ),
    )
    signed = state_signed(ports, "receipt", lambda suite, chain: receipt_input(receipt, suite, chain))
    received = Received(listed, signed, tuple(arrived))
    _record(ports, actor, ground, received, agency_code)
    return received


def returned_table(arrived: Sequence[Arrived]) -> bytes:
    """What became of each package, for people, as CSV."""
    rows = [
        (
            one.number, one.sha256, "退回" if one.package_id is None else "接收", one.reason,
            *natures_told(one.findings),
        )
        for one in arrived
    ]  # fmt: skip
    return csv_text(_COLUMNS, rows).encode()


def _reason(arrived: Arrived) -> str | None:
    if arrived.package_id is not None:
        return None
    items = ",".join(one.item for one in failed(arrived.findings))
    return f"{arrived.reason}: {items}"[:80].rstrip(" :,")


def _read(ports: Ports, folder: Path, agency_code: str) -> tuple[Listed, tuple[Entry, ...]]:
    """The list, signed by somebody who is known; and nothing in the folder that it does not name."""
    found = _walked(folder)
    listed = read_list(_file(folder, SIGNED, MAX_BYTES), partners(ports.settings.archive_partners))
    said = _file(folder, LIST, MAX_LIST_BYTES)
    if sha256(said).hexdigest() != listed.list_sha256:
        _refuse("the list is not the one that was signed")
    entries = read_entries(said)
    whole = HandoverList(listed.handover, listed.sender, listed.receiver, listed.made_at, entries)
    if list_json(whole) != said or len(entries) != listed.packages:
        raise VermilionError(
            Kind.INVALID, "the list says otherwise than what was signed", reason="handover_list"
        )
    if listed.receiver.code != agency_code:
        raise VermilionError(Kind.INVALID, "the handover is to another archive", reason="handover_not_ours")
    if listed.made_at > ports.clock() + SKEW:
        raise VermilionError(Kind.INVALID, "the handover was made in the future", reason="handover_list")
    payload = {LIST, TABLE, SIGNED, *(one.path for one in entries)}
    if found != payload | set(_TAGS):
        strange = min(found ^ (payload | set(_TAGS)))
        _refuse(f"it holds what the list does not name, or lacks what it does: {strange[:120]}")
    for entry in entries:
        size = (folder / entry.path).stat().st_size
        if size != entry.size or size > LIMITS.total:
            _refuse("a package is not as long as the list says, or too long")
    _require_whole(
        folder, entries, {path: _file(folder, path, MAX_LIST_BYTES) for path in (LIST, TABLE, SIGNED)}
    )
    return listed, entries


def _require_whole(folder: Path, entries: Sequence[Entry], short: Mapping[str, bytes]) -> None:
    """The manifests name the payload, and each file but the packages is as they say; those are looked at one
    by one.
    """
    manifests = {
        name: listed_in(_file(folder, f"manifest-{name}.txt", MAX_LIST_BYTES)) for name in ALGORITHMS
    }
    for name, listed in manifests.items():
        if listed.keys() != {*short, *(one.path for one in entries)}:
            _refuse("a manifest does not name the payload")
        if any(digests_of(data)[name] != listed[path] for path, data in short.items()):
            _refuse("a file is not what its manifest says")
    if any(manifests["sha256"][one.path] != one.sha256 for one in entries):
        _refuse("list and manifest differ")
    tags = {path: _file(folder, path, MAX_LIST_BYTES) for path in _TAGS if not path.startswith("tag")}
    for name in ALGORITHMS:
        listed = listed_in(_file(folder, f"tagmanifest-{name}.txt", MAX_LIST_BYTES))
        if listed != {path: digests_of(data)[name] for path, data in tags.items()}:
            _refuse("a file beside the payload is not what its manifest says")


def _walked(folder: Path) -> set[str]:
    """Paths of all files, none of which is a link or a device. Raises VermilionError(INVALID)."""
    found: set[str] = set()
    waiting = [(folder, 0)]
    try:
        while waiting:
            at, depth = waiting.pop()
            with os.scandir(at) as inside:
                for one in inside:
                    if one.is_dir(follow_symlinks=False) and depth < MAX_DEPTH:
                        waiting.append((Path(one.path), depth + 1))
                    elif one.is_file(follow_symlinks=False):
                        found.add(Path(one.path).relative_to(folder).as_posix())
                    else:
                        _refuse("it holds a link, a device, or folders too deep")
            if len(found) > 2 * MAX_PIECES:
                _refuse("it holds too many files")
    except (OSError, ValueError) as error:
        raise VermilionError(Kind.INVALID, "the folder cannot be read", reason="handover_folder") from error
    return found


def _file(folder: Path, path: str, longest: int) -> bytes:
    """A plain file, by no link. Raises VermilionError(INVALID)."""
    try:
        descriptor = os.open(folder / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                _refuse("it holds what is no file")
            data = file.read(longest + 1)
    except OSError as error:
        raise VermilionError(Kind.INVALID, "a file of it cannot be read", reason="handover_folder") from error
    if len(data) > longest:
        _refuse("a file of it is too long")
    return data


def _record(ports: Ports, actor: Administrator, ground: Ground, received: Received, agency_code: str) -> None:
    with ports.database.transaction() as session:
        record_event(
            session,
            kind="handover.received",
            subject_kind="agency",
            subject=agency_code,
            ground=ground,
            actor=actor,
            now=ports.clock(),
            random=ports.random,
            detail={
                "handover": received.listed.handover,
                "from": received.listed.sender.code,
                "accepted": len(received.arrived) - len(received.refused),
                "refused": len(received.refused),
                "receipt": sha256(received.receipt.encode()).hexdigest(),
            },
        )


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(
        Kind.INVALID, f"the handover's folder is refused: {detail}", reason="handover_folder"
    )
