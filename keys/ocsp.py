"""OCSP requests and answers (RFC 6960, 9654, 9919), read and laid out byte by byte.

Requests come from anybody: they are bounded, and read by one parser that knows their few forms. Answers are
signed by a delegated responder, whose certificate goes with them; `keys.ocsp_response` checks them.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import new as new_hash
from itertools import chain, combinations, combinations_with_replacement, islice
from typing import NoReturn
from urllib.parse import unquote_to_bytes

from asn1crypto import x509

from keys.certificates import certificate_key, key_identifier
from keys.crl import REASON_OF_CODE, RevocationReason
from keys.custodian import Custodian, KeyRef, Kind, SignRequest
from keys.der import content_of, generalized_time, members, read_integer, read_time, require_der, tlv
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.names import require_general_name
from keys.suite import SUITES, SuiteName, signature_algorithm

MAX_REQUEST_BYTES = 2048
MAX_IDS = 8
MAX_GUESSES = 64
MAX_NONCE_BYTES = 128  # RFC 9654, 2.1

_SHA1, _SHA256 = b"\x06\x05\x2b\x0e\x03\x02\x1a", b"\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01"
_NULL = b"\x05\x00"
_HASHES = {
    tlv(0x30, name, parameters): hash_name
    for name, hash_name in ((_SHA1, "sha1"), (_SHA256, "sha256"))
    for parameters in (b"", _NULL)  # RFC 5754, 2: both are in use
}
_DIGEST_BYTES = {"sha1": 20, "sha256": 32}
_TRUE = b"\x01\x01\xff"
_NONCE = b"\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x02"
SUCCESSFUL = b"\x0a\x01\x00"
BASIC = b"\x06\x09\x2b\x06\x01\x05\x05\x07\x30\x01\x01"
_GOOD, _UNKNOWN = b"\x80\x00", b"\x82\x00"


def _error(status: int) -> bytes:
    return tlv(0x30, bytes([0x0A, 1, status]))


MALFORMED_REQUEST, INTERNAL_ERROR, TRY_LATER, UNAUTHORIZED = map(_error, (1, 2, 3, 6))
"""OCSPResponses without an answer: nobody signs them (RFC 6960, 2.3)."""


@dataclass(frozen=True, slots=True)
class CertId:
    """Which certificate is asked for (RFC 6960, 4.1.1)."""

    hash_name: str | None  # "sha1" or "sha256"; None: one that we do not use
    name_hash: bytes
    key_hash: bytes
    serial: int
    der: bytes  # as asked, so as answered


@dataclass(frozen=True, slots=True)
class OcspRequest:
    """A request as far as an answer depends on it."""

    ids: tuple[CertId, ...]
    nonce: bytes | None


@dataclass(frozen=True, slots=True)
class Good:
    """Issued, and not revoked."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Never issued by this CA."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """Revoked or held, since a whole second."""

    at: datetime
    reason: RevocationReason | None


CertStatus = Good | Revoked | Unknown
GOOD, UNKNOWN = Good(), Unknown()


@dataclass(frozen=True, slots=True)
class Answer:
    """A SingleResponse (RFC 6960, 4.2.1)."""

    cert_id: CertId
    status: CertStatus
    this_update: datetime
    next_update: datetime


@dataclass(frozen=True, slots=True)
class ResponseData:
    """What a responder signs."""

    responder: bytes  # KeyHash
    produced_at: datetime
    answers: tuple[Answer, ...]
    nonce: bytes | None


def parse_request(der: bytes) -> OcspRequest:
    """An OCSPRequest (DER) of at most MAX_REQUEST_BYTES and MAX_IDS certificates.

    It is judged to the end, whatever an answer depends on. Who asks, and a signature that says so, are read
    and then let be: nobody here needs to know. So are extensions of single requests, and of the whole but the
    nonce, unless they are critical. Raises VermilionError (MALFORMED).
    """
    try:
        if len(der) > MAX_REQUEST_BYTES:
            raise ValueError("too long")
        body, *signature = members(der, 0x30)
        if signature:
            (one,) = signature
            _require_signature(one)
        return _tbs_request(body)
    except (ValueError, IndexError):
        raise _malformed() from None


