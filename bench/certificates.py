"""Certificates, linted before they are signed, against bare signatures by the same key."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from pathlib import Path
from time import process_time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.row import Row
from keys.certificates import Issuer, Subject, build_tbs, new_serial, sign_certificate
from keys.custodian import KeyRef, Purpose
from keys.lint import lint_tbs
from keys.profiles import ProfileName
from tests.authority import TestAuthority, make_authority

ROUNDS = 100
SUBJECT = Subject("99010000000001", "11990100MB01010556样本市市场监督管理局")


def run() -> list[Row]:
    """Certificates made, linted and signed in a second of CPU by a P-256 key; baseline: bare signatures."""
    with tempfile.TemporaryDirectory() as name:
        authority = make_authority(Path(name), issuing_suite="p256-sha256")
        key = authority.custodian.generate(Purpose.SEAL, "p256-sha256")
        _certify(authority, key)  # loads the linter
        begin = process_time()
        for _ in range(ROUNDS):
            der = _certify(authority, key)
        linted = process_time() - begin
        bare = ec.generate_private_key(ec.SECP256R1())
        begin = process_time()
        for _ in range(ROUNDS * 10):
            bare.sign(der, ec.ECDSA(hashes.SHA256()))
        signed = (process_time() - begin) / 10
    return [Row("cert.linted_per_s", ROUNDS / linted, "1/s", ROUNDS / signed)]


def _certify(authority: TestAuthority, key: KeyRef) -> bytes:
    issuer = Issuer(authority.issuing_key, authority.issuing)
    tbs = build_tbs(
        authority.custodian, issuer, ProfileName.SEAL, SUBJECT, key,
        serial=new_serial(authority.random), at=authority.now, life=timedelta(days=365),
    )  # fmt: skip
    lint_tbs(tbs, issuer.key.suite)
    return sign_certificate(authority.custodian, issuer.key, tbs)
