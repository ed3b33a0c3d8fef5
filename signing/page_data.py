"""What the page of /c/<id> gives its script: the facts the site knows, and what the fragment is checked with.

The script (`verify_web/static/check.js`) adds what the fragment proves and runs the same table. It gets the
keys of this licence's issuer only; where the issuer is not known, all keys, or none at all where a page
cannot carry them, and it is told so: a key it was not given is not a key that nobody knows.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from pydantic_core import to_json

from keys.errors import VermilionError
from keys.suite import SUITES
from keys.trust_list import TrustedKey, TrustList
from signing import sentences, verdict
from signing.check import DEFAULT_ZONE, Outcome
from signing.credential import normal_origin
from signing.issuer import civil_day
from signing.verdict import Facts, OnRecord, instant

MAX_KEYS = 100
"""Keys in a page for which the issuer is not known: about 20 kB."""

_ESCAPES = {char: f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}


def facts_json(facts: Facts) -> dict[str, str]:
    """Facts as the script takes them."""
    return {name: str(getattr(facts, name)) for name in Facts.__slots__}


_NOTHING = facts_json(Facts())


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


class _Prepared:
    """What one trust list gives to every page, made once: a site serves a million pages from one list."""

    def __init__(self, trust: TrustList) -> None:
        self.trust = trust
        self.origins = trusted_origins(trust)
        self.keys: dict[str | None, list[dict[str, Any]]] = {}
        for key in trust.keys:
            if key.use == "qr":
                self.keys.setdefault(key.agency, []).append(_key(key, trust.zone))
        every = [key for keys in self.keys.values() for key in keys]
        self.every = every if len(every) <= MAX_KEYS else None


_kept: list[_Prepared] = []


def _prepared(trust: TrustList) -> _Prepared:
    for kept in _kept[:1]:  # the very object: two lists may bear one sequence in tests, and one in a fork
        if kept.trust is trust:
            return kept
    made = _Prepared(trust)
    _kept[:] = [made]
    return made


def trusted_origins(trust: TrustList) -> list[str]:
    """The origins that a list names, in their normal form."""
    origins = []
    for origin in trust.origins:
        try:
            origins.append(normal_origin(origin))
        except VermilionError:
            continue
    return origins


def page_data(outcome: Outcome, trust: TrustList | None, language: str) -> dict[str, Any]:
    """The members that `page.js` names at its top, but for `table` and `sentences`, the same on every page.
    `outcome` is that of `signing.check.check_id`.
    """
    licence, as_of = outcome.licence, outcome.verification.as_of
    zone = DEFAULT_ZONE if trust is None else trust.zone
    keys: list[dict[str, Any]] | None = []
    origins: list[str] | None = None
    today: str | None = None
    # Without the zone's rules there are neither days nor periods: the script then compares digests only.
    with suppress(VermilionError):
        today = civil_day(as_of, zone).isoformat()
        if trust is not None:
            prepared = _prepared(trust)
            origins = prepared.origins
            keys = prepared.every if licence is None else prepared.keys.get(licence.record.issuer_code, [])
    called: dict[str, Mapping[str, str]] = {}
    if licence is not None:
        record = licence.record
        called = {record.issuer_code: licence.issuer_name, record.type_code: licence.type_name}
    elif (
        trust is not None and outcome.facts.record is OnRecord.NOT_ASKED
    ):  # the code alone will tell of the licence
        called = _called(trust, keys or [])
    found = {code: sentences.in_language(by_language, language) for code, by_language in called.items()}
    names = {code: name for code, name in found.items() if name is not None}
    return {
        "facts": facts_json(outcome.facts),
        "nothing": _NOTHING,
        "how": None if licence is None else licence.how,
        "copy": licence is not None and licence.copy is not None,
        "as_of": instant(as_of),
        "today": today,
        "credential_sha256": None if licence is None else licence.credential_sha256.hex(),
        "origin": None if licence is None else normal_origin(licence.origin),
        "origins": origins,
        "trust_expires_at": None if trust is None else instant(trust.expires_at),
        "keys": keys,
        "names": names,
    }


def _called(trust: TrustList, keys: list[dict[str, Any]]) -> dict[str, Mapping[str, str]]:
    """What the trust list calls the agencies and types of these keys."""
    agencies = {key["issuer"] for key in keys} & trust.agencies.keys()
    types = {code for key in keys for code in key["types"]} & trust.types.keys()
    return {code: trust.agencies[code] for code in sorted(agencies)} | {
        code: trust.types[code] for code in sorted(types)
    }


@cache
def _words(language: str) -> str:
    words = {"table": verdict.table(), "sentences": sentences.for_language(language)}
    return _escaped(words)[1:]


def _escaped(value: object) -> str:
    """JSON of which no character can end a script element."""
    text = to_json(value).decode()
    for char, escape in _ESCAPES.items():
        text = text.replace(char, escape)
    return text


def page_json(outcome: Outcome, trust: TrustList | None, language: str) -> str:
    """`page_data` with table and sentences, for a `<script type="application/json">`."""
    own, words = page_json_parts(outcome, trust, language)
    return own + words


def page_json_parts(outcome: Outcome, trust: TrustList | None, language: str) -> tuple[str, str]:
    """`page_json` in two parts, of which the second is the same on every page of a language."""
    return _escaped(page_data(outcome, trust, language))[:-1], f",{_words(language)}"
