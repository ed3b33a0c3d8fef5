"""What a check of a file can tell about it beside the verdict: revisions, signatures, and one sentence.

A report explains and decides nothing: the verdict is `signing.verdict`'s, from facts that no report can
change. Indications are those of ETSI EN 319 102-1 (5.1.3), word for word.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from keys.errors import Kind, VermilionError
from signing.verdict import Issuer, instant

MAX_ITEMS = 64  # revisions, changes of one, signatures: more are not told
MAX_TEXT = 200  # characters of a name
MAX_SAID = 6  # names, and identifiers, of one signer


REFUSED, COMPROMISED, DOUBTFUL = AGAINST = ("refused", "compromised", "doubtful")


class Explained(StrEnum):
    """How the file's explanation came about, or why there is none or only a part of one."""

    KNOWN = "known"  # by the registry or the strict check: nothing was left to explain
    DONE = "done"
    BUSY = "busy"  # too many files are being explained
    LIMIT = "limit"  # it took more processor time, memory or time than any licence does
    BROKE = "broke"  # the validator met a defect of its own, or of a library's
    AWAY = "away"  # there is no validator here


class Shape(StrEnum):
    """What the general reader made of the bytes."""

    READ = "read"
    NOT_PDF = "not_pdf"
    ENCRYPTED = "encrypted"
    BROKEN = "broken"
    NOT_READ = "not_read"  # it did not come to that


@dataclass(frozen=True, slots=True)
class Change:
    """What a revision did. `kind`: signature, time_stamp, validation_data, annotation, form_value,
    page_content, pages, attachment, action, metadata, removal, other, nothing; or, behind the last revision,
    file or bytes. `page` counts from 1; None where it is of no page, or of none that could be found.
    """

    kind: str
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    number: int  # from 1
    end: int | None  # in bytes; None where it could not be found
    changes: tuple[Change, ...]  # none for the first


@dataclass(frozen=True, slots=True)
class Original:
    """The part of a file that is, byte for byte, a document of ours."""

    start: int
    end: int
    revision: int  # the number of the file's revision that ends there
    registered: bool  # else it passes the strict check
    level: str | None
    signer: str | None
    sealed_at: datetime | None
    judged: str | None = None  # what speaks against its issuer, as a check judges it: one of `AGAINST`
    unknown: bool = False  # the registry was asked for it, and holds no such document

    @property
    def vouched(self) -> bool:
        """Whether its seal says who issued it."""
        return self.judged not in {REFUSED, COMPROMISED}


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature or document time-stamp, as the general validator judges it.

    `integrity`: intact, digest_differs, signature_wrong or unreadable. `coverage`: whole_file, revision
    (the file up to the end of an earlier one) or part. `authority`: registry, licensed, or None where no
    chain leads to an authority that is known here. `signer` and `issuer` are what a certificate says: no more
    than a claim unless `certified`. `level`: B-B to B-LTA; None where it is none of these.
    """

    kind: str  # signature, time_stamp
    field: str
    signer: str | None
    issuer: str | None
    authority: str | None
    integrity: str
    coverage: str
    revision: int | None
    at: datetime | None  # proven by a time-stamp where `proven`, else claimed by the signer
    proven: bool
    level: str | None
    indication: str
    sub_indication: str | None
    names: tuple[str, ...] = ()  # of the certificate's subject, each by itself
    identifiers: tuple[str, ...] = ()  # as above; of a person perhaps, and told to nobody else

    @property
    def certified(self) -> bool:
        """Whether the signature is the signer's, by an authority that is known here."""
        return self.integrity == "intact" and self.authority is not None


@dataclass(frozen=True, slots=True)
class Findings:
    """What the process apart found out."""

    shape: Shape = Shape.NOT_READ
    original: Original | None = None
    parts: tuple[tuple[int, int], ...] = ()  # that may be documents, where there is no trust list to say
    revisions: tuple[Revision, ...] = ()
    trailing: Change | None = None  # what follows the last revision
    signatures: tuple[Signature, ...] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """`sentence` is a key of the sentence table (`signing.report_words`)."""

    sentence: str
    explained: Explained
    indication: str | None  # None where there is no signature to be judged
    sub_indication: str | None
    level: str | None
    signer: str | None
    sealed_at: datetime | None
    coverage: str | None
    original: Original | None = None
    revisions: tuple[Revision, ...] = ()
    trailing: Change | None = None
    signatures: tuple[Signature, ...] = ()

    @property
    def added(self) -> tuple[Change, ...]:
        """What came after the original, each thing once."""
        if self.original is None:
            return ()
        later = [c for r in self.revisions if r.number > self.original.revision for c in r.changes]
        telling = [c for c in later if c.kind not in {"nothing", "metadata"}] or later
        return tuple(dict.fromkeys((*telling, *([self.trailing] if self.trailing else []))))


