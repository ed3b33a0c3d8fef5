"""A real authority on real key files, with cheap scrypt: root, issuing CA, TSA, one seal, one QR key."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from keys.certificates import (
    Issuer,
    Subject,
    certificate_validity,
    issue_certificate,
    new_serial,
    public_key_der,
)
from keys.custodian import KeyRef, Purpose, SignRequest
from keys.envelope import ScryptCost
from keys.ledger import MemoryLedger
from keys.profiles import ProfileName
from keys.software import SoftwareCustodian
from keys.trust_list import LIFE, TrustedKey, TrustList, kid_of, sign_trust_list
from keys.tsa import TimeStampAuthority

CHEAP = ScryptCost(n=1 << 10)
PASSPHRASE = b"a passphrase for tests only"
AT = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
AGENCY = "11990100MB01010556"
TYPE = "11990000MB01099991001"
SEAL_CODE = "99010000000101"
ORIGIN = "http://localhost:8801"


def counting_random(seed: str = "test") -> Callable[[int], bytes]:
    """Reproducible bytes that never repeat."""
    counter = itertools.count()

    def random(size: int) -> bytes:
        return hashlib.shake_256(f"{seed}/{next(counter)}".encode()).digest(size)

    return random


def allow_all(ref: KeyRef, request: SignRequest) -> None:
    """A policy for tests of what stands beyond policy."""


@dataclass
class TestAuthority:
    __test__ = False

    custodian: SoftwareCustodian
    ledger: MemoryLedger
    root_key: KeyRef
    root: bytes
    issuing_key: KeyRef
    issuing: bytes
    tsa: TimeStampAuthority
    tsa_key: KeyRef
    tsa_certificate: bytes
    seal_key: KeyRef
    seal_certificate: bytes
    qr_key: KeyRef
    qr_certificate: bytes
    trust: TrustList
    trust_jws: str


def make_authority(
    directory: Path,
    at: datetime = AT,
    *,
    agency: str = AGENCY,
    types: tuple[str, ...] = (TYPE,),
    seal_code: str = SEAL_CODE,
    seed: str = "test",
) -> TestAuthority:
    """Everything that one agency needs to seal at `at`; the trust list names its keys."""
    random = counting_random(seed)
    ledger = MemoryLedger()
    custodian = SoftwareCustodian(
        directory, PASSPHRASE, policy=allow_all, ledger=ledger, cost=CHEAP, random=random
    )
    made = at - timedelta(days=1)

    root_key = custodian.generate(Purpose.ROOT_CA, "p384-sha384")
    root = issue_certificate(
        custodian, Issuer(root_key, None), ProfileName.ROOT,
        Subject(f"Vermilion TEST Root {seed}", "TEST"), root_key, serial=new_serial(random), at=made,
    )  # fmt: skip
    issuing_key = custodian.generate(Purpose.ISSUING_CA, "p256-sha256")
    issuing = issue_certificate(
        custodian, Issuer(root_key, root), ProfileName.ISSUING,
        Subject(f"Vermilion TEST Seal CA {seed}", "TEST"), issuing_key, serial=new_serial(random), at=made,
    )  # fmt: skip

    def leaf(purpose: Purpose, profile: ProfileName, name: str) -> tuple[KeyRef, bytes]:
        key = custodian.generate(purpose, "p256-sha256")
        certificate = issue_certificate(
            custodian, Issuer(issuing_key, issuing), profile, Subject(name, f"{agency}样本局"), key,
            serial=new_serial(random), at=made,
        )  # fmt: skip
        return key, certificate

    tsa_key, tsa_certificate = leaf(Purpose.TSA, ProfileName.TSA, "Vermilion TEST TSA")
    seal_key, seal_certificate = leaf(Purpose.SEAL, ProfileName.SEAL, seal_code)
    qr_key, qr_certificate = leaf(Purpose.QR, ProfileName.QR, f"QR {agency}")
    entries = []
    for use, ref, certificate in (
        ("qr", qr_key, qr_certificate), ("seal", seal_key, seal_certificate), ("tsa", tsa_key, tsa_certificate),
    ):  # fmt: skip
        spki = public_key_der(custodian.public_key(ref))
        begin, end = certificate_validity(certificate)
        entries.append(
            TrustedKey(
                kid=kid_of(spki), use=use, suite=ref.suite, public_key=spki, certificate=certificate,
                agency=None if use == "tsa" else agency, types=() if use == "tsa" else types,
                sign_from=begin, sign_to=end, state="active", since=None,
            )
        )  # fmt: skip
    trust = TrustList(
        sequence=1, issued_at=at, next_update=at + timedelta(days=2), expires_at=at + LIFE, zone="Asia/Shanghai",
        origins=(ORIGIN,), roots=(root,), issuing=(issuing,),
        agencies={agency: {"zh": "样本局", "en": "Sample Bureau"}},
        types={code: {"zh": "样本证照", "en": "Sample licence"} for code in types},
        keys=tuple(entries), status_lists=f"{ORIGIN}/status-lists",
    )  # fmt: skip
    return TestAuthority(
        custodian, ledger, root_key, root, issuing_key, issuing,
        TimeStampAuthority(custodian, tsa_key, tsa_certificate, [issuing], clock=lambda: at, random=random),
        tsa_key, tsa_certificate, seal_key, seal_certificate, qr_key, qr_certificate, trust,
        sign_trust_list(trust, custodian, root_key, root),
    )  # fmt: skip


def with_key(trust: TrustList, use: str, **changes: object) -> TrustList:
    """The list with the entry of one use changed."""
    return replace(
        trust,
        keys=tuple(replace(k, **changes) if k.use == use else k for k in trust.keys),  # type: ignore[arg-type]
    )
