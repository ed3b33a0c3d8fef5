"""What may be signed: each kind of bytes is parsed strictly before a key sees it.

DER must be what re-encoding its own parse gives; CBOR must be deterministic; attribute sets hold
exactly the expected attributes. Any other input is refused with VermilionError(KEY_REFUSED).
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from typing import Any, NoReturn

import cbor2
from asn1crypto import cms, core, tsp, x509

from keys.base64url import unb64url
from keys.canonical import canonical_json, strict_json
from keys.crl import read_tbs
from keys.custodian import Kind
from keys.der import require_der
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.ocsp import read_response_data
from keys.seal_attributes import is_our_form
from keys.signed_answer import MAX_BYTES as MAX_ANSWER_BYTES
from keys.signed_answer import read_input as read_answer_input
from keys.status_list import MAX_BYTES as MAX_STATUS_LIST_BYTES
from keys.status_list import read_cwt_input, read_jwt_input
from keys.suite import Suite, signature_algorithm, suite_of
from keys.transcript import parse_transcript, transcript_body
from keys.tst_info import read_attributes

MAX_BYTES = 4 * 1024 * 1024  # a trust list, a seal with its picture
MAX_CRL_BYTES = 32 * 1024 * 1024  # some 400,000 entries
MAX_TRANSCRIPT_BYTES = 128 * 1024
MAX_SMALL_BYTES = 16 * 1024  # everything else
MAX_SIG_STRUCTURE_BYTES = 1024  # a credential has at most 400 bytes, and a link some 100 before its id
TRUST_LIST_TYPE = "trust-list+jwt"
TRANSCRIPT_TYPE = "ceremony-transcript+jwt"


def check_tbs(kind: Kind, data: bytes, suite: Suite) -> None:
    """Raises VermilionError(KEY_REFUSED) unless `data` is exactly what `kind` says, for this suite."""
    if len(data) > _MAX.get(kind, MAX_SMALL_BYTES):
        _refuse("too long")
    _CHECKS[kind](data, suite)


def _certificate(data: bytes, suite: Suite) -> None:
    """RFC 5280, 4.1: v3, the key's own algorithm, a positive serial of at most 20 octets."""
    tbs = _load_der(x509.TbsCertificate, data)
    serial = tbs["serial_number"].native
    if tbs["version"].native != "v3":
        _refuse("not a v3 certificate")
    if not 0 < serial < 1 << 159:
        _refuse("the serial number is out of range")
    if tbs["signature"].dump() != signature_algorithm(suite):
        _refuse("the certificate names another algorithm")


def _seal_attributes(data: bytes, suite: Suite) -> None:
    """RFC 5652, 5.4: content-type, message-digest and signing-certificate-v2 (RFC 5035), each once with
    one value; cms-algorithm-protection (RFC 6211) may be there; nothing else may. No tree is built of what
    has the form that our own documents carry.
    """
    if is_our_form(data, suite):
        return
    found: dict[str, Any] = {}
    for attribute in _load_der(cms.CMSAttributes, data):
        name = attribute["type"].native
        if name in found or len(attribute["values"]) != 1:
            _refuse("an attribute stands twice, or has several values")
        found[name] = attribute["values"][0]
    needed = {"content_type", "message_digest", "signing_certificate_v2"}
    if not needed <= set(found) <= needed | {"cms_algorithm_protection"}:
        _refuse("other attributes than a seal has")
    if found["content_type"].native != "data":
        _refuse("another content type")
    if len(found["message_digest"].native) != hashlib.new(suite.digest_name).digest_size:
        _refuse("a digest of another length")
    certs = found["signing_certificate_v2"]
    if not isinstance(certs, tsp.SigningCertificateV2) or len(certs["certs"]) != 1:
        _refuse("the signing certificate is not named")
    if not certs["certs"][0].contents.startswith(b"\x04"):  # SHA-256 is the default: DER leaves it out
        _refuse("the signing certificate is named by another digest, or its default is spelt out")
    protection = found.get("cms_algorithm_protection")
    if protection is not None and (
        protection["digest_algorithm"]["algorithm"].native != suite.digest_name
        or protection["signature_algorithm"].native is None  # it may be left out (RFC 6211)
        or protection["signature_algorithm"]["algorithm"].native != suite.signature_name
        or protection["mac_algorithm"].native is not None
    ):
        _refuse("other algorithms are protected")


def _page_attributes(data: bytes, suite: Suite) -> None:
    """As a seal's, in the one form that we write; what the digest is of, the policy judges."""
    if not is_our_form(data, suite):
        _refuse("not the attributes of a page of ours")


def _time_stamp_attributes(data: bytes, suite: Suite) -> None:
    """RFC 5816: one encoding, compared whole. No tree is built: a time-stamping authority is asked often."""
    try:
        read_attributes(data, suite)
    except ValueError as error:
        _refuse(str(error))


