"""CRLs and OCSP answers, made, checked by the custodian and signed, against bare signatures by such a key."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from time import process_time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.row import Row
from keys.certificates import Subject, certificate_key
from keys.crl import RevocationReason, crl_entry, crl_tbs, sign_crl, verify_crl
from keys.custodian import Purpose
from keys.lint import lint_crl_parts
from keys.ocsp import GOOD, Answer, build_request, cert_id, parse_request, response_data, sign_response
from keys.profiles import ProfileName
from tests.authority import TestAuthority, make_authority

ANSWERS = 3_000
ROUNDS = 3


def run() -> list[Row]:
    """Seconds of CPU for a CRL of 100,000 and of 10,000 entries, one of them new, from stored entries to a
    signed and verified list; OCSP answers in a second of CPU over bare ECDSA signatures in one.
    """
    with tempfile.TemporaryDirectory() as name:
        authority = make_authority(Path(name), issuing_suite="p256-sha256")
        bare = ec.generate_private_key(ec.SECP256R1())
        one = _seconds(lambda: bare.sign(bytes(300), ec.ECDSA(hashes.SHA256())), ANSWERS)
        big, small = (_crl(authority, entries) for entries in (100_000, 10_000))
        answer = _ocsp(authority)
    return [
        Row("crl.100k_s", big, "s", one),
        Row("crl.10k_s", small, "s", one),
        Row("ocsp.signed_vs_raw", 1 / answer, "1/s", 1 / one),
    ]


def _crl(authority: TestAuthority, size: int) -> float:
    at = authority.now
    entries = [crl_entry((1 << 128) + n, at, RevocationReason.SUPERSEDED, None) for n in range(size)]
    took = []
    for number in range(1, ROUNDS + 1):
        begin = process_time()
        tbs = crl_tbs(
            authority.issuing, authority.issuing_key.suite, number=number, this_update=at,
            next_update=at + timedelta(days=2), entries=entries,
        )  # fmt: skip
        lint_crl_parts(tbs, authority.issuing_key.suite, entries[-1:])
        der = sign_crl(authority.custodian, authority.issuing_key, tbs, f"crl:{size}:{number}")
        verify_crl(der, authority.issuing)
        took.append(process_time() - begin)
    return median(took)


def _ocsp(authority: TestAuthority) -> float:
    """A request with a nonce is read and answered, each time another."""
    key = authority.custodian.generate(Purpose.OCSP, "p256-sha256")
    certificate = authority.certify(ProfileName.OCSP, Subject("OCSP", "x"), key, life=timedelta(days=14))
    spki, at = certificate_key(certificate), authority.now
    until = at + timedelta(minutes=15)
    requests = enumerate(
        [
            build_request([cert_id(authority.issuing, (1 << 128) + number)], number.to_bytes(16, "big"))
            for number in range(ROUNDS * ANSWERS + 1)
        ]
    )

    def answer() -> None:
        number, request = next(requests)
        asked = parse_request(request)
        answers = [Answer(one, GOOD, at, until) for one in asked.ids]
        data = response_data(spki, answers, produced_at=at, nonce=asked.nonce)
        sign_response(authority.custodian, key, data, f"ocsp:{number}", certificate)

    return _seconds(answer, ANSWERS)


def _seconds(act: Callable[[], object], times: int) -> float:
    """CPU seconds of one, the median of some rounds."""
    act()
    took = []
    for _ in range(ROUNDS):
        begin = process_time()
        for _ in range(times):
            act()
        took.append((process_time() - begin) / times)
    return median(took)
