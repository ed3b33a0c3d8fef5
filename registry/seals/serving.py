"""Which of several keys signs now: for an agency's QR credentials, and for time-stamps."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, select
from sqlalchemy.orm import Session

from keys.custodian import KeyRef
from keys.profiles import ProfileName
from keys.trust_list import RENEW_AFTER
from registry.driver_select import Prepared
from registry.seals.keys import key_ref
from registry.seals.tables import Certificate, Key


@cache
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


@dataclass(frozen=True, slots=True)
class Serving:
    """A key that signs now, with its certificate."""

    key: KeyRef
    public_key: bytes  # SubjectPublicKeyInfo, DER
    certificate: bytes  # DER
    not_after: datetime  # of the certificate


@cache
def _serving(profile: ProfileName, *, own: bool) -> Prepared:
    """Built once: of the registry's own keys, or of those of the agency `:agency_code`."""
    return Prepared(
        signed_certificates(profile)
        .with_only_columns(
            Key.id,
            Key.purpose,
            Key.suite,
            Key.public_key,
            Key.listed_at,
            Certificate.der,
            Certificate.not_after,
        )
        .where(
            Key.state == "active",
            Key.agency_code.is_(None) if own else Key.agency_code == bindparam("agency_code"),
            Key.listed_at.is_not(None),
            Certificate.not_before <= bindparam("now"),
            Certificate.not_after >= bindparam("now"),
        )
    )


def serving_key(
    session: Session, profile: ProfileName, now: datetime, agency_code: str | None = None
) -> Serving | None:
    """The key to sign with, or None: only one that a published trust list names.

    A newer key waits until every verifier that keeps to the list's `next_update` has a list that names it;
    meanwhile an older one serves. Where there is none, the wait would gain nobody anything.
    """
    asked: dict[str, Any] = {"now": now} if agency_code is None else {"now": now, "agency_code": agency_code}
    rows = _serving(profile, own=agency_code is None).rows(session, **asked)
    known = [row for row in rows if row.listed_at <= now - RENEW_AFTER]
    if not rows:
        return None
    one = known[0] if known else rows[-1]
    return Serving(key_ref(one), one.public_key, one.der, one.not_after)