def _sig_structure(data: bytes, suite: Suite) -> None:
    """RFC 9052, 4.4: ["Signature1", protected, external_aad, payload], deterministic CBOR."""
    if len(data) > MAX_SIG_STRUCTURE_BYTES:
        _refuse("too long")
    value = _load_cbor(data)
    if not (
        isinstance(value, list | tuple)
        and len(value) == 4
        and value[0] == "Signature1"
        and all(isinstance(part, bytes) for part in value[1:])
    ):
        _refuse("not a Sig_structure")
    if not value[2].startswith(b"elic1|"):
        _refuse("bound to another application")
    protected, claims = _load_cbor(value[1]), _load_cbor(value[3])
    if not isinstance(protected, dict) or list(map(repr, protected)) != ["1", "4"]:
        _refuse("the protected header is not ours")
    if type(protected[1]) is not int or protected[1] != suite.cose_alg or not isinstance(protected[4], bytes):
        _refuse("the protected header is not ours")
    if not isinstance(claims, dict) or not all(type(key) is int for key in claims):
        _refuse("the payload is not a map of claims")


def _trust_list(data: bytes, suite: Suite) -> None:
    _, body = _jws(data, suite, TRUST_LIST_TYPE)
    if type(body.get("seq")) is not int:
        _refuse("not a trust list")


def _transcript(data: bytes, suite: Suite) -> None:
    """A transcript of our own form (`keys.transcript`), which names the root that signs it."""
    header, body = _jws(data, suite, TRANSCRIPT_TYPE)
    if not isinstance(header.get("x5c"), list) or len(header["x5c"]) != 1:
        _refuse("not a ceremony's transcript")
    try:
        transcript = parse_transcript(body)
    except VermilionError as error:
        _refuse(error.detail)
    if canonical_json(transcript_body(transcript)) != _base64url(data.partition(b".")[2]):
        _refuse("the transcript is not in its one form")


