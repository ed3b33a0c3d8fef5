"""What the commands share that work on the registry's own machine: its database, its keys, its words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from keys.clock import Clock, system_clock
from keys.errors import Kind, VermilionError

if TYPE_CHECKING:
    from registry.database import Database
    from registry.log.rules import Ground
    from registry.ports import Ports, Surroundings
    from registry.settings import Settings


@dataclass(frozen=True)
class Machine:
    """The registry without its keys."""

    settings: Settings
    database: Database
    clock: Clock = system_clock
    random: Callable[[int], bytes] = os.urandom


@contextmanager
def locked() -> Iterator[Machine]:
    """The registry of the settings, its keys locked away.

    Raises VermilionError(UNAVAILABLE) where there is none, or its tables are not up to date.
    """
    from registry.database import Database
    from registry.licences.outage import database_errors
    from registry.schema import require_current
    from registry.settings import Settings

    settings = Settings()
    require_current(settings.url)
    database = Database.open(settings.url)
    try:
        with database_errors():
            yield Machine(settings, database)
    finally:
        database.dispose()


@contextmanager
def unlocked() -> Iterator[Ports]:
    """The registry of the settings with its keys, as its services have it. Raises as `locked` does, and
    INVALID for a passphrase file or keys that others can read.
    """
    from registry.composition import open_ports
    from registry.licences.outage import database_errors
    from registry.schema import require_current
    from registry.settings import Settings

    settings = Settings()
    require_current(settings.url)
    with database_errors():
        ports = open_ports(settings)
        try:
            yield ports
        finally:
            ports.database.dispose()


def publish(ports: Ports) -> None:
    """Publish the trust list, so that what was put on record is recognised from now on.

    Raises VermilionError, saying that the record stands all the same.
    """
    from registry.seals.trust import publish_trust_list

    try:
        publish_trust_list(ports)
    except VermilionError as error:
        raise VermilionError(
            error.kind,
            f"on record, but not in the trust list yet, which a running API puts right: {error.detail}",
            reason=error.reason,
        ) from error


def ground_today(at: Surroundings, legal_basis: str, reason_code: str) -> Ground:
    """A ground that takes effect today. Raises VermilionError(INVALID) for what the API refuses."""
    from pydantic import TypeAdapter, ValidationError

    from registry.seals.keys import civil_ground
    from registry.web import Basis, Body, ReasonCode

    shapes: list[tuple[str, Any, str]] = [
        ("--legal-basis", Basis, legal_basis),
        ("--reason", ReasonCode, reason_code),
    ]
    for option, shape, text in shapes:
        try:
            TypeAdapter(shape, config=Body.model_config).validate_python(text)
        except ValidationError as error:
            raise VermilionError(Kind.INVALID, f"{option}: {error.errors()[0]['msg']}") from None
    return civil_ground(at.clock(), at.settings.tz, reason_code, legal_basis)
