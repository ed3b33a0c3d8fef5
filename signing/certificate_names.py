"""The name of a certificate's subject, for reading."""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import NameOID


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
