"""Which custodian holds the registry's keys: key files, a token, or a signer's behind its socket."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from keys.clock import Clock
from keys.custodian import KeyRef, Policy, SignRequest
from keys.envelope import ScryptCost
from keys.errors import Kind, VermilionError
from keys.files import write_once
from keys.remote import RemoteCustodian
from keys.software import SoftwareCustodian, close_anew
from keys.wrapping import KeyWrapper, Ledger, WrappingCustodian
from registry.database import Database
from registry.seals.custody import DatabaseLedger, registry_policy
from registry.secret_files import read_secret
from registry.settings import Settings
from registry.vault import Vault

PASSPHRASE_BYTES = 32
DEFAULT_COST = ScryptCost()
Random = Callable[[int], bytes]
_log = structlog.get_logger("registry.keys")


def passphrase_path(settings: Settings) -> Path:
    return settings.passphrase_file or settings.keys_directory / "passphrase"


def registry_custodian(
    settings: Settings, database: Database, vault: Vault, *, clock: Clock, random: Random, cost: ScryptCost
) -> WrappingCustodian:
    """The custodian of the settings; it opens the vault. Raises VermilionError(UNAVAILABLE, INVALID)."""
    if settings.signer_socket is not None:
        remote = RemoteCustodian(settings.signer_socket)
        vault.opened_by(remote)
        return remote
    return own_custodian(settings, database, vault, clock=clock, random=random, cost=cost)


def own_custodian(
    settings: Settings,
    database: Database,
    vault: Vault,
    *,
    clock: Clock,
    random: Random,
    cost: ScryptCost = DEFAULT_COST,
) -> WrappingCustodian:
    """A custodian whose keys this process holds: those of a token, or of the key files. It opens the vault,
    by which its policy reads the records that signatures serve.

    Raises VermilionError: UNAVAILABLE where they cannot be had, INVALID for settings that do not go together
    or a secret that others can read.
    """
    policy = registry_policy(database, clock, settings.tz, vault)
    ledger = DatabaseLedger(database, clock, random)
    custodian = _held_here(settings, policy, ledger, random=random, cost=cost)
    vault.opened_by(custodian)
    return custodian


def wrapping_keys_alone(settings: Settings, ledger: Ledger) -> KeyWrapper:
    """The wrapping keys that this process holds, where there is no database yet: for restoring one. Raises as
    `own_custodian` does; INVALID (`signer_socket`) where a signer has them, who needs the database first.
    """
    if settings.signer_socket is not None:
        raise VermilionError(
            Kind.INVALID,
            "a signer holds the keys, and needs a database to serve: restore as its user, with its settings "
            "but for VERMILION_SIGNER_SOCKET",
            reason="signer_socket",
        )

    def refuse(_ref: KeyRef, _requests: Sequence[SignRequest]) -> None:
        raise VermilionError(Kind.KEY_REFUSED, "nothing is signed before there is a record", reason="record")

    return _held_here(settings, refuse, ledger, random=os.urandom, cost=DEFAULT_COST)


def _held_here(
    settings: Settings, policy: Policy, ledger: Ledger, *, random: Random, cost: ScryptCost
) -> WrappingCustodian:
    if settings.pkcs11_module is None:
        return SoftwareCustodian(
            settings.keys_directory,
            read_secret(passphrase_path(settings), "passphrase"),
            policy=policy,
            ledger=ledger,
            cost=cost,
            random=random,
            on_unusable=_log_unusable,
        )
    if not settings.pkcs11_token or settings.pkcs11_pin_file is None:
        raise VermilionError(
            Kind.INVALID,
            "VERMILION_PKCS11_MODULE needs VERMILION_PKCS11_TOKEN and VERMILION_PKCS11_PIN_FILE",
            reason="pkcs11",
        )
    try:
        from keys.pkcs11 import Pkcs11Custodian
    except ModuleNotFoundError:
        raise VermilionError(
            Kind.INVALID, "a token needs python-pkcs11: install vermilion[pkcs11]", reason="pkcs11"
        ) from None
    return Pkcs11Custodian(
        str(settings.pkcs11_module),
        settings.pkcs11_token,
        read_secret(settings.pkcs11_pin_file, "PIN"),
        policy=policy,
        ledger=ledger,
        random=random,
        on_unusable=_log_unusable,
    )


def root_passphrase_path(settings: Settings) -> Path:
    """Where the passphrase of a root that a first start made lies; a ceremony's is nowhere but in shares."""
    return settings.root_place / "passphrase"


def root_at_hand(settings: Settings, key_id: str) -> bool:
    """Whether this root, which a first start made, is here, with what opens it: the one in service may be
    another one since.
    """
    return root_passphrase_path(settings).exists() and (settings.root_place / f"{key_id}.key").exists()


def root_custodian(
    settings: Settings,
    database: Database,
    vault: Vault,
    passphrase: bytes | None = None,
    *,
    clock: Clock,
    random: Random,
    cost: ScryptCost,
) -> SoftwareCustodian:
    """The custodian of the root alone, in its own directory, under the same policy and ledger as the others;
    without a `passphrase`, by the file of a first start. For first starts and ceremonies: nothing that serves
    asks for it.

    Raises VermilionError(UNAVAILABLE, INVALID).
    """
    return SoftwareCustodian(
        settings.root_place,
        read_secret(root_passphrase_path(settings), "passphrase") if passphrase is None else passphrase,
        policy=registry_policy(database, clock, settings.tz, vault),
        ledger=DatabaseLedger(database, clock, random),
        cost=cost,
        random=random,
        on_unusable=_log_unusable,
    )


def make_passphrase(settings: Settings, random: Random) -> None:
    """The passphrase of the key files: see `_make_passphrase`."""
    _make_passphrase(passphrase_path(settings), settings.keys_directory, random)


def copy_under_new_passphrase(settings: Settings, target: Path, random: Random) -> int:
    """The key files of this process again, in a new directory with a new passphrase; how many.

    Raises VermilionError: INVALID where key files are not what it has, and as `keys.software.close_anew`.
    """
    if not settings.holds_key_files:
        raise VermilionError(
            Kind.INVALID, "the keys are not in files here: a token, or a signer, has them", reason="key_files"
        )
    passphrase = read_secret(passphrase_path(settings), "passphrase")
    new = base64.urlsafe_b64encode(random(PASSPHRASE_BYTES))
    try:
        count = close_anew(settings.keys_directory, passphrase, target, new, random=random)
        write_once(target / "passphrase", new + b"\n")
    except OSError as error:
        raise VermilionError(
            Kind.UNAVAILABLE, f"the keys cannot be copied: {error.strerror}", reason="keys_directory"
        ) from error
    return count


def make_root_passphrase(settings: Settings, random: Random) -> None:
    """The passphrase of a first start's root, another one than the key files': see `_make_passphrase`."""
    _make_passphrase(root_passphrase_path(settings), settings.root_place, random)


def _make_passphrase(path: Path, keys: Path, random: Random) -> None:
    """A generated passphrase in a file of mode 0600; one that is there is kept. There is no default one.

    Raises VermilionError(UNAVAILABLE) where it cannot be written, or where there are keys that only a lost
    one opens.
    """
    try:
        if path.exists():
            return
        if any(path.suffix in (".key", ".wrapping") for path in keys.glob("*")):
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


def _log_unusable(key_id: str, error: VermilionError) -> None:
    _log.error("key_unusable", key=key_id, reason=error.reason, detail=error.detail)
