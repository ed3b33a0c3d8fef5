"""The signed attributes of a seal: the one form in which our documents carry them.

content-type, message-digest, signing-certificate-v2 (RFC 5035) and cms-algorithm-protection (RFC 6211), a DER
SET OF. No signing-time: EN 319 142-1, 6.3 has it in /M.
"""

from __future__ import annotations

from functools import cache
from hashlib import new as new_hash
from hashlib import sha256

from asn1crypto import algos, cms, tsp

from keys.der import content_of, tlv
from keys.suite import SUITES, Suite, SuiteName, signature_algorithm

_SEQUENCE, _SET, _OCTETS, _CONTEXT_1 = 0x30, 0x31, 0x04, 0xA1
_DATA: bytes = cms.ContentType("data").dump()


@cache
def _name(name: str) -> bytes:
    return bytes(tsp.CMSAttributeType(name).dump())


def encode_seal_attributes(digest: bytes, certificate_sha256: bytes, suite: Suite) -> bytes:
    """The bytes a seal key signs (RFC 5652, 5.4), for a message digest by the suite's hash."""
    parts, digest_at, certificate_at = _parts(suite.name)
    if (len(digest), len(certificate_sha256)) != (len(parts[digest_at]), len(parts[certificate_at])):
        return _encoded(digest, certificate_sha256, suite)  # no digests of the suite's: nobody's form
    spliced = list(parts)
    spliced[digest_at], spliced[certificate_at] = digest, certificate_sha256
    return b"".join(spliced)


def _encoded(digest: bytes, certificate_sha256: bytes, suite: Suite) -> bytes:
    attributes = {
        "content_type": _DATA,
        "message_digest": tlv(_OCTETS, digest),
        # ESSCertIDv2 with its default algorithm, SHA-256, and so without naming it.
        "signing_certificate_v2": tlv(
            _SEQUENCE, tlv(_SEQUENCE, tlv(_SEQUENCE, tlv(_OCTETS, certificate_sha256)))
        ),
        "cms_algorithm_protection": tlv(
            _SEQUENCE,
            tlv(_SEQUENCE, bytes(algos.DigestAlgorithmId(suite.digest_name).dump())),
            tlv(_CONTEXT_1, content_of(signature_algorithm(suite), _SEQUENCE)),
        ),
    }
    return tlv(
        _SET,
        *sorted(tlv(_SEQUENCE, _name(name), tlv(_SET, value)) for name, value in attributes.items()),
    )


def is_our_form(data: bytes, suite: Suite) -> bool:
    """Whether these are the attributes of some digest and some certificate, all of them compared."""
    parts, _digest_at, _certificate_at = _parts(suite.name)
    if len(data) != sum(map(len, parts)):
        return False
    at = 0
    for number, part in enumerate(parts):
        if number % 2 == 0 and data[at : at + len(part)] != part:
            return False
        at += len(part)
    return True


@cache
def _parts(suite_name: SuiteName) -> tuple[tuple[bytes, ...], int, int]:
    """Fixed and variable parts by turns, a fixed one first, and which of them are digest and certificate. The
    lengths of all are fixed, and so is their order: what sorts them lies before what varies.
    """
    suite = SUITES[suite_name]
    digest, certificate = b"\xaa" * new_hash(suite.digest_name).digest_size, b"\xbb" * sha256().digest_size
    sample = _encoded(digest, certificate, suite)
    places = sorted((sample.index(part), part) for part in (digest, certificate))
    parts, at = [], 0
    for place, part in places:
        parts += [sample[at:place], part]
        at = place + len(part)
    return (*parts, sample[at:]), parts.index(digest), parts.index(certificate)
