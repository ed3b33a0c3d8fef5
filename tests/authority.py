"""A whole authority for tests, real throughout: custodian, root, issuing CA, TSA, one agency's seal and QR key.

Only the price of a passphrase guess is lowered. Nothing here is known to any real verifier.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

from cryptography.hazmat.primitives import serialization

from keys.certificates import (
    Issuer,
    Subject,
    build_tbs,
    certificate_key,
    certificate_validity,
    new_serial,
    sign_certificate,
)
from keys.clock import Clock
from keys.custodian import Custodian, KeyRef, Policy, Purpose, SignRequest
from keys.envelope import ScryptCost
from keys.ledger import MemoryLedger, MemoryTimeStamps
from keys.profiles import ProfileName
from keys.software import SoftwareCustodian
from keys.suite import SUITES, SuiteName, suite_of
from keys.time_source import GivenClock
from keys.trust_list import (
    REGISTRY_USES,
    KeyUse,
    TrustedKey,
    TrustList,
    kid_of,
    sign_trust_list,
    trust_list_input,
)
from keys.tsa import TimeStampAuthority

AT = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
AGENCY = "113301000000000019"
AGENCY_NAME = "样本市市场监督管理局"
SEAL_CODE = "33010000000001"
TYPES = ("11100000MB0306534Y001",)
ORIGIN = "http://localhost:8801"
PASSPHRASE = b"a passphrase for tests only"
CHEAP = ScryptCost(n=1 << 10)


def permit(ref: KeyRef, requests: Sequence[SignRequest]) -> None:
    """A policy that refuses nothing."""


def counted_random(seed: bytes = b"test") -> Callable[[int], bytes]:
    """Repeatable bytes in place of random ones; never the same twice."""
    count = itertools.count()

    def random(size: int) -> bytes:
        blocks = (sha256(seed + next(count).to_bytes(8, "big")).digest() for _ in range(size // 32 + 1))
        return b"".join(blocks)[:size]

    return random


def issue_certificate(
    custodian: Custodian,
    issuer: Issuer,
    profile: ProfileName,
    subject: Subject,
    key: KeyRef,
    *,
    serial: int,
    at: datetime,
    life: timedelta | None = None,
) -> bytes:
    """Build and sign in one go, as a registry never does: it puts what it will sign on record in between."""
    tbs = build_tbs(custodian, issuer, profile, subject, key, serial=serial, at=at, life=life)
    return sign_certificate(custodian, issuer.key, tbs)


def issue_trust_list(
    trust: TrustList, custodian: Custodian, key: KeyRef, delegate: bytes, root: bytes
) -> str:
    """Build and sign in one go, as a registry never does."""
    return sign_trust_list(
        custodian, key, trust_list_input(trust, SUITES[key.suite], delegate, root), trust.sequence
    )


@dataclass
class TestAuthority:
    """What tests of other floors take from here. Certificates are DER; `now` is what `clock` answers."""

    __test__: ClassVar[bool] = False

    directory: Path
    custodian: SoftwareCustodian
    ledger: MemoryLedger
    random: Callable[[int], bytes]
    now: datetime
    agency: str
    agency_name: str
    seal_code: str
    types: tuple[str, ...]
    root_key: KeyRef
    root: bytes
    delegate_key: KeyRef
    delegate: bytes
    issuing_key: KeyRef
    issuing: bytes
    tsa_key: KeyRef
    tsa: bytes
    seal_key: KeyRef
    seal: bytes
    qr_key: KeyRef
    qr: bytes
    time_stamps: MemoryTimeStamps = field(default_factory=MemoryTimeStamps)
    stamper: TimeStampAuthority = field(init=False)

    def __post_init__(self) -> None:
        self.stamper = self.authority_of(self.tsa_key, self.tsa)

    def clock(self) -> datetime:
        return self.now

    def authority_of(self, key: KeyRef, certificate: bytes, clock: Clock | None = None) -> TimeStampAuthority:
        """A time-stamping authority of the issuing CA's, as one that was just started."""
        return TimeStampAuthority(
            self.custodian,
            key,
            certificate,
            (self.issuing,),
            time=GivenClock(clock or self.clock),
            register=self.time_stamps,
            random=self.random,
        )

    def certify(
        self,
        profile: ProfileName,
        subject: Subject,
        key: KeyRef,
        *,
        life: timedelta | None = None,
        at: datetime | None = None,
    ) -> bytes:
        """One more certificate of the issuing CA."""
        return issue_certificate(
            self.custodian,
            Issuer(self.issuing_key, self.issuing),
            profile,
            subject,
            key,
            serial=new_serial(self.random),
            at=self.now if at is None else at,
            life=life,
        )

    def trusted(self, use: KeyUse, certificate: bytes) -> TrustedKey:
        """A trust list entry for a certificate: of this agency and types unless it is the registry's own."""
        spki = certificate_key(certificate)
        suite = suite_of(serialization.load_der_public_key(spki))
        assert suite is not None
        sign_from, sign_to = certificate_validity(certificate)
        return TrustedKey(
            kid=kid_of(spki),
            use=use,
            suite=suite.name,
            public_key=spki,
            certificate=certificate,
            agency=None if use in REGISTRY_USES else self.agency,
            types=() if use in REGISTRY_USES else self.types,
            sign_from=sign_from,
            sign_to=sign_to,
            state="active",
            since=None,
        )

    def trust(self, **changes: object) -> TrustList:
        """The list of everything here, with some members replaced."""
        trust = TrustList(
            sequence=1,
            issued_at=self.now,
            next_update=self.now + timedelta(days=1),
            expires_at=self.now + timedelta(days=7),
            zone="Asia/Shanghai",
            origins=(ORIGIN,),
            roots=(self.root,),
            issuing=(self.issuing,),
            agencies={self.agency: {"zh": self.agency_name, "en": "Sample Market Supervision Bureau"}},
            types={code: {"zh": "样本证照", "en": "Sample licence"} for code in self.types},
            keys=(
                self.trusted("seal", self.seal),
                self.trusted("qr", self.qr),
                self.trusted("tsa", self.tsa),
            ),
            status_lists=f"{ORIGIN}/status/",
        )
        return replace(trust, **changes)  # type: ignore[arg-type]

    def jws(self, **changes: object) -> str:
        """`trust` as published. Each sequence can be signed once."""
        return issue_trust_list(
            self.trust(**changes), self.custodian, self.delegate_key, self.delegate, self.root
        )


