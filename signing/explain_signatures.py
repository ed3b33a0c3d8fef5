"""The signatures of a PDF file by ETSI EN 319 102-1, with pyHanko: for the process apart.

No network, no file: revocation data are those that the file carries. pyHanko looks for the last end of file
and forgives what follows it, and calls some overlays a form that was filled in; what a signature covers is
therefore reckoned here, against the whole file.
"""

from __future__ import annotations

from collections.abc import Coroutine, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from asn1crypto import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESStatus, AdESSubIndic
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation import async_validate_pdf_signature, async_validate_pdf_timestamp
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import SignatureCoverageLevel, SignatureStatus, TimestampSignatureStatus
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.revinfo.validate_crl import verify_crl
from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response

from signing.certificate_names import name_of
from signing.report import (
    FAILED,
    INDETERMINATE,
    LEVELS,
    MAX_ITEMS,
    PASSED,
    SUB_INDICATIONS,
    Indication,
    Signature,
)

if TYPE_CHECKING:
    from signing.explain import Order

_USAGE = KeyUsageConstraints(key_usage={"digital_signature", "non_repudiation"}, match_all_key_usages=False)
_HARMLESS = {ModificationLevel.NONE, ModificationLevel.LTA_UPDATES}
_INTEGRITY = {"HASH_FAILURE": "digest_differs", "SIG_CRYPTO_FAILURE": "signature_wrong"}
Got = TypeVar("Got")


def _now(work: Coroutine[Any, Any, Got]) -> Got:
    """The result of a coroutine that waits for nothing: an event loop would want files."""
    try:
        work.send(None)
    except StopIteration as done:
        result: Got = done.value
        return result
    work.close()
    raise RuntimeError("the validator would wait for something")


@dataclass(frozen=True, slots=True)
class _Known:
    """Whom to trust, and with what the file proves."""

    registry: tuple[x509.Certificate, ...]
    licensed: tuple[x509.Certificate, ...]
    others: tuple[x509.Certificate, ...]
    at: datetime
    store: DocumentSecurityStore | None
    size: int  # of the file
    apart: bool  # bytes of it belong to none of its revisions
    compare: bool  # have what followed a signature judged

    def context(self, roots: Sequence[x509.Certificate], at: datetime) -> ValidationContext:
        options: dict[str, Any] = {
            "trust_roots": list(roots),
            "other_certs": list(self.others),
            "moment": at,
            "allow_fetching": False,
            "revocation_mode": "soft-fail",
        }
        if self.store is None:
            return ValidationContext(**options)
        return self.store.as_validation_context(options)


def signatures(
    reader: PdfFileReader, order: Order, *, apart: bool, compare: bool
) -> Iterator[tuple[Signature, ...]]:
    """Each signature and document time-stamp, one more each time. Raises anything for a hostile form; what
    was yielded before stays. `apart`: bytes of the file belong to none of its revisions. `compare`: have what
    followed each signature judged; else only that something did.
    """
    known = _known(reader, order, apart=apart, compare=compare)
    told: list[Signature] = []
    fields = list(islice(enumerate_sig_fields(reader, filled_status=True), MAX_ITEMS))
    embedded = [_embedded(reader, name, field) for name, _value, field in fields]
    stamps = [one for one in embedded if one is not None and one.sig_object_type == "/DocTimeStamp"]
    for one, (name, *_) in zip(embedded, fields, strict=True):
        try:
            if one is None:
                found = _unreadable(name)
            elif one in stamps:
                found = _stamp(one, known)
            else:
                found = _signature(one, known, stamps)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  (hostile files make libraries raise anything)
            found = _unreadable(name)
        told.append(found)
        yield tuple(told)


def _embedded(reader: PdfFileReader, name: str, field: Any) -> EmbeddedPdfSignature | None:
    try:
        return EmbeddedPdfSignature(reader, field, name)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001
        return None


