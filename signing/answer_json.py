"""The answer to a check as JSON (design, section 6), the same for whoever gives it and for whoever sees that
it is true before it is signed.
"""

from __future__ import annotations

from typing import Any

from signing.check import Outcome
from signing.disclosure import disclose
from signing.licence_type import LicenceType
from signing.live import LiveLicence, Past
from signing.verdict import Verification, to_json


def answer_json(
    outcome: Outcome, licence_type: LicenceType | None, past: Past | None = None
) -> dict[str, Any]:
    """All members. `clock` stands in the answer about a past moment, and says which it means."""
    body = verification_json(outcome.verification) | licence_json(outcome.licence, licence_type)
    return body if past is None else body | {"clock": past.clock}


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
            "suspended_until": None
            if licence.suspended_until is None
            else licence.suspended_until.isoformat(),
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
