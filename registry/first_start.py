"""What a first start makes: the data directory, the passphrase, the database, keys, the sample province.

Runs in a process of its own, which ends before the services start, so that the supervisor never holds a
secret. Started again it makes only what is missing. Of a directory that it did not make it changes nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keys.errors import Kind, VermilionError
from registry.settings import Settings

if TYPE_CHECKING:
    from registry.processes import Account

PRIVATE = 0o700
PASSABLE = 0o711  # others pass through to what they may enter, and see no names
MARKER = "first-start.lock"  # made here alone: a directory that holds it is a data directory
# What may lie in a data directory before its first start: the Compose file's secrets and volume, and the keys
# that somebody brought to restore a registry with.
BEFORE_MARKER = frozenset({"secrets", "public", "lost+found", "keys"})
STATE = Path("/var/lib")  # where root's data goes from a folder that the public site's user cannot enter


def at_home(settings: Settings) -> Settings:
    """The settings with the data directory named by its real path, which is all that the public site's user
    may be able to follow.

    Where nobody chose a directory and that user cannot pass into this folder (root's clone under a closed
    home), `./var` becomes a link to a new directory under `/var/lib`; that is said aloud.
    """
    user = _other_user(settings)
    chosen = "data" in settings.model_fields_set
    if user is not None and user.uid != 0 and not chosen and not os.path.lexists(settings.data):
        _link_out(settings.data, settings.public_user, user)
    return settings.model_copy(update={"data": settings.data.resolve()})


def public_account(settings: Settings) -> Account | None:
    """Whom the public site runs as: another user where we are root, else nobody else. Changes nothing.

    None as well, said aloud, where VERMILION_PUBLIC_USER=root accepts that. Raises VermilionError(INVALID)
    for a user this machine does not have, or who cannot reach the data directory.
    """
    from registry.processes import barrier

    user = _other_user(settings)
    if user is None:
        return None
    if user.uid == 0:
        click.echo(
            "WARNING: the public site runs as root, which VERMILION_PUBLIC_USER=root accepts: the kernel "
            "does not keep it from the keys.",
            err=True,
        )
        return None
    closed = barrier(_nearest(settings.data), user)
    if closed is not None:
        raise VermilionError(
            Kind.INVALID,
            f"the public site's user {settings.public_user} cannot pass into {closed}: choose another data "
            "directory by --data (make run DATA=...), such as /var/lib/vermilion, or accept by "
            "VERMILION_PUBLIC_USER=root that the site runs as root",
            reason="public_user",
        )
    return user


def _other_user(settings: Settings) -> Account | None:
    """The public site's own user, where we are root and can become it."""
    from registry.processes import account

    return account(settings.public_user) if os.geteuid() == 0 else None


def _link_out(data: Path, name: str, user: Account) -> None:
    """Make `data` a link to a new directory that the user can reach, unless it can be reached where it is."""
    from registry.processes import barrier

    closed = barrier(_nearest(data), user)
    if closed is None or not STATE.is_dir() or barrier(STATE.resolve(), user) is not None:
        return
    try:
        place = Path(tempfile.mkdtemp(prefix="vermilion-", dir=STATE))
        place.chmod(PASSABLE)
        data.symlink_to(place)
    except OSError as error:
        raise _cannot_prepare(data, error) from error
    click.echo(
        f"vermilion: the public site's user {name} cannot pass into {closed}: the data lies in {place}, and "
        f"{data.absolute()} is a link to it",
        err=True,
    )


def _nearest(path: Path) -> Path:
    """The directory as it really lies, or the nearest one above it that there is."""
    path = path.resolve()
    return next(part for part in (path, *path.parents) if part.is_dir())


def prepare(settings: Settings, user: Account | None) -> None:
    """Make what is missing for `vermilion run`, with the sample province."""
    from registry.composition import open_ports
    from registry.sample_registry import enrol

    os.umask(0o077)
    with _alone(settings, user):
        _establish(settings, test=True)
        ports = open_ports(settings)
        try:
            enrol(ports, f"http://localhost:{settings.api_port}", settings.data / "credentials")
        finally:
            ports.database.dispose()


def establish_if_new(settings: Settings) -> None:
    """Make what is missing for a service: directories, passphrase, database, keys; no samples."""
    os.umask(0o077)
    with _alone(settings, _other_user(settings)):
        _establish(settings, test=settings.test or settings.demo)


def establish_unless_founded(settings: Settings) -> None:
    """As `establish_if_new`, where no first start has come to its end; else make no more than directories. A
    service that the API's start came before needs no right to change a table for it.
    """
    from registry.composition import founded

    os.umask(0o077)
    with _alone(settings, _other_user(settings)):
        if not founded(settings):
            _establish(settings, test=settings.test or settings.demo)


