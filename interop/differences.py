"""What a checker says other than we want, and why. These are known and shown as such; all else fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Difference:
    said: str
    reason: str


def _passes(reason: str, *checks: str) -> Mapping[str, Difference]:
    return {check: Difference("TOTAL_PASSED", reason) for check in checks}


CHANGES_ARE_WARNINGS = _passes(
    "By its own policy EU DSS warns of a change after the signature that DocMDP forbids, and of a page that "
    "looks different, but passes the document. With these checks at FAIL instead of WARN it fails. We refuse "
    "it.",
    "DSS",
)
BEHIND_THE_END = _passes(
    "EU DSS judges the revision that the last end-of-file marker closes, and with any policy says nothing of "
    "what lies behind it. veraPDF finds it (6.1.3-3). We refuse any byte that the signature does not cover.",
    "DSS",
    "DSS hardened",
)
FOREIGN_TOKEN = _passes(
    "EU DSS finds that the time-stamp is over something else (FAILED/HASH_FAILURE), warns, and passes the "
    "signature without it, though it still calls the level T. We refuse a token not over this signature.",
    "DSS",
    "DSS hardened",
)
ONE_REVISION: Mapping[str, Difference] = {
    "level": Difference(
        "PAdES-BASELINE-T",
        "EU DSS gives a signature its validation data only from a revision after the signed one. Ours lies "
        "within the signed revision, so that nothing follows the signature: EU DSS calls that T.",
    )
}
"""For the makers that put the validation data into the one revision."""


def jointly(seals: int) -> Mapping[str, Difference]:
    """For so many seals, each with a revision of its own, and the validation data of all in the first."""
    level = ONE_REVISION["level"]
    return {"level": Difference(", ".join([level.said] * seals), level.reason)}


LOCKED_FIELDS: Mapping[str, Difference] = {
    "DSS hardened": Difference(
        "TOTAL_FAILED/FORMAT_FAILURE",
        "The last seal locks all form fields. EU DSS counts the field of a time-stamp that is appended later "
        "among them, warns by its own policy, and fails with these checks at FAIL. ISO 32000-2 permits such "
        "time-stamps where nothing else may change (DocMDP, P=1).",
    )
}
NOT_ALL_SEALS = _passes(
    "EU DSS judges each signature by itself and misses none: an empty field is no fault to it. Our strict "
    "check wants every seal that the first revision has a field for.",
    "DSS",
    "DSS hardened",
)
_UNREAD = Difference(
    "INDETERMINATE/CERTIFICATE_CHAIN_GENERAL_FAILURE",
    "For the same reason EU DSS finds no revocation data in the file, and is undecided until the CRLs or the "
    "OCSP answers that the authority's site serves lie beside it. We judge by what the file carries.",
)
NOTHING_BESIDE: Mapping[str, Difference] = {**ONE_REVISION, "DSS": _UNREAD, "DSS hardened": _UNREAD}
