"""The time-stamp protocol (RFC 3161, sections 2.4.1 and 2.4.2): requests read strictly, responses written.

Which failure says what is the RFC's choice where it makes one, and OpenSSL's where it does not, so that a
client finds here what it finds elsewhere. `addInfoNotAvailable` is never answered: the one piece of
additional information that can be asked for without an extension is the certificates, and an authority has
its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from hashlib import new as new_hash

from asn1crypto import algos

from keys.der import header, integer, tlv
from keys.errors import Kind, VermilionError

QUERY_TYPE, REPLY_TYPE = "application/timestamp-query", "application/timestamp-reply"  # RFC 3161, 3.4
MAX_REQUEST_BYTES = 2048
MAX_NONCE_BYTES = 32  # clients send 8 to 20
_CLOCK_REASON = "clock"

_INTEGER, _BOOLEAN, _BIT_STRING, _OCTETS, _NULL, _OID, _UTF8 = 0x02, 0x01, 0x03, 0x04, 0x05, 0x06, 0x0C
_SEQUENCE, _EXTENSIONS = 0x30, 0xA0
_DIGESTS = {
    algos.DigestAlgorithmId(name).dump(): new_hash(name).digest_size
    for name in ("sha256", "sha384", "sha512")
}
_VERSION = integer(1)


class FailInfo(IntEnum):
    """PKIFailureInfo: the number is the bit's."""

    BAD_ALG = 0  # a digest that is not known, or not secure
    BAD_REQUEST = 2  # well-formed, but not supported
    BAD_DATA_FORMAT = 5
    TIME_NOT_AVAILABLE = 14
    UNACCEPTED_POLICY = 15
    UNACCEPTED_EXTENSION = 16
    ADD_INFO_NOT_AVAILABLE = 17
    SYSTEM_FAILURE = 25

    @property
    def reason(self) -> str:
        """The slug by which a VermilionError names it."""
        return self.name.lower()


OURS_TO_MEND = frozenset({FailInfo.TIME_NOT_AVAILABLE, FailInfo.SYSTEM_FAILURE})
"""Failures that are the authority's, and not the request's."""


@dataclass(frozen=True, slots=True)
class TimeStampRequest:
    """A request that can be granted, its parts as they came (DER)."""

    imprint: bytes  # MessageImprint: SHA-256, SHA-384 or SHA-512
    policy: bytes | None  # OBJECT IDENTIFIER; None: whichever the authority has
    nonce: bytes  # INTEGER; empty: none
    certificates: bool  # whether the token is to carry them


def parse_request(der: bytes) -> TimeStampRequest:
    """Read a TimeStampReq: DER, but for a `certReq` that spells out its default.

    Raises VermilionError(INVALID) whose reason is that of a FailInfo: BAD_DATA_FORMAT for what is no such
    request, or a digest of another length than its algorithm's; BAD_REQUEST for another version, a nonce of
    more than 32 bytes, or a request of more than 2 kB; BAD_ALG; UNACCEPTED_EXTENSION for every extension,
    critical or not, because none is known here (RFC 3161, 2.4.1).
    """
    if len(der) > MAX_REQUEST_BYTES:
        raise rejected(FailInfo.BAD_REQUEST, f"a request has at most {MAX_REQUEST_BYTES} bytes")
    try:
        return _request(der)
    except ValueError as error:
        raise rejected(FailInfo.BAD_DATA_FORMAT, f"not a time-stamp request: {error}") from error


def _request(der: bytes) -> TimeStampRequest:
    parts = _Parts(_only(der, _SEQUENCE))
    version = parts.take(_INTEGER)
    _require_integer(version)
    if version != _VERSION:
        raise rejected(FailInfo.BAD_REQUEST, "version 1 of the protocol is spoken here")
    imprint = parts.take(_SEQUENCE)
    policy = parts.take_if(_OID)
    nonce = parts.take_if(_INTEGER) or b""
    certificates = parts.take_if(_BOOLEAN)
    extensions = parts.take_if(_EXTENSIONS)
    parts.require_end()
    if policy is not None:
        _require_oid(policy)
    if nonce:
        _require_integer(nonce)
    if certificates is not None and certificates[2:] not in (b"\xff", b"\x00"):
        raise ValueError("a BOOLEAN of another form")
    if extensions is not None:
        _require_extensions(extensions)
        raise rejected(FailInfo.UNACCEPTED_EXTENSION, "no extension is known here")
    _require_imprint(imprint)
    if len(nonce) > 2 + MAX_NONCE_BYTES:
        raise rejected(FailInfo.BAD_REQUEST, f"a nonce has at most {MAX_NONCE_BYTES} bytes")
    return TimeStampRequest(imprint, policy, nonce, certificates is not None and certificates[2:] == b"\xff")


def _require_imprint(imprint: bytes) -> None:
    parts = _Parts(_only(imprint, _SEQUENCE))
    algorithm, digest = parts.take(_SEQUENCE), parts.take(_OCTETS)
    parts.require_end()
    named = _Parts(_only(algorithm, _SEQUENCE))
    oid = named.take(_OID)
    _require_oid(oid)
    parameters = named.rest()
    size = _DIGESTS.get(oid)
    if size is None:
        raise rejected(FailInfo.BAD_ALG, "digests are of SHA-256, SHA-384 or SHA-512")
    if parameters not in (b"", bytes((_NULL, 0))):
        raise rejected(FailInfo.BAD_ALG, "the digest's algorithm has no parameters")
    if len(_only(digest, _OCTETS)) != size:
        raise ValueError("a digest of another length than its algorithm's")