@contextlib.contextmanager
def founding(settings: Settings) -> Iterator[None]:
    """The data directory of a registry that is founded by hand, as a first start would make it, and no first
    start at the same time.
    """
    os.umask(0o077)
    with _alone(settings, _other_user(settings)):
        yield


def prepare_public(settings: Settings, user: Account | None) -> None:
    """Make what the public site alone needs: the folder of its own store."""
    store = settings.public_store.parent
    if not store.exists():
        _data_directory(settings.data)
        owner = (user.uid, user.gid) if user else (os.geteuid(), os.getegid())
        _directory(store, PRIVATE, *owner)


def journal(settings: Settings) -> Path | None:
    """The database file whose journal the public site reads, where that is SQLite."""
    from sqlalchemy import make_url

    url = make_url(settings.public_url)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


@contextlib.contextmanager
def _alone(settings: Settings, user: Account | None) -> Iterator[None]:
    """The directories, and one first start at a time in them. Raises UNAVAILABLE when the database fails."""
    from registry.licences.outage import database_errors

    _data_directory(settings.data)
    try:
        lock = (settings.data / MARKER).open("w")
    except OSError as error:
        raise _cannot_prepare(settings.data, error) from error
    with lock, database_errors():
        fcntl.flock(lock, fcntl.LOCK_EX)
        _directories(settings, user)
        yield


def _establish(settings: Settings, *, test: bool) -> None:
    from registry.composition import establish_registry
    from registry.seals.authority import AuthorityNames

    establish_registry(settings, names=AuthorityNames(organisation="Vermilion"), test=test)


def _data_directory(path: Path) -> None:
    """Make the data directory, or take one that is ours or empty as it is.

    Raises VermilionError: INVALID for a directory of somebody else, one that anybody can write in, or one
    that holds other things; UNAVAILABLE for one that cannot be made.
    """
    try:
        if not path.exists():
            for part in (*reversed(path.absolute().parents), path):
                if not part.exists():
                    part.mkdir(mode=PRIVATE)
                    part.chmod(PASSABLE)  # whatever the umask
            return
        found, names = path.stat(), {entry.name for entry in path.iterdir()}
    except OSError as error:
        raise _cannot_prepare(path, error) from error
    why = ""
    if found.st_uid != os.geteuid():
        why = "belongs to another user"
    elif found.st_mode & stat.S_IWOTH:
        why = "can be written in by anybody"
    elif MARKER not in names and names - BEFORE_MARKER:
        why = "holds other things"
    if why:
        raise VermilionError(
            Kind.INVALID,
            f"{path} {why}: choose another data directory by --data or VERMILION_DATA; one that is not there "
            "is made",
            reason="data_directory",
        )


def _directories(settings: Settings, user: Account | None) -> None:
    """In a data directory of ours: each part open to those who need it and to nobody else."""
    own = os.geteuid()
    shared = user.gid if user else os.getegid()
    if settings.holds_key_files:
        _directory(settings.keys_directory, PRIVATE, own, os.getegid())
    _directory(settings.documents_directory, PRIVATE, own, os.getegid())
    _directory(settings.data / "credentials", PRIVATE, own, os.getegid())
    # Its files are named by the characters that were ever drawn, rare ones of people's names among them.
    _directory(settings.data / "fonts", PRIVATE, own, os.getegid())
    # The public site's group reads the database; the set-group-ID bit gives the journal files the same group.
    _directory(settings.data / "database", stat.S_ISGID | 0o750, own, shared)
    _directory(settings.public_store.parent, PRIVATE, user.uid if user else own, shared)
    database = settings.data / "database" / "registry.db"
    if settings.url.startswith("sqlite") and not database.exists():
        try:
            os.close(os.open(database, os.O_CREAT | os.O_WRONLY, 0o640))
            database.chmod(0o640)  # whatever the umask; the journals take the database's mode
        except OSError as error:
            raise _cannot_prepare(database, error) from error


def _directory(path: Path, mode: int, uid: int, gid: int) -> None:
    try:
        path.mkdir(mode=PRIVATE, exist_ok=True)
        os.chown(path, uid, gid)
        path.chmod(mode)
    except OSError as error:
        raise _cannot_prepare(path, error) from error


def _cannot_prepare(path: Path, error: OSError) -> VermilionError:
    return VermilionError(
        Kind.UNAVAILABLE, f"cannot prepare {path}: {error.strerror}", reason="data_directory"
    )
