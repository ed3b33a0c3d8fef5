"""Verdicts as JSON (design, section 6)."""

from __future__ import annotations

from typing import Any

from signing.disclosure import disclose
from signing.licence_type import LicenceType
from signing.live import LiveLicence
from signing.verdict import Verdict, Verification, to_json


def status_code(verification: Verification, *, look_up: bool = False) -> int:
    """HTTP status of a check: an answer was found (200), or could not be had now (503).

    Typed details that do not match are answered.
    `look_up`: the address itself names the licence, so one that is not on record is not found (404).
    """
    if verification.verdict is Verdict.CANNOT_CHECK:
        return 200 if verification.status.reason == "not_matched" else 503
    return 404 if look_up and verification.verdict is Verdict.UNKNOWN else 200


def verification_json(verification: Verification) -> dict[str, object]:
    """The members that every interface answers. `log` is `not_available` until the log serves."""
    return to_json(verification, {"log": "not_available"})


def licence_json(licence: LiveLicence | None, licence_type: LicenceType | None) -> dict[str, Any]:
    """What the type discloses, and the digest that a page compares with the fragment."""
    if licence is None:
        return {}
    record = licence.record
    return {
        "credential_sha256": licence.credential_sha256.hex(),
        "licence": {
            "type": {"code": record.type_code, "version": record.type_version, "name": licence.type_name},
            "issuer": {"code": record.issuer_code, "name": licence.issuer_name},
            "edition": record.edition,
            "issue_date": record.issue_date.isoformat(),
            "valid_from": record.valid_from.isoformat(),
            "valid_to": None if record.valid_to is None else record.valid_to.isoformat(),
            "status": licence.status,
            "ground": licence.ground,
            "since": None if licence.since is None else licence.since.isoformat(),
            "specimen": record.specimen,
            "fields": [
                {
                    "name": shown.field.name,
                    "label": dict(shown.field.label),
                    "value": shown.value if isinstance(shown.value, str) else list(shown.value),
                    "masked": shown.masked,
                }
                for shown in disclose(record, licence_type)
            ],
        },
    }