def _require_extensions(element: bytes) -> None:
    extensions = list(_Parts(_only(element, _EXTENSIONS)))
    if not extensions:
        raise ValueError("an empty list of extensions")
    for extension in extensions:
        parts = _Parts(_only(extension, _SEQUENCE))
        _require_oid(parts.take(_OID))
        if parts.take_if(_BOOLEAN) not in (None, b"\x01\x01\xff", b"\x01\x01\x00"):
            raise ValueError("a BOOLEAN of another form")
        parts.take(_OCTETS)
        parts.require_end()


class _Parts:
    """The elements of a constructed one's content, whole, in order."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, tag: int) -> bytes:
        """The next element, which must have this tag."""
        found, _, stop = header(self._content, self._at, len(self._content))
        if found != tag:
            raise ValueError("an element of another type")
        element = self._content[self._at : stop]
        self._at = stop
        return element

    def take_if(self, tag: int) -> bytes | None:
        """The next element if it has this tag; else None, and it stays the next."""
        if self._content[self._at : self._at + 1] != bytes((tag,)):
            return None
        return self.take(tag)

    def rest(self) -> bytes:
        """What was not taken; looked at no further."""
        return self._content[self._at :]

    def require_end(self) -> None:
        if self._at != len(self._content):
            raise ValueError("an element too many, or out of order")

    def __iter__(self) -> Iterator[bytes]:
        while self._at < len(self._content):
            yield self.take(self._content[self._at])


def _only(data: bytes, tag: int) -> bytes:
    """The content of the one element that `data` is."""
    found, start, stop = header(data, 0, len(data))
    if found != tag or stop != len(data):
        raise ValueError("not one element of its type")
    return data[start:stop]


def _require_integer(element: bytes) -> None:
    content = _only(element, _INTEGER)
    if not content or (
        len(content) > 1 and content[0] in (0x00, 0xFF) and content[0] >> 7 == content[1] >> 7
    ):
        raise ValueError("an integer is not minimal")


def _require_oid(element: bytes) -> None:
    """X.690, 8.19: sub-identifiers of minimal length, the last one whole."""
    content = _only(element, _OID)
    first_octets = (content[i] for i in range(len(content)) if i == 0 or content[i - 1] < 0x80)
    if not content or content[-1] >= 0x80 or 0x80 in first_octets:
        raise ValueError("not an object identifier")


def rejected(fail_info: FailInfo, detail: str) -> VermilionError:
    """The failure of a request, to be raised. `detail` becomes the response's statusString."""
    return VermilionError(Kind.INVALID, detail, reason=fail_info.reason)


def fail_info_of(error: VermilionError) -> FailInfo:
    """How a response names an expected failure: what is no fault of the request is the authority's."""
    if error.reason == _CLOCK_REASON:
        return FailInfo.TIME_NOT_AVAILABLE
    return next((info for info in FailInfo if info.reason == error.reason), FailInfo.SYSTEM_FAILURE)


def granted(token: bytes) -> bytes:
    """A TimeStampResp (DER) with PKIStatus granted (0) and the token."""
    return tlv(_SEQUENCE, tlv(_SEQUENCE, integer(0)), token)


def rejection(fail_info: FailInfo, text: str) -> bytes:
    """A TimeStampResp (DER) with PKIStatus rejection (2), the text as statusString, and failInfo."""
    octets = bytes(fail_info // 8) + bytes((0x80 >> fail_info % 8,))
    bits = tlv(_BIT_STRING, bytes((7 - fail_info % 8,)), octets)  # X.690, 11.2.2: no trailing zero bits
    words = tlv(_SEQUENCE, tlv(_UTF8, text.encode("utf-8")))
    return tlv(_SEQUENCE, tlv(_SEQUENCE, integer(2), words, bits))


def answer(
    request: bytes,
    grant: Callable[[TimeStampRequest], bytes],
    *,
    on_failure: Callable[[FailInfo, VermilionError], None],
) -> bytes:
    """A TimeStampResp (DER) to any bytes. `grant` makes the token, or raises VermilionError; `on_failure` is
    told of each failure that is the authority's own, in whatever words: the client hears none of those.
    """
    try:
        return granted(grant(parse_request(request)))
    except VermilionError as error:
        fail_info = fail_info_of(error)
        if fail_info in OURS_TO_MEND:
            on_failure(fail_info, error)
        return rejection(fail_info, _words(fail_info, error))


def _words(fail_info: FailInfo, error: VermilionError) -> str:
    if fail_info is FailInfo.TIME_NOT_AVAILABLE:
        return "the authority's time source is not available"
    if fail_info is FailInfo.SYSTEM_FAILURE:
        return "the authority cannot answer now; try again later"
    return error.detail


def encode_request(imprint: bytes, nonce: bytes, policy: bytes | None) -> bytes:
    """A TimeStampReq (DER) that wants the certificates; the parts are DER, as in `TimeStampRequest`."""
    return tlv(_SEQUENCE, _VERSION, imprint, policy or b"", nonce, bytes((_BOOLEAN, 1, 0xFF)))


def read_response(der: bytes) -> bytes:
    """The token (DER) of a TimeStampResp that is granted (0), or granted with changes (1).

    Raises VermilionError: UNAVAILABLE (reason "rejected") for any other status, MALFORMED for what is no
    response.
    """
    try:
        parts = _Parts(_only(der, _SEQUENCE))
        status = _Parts(_only(parts.take(_SEQUENCE), _SEQUENCE))
        value = status.take(_INTEGER)
        token = parts.take_if(_SEQUENCE)
        parts.require_end()
    except ValueError as error:
        raise VermilionError(Kind.MALFORMED, "not a time-stamp response") from error
    if value not in (integer(0), integer(1)):
        raise VermilionError(Kind.UNAVAILABLE, "the authority gives no time-stamp", reason="rejected")
    if token is None:
        raise VermilionError(Kind.MALFORMED, "a response that is granted and holds no time-stamp")
    return token