def _known(reader: PdfFileReader, order: Order, *, apart: bool, compare: bool) -> _Known:
    def load(certificates: Sequence[bytes]) -> tuple[x509.Certificate, ...]:
        return tuple(x509.Certificate.load(one) for one in certificates)

    trust = order.trust
    pinned = () if trust is None else tuple(k.issuers[-1] for k in trust.keys if k.issuers)
    try:
        store = DocumentSecurityStore.read_dss(reader)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  (no store, or none that can be read)
        store = None
    return _Known(
        registry=() if trust is None else load((*trust.roots, *pinned)),
        licensed=load(order.licensed),
        others=() if trust is None else load(trust.issuing),
        at=order.at,
        store=store,
        size=len(order.data),
        apart=apart,
        compare=compare,
    )


def _unreadable(name: object) -> Signature:
    return Signature(
        kind="signature",
        field=str(name),
        signer=None,
        issuer=None,
        authority=None,
        integrity="unreadable",
        coverage="part",
        revision=None,
        at=None,
        proven=False,
        level=None,
        indication=FAILED,
        sub_indication="FORMAT_FAILURE",
    )


def _coverage(one: EmbeddedPdfSignature, size: int) -> str:
    """Against the whole file, to its last byte."""
    if one.coverage is None or one.coverage < SignatureCoverageLevel.ENTIRE_REVISION:
        return "part"
    start, length, resume, rest = map(int, one.byte_range)
    gap = 2 * len(one.pkcs7_content) + 2
    if start != 0 or resume != length + gap:
        return "part"
    return "whole_file" if resume + rest == size else "revision"


def _trusted_by(known: _Known) -> Iterator[tuple[str, tuple[x509.Certificate, ...]]]:
    if known.registry:
        yield "registry", known.registry
    if known.licensed:
        yield "licensed", known.licensed


def _judged(status: Any, coverage: str, known: _Known) -> Indication:
    """By the blocks of EN 319 102-1, 5.2 and 5.3; what a reader would show and the signature does not cover
    is a failure of the format here, where general validators only warn.
    """
    if not status.intact:
        return FAILED, "HASH_FAILURE"
    if not status.valid:
        return FAILED, "SIG_CRYPTO_FAILURE"
    level = status.modification_level
    if known.apart or coverage == "part" or level is ModificationLevel.OTHER or status.docmdp_ok is False:
        return FAILED, "FORMAT_FAILURE"
    problem: AdESSubIndic | None = status.trust_problem_indic
    if problem is not None:
        name = str(problem.standard_name)
        kind = FAILED if problem.status is AdESStatus.FAILED else INDETERMINATE
        return kind, name if name in SUB_INDICATIONS else None
    if not status.trusted:
        return INDETERMINATE, "NO_CERTIFICATE_CHAIN_FOUND"
    if coverage == "revision" and level is None:
        return FAILED, "FORMAT_FAILURE"
    if coverage == "revision" and level not in _HARMLESS:
        return INDETERMINATE, "SIG_CONSTRAINTS_FAILURE"
    return PASSED, None


def _attempts(known: _Known) -> list[tuple[str | None, tuple[x509.Certificate, ...]]]:
    return [*_trusted_by(known), (None, ())]


def _signature(one: EmbeddedPdfSignature, known: _Known, stamps: Sequence[EmbeddedPdfSignature]) -> Signature:
    """By the first authority to which a chain leads; by none, it is judged all the same."""
    for authority, roots in _attempts(known):
        every = [root for _, some in _trusted_by(known) for root in some]
        stamping = known.context(every, known.at)
        status = _now(
            async_validate_pdf_signature(
                one,
                known.context(roots, known.at),
                stamping,
                key_usage_settings=_USAGE,
                skip_diff=not known.compare,
            )
        )
        token = status.timestamp_validity
        proven_at = _proven(token)
        if proven_at is not None and not status.trusted:  # was it good at the time that is proven?
            again = known.context(roots, proven_at)
            status = _now(
                async_validate_pdf_signature(
                    one, again, stamping, key_usage_settings=_USAGE, skip_diff=not known.compare
                )
            )
        chain_found = status.validation_path is not None or _leads(status)
        if chain_found or authority is None:
            break
    coverage = _coverage(one, known.size)
    indication, sub = _judged(status, coverage, known)
    return Signature(
        kind="signature",
        field=str(one.fq_name),
        signer=_name(one.signer_cert),
        issuer=_issuer(one.signer_cert),
        authority=authority,
        integrity=_INTEGRITY.get(sub or "", "intact"),
        coverage=coverage,
        revision=one.signed_revision + 1,
        at=_aware(proven_at or status.signer_reported_dt),
        proven=proven_at is not None,
        level=_level(one, status, known, roots, stamps, proven_at),
        indication=indication,
        sub_indication=sub,
    )