def _jws(data: bytes, suite: Suite, typ: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """RFC 7515, 5.1: BASE64URL(header) || '.' || BASE64URL(payload); both as parsed."""
    header, dot, payload = data.partition(b".")
    if not dot:
        _refuse("not a JWS signing input")
    try:
        parsed = strict_json(_base64url(header), max_bytes=MAX_SMALL_BYTES, max_depth=3)
        body = strict_json(_base64url(payload), max_bytes=MAX_BYTES, max_depth=8)
    except VermilionError as error:
        _refuse(error.detail)
    if not isinstance(parsed, dict) or parsed.get("typ") != typ or not isinstance(body, dict):
        _refuse(f"not of type {typ}")
    if parsed.get("alg") != suite.jose_alg:
        _refuse("the header names another algorithm")
    return parsed, body


def _crl(data: bytes, suite: Suite) -> None:
    """RFC 5280, 5.1: a full list of our own form (`keys.crl`), entries in order."""
    try:
        read_tbs(data, suite)
    except VermilionError as error:
        _refuse(error.detail)


def _ocsp_response(data: bytes, _suite: Suite) -> None:
    """RFC 6960, 4.2.1: a ResponseData of our own form (`keys.ocsp`)."""
    try:
        read_response_data(data)
    except VermilionError as error:
        _refuse(error.detail)


def _seal_edition(data: bytes, _suite: Suite) -> None:
    """GB/T 38540: SES_SealInfo as `keys.seal_data` lays it out."""
    from keys.seal_data import read_seal_info

    try:
        read_seal_info(data)
    except ValueError as error:
        _refuse(str(error))


def _certification_request(data: bytes, suite: Suite) -> None:
    """RFC 2986, 4.1: as `keys.csr` lays it out, for a key of this suite."""
    from keys.csr import read_request_info

    try:
        public = read_request_info(data)
    except ValueError as error:
        _refuse(str(error))
    if suite_of(public) is not suite:
        _refuse("the request is for a key of another suite")


def _status_list_jwt(data: bytes, suite: Suite) -> None:
    """The draft's section 5.1: a whole list of our own form (`keys.status_list`), inflated and measured."""
    try:
        read_jwt_input(data, suite)
    except VermilionError as error:
        _refuse(error.detail)


def _status_list_cwt(data: bytes, suite: Suite) -> None:
    """The draft's section 5.2: as above."""
    try:
        read_cwt_input(data, suite)
    except VermilionError as error:
        _refuse(error.detail)


def _signed_answer(data: bytes, suite: Suite) -> None:
    """RFC 7515, 5.1: of our own form (`keys.signed_answer`); what it says, the policy judges."""
    try:
        read_answer_input(data, suite)
    except VermilionError as error:
        _refuse(error.detail)


def _archive_statement(data: bytes, suite: Suite) -> None:
    """RFC 7515, 5.1: of our own form (`keys.handover`); whether it was made here, the policy judges."""
    from keys.handover import read_input

    try:
        read_input(data, suite)
    except VermilionError as error:
        _refuse(error.detail)


_MAX = {
    Kind.ARCHIVE_STATEMENT: MAX_BYTES,
    Kind.TRUST_LIST: MAX_BYTES,
    Kind.SEAL_EDITION: MAX_BYTES,
    Kind.CRL: MAX_CRL_BYTES,
    Kind.CEREMONY_TRANSCRIPT: MAX_TRANSCRIPT_BYTES,
    Kind.STATUS_LIST_JWT: MAX_STATUS_LIST_BYTES,
    Kind.STATUS_LIST_CWT: MAX_STATUS_LIST_BYTES,
    Kind.SIGNED_ANSWER: MAX_ANSWER_BYTES,
}
_CHECKS: dict[Kind, Callable[[bytes, Suite], None]] = {
    Kind.CERTIFICATE: _certificate,
    Kind.SIGNED_ATTRIBUTES: _seal_attributes,
    Kind.TIME_STAMP: _time_stamp_attributes,
    Kind.SIG_STRUCTURE: _sig_structure,
    Kind.TRUST_LIST: _trust_list,
    Kind.CRL: _crl,
    Kind.OCSP_RESPONSE: _ocsp_response,
    Kind.SEAL_EDITION: _seal_edition,
    Kind.CEREMONY_TRANSCRIPT: _transcript,
    Kind.CERTIFICATION_REQUEST: _certification_request,
    Kind.STATUS_LIST_JWT: _status_list_jwt,
    Kind.STATUS_LIST_CWT: _status_list_cwt,
    Kind.SIGNED_ANSWER: _signed_answer,
    Kind.ARCHIVE_STATEMENT: _archive_statement,
    Kind.PAGE_ATTRIBUTES: _page_attributes,
}


def load_der(spec: type[Any], data: bytes) -> Any:
    """Parse DER as `spec`, whole: `keys.der` judges the encoding, asn1crypto the structure.

    Raises ValueError for anything else; no other exception, whatever the bytes.
    """
    try:
        require_der(data)
        value = spec.load(data, strict=True)
        _touch(value, 0)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    except Exception as error:
        raise ValueError("not DER") from error
    return value


def _touch(value: Any, depth: int) -> None:
    """Parse every part: asn1crypto is lazy and re-emits what it has not parsed."""
    if depth > 24:
        raise ValueError("nested too deeply")
    if isinstance(value, core.ParsableOctetString | core.ParsableOctetBitString):
        require_der(bytes(value))  # an extension's value, or what a time-stamp holds
        _touch(value.parsed, depth + 1)
        return
    if isinstance(value, core.Any):
        _ = value.native
        return
    if isinstance(value, core.Choice):
        _touch(value.chosen, depth + 1)
        return
    if isinstance(value, core.Sequence | core.Set | core.SequenceOf | core.SetOf):
        for index in range(len(value)):
            _touch(value[index], depth + 1)
        return
    native = value.native
    if (
        isinstance(value, core.BitString)
        and isinstance(native, set)
        and type(value)(native).contents != value.contents
    ):
        raise ValueError("named bits with trailing zeros")  # X.690, 11.2.2


def _load_der(spec: type[Any], data: bytes) -> Any:
    try:
        return load_der(spec, data)
    except ValueError:
        _refuse("not DER of its kind")


def load_cbor(data: bytes) -> Any:
    """Parse deterministic CBOR (RFC 8949, 4.2.1), whole, of integers, strings, null, arrays and maps.

    Raises ValueError for anything else; no other exception, whatever the bytes.
    """
    stream = io.BytesIO(data)
    try:
        value = cbor2.CBORDecoder(
            stream, max_depth=8, allow_indefinite=False, allow_duplicate_keys=False
        ).decode()
        whole = stream.tell() == len(data)
        same = cbor2.dumps(value, canonical=True) == data
    except Exception as error:  # a decoder's own exceptions are many; all mean the same here
        raise ValueError("not CBOR") from error
    if not whole or not same or not _plain(value):
        raise ValueError("not deterministic CBOR, or of other types than ours")
    return value


def _load_cbor(data: bytes) -> Any:
    try:
        return load_cbor(data)
    except ValueError as error:
        _refuse(str(error))


def _plain(value: Any) -> bool:
    """Integers, strings, null, arrays and maps only: no tags, floats, booleans or simple values."""
    if isinstance(value, dict):
        return all(_plain(key) and _plain(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    return value is None or (
        type(value) in (int, bytes, str) and (type(value) is not int or abs(value) < 1 << 64)
    )


def _base64url(data: bytes) -> bytes:
    try:
        return unb64url(data)
    except ValueError as error:
        _refuse(str(error))


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(ErrorKind.KEY_REFUSED, f"not signed: {detail}", reason="not_to_be_signed")
