"""What a relying party makes of an OCSP answer of ours (RFC 6960, 3.2 and 4.2.2.2)."""

from __future__ import annotations

from datetime import datetime
from typing import NoReturn

from keys.certificates import certificate_key, key_identifier
from keys.der import content_of, members
from keys.errors import Kind, VermilionError
from keys.ocsp import BASIC, SUCCESSFUL, ResponseData, matches, read_response_data
from keys.path import certificate_public_key, parse_certificate, verify_issued
from keys.profiles import ProfileName
from keys.suite import signature_algorithm, verifies


def verify_response(
    der: bytes, issuer_certificate: bytes, at: datetime, *, nonce: bytes | None = None
) -> ResponseData:
    """An OCSPResponse (DER) of our own form about certificates of this CA: signed by a responder to whom the
    CA delegated it, by a certificate of that profile and no other, holding `at`, with the nonce that was
    sent, if one was.

    Raises VermilionError(INVALID).
    """
    try:
        status, rest = members(der, 0x30)
        kind, octets = members(content_of(rest, 0xA0), 0x30)
        data, algorithm, bits, bag = members(content_of(octets, 0x04), 0x30)
        (certificate,) = members(content_of(bag, 0xA0), 0x30)
        signature = content_of(bits, 0x03)
    except ValueError:
        _refuse("not an answer of our form")
    if status != SUCCESSFUL or kind != BASIC or signature[:1] != b"\0":
        _refuse("not an answer of our form")
    try:
        verify_issued(certificate, [issuer_certificate], at=at, profile=ProfileName.OCSP)
    except VermilionError as error:
        _refuse(f"the authority did not delegate its answers to this responder: {error.detail}", error)
    public, suite = certificate_public_key(parse_certificate(certificate))
    if algorithm != signature_algorithm(suite) or not verifies(public, suite, signature[1:], data):
        _refuse("the answer's signature is wrong")
    said = read_response_data(data)
    if said.responder != key_identifier(certificate_key(certificate)) or said.nonce != nonce:
        _refuse("the answer names another responder, or another nonce")
    for answer in said.answers:
        if not matches(issuer_certificate, answer.cert_id):
            _refuse("the answer is about another authority's certificate")
        if not answer.this_update <= at < answer.next_update:
            _refuse("the answer does not hold now")
    return said


def _refuse(detail: str, cause: VermilionError | None = None) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason="ocsp") from cause
