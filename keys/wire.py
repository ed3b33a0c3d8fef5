"""What a remote custodian and its signer say to each other over a stream: the frames, and what is in them.

A frame is four octets of length, most significant first, and so many octets of deterministic CBOR (RFC 8949,
4.2). A connection carries one request at a time, then its answer:

    request   [1, "generate", purpose, suite]
              [1, "public_key", ref]
              [1, "sign", ref, [[kind, data, record], ...]]
              [1, "answer_page", ref, signed answer, language]
              [1, "make_wrapping_key"]
              [1, "wrap", key id, data key, record]
              [1, "unwrap", key id, wrapped key, record]
    answer    [1, "ok", value]
              [1, "error", kind, detail, reason, retry_after or null]

with ref = [id, purpose, suite] and value a ref, a SubjectPublicKeyInfo (DER), the signatures in order, a PDF,
the id of a wrapping key, a wrapped key or a data key.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import cbor2
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from keys.custodian import KeyRef, Purpose, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.suite import SUITES, PublicKey, SuiteName, suite_of
from keys.tbs import load_cbor

PROTOCOL = 1
MAX_REQUEST_BYTES = 40 * 1024 * 1024  # the longest CRL; as many attribute sets as one call may bring are less
MAX_ANSWER_BYTES = 256 * 1024
_LENGTH_BYTES = 4
_UCRED = struct.Struct("3i")  # pid, uid, gid
_MAX_TEXT = 200  # of a record, a reason, a detail
_MAX_SIGNATURE = 1024
_KEY_ID = re.compile(r"[0-9a-f]{32}")

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Generate:
    purpose: Purpose
    suite: SuiteName


@dataclass(frozen=True, slots=True)
class AskPublicKey:
    ref: KeyRef


@dataclass(frozen=True, slots=True)
class Sign:
    ref: KeyRef
    requests: tuple[SignRequest, ...]


@dataclass(frozen=True, slots=True)
class AnswerPage:
    """The page of an answer that the key has signed."""

    ref: KeyRef
    answer: bytes  # a compact JWS
    language: str


@dataclass(frozen=True, slots=True)
class MakeWrappingKey:
    pass


@dataclass(frozen=True, slots=True)
class Wrap:
    key_id: str
    data_key: bytes = field(repr=False)
    record: str


@dataclass(frozen=True, slots=True)
class Unwrap:
    key_id: str
    wrapped: bytes
    record: str


Request = Generate | AskPublicKey | Sign | AnswerPage | MakeWrappingKey | Wrap | Unwrap


class Closed(Exception):  # noqa: N818  (the other side may close between frames: no error)
    """The stream ended where a frame could have begun."""


def peer_of(stream: socket.socket) -> int:
    """The user id at the other end, as the kernel knows it (SO_PEERCRED, unix(7)): who connected, or who
    listened. Raises OSError.
    """
    credentials = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    return int(_UCRED.unpack(credentials)[1])


def send_frame(stream: socket.socket, body: bytes, *, seconds: float) -> None:
    """Raises OSError; TimeoutError where the other side does not take it in time."""
    stream.settimeout(seconds)
    stream.sendall(len(body).to_bytes(_LENGTH_BYTES, "big") + body)


def receive_frame(stream: socket.socket, most: int, *, idle: float, seconds: float) -> bytes:
    """One frame that begins within `idle` seconds, and is whole so many `seconds` after its first octet.

    Raises Closed; OSError (TimeoutError among them); VermilionError(MALFORMED) for a length of none or more
    than `most`, and for a stream that ends within the frame.
    """
    stream.settimeout(idle)
    first = stream.recv(_LENGTH_BYTES)
    if not first:
        raise Closed
    until = time.monotonic() + seconds
    head = first + _exactly(stream, _LENGTH_BYTES - len(first), until)
    size = int.from_bytes(head, "big")
    if not 0 < size <= most:
        raise _malformed("the frame is empty or too long")
    return _exactly(stream, size, until)


def _exactly(stream: socket.socket, size: int, until: float) -> bytes:
    data = bytearray()
    while len(data) < size:
        left = until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        stream.settimeout(left)
        part = stream.recv(min(size - len(data), 64 * 1024))
        if not part:
            raise _malformed("the stream ends within a frame")
        data += part
    return bytes(data)


def encode_request(request: Request) -> bytes:
    if isinstance(request, Generate):
        parts: list[Any] = ["generate", request.purpose.value, request.suite]
    elif isinstance(request, AskPublicKey):
        parts = ["public_key", encode_ref(request.ref)]
    elif isinstance(request, AnswerPage):
        parts = ["answer_page", encode_ref(request.ref), request.answer, request.language]
    elif isinstance(request, MakeWrappingKey):
        parts = ["make_wrapping_key"]
    elif isinstance(request, Wrap):
        parts = ["wrap", request.key_id, request.data_key, request.record]
    elif isinstance(request, Unwrap):
        parts = ["unwrap", request.key_id, request.wrapped, request.record]
    else:
        wanted = [[r.kind.value, r.data, r.record] for r in request.requests]
        parts = ["sign", encode_ref(request.ref), wanted]
    return _encode([PROTOCOL, *parts])


def decode_request(body: bytes) -> Request:
    """Raises VermilionError(MALFORMED) for anything that is no request of this protocol."""
    name, *parts = _message(body)
    if name == "generate":
        purpose, suite = _list(parts, 2)
        return Generate(_known(Purpose, purpose), _suite(suite))
    if name == "public_key":
        (ref,) = _list(parts, 1)
        return AskPublicKey(decode_ref(ref))
    if name == "sign":
        ref, wanted = _list(parts, 2)
        return Sign(decode_ref(ref), tuple(_sign_request(one) for one in _list(wanted)))
    if name == "answer_page":
        ref, answer, language = _list(parts, 3)
        return AnswerPage(decode_ref(ref), _octets(answer), _text(language))
    if name == "make_wrapping_key":
        _list(parts, 0)
        return MakeWrappingKey()
    if name in ("wrap", "unwrap"):
        key_id, data, record = _list(parts, 3)
        made = Wrap if name == "wrap" else Unwrap
        return made(_text(key_id), _octets(data), _text(record))
    raise _malformed("the request is unknown")


def encode_answer(value: list[str] | bytes | list[bytes] | str) -> bytes:
    return _encode([PROTOCOL, "ok", value])


def encode_error(error: VermilionError) -> bytes:
    words = [text[:_MAX_TEXT] for text in (error.detail, error.reason)]
    return _encode([PROTOCOL, "error", error.kind.value, *words, error.retry_after])


def decode_answer(body: bytes) -> Any:
    """The value of an answer, of whatever shape. Raises the VermilionError that the answer carries; MALFORMED
    for what is none.
    """
    name, *parts = _message(body)
    if name == "ok":
        (value,) = _list(parts, 1)
        return value
    if name != "error":
        raise _malformed("the answer is unknown")
    kind, detail, reason, retry_after = _list(parts, 4)
    if retry_after is not None and not (type(retry_after) is int and 0 <= retry_after <= 86400):
        raise _malformed("the answer is unknown")
    raise VermilionError(_known(Kind, kind), _text(detail), reason=_text(reason), retry_after=retry_after)


def encode_ref(ref: KeyRef) -> list[str]:
    return [ref.id, ref.purpose.value, ref.suite]


def decode_ref(value: Any) -> KeyRef:
    key_id, purpose, suite = _list(value, 3)
    return KeyRef(_text(key_id), _known(Purpose, purpose), _suite(suite))


def decode_public_key(value: Any, suite: SuiteName) -> PublicKey:
    try:
        public = serialization.load_der_public_key(value if isinstance(value, bytes) else b"")
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _malformed("the answer is no public key") from None
    if suite_of(public) is not SUITES[suite]:
        raise _malformed("the answer is another suite's public key")
    assert isinstance(public, PublicKey)
    return public


def decode_signatures(value: Any, count: int) -> list[bytes]:
    signatures = _list(value, count)
    if not all(isinstance(one, bytes) and 0 < len(one) <= _MAX_SIGNATURE for one in signatures):
        raise _malformed("the answer is no list of signatures")
    return list(signatures)


def decode_page(value: Any) -> bytes:
    if not isinstance(value, bytes) or not value.startswith(b"%PDF-"):
        raise _malformed("the answer is no page")
    return value


def decode_key_id(value: Any) -> str:
    if not isinstance(value, str) or not _KEY_ID.fullmatch(value):
        raise _malformed("the answer names no key")
    return value


def decode_octets(value: Any, size: int) -> bytes:
    data = _octets(value)
    if len(data) != size:
        raise _malformed("the answer has another length")
    return data


def _sign_request(value: Any) -> SignRequest:
    kind, data, record = _list(value, 3)
    return SignRequest(_known(SignKind, kind), _octets(data), _text(record))


def _octets(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise _malformed("no byte string")
    return value


def _encode(value: list[Any]) -> bytes:
    return bytes(cbor2.dumps(value, canonical=True))


def _message(body: bytes) -> list[Any]:
    try:
        value = load_cbor(body)
    except ValueError as error:
        raise _malformed(str(error)) from None
    version, *rest = _list(value) or [None]
    if type(version) is not int or version != PROTOCOL or not rest:
        raise _malformed(f"not a message of protocol {PROTOCOL}")
    return rest


def _list(value: Any, size: int | None = None) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or (size is not None and len(value) != size):
        raise _malformed("a list of another length")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        raise _malformed("no text, or too long a one")
    return value


def _suite(value: Any) -> SuiteName:
    found = next((name for name in SUITES if name == value), None)
    if found is None:
        raise _malformed("a suite that is not known here")
    return found


def _known(kind: Callable[[str], _T], value: Any) -> _T:
    try:
        return kind(_text(value))
    except ValueError:
        raise _malformed("a name that is not known here") from None


def _malformed(detail: str) -> VermilionError:
    return VermilionError(Kind.MALFORMED, detail, reason="protocol")
