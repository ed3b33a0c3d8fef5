"""RFC 3161 time-stamp tokens, made in process and verified strictly (with RFC 5816)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import new as new_hash
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NoReturn

from asn1crypto import algos, cms, core, tsp, x509

from keys.clock import Clock
from keys.custodian import Custodian, KeyRef, SignRequest
from keys.custodian import Kind as SignKind
from keys.der import tlv
from keys.errors import Kind, VermilionError
from keys.path import certificate_public_key, parse_certificate, verify_chain
from keys.profiles import POLICY_TSA, ProfileName
from keys.suite import SUITES, Suite, signature_algorithm, verifies
from keys.tbs import check_tbs, load_der

if TYPE_CHECKING:
    from keys.trust_list import TrustList

MAX_TOKEN_BYTES = 16 * 1024
SERIAL_BYTES = 16
ACCURACY_SECONDS = 1


@dataclass(frozen=True, slots=True)
class TimeStamp:
    """What a verified token proves: the digest existed at `gen_time` (UTC)."""

    gen_time: datetime
    serial: int
    policy: str
    certificate: bytes  # DER of the authority's


class TimeStampAuthority:
    """Makes tokens over SHA-256 digests. Its clock may not run backwards. Safe between threads."""

    def __init__(
        self,
        custodian: Custodian,
        key: KeyRef,
        certificate: bytes,
        chain: Sequence[bytes],
        *,
        clock: Clock,
        random: Callable[[int], bytes],
        policy: str = POLICY_TSA,
    ) -> None:
        self._custodian = custodian
        self._key = key
        self._certificate = x509.Certificate.load(certificate)
        self._bag = (certificate, *chain)
        self._clock = clock
        self._random = random
        self._policy = policy
        self._suite = SUITES[key.suite]
        self._last = datetime.min.replace(tzinfo=UTC)
        self._lock = threading.Lock()

    def stamp(self, digest: bytes, record: str) -> bytes:
        """A TimeStampToken (ContentInfo, DER) over a SHA-256 digest.

        Raises VermilionError: UNAVAILABLE when the clock has stepped back or the custodian cannot
        be had, KEY_REFUSED when the custodian does not permit it.
        """
        if len(digest) != sha256().digest_size:
            raise VermilionError(Kind.INVALID, "not a SHA-256 digest")
        info = tsp.TSTInfo(
            {
                "version": "v1",
                "policy": self._policy,
                "message_imprint": {"hash_algorithm": {"algorithm": "sha256"}, "hashed_message": digest},
                "serial_number": int.from_bytes(b"\x01" + self._random(SERIAL_BYTES), "big"),
                "gen_time": core.GeneralizedTime(self._now()),
                "accuracy": {"seconds": ACCURACY_SECONDS},
            }
        ).dump()
        attributes = self._attributes(info)
        (signature,) = self._custodian.sign(self._key, [SignRequest(SignKind.TIME_STAMP, attributes, record)])
        return _assemble(info, attributes, signature, self._suite, self._certificate, self._bag)

    def _now(self) -> datetime:
        now = self._clock().replace(microsecond=0)
        with self._lock:
            if now < self._last:
                raise VermilionError(Kind.UNAVAILABLE, "the clock has stepped back", reason="clock")
            self._last = now
        return now

    def _attributes(self, info: bytes) -> bytes:
        certificate_id = {"cert_hash": sha256(self._certificate.dump()).digest()}
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [_digest(self._suite.digest_name, info)]},
                {"type": "signing_certificate_v2", "values": [{"certs": [certificate_id]}]},
            ]
        )
        encoded: bytes = attributes.dump(force=True)
        return encoded


def _assemble(
    info: bytes,
    attributes: bytes,
    signature: bytes,
    suite: Suite,
    signer: x509.Certificate,
    bag: Sequence[bytes],
) -> bytes:
    """RFC 5652 SignedData, version 3, around the TSTInfo: the one encoding of a token, made here and
    compared with when verifying. Spliced from parts that are DER already: an asn1crypto tree of a token
    encodes itself anew at every access and costs 200 ms.
    """
    digest_algorithm = tlv(
        0x30, algos.DigestAlgorithmId(suite.digest_name).dump()
    )  # RFC 5754, 2: no parameters
    signer_info = tlv(
        0x30,
        core.Integer(1).dump(),
        tlv(0x30, signer.issuer.dump(), core.Integer(signer.serial_number).dump()),
        digest_algorithm,
        b"\xa0" + attributes[1:],  # [0] IMPLICIT in place of the SET OF that is signed
        signature_algorithm(suite),
        tlv(0x04, signature),
    )
    signed = tlv(
        0x30,
        core.Integer(3).dump(),
        tlv(0x31, digest_algorithm),
        tlv(0x30, cms.ContentType("tst_info").dump(), tlv(0xA0, tlv(0x04, info))),
        tlv(0xA0, *sorted(bag)),
        tlv(0x31, signer_info),
    )
    return tlv(0x30, cms.ContentType("signed_data").dump(), tlv(0xA0, signed))


def verify_token(token: bytes, digest: bytes, *, trust: TrustList) -> TimeStamp:
    """Verify a token of an authority that the trust list leads to, over a SHA-256 digest.

    The one encoding that this module makes: one SignerInfo, the expected attributes only, the signer
    named by ESSCertIDv2, its certificate valid at genTime for time-stamping alone, beside it the certificate
    of the list's authority that issued it, and no other. That its key is an entry of the list, when and in
    what state, is for the caller to ask.

    Raises VermilionError(INVALID) with `reason` "chain", "issuer_unknown" or "time_stamp".
    """
    signed = _parse(token)
    info_bytes = signed["encap_content_info"]["content"].contents
    try:
        info = load_der(tsp.TSTInfo, info_bytes)
    except ValueError:
        _refuse("the time-stamp's content is not DER")
    (signer,) = signed["signer_infos"]
    certificate = _signer_certificate(signed, signer)
    public, suite = certificate_public_key(certificate)
    attributes = b"\x31" + signer["signed_attrs"].dump()[1:]
    try:
        check_tbs(SignKind.TIME_STAMP, attributes, suite)
    except VermilionError as error:
        _refuse(error.detail)
    found = {a["type"].native: a["values"][0] for a in signer["signed_attrs"]}
    named = found["signing_certificate_v2"]["certs"][0]
    imprint = info["message_imprint"]
    if (
        signer["signature_algorithm"]["algorithm"].native != suite.signature_name
        or signer["digest_algorithm"]["algorithm"].native != suite.digest_name
        or signed["digest_algorithms"][0]["algorithm"].native != suite.digest_name
        or found["message_digest"].native != _digest(suite.digest_name, info_bytes)
        or named["hash_algorithm"]["algorithm"].native != "sha256"
        or named["cert_hash"].native != sha256(certificate.dump()).digest()
        or imprint["hash_algorithm"]["algorithm"].native != "sha256"
        or imprint["hashed_message"].native != digest
        or info["version"].native != "v1"
    ):
        _refuse("the time-stamp is over something else")
    signature = signer["signature"].native
    if not verifies(public, suite, signature, attributes):
        _refuse("the time-stamp's signature is wrong")
    at: datetime = info["gen_time"].native
    issuing = verify_chain(certificate.dump(), trust=trust, at=at, profile=ProfileName.TSA)
    # Versions, parameters and certificates are not signed: built again, they must be these very bytes.
    bag = (certificate.dump(), issuing)
    if _assemble(info_bytes, attributes, signature, suite, certificate, bag) != token:
        _refuse("the time-stamp is encoded otherwise than ours are")
    return TimeStamp(at, info["serial_number"].native, info["policy"].native, certificate.dump())


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
        signed["version"].native != "v3"
        or len(signed["digest_algorithms"]) != 1
        or signed["encap_content_info"]["content_type"].native != "tst_info"
        or signed["encap_content_info"]["content"].native is None
        or len(signed["signer_infos"]) != 1
        or signed["crls"].native is not None
        or signed["certificates"].native is None
        or signed["signer_infos"][0]["unsigned_attrs"].native is not None
        or signed["signer_infos"][0]["signed_attrs"].native is None
    ):
        _refuse("the time-stamp is not of the shape of RFC 3161")
    return signed


def _signer_certificate(signed: Any, signer: Any) -> x509.Certificate:
    """The certificate that the SignerInfo names: never simply the first leaf in the bag."""
    if signer["sid"].name != "issuer_and_serial_number":
        _refuse("the time-stamp does not name its signer by issuer and serial number")
    wanted = signer["sid"].chosen
    for choice in signed["certificates"]:
        if choice.name != "certificate":
            continue
        certificate = choice.chosen
        if (
            certificate.serial_number == wanted["serial_number"].native
            and certificate.issuer.dump() == wanted["issuer"].dump()
        ):
            return parse_certificate(certificate.dump())
    raise VermilionError(
        Kind.INVALID, "the time-stamp's signer has no certificate in it", reason="time_stamp"
    )


def _digest(name: str, data: bytes) -> bytes:
    return new_hash(name, data).digest()


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason="time_stamp")
