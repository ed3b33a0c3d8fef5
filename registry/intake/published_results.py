"""Results of decided cases as the public site reads them, by its own role (Measures, Art. 6).

The holder is the licence's, as its type lets the public see it: what stands there was masked when the licence
was registered. How the licence stands is asked now: what was revoked or annulled since says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine, Row, literal, select, tuple_

from registry.agencies.tables import Agency
from registry.intake.result_tables import PublishedResult, ResultMatter
from registry.licences.outage import database_errors
from registry.licences.public_records import stored_public
from registry.licences.tables import Edition
from signing.disclosure import disclose, of_role
from signing.licence_type import LicenceType, Role


@dataclass(frozen=True, slots=True)
class MatterResults:
    """A matter of which cases were decided, and what is kept from the public by which law."""

    code: str
    name: Mapping[str, str]
    agency: str
    agency_name: Mapping[str, str]
    published: int
    withheld: int
    secret_basis: str | None


@dataclass(frozen=True, slots=True)
class CaseResult:
    """`holder`, `identifier`, `status`, `how`: of the licence that was issued; None where there is none."""

    number: str
    decided_on: date
    result: str
    holder: str | None
    identifier: str | None
    status: str | None
    how: str | None


class PublishedResults:
    """Each asks the database, and raises VermilionError(UNAVAILABLE) if it is out."""

    def __init__(self, engine: Engine, types: Callable[[str, int], LicenceType | None]) -> None:
        self._engine = engine
        self._types = types

    def matters(self, after: str, size: int) -> tuple[list[MatterResults], bool]:
        """At most `size` matters behind a code, and whether there are more."""
        wanted = _MATTERS.where(ResultMatter.code > after).order_by(ResultMatter.code).limit(size + 1)
        with database_errors(), self._engine.connect() as connection:
            rows = connection.execute(wanted).all()
        return [_matter(row) for row in rows[:size]], len(rows) > size

    def matter(self, code: str) -> MatterResults | None:
        with database_errors(), self._engine.connect() as connection:
            row = connection.execute(_MATTERS.where(ResultMatter.code == code)).one_or_none()
        return None if row is None else _matter(row)

    def results(self, code: str, after: str | None, size: int) -> tuple[list[CaseResult], str | None]:
        """At most `size` results of a matter behind the case of that number, the newest decision first, and
        behind which the next page begins. Behind a number that is not on the list there is nothing.
        """
        wanted = _RESULTS.where(PublishedResult.matter_code == code)
        with database_errors(), self._engine.connect() as connection:
            if after is not None:
                last = connection.execute(
                    select(PublishedResult.decided_on).where(
                        PublishedResult.matter_code == code, PublishedResult.number == after
                    )
                ).scalar_one_or_none()
                if last is None:
                    return [], None
                place = tuple_(literal(last, PublishedResult.decided_on.type), literal(after))
                wanted = wanted.where(tuple_(PublishedResult.decided_on, PublishedResult.number) < place)
            rows = connection.execute(wanted.limit(size + 1)).all()
        return [self._result(row) for row in rows[:size]], rows[size - 1].number if len(rows) > size else None

    def _result(self, row: Row[str, date, str, str, str, str, str | None]) -> CaseResult:
        public = None if row.public_record is None else stored_public(row.public_record)
        holder = None
        if public is not None:
            shown = disclose(public, self._types(public.type_code, public.type_version))
            found = of_role(shown, Role.HOLDER_NAME)
            holder = None if found is None else str(found.value)
        return CaseResult(row.number, row.decided_on, row.result, holder, row.identifier, row.status, row.how)


_MATTERS = select(
    ResultMatter.code,
    ResultMatter.names,
    ResultMatter.agency_code,
    Agency.name_zh,
    Agency.name_en,
    ResultMatter.published,
    ResultMatter.withheld,
    ResultMatter.secret_basis,
).join(Agency, Agency.code == ResultMatter.agency_code)
_RESULTS = (
    select(
        PublishedResult.number,
        PublishedResult.decided_on,
        PublishedResult.result,
        Edition.public_record,
        Edition.identifier,
        Edition.status,
        Edition.how,
    )
    .join(Edition, Edition.id == PublishedResult.edition_id, isouter=True)
    .order_by(PublishedResult.decided_on.desc(), PublishedResult.number.desc())
)


def _matter(row: Row[str, dict[str, str], str, str, str, int, int, str | None]) -> MatterResults:
    return MatterResults(
        code=row.code,
        name=row.names,
        agency=row.agency_code,
        agency_name={"zh": row.name_zh, "en": row.name_en},
        published=row.published,
        withheld=row.withheld,
        secret_basis=row.secret_basis,
    )
