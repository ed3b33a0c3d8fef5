"""`vermilion signer`: the process that holds the keys, so that no other can open them.

It runs as a user of its own, with its own role in the database, of which it reads what the policy asks for
and writes the uses of keys. It decides by the database alone whether a signature may be made; callers bring
the bytes and name the record.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import signal
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TextIO

import structlog

from keys.clock import Clock, system_clock
from keys.custodian import PURPOSE_KINDS, KeyRef, Purpose, SignRequest
from keys.custodian import Kind as SignKind
from keys.envelope import ScryptCost
from keys.errors import Kind, VermilionError, places
from keys.signer import Entitlement, Signer
from keys.suite import PublicKey, SuiteName
from keys.wrapping import WrappingCustodian
from registry.custodians import DEFAULT_COST, Random, make_passphrase, own_custodian
from registry.database import Database
from registry.licences.outage import database_errors
from registry.logs import configure_logs
from registry.seals.answer_pages import AnswerPages
from registry.settings import Settings
from registry.vault import Vault

DIRECTORY_MODE = 0o711  # nobody else can put a socket there; anybody can knock at ours, and is known then
SOCKET_MODE = 0o666
BACKLOG = 64
TAKEN = "signer_taken"  # the reason where another process serves the socket
MAX_PATH = 107  # octets of sun_path (unix(7))
_log = structlog.get_logger("registry.signer")


def serve_signer(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    random: Random = os.urandom,
    cost: ScryptCost = DEFAULT_COST,
) -> None:
    """Serve the socket of the settings until SIGTERM or SIGINT; then end what is being signed, and return.

    Raises VermilionError: INVALID for settings that do not go together, UNAVAILABLE where the keys or the
    socket's place cannot be had.
    """
    os.umask(0o077)
    configure_logs()
    if settings.signer_socket is None:
        raise VermilionError(Kind.INVALID, "VERMILION_SIGNER_SOCKET is not set", reason="signer_socket")
    callers = entitlements(settings.signer_callers)
    if not callers:
        raise VermilionError(
            Kind.INVALID, "VERMILION_SIGNER_CALLERS names nobody who may ask", reason="signer_callers"
        )
    if settings.pkcs11_module is None:
        _key_directory(settings.keys_directory)
        make_passphrase(settings, random)
    database = Database.open(settings.url)
    try:
        vault = Vault(database, random)
        custodian = own_custodian(settings, database, vault, clock=clock, random=random, cost=cost)
        with contextlib.suppress(VermilionError):  # a registry's first start asks us before it has any
            vault.ready()
        nothing = Entitlement(frozenset())  # its own user may look whether it is alive
        told = _ToldOutages(custodian)
        signer = Signer(
            told,
            {os.geteuid(): nothing} | callers,
            pages=AnswerPages(database, told, settings, clock=clock),
            on_refused=_refused,
            on_defect=_defect,
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: signer.stop())
        with listening(settings.signer_socket.absolute()) as listener:
            _log.info("signer_ready", callers=sorted(callers))
            signer.serve(listener)
        _log.info("signer_ended")
    finally:
        database.dispose()


def entitlements(text: str) -> dict[int, Entitlement]:
    """`user=purpose,purpose:kind,generate;user=*` by user id. Raises VermilionError(INVALID)."""
    found: dict[int, Entitlement] = {}
    for entry in filter(None, (part.strip() for part in text.split(";"))):
        user, equals, words = entry.partition("=")
        if not equals:
            raise _wrong_caller(entry)
        uid = _uid(user.strip())
        if uid in found:
            raise _wrong_caller(f"{user.strip()} stands twice")
        found[uid] = _entitlement([word.strip() for word in words.split(",")])
    return found


def _entitlement(words: Sequence[str]) -> Entitlement:
    uses: set[tuple[Purpose, SignKind]] = set()
    purposes: set[Purpose] = set()
    wraps = not {"wrapping", "*"}.isdisjoint(words)
    for word in words:
        if word in ("generate", "wrapping"):
            continue
        name, colon, kind = word.partition(":")
        try:
            named = list(Purpose) if word == "*" else [Purpose(name)]
            kinds = {SignKind(kind)} if colon else None
        except ValueError:
            raise _wrong_caller(f"{word!r} names no purpose, or no kind of bytes") from None
        for purpose in named:
            if kinds is not None and not kinds <= PURPOSE_KINDS[purpose]:
                raise _wrong_caller(f"{word!r}: its keys do not sign that")
            purposes.add(purpose)
            uses |= {(purpose, one) for one in kinds or PURPOSE_KINDS[purpose]}
    makes = "generate" in words
    return Entitlement(
        frozenset(uses),
        frozenset(purposes if makes else ()),
        wraps=wraps,
        makes_wrapping_keys=wraps and makes,
    )


def _uid(user: str) -> int:
    if user.isascii() and user.isdigit():
        return int(user)
    try:
        return pwd.getpwnam(user).pw_uid
    except (KeyError, ValueError):
        raise _wrong_caller(f"there is no user {user!r} on this machine") from None


def _wrong_caller(detail: str) -> VermilionError:
    return VermilionError(Kind.INVALID, f"VERMILION_SIGNER_CALLERS: {detail}", reason="signer_callers")


@contextlib.contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """The socket, in a directory that its user alone can write in; removed at the end.

    Raises VermilionError: UNAVAILABLE where another signer serves it, or it cannot be made; INVALID for a
    directory that others could put a socket into.
    """
    if len(os.fsencode(path)) > MAX_PATH:
        raise VermilionError(Kind.INVALID, "the signer's socket has too long a path", reason="signer_socket")
    with contextlib.ExitStack() as stack:
        try:
            _socket_directory(path.parent)
            lock = stack.enter_context(_own_file(path.with_name(f"{path.name}.lock")))
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink(missing_ok=True)  # one left behind: who holds the lock is the only one
            listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            listener.bind(str(path))
            stack.callback(path.unlink, missing_ok=True)
            path.chmod(SOCKET_MODE)
            listener.listen(BACKLOG)
        except BlockingIOError:
            raise VermilionError(
                Kind.UNAVAILABLE, "another signer serves this socket", reason=TAKEN
            ) from None
        except OSError as error:
            detail = f"the signer's socket cannot be made: {error.strerror}"
            raise VermilionError(Kind.UNAVAILABLE, detail, reason="signer_socket") from error
        yield listener


def _own_file(path: Path) -> TextIO:
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w")


def _socket_directory(path: Path) -> None:
    if not path.exists():
        path.mkdir(parents=True)
        path.chmod(DIRECTORY_MODE)  # whatever the umask
    found = path.stat()
    if found.st_uid not in (0, os.geteuid()) or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise VermilionError(
            Kind.INVALID,
            f"others than the signer can write in {path}: give its socket a directory of its own",
            reason="signer_socket",
        )


def _key_directory(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise VermilionError(
            Kind.UNAVAILABLE, f"cannot prepare {path}: {error.strerror}", reason="keys_directory"
        ) from error


class _ToldOutages:
    """The custodian, whose policy and ledger ask a database: its outages are told as outages."""

    def __init__(self, custodian: WrappingCustodian) -> None:
        self._custodian = custodian

    def generate(self, purpose: Purpose, suite: SuiteName) -> KeyRef:
        return self._custodian.generate(purpose, suite)

    def public_key(self, ref: KeyRef) -> PublicKey:
        return self._custodian.public_key(ref)

    def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        with database_errors():
            return self._custodian.sign(ref, requests)

    def make_wrapping_key(self) -> str:
        return self._custodian.make_wrapping_key()

    def wrap(self, key_id: str, data_key: bytes, record: str) -> bytes:
        return self._custodian.wrap(key_id, data_key, record)

    def unwrap(self, key_id: str, wrapped: bytes, record: str) -> bytes:
        with database_errors():
            return self._custodian.unwrap(key_id, wrapped, record)


def _refused(uid: int, error: VermilionError) -> None:
    _log.warning("signer_refused", uid=uid, reason=error.reason, detail=error.detail)


def _defect(error: Exception) -> None:
    _log.error("signer_defect", error=type(error).__name__, places=places(error))
