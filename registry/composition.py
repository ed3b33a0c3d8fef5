"""Putting the parts together: the ports of a running service, and the first start."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from sqlalchemy.orm import Session

from keys.clock import Clock, system_clock
from keys.custodian import Custodian
from keys.envelope import ScryptCost
from keys.errors import Kind, VermilionError
from keys.files import write_once
from keys.software import SoftwareCustodian
from registry.database import Database
from registry.documents import open_store
from registry.licences.outage import database_errors
from registry.logs import configure_logs
from registry.ports import Ports
from registry.schema import upgrade
from registry.seals.authority import AuthorityNames, chain, establish
from registry.seals.custody import DatabaseLedger, registry_policy
from registry.seals.stamping import time_stamper
from registry.seals.trust import publish_trust_list
from registry.settings import Settings
from signing.fonts import Fonts

PASSPHRASE_BYTES = 32
DEFAULT_COST = ScryptCost()
DEFAULT_NAMES = AuthorityNames("Vermilion Registry")
Random = Callable[[int], bytes]
_log = structlog.get_logger("registry.keys")


@dataclass(frozen=True)
class Foundation:
    """What there is before the first certificate: the pieces an authority is made with."""

    settings: Settings
    database: Database
    custodian: Custodian
    clock: Clock
    random: Random


def passphrase_path(settings: Settings) -> Path:
    return settings.passphrase_file or settings.keys_directory / "passphrase"


def lay_foundation(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    random: Random = os.urandom,
    cost: ScryptCost = DEFAULT_COST,
) -> Foundation:
    """Database and unlocked custodian. Raises VermilionError(UNAVAILABLE, INVALID)."""
    configure_logs()
    database = Database.open(settings.url)
    custodian = SoftwareCustodian(
        settings.keys_directory,
        _read_passphrase(passphrase_path(settings)),
        policy=registry_policy(database, clock, settings.tz),
        ledger=DatabaseLedger(database, clock, random),
        cost=cost,
        random=random,
        on_unusable=_log_unusable,
    )
    return Foundation(settings, database, custodian, clock, random)


def _log_unusable(key_id: str, error: VermilionError) -> None:
    _log.error("key_unusable", key=key_id, reason=error.reason, detail=error.detail)


def open_ports(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    random: Random = os.urandom,
    cost: ScryptCost = DEFAULT_COST,
) -> Ports:
    """The ports of a running service. Raises VermilionError: UNAVAILABLE before the first start is done,
    INVALID for a passphrase file or keys that others can read.
    """
    base = lay_foundation(settings, clock=clock, random=random, cost=cost)
    with database_errors(), Session(base.database.read) as session:
        chain(session)
    return Ports(
        settings=settings,
        database=base.database,
        documents=open_store(settings.documents_directory),
        custodian=base.custodian,
        timestamper=time_stamper(base),
        fonts=Fonts.find(settings.data / "fonts"),
        clock=clock,
        random=random,
    )


def establish_registry(
    settings: Settings,
    *,
    test: bool,
    names: AuthorityNames = DEFAULT_NAMES,
    clock: Clock = system_clock,
    random: Random = os.urandom,
    cost: ScryptCost = DEFAULT_COST,
) -> None:
    """First start: directories, passphrase, tables, authority and trust list. What is there already is kept.

    Raises VermilionError.
    """
    _private_directory(settings.data, mode=0o755)
    _private_directory(settings.keys_directory, mode=0o700)
    _make_passphrase(settings, random)
    if settings.url.startswith("sqlite"):
        _private_directory(settings.data / "database", mode=0o755)
    upgrade(settings.url)
    base = lay_foundation(settings, clock=clock, random=random, cost=cost)
    try:
        establish(base, names, test=test)
        publish_trust_list(base)
    finally:
        base.database.dispose()


def _private_directory(path: Path, *, mode: int) -> None:
    if not path.exists():
        path.mkdir(parents=True, mode=mode)
        path.chmod(mode)  # whatever the umask


def _make_passphrase(settings: Settings, random: Random) -> None:
    """A generated passphrase in a file of mode 0600; one that is there is kept. There is no default one.

    Raises VermilionError(UNAVAILABLE) where it cannot be written, or where there are keys that only a lost
    one opens.
    """
    path = passphrase_path(settings)
    try:
        if path.exists():
            return
        if any(settings.keys_directory.glob("*.key")):
            raise VermilionError(
                Kind.UNAVAILABLE,
                f"the passphrase file {path} is gone, and nothing else opens the keys: put it back",
                reason="passphrase",
            )
        write_once(path, base64.urlsafe_b64encode(random(PASSPHRASE_BYTES)) + b"\n")
    except FileExistsError:
        return  # another process was faster
    except OSError:
        raise VermilionError(
            Kind.UNAVAILABLE, "the passphrase file cannot be written", reason="passphrase"
        ) from None


def _read_passphrase(path: Path) -> bytes:
    """Raises VermilionError: UNAVAILABLE without the file, INVALID when others can read it."""
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(4096)
    except OSError:
        raise VermilionError(
            Kind.UNAVAILABLE, "the passphrase file cannot be read", reason="passphrase"
        ) from None
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise VermilionError(
            Kind.INVALID, "the passphrase file is open to others: make it 0600", reason="permissions"
        )
    return data.rstrip(b"\r\n")
