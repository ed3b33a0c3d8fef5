"""What a first start makes: the data directory, the passphrase, the database, keys, the sample province.

Runs in a process of its own, which ends before the services start, so that the supervisor never holds a
secret. Started again it makes only what is missing.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
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


def public_account(settings: Settings) -> Account | None:
    """Whom the public site runs as: another user where we are root, else nobody else.

    None, said aloud, where that user cannot reach the data directory: the site then runs as we do.
    Raises VermilionError(INVALID) for a user this machine does not have.
    """
    from registry.processes import account, reachable_by

    if os.geteuid() != 0:
        return None
    user = account(settings.public_user)
    if not settings.data.is_dir():
        _directory(settings.data, PASSABLE, os.geteuid(), os.getegid())
    parent = settings.data.absolute().parent
    if not reachable_by(parent, user):
        click.echo(
            f"WARNING: {settings.public_user} cannot reach {parent}: the public site runs as root, and the "
            "kernel does not keep it from the keys. Choose a data directory that others can pass into, "
            "such as /var/lib/vermilion.",
            err=True,
        )
        return None
    return user


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
    with _alone(settings, public_account(settings)):
        _establish(settings, test=settings.demo)


def prepare_public(settings: Settings, user: Account | None) -> None:
    """Make what the public site alone needs: the folder of its own store."""
    store = settings.public_store.parent
    if not store.exists():
        owner = (user.uid, user.gid) if user else (os.geteuid(), os.getegid())
        if not settings.data.exists():
            _directory(settings.data, PASSABLE, os.geteuid(), os.getegid())
        _directory(store, PRIVATE, *owner)


def journal(settings: Settings) -> Path | None:
    """The database file whose journal the public site reads, where that is SQLite."""
    from sqlalchemy import make_url

    url = make_url(settings.public_url)
    return Path(url.database) if url.get_backend_name() == "sqlite" and url.database else None


@contextlib.contextmanager
def _alone(settings: Settings, user: Account | None) -> Iterator[None]:
    """The directories, and one first start at a time in them."""
    _directories(settings, user)
    with (settings.data / "first-start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _establish(settings: Settings, *, test: bool) -> None:
    from registry.composition import establish_registry
    from registry.seals.authority import AuthorityNames

    establish_registry(settings, names=AuthorityNames(organisation="Vermilion"), test=test)


def _directories(settings: Settings, user: Account | None) -> None:
    """Each directory open to those who need it and to nobody else."""
    own = os.geteuid()
    shared = user.gid if user else os.getegid()
    _directory(settings.data, PASSABLE, own, os.getegid())
    _directory(settings.keys_directory, PRIVATE, own, os.getegid())
    _directory(settings.documents_directory, PRIVATE, own, os.getegid())
    _directory(settings.data / "credentials", PRIVATE, own, os.getegid())
    # The public site's group reads the database; the set-group-ID bit gives the journal files the same group.
    _directory(settings.data / "database", stat.S_ISGID | 0o750, own, shared)
    _directory(settings.public_store.parent, PRIVATE, user.uid if user else own, shared)
    database = settings.data / "database" / "registry.db"
    if settings.url.startswith("sqlite") and not database.exists():
        os.close(os.open(database, os.O_CREAT | os.O_WRONLY, 0o640))
        database.chmod(0o640)  # whatever the umask; the journals take the database's mode


def _directory(path: Path, mode: int, uid: int, gid: int) -> None:
    try:
        path.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        os.chown(path, uid, gid)
        path.chmod(mode)
    except OSError as error:
        raise VermilionError(
            Kind.UNAVAILABLE, f"cannot prepare {path}: {error.strerror}", reason="data_directory"
        ) from error
