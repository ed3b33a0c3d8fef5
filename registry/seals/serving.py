"""Which of several keys signs now: for an agency's QR credentials, and for time-stamps."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from keys.profiles import ProfileName
from keys.trust_list import RENEW_AFTER
from registry.seals.tables import Certificate, Key


def signed_certificates(profile: ProfileName) -> Select[Key, Certificate]:
    """Keys of a profile with their signed certificates, the newest first."""
    return (
        select(Key, Certificate)
        .join(Certificate, Certificate.key_id == Key.id)
        .where(Certificate.profile == profile.value, Certificate.der.is_not(None))
        .order_by(Certificate.not_before.desc(), Certificate.serial)
    )


def certified_keys(
    profile: ProfileName, now: datetime, agency_code: str | None = None
) -> Select[Key, Certificate]:
    """The active keys of a profile, and of an agency where one is named, whose certificate is valid `now`."""
    return signed_certificates(profile).where(
        Key.state == "active",
        Key.agency_code == agency_code,  # IS NULL for the registry's own
        Certificate.not_before <= now,
        Certificate.not_after >= now,
    )


def serving_key(
    session: Session, profile: ProfileName, now: datetime, agency_code: str | None = None
) -> tuple[Key, Certificate] | None:
    """The key to sign with, or None: only one that a published trust list names.

    A newer key waits until every verifier that keeps to the list's `next_update` has a list that names it;
    meanwhile an older one serves. Where there is none, the wait would gain nobody anything.
    """
    rows = session.execute(certified_keys(profile, now, agency_code).where(Key.listed_at.is_not(None))).all()
    known = [row for row in rows if row.Key.listed_at <= now - RENEW_AFTER]
    found = known[:1] or rows[-1:]
    return (found[0].Key, found[0].Certificate) if found else None
