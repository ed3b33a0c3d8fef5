"""Time-stamp tokens of authorities that are not ours (RFC 3161, 5816), verified against a pinned CA.

Their encoding is theirs, as far as it is DER: what a signature holds in place may be whatever RFC 3161
permits. A token that verifies here proves a time; it is not of the one form that may stand in our documents.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import new as new_hash
from typing import Any, NoReturn

from asn1crypto import cms, tsp
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import verification
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from keys.errors import Kind, VermilionError
from keys.outside_chain import ANY_PURPOSE, HASHES, may_sign, only_known, signed_by
from keys.tbs import load_der
from keys.time_stamp import MAX_TOKEN_BYTES, TimeStamp

MAX_DEPTH = 3  # CAs between the pinned one and the authority
_STAMPING = {ExtendedKeyUsageOID.TIME_STAMPING.dotted_string, ANY_PURPOSE}
_ANY_EXTENSIONS = verification.ExtensionPolicy.permit_all()
_CA_EXTENSIONS = _ANY_EXTENSIONS.require_present(
    x509.BasicConstraints, verification.Criticality.AGNOSTIC, None
)


def verify_outside_token(
    token: bytes,
    digest: bytes,
    *,
    nonce: int,
    policy: str | None,
    anchors: Sequence[x509.Certificate],
    at: datetime,
    tolerance: timedelta,
) -> TimeStamp:
    """Verify a token over a SHA-256 digest that was just asked for.

    Checked: imprint, nonce and, where one was asked for, policy; genTime within `tolerance` of `at`; one
    signer, named by ESSCertID or ESSCertIDv2; its signature; a path to one of the `anchors`, valid at
    genTime; extended key usage time-stamping alone, critical. Revocation is not asked.

    Raises VermilionError(INVALID) with `reason` "time_stamp" or "chain".
    """
    signed = _parse(token)
    info_bytes = signed["encap_content_info"]["content"].contents
    try:
        info = load_der(tsp.TSTInfo, info_bytes)
    except ValueError:
        _refuse("the time-stamp's content is not DER")
    imprint = info["message_imprint"]
    if (
        info["version"].native != "v1"
        or imprint["hash_algorithm"]["algorithm"].native != "sha256"
        or imprint["hashed_message"].native != digest
        or info["nonce"].native != nonce
        or (policy is not None and info["policy"].native != policy)
    ):
        _refuse("the time-stamp is over something else")
    if any(extension["critical"].native for extension in info["extensions"] or ()):
        _refuse("the time-stamp has a critical extension that we do not know")
    gen_time: datetime = info["gen_time"].native
    if abs(gen_time - at) > tolerance:
        _refuse("the time-stamp's time is not ours")
    (signer,) = signed["signer_infos"]
    certificates = _certificates(signed)
    attributes = _attributes(signer)
    certificate = _signer(certificates, signer, attributes)
    _require_signature(signer, info_bytes, attributes, certificate)
    _require_path(certificate, certificates, anchors, gen_time)
    return TimeStamp(gen_time, info["serial_number"].native, info["policy"].native, certificate)


def _parse(token: bytes) -> Any:
    if len(token) > MAX_TOKEN_BYTES:
        _refuse("the time-stamp is too long")
    try:
        outer = load_der(cms.ContentInfo, token)
    except ValueError:
        _refuse("the time-stamp is not DER")
    if outer["content_type"].native != "signed_data":
        _refuse("the time-stamp is not signed data")
    signed = outer["content"]
    if (
        signed["encap_content_info"]["content_type"].native != "tst_info"
        or signed["encap_content_info"]["content"].native is None
        or len(signed["signer_infos"]) != 1
        or signed["certificates"].native is None
        or signed["signer_infos"][0]["signed_attrs"].native is None
        or signed["signer_infos"][0]["sid"].name != "issuer_and_serial_number"
    ):
        _refuse("the time-stamp is not of the shape of RFC 3161")
    return signed


def _certificates(signed: Any) -> list[bytes]:
    return [choice.chosen.dump() for choice in signed["certificates"] if choice.name == "certificate"]


def _attributes(signer: Any) -> dict[str, Any]:
    """The signed attributes by name, each once with one value: those of RFC 3161, and any others."""
    found: dict[str, Any] = {}
    for attribute in signer["signed_attrs"]:
        name = attribute["type"].native
        if name in found or len(attribute["values"]) != 1:
            _refuse("an attribute of the time-stamp stands twice, or has several values")
        found[name] = attribute["values"][0]
    if not {"content_type", "message_digest"} <= set(found) or found["content_type"].native != "tst_info":
        _refuse("the time-stamp is not of the shape of RFC 3161")
    return found


def _signer(certificates: Sequence[bytes], signer: Any, attributes: dict[str, Any]) -> bytes:
    """The certificate that the SignerInfo names, and that its attributes hold in place by hash."""
    if "signing_certificate_v2" in attributes:  # RFC 5816
        named = attributes["signing_certificate_v2"]["certs"]
        name = named[0]["hash_algorithm"]["algorithm"].native if len(named) else ""
    elif "signing_certificate" in attributes:  # RFC 2634: by SHA-1
        named, name = attributes["signing_certificate"]["certs"], "sha1"
    else:
        _refuse("the time-stamp does not name its signer")
    if not len(named) or name not in {"sha1", *HASHES}:
        _refuse("the time-stamp does not name its signer by a digest that we know")
    wanted = signer["sid"].chosen
    for der in certificates:
        certificate = cms.Certificate.load(der)
        if (
            certificate.serial_number == wanted["serial_number"].native
            and certificate.issuer.dump() == wanted["issuer"].dump()
            and new_hash(name, der).digest() == named[0]["cert_hash"].native
        ):
            return der
    raise VermilionError(
        Kind.INVALID, "the time-stamp's signer has no certificate in it", reason="time_stamp"
    )


def _require_signature(signer: Any, info: bytes, attributes: dict[str, Any], certificate: bytes) -> None:
    name = signer["digest_algorithm"]["algorithm"].native
    signed = b"\x31" + signer["signed_attrs"].dump()[1:]
    if name not in HASHES or attributes["message_digest"].native != new_hash(name, info).digest():
        _refuse("the time-stamp is signed over something else")
    if signer["signature_algorithm"]["algorithm"].native not in {
        "rsassa_pkcs1v15",
        f"{name}_rsa",
        f"{name}_ecdsa",
    }:
        _refuse("the time-stamp's signature is of an algorithm that we do not know")
    try:
        key = x509.load_der_x509_certificate(certificate).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        _refuse("the time-stamp's key cannot be read")
    if not signed_by(key, signer["signature"].native, signed, HASHES[name]):
        _refuse("the time-stamp's signature is wrong, or of a kind that we do not know")


def _require_path(
    certificate: bytes, certificates: Sequence[bytes], anchors: Sequence[x509.Certificate], at: datetime
) -> None:
    """Names, signatures and validity by `cryptography`, whose profiles of extensions are the web's; those of
    RFC 5280, 4.2.1.3 and 4.2.1.9, and of RFC 3161, 2.3, here.
    """
    policy = (
        verification.PolicyBuilder()
        .store(verification.Store(list(anchors)))
        .time(at)
        .max_chain_depth(MAX_DEPTH)
        .extension_policies(ca_policy=_CA_EXTENSIONS, ee_policy=_ANY_EXTENSIONS)
    )
    try:
        leaf = x509.load_der_x509_certificate(certificate)
        others = [x509.load_der_x509_certificate(der) for der in certificates if der != certificate]
        chain = policy.build_client_verifier().verify(leaf, others).chain
        good = _stamps(leaf) and all(may_sign(ca, below, _STAMPING) for below, ca in enumerate(chain[1:]))
    except verification.VerificationError as error:
        raise VermilionError(
            Kind.INVALID, "no path leads from the time-stamp's signer to the pinned CA", reason="chain"
        ) from error
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.DuplicateExtension):
        _refuse("a certificate of the time-stamp's cannot be read", "chain")
    if not good:
        _refuse("a certificate of the time-stamp's is not made for its use", "chain")


def _stamps(leaf: x509.Certificate) -> bool:
    """An end entity, for time-stamping alone."""
    found = {extension.oid: extension for extension in leaf.extensions}
    usage = found.get(ExtensionOID.EXTENDED_KEY_USAGE)
    return (
        usage is not None
        and usage.critical
        and isinstance(usage.value, x509.ExtendedKeyUsage)
        and list(usage.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
        and only_known(leaf)
    )


def _refuse(detail: str, reason: str = "time_stamp") -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
