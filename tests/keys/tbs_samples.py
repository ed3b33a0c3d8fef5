"""One right sample of each kind of bytes to be signed."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import new as new_hash
from hashlib import sha256
from typing import Any
from zlib import compress

import cbor2
from asn1crypto import algos, cms, core, tsp, x509

from keys import signed_answer as answers
from keys.canonical import canonical_json
from keys.certificates import Subject, public_key_der
from keys.crl import RevocationReason, crl_entry, crl_tbs
from keys.csr import request_info
from keys.custodian import Kind, Purpose
from keys.handover import Archive, Listed, list_input
from keys.ocsp import GOOD, Answer, cert_id, response_data
from keys.seal_attributes import encode_seal_attributes
from keys.seal_data import SealData, seal_info
from keys.status_list import LIFE, PACKED_BYTES, TTL, Content, cwt_input, jwt_input
from keys.suite import P256, SUITES, Ecdsa, Suite, SuiteName, generate_private_key, signature_algorithm

AT = datetime(2026, 11, 20, tzinfo=UTC)
CERTIFICATE_HASH = sha256(b"certificate").digest()


def attribute(name: str, *values: object) -> dict[str, Any]:
    return {"type": name, "values": list(values)}


def content_type(name: str = "data") -> dict[str, Any]:
    return attribute("content_type", name)


def message_digest(size: int = 32) -> dict[str, Any]:
    return attribute("message_digest", bytes(size))


def signing_certificate() -> dict[str, Any]:
    return attribute(
        "signing_certificate_v2", tsp.SigningCertificateV2({"certs": [{"cert_hash": CERTIFICATE_HASH}]})
    )


def protection(digest: str = "sha256", signature: str = "sha256_ecdsa") -> dict[str, Any]:
    return attribute(
        "cms_algorithm_protection",
        {"digest_algorithm": {"algorithm": digest}, "signature_algorithm": {"algorithm": signature}},
    )


def signing_time() -> dict[str, Any]:
    moment = core.UTCTime(datetime(2026, 11, 20, tzinfo=UTC))
    return attribute("signing_time", cms.Time(name="utc_time", value=moment))


def der(tag: int, *parts: bytes) -> bytes:
    """One element of definite, minimal length."""
    content = b"".join(parts)
    size = len(content).to_bytes((len(content).bit_length() + 7) // 8, "big")
    return (
        bytes([tag])
        + (bytes([len(content)]) if len(content) < 128 else bytes([0x80 | len(size)]) + size)
        + content
    )


def attributes(*members: dict[str, Any]) -> bytes:
    return bytes(cms.CMSAttributes(members).dump(force=True))


def seal_attributes(seed: bytes = b"", suite: Suite = P256) -> bytes:
    digest = new_hash(suite.digest_name, seed).digest()
    return _seal_attributes(suite.name).replace(bytes([0xEE]) * len(digest), digest)


@cache  # asn1crypto takes twenty milliseconds for them
def _seal_attributes(name: SuiteName) -> bytes:
    suite = SUITES[name]
    digest = attribute("message_digest", bytes([0xEE]) * new_hash(suite.digest_name).digest_size)
    protected = protection(suite.digest_name, suite.signature_name)
    return attributes(content_type(), digest, signing_certificate(), protected)


def tbs_certificate(authority_certificate: bytes, **changes: Any) -> bytes:
    """The TBSCertificate of a real certificate, with members replaced."""
    tbs = x509.Certificate.load(authority_certificate)["tbs_certificate"].copy()
    for name, value in changes.items():
        tbs[name] = value
    return bytes(tbs.dump(force=True))


def sig_structure(
    protected: object = None,
    aad: bytes = b"elic1|localhost:8801|AAAAAAAAAAAAAAAAAAAAAA",
    claims: object = None,
) -> bytes:
    header = {1: -7, 4: bytes(8)} if protected is None else protected
    payload = {1: "1.2.156", 2: 3} if claims is None else claims
    parts = ["Signature1", cbor2.dumps(header, canonical=True), aad, cbor2.dumps(payload, canonical=True)]
    return cbor2.dumps(parts, canonical=True)


def jws_input(header: object, payload: object) -> bytes:
    def part(value: object) -> bytes:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    return part(header) + b"." + part(payload)


def trust_list(alg: str = "ES256", typ: str = "trust-list+jwt", payload: object = None) -> bytes:
    return jws_input({"alg": alg, "typ": typ}, {"seq": 1} if payload is None else payload)


KIND_OF = {
    Purpose.SEAL: Kind.SIGNED_ATTRIBUTES,
    Purpose.TSA: Kind.TIME_STAMP,
    Purpose.QR: Kind.SIG_STRUCTURE,
    Purpose.OCSP: Kind.OCSP_RESPONSE,
    Purpose.SEAL_MAKER: Kind.SEAL_EDITION,
    Purpose.STATUS_LIST: Kind.STATUS_LIST_JWT,
    Purpose.RECEIPT: Kind.SIGNED_ANSWER,
}


def sample(kind: Kind, certificate: bytes, seed: bytes = b"", suite: Suite = P256) -> bytes:
    """Right bytes for a key of the suite; `certificate` is any one."""
    if kind is Kind.CERTIFICATE:
        algorithm = algos.SignedDigestAlgorithm.load(signature_algorithm(suite))
        return tbs_certificate(certificate, signature=algorithm)
    if kind is Kind.SIGNED_ATTRIBUTES:
        return seal_attributes(seed, suite)
    if kind is Kind.PAGE_ATTRIBUTES:
        return encode_seal_attributes(new_hash(suite.digest_name, seed).digest(), bytes(32), suite)
    if kind is Kind.TIME_STAMP:
        digest = message_digest(new_hash(suite.digest_name).digest_size)
        return attributes(content_type("tst_info"), digest, signing_certificate())
    if kind is Kind.SIG_STRUCTURE:
        return sig_structure({1: suite.cose_alg or -7, 4: bytes(8)})
    if kind is Kind.SEAL_EDITION:
        return seal_info(seal_data(certificate))
    if kind is Kind.CRL:
        return crl(certificate, suite, seed)
    if kind is Kind.OCSP_RESPONSE:
        return ocsp_response(certificate, seed)
    if kind is Kind.CEREMONY_TRANSCRIPT:
        return transcript(certificate, suite)
    if kind is Kind.CERTIFICATION_REQUEST:
        return certification_request(suite, seed)
    if kind in {Kind.STATUS_LIST_JWT, Kind.STATUS_LIST_CWT}:
        return status_list(kind, suite, seed)
    if kind is Kind.SIGNED_ANSWER:
        return signed_answer(suite, seed)
    if kind is Kind.ARCHIVE_STATEMENT:
        return list_input(handover_list(handover=seed.hex()[:32].rjust(32, "0")), suite, [certificate])
    return trust_list(suite.jose_alg)


def handover_list(**changes: Any) -> Listed:
    sender, receiver = Archive("12990000MB01090029", "样本省市场监督管理局"), Archive("A-1", "样本省档案馆")
    return replace(Listed("0" * 32, sender, receiver, AT, 1, "0" * 64), **changes)


def signed_answer(suite: Suite = P256, seed: bytes = b"", **changes: Any) -> bytes:
    """Of the right form; whether it is so is the policy's to judge."""
    content = answers.Content(
        "http://localhost:8801", AT, seed.hex()[:32].rjust(32, "0"), "0" * 32, None, ({"verdict": "valid"},)
    )
    return answers.answer_input(
        replace(content, **changes), "01" * 8, suite if isinstance(suite, Ecdsa) else P256
    )


