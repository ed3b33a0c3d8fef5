"""The public site after somebody took its process over: the real site, which also carries out their orders.

An order names one of `ORDERS` and its arguments. It is carried out in a worker of the site, so with its user,
memory, descriptors and settings, and answers of each thing it tried what came of it: `DONE`, or what refused it.
Everything is imported before the site becomes another user, who may be unable to read any code.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
from collections.abc import Callable, Iterable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import psycopg
from flask import Flask
from sqlalchemy import make_url

from registry.settings import Settings
from tests.services.asking import DONE, Call, said_to
from verify_web import wsgi
from verify_web.site import Site

ADDRESS = "/taken-over"
_libc = ctypes.CDLL(None, use_errno=True)
_PTRACE_SEIZE = 0x4206  # ptrace(2): attach without stopping it
preload = wsgi.preload
Outcomes = dict[str, str]


def application() -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    site = wsgi.application()
    assert isinstance(site, Flask)
    here: Site = site.extensions["site"]

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != ADDRESS:
            return site(environ, start_response)
        name, *arguments = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        said = json.dumps(ORDERS[name](here, *arguments)).encode()
        start_response("200 OK", [("Content-Type", "application/json")])
        return [said]

    return answer


def identity(_here: Site) -> dict[str, Any]:
    return {"pid": os.getpid(), "environment": dict(os.environ)}


# What it is for.


def checked(here: Site, link_id: str) -> str:
    """The identifier of the licence of a link's id (16 bytes, hex)."""
    licence = here.live.by_link_id(sha256(bytes.fromhex(link_id)).digest())
    assert licence is not None
    return licence.record.identifier


def counted(here: Site, what: str) -> int:
    """How many times this was counted in the site's own store, now included."""
    key = here.store.keyed_hash("taken over", what)
    with here.store.begin() as connection:
        assert here.store.pour(connection, key, 1000.0, 1e6)
        return round(here.store.room_after(connection, key, 0.0, 0.0) / 1000)


# The database.


def _connected(settings: Settings, **changes: str) -> psycopg.Connection[Any]:
    url = make_url(settings.public_url)
    named: dict[str, Any] = {"user": url.username, "dbname": url.database, **url.query, **changes}
    return psycopg.connect(**named, autocommit=True)


def stated(here: Site, statements: list[str]) -> list[str]:
    """DONE or the SQLSTATE of each statement, by a connection that left read-only mode."""
    with _connected(here.settings) as connection:
        connection.execute("SET default_transaction_read_only = off")
        return [_state(connection, statement) for statement in statements]


def _state(connection: psycopg.Connection[Any], statement: str) -> str:
    try:
        connection.execute(statement.encode())
    except psycopg.Error as error:
        return error.sqlstate or str(error)
    return DONE


def rows(here: Site, query: str) -> list[list[str]]:
    with _connected(here.settings) as connection:
        return [[str(value) for value in row] for row in connection.execute(query.encode())]


def logged_in(here: Site, logins: list[dict[str, str]]) -> list[str]:
    """DONE, or the words by which each connection was refused."""

    def login(changes: dict[str, str]) -> str:
        try:
            _connected(here.settings, **changes).close()
        except psycopg.OperationalError as error:
            return str(error)
        return DONE

    return [login(changes) for changes in logins]


# The machine.


def _of_the_kernel(act: Callable[[], object]) -> str:
    try:
        act()
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    return DONE


def _opened(path: str, flags: int) -> None:
    os.close(os.open(path, flags, 0o600))


_READ: dict[str, Callable[[str], object]] = {
    "read": partial(_opened, flags=os.O_RDONLY),
    "write": partial(_opened, flags=os.O_WRONLY),
}
_LIST: dict[str, Callable[[str], object]] = {
    "list": lambda path: list(Path(path).iterdir()),
    "add": lambda path: _opened(f"{path}/mine", os.O_CREAT | os.O_EXCL | os.O_WRONLY),
}
_TAKE: dict[str, Callable[[str], object]] = {
    "mode": lambda path: Path(path).chmod(0o777),
    "owner": lambda path: os.chown(path, os.getuid(), os.getgid()),
    "replace": lambda path: Path(path).rename(f"{path}.old"),
}
_REMOVE: dict[str, Callable[[str], object]] = {"remove": os.unlink}
_WITH_PATHS = {
    "file": _READ | _TAKE | _REMOVE,
    "directory": _LIST | _TAKE,
    "socket": _TAKE | _REMOVE,  # anybody may connect
}


def touched(_here: Site, kind: str, paths: list[str]) -> dict[str, Outcomes]:
    """What came of whatever can be done to each path."""
    acts = _WITH_PATHS[kind]
    return {path: {name: _of_the_kernel(partial(act, path)) for name, act in acts.items()} for path in paths}


class _Part(ctypes.Structure):  # iovec, readv(2)
    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


def _called(result: int) -> None:
    if result == -1:
        raise OSError(ctypes.get_errno(), "refused")


def _traced(pid: int) -> None:
    _called(_libc.ptrace(_PTRACE_SEIZE, pid, None, None))


def _peeked(pid: int) -> None:
    room = ctypes.create_string_buffer(8)
    here, there = _Part(ctypes.addressof(room), 8), _Part(0x1000, 8)
    _called(_libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0))


_INTO: dict[str, Callable[[int], object]] = {
    "environment": lambda pid: _opened(f"/proc/{pid}/environ", os.O_RDONLY),
    "memory": lambda pid: _opened(f"/proc/{pid}/mem", os.O_RDONLY),
    "map": lambda pid: _opened(f"/proc/{pid}/maps", os.O_RDONLY),
    "descriptors": lambda pid: list(Path(f"/proc/{pid}/fd").iterdir()),
    "root": lambda pid: Path(f"/proc/{pid}/root").readlink(),
    "signal": lambda pid: os.kill(pid, 0),
    "trace": _traced,
    "peek": _peeked,
}


def entered(_here: Site, pids: list[int]) -> dict[str, Outcomes]:
    """What came of looking into each process, by its id."""
    return {
        str(pid): {name: _of_the_kernel(partial(act, pid)) for name, act in _INTO.items()} for pid in pids
    }


def became(_here: Site) -> Outcomes:
    """What came of taking back what was given up."""
    acts: dict[str, Callable[[], object]] = {
        "user": partial(os.setresuid, 0, 0, 0),
        "effective user": partial(os.seteuid, 0),
        "group": partial(os.setresgid, 0, 0, 0),
        "groups": partial(os.setgroups, [0]),
        "root directory": partial(os.chroot, "/"),
    }
    return {name: _of_the_kernel(act) for name, act in acts.items()}


# The keys.


def asked(here: Site, calls: list[Call]) -> list[list[str]]:
    return said_to(here.settings.receipts_at, calls)


ORDERS: dict[str, Callable[..., Any]] = {
    order.__name__: order
    for order in (
        identity,
        checked,
        counted,
        stated,
        rows,
        logged_in,
        touched,
        entered,
        became,
        asked,
    )
}
