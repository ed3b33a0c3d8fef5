"""Putting the parts together: the ports of a running service, and the first start."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.orm import Session

from keys.apart import RootApart
from keys.clock import Clock, system_clock
from keys.custodian import Custodian
from keys.envelope import ScryptCost
from keys.errors import VermilionError
from registry.custodians import (
    DEFAULT_COST,
    Random,
    make_passphrase,
    make_root_passphrase,
    registry_custodian,
    root_at_hand,
    root_custodian,
)
from registry.database import Database
from registry.documents import EncryptedStore, open_store
from registry.licences.outage import database_errors
from registry.licences.prefixes import Prefixes
from registry.logs import configure_logs
from registry.ports import Ports
from registry.schema import require_current, upgrade
from registry.seals.authority import AuthorityNames, chain, establish, has_root, root_authority
from registry.seals.renewal import renew_delegate
from registry.seals.revocation_list import publish_due, publish_root_crl
from registry.seals.stamping import time_stamper
from registry.seals.trust import current_trust_list, publish_trust_list
from registry.seals.validation import Validation
from registry.settings import Settings
from registry.shared_parts import SharingStore
from registry.vault import Vault
from signing.fonts import Fonts
from signing.value_font import GlyphSet

DEFAULT_NAMES = AuthorityNames("Vermilion Registry")


@dataclass(frozen=True)
class Foundation:
    """What there is before the first certificate: the pieces an authority is made with."""

    settings: Settings
    database: Database
    custodian: Custodian
    vault: Vault
    clock: Clock
    random: Random


def lay_foundation(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    random: Random = os.urandom,
    cost: ScryptCost = DEFAULT_COST,
) -> Foundation:
    """Database and custodian. Raises VermilionError(UNAVAILABLE, INVALID)."""
    configure_logs()
    database = Database.open(settings.url)
    vault = Vault(database, random)
    custodian = registry_custodian(settings, database, vault, clock=clock, random=random, cost=cost)
    return Foundation(settings, database, custodian, vault, clock, random)


def open_ports(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    random: Random = os.urandom,
    cost: ScryptCost = DEFAULT_COST,
    glyphs: GlyphSet | None = None,
) -> Ports:
    """The ports of a running service; `glyphs` where the process has them open already. Raises
    VermilionError: UNAVAILABLE before the first start is done, INVALID for a passphrase file or keys
    that others can read.
    """
    base = lay_foundation(settings, clock=clock, random=random, cost=cost)
    with database_errors(), Session(base.database.read) as session:
        chain(session)
    documents = SharingStore(EncryptedStore(open_store(settings.documents_directory), base.vault))
    glyphs = glyphs or GlyphSet(Fonts.find(settings.data / "fonts"))
    return Ports(
        settings=settings,
        database=base.database,
        documents=documents,
        custodian=base.custodian,
        vault=base.vault,
        timestamper=time_stamper(base),
        validation=Validation(base.database, base.custodian, clock=clock, random=random),
        prefixes=Prefixes(glyphs),
        fonts=glyphs.fonts,
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
    """First start: directories, passphrases, tables, authority and trust list. What is there already is kept;
    where a signer or a token holds the keys, there is no passphrase but the root's.

    The root's key lies in a directory of its own. Where the registry has a root that is not here (a ceremony
    made it, or it was carried away), nothing is done that would need it. Raises VermilionError.
    """
    base = prepare_place(settings, clock=clock, random=random, cost=cost)
    try:
        with Session(base.database.read) as session:
            new = not has_root(session)
            here = new or root_at_hand(settings, root_authority(session).key.id)
        if new:
            private_directory(settings.root_place, mode=0o700)
            make_root_passphrase(settings, random)
        root = None
        if here:
            root = root_custodian(settings, base.database, base.vault, clock=clock, random=random, cost=cost)
        pieces = replace(base, custodian=RootApart(root, base.custodian))
        establish(pieces, names, test=test)
        if here:
            renew_delegate(pieces)
            publish_root_crl(pieces)
        publish_due(base)
        publish_trust_list(base)
    finally:
        base.database.dispose()


def founded(settings: Settings) -> bool:
    """Whether a first start has come to its end, on tables as this version has them: a trust list is what it
    makes last. Raises VermilionError(UNAVAILABLE) where the database is out.
    """
    try:
        require_current(settings.url)
    except VermilionError as error:
        if error.reason in {"not_established", "schema"}:
            return False
        raise
    database = Database.open(settings.url)
    try:
        with database_errors(), Session(database.read) as session:
            return current_trust_list(session) is not None
    finally:
        database.dispose()


def prepare_place(
    settings: Settings,
    *,
    clock: Clock = system_clock,
    random: Random = os.urandom,
    cost: ScryptCost = DEFAULT_COST,
) -> Foundation:
    """Directories, the key files' passphrase and tables, each where it is missing. Raises VermilionError."""
    private_directory(settings.data, mode=0o755)
    if settings.holds_key_files:
        private_directory(settings.keys_directory, mode=0o700)
        make_passphrase(settings, random)
    if settings.url.startswith("sqlite"):
        private_directory(settings.data / "database", mode=0o755)
    upgrade(settings.url)
    base = lay_foundation(settings, clock=clock, random=random, cost=cost)
    base.vault.establish(clock)
    return base


def private_directory(path: Path, *, mode: int) -> None:
    """Make it where it is missing, whatever the umask."""
    if not path.exists():
        path.mkdir(parents=True, mode=mode)
        path.chmod(mode)
