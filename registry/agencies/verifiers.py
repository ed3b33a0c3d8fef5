"""Relying parties: banks, courts and other agencies that ask the public site by program, by a key.

System administration puts them on record with what they ask for; the key serves once security administration
has approved it (`registry.agencies.enrolments`). A key is 256 random bits, so its plain digest is all that is
kept: nobody can read it back or guess it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.base64url import b64url
from keys.errors import Kind, VermilionError, field_fault
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office, require_line
from registry.agencies.parties import KEY_PREFIX, key_digest
from registry.agencies.tables import Enrolment, Verifier
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings
from registry.seals.keys import civil_ground

LEGAL_BASIS = "Anhui Measures, Art. 12"
"""What it rests on: whoever is shown an electronic licence can check it against the province's one system."""

KEY_BYTES = 32
MAX_PER_MINUTE = 100_000
MAX_PER_DAY = 10_000_000


def add_verifier(
    session: Session, ports: Surroundings, admin: Administrator, *, name: str, per_minute: int, per_day: int
) -> tuple[Verifier, str]:
    """Put a relying party on record, and the key that is shown once; it serves when it was approved.

    Raises VermilionError(FORBIDDEN, INVALID).
    """
    in_office(session, admin, Duty.SYSTEM)
    require_line("/name", name, 120)
    for field, value, most in (
        ("/per_minute", per_minute, MAX_PER_MINUTE),
        ("/per_day", per_day, MAX_PER_DAY),
    ):
        if not 1 <= value <= most:
            raise field_fault(field, "quota", f"a quota is 1 to {most}")
    key = KEY_PREFIX + b64url(ports.random(KEY_BYTES))
    verifier = Verifier(
        id=ports.random(16).hex(),
        name=name,
        key_sha256=key_digest(key),
        per_minute=0,
        per_day=0,
        active=False,
        created_at=ports.clock(),
    )
    session.add(verifier)
    asked = {"per_minute": per_minute, "per_day": per_day}
    session.add(
        Enrolment(
            subject=verifier.id,
            subject_kind="verifier",
            asked=asked,
            enrolled_by=admin.person_id,
            enrolled_at=ports.clock(),
            state="open",
        )
    )
    session.flush()
    detail = {**asked, "key": thumbprint(verifier)}
    _record(session, ports, admin, "verifier.added", verifier.id, None, detail)
    return verifier, key


def thumbprint(verifier: Verifier) -> str:
    """By which who approves and who has a key can see that they mean the same one: 43 characters of its
    SHA-256, from which nothing of it can be found.
    """
    return b64url(verifier.key_sha256)


def set_verifier_active(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    *,
    verifier_id: str,
    active: bool,
    ground: Ground,
) -> None:
    """Enable or disable a relying party; its key loses its force at once. The same again changes nothing.

    Raises VermilionError: FORBIDDEN, NOT_FOUND; CONFLICT for one that was not approved.
    """
    in_office(session, admin, *((Duty.SECURITY,) if active else (Duty.SYSTEM, Duty.SECURITY)))
    verifier = session.get(Verifier, verifier_id, with_for_update=True)
    if verifier is None:
        raise VermilionError(Kind.NOT_FOUND, "no such relying party", reason="verifier_unknown")
    if active and session.get_one(Enrolment, verifier_id).state != "approved":
        raise VermilionError(Kind.CONFLICT, "the enrolment is not approved", reason="not_approved")
    if verifier.active is not active:
        verifier.active = active
        done = f"verifier.{'enabled' if active else 'disabled'}"
        _record(session, ports, admin, done, verifier.id, ground, {})


def verifiers_on_record(session: Session) -> Iterator[dict[str, Any]]:
    """Members of a JSON object for each relying party, the oldest first."""
    for verifier in session.scalars(select(Verifier).order_by(Verifier.created_at, Verifier.id)):
        yield {
            "id": verifier.id,
            "name": verifier.name,
            "thumbprint": thumbprint(verifier),
            "per_minute": verifier.per_minute,
            "per_day": verifier.per_day,
            "active": verifier.active,
            "created_at": verifier.created_at.isoformat(),
        }


def _record(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    kind: str,
    verifier_id: str,
    ground: Ground | None,
    detail: dict[str, Any],
) -> None:
    now = ports.clock()
    record_event(
        session,
        kind=kind,
        subject_kind="verifier",
        subject=verifier_id,
        ground=ground or civil_ground(now, ports.settings.tz, "enrolment", LEGAL_BASIS),
        actor=admin,
        now=now,
        random=ports.random,
        detail=detail,
    )
