"""What the site answers to a check: as JSON (design, section 6), and the HTTP status that goes with it."""

from __future__ import annotations

from typing import Any

from signing.answer_json import answer_json
from signing.check import Outcome
from signing.licence_type import LicenceType
from signing.live import Past
from signing.verdict import Verdict, Verification
from verify_web.site import Site


def status_code(verification: Verification, *, look_up: bool = False) -> int:
    """HTTP status of a check: an answer was found (200), or could not be had now (503).

    Typed details that do not match are answered.
    `look_up`: the address itself names the licence, so one that is not on record is not found (404).
    """
    if verification.verdict is Verdict.CANNOT_CHECK:
        return 200 if verification.status.reason == "not_matched" else 503
    return 404 if look_up and verification.verdict is Verdict.UNKNOWN else 200


def type_of(here: Site, outcome: Outcome) -> LicenceType | None:
    """The type of the licence that was found, as it was published; None where there is neither."""
    licence = outcome.licence
    return None if licence is None else here.types(licence.record.type_code, licence.record.type_version)


def answer(here: Site, outcome: Outcome, past: Past | None = None) -> dict[str, Any]:
    """All members of the answer."""
    return answer_json(outcome, type_of(here, outcome), past)
