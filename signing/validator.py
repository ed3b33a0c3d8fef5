"""The report on a file beside its verdict: from what a check knows already, else by the general validator in
a process apart.
"""

from __future__ import annotations

import codecs
import importlib
import json
import pickle
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

from keys.errors import Kind, VermilionError
from signing.apart import Answer, Apart, How, Limits
from signing.pdf_structure import revision_ends
from signing.report import (
    DOUBTFUL,
    FAILED,
    PASSED,
    Explained,
    Findings,
    Indication,
    Original,
    Report,
    Shape,
    Signature,
    findings_from_json,
    indication_of,
)
from signing.verdict import OnRecord

if TYPE_CHECKING:
    from keys.trust_list import TrustList
    from signing.check import Outcome
    from signing.live import LiveLicence, LiveRegistry

LIMITS = Limits(cpu_seconds=4, wall_seconds=15, memory_bytes=512 << 20)
"""The kernel ends a process some time after its limit: all of it stays under 5 s of processor time."""
MAX_TRIED = 8  # of what the process apart said, from the last
MAX_ASKED = 8  # parts of a file whose digests the registry is asked for
_LIBRARIES = (
    "signing.explain",
    "signing.explain_changes",
    "signing.explain_signatures",
    "pyhanko.pdf_utils.crypt.pdfmac",  # from here on: else imported on first use
    "pyhanko.pdf_utils.filters",
    "pyhanko.pdf_utils.metadata.xmp_xml",
    "cryptography.hazmat.backends.openssl.backend",
)
_CODECS = (
    "ascii", "cp1252", "hex", "idna", "latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-be", "utf-16-le",
    "utf-32-be",
)  # fmt: skip
_HOW = {
    How.DONE: Explained.DONE,
    How.CPU: Explained.LIMIT,
    How.MEMORY: Explained.LIMIT,
    How.TIME: Explained.LIMIT,
    How.BROKE: Explained.BROKE,
    How.BUSY: Explained.BUSY,
    How.AWAY: Explained.AWAY,
}


@dataclass(frozen=True, slots=True)
class Validator:
    """`licensed`: certificates (DER) of authorities whose signatures on other files are told apart."""

    apart: Apart
    licensed: tuple[bytes, ...] = ()

    def findings(
        self, data: bytes, trust: TrustList | None, at: datetime
    ) -> tuple[Explained, Findings, Answer]:
        """What the validator finds, as far as it came. Never raises."""
        from signing.explain import Order

        answer = self.apart.run(pickle.dumps(Order(data, trust, self.licensed, at)))
        explained = _HOW[answer.how]
        for said in answer.emitted[: -MAX_TRIED - 1 : -1]:  # the last is the best
            try:
                return explained, findings_from_json(json.loads(said)), answer
            except (VermilionError, ValueError, RecursionError):
                explained = Explained.BROKE
        return explained, Findings(), answer

    def close(self) -> None:
        self.apart.close()


def load_validator() -> None:
    """Load all code that the process apart will need. Raises VermilionError(UNAVAILABLE) where it is not
    installed.
    """
    from signing.check import DEFAULT_ZONE
    from signing.issuer import civil_day

    try:
        for module in _LIBRARIES:
            importlib.import_module(module)
        for codec in _CODECS:
            codecs.lookup(codec)
        with suppress(VermilionError):  # the rules of a zone are kept once read, and a child can read none
            civil_day(datetime(2026, 1, 1, tzinfo=UTC), DEFAULT_ZONE)
    except ModuleNotFoundError as error:
        words = f"the general validator needs {error.name}"
        raise VermilionError(Kind.UNAVAILABLE, words, reason="no_validator") from error


def start_validator(licensed: tuple[bytes, ...] = (), limits: Limits = LIMITS) -> Validator:
    """Start the process that forks: before any thread is started. Raises what `load_validator` raises."""
    load_validator()
    from signing.explain import work

    return Validator(Apart(work, limits), licensed)


def report_of(
    data: bytes,
    outcome: Outcome,
    trust: TrustList | None,
    live: LiveRegistry | None,
    validator: Validator | None,
    now: datetime,
) -> Report:
    """The report on a file of which `outcome` came. Never raises, and changes nothing about the verdict."""
    licence, evidence, facts = outcome.licence, outcome.evidence, outcome.facts
    if licence is not None:
        judged = indication_of(facts.issuer, facts.issuer_reason)
        original = _registered(data, 0, len(data), licence)
        return _known("registered", judged, original)
    if evidence is not None:
        from signing.explain import signer_of

        judged = indication_of(facts.issuer, facts.issuer_reason)
        sentence = "whole_unknown" if facts.record is OnRecord.UNKNOWN else "whole"
        original = Original(
            0,
            len(data),
            _revisions(data),
            registered=False,
            level=evidence.level,
            signer=signer_of(evidence),
            sealed_at=evidence.sealed_at,
        )
        return _known(sentence, judged, original)
    if validator is None:
        explained, found = Explained.AWAY, Findings()
    else:
        explained, found, _answer = validator.findings(data, trust, now)
    found = replace(found, original=_on_record(data, found, live))
    return explained_report(found, explained)


