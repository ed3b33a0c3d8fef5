"""The signatures of a PDF file by ETSI EN 319 102-1, with pyHanko: for the process apart.

No network, no file: revocation data are those that the file carries. Only the very certificates that the
trust list names are the registry's, in the state that it names: an authority outside that certified one of
them certifies others too. pyHanko looks for the last end of file and forgives what follows it, and calls some
overlays a form that was filled in; so what a signature covers is reckoned here, against the whole file.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from asn1crypto import x509
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.ades.report import AdESStatus, AdESSubIndic
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.fields import enumerate_sig_fields
from pyhanko.sign.validation import async_validate_pdf_signature, async_validate_pdf_timestamp
from pyhanko.sign.validation.dss import DocumentSecurityStore
from pyhanko.sign.validation.generic_cms import extract_tst_data_iter
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.settings import KeyUsageConstraints
from pyhanko.sign.validation.status import SignatureCoverageLevel, SignatureStatus, TimestampSignatureStatus
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.revinfo.validate_crl import verify_crl
from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response

from keys.trust_list import KeyUse, TrustedKey
from signing.certificate_names import name_of, subject_of
from signing.report import (
    FAILED,
    INDETERMINATE,
    LEVELS,
    MAX_ITEMS,
    PASSED,
    SUB_INDICATIONS,
    Indication,
    Signature,
    indication_of,
)
from signing.verdict import Issuer

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

    roots: tuple[x509.Certificate, ...]  # the registry's
    keys: tuple[TrustedKey, ...]
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
    told: list[tuple[Signature, str | None]] = []
    fields = list(islice(enumerate_sig_fields(reader, filled_status=True), MAX_ITEMS))
    for name, _value, field in fields:
        one = _embedded(reader, name, field)
        found: tuple[Signature, str | None]
        try:
            if one is None:
                found = _unreadable(name), None
            elif one.sig_object_type == "/DocTimeStamp":
                found = _stamp(one, known), None
            else:
                found = _signature(one, known)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  (hostile files make libraries raise anything)
            found = _unreadable(name), None
        told.append(found)
        yield _with_archive(told)


def _with_archive(told: Sequence[tuple[Signature, str | None]]) -> tuple[Signature, ...]:
    """Each with the level that it has by the time-stamps over it, of which only those that passed count."""
    proving = [one.revision or 0 for one, _ in told if one.kind == "time_stamp" and one.indication == PASSED]
    last = max(proving, default=0)
    return tuple(
        one if archived is None or last <= (one.revision or 0) else replace(one, level=archived)
        for one, archived in told
    )


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
    try:
        store = DocumentSecurityStore.read_dss(reader)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  (no store, or none that can be read)
        store = None
    return _Known(
        roots=() if trust is None else load(trust.roots),
        keys=() if trust is None else trust.keys,
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


@dataclass(frozen=True, slots=True)
class _Attempt:
    """To find a chain to this authority. `key`: what the trust list says of the signer's very certificate."""

    authority: str | None
    roots: tuple[x509.Certificate, ...]
    key: TrustedKey | None = None


def _attempts(certificate: x509.Certificate, use: KeyUse, known: _Known) -> Iterator[_Attempt]:
    """The last one is of no authority."""
    key = _listed(certificate, use, known)
    if key is not None:
        pinned = tuple(x509.Certificate.load(one) for one in key.issuers[-1:])
        yield _Attempt("registry", (*known.roots, *pinned), key)
    if known.licensed:
        yield _Attempt("licensed", known.licensed)
    yield _Attempt(None, ())


def _listed(certificate: x509.Certificate, use: KeyUse, known: _Known) -> TrustedKey | None:
    der = certificate.dump()
    return next((key for key in known.keys if key.use == use and key.certificate == der), None)