def decode_get(encoded: str | bytes, meant: Callable[[OcspRequest], bool] = lambda _request: True) -> bytes:
    """The OCSPRequest in the path of a GET (RFC 6960, A.1): base64, percent-encoded or not.

    Proxies make one slash of two in a row. Where slashes are missing, one or two are put back so that a
    request can be read, if possible one that is `meant` for whoever asks; a wrong guess names another
    certificate, which is seen by whoever sent it. Raises VermilionError(MALFORMED).
    """
    text = encoded.encode("utf-8", "replace") if isinstance(encoded, str) else encoded
    if len(text) > 4 * MAX_REQUEST_BYTES:
        raise _malformed()
    text = unquote_to_bytes(text)  # what a framework has decoded once holds no percent sign any more
    first = None
    for places in _doublings(text):
        guess = _with_doubled(text, places)
        try:
            data = base64.b64decode(guess + b"=" * (-len(guess) % 4), validate=True)  # some leave it out
            request = parse_request(data)
        except (ValueError, VermilionError):
            continue
        if meant(request):
            return data
        first = first or data
    if first is None:
        raise _malformed()
    return first


def _doublings(text: bytes) -> Iterator[tuple[int, ...]]:
    """Which slashes to double, the likeliest first: none, one, two; not more than MAX_GUESSES."""
    slashes = [at for at, byte in enumerate(text) if byte == 0x2F]
    one, two = combinations(slashes, 1), combinations_with_replacement(slashes, 2)
    # Drawn one by one: the pairs of a long path are millions.
    return islice(chain(((),), one, two), MAX_GUESSES)


def _with_doubled(text: bytes, places: tuple[int, ...]) -> bytes:
    for at in reversed(places):
        text = text[:at] + b"/" + text[at:]
    return text


def _malformed() -> VermilionError:
    return VermilionError(ErrorKind.MALFORMED, "not an OCSP request", reason="ocsp_request")


def matches(issuer_certificate: bytes, cert_id: CertId) -> bool:
    """Whether the request is about a certificate of this CA, by name and key."""
    if cert_id.hash_name is None:
        return False
    return (cert_id.name_hash, cert_id.key_hash) == _issuer_hashes(issuer_certificate, cert_id.hash_name)


