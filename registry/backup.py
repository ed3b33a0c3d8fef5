"""A registry in one encrypted file: its database and its documents, as they are at one moment.

    a line of canonical JSON: which wrapping key opens it, the wrapped key, when it was made
    the rest: a tar archive as `keys.sealed_stream`, bound to that line

The database is copied first: a document lies in its store before its licence is registered, so whatever the
copy names is there. What is erased while the rest is read stands there empty, and is not restored. Documents
are encrypted already, and once more. Keys are not in it, since it takes one to open it: they lie in another
place, or on a token.
"""

from __future__ import annotations

import base64
import os
import re
import shutil
import sqlite3
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from sqlalchemy import URL, create_engine, inspect, make_url

from keys.canonical import canonical_json, strict_json
from keys.clock import Clock
from keys.errors import Kind, VermilionError
from keys.files import sync
from keys.ledger import MemoryLedger
from keys.sealed_stream import PREFIX_BYTES, decrypt_stream, encrypt_stream
from keys.wrapping import KEY_BYTES, recorded
from registry.custodians import wrapping_keys_alone
from registry.database import Database
from registry.licences.outage import database_errors
from registry.schema import heads
from registry.seals.custody import DatabaseLedger
from registry.settings import Settings
from registry.vault import Vault

FORMAT = "vermilion-backup-1"
MAX_HEADER_BYTES = 2048
PIECE = 1 << 20
MANIFEST, DATABASE, DOCUMENTS = "manifest.json", "database", "documents"
_DOCUMENT = re.compile(r"documents/([0-9a-f]{2})/\1[0-9a-f]{30}(?:-[1-9][0-9]{0,5})?\.enc")
_ID = re.compile(r"[0-9a-f]{32}")
Random = Callable[[int], bytes]


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup says of itself."""

    id: str
    created_at: datetime
    database: str  # "sqlite" or "postgresql": one is not restored into the other
    revision: str  # of the schema
    documents: int


def back_up(settings: Settings, vault: Vault, path: Path, *, clock: Clock, random: Random) -> Backup:
    """Write a new file at `path` (mode 0600), which is whole and on the disk when this returns, or not there.

    Raises VermilionError: CONFLICT for a file that is there; UNAVAILABLE where database, keys, disk or
    `pg_dump` are not to be had.
    """
    key, prefix, made = random(KEY_BYTES), random(PREFIX_BYTES), clock()
    backup_id = random(16).hex()
    wrapping, wrapped = vault.wrap_apart(key, _record(backup_id))
    header = canonical_json(
        {
            "format": FORMAT,
            "id": backup_id,
            "created_at": made.isoformat(),
            "wrapping_key": wrapping,
            "wrapped": base64.b64encode(wrapped).decode("ascii"),
            "prefix": prefix.hex(),
        }
    )
    if path.exists():
        raise VermilionError(Kind.CONFLICT, f"{path.name} exists", reason="backup_exists")
    try:
        # The copy in clear lies where the database does: beside the backup, which may be carried away, none.
        with (
            tempfile.TemporaryDirectory(prefix=".backup-", dir=settings.data) as name,
            tempfile.TemporaryDirectory(prefix=".backup-", dir=path.parent) as aside,
        ):
            place, part = Path(name), Path(aside) / "backup"
            kind = make_url(settings.url).get_backend_name()
            _copy_database(settings.url, place / DATABASE)
            documents = sorted(_files(settings.documents_directory))
            backup = Backup(backup_id, made, kind, heads()[0], len(documents))
            with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as out:
                out.write(header + b"\n")
                archive = _archive(backup, place / DATABASE, settings.documents_directory, documents)
                for chunk in encrypt_stream(key, prefix, sha256(header).digest(), archive):
                    out.write(chunk)
                out.flush()
                os.fsync(out.fileno())
            os.link(part, path)  # never in place of another file
            sync(path.parent)
    except FileExistsError:
        raise VermilionError(Kind.CONFLICT, f"{path.name} exists", reason="backup_exists") from None
    except OSError as error:
        raise VermilionError(
            Kind.UNAVAILABLE, f"the backup cannot be written: {error.strerror}", reason="backup"
        ) from error
    return backup


def restore(settings: Settings, path: Path, *, clock: Clock, random: Random) -> Backup:
    """Bring a backup's database and documents to the place that the settings name, which must be empty; after
    a refusal it is as it was. The keys are there already.

    Raises VermilionError: CONFLICT (`not_empty`, `other_database`, `schema`); UNAUTHENTICATED for a file that
    was altered, cut off, or belongs to other keys; MALFORMED; UNAVAILABLE.
    """
    _require_empty(settings)
    ledger = MemoryLedger()
    wrapper = wrapping_keys_alone(settings, ledger)
    try:
        with (
            path.open("rb") as source,
            tempfile.TemporaryDirectory(prefix=".restore-", dir=settings.data) as name,
        ):
            line = source.readline(MAX_HEADER_BYTES)
            backup_id, wrapping, wrapped, prefix = _header(line)
            key = wrapper.unwrap(wrapping, wrapped, _record(backup_id))
            plain = decrypt_stream(key, prefix, sha256(line[:-1]).digest(), source)
            backup = _unpack(plain, Path(name), backup_id)
            _require_fitting(backup, settings)
            # The database last: until it is there, nothing is, and the same can be tried again.
            _place_documents(Path(name) / DOCUMENTS, settings.documents_directory)
            try:
                _restore_database(settings.url, Path(name) / DATABASE)
            except BaseException:
                _clear(settings.documents_directory)
                raise
            _write_down(settings, wrapping, backup_id, wrapped, clock, random)
    except OSError as error:
        raise VermilionError(
            Kind.UNAVAILABLE, f"the backup cannot be restored: {error.strerror}", reason="backup"
        ) from error
    return backup


def _write_down(
    settings: Settings, wrapping: str, backup_id: str, wrapped: bytes, clock: Clock, random: Random
) -> None:
    """The use of the wrapping key, in the record that there was none of when it was used."""
    database = Database.open(settings.url)
    try:
        with (
            database_errors(),
            recorded(DatabaseLedger(database, clock, random), wrapping, _record(backup_id), wrapped),
        ):
            pass
    finally:
        database.dispose()


def _record(backup_id: str) -> str:
    return f"backup:{backup_id}"


def _header(line: bytes) -> tuple[str, str, bytes, bytes]:
    """Id, wrapping key, wrapped key and the stream's prefix."""
    if not line.endswith(b"\n"):
        raise _no_backup()
    value = strict_json(line[:-1], max_bytes=MAX_HEADER_BYTES, max_depth=2)
    members = {"format", "id", "created_at", "wrapping_key", "wrapped", "prefix"}
    if (
        not isinstance(value, dict)
        or set(value) != members
        or not all(isinstance(member, str) for member in value.values())
        or value["format"] != FORMAT
        or not _ID.fullmatch(value["id"])
        or not _ID.fullmatch(value["wrapping_key"])
    ):
        raise _no_backup()
    try:
        return (
            value["id"],
            value["wrapping_key"],
            base64.b64decode(value["wrapped"], validate=True),
            bytes.fromhex(value["prefix"]),
        )
    except ValueError:
        raise _no_backup() from None


