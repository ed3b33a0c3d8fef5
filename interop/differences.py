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
_UNREAD = Difference(
    "INDETERMINATE/CERTIFICATE_CHAIN_GENERAL_FAILURE",
    "For the same reason EU DSS finds no revocation data in the file, and is undecided until the CRLs or the "
    "OCSP answers that the authority's site serves lie beside it. We judge by what the file carries.",
)
NOTHING_BESIDE: Mapping[str, Difference] = {**ONE_REVISION, "DSS": _UNREAD, "DSS hardened": _UNREAD}
