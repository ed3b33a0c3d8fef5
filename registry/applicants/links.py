"""Links by which people come back to their application: 256 random bits, of which the registry keeps the
digest.

A draft's link serves as long as the draft is kept, from when it was saved last, and an hour after
submission. Whoever shows a case's number and code is given one for an hour. It is a bearer's, as a pick-up
link is: whoever has it is the applicant.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.base64url import b64url
from keys.errors import Kind, VermilionError
from registry.applicants.tables import ApplicationLink
from registry.intake.moves import CaseState
from registry.intake.tables import Case
from registry.ports import Ports, Random
from registry.rows import swept

TOKEN_BYTES = 32
SEEN_LIFE = timedelta(hours=1)
MAX_DRAFTS = 20
"""Open drafts of one matter that one network draws up."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]")  # of 32 octets


def new_token(random: Random) -> str:
    return b64url(random(TOKEN_BYTES))


def draft_life(ports: Ports) -> timedelta:
    """For how long a draft is kept that nobody changes."""
    return timedelta(days=ports.settings.draft_days)


def is_token(text: str) -> bool:
    return _TOKEN.fullmatch(text) is not None


def find(session: Session, token: str, now: datetime) -> ApplicationLink | None:
    """The link, while it serves."""
    row = session.get(ApplicationLink, _digest(token))
    return row if row is not None and now < row.expires_at else None


def required(session: Session, token: str, now: datetime) -> ApplicationLink:
    """The link. Raises VermilionError(NOT_FOUND, `no_application`) where it opens nothing."""
    row = find(session, token, now)
    if row is None:
        raise nothing()
    return row


def nothing() -> VermilionError:
    """The one answer to a link that opens nothing, whatever the cause."""
    detail = "this link opens no application, or none any more"
    return VermilionError(Kind.NOT_FOUND, detail, reason="no_application")


def add(
    session: Session, token: str, case: Case, now: datetime, life: timedelta, network: bytes | None = None
) -> None:
    """One more link of the case's; `network` is where a draft was drawn up."""
    row = ApplicationLink(
        token_sha256=_digest(token),
        case_id=case.id,
        matter_code=case.matter_code,
        network=network,
        created_at=now,
        expires_at=now + life,
    )
    session.add(row)
    session.flush()


def open_drafts(session: Session, network: bytes, matter_code: str, now: datetime) -> int:
    """How many drafts of a matter a network has open."""
    count = (
        select(func.count())
        .select_from(ApplicationLink)
        .join(Case, Case.id == ApplicationLink.case_id)
        .where(ApplicationLink.network == network, ApplicationLink.matter_code == matter_code)
        .where(ApplicationLink.expires_at > now, Case.state == CaseState.DRAFT)
    )
    return session.scalar(count) or 0


def sweep(ports: Ports) -> int:
    """Remove links that are over; how many."""
    return swept(ports.database, ApplicationLink.token_sha256, ApplicationLink.expires_at <= ports.clock())


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()
