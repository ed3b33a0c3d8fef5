"""Seals of a test world whose certificates a licensed CA outside gave."""

from __future__ import annotations

import base64
from itertools import count
from typing import Any

from registry.seals.outside_ca import add_authority
from registry.seals.outside_fetch import OutsideStatuses
from tests.registry.licensed_ca import LicensedCa
from tests.registry.world import GROUND, World


def watcher(world: World, **changes: Any) -> OutsideStatuses:
    """What asks for the status in a running API; with a stopwatch that always says it is time."""
    return OutsideStatuses(world.ports, **({"monotonic": count(0, 3600.0).__next__} | changes))


def in_use(world: World, ca: LicensedCa, suite: str = "p256-sha256") -> tuple[str, bytes]:
    """A seal in use, authorised, under a certificate of the CA's, which has said that it is good."""
    code = world.approved_seal()
    certificate = made(world, ca, code, suite)
    world.act("maker", f"/api/v1/seals/{code}/filing", {})
    assert watcher(world).fetch_due() >= 1
    world.act("keeper", f"/api/v1/seals/{code}/activation", {})
    world.authorise(code)
    world.seal_code = code
    return code, certificate


def trust(world: World, ca: LicensedCa, name: str = "licensed") -> None:
    """Put the CA's root on record, as an administrator does."""
    with world.ports.database.transaction() as session:
        add_authority(
            session, world.ports, world.system, name=name, file=ca.root.der, hosts=[ca.host], ground=GROUND
        )


def request(world: World, code: str, suite: str = "p256-sha256") -> bytes:
    """The maker's PKCS #10 request, DER."""
    told = world.act("maker", f"/api/v1/seals/{code}/certification-request", {"suite": suite}, 201)
    return base64.b64decode(told["request"])


def hand_in(world: World, code: str, *files: bytes, status: int = 201) -> dict[str, Any]:
    body = {"chain": [base64.b64encode(data).decode() for data in files]}
    return world.act("maker", f"/api/v1/seals/{code}/making", body, status)


def made(world: World, ca: LicensedCa, code: str, suite: str = "p256-sha256") -> bytes:
    """The certificate (DER) of an edition that is made of what was approved."""
    certificate = ca.certify(request(world, code, suite))
    hand_in(world, code, *ca.chain(certificate))
    return certificate
