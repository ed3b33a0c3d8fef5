"""Certificates and CRLs are linted before the key that counts signs them (RFC 5280).

What is linted are the bytes to be signed, under the signature of a throwaway key: a fault then costs a number
and nothing else. The linter is pkilint; it is loaded when the first certificate is to be
signed, because nobody who only checks documents needs it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING

from keys.certificates import assemble_signed
from keys.crl import with_entries
from keys.errors import Fault, Kind, VermilionError
from keys.ocsp import assemble_response
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
    from pkilint import loader

    certificate = assemble_signed(tbs, suite, _throwaway_signature(tbs, suite))
    _lint("certificate", certificate, loader.load_der_certificate, _certificate_linter())


def lint_crl_parts(tbs: bytes, suite: SuiteName, new: Iterable[bytes]) -> None:
    """Lint a TBSCertList (DER) that a key of `suite` is to sign: its header, and the entries that no list
    before it had. Entries that were linted once are not linted again, so that a list of thousands takes no
    longer.

    Raises VermilionError(INVALID, reason "lint").
    """
    part = with_entries(tbs, new)
    lint_crl(assemble_signed(part, suite, _throwaway_signature(part, suite)))


def lint_crl(der: bytes) -> None:
    """Lint a whole CertificateList (DER). Raises VermilionError(INVALID, reason "lint")."""
    from pkilint import loader

    _lint("CRL", der, loader.load_der_crl, _crl_linter())


def lint_ocsp_response(der: bytes) -> None:
    """Lint an OCSPResponse (DER). Raises VermilionError(INVALID, reason "lint")."""
    from pkilint import loader

    _lint("OCSP answer", der, loader.load_der_ocsp_response, _ocsp_linter())


def lint_response_data(data: bytes, suite: SuiteName, certificate: bytes) -> None:
    """Lint an OCSP answer (ResponseData, DER) as a responder with this certificate and a key of `suite` would
    give it. Raises VermilionError(INVALID, reason "lint").
    """
    lint_ocsp_response(assemble_response(data, suite, _throwaway_signature(data, suite), certificate))


def _lint(what: str, der: bytes, load: Callable[[bytes, str], Document], linter: ValidatorContainer) -> None:
    try:
        document = load(der, what)
    except ValueError as error:
        raise VermilionError(Kind.INVALID, f"the linter cannot read the {what}", reason="lint") from error
    faults = tuple(
        Fault(f"/{result.node.path.replace('.', '/')}", code, f"{code} at {result.node.path}")
        for result in linter.validate(document.root)
        for code in (found.finding.code for found in result.finding_descriptions)
        if code not in ACCEPTED
    )
    if faults:
        raise VermilionError(
            Kind.INVALID, f"the {what} would not pass its lint", reason="lint", faults=faults
        )


@cache
def _certificate_linter() -> ValidatorContainer:
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
def _crl_linter() -> ValidatorContainer:
    """The rules of pkilint for RFC 5280, as its `lint_crl` runs them."""
    from pkilint import pkix
    from pkilint.pkix import crl, extension, name

    return crl.create_pkix_crl_validator_container(
        [
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [
            crl.create_issuer_validator_container([]),
            crl.create_validity_validator_container([]),
            crl.create_extensions_validator_container([]),
        ],
    )


@cache
def _ocsp_linter() -> ValidatorContainer:
    """The rules of pkilint for RFC 6960, as its `lint_ocsp_response` runs them."""
    from pkilint import pkix
    from pkilint.pkix import extension, name, ocsp

    return ocsp.create_pkix_ocsp_response_validator_container(
        [
            ocsp.create_response_decoder(),
            pkix.create_attribute_decoder(name.ATTRIBUTE_TYPE_MAPPINGS),
            pkix.create_extension_decoder(extension.EXTENSION_MAPPINGS),
        ],
        [],
    )


@cache
def _throwaway_key(suite: SuiteName) -> PrivateKey:
    """A key that nothing trusts and nobody keeps; it stands in for the signer's until the lint is passed."""
    return generate_private_key(SUITES[suite])


def _throwaway_signature(tbs: bytes, suite: SuiteName) -> bytes:
    return sign_with(_throwaway_key(suite), SUITES[suite], tbs)
