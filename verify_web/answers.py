"""Verdicts as JSON (design, section 6), and the HTTP status that goes with each."""

from __future__ import annotations

from signing.answer_json import licence_json, verification_json
from signing.verdict import Verdict, Verification

__all__ = ["licence_json", "status_code", "verification_json"]


def status_code(verification: Verification, *, look_up: bool = False) -> int:
    """HTTP status of a check: an answer was found (200), or could not be had now (503).

    Typed details that do not match are answered.
    `look_up`: the address itself names the licence, so one that is not on record is not found (404).
    """
    if verification.verdict is Verdict.CANNOT_CHECK:
        return 200 if verification.status.reason == "not_matched" else 503
    return 404 if look_up and verification.verdict is Verdict.UNKNOWN else 200