def _by_key(key: TrustedKey, at: datetime) -> Indication | None:
    """What speaks against a listed key at the time that is proven, which without a proof is the present. A
    time-stamp from before its key was compromised is right.
    """
    early = key.use == "tsa" and key.since is not None and at < key.since
    if key.state == "compromised" and not early:
        return indication_of(Issuer.DOUBTFUL, "key_compromised")
    if not key.sign_from <= at <= key.sign_to:
        return indication_of(Issuer.DOUBTFUL, "out_of_period")
    return None


def _judged(status: Any, coverage: str, known: _Known, key: Indication | None) -> Indication:
    """By the blocks of EN 319 102-1, 5.2 and 5.3; what a reader would show and the signature does not cover
    is a failure of the format here, where general validators only warn. `key`: what the trust list says
    against the signer's.
    """
    if not status.intact:
        return FAILED, "HASH_FAILURE"
    if not status.valid:
        return FAILED, "SIG_CRYPTO_FAILURE"
    level = status.modification_level
    if known.apart or coverage == "part" or level is ModificationLevel.OTHER or status.docmdp_ok is False:
        return FAILED, "FORMAT_FAILURE"
    if key is not None:
        return key
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


def _outcome(
    status: Any, coverage: str, known: _Known, attempt: _Attempt, at: datetime, shown_good: Callable[[], bool]
) -> Indication:
    """As judged, by what the trust list says of the key at that time; and of a licensed authority only where
    what the file carries shows the signer good.
    """
    against = None if attempt.key is None else _by_key(attempt.key, at)
    judged = _judged(status, coverage, known, against)
    if judged[0] == PASSED and attempt.authority == "licensed" and not shown_good():
        return INDETERMINATE, "TRY_LATER"
    return judged


def _told(
    one: EmbeddedPdfSignature,
    signer: x509.Certificate,
    attempt: _Attempt,
    coverage: str,
    judged: Indication,
    *,
    kind: str,
    at: datetime | None,
    proven: bool,
    level: str | None,
) -> Signature:
    indication, sub = judged
    names, identifiers = subject_of(signer.dump())
    return Signature(
        kind=kind,
        field=str(one.fq_name),
        signer=name_of(signer.dump()),
        issuer=str(signer.issuer.human_friendly),
        authority=attempt.authority,
        integrity=_INTEGRITY.get(sub or "", "intact"),
        coverage=coverage,
        revision=one.signed_revision + 1,
        at=at,
        proven=proven,
        level=level,
        indication=indication,
        sub_indication=sub,
        names=names,
        identifiers=identifiers,
    )


def _signature(one: EmbeddedPdfSignature, known: _Known) -> tuple[Signature, str | None]:
    """By the first authority to which a chain leads; by none, it is judged all the same. And the level that
    it has if a time-stamp over it passes.
    """
    signer = one.signer_cert
    for attempt in _attempts(signer, "seal", known):
        stamping = known.context((*known.roots, *known.licensed), known.at)
        status = _now(
            async_validate_pdf_signature(
                one,
                known.context(attempt.roots, known.at),
                stamping,
                key_usage_settings=_USAGE,
                skip_diff=not known.compare,
            )
        )
        proven_at = _proven(one, status.timestamp_validity, known)
        if proven_at is not None and not status.trusted:  # was it good at the time that is proven?
            again = known.context(attempt.roots, proven_at)
            status = _now(
                async_validate_pdf_signature(
                    one, again, stamping, key_usage_settings=_USAGE, skip_diff=not known.compare
                )
            )
        chain_found = status.validation_path is not None or _leads(status)
        if chain_found or attempt.authority is None:
            break
    coverage, at = _coverage(one, known.size), proven_at or known.at
    others = [*one.other_embedded_certs]
    good = bool(attempt.roots) and _shown_good(signer, others, known, attempt.roots, at)
    judged = _outcome(status, coverage, known, attempt, at, lambda: good)
    level, archived = _levels(one, status, proven_at, shown_good=good and known.store is not None)
    found = _told(
        one, signer, attempt, coverage, judged, kind="signature",
        at=_aware(proven_at or status.signer_reported_dt), proven=proven_at is not None, level=level,
    )  # fmt: skip
    return found, archived


