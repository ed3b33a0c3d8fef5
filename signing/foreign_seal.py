"""A right signature by a seal's key in a file that is not of our shape: what a thief of the key leaves.

Who holds a stolen key need not write PDF and CMS as we do. Where the strict check has refused a file, this
looks in it for byte ranges (ISO 32000-1, 12.8.1) and for the CMS in their gap (RFC 5652), with the freedom
that other writers take, and says which listed seal keys signed what the ranges name. The chain is the
list's own, checked when it was read: a thief may carry any certificate of the key. It reads signatures and
not the file around them, so it proves nothing of what a reader shows: it raises alarms and chooses between
negative answers, and nothing positive ever rests on it. Work is bounded, whatever the file; one that is
made to hide its signature from this search does so, and is not recognised.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import new as new_hash
from hashlib import sha256
from itertools import islice

from asn1crypto import algos, cms, tsp
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from keys.der import tlv
from keys.errors import VermilionError
from keys.suite import PublicKey
from keys.trust_list import TrustList
from signing.cms import load_certificate
from signing.pdf_structure import MAX_BYTES

MAX_RANGES = 10_000  # arrays of four numbers that are looked at
MAX_SIGNATURES = 4  # gaps that are read
MAX_GAP = 256 * 1024  # hex digits, padding included
MAX_CERTIFICATES = 8
MAX_SIGNERS = 4
MAX_ELEMENTS = 1000  # of one CMS; ours has some 60
MAX_DEPTH = 12

_SET, _CONTEXT_0 = 0x31, 0xA0
_CONSTRUCTED = 0x20
_WHITE = b"\0\t\n\f\r "
_RANGES = re.compile(rb"\[\s*([0-9]{1,10})\s+([0-9]{1,10})\s+([0-9]{1,10})\s+([0-9]{1,10})\s*\]")
_SIGNED_DATA = cms.ContentType("signed_data").contents
_MESSAGE_DIGEST = tsp.CMSAttributeType("message_digest").contents
# More than our suites have: a thief chooses.
_DIGESTS: dict[bytes, hashes.HashAlgorithm] = {
    algos.DigestAlgorithmId(one.name).contents: one
    for one in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())
}


@dataclass(frozen=True, slots=True)
class ForeignSeal:
    """A signature that is right over the ranges it names, by a seal's key that the trust list names."""

    key_id: str  # kid, as in the trust list
    signed_sha256: bytes  # of the bytes signed: the signed attributes, where there are any


@dataclass(frozen=True, slots=True)
class _Content:
    """What two byte ranges name, each digest of it made once."""

    parts: tuple[memoryview, memoryview]
    made: dict[str, bytes] = field(default_factory=dict)

    def digest(self, algorithm: hashes.HashAlgorithm) -> bytes:
        if algorithm.name not in self.made:
            state = new_hash(algorithm.name, self.parts[0])
            state.update(self.parts[1])
            self.made[algorithm.name] = state.digest()
        return self.made[algorithm.name]


@dataclass(frozen=True, slots=True)
class _Signer:
    """Of a SignerInfo what its signature depends on."""

    algorithm: hashes.HashAlgorithm
    attributes: bytes | None  # as signed: SET OF Attribute
    message_digest: bytes | None  # the attribute
    signature: bytes


def foreign_seals(data: bytes, trust: TrustList) -> tuple[ForeignSeal, ...]:
    """The right signatures in a file by keys that the trust list names for seals, in whatever state they are.

    Raises no error: what cannot be read is no signature.
    """
    if len(data) > MAX_BYTES:
        return ()
    listed = {key.public_key: key.kid for key in trust.keys if key.use == "seal"}
    found: dict[ForeignSeal, None] = {}
    for content, der in islice(_gaps(data), MAX_SIGNATURES):
        reader = _Cms()
        try:
            certificates, signers = reader.read(der)
        except ValueError:
            continue
        for public, key_id in _listed_keys(certificates, listed):
            for signer in signers:
                if (signed := _signed(signer, content, public)) is not None:
                    found[ForeignSeal(key_id, signed)] = None
    return tuple(found)


def bears_a_seal(data: bytes, trust: TrustList) -> bool:
    """Whether the certificate of an issuing authority of ours stands in the file in hex, as in the seals we
    make, or that of a seal which an authority outside has certified: others of that authority's are not ours.
    """
    outside = (key.certificate for key in trust.keys if key.issuers and key.certificate is not None)
    return any(certificate.hex().encode("ascii") in data for certificate in (*trust.issuing, *outside))


def _gaps(data: bytes) -> Iterator[tuple[_Content, bytes]]:
    """Each pair of ranges that leaves out exactly one hexadecimal string; and what the string says."""
    view = memoryview(data)
    seen = set()
    for match in islice(_RANGES.finditer(data), MAX_RANGES):
        begin, size, resume, rest = map(int, match.groups())
        gap, end = begin + size, resume + rest
        if not (gap + 2 < resume <= gap + MAX_GAP and end <= len(data)):
            continue
        if (data[gap], data[resume - 1]) != (ord("<"), ord(">")) or (begin, gap, resume, end) in seen:
            continue
        seen.add((begin, gap, resume, end))
        digits = data[gap + 1 : resume - 1].translate(None, _WHITE)
        try:
            contents = unhexlify(digits + b"0" * (len(digits) % 2))
        except ValueError:
            contents = b""  # spends one of the places all the same: it cost as much
        yield _Content((view[begin:gap], view[resume:end])), contents