def make_authority(
    tmp_path: Path,
    at: datetime = AT,
    *,
    agency: str = AGENCY,
    agency_name: str = AGENCY_NAME,
    seal_code: str = SEAL_CODE,
    types: tuple[str, ...] = TYPES,
    root_suite: SuiteName = "p384-sha384",
    issuing_suite: SuiteName = "p256-sha256",
    end_suite: SuiteName = "p256-sha256",
    policy: Policy = permit,
) -> TestAuthority:
    """Generate every key under `tmp_path`/keys and issue every certificate 30 days before `at`. `end_suite` is
    that of the seal and the time-stamp authority.
    """
    ledger, random = MemoryLedger(), counted_random(str(tmp_path).encode())
    directory = tmp_path / "keys"
    custodian = SoftwareCustodian(directory, PASSPHRASE, policy=policy, ledger=ledger, cost=CHEAP)
    founded = at - timedelta(days=30)
    maker = "TEST Vermilion"

    def certify(profile: ProfileName, issuer: Issuer, subject: Subject, key: KeyRef) -> bytes:
        return issue_certificate(
            custodian, issuer, profile, subject, key, serial=new_serial(random), at=founded
        )

    root_key = custodian.generate(Purpose.ROOT_CA, root_suite)
    delegate_key = custodian.generate(Purpose.TRUST_LIST, end_suite)
    issuing_key = custodian.generate(Purpose.ISSUING_CA, issuing_suite)
    tsa_key, seal_key = (custodian.generate(purpose, end_suite) for purpose in (Purpose.TSA, Purpose.SEAL))
    qr_key = custodian.generate(Purpose.QR, "p256-sha256")
    root = certify(ProfileName.ROOT, Issuer(root_key, None), Subject("TEST root", maker), root_key)
    by_root = Issuer(root_key, root)
    issuing = certify(ProfileName.ISSUING, by_root, Subject("TEST issuing", maker), issuing_key)
    by_issuing = Issuer(issuing_key, issuing)
    unit = f"{agency}{agency_name}"
    return TestAuthority(
        directory=directory,
        custodian=custodian,
        ledger=ledger,
        random=random,
        now=at,
        agency=agency,
        agency_name=agency_name,
        seal_code=seal_code,
        types=types,
        root_key=root_key,
        root=root,
        delegate_key=delegate_key,
        delegate=certify(ProfileName.TRUST_LIST, by_root, Subject("TEST trust list", maker), delegate_key),
        issuing_key=issuing_key,
        issuing=issuing,
        tsa_key=tsa_key,
        tsa=certify(ProfileName.TSA, by_issuing, Subject("TEST TSA", maker), tsa_key),
        seal_key=seal_key,
        seal=certify(ProfileName.SEAL, by_issuing, Subject(seal_code, unit), seal_key),
        qr_key=qr_key,
        qr=certify(ProfileName.QR, by_issuing, Subject(f"{seal_code}-QR", unit), qr_key),
    )
