"""A seal with a certificate of a licensed CA outside: asked for, brought, judged, bound, used and verified."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.orm import Session

from keys.trust_list import TrustList, read_trust_list
from registry.documents import document_key
from registry.seals.trust import current_trust_list, publish_trust_list
from signing.check import check_file
from signing.strict_check import strict_check
from signing.verdict import Verdict
from tests.registry.issuing import issue_one
from tests.registry.licensed_ca import LicensedCa, licensed_ca
from tests.registry.outside_seal import hand_in, request, trust
from tests.registry.world import Ticker, World
from tests.tools import need


@pytest.fixture
def ca(clock: Ticker) -> Iterator[LicensedCa]:
    with licensed_ca(clock) as running:
        yield running


def sealed(world: World, code: str) -> bytes:
    """A document sealed with it."""
    world.seal_code = code
    issued = issue_one(world)
    data = world.ports.documents.get(document_key(issued.edition_id))
    assert data is not None
    return data


def trust_list(world: World) -> TrustList:
    publish_trust_list(world.ports)
    with Session(world.ports.database.read) as session:
        jws = current_trust_list(session)
    assert jws is not None
    return read_trust_list(jws, at=world.ports.clock())


def test_it_is_sealed_and_verified_with_nothing_but_the_trust_list(
    world: World, ca: LicensedCa, tmp_path: Path
) -> None:
    trust(world, ca)
    code = world.approved_seal()
    asked = request(world, code)
    (tmp_path / "request.der").write_bytes(asked)
    told = subprocess.run(
        [need("openssl"), "req", "-inform", "DER", "-in", str(tmp_path / "request.der"), "-verify", "-noout",
         "-subject", "-nameopt", "utf8"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "verify OK" in told.stderr + told.stdout
    assert code in told.stdout
    assert request(world, code) == asked, "asked again, the same request is given"

    certificate = ca.certify(asked)
    hand_in(world, code, *ca.chain(certificate))
    world.act("maker", f"/api/v1/seals/{code}/filing", {})
    world.act("keeper", f"/api/v1/seals/{code}/activation", {})
    world.authorise(code)
    data = sealed(world, code)

    trusted = trust_list(world)
    (entry,) = [key for key in trusted.keys if key.certificate == certificate]
    assert entry.issuers == (ca.below.der,)
    evidence = strict_check(data, trusted, at=world.ports.clock())
    assert (evidence.seal_certificate, evidence.seal_key, evidence.level) == (certificate, entry, "B-T")
    outcome = check_file(data, trusted, None, None, world.ports.clock())
    assert outcome.verification.verdict is Verdict.GENUINE_OFFLINE
