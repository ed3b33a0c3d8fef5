"""A relying party of a running registry, put on record beside it."""

from __future__ import annotations

from typing import Any

from keys.clock import system_clock
from keys.trust_list import TrustList, read_trust_list
from registry.actor import Duty
from registry.agencies.enrolments import decide
from registry.agencies.verifiers import add_verifier, thumbprint
from registry.cli.machine import Machine
from registry.client import call
from registry.database import Database
from registry.settings import Settings
from signing.answer_page import read_page
from signing.signed_answer import SignedAnswer, read_signed_answer
from tests.administration import holder_of
from tests.services.running import Place


def known_party(settings: Settings) -> str:
    """The key of one that may ask."""
    database = Database.open(settings.url)
    machine = Machine(settings, database)
    try:
        with database.transaction() as session:
            row, key = add_verifier(
                session, machine, holder_of(session, Duty.SYSTEM), name="样本银行", per_minute=60, per_day=600
            )
            security = holder_of(session, Duty.SECURITY)
            decide(session, machine, security, subject=row.id, approve=True, seen=[thumbprint(row)])
        return key
    finally:
        database.dispose()


def signed_answer(place: Place, key: str, body: bytes) -> SignedAnswer:
    token = _asked(place, key, body, "application/jwt")
    return read_signed_answer(token, trust=trust_list(place), at=system_clock())


def answer_of_page(place: Place, key: str, body: bytes) -> SignedAnswer:
    """That of the page which is asked for, checked as a relying party checks it."""
    page = _asked(place, key, body, "application/pdf")
    return read_page(page, trust=trust_list(place), at=system_clock())


def _asked(place: Place, key: str, body: bytes, accept: str) -> bytes:
    headers = {"Authorization": f"Bearer {key}", "Accept": accept, "Content-Type": "application/json"}
    return call("POST", f"{place.public}/api/v1/verifications", body=body, headers=headers).expect(200).body


def trust_list(place: Place) -> TrustList:
    listed: Any = call("GET", f"{place.public}/.well-known/elicence/trust-list").expect(200)
    return read_trust_list(listed.body, at=system_clock())
