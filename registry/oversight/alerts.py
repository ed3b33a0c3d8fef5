"""Licences that are scanned too often, as the public sites say: their issuers are told.

A site cannot write here, so it is asked. What it says is its own word, and no more than a hint: an event of
the licence's, of which a day has one for each level, and a message to the issuer's receivers. The licence's
status is as it was.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.canonical import strict_json
from keys.errors import VermilionError
from registry.licences.outage import database_errors
from registry.licences.public_records import stored_public
from registry.licences.tables import Edition
from registry.licences.types import type_version
from registry.log.rules import Ground, record_event
from registry.log.tables import Event
from registry.oversight.checks import MAX_ANSWER, ask_site, not_a_site, of_each_site
from registry.ports import Ports
from registry.scan_levels import SCANNED_OFTEN

KIND = "licence.scanned_often"
MAX_DAYS = 31  # of what a site says, the rest is nobody's news
MOST_TOLD = 1_000
"""At one reading of a site. What is over it is told at the next ones."""

_log = structlog.get_logger("registry.oversight")


class _Alert(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, regex_engine="python-re")
    day: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
    issuer: Annotated[str, Field(pattern=r"^[0-9A-Z]{18}\Z")]
    identifier: Annotated[str, Field(pattern=r"^[0-9A-Z.]{1,80}\Z")]
    scans: int


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, regex_engine="python-re")
    alerts: Annotated[list[_Alert], Field(max_length=50_000)]


_PARSER = TypeAdapter(_Answer)


def read_alerts(ports: Ports) -> int:
    """Ask every site, and tell issuers what they were not told yet; of how many licences. Raises what
    `of_each_site` raises.
    """
    return of_each_site(ports, _read_site)


def parse(data: bytes, today: date) -> list[tuple[date, str, int]]:
    """Day, identifier and level of each alert that a site has of the last month.

    Raises VermilionError(UNAVAILABLE, `site_answer`) for anything else.
    """
    try:
        answer = _PARSER.validate_python(strict_json(data, max_bytes=MAX_ANSWER, max_depth=4))
        found = [(date.fromisoformat(one.day), one.identifier, one.scans) for one in answer.alerts]
    except (VermilionError, ValidationError, ValueError):
        raise not_a_site() from None
    if any(day > today or scans not in SCANNED_OFTEN for day, _, scans in found):
        raise not_a_site()
    return [one for one in found if one[0] > today - timedelta(days=MAX_DAYS)]


def _read_site(ports: Ports, site: str) -> int:
    today = ports.clock().astimezone(ports.settings.tz).date()
    told = 0
    for day, identifier, scans in sorted(set(parse(ask_site(ports, site, "/alerts"), today))):
        with database_errors(), Session(ports.database.read) as session:
            edition = _edition(session, identifier)
            waits = edition is not None and not _is_told(session, edition.id, day, scans)
        if waits and told == MOST_TOLD:
            _log.warning("alerts_wait", site=site)
            break
        told += waits and _tell(ports, day, identifier, scans)
    return told


def _tell(ports: Ports, day: date, identifier: str, scans: int) -> bool:
    """The event, once, whichever process comes first; by it the issuer's receivers are told."""
    with database_errors(), ports.database.transaction() as session:
        edition = _edition(session, identifier, lock=True)
        if edition is None or _is_told(session, edition.id, day, scans):
            return False
        record = stored_public(edition.public_record)
        basis = type_version(session, record.type_code, record.type_version).type.legal_basis
        record_event(
            session,
            kind=KIND,
            subject_kind="edition",
            subject=edition.id,
            ground=Ground(basis, "scanned_often", day),
            actor=None,
            now=ports.clock(),
            random=ports.random,
            detail={"identifier": identifier, "day": day.isoformat(), "scans": scans},
        )
    return True


def _edition(session: Session, identifier: str, *, lock: bool = False) -> Edition | None:
    statement = select(Edition).where(Edition.identifier == identifier)
    return session.scalars(statement.with_for_update() if lock else statement).one_or_none()


def _is_told(session: Session, edition_id: str, day: date, scans: int) -> bool:
    details = select(Event.detail).where(
        Event.subject_kind == "edition", Event.subject == edition_id, Event.kind == KIND
    )
    said = {(one["day"], one["scans"]) for one in session.scalars(details)}
    return (day.isoformat(), scans) in said
