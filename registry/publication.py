"""What relying parties need, as files that any web server can serve: trust list, status lists, CRLs and the
certificates of the authorities, with an index.

Read by the public site's role, which can write nothing; everything is signed already. A file is replaced as a
whole, and only by another content; nothing older ever takes the place of something newer.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from keys.canonical import strict_json
from keys.errors import Kind, VermilionError
from keys.files import sync
from keys.profiles import ProfileName
from keys.status_list import CWT_TYPE, JWT_MEDIA_TYPE
from registry.licences.outage import database_errors
from registry.licences.status_read import SignedLists
from registry.seals.tables import Certificate, CertificateAuthority, PublishedTrustList, RevocationList
from signing.bundle import TRUST_LIST, status_path
from signing.verdict import instant

INDEX = "index.json"
MARKER = ".vermilion-publish"  # a folder that holds it is ours to write in; locked while somebody does
_ASIDE = ".publish-"
_OURS = re.compile(
    r"index\.json|\.well-known/elicence/trust-list|status/(?:index\.json|[0-9]{1,9}(?:\.cwt)?)"
    r"|(?:crl/[0-9a-f]{40}\.crl)|(?:ca/[0-9a-f]{40}\.cer)"
)
_MAX_INDEX = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """A file to publish. Of one path, what was issued later is the newer one."""

    path: str
    media_type: str
    data: bytes
    issued_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Paths, in order. `kept`: what lay there was newer than what the database gave, as a replica may."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]


def publish_to(engine: Engine, folder: Path) -> Report:
    """Bring the folder up to date, which is made where it is missing.

    Raises VermilionError: UNAVAILABLE without a database or trust list, for a folder that cannot be written,
    and while another process publishes there; INVALID for one that holds other things.
    """
    files = list(gather(engine))
    try:
        with _alone(folder):
            return _write(folder, files)
    except OSError as error:
        raise VermilionError(
            Kind.UNAVAILABLE, f"{folder} cannot be written: {error.strerror}", reason="folder"
        ) from error


def gather(engine: Engine) -> Iterator[File]:
    """All files but the index; the trust list first, since whoever has a status list has to know its key.

    Raises VermilionError(UNAVAILABLE).
    """
    with database_errors(), Session(engine) as session:
        newest = select(PublishedTrustList).order_by(PublishedTrustList.sequence.desc()).limit(1)
        trust = session.scalars(newest).one_or_none()
        if trust is None:
            raise VermilionError(Kind.UNAVAILABLE, "no trust list is published yet", reason="no_trust_list")
        yield File(
            TRUST_LIST, "application/jwt", trust.jws.encode("ascii"), trust.issued_at, trust.expires_at
        )
        yield from _authorities(session)
    yield from _status_lists(SignedLists(engine))


def _authorities(session: Session) -> Iterator[File]:
    certificates = session.execute(
        select(CertificateAuthority.name, Certificate.der, Certificate.not_before, Certificate.not_after)
        .join(Certificate, Certificate.key_id == CertificateAuthority.key_id)
        .where(Certificate.der.is_not(None), Certificate.profile != ProfileName.ROOT_LINK)
        .order_by(CertificateAuthority.name)
    )
    for name, der, not_before, not_after in certificates:
        path = f"ca/{name}.cer"
        yield File(path, "application/pkix-cert", der or b"", not_before, not_after)
    newest = (
        select(RevocationList.ca_key_id, func.max(RevocationList.number).label("number"))
        .where(RevocationList.der.is_not(None))
        .group_by(RevocationList.ca_key_id)
        .subquery()
    )
    lists = session.execute(
        select(CertificateAuthority.name, RevocationList)
        .join(RevocationList, RevocationList.ca_key_id == CertificateAuthority.key_id)
        .join(
            newest,
            (newest.c.ca_key_id == RevocationList.ca_key_id) & (newest.c.number == RevocationList.number),
        )
        .order_by(CertificateAuthority.name)
    )
    for name, row in lists:
        yield File(
            f"crl/{name}.crl", "application/pkix-crl", row.der or b"", row.this_update, row.next_update
        )


def _status_lists(lists: SignedLists) -> Iterator[File]:
    addresses = lists.addresses()
    for number in addresses:
        for cwt, media_type in ((False, JWT_MEDIA_TYPE), (True, CWT_TYPE)):
            found = lists.newest(number, cwt=cwt)
            if found is not None:
                yield File(
                    status_path(number, cwt=cwt), media_type, found.token, found.issued_at, found.expires_at
                )
    aggregation = json.dumps({"status_lists": list(addresses.values())}) + "\n"
    yield File("status/index.json", "application/json", aggregation.encode())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time in a folder of ours. Raises VermilionError(INVALID, UNAVAILABLE), OSError."""
    _directory(folder)
    marker = folder / MARKER
    if not marker.exists() and any(folder.iterdir()):
        raise VermilionError(
            Kind.INVALID, f"{folder} holds other things: name an empty folder, or a new one", reason="folder"
        )
    with marker.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise VermilionError(
                Kind.UNAVAILABLE, f"another process publishes to {folder}", reason="folder_busy"
            ) from None
        yield


