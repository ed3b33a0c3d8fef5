"""Licensed authorities outside, whose signatures on other PDF files are told apart: PEM files."""

from __future__ import annotations

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from keys.errors import Kind, VermilionError

MAX_BYTES = 1 << 20
MAX_CERTIFICATES = 500


def read_licensed(path: Path | None) -> tuple[bytes, ...]:
    """The certificates (DER) of one PEM file, or of all `*.pem` of a folder; none without a path.

    Raises VermilionError(INVALID) for what is no certificate of an authority, and where there is none.
    """
    if path is None:
        return ()
    try:
        files = sorted(path.glob("*.pem")) if path.is_dir() else [path]
        texts = [file.read_bytes()[: MAX_BYTES + 1] for file in files]
    except OSError as error:
        raise _refused(f"{path}: {error.strerror}") from error
    found: dict[bytes, None] = {}
    for file, text in zip(files, texts, strict=True):
        try:
            certificates = x509.load_pem_x509_certificates(text)
        except ValueError as error:
            raise _refused(f"{file} holds no certificates in PEM") from error
        for certificate in certificates:
            if not _is_authority(certificate):
                raise _refused(f"{file} holds a certificate that is no authority's")
            found[certificate.public_bytes(serialization.Encoding.DER)] = None
    if not 0 < len(found) <= MAX_CERTIFICATES:
        raise _refused(f"{path} holds no certificates, or more than {MAX_CERTIFICATES}")
    return tuple(found)


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _refused(detail: str) -> VermilionError:
    return VermilionError(Kind.INVALID, detail, reason="licensed_roots")