class _Cms:
    """A reader of BER (X.690, section 8), for one CMS; depth and elements are bounded."""

    def __init__(self) -> None:
        self._elements = 0

    def read(self, data: bytes) -> tuple[list[bytes], list[_Signer]]:
        """Certificates (DER) and signers of the SignedData that `data` begins with. Raises ValueError."""
        start, end, _ = self._bounds(data, 0, 0)
        (_, name), (_, wrapped), *_ = self._parts(data[start:end])
        if name != _SIGNED_DATA:
            raise ValueError("not signed data")
        ((_, body),) = self._parts(wrapped)
        *parts, (_, infos) = self._parts(body)
        bag = next((content for tag, content in parts if tag == _CONTEXT_0), b"")
        certificates = [tlv(tag, content) for tag, content in self._parts(bag)[:MAX_CERTIFICATES]]
        return certificates, [self._signer(content) for _, content in self._parts(infos)[:MAX_SIGNERS]]

    def _signer(self, data: bytes) -> _Signer:
        _version, _name, (_, algorithm), (tag, content), *rest = self._parts(data)
        (_, name), *_ = self._parts(algorithm)
        if name not in _DIGESTS:
            raise ValueError("a digest that is not read here")
        if tag != _CONTEXT_0:
            (_, signature), *_ = rest
            return _Signer(_DIGESTS[name], None, None, signature)
        _algorithm, (_, signature), *_ = rest
        return _Signer(_DIGESTS[name], tlv(_SET, content), self._message_digest(content), signature)

    def _message_digest(self, attributes: bytes) -> bytes | None:
        for _, attribute in self._parts(attributes):
            (_, name), (_, values), *_ = self._parts(attribute)
            if name == _MESSAGE_DIGEST:
                ((_, value),) = self._parts(values)
                return value
        return None

    def _parts(self, data: bytes) -> list[tuple[int, bytes]]:
        """The elements that fill `data`, as tag and content."""
        parts = []
        at = 0
        while at < len(data):
            start, end, following = self._bounds(data, at, 0)
            parts.append((data[at], data[start:end]))
            at = following
        return parts

    def _bounds(self, data: bytes, at: int, depth: int) -> tuple[int, int, int]:
        """Where the content of the element at `at` begins and ends, and where the next element begins."""
        self._elements += 1
        if self._elements > MAX_ELEMENTS or depth > MAX_DEPTH:
            raise ValueError("too many elements, or too deep")
        if at + 2 > len(data) or data[at] & 0x1F == 0x1F:
            raise ValueError("no element of a one-byte tag")
        start, length = at + 2, data[at + 1]
        if length == 0x80:  # indefinite, as some writers have it
            if not data[at] & _CONSTRUCTED:
                raise ValueError("an indefinite length where there can be none")
            end = start
            while data[end : end + 2] != b"\0\0":
                end = self._bounds(data, end, depth + 1)[2]
            return start, end, end + 2
        if length > 0x80:
            start += length & 0x7F
            length = int.from_bytes(data[at + 2 : start], "big")
        if start + length > len(data):
            raise ValueError("an element ends beyond its surroundings")
        return start, start + length, start + length


def _listed_keys(certificates: list[bytes], listed: dict[bytes, str]) -> Iterator[tuple[PublicKey, str]]:
    for certificate in certificates:
        try:
            public = load_certificate(certificate).public_key()
        except VermilionError:
            continue
        if isinstance(public, PublicKey):
            spki = public.public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            if spki in listed:
                yield public, listed[spki]


def _signed(signer: _Signer, content: _Content, public: PublicKey) -> bytes | None:
    """SHA-256 of the bytes signed, if the signature is right over this content."""
    signed = signer.attributes
    scheme: hashes.HashAlgorithm | Prehashed = signer.algorithm
    if signed is None:
        scheme, signed = Prehashed(signer.algorithm), content.digest(signer.algorithm)
    if not _right(public, signer, signed, scheme):
        return None
    if signer.attributes is None:
        return content.digest(hashes.SHA256())
    return sha256(signed).digest() if signer.message_digest == content.digest(signer.algorithm) else None


def _right(
    public: PublicKey, signer: _Signer, signed: bytes, scheme: hashes.HashAlgorithm | Prehashed
) -> bool:
    """By ECDSA, or by either padding of RSA (RFC 8017): a thief chooses."""
    if isinstance(public, ec.EllipticCurvePublicKey):
        return _holds(lambda: public.verify(signer.signature, signed, ec.ECDSA(scheme)))
    pss = padding.PSS(padding.MGF1(signer.algorithm), padding.PSS.AUTO)
    return _holds(lambda: public.verify(signer.signature, signed, padding.PKCS1v15(), scheme)) or _holds(
        lambda: public.verify(signer.signature, signed, pss, scheme)
    )


def _holds(verify: Callable[[], None]) -> bool:
    try:
        verify()
    except InvalidSignature:
        return False
    return True
