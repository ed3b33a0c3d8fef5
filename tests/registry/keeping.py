"""What tests about the keys of many years share: a custodian that dies, the key that serves, a phone's verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from keys.custodian import Custodian, KeyRef, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import VermilionError
from keys.suite import SuiteName
from keys.trust_list import TrustList, read_trust_list
from registry.licences.lookup import SqlLiveRegistry, current_trust_list
from registry.ports import Ports
from registry.seals.use import qr_key
from signing.check import check_scan
from tests.registry.issuing import request_body
from tests.registry.world import World


@dataclass(frozen=True)
class Dying:
    """The real custodian of a process that dies before its certificate is signed."""

    inner: Custodian

    def generate(self, purpose: Any, suite: SuiteName) -> KeyRef:
        return self.inner.generate(purpose, suite)

    def public_key(self, ref: KeyRef) -> Any:
        return self.inner.public_key(ref)

    def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        assert requests[0].kind is SignKind.CERTIFICATE
        raise KeyboardInterrupt


def dying(world: World) -> Ports:
    return replace(world.ports, custodian=Dying(world.ports.custodian))


def trust_list(world: World) -> TrustList:
    """The list published last, as a verifier of this moment reads it."""
    return read_trust_list(current_trust_list(world.ports.database.read), at=world.ports.clock())


def verdict(world: World, link: str) -> str:
    """What a phone that scans it is told."""
    live = SqlLiveRegistry(world.ports.database.read, world.ports.clock)
    return check_scan(link, trust_list(world), live, None, world.ports.clock()).verification.verdict


def serving(world: World, agency: str = "own") -> str:
    """The id of the key that serves, or why none does."""
    with Session(world.ports.database.read) as session:
        try:
            return qr_key(session, world.codes[agency], world.ports.clock()).key.id
        except VermilionError as error:
            return error.reason


def body_today(world: World, seal: str) -> dict[str, Any]:
    """A request of the present day, whenever that is."""
    made = request_body(world, seal=seal)
    later = (world.today + timedelta(days=1800)).isoformat()
    return made | {"fields": {**made["fields"], "issue_date": world.today.isoformat(), "valid_to": later}}
