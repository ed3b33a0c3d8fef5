"""Time-stamp tokens and their signed attributes by asn1crypto's trees: what ours, spliced, are compared with."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from hashlib import new as new_hash
from hashlib import sha256
from typing import Any

from asn1crypto import algos, cms, core, tsp, x509

from keys.errors import VermilionError
from keys.profiles import POLICY_TSA
from keys.suite import Suite
from keys.tbs import _load_der
from tests.keys.tbs_samples import der


def tst_info(
    digest: bytes, serial: int, gen_time: datetime, *, hash_name: str = "sha256", nonce: int | None = None
) -> bytes:
    content = {
        "version": "v1",
        "policy": POLICY_TSA,
        "message_imprint": {"hash_algorithm": {"algorithm": hash_name}, "hashed_message": digest},
        "serial_number": serial,
        "gen_time": core.GeneralizedTime(gen_time),
        "accuracy": {"seconds": 1},
        "nonce": nonce,
    }
    encoded: bytes = tsp.TSTInfo({k: v for k, v in content.items() if v is not None}).dump()
    return encoded


def attributes(info: bytes, certificate: bytes, suite: Suite) -> bytes:
    encoded: bytes = cms.CMSAttributes(
        [
            {"type": "content_type", "values": ["tst_info"]},
            {"type": "message_digest", "values": [new_hash(suite.digest_name, info).digest()]},
            {
                "type": "signing_certificate_v2",
                "values": [{"certs": [{"cert_hash": sha256(certificate).digest()}]}],
            },
        ]
    ).dump(force=True)
    return encoded


def token(
    info: bytes,
    signed: bytes,
    signature: bytes,
    suite: Suite,
    certificate: bytes,
    bag: Sequence[bytes] | None,
) -> bytes:
    signer = x509.Certificate.load(certificate)
    digest_algorithm = cms.DigestAlgorithm.load(der(0x30, algos.DigestAlgorithmId(suite.digest_name).dump()))
    content: dict[str, Any] = {
        "version": "v3",
        "digest_algorithms": [digest_algorithm],
        "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(info)},
        "signer_infos": [
            {
                "version": "v1",
                "sid": cms.SignerIdentifier(
                    name="issuer_and_serial_number",
                    value={"issuer": signer.issuer, "serial_number": signer.serial_number},
                ),
                "digest_algorithm": digest_algorithm,
                "signed_attrs": cms.CMSAttributes.load(signed),
                "signature_algorithm": {"algorithm": suite.signature_name},
                "signature": signature,
            }
        ],
    }
    if bag is not None:
        content["certificates"] = [x509.Certificate.load(c) for c in bag]
    outer = cms.ContentInfo({"content_type": "signed_data", "content": cms.SignedData(content)})
    encoded: bytes = outer.dump(force=True)
    return encoded


def accepts(data: bytes, suite: Suite) -> bool:
    """Whether these are a time-stamp's signed attributes, read as a tree (RFC 5652, 5.4; RFC 5816): three
    attributes, each once with one value, and the certificate named by a bare SHA-256.
    """
    try:
        members = _load_der(cms.CMSAttributes, data)
    except VermilionError:
        return False
    found: dict[str, Any] = {}
    for attribute in members:
        name = attribute["type"].native
        if name in found or len(attribute["values"]) != 1:
            return False
        found[name] = attribute["values"][0]
    if set(found) != {"content_type", "message_digest", "signing_certificate_v2"}:
        return False
    named = found["signing_certificate_v2"]
    return (
        found["content_type"].native == "tst_info"
        and len(found["message_digest"].native) == new_hash(suite.digest_name).digest_size
        and isinstance(named, tsp.SigningCertificateV2)
        and named["policies"].native is None
        and len(named["certs"]) == 1
        and named["certs"][0].contents.startswith(b"\x04\x20")
        and len(named["certs"][0].contents) == 34
    )
