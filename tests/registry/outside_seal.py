"""Seals of a test world whose certificates a licensed CA outside gave."""

from __future__ import annotations

import base64
from typing import Any

from registry.seals.outside_ca import add_authority
from tests.registry.licensed_ca import LicensedCa
from tests.registry.world import GROUND, World


def trust(world: World, ca: LicensedCa, name: str = "licensed") -> None:
    """Put the CA's root on record, as an administrator does."""
    with world.ports.database.transaction() as session:
        add_authority(session, world.ports, name=name, file=ca.root.der, hosts=[ca.host], ground=GROUND)


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
