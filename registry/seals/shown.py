"""Where relying parties see the status of a seal's certificates already."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.profiles import ProfileName
from registry.seals.serving import certified_keys
from registry.seals.tables import Certificate, RevocationList, SealEdition


def shown_in(session: Session, code: str, now: datetime) -> dict[str, str]:
    """For OCSP and CRL: whether each shows what is on record of the seal's certificates.

    OCSP is `live`: it answers from the record itself. A CRL is `pending` until a list is signed that covers
    the last change, `published` then. `not_available` where the seal has no certificate, or nothing answers
    for its issuer. `not_applicable` where only authorities outside have certified the seal: they are told by
    people, and `outside_authority` says what the newest one of them said last.
    """
    outside = session.scalars(
        select(Certificate.state)
        .join(SealEdition, SealEdition.certificate_serial == Certificate.serial)
        .where(SealEdition.seal_code == code, Certificate.issuer_key_id.is_(None))
        .order_by(SealEdition.number.desc())
        .limit(1)
    ).one_or_none()
    issued = (
        select(Certificate.issuer_key_id, func.max(Certificate.status_version).label("changed"))
        .join(SealEdition, SealEdition.certificate_serial == Certificate.serial)
        .where(SealEdition.seal_code == code, Certificate.issuer_key_id.is_not(None))
        .group_by(Certificate.issuer_key_id)
    )
    changes = {row.issuer_key_id: row.changed for row in session.execute(issued)}
    covered = {
        ca: session.scalar(
            select(RevocationList.status_version)
            .where(RevocationList.ca_key_id == ca, RevocationList.der.is_not(None))
            .order_by(RevocationList.number.desc())
            .limit(1)
        )
        for ca in changes
    }
    answering = set(
        session.scalars(
            certified_keys(ProfileName.OCSP, now).with_only_columns(Certificate.issuer_key_id).order_by(None)
        )
    )
    if not changes and outside is not None:
        return {
            "ocsp": "not_applicable", "crl": "not_applicable", "log": "not_available",
            "outside_authority": outside,
        }  # fmt: skip
    if not changes:
        crl = "not_available"
    else:
        known = all(row is not None and row >= changes[ca] for ca, row in covered.items())
        crl = "published" if known else "pending"
    return {
        "ocsp": "live" if changes and answering >= set(changes) else "not_available",
        "crl": crl,
        "log": "not_available",
        **({} if outside is None else {"outside_authority": outside}),
    }