def _files(folder: Path) -> Iterator[str]:
    """The documents' names under `folder`, as they stand in an archive."""
    for path in folder.glob("*/*.enc"):
        name = f"{DOCUMENTS}/{path.parent.name}/{path.name}"
        if _DOCUMENT.fullmatch(name):
            yield name


def _archive(backup: Backup, database: Path, folder: Path, documents: list[str]) -> Iterator[bytes]:
    """The archive in pieces."""
    told = {
        "id": backup.id,
        "created_at": backup.created_at.isoformat(),
        "database": backup.database,
        "revision": backup.revision,
        "documents": backup.documents,
    }
    manifest = canonical_json(told)
    yield from _entry(MANIFEST, len(manifest), BytesIO(manifest))
    with database.open("rb") as file:
        yield from _entry(DATABASE, database.stat().st_size, file)
    for name in documents:
        try:
            file = (folder / name.removeprefix(f"{DOCUMENTS}/")).open("rb")
        except FileNotFoundError:
            yield from _entry(name, 0, BytesIO())
            continue
        with file:
            yield from _entry(name, os.fstat(file.fileno()).st_size, file)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _entry(name: str, size: int, file: IO[bytes]) -> Iterator[bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o600
    yield info.tobuf(tarfile.PAX_FORMAT)
    left = size
    while left:
        piece = file.read(min(PIECE, left))
        if not piece:
            raise VermilionError(Kind.UNAVAILABLE, "a file changed while it was read", reason="backup")
        left -= len(piece)
        yield piece
    yield bytes(-size % tarfile.BLOCKSIZE)


def _unpack(plain: Iterator[bytes], place: Path, backup_id: str) -> Backup:
    """Every entry into `place`; read to the end, which alone says that it is whole."""
    reader = _Reader(plain)
    found: Backup | None = None
    count = 0
    with tarfile.open(fileobj=cast("BinaryIO", reader), mode="r|", format=tarfile.PAX_FORMAT) as archive:
        for info in archive:
            name = info.name
            expected = found is not None and (name == DATABASE or _DOCUMENT.fullmatch(name))
            if not info.isreg() or not (expected or (found is None and name == MANIFEST)):
                raise _no_backup()
            content = archive.extractfile(info)
            assert content is not None
            if name == MANIFEST:
                found = _manifest(content.read(MAX_HEADER_BYTES), backup_id)
                continue
            count += name != DATABASE
            if not info.size:  # no document is: it was erased meanwhile
                continue
            target = place / name
            target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            with target.open("xb") as out:
                shutil.copyfileobj(content, out, PIECE)
                out.flush()
                os.fsync(out.fileno())
    reader.drain()
    if found is None or not (place / DATABASE).exists() or count != found.documents:
        raise _no_backup()
    return found


class _Reader:
    """A file of pieces, for `tarfile`, which reads it once."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held = b""

    def read(self, size: int) -> bytes:
        while len(self._held) < size:
            piece = next(self._pieces, None)
            if piece is None:
                break
            self._held += piece
        taken, self._held = self._held[:size], self._held[size:]
        return taken

    def drain(self) -> None:
        for _ in self._pieces:
            pass


def _manifest(data: bytes, backup_id: str) -> Backup:
    value: Any = strict_json(data, max_bytes=MAX_HEADER_BYTES, max_depth=2)
    try:
        backup = Backup(
            id=value["id"],
            created_at=datetime.fromisoformat(value["created_at"]),
            database=value["database"],
            revision=value["revision"],
            documents=value["documents"],
        )
    except (KeyError, TypeError, ValueError):
        raise _no_backup() from None
    if backup.id != backup_id:
        raise _no_backup()
    return backup


def _require_fitting(backup: Backup, settings: Settings) -> None:
    kind = make_url(settings.url).get_backend_name()
    if backup.database != kind:
        raise VermilionError(
            Kind.CONFLICT,
            f"the backup is of a {backup.database} database, not of {kind}",
            reason="other_database",
        )
    if backup.revision not in heads():
        raise VermilionError(
            Kind.CONFLICT,
            f"the backup's schema is {backup.revision}: restore it with that version, then migrate",
            reason="schema",
        )


def _require_empty(settings: Settings) -> None:
    url = make_url(settings.url)
    if url.get_backend_name() == "sqlite":
        path = Path(url.database or "")
        # A journal that is left of another database would be played into this one.
        journals = any(path.with_name(path.name + suffix).exists() for suffix in ("-wal", "-shm", "-journal"))
        taken = journals or (path.exists() and path.stat().st_size > 0)
    else:
        engine = create_engine(url, hide_parameters=True)
        try:
            with database_errors():
                taken = bool(inspect(engine).get_table_names())
        finally:
            engine.dispose()
    documents = settings.documents_directory
    if taken or (documents.exists() and any(documents.iterdir())):
        raise VermilionError(
            Kind.CONFLICT, "there is a registry here: restore into an empty place", reason="not_empty"
        )


def _copy_database(url: str, target: Path) -> None:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        source = sqlite3.connect(f"file:{parsed.database}?mode=ro", uri=True)
        copy = sqlite3.connect(target)
        try:
            source.backup(copy)
        except sqlite3.Error as error:
            raise VermilionError(
                Kind.UNAVAILABLE, "the database cannot be copied now", reason="database"
            ) from error
        finally:
            copy.close()
            source.close()
        return
    arguments = ["pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}"]
    _run([*arguments, f"--dbname={_conninfo(parsed)}"], parsed)


def _restore_database(url: str, dump: Path) -> None:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        target = Path(parsed.database or "")
        target.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        # As a first start makes it: whoever reads it does so by the group of its directory.
        dump.chmod(0o640)
        if os.geteuid() == 0:
            os.chown(dump, -1, target.parent.stat().st_gid)
        dump.replace(target)  # an empty one may be there
        sync(target.parent)
        return
    arguments = ["pg_restore", "--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges"]
    _run([*arguments, f"--dbname={_conninfo(parsed)}", str(dump)], parsed)


def _run(command: list[str], url: URL) -> None:
    """One of PostgreSQL's programs. The password, where the URL has one, stands in its environment alone."""
    secret = {} if url.password is None else {"PGPASSWORD": url.password}
    try:
        done = subprocess.run(command, env={**os.environ, **secret}, capture_output=True, check=False)  # noqa: S603
    except FileNotFoundError:
        raise VermilionError(
            Kind.UNAVAILABLE, f"{command[0]} is not installed (Debian: postgresql-client)", reason=command[0]
        ) from None
    if done.returncode != 0:  # what it says may quote rows
        raise VermilionError(
            Kind.UNAVAILABLE, f"{command[0]} ended with {done.returncode}", reason=command[0]
        )


def _conninfo(url: URL) -> str:
    """All that the URL says, TLS among it, but the password. Raises VermilionError(INVALID) for what libpq
    does not know.
    """
    named: dict[str, Any] = {
        "host": url.host, "port": url.port, "user": url.username, "dbname": url.database, **url.query,
    }  # fmt: skip
    given = {name: value for name, value in named.items() if value}
    if not all(isinstance(value, str | int) for value in given.values()):
        raise VermilionError(
            Kind.INVALID,
            "a database URL with several hosts cannot be backed up: name one",
            reason="database_url",
        )
    from psycopg import ProgrammingError
    from psycopg.conninfo import make_conninfo

    try:
        return make_conninfo(**given)
    except ProgrammingError:
        raise VermilionError(
            Kind.INVALID, "the database URL has options that libpq does not know", reason="database_url"
        ) from None


def _place_documents(source: Path, target: Path) -> None:
    """All of them, or none: into a folder that is empty, or not there."""
    target.mkdir(mode=0o750, parents=True, exist_ok=True)
    try:
        for folder in sorted(source.iterdir()) if source.exists() else ():
            shutil.copytree(folder, target / folder.name, copy_function=_copy)  # it may be another disk
            sync(target / folder.name)
        sync(target)
    except BaseException:
        _clear(target)
        raise


def _copy(source: str, target: str) -> None:
    with Path(source).open("rb") as read, Path(target).open("xb") as written:
        shutil.copyfileobj(read, written, PIECE)
        written.flush()
        os.fsync(written.fileno())


def _clear(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry)


def _no_backup() -> VermilionError:
    return VermilionError(Kind.MALFORMED, "not a backup of ours", reason="bad_backup")
