"""The log of uses: one function by which every use of a licence gets into it, and what its holder is shown.

What is about a matter is recorded where it happens: an agency that uses a licence in place of its paper, the
issuer's downloads, what its holder took by a pick-up link, annotated copies and presentations. A check of
status by whoever was shown a licence is none of it: the public site writes no record, and knows nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json, strict_json
from registry.actor import Actor
from registry.agencies.tables import Agency
from registry.licences.tables import Edition
from registry.ports import Ports
from registry.rows import insert_rows, new_ids, swept
from registry.uses.tables import LicenceUse
from registry.vault import Use, Vault

PAGE = 50
MAX_REASON = 200  # as national interfaces have it (GB/T 36906)
MAX_RECIPIENT = 120
MAX_TOLD = 4 * 1024


class UseKind(StrEnum):
    USED = "used"  # an agency, in place of the paper
    DOWNLOADED = "downloaded"  # the document, by its issuer
    PICKED_UP = "picked_up"  # the document, by its holder
    COPIED = "copied"  # an annotated copy was made
    PRESENTED = "presented"  # by its holder, from a screen


@dataclass(frozen=True, slots=True)
class Purpose:
    """For which matter, why, on which ground, and for whom. What is not known is empty."""

    matter_code: str = ""
    case_number: str = ""
    reason: str = ""
    legal_basis: str = ""
    recipient: str = ""


NO_PURPOSE = Purpose()


@dataclass(frozen=True, slots=True)
class Used:
    """A licence that is used: one of its editions."""

    edition_id: str
    licence_id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log as the holder sees it."""

    id: str
    kind: UseKind
    used_at: datetime
    edition: int
    agency: tuple[str, str] | None  # its name, Chinese and English; None: the holder
    purpose: Purpose


def record(
    session: Session,
    ports: Ports,
    used: Used,
    kind: UseKind,
    by: Actor | None,
    purpose: Purpose = NO_PURPOSE,
) -> str:
    """Put a use on record, in the transaction of what uses it; its id. `by` is None for the holder. The vault
    is ready. Raises VermilionError(UNAVAILABLE).
    """
    return record_many(session, ports, [used], kind, by, purpose)[0]


def record_many(
    session: Session,
    ports: Ports,
    used: Sequence[Used],
    kind: UseKind,
    by: Actor | None,
    purpose: Purpose = NO_PURPOSE,
) -> list[str]:
    """As `record` for each, by one statement."""
    now = ports.clock()
    ids = new_ids(ports.random, len(used)) if used else []
    insert_rows(
        session,
        LicenceUse,
        [
            {
                "id": use_id,
                "edition_id": one.edition_id,
                "licence_id": one.licence_id,
                "kind": kind.value,
                "used_at": now,
                "agency_code": by.agency_code if by else None,
                "client_id": by.client_id if by else None,
                "person_id": by.person_id if by else None,
                "operator": by.operator if by else "",
                "matter_code": purpose.matter_code,
                "case_number": purpose.case_number,
                "legal_basis": purpose.legal_basis,
                "told": _closed(ports.vault, use_id, purpose),
            }
            for use_id, one in zip(ids, used, strict=True)
        ],
    )
    return ids


def log_of(
    session: Session, vault: Vault, licence_id: str, after: str | None = None, size: int = PAGE
) -> tuple[list[Entry], bool]:
    """At most `size` uses of any edition of the licence, the newest first, behind the one of the id `after`;
    and whether there are more. An id that is none of the licence's is no place to begin behind: nothing is
    found.

    The vault is ready. Raises VermilionError(UNAVAILABLE).
    """
    wanted = (
        select(LicenceUse, Edition.number, Agency.name_zh, Agency.name_en)
        .join(Edition, Edition.id == LicenceUse.edition_id)
        .outerjoin(Agency, Agency.code == LicenceUse.agency_code)
        .where(LicenceUse.licence_id == licence_id)
        .order_by(LicenceUse.used_at.desc(), LicenceUse.id.desc())
        .limit(size + 1)
    )
    if after is not None:
        last = session.get(LicenceUse, after)
        if last is None or last.licence_id != licence_id:
            return [], False
        at, use_id = LicenceUse.used_at, LicenceUse.id
        behind = or_(at < last.used_at, use_id < last.id)
        wanted = wanted.where(at <= last.used_at, behind)
    rows = session.execute(wanted).all()
    return [_entry(vault, *row) for row in rows[:size]], len(rows) > size


def sweep(ports: Ports) -> int:
    """Remove what is older than the settings say; how many."""
    until = ports.clock() - timedelta(days=ports.settings.use_log_days)
    return swept(ports.database, LicenceUse.id, LicenceUse.used_at <= until)


def open_told(vault: Vault, use_id: str, kept: bytes) -> tuple[str, str]:
    """Reason and recipient. Raises VermilionError: UNAUTHENTICATED (`record_damaged`); UNAVAILABLE."""
    told = strict_json(vault.decrypt(Use.RECORD, kept, _owner(use_id)), max_bytes=MAX_TOLD, max_depth=2)
    return told["reason"], told["recipient"]


def _entry(vault: Vault, row: LicenceUse, edition: int, name_zh: str | None, name_en: str | None) -> Entry:
    reason, recipient = ("", "") if row.told is None else open_told(vault, row.id, row.told)
    return Entry(
        id=row.id,
        kind=UseKind(row.kind),
        used_at=row.used_at,
        edition=edition,
        agency=None if name_zh is None or name_en is None else (name_zh, name_en),
        purpose=Purpose(row.matter_code, row.case_number, reason, row.legal_basis, recipient),
    )


def _closed(vault: Vault, use_id: str, purpose: Purpose) -> bytes | None:
    if not (purpose.reason or purpose.recipient):
        return None
    told = canonical_json({"reason": purpose.reason, "recipient": purpose.recipient})
    return vault.encrypt(Use.RECORD, told, _owner(use_id))


def _owner(use_id: str) -> str:
    return f"use:{use_id}"