PASSED, FAILED, INDETERMINATE = "TOTAL_PASSED", "TOTAL_FAILED", "INDETERMINATE"
Indication = tuple[str, str | None]

_BY_REASON: dict[str, Indication] = {
    "digest_mismatch": (FAILED, "HASH_FAILURE"),
    "signature_invalid": (FAILED, "SIG_CRYPTO_FAILURE"),
    "seal_compromised": (FAILED, "REVOKED"),
    "issuer_unknown": (INDETERMINATE, "NO_CERTIFICATE_CHAIN_FOUND"),
    "key_unknown": (INDETERMINATE, "NO_CERTIFICATE_CHAIN_FOUND"),
    "chain": (INDETERMINATE, "CERTIFICATE_CHAIN_GENERAL_FAILURE"),
    "key_compromised": (INDETERMINATE, "REVOKED_NO_POE"),
    "out_of_period": (INDETERMINATE, "OUT_OF_BOUNDS_NO_POE"),
    "sealed_in_future": (INDETERMINATE, "NOT_YET_VALID"),
    "seal_not_active": (INDETERMINATE, "CHAIN_CONSTRAINTS_FAILURE"),
    "trust_list_expired": (INDETERMINATE, "TRY_LATER"),
    "zone_rules_missing": (INDETERMINATE, "TRY_LATER"),
}


def indication_of(issuer: Issuer, reason: str) -> Indication:
    """Of a document whose content is proven, by what is said of its issuer."""
    if issuer is Issuer.RECOGNISED:
        return PASSED, None
    if issuer is Issuer.NOT_CHECKED:
        return INDETERMINATE, "TRY_LATER"
    return _BY_REASON.get(reason, (INDETERMINATE, "SIG_CONSTRAINTS_FAILURE"))


def against(issuer: Issuer, reason: str) -> str | None:
    """What speaks against a document's issuer, in a word."""
    if issuer is Issuer.RECOGNISED:
        return None
    if reason in {"key_compromised", "seal_compromised"}:
        return COMPROMISED
    return REFUSED if issuer is Issuer.REFUSED else DOUBTFUL


def to_json(report: Report) -> dict[str, object]:
    """What was found, for programs."""
    found = report.original
    return {
        "sentence": report.sentence,
        "explained": report.explained.value,
        "indication": report.indication,
        "sub_indication": report.sub_indication,
        "level": report.level,
        "signer": report.signer,
        "sealed_at": _moment(report.sealed_at),
        "coverage": report.coverage,
        "original": None
        if found is None
        else {
            "revision": found.revision,
            "start": found.start,
            "end": found.end,
            "registered": found.registered,
        },
        "added": [_change_json(change) for change in report.added],
        "revisions": [
            {"number": one.number, "end": one.end, "changes": [_change_json(c) for c in one.changes]}
            for one in report.revisions
        ],
        "signatures": [
            {
                "kind": one.kind,
                "field": one.field,
                "signer": one.signer,
                "issuer": one.issuer,
                "authority": one.authority,
                "integrity": one.integrity,
                "coverage": one.coverage,
                "revision": one.revision,
                "at": _moment(one.at),
                "proven": one.proven,
                "level": one.level,
                "indication": one.indication,
                "sub_indication": one.sub_indication,
            }
            for one in report.signatures
        ],
    }


def _moment(at: datetime | None) -> str | None:
    return None if at is None else instant(at)


def _change_json(change: Change) -> dict[str, object]:
    return {"kind": change.kind, "page": change.page}


# What the process apart says is read like anything from outside: a hostile file has passed through it.


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:MAX_TEXT]


def findings_json(found: Findings) -> dict[str, Any]:
    """As the process apart says it."""
    original = found.original
    return {
        "shape": found.shape.value,
        "original": None
        if original is None
        else [
            original.start,
            original.end,
            original.revision,
            original.level,
            _cut(original.signer),
            _moment(original.sealed_at),
            original.judged,
        ],
        "parts": [list(part) for part in found.parts],
        "revisions": [
            [one.number, one.end, [[c.kind, c.page] for c in one.changes]] for one in found.revisions
        ],
        "trailing": None if found.trailing is None else [found.trailing.kind, found.trailing.page],
        "signatures": [
            [
                one.kind,
                _cut(one.field),
                _cut(one.signer),
                _cut(one.issuer),
                one.authority,
                one.integrity,
                one.coverage,
                one.revision,
                _moment(one.at),
                one.proven,
                one.level,
                one.indication,
                one.sub_indication,
                [_cut(text) for text in one.names[:MAX_SAID]],
                [_cut(text) for text in one.identifiers[:MAX_SAID]],
            ]
            for one in found.signatures
        ],
    }


