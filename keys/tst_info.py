"""What a time-stamp says, TSTInfo (RFC 3161, 2.4.2), and the signed attributes over it.

Spliced from parts that are DER already: a tree of asn1crypto encodes itself anew at every access.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import new as new_hash
from hashlib import sha256

from asn1crypto import algos, cms, core, tsp

from keys.der import content_of, integer, members, read_integer, read_time, require_der, tlv
from keys.suite import SUITES, Suite

ACCURACY_SECONDS = 1
_VERSION = integer(1)
_ACCURACY = tlv(0x30, integer(ACCURACY_SECONDS))
_NAMES = {
    name: tsp.CMSAttributeType(name).dump()
    for name in ("content_type", "message_digest", "signing_certificate_v2")
}
_CONTENT_TYPE = tlv(0x30, _NAMES["content_type"], tlv(0x31, cms.ContentType("tst_info").dump()))


def message_imprint(digest: bytes, algorithm: str = "sha256") -> bytes:
    """MessageImprint (DER) of a digest."""
    return tlv(0x30, digest_algorithm(algorithm), tlv(0x04, digest))


@lru_cache(maxsize=8)
def digest_algorithm(name: str) -> bytes:
    """AlgorithmIdentifier (DER) of a digest, with NULL for parameters."""
    encoded: bytes = algos.DigestAlgorithm({"algorithm": name, "parameters": core.Null()}).dump()
    return encoded


def encode_policy(policy: str) -> bytes:
    """A policy's OBJECT IDENTIFIER (DER), from its dotted form."""
    encoded: bytes = core.ObjectIdentifier(policy).dump()
    return encoded


@lru_cache(maxsize=64)
def decode_policy(policy: bytes) -> str:
    """The dotted form of a policy's OBJECT IDENTIFIER (DER)."""
    dotted: str = core.ObjectIdentifier.load(policy).dotted
    return dotted


def encode_tst_info(
    policy: bytes, imprint: bytes, serial: int, gen_time: datetime, nonce: bytes = b""
) -> bytes:
    """TSTInfo (DER): version 1, accuracy of a second, no ordering, no extensions.

    `policy`, `imprint` and `nonce` are DER; a nonce that was not asked for is empty. `gen_time` is UTC, of
    whole seconds.
    """
    time = tlv(0x18, gen_time.strftime("%Y%m%d%H%M%SZ").encode("ascii"))
    return tlv(0x30, _VERSION, policy, imprint, integer(serial), time, _ACCURACY, nonce)


@dataclass(frozen=True, slots=True)
class TstInfo:
    """What `encode_tst_info` was given."""

    policy: bytes  # DER
    imprint: bytes  # DER
    serial: int
    gen_time: datetime
    nonce: bytes  # DER, or nothing

    def digest(self) -> bytes:
        """The hashed message of the imprint."""
        return content_of(members(self.imprint, 0x30)[-1], 0x04)


def read_tst_info(data: bytes) -> TstInfo:
    """Take a TSTInfo apart and build it again: there is one encoding, and all of it is compared.

    Raises ValueError for anything that `encode_tst_info` does not give.
    """
    _version, policy, imprint, serial, at, _accuracy, *nonce = members(data, 0x30)
    require_der(policy)
    if policy[:1] != b"\x06" or len(nonce) > 1 or any(one[:1] != b"\x02" for one in nonce):
        raise ValueError("no policy, or no nonce")
    found = TstInfo(policy, imprint, read_integer(serial), read_time(at), b"".join(nonce))
    if encode_tst_info(policy, imprint, found.serial, found.gen_time, found.nonce) != data:
        raise ValueError("not a TSTInfo of ours")
    return found


@dataclass(frozen=True, slots=True)
class StampAttributes:
    """The variable parts of a token's signed attributes."""

    digest: bytes  # of the TSTInfo, by the suite's hash
    certificate_sha256: bytes  # of the signer's certificate, DER


def encode_attributes(attributes: StampAttributes) -> bytes:
    """The bytes that a time-stamping key signs (RFC 5652, 5.4; RFC 5816): content-type, message-digest and
    signing-certificate-v2 with SHA-256, its default, and so without naming it. A DER SET OF.
    """
    members = (
        _CONTENT_TYPE,
        tlv(0x30, _NAMES["message_digest"], tlv(0x31, tlv(0x04, attributes.digest))),
        tlv(
            0x30,
            _NAMES["signing_certificate_v2"],
            tlv(0x31, tlv(0x30, tlv(0x30, tlv(0x30, tlv(0x04, attributes.certificate_sha256))))),
        ),
    )
    return tlv(0x31, *sorted(members))


def read_attributes(data: bytes, suite: Suite) -> StampAttributes:
    """Take out the variable parts and build again: there is one encoding, and all of it is compared.

    Raises ValueError for anything that `encode_attributes` does not give for the suite.
    """
    digest, certificate = _PLACES[suite.digest_name]
    found = StampAttributes(data[digest], data[certificate])
    if encode_attributes(found) != data:
        raise ValueError("not the signed attributes of a time-stamp")
    return found


def _places(digest_size: int) -> tuple[slice, slice]:
    """Where the variable parts stand: the lengths of all others are fixed."""
    digest, certificate = b"\xaa" * digest_size, b"\xbb" * sha256().digest_size
    sample = encode_attributes(StampAttributes(digest, certificate))
    first, second = sample.index(digest), sample.index(certificate)
    return slice(first, first + len(digest)), slice(second, second + len(certificate))


_PLACES = {suite.digest_name: _places(new_hash(suite.digest_name).digest_size) for suite in SUITES.values()}