def cert_id(issuer_certificate: bytes, serial: int, hash_name: str = "sha256") -> CertId:
    """How to ask for a certificate of this CA."""
    name_hash, key_hash = _issuer_hashes(issuer_certificate, hash_name)
    algorithm = tlv(0x30, _SHA1 if hash_name == "sha1" else _SHA256, _NULL)
    number = tlv(0x02, serial.to_bytes(serial.bit_length() // 8 + 1, "big"))
    der = tlv(0x30, algorithm, tlv(0x04, name_hash), tlv(0x04, key_hash), number)
    return CertId(hash_name, name_hash, key_hash, serial, der)


def build_request(ids: Sequence[CertId], nonce: bytes | None = None) -> bytes:
    """An OCSPRequest, DER, unsigned."""
    asked = tlv(0x30, *(tlv(0x30, one.der) for one in ids))
    return tlv(0x30, tlv(0x30, asked, _extensions(0xA2, nonce)))


def response_data(
    responder_spki: bytes, answers: Sequence[Answer], *, produced_at: datetime, nonce: bytes | None
) -> bytes:
    """The ResponseData, DER; the responder is named by its key. Times are whole seconds, UTC."""
    return _laid_out(ResponseData(key_identifier(responder_spki), produced_at, tuple(answers), nonce))


def sign_response(custodian: Custodian, key: KeyRef, data: bytes, record: str, certificate: bytes) -> bytes:
    """The OCSPResponse, DER, of a ResponseData; `certificate` is the delegated responder's.

    Raises VermilionError: what the custodian raises.
    """
    (signature,) = custodian.sign(key, [SignRequest(Kind.OCSP_RESPONSE, data, record)])
    return assemble_response(data, key.suite, signature, certificate)


def assemble_response(data: bytes, suite: SuiteName, signature: bytes, certificate: bytes) -> bytes:
    """The OCSPResponse, DER, of a ResponseData and what a key of `suite` made of it."""
    basic = tlv(
        0x30,
        data,
        signature_algorithm(SUITES[suite]),
        tlv(0x03, b"\0", signature),
        tlv(0xA0, tlv(0x30, certificate)),
    )
    return tlv(0x30, SUCCESSFUL, tlv(0xA0, tlv(0x30, BASIC, tlv(0x04, basic))))


def read_response_data(data: bytes) -> ResponseData:
    """A ResponseData (DER) of our own form, made while all it says holds. Raises VermilionError(INVALID)."""
    try:
        responder, produced, answers, *extensions = members(data, 0x30)
        found = ResponseData(
            responder=content_of(content_of(responder, 0xA2), 0x04),
            produced_at=_moment(produced),
            answers=tuple(map(_read_single, members(answers, 0x30))),
            nonce=_read_nonce(extensions, 0xA1),
        )
    except (ValueError, IndexError):
        _refuse("not an answer of our form")
    if not 1 <= len(found.answers) <= MAX_IDS or len(found.responder) != 20:
        _refuse("not an answer of our form")
    if not all(one.this_update <= found.produced_at < one.next_update for one in found.answers):
        _refuse("the answer was not made while it holds")
    return found


def _tbs_request(body: bytes) -> OcspRequest:
    """Raises ValueError."""
    parts = members(body, 0x30)
    if parts[0][0] == 0xA0:  # version: v1 is the default, which DER leaves out
        raise ValueError("another version")
    if parts[0][0] == 0xA1:
        require_general_name(content_of(parts[0], 0xA1))
        parts = parts[1:]
    requests, *extensions = parts
    if len(extensions) > 1:
        raise ValueError("more than requests and extensions")
    found = []
    for request in members(requests, 0x30):
        asked, *single = members(request, 0x30)
        if single:
            (block,) = single
            _read_extensions(block, 0xA0)
        found.append(_read_cert_id(asked))
    if not 1 <= len(found) <= MAX_IDS:
        raise ValueError("no certificate is asked for, or too many are")
    nonce = _read_extensions(extensions[0], 0xA2, _NONCE) if extensions else None
    return OcspRequest(tuple(found), None if nonce is None else _nonce(nonce))


def _require_signature(element: bytes) -> None:
    """Raises ValueError unless it is the signature of a request, DER, with or without certificates."""
    require_der(element)
    algorithm, bits, *bag = members(content_of(element, 0xA0), 0x30)
    _require_algorithm(algorithm)
    if content_of(bits, 0x03)[:1] != b"\0":
        raise ValueError("a signature of no whole number of octets")
    if bag:
        (one,) = bag
        for certificate in members(content_of(one, 0xA0), 0x30):
            tbs, signed_with, signature = members(certificate, 0x30)
            members(tbs, 0x30)
            _require_algorithm(signed_with)
            content_of(signature, 0x03)


def _require_algorithm(element: bytes) -> None:
    """Raises ValueError unless it is an AlgorithmIdentifier. For what is DER already."""
    name, *parameters = members(element, 0x30)
    content_of(name, 0x06)
    if len(parameters) > 1:
        raise ValueError("more than an algorithm and its parameters")


def _read_extensions(block: bytes, tag: int, understood: bytes | None = None) -> bytes | None:
    """The value of the one extension that is understood, out of Extensions under an explicit tag.

    Raises ValueError for anything else than Extensions, each once (RFC 5280, 4.2), and for one that must be
    understood and is not.
    """
    found: dict[bytes, bytes] = {}
    for extension in members(content_of(block, tag), 0x30):
        name, *rest = members(extension, 0x30)
        if len(rest) != 1 and (name != understood or len(rest) != 2 or rest[0] != _TRUE):
            raise ValueError("a critical extension that we do not know")
        if name != understood:
            content_of(name, 0x06)
            require_der(name)
        if name in found:
            raise ValueError("an extension stands twice")
        found[name] = content_of(rest[-1], 0x04)  # of those that we do not know nothing is read
    if not found:
        raise ValueError("no extension where some are announced")
    return None if understood is None else found.get(understood)


def _nonce(value: bytes) -> bytes:
    """Raises ValueError."""
    nonce = content_of(value, 0x04)
    if not 1 <= len(nonce) <= MAX_NONCE_BYTES:
        raise ValueError("a nonce of a length that is not accepted")
    return nonce


def _read_cert_id(der: bytes) -> CertId:
    """Raises ValueError."""
    algorithm, name_hash, key_hash, serial = members(der, 0x30)
    hash_name = _HASHES.get(algorithm)
    name, key = content_of(name_hash, 0x04), content_of(key_hash, 0x04)
    if hash_name is None:
        require_der(algorithm)
        _require_algorithm(algorithm)
    elif len(name) != _DIGEST_BYTES[hash_name] or len(key) != _DIGEST_BYTES[hash_name]:
        raise ValueError("a digest of another length")
    return CertId(hash_name, name, key, read_integer(serial), der)


def _single(answer: Answer) -> bytes:
    return tlv(
        0x30,
        answer.cert_id.der,
        _status(answer.status),
        generalized_time(answer.this_update),
        tlv(0xA0, generalized_time(answer.next_update)),
    )


def _status(status: CertStatus) -> bytes:
    if isinstance(status, Good):
        return _GOOD
    if isinstance(status, Unknown):
        return _UNKNOWN
    reason = b"" if status.reason is None else tlv(0xA0, bytes([0x0A, 1, status.reason.code]))
    return tlv(0xA1, generalized_time(status.at), reason)


def _read_single(element: bytes) -> Answer:
    """Raises ValueError."""
    asked, status, this_update, next_update = members(element, 0x30)
    about = _read_cert_id(asked)
    if about.hash_name is None:
        raise ValueError("a digest that we do not use")
    return Answer(
        about,
        _read_status(status),
        _moment(this_update),
        _moment(content_of(next_update, 0xA0)),
    )


def _read_status(element: bytes) -> CertStatus:
    """Raises ValueError."""
    if element in (_GOOD, _UNKNOWN):
        return GOOD if element == _GOOD else UNKNOWN
    at, *reason = members(element, 0xA1)
    if len(reason) > 1:
        raise ValueError("more than a moment and a reason")
    code = read_integer(content_of(reason[0], 0xA0), 0x0A) if reason else None
    if code is not None and code not in REASON_OF_CODE:
        raise ValueError("a reason that is not one")
    return Revoked(_moment(at), None if code is None else REASON_OF_CODE[code])


def _read_nonce(extensions: Sequence[bytes], tag: int) -> bytes | None:
    """The nonce, where nothing else is there. Raises ValueError."""
    if not extensions:
        return None
    (block,) = extensions
    (extension,) = members(content_of(block, tag), 0x30)
    name, value = members(extension, 0x30)
    if name != _NONCE:
        raise ValueError("another extension")
    return _nonce(content_of(value, 0x04))


def _laid_out(data: ResponseData) -> bytes:
    return tlv(
        0x30,
        tlv(0xA2, tlv(0x04, data.responder)),
        generalized_time(data.produced_at),
        tlv(0x30, *map(_single, data.answers)),
        _extensions(0xA1, data.nonce),
    )


def _extensions(tag: int, nonce: bytes | None) -> bytes:
    if nonce is None:
        return b""
    return tlv(tag, tlv(0x30, tlv(0x30, _NONCE, tlv(0x04, tlv(0x04, nonce)))))


def _moment(element: bytes) -> datetime:
    """GeneralizedTime in whole seconds. Raises ValueError."""
    if element[:1] != b"\x18":
        raise ValueError("not a GeneralizedTime")
    return read_time(element)


@lru_cache(maxsize=64)
def _issuer_hashes(issuer_certificate: bytes, hash_name: str) -> tuple[bytes, bytes]:
    """Of the CA's name (DER) and of its key's bit string."""
    name = x509.Certificate.load(issuer_certificate).subject.dump()
    spki = members(certificate_key(issuer_certificate), 0x30)
    return (
        new_hash(hash_name, name, usedforsecurity=False).digest(),
        new_hash(hash_name, content_of(spki[1], 0x03)[1:], usedforsecurity=False).digest(),
    )


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(ErrorKind.INVALID, detail, reason="ocsp")
