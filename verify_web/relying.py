"""Relying parties: who asks, how much they may ask, and the answers that are signed for them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import Request, g

from keys.errors import Kind, VermilionError
from keys.signed_answer import Content, answer_input, sign_answer
from keys.suite import SUITES
from registry.agencies.parties import Party
from registry.buckets import Rate
from signing.signed_answer import Presented, presented_to_json
from verify_web.site import Site
from verify_web.source import Relying
from verify_web.store import Store

_BEARER = re.compile(r"Bearer ([\x21-\x7e]{1,200})", re.IGNORECASE)
Random = Callable[[int], bytes]


def party_of(here: Site, request: Request) -> Party | None:
    """Who asks, by the key that was sent (RFC 6750, 2.1); None where none was.

    Raises VermilionError: UNAUTHENTICATED for a key that is nobody's now, UNAVAILABLE.
    """
    sent = request.headers.get("Authorization")
    if sent is None:
        return None
    match = _BEARER.fullmatch(sent)
    party = here.relying.party(match[1]) if match and here.relying is not None else None
    if party is None:
        raise VermilionError(
            Kind.UNAUTHENTICATED, "this key is not one of a relying party, or was disabled", reason="key"
        )
    g.party = party.id
    return party


def required(party: Party | None) -> Party:
    """Raises VermilionError(UNAUTHENTICATED) without one."""
    if party is None:
        raise VermilionError(
            Kind.UNAUTHENTICATED,
            "many checks at once, past moments and signed answers are for relying parties on record: "
            "send your key as Authorization: Bearer",
            reason="no_key",
        )
    return party


def charge(store: Store, party: Party, checks: int) -> None:
    """Draw on the party's quotas, which all processes of the site share: all of it or nothing.

    Raises VermilionError: INVALID for more than is ever permitted at once; TOO_MANY with `retry_after`.
    """
    quotas = (
        ("minute", Rate(party.per_minute, 60 / max(1, party.per_minute))),
        ("day", Rate(party.per_day, 86400 / max(1, party.per_day))),
    )
    most = min(party.per_minute, party.per_day)
    if checks > most:
        raise VermilionError(
            Kind.INVALID, f"your quota permits at most {most} checks at once", reason="over_quota"
        )
    keys = [store.keyed_hash("quota", f"{party.id} {name}") for name, _rate in quotas]
    with store.begin() as connection:
        waits = [
            store.room_after(connection, key, checks * rate.seconds_each, rate.size)
            for key, (_name, rate) in zip(keys, quotas, strict=True)
        ]
        wait = max(waits)
        # A leaky bucket drains at every moment, so a fraction of a check too much is no refusal.
        if wait <= _TOLERANCE:
            for key, (_name, rate) in zip(keys, quotas, strict=True):
                store.pour(connection, key, checks * rate.seconds_each, rate.size + _TOLERANCE)
            return
    raise VermilionError(
        Kind.TOO_MANY, "your quota is used up for now", reason="quota", retry_after=max(1, int(wait + 0.999))
    )


_TOLERANCE = 1e-3  # seconds: sums of fractions


def sign(
    here: Site,
    relying: Relying,
    party: Party,
    answers: Sequence[tuple[Presented, Mapping[str, Any]]],
    reference: str | None,
    now: datetime,
    *,
    page_language: str | None = None,
    random: Random = os.urandom,
) -> bytes:
    """A signed answer: a compact JWS, or its page (PDF) in a language. The signer sees for itself that it is
    true.

    Raises VermilionError: UNAVAILABLE (`signer`, `not_established`); KEY_REFUSED where it is not, or is no
    more.
    """
    trust = here.trust.current()
    if trust is None:
        raise VermilionError(
            Kind.UNAVAILABLE, "there is no trust list that names a key", reason="trust_list_missing"
        )
    key = relying.receipt_key(trust, now)
    content = Content(
        issuer=here.settings.public_origin,
        issued_at=now.replace(microsecond=0),
        reference=random(16).hex(),
        audience=party.id,
        request_reference=reference,
        answers=tuple({**answer, "presented": presented_to_json(thing)} for thing, answer in answers),
    )
    suite = SUITES[key.ref.suite]
    signing_input = answer_input(content, key.kid, suite)
    token = sign_answer(relying.custodian, key.ref, signing_input, content.reference).encode()
    return token if page_language is None else relying.page(key.ref, token, page_language)