def status_list(kind: Kind = Kind.STATUS_LIST_JWT, suite: Suite = P256, seed: bytes = b"") -> bytes:
    life = LIFE - timedelta(seconds=len(seed) and seed[0])
    content = Content("http://localhost:8801/status/0", AT, AT + life, TTL, compress(bytes(PACKED_BYTES), 9))
    lay_out = jwt_input if kind is Kind.STATUS_LIST_JWT else cwt_input
    return lay_out(content, "01" * 8, suite if isinstance(suite, Ecdsa) else P256)


@cache
def _public_key(suite: SuiteName) -> bytes:
    return public_key_der(generate_private_key(SUITES[suite]).public_key())


def certification_request(suite: Suite = P256, seed: bytes = b"") -> bytes:
    return request_info(Subject("99010000000001", f"样本 {seed.hex()}"[:64]), _public_key(suite.name))


def transcript(
    certificate: bytes, suite: Suite = P256, typ: str = "ceremony-transcript+jwt", **changes: Any
) -> bytes:
    """Of an invented ceremony; its certificate stands for the root's too."""
    body = {
        "operation": "delegate", "title": "Renewal", "file_sha256": "0" * 64, "software": "vermilion 0",
        "attempt": 1, "begun": 1, "iat": 2, "present": [{"name": "林知遥", "role": "keeper"}],
        "shares": {"scheme": "SLIP-39", "threshold": 2, "total": None},
        "revoked": [], "former_root": None,
        "certificates": [
            {"profile": "trust-list", "key": "0" * 32, "serial": "1", "sha256": "0" * 64, "tbs_sha256": "0" * 64,
             "lint": "pkilint", "x5c": base64.b64encode(certificate).decode()}
        ],
    }  # fmt: skip
    header = {
        "alg": suite.jose_alg,
        "typ": typ,
        "x5c": [base64.b64encode(certificate).decode()],
        "x5t#S256": "x",
    }
    parts = (canonical_json(value) for value in (header, body | changes))
    return b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)


def crl(certificate: bytes, suite: Suite = P256, seed: bytes = b"") -> bytes:
    """Two entries; the serials are made of the seed."""
    serials = sorted(int.from_bytes(b"\1" + sha256(seed + bytes([n])).digest()[:16], "big") for n in (1, 2))
    entries = [crl_entry(serial, AT, RevocationReason.SUPERSEDED, None) for serial in serials]
    return crl_tbs(
        certificate, suite.name, number=1, this_update=AT, next_update=AT + timedelta(days=1), entries=entries
    )


def ocsp_response(certificate: bytes, seed: bytes = b"") -> bytes:
    serial = int.from_bytes(b"\1" + sha256(seed).digest()[:16], "big")
    answer = Answer(cert_id(certificate, serial), GOOD, AT, AT + timedelta(minutes=5))
    spki = x509.Certificate.load(certificate).public_key.dump()
    return response_data(spki, [answer], produced_at=AT, nonce=None)


def seal_data(certificate: bytes) -> SealData:
    day = datetime(2026, 11, 20, tzinfo=UTC)
    return SealData(
        code="99010000000001", type=1, name="样本市市场监督管理局", certificate=certificate, created_at=day,
        valid_from=day, valid_to=day.replace(year=2029), edition=2, picture_type="pdf", picture=b"%PDF-1.7",
        width_mm=42, height_mm=42,
    )  # fmt: skip


def reordered(der: bytes) -> bytes:
    """The same SET OF with its members in the opposite order: BER, no longer DER."""
    parsed = cms.CMSAttributes.load(der)
    members = [parsed[index].dump() for index in range(len(parsed))]
    size = len(der) - sum(map(len, members))
    return der[:size] + b"".join(reversed(members))
