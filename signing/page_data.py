"""What the page of /c/<id> gives its script: the facts the site knows, and what the fragment is checked with.

The script (`verify_web/static/check.js`) adds what the fragment proves and runs the same table. It gets the
keys of this licence's issuer only; where the registry did not answer, as many as a page can carry.
"""

from __future__ import annotations

import base64
import json
from typing import Any

from keys.errors import VermilionError
from keys.suite import SUITES
from keys.trust_list import TrustedKey, TrustList
from signing import sentences, verdict
from signing.check import DEFAULT_ZONE, Outcome
from signing.credential import normal_origin
from signing.issuer import civil_day
from signing.verdict import Facts, instant

MAX_KEYS = 100
"""Keys in a page for which the issuer is not known: about 20 kB."""


def facts_json(facts: Facts) -> dict[str, str]:
    """Facts as the script takes them."""
    return {name: str(getattr(facts, name)) for name in Facts.__slots__}


def _key(key: TrustedKey, zone: str) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "alg": SUITES[key.suite].cose_alg,
        "spki": base64.b64encode(key.public_key).decode("ascii"),
        "issuer": key.agency,
        "types": list(key.types),
        "state": key.state,
        "last_issue_day": civil_day(key.sign_to, zone).isoformat(),
    }


def _keys(trust: TrustList, issuer_code: str | None) -> list[dict[str, Any]]:
    keys = [key for key in trust.keys if key.use == "qr" and issuer_code in {None, key.agency}]
    if issuer_code is None and len(keys) > MAX_KEYS:
        return []
    return [_key(key, trust.zone) for key in keys]


def _origins(trust: TrustList) -> list[str]:
    origins = []
    for origin in trust.origins:
        try:
            origins.append(normal_origin(origin))
        except VermilionError:
            continue
    return origins


def page_data(outcome: Outcome, trust: TrustList | None, language: str) -> dict[str, Any]:
    """The members that `page.js` names at its top. `outcome` is that of `signing.check.check_id`."""
    licence, as_of = outcome.licence, outcome.verification.as_of
    zone = DEFAULT_ZONE if trust is None else trust.zone
    try:
        today: str | None = civil_day(as_of, zone).isoformat()
        keys = [] if trust is None else _keys(trust, licence.record.issuer_code if licence else None)
    except VermilionError:
        today, keys = None, []
    names: dict[str, str] = {}
    if licence is not None:
        names[licence.record.issuer_code] = licence.issuer_name.get(language, licence.record.issuer_code)
        names[licence.record.type_code] = licence.type_name.get(language, licence.record.type_code)
    return {
        "facts": facts_json(outcome.facts),
        "nothing": facts_json(Facts()),
        "how": None if licence is None else licence.how,
        "as_of": instant(as_of),
        "today": today,
        "credential_sha256": None if licence is None else licence.credential_sha256.hex(),
        "origins": None if trust is None else _origins(trust),
        "trust_expires_at": None if trust is None else instant(trust.expires_at),
        "keys": keys,
        "names": names,
        "table": verdict.table(),
        "sentences": sentences.for_language(language),
    }


def page_json(outcome: Outcome, trust: TrustList | None, language: str) -> str:
    """`page_data` for a `<script type="application/json">`: no character of it can end the element."""
    text = json.dumps(page_data(outcome, trust, language), ensure_ascii=False, separators=(",", ":"))
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text
