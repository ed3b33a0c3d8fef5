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
from signing.document import ValidationData

MAX_ITEMS = 16
"""Of each kind: ours have four certificates, two answers and two lists at most."""


@dataclass(frozen=True, slots=True)
class Carried:
    """What a document carries, DER, not yet looked at."""

    certificates: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    crls: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Chain:
    """A certificate (DER) with its issuers, each issued by the next; `outside` where they are not ours."""

    certificate: bytes
    issuers: tuple[bytes, ...]
    outside: bool = False


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


def proves(carried: Carried, chains: Sequence[Chain], roots: Sequence[bytes], gen_time: datetime) -> bool:
    """Whether what a document carries shows each certificate of these chains good at its time-stamp's time.

    A chain of ours ends with the CA that a root certified; one from outside with its anchor, and only one
    that issued the certificate itself is provable. Nothing is raised: what cannot be read proves nothing.
    """
    held = _holding(carried, tuple(chains), tuple(roots))
    return held is not None and held[0] <= gen_time < held[1]


@lru_cache(maxsize=256)
def _holding(
    carried: Carried, chains: tuple[Chain, ...], roots: tuple[bytes, ...]
) -> tuple[datetime, datetime] | None:
    """From when until when it proves all of them good; None for never. Many documents carry the same."""
    known = {*carried.certificates}
    if not all(known.issuperset(chain.issuers) for chain in chains):
        return None
    proofs: list[tuple[datetime, datetime] | None] = []
    for chain in chains:
        if chain.outside:
            alone = len(chain.issuers) == 1
            proofs.append(_good_outside(carried.ocsps, chain) if alone else None)
        else:
            proofs.append(_good(carried.ocsps, chain))
            proofs += [_not_revoked(carried.crls, issuer, roots) for issuer in chain.issuers]
    found = [proof for proof in proofs if proof is not None]
    if not found or len(found) != len(proofs):
        return None
    return max(begin for begin, _ in found), min(end for _, end in found)


def _good(ocsps: Sequence[bytes], chain: Chain) -> tuple[datetime, datetime] | None:
    """An answer ends with its signer's certificate, so that this holds as long as it does."""
    serial = _serial(chain.certificate)
    for der in ocsps:
        try:
            said = verify_response(der, chain.issuers[0], _produced(der))
        except (VermilionError, ValueError):
            continue
        for one in said.answers:
            if one.cert_id.serial == serial and one.status == GOOD:
                return one.this_update, one.next_update
    return None


def _good_outside(ocsps: Sequence[bytes], chain: Chain) -> tuple[datetime, datetime] | None:
    for der in ocsps:
        try:
            answer = read_ocsp(der, chain.certificate, chain.issuers[0], at=_produced(der), nonce=None)
        except (VermilionError, ValueError):
            continue
        if answer.said is Said.GOOD:
            return answer.this_update, answer.next_update
    return None


def _produced(der: bytes) -> datetime:
    """When an OCSP answer was made. Raises ValueError."""
    return ocsp.load_der_ocsp_response(der).produced_at_utc


def _not_revoked(
    crls: Sequence[bytes], issuer: bytes, roots: Sequence[bytes]
) -> tuple[datetime, datetime] | None:
    serial = _serial(issuer)
    for der in crls:
        for root in roots:
            try:
                found = verify_crl(der, root)
            except VermilionError:
                continue
            if serial not in found.entries:
                return found.this_update, found.next_update
    return None


def _serial(certificate: bytes) -> int:
    return x509.load_der_x509_certificate(certificate).serial_number
