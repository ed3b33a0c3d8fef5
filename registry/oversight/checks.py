"""Sums of checks, read from the public sites: these cannot write here, and nothing but sums comes from them.

What a site says is its own word: a site that was taken over can say whatever it likes, about checks alone.
So it is parsed strictly, kept apart by site, and never lowers what the same site said before of a day: a site
whose store was lost begins again from nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Any, cast

import structlog
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import Insert, Table, case, select
from sqlalchemy.dialects import postgresql, sqlite

from keys.canonical import strict_json
from keys.errors import Kind, VermilionError
from registry.agencies.tables import Agency
from registry.licences.outage import database_errors
from registry.outside_http import exchange
from registry.oversight.tables import CheckFigure
from registry.ports import Ports
from registry.site_secret import site_secret
from signing.verdict import Verdict

MAX_ANSWER = 16 << 20
MAX_CHECKS = 2_000_000_000  # of one agency, day and verdict
VERDICTS = frozenset(one.value for one in Verdict)

_log = structlog.get_logger("registry.oversight")


class _Sum(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, regex_engine="python-re")
    day: Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")]
    agency: Annotated[str, Field(pattern=r"^([0-9A-Z]{18})?\Z")]
    verdict: str
    checks: Annotated[int, Field(ge=1, le=MAX_CHECKS)]


class _Answer(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, regex_engine="python-re")
    checks: Annotated[list[_Sum], Field(max_length=200_000)]


_PARSER = TypeAdapter(_Answer)


def read_sites(ports: Ports) -> int:
    """Read the sums of every site; how many there were. Raises what `of_each_site` raises."""
    return of_each_site(ports, _read_site)


def of_each_site(ports: Ports, read: Callable[[Ports, str], int]) -> int:
    """What is read of the sites, added up. A site that does not answer keeps no other waiting: that it did
    not is raised at the end. Raises VermilionError(UNAVAILABLE).
    """
    found, failed = 0, None
    for site in ports.settings.sites:
        try:
            found += read(ports, site)
        except VermilionError as error:
            failed = error
            _log.warning("site_not_read", site=site, reason=error.reason)
    if failed is not None:
        raise failed
    return found


def ask_site(ports: Ports, site: str, path: str) -> bytes:
    """What a site says there, to this machine or by the secret. Raises VermilionError(UNAVAILABLE)."""
    secret = site_secret(ports.settings)
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {secret}"} if secret else {})
    return exchange(f"{site}{path}", headers=headers, content_type="application/json", max_bytes=MAX_ANSWER)


def _read_site(ports: Ports, site: str) -> int:
    data = ask_site(ports, site, "/figures")
    sums = parse(data, ports.clock().astimezone(ports.settings.tz).date())
    _keep(ports, site, sums)
    return len(sums)


def parse(data: bytes, today: date) -> list[_Sum]:
    """What a site says. Raises VermilionError(UNAVAILABLE, `site_answer`) for anything else."""
    try:
        answer = _PARSER.validate_python(strict_json(data, max_bytes=MAX_ANSWER, max_depth=4))
        days = {one.day: date.fromisoformat(one.day) for one in answer.checks}
    except (VermilionError, ValidationError, ValueError):
        raise not_a_site() from None
    named = {(one.day, one.agency, one.verdict) for one in answer.checks}
    known = all(one.verdict in VERDICTS for one in answer.checks)
    if len(named) != len(answer.checks) or not known or any(day > today for day in days.values()):
        raise not_a_site()
    return answer.checks


def _keep(ports: Ports, site: str, sums: Sequence[_Sum]) -> None:
    table = cast("Table", CheckFigure.__table__)
    with database_errors(), ports.database.transaction() as session:
        named = sorted({one.agency for one in sums})
        agencies = {""}
        for begin in range(0, len(named), 500):
            wanted = select(Agency.code).where(Agency.code.in_(named[begin : begin + 500]))
            agencies |= set(session.scalars(wanted))
        rows = [
            {
                "agency_code": one.agency,
                "day": date.fromisoformat(one.day),
                "verdict": one.verdict,
                "site": site,
                "checks": one.checks,
            }
            for one in sums
            if one.agency in agencies
        ]
        if not rows:
            return
        connection = session.connection()
        build = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        statement: Any = build(table)
        told = statement.excluded.checks
        raising: Insert = statement.on_conflict_do_update(
            index_elements=list(table.primary_key.columns),
            set_={"checks": case((told > table.c.checks, told), else_=table.c.checks)},
        )
        connection.execute(raising, rows)


def not_a_site() -> VermilionError:
    """What a site's answer is refused with."""
    return VermilionError(Kind.UNAVAILABLE, "a public site answers with something else", reason="site_answer")