def _proven(token: TimestampSignatureStatus | None) -> datetime | None:
    """When the signature is proven to have existed, by its own time-stamp."""
    right = token is not None and token.intact and token.valid and token.trusted
    return token.timestamp if token is not None and right else None


def _leads(status: SignatureStatus) -> bool:
    """Whether a chain was found that fails for another reason than that there is none."""
    problem = status.trust_problem_indic
    return problem is not None and str(problem.standard_name) not in {
        "NO_CERTIFICATE_CHAIN_FOUND",
        "NO_SIGNING_CERTIFICATE_FOUND",
        "GENERIC",
        "CERTIFICATE_CHAIN_GENERAL_FAILURE",
    }


def _name(certificate: x509.Certificate) -> str:
    return name_of(certificate.dump())


def _issuer(certificate: x509.Certificate) -> str:
    return str(certificate.issuer.human_friendly)


def _aware(at: datetime | None) -> datetime | None:
    return at if at is not None and at.tzinfo is not None else None


def _stamp(one: EmbeddedPdfSignature, known: _Known) -> Signature:
    for authority, roots in _attempts(known):
        status = _now(
            async_validate_pdf_timestamp(one, known.context(roots, known.at), skip_diff=not known.compare)
        )
        if status.trusted or authority is None:
            break
    coverage = _coverage(one, known.size)
    indication, sub = _judged(status, coverage, known)
    signer = status.signing_cert
    return Signature(
        kind="time_stamp",
        field=str(one.fq_name),
        signer=_name(signer),
        issuer=_issuer(signer),
        authority=authority,
        integrity=_INTEGRITY.get(sub or "", "intact"),
        coverage=coverage,
        revision=one.signed_revision + 1,
        at=_aware(status.timestamp),
        proven=indication == PASSED,
        level=None,
        indication=indication,
        sub_indication=sub,
    )


def _level(
    one: EmbeddedPdfSignature,
    status: Any,
    known: _Known,
    roots: Sequence[x509.Certificate],
    stamps: Sequence[EmbeddedPdfSignature],
    proven_at: datetime | None,
) -> str | None:
    """The level that is reached (EN 319 142-1, 6): each asks for all of the one before."""
    if one.sig_object.get("/SubFilter") != "/ETSI.CAdES.detached" or not (status.intact and status.valid):
        return None
    later = [stamp for stamp in stamps if stamp.signed_revision > one.signed_revision]
    if proven_at is None and not later:
        return LEVELS[0]
    if known.store is None or not _shown_good(one, known, roots, proven_at or known.at):
        return LEVELS[1]
    return LEVELS[3] if later else LEVELS[2]


def _shown_good(
    one: EmbeddedPdfSignature, known: _Known, roots: Sequence[x509.Certificate], at: datetime
) -> bool:
    """Whether what the file carries shows the signer's certificate good, and those above it.

    Asked here and not by pyHanko's policies, which look for no OCSP answer where a certificate names no place
    to get one.
    """
    context, others = known.context(roots, at), list(one.other_embedded_certs)
    try:
        path = _path(one.signer_cert, others, context)
        for certificate in path.iter_certs(include_root=False):
            _require_good(certificate, _path(certificate, others, context), context)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  (each way of not being shown good is an error of its own)
        return False
    return True


def _path(
    certificate: x509.Certificate, others: list[x509.Certificate], context: ValidationContext
) -> ValidationPath:
    validator = CertificateValidator(certificate, intermediate_certs=others, validation_context=context)
    return _now(validator.async_validate_path())


def _require_good(certificate: x509.Certificate, path: ValidationPath, context: ValidationContext) -> None:
    """By an OCSP answer, else by a CRL. Raises what pyHanko raises where neither does."""
    try:
        _now(verify_ocsp_response(certificate, path, context))
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001
        _now(verify_crl(certificate, path, context))