def _proven(
    one: EmbeddedPdfSignature, token: TimestampSignatureStatus | None, known: _Known
) -> datetime | None:
    """When the signature is proven to have existed, by its own time-stamp: of an authority that the trust
    list names, or of one that leads to a licensed root and is shown good for its time.
    """
    if token is None or not (token.intact and token.valid and token.trusted):
        return None
    key = _listed(token.signing_cert, "tsa", known)
    if key is not None:
        return token.timestamp if _by_key(key, token.timestamp) is None else None
    others = [*one.other_embedded_certs, *_of_tokens(one)]
    if known.licensed and _shown_good(token.signing_cert, others, known, known.licensed, token.timestamp):
        return token.timestamp
    return None


def _of_tokens(one: EmbeddedPdfSignature) -> list[x509.Certificate]:
    """The certificates that a signature's time-stamps carry."""
    tokens = extract_tst_data_iter(one.signer_info, signed=False)
    return [c.chosen for token in tokens for c in token["certificates"] if c.name == "certificate"]


def _leads(status: SignatureStatus) -> bool:
    """Whether a chain was found that fails for another reason than that there is none."""
    problem = status.trust_problem_indic
    return problem is not None and str(problem.standard_name) not in {
        "NO_CERTIFICATE_CHAIN_FOUND",
        "NO_SIGNING_CERTIFICATE_FOUND",
        "GENERIC",
        "CERTIFICATE_CHAIN_GENERAL_FAILURE",
    }


def _aware(at: datetime | None) -> datetime | None:
    """In UTC; None for what has no zone, or no place in the calendar."""
    try:
        return at.astimezone(UTC) if at is not None and at.tzinfo is not None else None
    except OverflowError:
        return None


def _stamp(one: EmbeddedPdfSignature, known: _Known) -> Signature:
    for attempt in _attempts(one.signer_cert, "tsa", known):
        context = known.context(attempt.roots, known.at)
        status = _now(async_validate_pdf_timestamp(one, context, skip_diff=not known.compare))
        if status.trusted or attempt.authority is None:
            break
    coverage, at = _coverage(one, known.size), _aware(status.timestamp)
    moment = at or known.at
    signer, others = status.signing_cert, [*one.other_embedded_certs]

    def shown_good() -> bool:
        return _shown_good(signer, others, known, attempt.roots, moment)

    judged = _outcome(status, coverage, known, attempt, moment, shown_good)
    return _told(
        one, signer, attempt, coverage, judged, kind="time_stamp",
        at=at, proven=judged[0] == PASSED, level=None,
    )  # fmt: skip


def _levels(
    one: EmbeddedPdfSignature, status: Any, proven_at: datetime | None, *, shown_good: bool
) -> tuple[str | None, str | None]:
    """The level that is reached (EN 319 142-1, 6), each asking for all of the one before: without a
    time-stamp over the signature, and with one.
    """
    if one.sig_object.get("/SubFilter") != "/ETSI.CAdES.detached" or not (status.intact and status.valid):
        return None, None
    archived = LEVELS[3] if shown_good else LEVELS[1]
    if proven_at is None:
        return LEVELS[0], archived
    return LEVELS[2] if shown_good else LEVELS[1], archived


def _shown_good(
    certificate: x509.Certificate,
    others: list[x509.Certificate],
    known: _Known,
    roots: Sequence[x509.Certificate],
    at: datetime,
) -> bool:
    """Whether what the file carries shows this certificate good, and those above it.

    Asked here and not by pyHanko's policies, which look for no OCSP answer where a certificate names no place
    to get one.
    """
    context = known.context(roots, at)
    try:
        path = _path(certificate, others, context)
        for each in path.iter_certs(include_root=False):
            _require_good(each, _path(each, others, context), context)
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
