"""Certificate revocation lists (RFC 5280, section 5), laid out and read byte by byte.

A list is spliced from entries that are DER already: a tree of 100,000 of them takes minutes. Every entry has
one regular form, so that one pass over the bytes says whether a list is one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NoReturn

from asn1crypto import x509
from cryptography.hazmat.primitives import serialization

from keys.certificates import assemble_signed, key_identifier
from keys.custodian import Custodian, KeyRef, Kind, SignRequest
from keys.der import content_of, generalized_time, integer, members, read_integer, read_x509_time, time, tlv
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.names import require_name
from keys.suite import SUITES, Suite, SuiteName, signature_algorithm, suite_of, verifies

SERIAL_BYTES = 17
"""What `keys.certificates.new_serial` makes: an instance prefix and 128 random bits."""

MAX_NUMBER = (1 << 159) - 1  # 20 octets (5.2.3)
_KEY_IDENTIFIER_BYTES = 20  # of `keys.certificates.key_identifier`

_VERSION_2 = b"\x02\x01\x01"
_AUTHORITY_KEY, _CRL_NUMBER = b"\x06\x03\x55\x1d\x23", b"\x06\x03\x55\x1d\x14"
_REASON_CODE, _INVALIDITY_DATE = b"\x06\x03\x55\x1d\x15", b"\x06\x03\x55\x1d\x18"

# Dates are those of the calendar, and each year's in its own form (5.1.2.6): read with the rest, in one pass.
_DAYS = rb"(?:(?:0[13578]|1[02])31|(?:0[13-9]|1[0-2])(?:29|30)|(?:0[1-9]|1[0-2])(?:0[1-9]|1[0-9]|2[0-8]))"
_HOUR = rb"(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9]Z"
_FOURS = rb"(?:[02468][048]|[13579][26])"
_LEAP = rb"(?:[0-9]{2}(?!00)" + _FOURS + rb"|" + _FOURS + rb"00)0229"
_UTC = rb"\x17\x0d(?:[0-9]{2}" + _DAYS + rb"|" + _FOURS + rb"0229)" + _HOUR
_CALENDAR = rb"(?!0000)(?:[0-9]{4}" + _DAYS + rb"|" + _LEAP + rb")" + _HOUR
_GENERAL = rb"\x18\x0f" + _CALENDAR
_FROM_2050 = rb"\x18\x0f(?=20[5-9]|2[1-9]|[3-9])" + _CALENDAR
_REASON = rb"\x30\x0a" + re.escape(_REASON_CODE) + rb"\x04\x03\x0a\x01[\x01-\x06\x09\x0a]"
_INVALIDITY = rb"\x30\x18" + re.escape(_INVALIDITY_DATE) + rb"\x04\x11" + _GENERAL
_SERIAL = rb"\x02\x11[\x01-\x7f][\x00-\xff]{16}"
_EXTENSIONS = ((0, rb""), (14, rb"\x30\x0c" + _REASON), (28, rb"\x30\x1a" + _INVALIDITY))
_BOTH = (40, rb"\x30\x26" + _REASON + _INVALIDITY)
_ENTRY = re.compile(
    b"|".join(
        rb"\x30" + re.escape(bytes([19 + size + more])) + _SERIAL + moment + extensions
        for size, moment in ((15, _UTC), (17, _FROM_2050))
        for more, extensions in (*_EXTENSIONS, _BOTH)
    )
)


class RevocationReason(StrEnum):
    """CRLReason (RFC 5280, 5.3.1), but `unspecified`, which is never written, and `removeFromCRL`, which only
    delta lists know.
    """

    KEY_COMPROMISE = "keyCompromise"
    CA_COMPROMISE = "cACompromise"
    AFFILIATION_CHANGED = "affiliationChanged"
    SUPERSEDED = "superseded"
    CESSATION_OF_OPERATION = "cessationOfOperation"
    CERTIFICATE_HOLD = "certificateHold"
    PRIVILEGE_WITHDRAWN = "privilegeWithdrawn"
    AA_COMPROMISE = "aACompromise"

    @property
    def code(self) -> int:
        return _CODES[self]


_CODES = {
    RevocationReason.KEY_COMPROMISE: 1,
    RevocationReason.CA_COMPROMISE: 2,
    RevocationReason.AFFILIATION_CHANGED: 3,
    RevocationReason.SUPERSEDED: 4,
    RevocationReason.CESSATION_OF_OPERATION: 5,
    RevocationReason.CERTIFICATE_HOLD: 6,
    RevocationReason.PRIVILEGE_WITHDRAWN: 9,
    RevocationReason.AA_COMPROMISE: 10,
}
_ALGORITHMS = frozenset(map(signature_algorithm, SUITES.values()))
REASON_OF_CODE = {code: reason for reason, code in _CODES.items()}


@dataclass(frozen=True, slots=True)
class RevocationList:
    """A CRL of our form, read. `entries`: each whole entry (DER) by serial number, in their order."""

    issuer: bytes  # Name, DER
    algorithm: bytes  # AlgorithmIdentifier, DER
    number: int
    this_update: datetime
    next_update: datetime
    authority_key: bytes  # key identifier
    entries: dict[int, bytes]


def crl_entry(
    serial: int, at: datetime, reason: RevocationReason | None, invalidity: datetime | None
) -> bytes:
    """One element of revokedCertificates, DER. `at` is when it was revoked; None as reason: unspecified.

    Raises VermilionError(INVALID) for a serial number that is not of our form.
    """
    if not 1 <= serial >> 8 * (SERIAL_BYTES - 1) < 0x80:
        raise VermilionError(ErrorKind.INVALID, "not a serial number of ours", reason="serial")
    extensions = b""
    if reason is not None:
        extensions += tlv(0x30, _REASON_CODE, tlv(0x04, bytes([0x0A, 1, reason.code])))
    if invalidity is not None:
        extensions += tlv(0x30, _INVALIDITY_DATE, tlv(0x04, generalized_time(invalidity)))
    return tlv(0x30, integer(serial), time(at), tlv(0x30, extensions) if extensions else b"")


def crl_tbs(
    issuer_certificate: bytes,
    suite: SuiteName,
    *,
    number: int,
    this_update: datetime,
    next_update: datetime,
    entries: Iterable[bytes],
) -> bytes:
    """The TBSCertList, DER, version 2, of one full list: entries of `crl_entry` in the order of their
    serials.
    """
    issuer = x509.Certificate.load(issuer_certificate)
    authority = tlv(0x80, key_identifier(issuer.public_key.dump()))
    extensions = tlv(
        0x30,
        tlv(0x30, _AUTHORITY_KEY, tlv(0x04, tlv(0x30, authority))),
        tlv(0x30, _CRL_NUMBER, tlv(0x04, integer(number))),
    )
    revoked = b"".join(entries)
    return tlv(
        0x30,
        _VERSION_2,
        signature_algorithm(SUITES[suite]),
        issuer.subject.dump(),
        time(this_update),
        time(next_update),
        tlv(0x30, revoked) if revoked else b"",  # absent rather than empty (5.1.2.6)
        tlv(0xA0, extensions),
    )


def with_entries(tbs: bytes, entries: Iterable[bytes]) -> bytes:
    """The same list with other entries: for a lint of the header and what is new alone."""
    parts = members(tbs, 0x30)
    revoked = b"".join(entries)
    return tlv(0x30, *parts[:5], tlv(0x30, revoked) if revoked else b"", parts[-1])


def sign_crl(custodian: Custodian, issuer: KeyRef, tbs: bytes, record: str) -> bytes:
    """The CertificateList, DER, of what `crl_tbs` made.

    Raises VermilionError: KEY_REFUSED from the custodian, UNAVAILABLE when it signs wrongly.
    """
    (signature,) = custodian.sign(issuer, [SignRequest(Kind.CRL, tbs, record)])
    if not verifies(custodian.public_key(issuer), SUITES[issuer.suite], signature, tbs):
        raise VermilionError(ErrorKind.UNAVAILABLE, "the custodian signed wrongly", reason="signature")
    return assemble_signed(tbs, issuer.suite, signature)


def read_crl(der: bytes) -> RevocationList:
    """A CertificateList (DER) of our form. Its signature is not looked at. Raises VermilionError(INVALID)."""
    return _read(der)[0]


def verify_crl(der: bytes, issuer_certificate: bytes) -> RevocationList:
    """A CertificateList (DER) of our form, signed by this CA's key. Whether it is of today is for the caller.

    Raises VermilionError(INVALID).
    """
    found, tbs, signature = _read(der)
    issuer = x509.Certificate.load(issuer_certificate)
    spki = issuer.public_key.dump()
    public = serialization.load_der_public_key(spki)
    suite = suite_of(public)
    if suite is None or found.algorithm != signature_algorithm(suite):
        _refuse("the list names another algorithm than its issuer's")
    if found.issuer != issuer.subject.dump() or found.authority_key != key_identifier(spki):
        _refuse("the list is another authority's")
    usage = issuer.key_usage_value
    if usage is None or "crl_sign" not in usage.native:
        _refuse("its issuer signs no lists")
    if not verifies(public, suite, signature, tbs):
        _refuse("the list's signature is wrong")
    return found


def read_tbs(tbs: bytes, suite: Suite) -> RevocationList:
    """A TBSCertList (DER) of our form that a key of `suite` is to sign. Raises VermilionError(INVALID)."""
    try:
        found = _read_tbs(tbs)
    except ValueError:
        _refuse("not a list of our form")
    if found.algorithm != signature_algorithm(suite):
        _refuse("the list names another algorithm")
    return found


def _read(der: bytes) -> tuple[RevocationList, bytes, bytes]:
    """The list, what was signed of it, and the signature."""
    try:
        tbs, algorithm, bits = members(der, 0x30)
        found = _read_tbs(tbs)
        signature = content_of(bits, 0x03)
    except ValueError:
        _refuse("not a list of our form")
    if algorithm != found.algorithm or signature[:1] != b"\0":
        _refuse("not a list of our form")
    return found, tbs, signature[1:]


def _read_tbs(tbs: bytes) -> RevocationList:
    """Raises ValueError."""
    version, algorithm, issuer, this_update, next_update, *rest = members(tbs, 0x30)
    if version != _VERSION_2 or not 1 <= len(rest) <= 2:
        raise ValueError("another version or other members")
    (extensions,) = members(rest[-1], 0xA0)
    authority, number = members(extensions, 0x30)
    require_name(issuer)
    begin, end = read_x509_time(this_update), read_x509_time(next_update)
    if not begin < end:
        raise ValueError("a list that never holds")
    found = RevocationList(
        issuer=issuer,
        algorithm=algorithm,
        number=read_integer(content_of(_extension(number, _CRL_NUMBER), 0x04)),
        this_update=begin,
        next_update=end,
        authority_key=content_of(
            content_of(content_of(_extension(authority, _AUTHORITY_KEY), 0x04), 0x30), 0x80
        ),
        entries=dict(_entries(content_of(rest[0], 0x30))) if len(rest) == 2 else {},
    )
    if not 1 <= found.number <= MAX_NUMBER or len(found.authority_key) != _KEY_IDENTIFIER_BYTES:
        raise ValueError("another number or key than authorities of ours have")
    if found.algorithm not in _ALGORITHMS or (len(rest) == 2 and not found.entries):
        raise ValueError("another algorithm, or no entries where some are announced")
    return found


def _extension(element: bytes, name: bytes) -> bytes:
    """The value (OCTET STRING) of a non-critical extension of this name. Raises ValueError."""
    found, value = members(element, 0x30)
    if found != name:
        raise ValueError("another extension")
    return value


def _entries(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(serial, entry) in strictly increasing order. Raises ValueError."""
    at, before = 0, b""
    while at < len(data):
        match = _ENTRY.match(data, at)
        if match is None:
            raise ValueError("an entry of another form")
        entry = match[0]
        serial = entry[4 : 4 + SERIAL_BYTES]
        if serial <= before:
            raise ValueError("entries out of order, or twice")
        yield int.from_bytes(serial, "big"), entry
        at, before = match.end(), serial


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(ErrorKind.INVALID, detail, reason="crl")