KINDS = (
    "signature", "time_stamp", "validation_data", "annotation", "form_value", "page_content", "pages",
    "attachment", "action", "metadata", "removal", "other", "nothing", "file", "bytes",
)  # fmt: skip
LEVELS = ("B-B", "B-T", "B-LT", "B-LTA")
SUB_INDICATIONS = (
    "FORMAT_FAILURE", "HASH_FAILURE", "SIG_CRYPTO_FAILURE", "REVOKED", "EXPIRED", "NOT_YET_VALID",
    "SIG_CONSTRAINTS_FAILURE", "CHAIN_CONSTRAINTS_FAILURE", "CERTIFICATE_CHAIN_GENERAL_FAILURE",
    "CRYPTO_CONSTRAINTS_FAILURE", "POLICY_PROCESSING_ERROR", "SIGNATURE_POLICY_NOT_AVAILABLE",
    "TIMESTAMP_ORDER_FAILURE", "NO_SIGNING_CERTIFICATE_FOUND", "NO_CERTIFICATE_CHAIN_FOUND", "REVOKED_NO_POE",
    "REVOKED_CA_NO_POE", "OUT_OF_BOUNDS_NOT_REVOKED", "OUT_OF_BOUNDS_NO_POE",
    "REVOCATION_OUT_OF_BOUNDS_NO_POE", "CRYPTO_CONSTRAINTS_FAILURE_NO_POE", "NO_POE", "TRY_LATER",
    "SIGNED_DATA_NOT_FOUND",
)  # fmt: skip


def findings_from_json(said: Any) -> Findings:
    """Raises VermilionError(MALFORMED) for anything that `findings_json` does not write."""
    try:
        original = said["original"]
        return Findings(
            shape=Shape(said["shape"]),
            original=None if original is None else _original(original),
            parts=tuple((_number(start), _number(end)) for start, end in said["parts"][:MAX_ITEMS]),
            revisions=tuple(
                Revision(_number(number), None if end is None else _number(end), _changes(changes))
                for number, end, changes in said["revisions"][:MAX_ITEMS]
            ),
            trailing=None if said["trailing"] is None else _changes([said["trailing"]])[0],
            signatures=tuple(_signature(*one) for one in said["signatures"][:MAX_ITEMS]),
        )
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise VermilionError(Kind.MALFORMED, "the validator's answer is none of ours") from error


def _number(value: object) -> int:
    if type(value) is not int or not 0 <= value < 1 << 31:
        raise ValueError
    return value


def _one_of(value: Any, words: tuple[str | bool | None, ...]) -> Any:
    if value not in words:
        raise ValueError
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return "".join(char if char.isprintable() else "\ufffd" for char in value[:MAX_TEXT])


def _at(value: Any) -> datetime | None:
    if value is None:
        return None
    at = datetime.fromisoformat(value)
    if at.tzinfo is None:
        raise ValueError
    return at


def _changes(said: Any) -> tuple[Change, ...]:
    return tuple(
        Change(_one_of(kind, KINDS), None if page is None else _number(page))
        for kind, page in said[:MAX_ITEMS]
    )


def _original(said: Any) -> Original:
    start, end, revision, level, signer, sealed_at, judged = said
    return Original(
        _number(start),
        _number(end),
        _number(revision),
        registered=False,
        level=_one_of(level, (*LEVELS, None)),
        signer=None if signer is None else _text(signer),
        sealed_at=_at(sealed_at),
        judged=_one_of(judged, (*AGAINST, None)),
    )


def _signature(
    kind: Any, field: Any, signer: Any, issuer: Any, authority: Any, integrity: Any, coverage: Any,
    revision: Any, at: Any, proven: Any, level: Any, indication: Any, sub_indication: Any, names: Any,
    identifiers: Any,
) -> Signature:  # fmt: skip
    return Signature(
        kind=_one_of(kind, ("signature", "time_stamp")),
        field=_text(field),
        signer=None if signer is None else _text(signer),
        issuer=None if issuer is None else _text(issuer),
        authority=_one_of(authority, ("registry", "licensed", None)),
        integrity=_one_of(integrity, ("intact", "digest_differs", "signature_wrong", "unreadable")),
        coverage=_one_of(coverage, ("whole_file", "revision", "part")),
        revision=None if revision is None else _number(revision),
        at=_at(at),
        proven=_one_of(proven, (True, False)),
        level=_one_of(level, (*LEVELS, None)),
        indication=_one_of(indication, (PASSED, FAILED, INDETERMINATE)),
        sub_indication=_one_of(sub_indication, (*SUB_INDICATIONS, None)),
        names=_texts(names),
        identifiers=_texts(identifiers),
    )


def _texts(said: Any) -> tuple[str, ...]:
    if not isinstance(said, list):
        raise TypeError
    return tuple(_text(text) for text in said[:MAX_SAID])
