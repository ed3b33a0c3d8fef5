"""Documents with time-stamps for the archive, by an office whose clock goes on and whose authority changes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

from keys.certificates import Subject
from keys.custodian import KeyRef, Purpose
from keys.ledger import MemoryTimeStamps
from keys.profiles import ProfileName
from keys.time_source import GivenClock
from keys.trust_list import TrustList
from keys.tsa import TimeStampAuthority
from signing.document import ValidationData
from signing.document_time_stamp import StampRevision, lay_out, read_document
from signing.prefix import make_prefix
from signing.strict_check import FileEvidence, strict_check
from signing.validation_data import Carried, Chain, gather
from tests.authority import AT
from tests.prover import Prover
from tests.signing import printing
from tests.signing.long_term import base_of, laid_out, sealed
from tests.signing.sealing import NoStamps, Office, make_office

DAY = timedelta(days=1)
YEAR = 365 * DAY
FIRST, SECOND = AT + 40 * DAY, AT + 4 * YEAR
END = AT + 4 * YEAR + DAY


@dataclass
class Archive:
    """An office, its two time-stamp authorities, and what its CA says of them at any time."""

    office: Office
    later_key: KeyRef
    later: bytes  # certificate of the authority that came after the office's own
    trust: TrustList

    @classmethod
    def make(cls) -> Archive:
        office = make_office()
        authority = office.authority
        key = authority.custodian.generate(Purpose.TSA, "p256-sha256")
        later = authority.certify(ProfileName.TSA, Subject("TEST TSA 2", "TEST Vermilion"), key, at=AT + YEAR)
        trust = authority.trust()
        keys = (*trust.keys, authority.trusted("tsa", later))
        return cls(office, key, later, replace(trust, keys=keys))

    def prover(self, at: datetime) -> Prover:
        return Prover.of(self.office.authority, at)

    def proofs(self, chains: Sequence[Chain], at: datetime) -> ValidationData:
        by = self.prover(at)
        certificates = [
            one for chain in chains for one in (*chain.issuers, chain.certificate)
            if one != self.office.material.certificate
        ]  # fmt: skip
        return gather(certificates, [by.ocsp(chain.certificate, at) for chain in chains], [by.root_crl(at)])

    def original(self, *, validated: bool = True, stamped: bool = True) -> bytes:
        """Sealed at `AT`: B-LT, B-T without validation data, B-B without a time-stamp."""
        one = printing.samples()[0]
        authority = self.office.authority
        chains = [Chain(one_, (authority.issuing,)) for one_ in (authority.seal, authority.tsa)]
        prefix = make_prefix(
            base_of(one, validated=validated), self.proofs(chains, AT) if validated else None
        )
        waiting = laid_out(one, prefix, self.office.material)
        stamper = self._stamper(AT + timedelta(seconds=2)) if stamped else NoStamps()
        return sealed(waiting, self.office, stamper.stamp_many).data

    def check(self, data: bytes, at: datetime = END, trust: TrustList | None = None) -> FileEvidence:
        return strict_check(data, trust or self.trust, at=at)

    def token(self, digest: bytes, at: datetime) -> bytes:
        """By the authority that serves at that time."""
        return self._stamper(at).stamp(digest, next(self.office.records))

    def _stamper(self, at: datetime) -> TimeStampAuthority:
        """As it was then: none remembers a later time."""
        authority = self.office.authority
        key, certificate = (
            (authority.tsa_key, authority.tsa) if at < AT + 2 * YEAR else (self.later_key, self.later)
        )
        return TimeStampAuthority(
            authority.custodian, key, certificate, (authority.issuing,),
            time=GivenClock(lambda: at), register=MemoryTimeStamps(), random=authority.random,
        )  # fmt: skip

    def filled(self, revision: StampRevision, at: datetime) -> bytes:
        return revision.stamped(self.token(revision.digest(), at), self.trust.issuing)

    def repaired(self, data: bytes, at: datetime) -> bytes:
        return self.filled(lay_out(read_document(data)), at)

    def archived(
        self, data: bytes, at: datetime, change: Callable[[Carried], Carried] = lambda carried: carried
    ) -> bytes:
        """With one more time-stamp for the archive, and the proofs that it wants, or others."""
        found = self.check(data)
        proofs = self.proofs((*found.to_tell, *found.to_prove), at)
        adding = change(Carried(proofs.certificates, proofs.ocsps, proofs.crls))
        return self.filled(lay_out(read_document(data), adding), at)


@cache
def archive() -> Archive:
    return Archive.make()


@cache
def original() -> bytes:
    return archive().original()


@cache
def once() -> bytes:
    """B-LTA."""
    return archive().archived(original(), FIRST)


@cache
def twice() -> bytes:
    """B-LTA, renewed under another authority."""
    return archive().archived(once(), SECOND)
