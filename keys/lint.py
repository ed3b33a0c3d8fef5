"""A certificate is linted before the key that counts signs it (RFC 5280).

What is linted is the TBSCertificate to be signed, under the signature of a throwaway key: a fault then costs
a serial number and nothing else. The linter is pkilint; it is loaded when the first certificate is to be
signed, because nobody who only checks documents needs it.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from keys.certificates import assemble_certificate
from keys.errors import Fault, Kind, VermilionError
from keys.suite import SUITES, PrivateKey, SuiteName, generate_private_key, sign_with

if TYPE_CHECKING:
    from pkilint.document import Document
    from pkilint.validation import ValidatorContainer

ACCEPTED: dict[str, str] = {
    "pkix.subject_key_identifier_method_1_identified": "says which method of RFC 5280, 4.2.1.2 was used",
}
"""Findings that are no faults, each with the reason; any other one refuses the certificate."""


def lint_tbs(tbs: bytes, suite: SuiteName) -> None:
    """Lint a TBSCertificate (DER) that a key of `suite` is to sign.

    Raises VermilionError(INVALID, reason "lint") with one fault for each finding: its place in the
    certificate, and pkilint's code for it.
    """
    faults = tuple(
        Fault(f"/{place.replace('.', '/')}", code, f"{code} at {place}")
        for place, code in _findings(assemble_certificate(tbs, suite, _throwaway_signature(tbs, suite)))
        if code not in ACCEPTED
    )
    if faults:
        raise VermilionError(
            Kind.INVALID, "the certificate would not pass its lint", reason="lint", faults=faults
        )


def _findings(certificate: bytes) -> list[tuple[str, str]]:
    """(place, code) of everything that pkilint has to say."""
    try:
        document = _load(certificate)
    except ValueError as error:
        raise VermilionError(Kind.INVALID, "the linter cannot read the certificate", reason="lint") from error
    return [
        (result.node.path, found.finding.code)
        for result in _linter().validate(document.root)
        for found in result.finding_descriptions
    ]


def _load(certificate: bytes) -> Document:
    from pkilint import loader

    return loader.load_certificate(certificate, "certificate")


@cache
def _linter() -> ValidatorContainer:
    """The rules of pkilint for RFC 5280, as its `lint_pkix_cert` runs them."""
    from pkilint.pkix import certificate, extension, name

    return certificate.create_pkix_certificate_validator_container(
        certificate.create_decoding_validators(name.ATTRIBUTE_TYPE_MAPPINGS, extension.EXTENSION_MAPPINGS),
        [
            certificate.create_issuer_validator_container([]),
            certificate.create_validity_validator_container(),
            certificate.create_subject_validator_container([]),
            certificate.create_extensions_validator_container([]),
            certificate.create_spki_validator_container([]),
        ],
    )


@cache
def _throwaway_key(suite: SuiteName) -> PrivateKey:
    """A key that nothing trusts and nobody keeps; it stands in for the signer's until the lint is passed."""
    return generate_private_key(SUITES[suite])


def _throwaway_signature(tbs: bytes, suite: SuiteName) -> bytes:
    return sign_with(_throwaway_key(suite), SUITES[suite], tbs)