def _write(folder: Path, files: Sequence[File]) -> Report:
    for stray in folder.rglob(f"{_ASIDE}*"):  # of a process that died
        stray.unlink(missing_ok=True)
    before = _index(folder)
    written, kept, entries = [], [], {}
    for file in files:
        entry = _entry(file)
        lies = before.get(file.path)
        if lies is not None and _is_newer(lies, entry) and (folder / file.path).exists():
            kept.append(file.path)
            entry = lies
        elif _replace(folder, file.path, file.data):
            written.append(file.path)
        entries[file.path] = entry
    removed = [path for path in before if path not in entries and _OURS.fullmatch(path) and path != INDEX]
    index = json.dumps({"files": list(entries.values())}, indent=1) + "\n"
    if _replace(folder, INDEX, index.encode()):
        written.append(INDEX)
    for path in removed:  # after the index, which names them no more
        (folder / path).unlink(missing_ok=True)
    return Report(tuple(written), tuple(removed), tuple(kept))


def _is_newer(lies: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """By the times of issue, whose texts sort as they do."""
    one, other = lies.get("issued_at"), entry["issued_at"]
    return isinstance(one, str) and isinstance(other, str) and one > other


def _entry(file: File) -> dict[str, Any]:
    return {
        "path": file.path,
        "media_type": file.media_type,
        "sha256": sha256(file.data).hexdigest(),
        "size": len(file.data),
        "issued_at": None if file.issued_at is None else instant(file.issued_at),
        "expires_at": None if file.expires_at is None else instant(file.expires_at),
    }


def _index(folder: Path) -> Mapping[str, dict[str, Any]]:
    """What the index that lies there names, by path. Where it is none of ours that is nothing."""
    with suppress(OSError, VermilionError):
        value = strict_json((folder / INDEX).read_bytes(), max_bytes=_MAX_INDEX, max_depth=4)
        files = value.get("files") if isinstance(value, dict) else None
        if isinstance(files, list):
            return {
                entry["path"]: entry
                for entry in files
                if isinstance(entry, dict)
                and isinstance(entry.get("path"), str)
                and _OURS.fullmatch(entry["path"])
            }
    return {}


def _replace(folder: Path, path: str, data: bytes) -> bool:
    """Put the file in place whole and durably; False where these very bytes lie there. Raises OSError."""
    target = folder / path
    with suppress(FileNotFoundError):
        if target.read_bytes() == data:
            return False
    _directory(target.parent)
    descriptor, aside = tempfile.mkstemp(dir=target.parent, prefix=_ASIDE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            os.fchmod(descriptor, 0o644)  # any web server's to read, whatever the umask
            file.flush()
            os.fsync(descriptor)
        Path(aside).replace(target)
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    sync(target.parent)
    return True


def _directory(path: Path) -> None:
    for part in (*reversed(path.parents), path):
        if not part.exists():
            part.mkdir()
            part.chmod(0o755)
