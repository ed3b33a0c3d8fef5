"""Validation data within a document (PAdES B-LT, EN 319 142-1, 5.4): put together, and judged by a reader.

What must be proven good at the time of the time-stamp are the certificates of seal and time-stamp authority,
each by an OCSP answer of its issuer's, and the issuing CAs between them and a root, each by that root's CRL.
For a seal of an authority outside its own OCSP answer stands in place of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.x509 import ocsp

from keys.crl import verify_crl
from keys.errors import Kind, VermilionError
from keys.ocsp import GOOD
from keys.ocsp_response import verify_response
from keys.outside_status import Said, read_ocsp
from keys.path import issuer_among
from keys.profiles import ProfileName
from signing.document import ValidationData


@dataclass(frozen=True, slots=True)
class Carried:
    """What a document carries, DER, not yet looked at."""

    certificates: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    crls: tuple[bytes, ...]

    def plus(self, other: Carried) -> Carried:
        return Carried(
            (*self.certificates, *other.certificates),
            (*self.ocsps, *other.ocsps),
            (*self.crls, *other.crls),
        )


@dataclass(frozen=True, slots=True)
class Chain:
    """A certificate (DER) with its issuers, each issued by the next; `outside` where they are not ours."""

    certificate: bytes
    issuers: tuple[bytes, ...]
    outside: bool = False
    profile: ProfileName = ProfileName.SEAL


def gather(certificates: Iterable[bytes], ocsps: Sequence[bytes], crls: Sequence[bytes]) -> ValidationData:
    """Validation data of these, and when all of it holds.

    Whether they are right is not asked: they come from whoever made or verified them. Raises
    VermilionError(INVALID) for what has no times.
    """
    try:
        singles = [one for der in ocsps for one in ocsp.load_der_ocsp_response(der).responses]
        lists = [x509.load_der_x509_crl(der) for der in crls]
    except ValueError:
        raise _untimed() from None
    begins = [one.this_update_utc for one in singles] + [one.last_update_utc for one in lists]
    ends = [one.next_update_utc for one in singles] + [one.next_update_utc for one in lists]
    known = [end for end in ends if end is not None]
    if not ends or len(known) != len(ends):
        raise _untimed()
    return ValidationData(
        certificates=tuple(dict.fromkeys(certificates)),
        ocsps=tuple(ocsps),
        crls=tuple(crls),
        this_update=max(begins),
        next_update=min(known),
    )


def _untimed() -> VermilionError:
    return VermilionError(Kind.INVALID, "validation data do not say when they hold", reason="validation_data")


def proves(carried: Carried, chains: Sequence[Chain], roots: Sequence[bytes], at: datetime) -> bool:
    """Whether what a document carries shows each certificate of these chains good at a time-stamp's time.

    A chain of ours ends with the CA that a root certified; one from outside with its anchor, and only one
    that issued the certificate itself is provable. Nothing is raised: what cannot be read proves nothing.
    """
    proofs = _proofs(carried, tuple(chains), tuple(roots))
    return bool(proofs) and all(_holds(windows, at) for windows in proofs)


def serves(added: Carried, chains: Sequence[Chain], roots: Sequence[bytes], at: datetime) -> bool:
    """Whether each single thing says something of these chains that is current at `at`: nothing else was
    added. What it says is not asked.
    """
    ours = [chain for chain in chains if not chain.outside]
    wanted = {der for chain in chains for der in chain.issuers} | {chain.certificate for chain in chains}
    issuers = [issuer for chain in ours for issuer in chain.issuers]
    return (
        wanted.issuperset(added.certificates)
        and all(any(_holds(_said(chain, [der]), at) for chain in chains) for der in added.ocsps)
        and all(any(_holds(_listed([der], one, roots), at) for one in issuers) for der in added.crls)
    )


Windows = tuple[tuple[datetime, datetime], ...]
"""From when until when something is proven good: as often as it is."""


def _holds(windows: Windows, at: datetime) -> bool:
    return any(begin <= at < end for begin, end in windows)


@lru_cache(maxsize=256)
def _proofs(carried: Carried, chains: tuple[Chain, ...], roots: tuple[bytes, ...]) -> tuple[Windows, ...]:
    """For each certificate of the chains when it is proven good; nothing where an issuer is missing. Many
    documents carry the same.
    """
    known = {*carried.certificates}
    if not all(known.issuperset(chain.issuers) for chain in chains):
        return ()
    proofs = [_said(chain, carried.ocsps, good=True) for chain in chains]
    for chain in chains:
        if not chain.outside:
            proofs += [_listed(carried.crls, issuer, roots, good=True) for issuer in chain.issuers]
    return tuple(proofs)


def _said(chain: Chain, ocsps: Sequence[bytes], *, good: bool = False) -> Windows:
    """When answers of its issuer's speak of the chain's own certificate; with `good`: as good."""
    if not chain.outside:
        return _of_ours(ocsps, chain, good)
    return _of_outside(ocsps, chain, good) if len(chain.issuers) == 1 else ()


def _of_ours(ocsps: Sequence[bytes], chain: Chain, good: bool) -> Windows:
    """An answer ends with its signer's certificate, so that this holds as long as it does."""
    serial = _serial(chain.certificate)
    found = []
    for der in ocsps:
        try:
            said = verify_response(der, chain.issuers[0], _produced(der))
        except (VermilionError, ValueError):
            continue
        about = (one for one in said.answers if one.cert_id.serial == serial)
        found += [(one.this_update, one.next_update) for one in about if one.status == GOOD or not good]
    return tuple(found)


def _of_outside(ocsps: Sequence[bytes], chain: Chain, good: bool) -> Windows:
    found = []
    for der in ocsps:
        try:
            answer = read_ocsp(der, chain.certificate, chain.issuers[0], at=_begins(der), nonce=None)
        except (VermilionError, ValueError):
            continue
        if answer.said is Said.GOOD or not good:
            found.append((answer.this_update, answer.next_update))
    return tuple(found)


def _begins(der: bytes) -> datetime:
    """thisUpdate: producedAt is dated by others as they please. Raises ValueError."""
    first: datetime = next(iter(ocsp.load_der_ocsp_response(der).responses)).this_update_utc
    return first


def _produced(der: bytes) -> datetime:
    """When an OCSP answer was made. Raises ValueError."""
    return ocsp.load_der_ocsp_response(der).produced_at_utc


def _listed(crls: Sequence[bytes], issuer: bytes, roots: Sequence[bytes], *, good: bool = False) -> Windows:
    """When lists of the root that certified it are current; with `good`: and do not name it."""
    serial = _serial(issuer)
    windows = []
    for der in crls:
        for root in roots:
            try:
                found = verify_crl(der, root)
                own = issuer_among(issuer, (root,)) is not None
            except VermilionError:
                continue
            if own and not (good and serial in found.entries):
                windows.append((found.this_update, found.next_update))
    return tuple(windows)


def _serial(certificate: bytes) -> int:
    return x509.load_der_x509_certificate(certificate).serial_number
