"""Who a certificate's subject is: the name, for reading; names and identifiers, for comparing."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID

from signing.report import MAX_SAID

_NAMES = (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
_IDENTIFIERS = (NameOID.SERIAL_NUMBER, NameOID.ORGANIZATION_IDENTIFIER, NameOID.USER_ID)
_OF_SUBJECTS = ("1.2.156.10260.4.", "1.2.86.11.7.")


def name_of(certificate: bytes) -> str:
    """Organisation and common name, or one of them, else the whole name (RFC 4514); "?" where it cannot be
    read.
    """
    try:
        subject = x509.load_der_x509_certificate(certificate).subject
    except (ValueError, TypeError):
        return "?"
    organisation, common = (
        next((str(one.value) for one in subject.get_attributes_for_oid(oid)), "")
        for oid in (NameOID.ORGANIZATION_NAME, NameOID.COMMON_NAME)
    )
    if organisation and common and organisation != common:
        return f"{organisation} ({common})"
    return organisation or common or subject.rfc4514_string()


def subject_of(certificate: bytes) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names that the subject goes by, and the identifiers that are given of it: in its name (serial
    number, organisation identifier, user id), or in the extensions that authorities in China use (GM/T 0015:
    of a person, of an organisation). Nothing of what cannot be read.
    """
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        subject = parsed.subject
        names = [str(a.value) for oid in _NAMES for a in subject.get_attributes_for_oid(oid)]
        given = [str(a.value) for oid in _IDENTIFIERS for a in subject.get_attributes_for_oid(oid)]
        for extension in parsed.extensions:
            if extension.oid.dotted_string.startswith(_OF_SUBJECTS) and isinstance(
                extension.value, x509.UnrecognizedExtension
            ):
                given += _texts(extension.value.value)
    except (ValueError, TypeError):
        return (), ()
    return tuple(dict.fromkeys(names))[:MAX_SAID], tuple(dict.fromkeys(given))[:MAX_SAID]


def _texts(der: bytes) -> list[str]:
    """What is written in an extension, however it is tagged: bare, or within a set of tagged values."""
    found, at = list[str](), 0
    while at + 2 <= len(der) and len(found) < MAX_SAID:
        tag, length = der[at], der[at + 1]
        value = der[at + 2 : at + 2 + length]
        if length > 0x7F or len(value) != length:  # nothing that long is an identifier
            break
        found += _texts(value) if tag & 0x20 else _text(value)
        at += 2 + length
    return found


def _text(value: bytes) -> list[str]:
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        return []
    return [text] if text and text.isprintable() else []
