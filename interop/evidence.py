"""What a relying party has beside a file: its trust anchor, and what the authority's site says of status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from keys.crl import RevocationReason, crl_entry, crl_tbs, sign_crl
from tests.authority import TestAuthority
from tests.prover import Prover, serial_of

LIFE = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Evidence:
    """All DER."""

    root: bytes
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()


def evidence_of(authority: TestAuthority, at: datetime, revoked: datetime | None = None) -> Evidence:
    """The root, and the CRLs of root and issuing CA as of `at`; `revoked` is when the seal's was."""
    entries: tuple[bytes, ...] = ()
    if revoked is not None:
        entries = (crl_entry(serial_of(authority.seal), revoked, RevocationReason.KEY_COMPROMISE, None),)
    crls = []
    for key, certificate, listed in (
        (authority.root_key, authority.root, ()),
        (authority.issuing_key, authority.issuing, entries),
    ):
        tbs = crl_tbs(certificate, key.suite, number=1, this_update=at, next_update=at + LIFE, entries=listed)
        crls.append(sign_crl(authority.custodian, key, tbs, f"crl:{authority.random(8).hex()}"))
    return Evidence(authority.root, tuple(crls))


def ocsp_evidence(authority: TestAuthority, at: datetime) -> Evidence:
    """The root with its CRL; of the seal and the time-stamp authority, one good OCSP answer each."""
    proofs = Prover.of(authority, at).everything(at)
    return Evidence(authority.root, proofs.crls, proofs.ocsps)
