"""What relying parties need, as files that any web server can serve: trust list, status lists, CRLs and the
certificates of the authorities, with an index.

Read by the public site's role, which can write nothing; everything is signed already. A file is replaced as a
whole, and only by another content; nothing older ever takes the place of something newer, and nothing is
removed before it has expired: a replica may lag behind.
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
from signing.bundle import STATUS, TRUST_LIST, status_path
from signing.verdict import instant

INDEX = "index.json"
MARKER = ".vermilion-publish"  # a folder that holds it is ours to write in; locked while somebody does
_ASIDE = ".publish-"
_AGGREGATION = "status/index.json"
_OURS = re.compile(
    r"index\.json|\.well-known/elicence/trust-list|status/(?:index\.json|[0-9]{1,9}(?:\.cwt)?)"
    r"|(?:crl/[0-9a-f]{40}\.crl)|(?:ca/[0-9a-f]{40}\.cer)"
)
_MAX_INDEX = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """A file to publish. Of one path the greater number (sequence, generation, CRL number) is the newer."""

    path: str
    media_type: str
    data: bytes
    number: int | None = None
    issued_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """Paths, in order. `kept`: what lay there was newer than what the database gave, as a replica may."""

    written: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]


def publish_to(engine: Engine, folder: Path, now: datetime) -> Report:
    """Bring the folder up to date, which is made where it is missing.

    Raises VermilionError: UNAVAILABLE without a database or trust list, for a database whose trust list is
    older than the one that lies there ("source_behind"; nothing is changed then), for a folder that cannot be
    written, and while another process publishes there; INVALID for one that holds other things.
    """
    files = gather(engine)
    try:
        with _alone(folder):
            return _write(folder, files, instant(now))
    except OSError as error:
        raise VermilionError(
            Kind.UNAVAILABLE, f"{folder} cannot be written: {error.strerror}", reason="folder"
        ) from error


def gather(engine: Engine) -> list[File]:
    """All files but the index, as they are to be written: the trust list first, and read last, since whoever
    has a status list has to know its key.

    Raises VermilionError(UNAVAILABLE).
    """
    lists = list(_status_lists(SignedLists(engine)))
    with database_errors(), Session(engine) as session:
        authorities = list(_authorities(session))
        newest = select(PublishedTrustList).order_by(PublishedTrustList.sequence.desc()).limit(1)
        trust = session.scalars(newest).one_or_none()
        if trust is None:
            raise VermilionError(Kind.UNAVAILABLE, "no trust list is published yet", reason="no_trust_list")
        jws, number = trust.jws.encode("ascii"), trust.sequence
        first = File(TRUST_LIST, "application/jwt", jws, number, trust.issued_at, trust.expires_at)
    return [first, *authorities, *lists]


def _authorities(session: Session) -> Iterator[File]:
    certificates = session.execute(
        select(CertificateAuthority.name, Certificate.der, Certificate.not_before, Certificate.not_after)
        .join(Certificate, Certificate.key_id == CertificateAuthority.key_id)
        .where(Certificate.der.is_not(None), Certificate.profile != ProfileName.ROOT_LINK)
        .order_by(CertificateAuthority.name)
    )
    for name, der, not_before, not_after in certificates:
        path = f"ca/{name}.cer"
        yield File(path, "application/pkix-cert", der or b"", None, not_before, not_after)
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
        path, der = f"crl/{name}.crl", row.der or b""
        yield File(path, "application/pkix-crl", der, row.number, row.this_update, row.next_update)


def _status_lists(lists: SignedLists) -> Iterator[File]:
    addresses = lists.addresses()
    for number in addresses:
        for cwt, media_type in ((False, JWT_MEDIA_TYPE), (True, CWT_TYPE)):
            found = lists.newest(number, cwt=cwt)
            if found is not None:
                path, generation = status_path(number, cwt=cwt), found.generation
                yield File(path, media_type, found.token, generation, found.issued_at, found.expires_at)
    aggregation = json.dumps({"status_lists": list(addresses.values())}) + "\n"
    yield File(_AGGREGATION, "application/json", aggregation.encode())


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


def _write(folder: Path, files: Sequence[File], now: str) -> Report:
    for stray in folder.rglob(f"{_ASIDE}*"):  # of a process that died
        stray.unlink(missing_ok=True)
    before = {path: entry for path, entry in _index(folder).items() if (folder / path).exists()}
    new = {file.path: _entry(file) for file in files}
    if TRUST_LIST in before and _is_newer(before[TRUST_LIST], new[TRUST_LIST]):
        raise VermilionError(
            Kind.UNAVAILABLE,
            f"the database's trust list is older than the one in {folder}: a replica lags; or a backup was "
            f"restored, then remove {INDEX} there",
            reason="source_behind",
        )
    lives = {path: entry for path, entry in before.items() if path in new and not _expired(entry, now)}
    kept = [path for path, entry in lives.items() if _is_newer(entry, new[path])]
    unknown = [path for path in before if path not in new and path != INDEX]
    removed = [path for path in unknown if _may_go(before[path], now)]
    stays = [path for path in (*kept, *unknown) if path not in removed]
    if any(path.startswith(f"{STATUS}/") for path in stays):  # of lists that this database does not know yet
        stays += [_AGGREGATION] if _AGGREGATION in before else []
    for path in removed:
        (folder / path).unlink(missing_ok=True)
    # The index first: should we die now, it tells nothing older than what lies there.
    entries = {**new, **{path: before[path] for path in stays}}
    index = json.dumps({"files": list(entries.values())}, indent=1) + "\n"
    indexed = _replace(folder, INDEX, index.encode())
    replaced = [
        file.path for file in files if file.path not in stays and _replace(folder, file.path, file.data)
    ]
    return Report((*replaced, INDEX) if indexed else tuple(replaced), tuple(removed), tuple(kept))


def _is_newer(lies: Mapping[str, Any], entry: Mapping[str, Any]) -> bool:
    """Whether what lies there is newer: by its number, or by its time where it has none."""
    name = "issued_at" if entry["number"] is None or type(lies.get("number")) is not int else "number"
    one, other = lies.get(name), entry[name]
    return one is not None and type(one) is type(other) and bool(one > other)


def _may_go(lies: Mapping[str, Any], now: str) -> bool:
    """Whether a file that the database does not name is removed. An authority's certificate never is."""
    return not lies["path"].startswith("ca/") and _expired(lies, now)


def _expired(lies: Mapping[str, Any], now: str) -> bool:
    """Texts of instants sort as they do."""
    expires_at = lies.get("expires_at")
    return isinstance(expires_at, str) and expires_at < now


def _entry(file: File) -> dict[str, Any]:
    return {
        "path": file.path,
        "media_type": file.media_type,
        "sha256": sha256(file.data).hexdigest(),
        "size": len(file.data),
        "number": file.number,
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