def _known(sentence: str, judged: Indication, original: Original) -> Report:
    return Report(
        sentence=sentence,
        explained=Explained.KNOWN,
        indication=judged[0],
        sub_indication=judged[1],
        level=original.level,
        signer=original.signer,
        sealed_at=original.sealed_at,
        coverage="whole_file",
        original=original,
    )


def _revisions(data: bytes) -> int:
    """How many revisions a document of ours has."""
    try:
        return len(revision_ends(data))
    except VermilionError:  # more than any of ours
        return 1


def _registered(data: bytes, start: int, end: int, licence: LiveLicence) -> Original:
    levels = dict(zip(licence.documents, licence.levels, strict=False))
    names = licence.issuer_name
    return Original(
        start,
        end,
        _revisions(data[start:end]),
        registered=True,
        level=levels.get(sha256(data[start:end]).digest()),
        signer=names.get("zh") or next(iter(names.values()), licence.record.issuer_code),
        sealed_at=licence.sealed_at,
    )


def _on_record(data: bytes, found: Findings, live: LiveRegistry | None) -> Original | None:
    """The original, and whether the registry has it or knows nothing of it; it alone is asked where no trust
    list could say.
    """
    original = found.original
    parts = found.parts[:MAX_ASKED] if original is None else ((original.start, original.end),)
    for start, end in parts:
        if live is None or not 0 <= start < end <= len(data):
            continue
        try:
            licence = live.by_document(sha256(data[start:end]).digest())
        except VermilionError:
            break
        if licence is not None:
            known = _registered(data, start, end, licence)
            return known if original is None else replace(known, revision=original.revision)
        if original is not None:
            return replace(original, unknown=True)
    return original


def explained_report(found: Findings, explained: Explained) -> Report:
    """What the findings come to."""
    original, main = found.original, _main(found.signatures)
    judged: tuple[str | None, str | None] = (None, None)
    if original is not None:  # with something before or behind it, which its seal does not cover
        judged = (FAILED, "FORMAT_FAILURE")
    elif main is not None:
        judged = (main.indication, main.sub_indication)
    elif found.shape is Shape.BROKEN:
        judged = (FAILED, "FORMAT_FAILURE")
    coverage = None if main is None else main.coverage
    if original is not None:
        coverage = "revision" if original.start == 0 else "part"
    signer, at, level = _headline(original, main)
    return Report(
        sentence=_sentence(found, explained, main),
        explained=explained,
        indication=judged[0],
        sub_indication=judged[1],
        level=level,
        signer=signer,
        sealed_at=at,
        coverage=coverage,
        original=original,
        revisions=found.revisions,
        trailing=found.trailing,
        signatures=found.signatures,
    )


def _headline(
    original: Original | None, main: Signature | None
) -> tuple[str | None, datetime | None, str | None]:
    """Who, when, and at which level: of a signature only where it is one, and its signer only where somebody
    known here certifies that it is he. What a broken one claims is nothing to head a report with.
    """
    if original is not None:
        return (original.signer, original.sealed_at, original.level) if original.vouched else (None,) * 3
    if main is None or main.integrity != "intact":
        return None, None, None
    return main.signer if main.certified else None, main.at, main.level


def _main(signatures: tuple[Signature, ...]) -> Signature | None:
    """The signature of which the sentence speaks: the first that leads to the registry, else the first."""
    seals = [one for one in signatures if one.kind == "signature"]
    return next((one for one in seals if one.authority == "registry"), next(iter(seals), None))


_OF_SHAPE = {Shape.NOT_PDF: "not_pdf", Shape.ENCRYPTED: "encrypted", Shape.BROKEN: "broken"}
END_SENTENCES = {
    Explained.LIMIT: "limit",
    Explained.BROKE: "defect",
    Explained.BUSY: "busy",
    Explained.AWAY: "away",
}
"""Of an explanation that did not come to its end."""
_OF_FAILURE = {
    "HASH_FAILURE": "digest_differs",
    "SIG_CRYPTO_FAILURE": "signature_wrong",
    "FORMAT_FAILURE": "not_covered",
}


def _sentence(found: Findings, explained: Explained, main: Signature | None) -> str:
    original = found.original
    if original is not None:
        return _of_original(original)
    if explained in END_SENTENCES:
        return END_SENTENCES[explained]
    if found.shape in _OF_SHAPE:
        return _OF_SHAPE[found.shape]
    if main is None:
        return "no_signature"
    if main.integrity == "unreadable":
        return "unreadable"
    if main.indication == FAILED and main.sub_indication in _OF_FAILURE:
        return _OF_FAILURE[main.sub_indication]
    if main.authority == "registry":
        doubt = "key_compromised" if main.sub_indication == "REVOKED_NO_POE" else "registry_doubt"
        return "other_form" if main.indication == PASSED else doubt
    if main.authority == "licensed":
        return "licensed" if main.indication == PASSED else "licensed_doubt"
    return "stranger"


def _of_original(original: Original) -> str:
    within = original.start > 0
    if original.registered:
        return "original_within" if within else "original_changed"
    against = original.judged
    if original.unknown and against in {None, DOUBTFUL}:
        against = "unknown"
    if against is None:
        return "original_within" if within else "sealed_changed"
    return f"within_{against}" if within else f"sealed_{against}"
