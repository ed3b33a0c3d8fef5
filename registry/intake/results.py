"""Results of decided cases, put on the list of their matter when they are done (Measures, Art. 6;
Administrative Licensing Law, Art. 40).

A matter whose list names a law by which its results are secret has them counted, and nothing of any is kept
for the public. What an applicant withdrew was not decided, and is no result.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from registry.intake.matters import Matter
from registry.intake.moves import CaseState
from registry.intake.result_tables import PublishedResult, ResultMatter
from registry.intake.tables import Case
from registry.rows import insert_absent

RESULTS = frozenset({CaseState.PERMITTED, CaseState.REFUSED, CaseState.TERMINATED})


def publish(session: Session, case: Case, matter: Matter, came_from: CaseState) -> None:
    """Of a case that is done now, its row locked; `came_from` is what was decided. Once for a case."""
    if came_from not in RESULTS:
        return
    assert case.number is not None
    assert case.decided_on is not None
    row = _locked(session, matter)
    row.names = dict(matter.name)
    if matter.result.secret is not None:
        row.secret_basis = str(matter.result.secret)
        row.withheld += 1
        return
    row.published += 1
    session.add(
        PublishedResult(
            number=case.number,
            matter_code=matter.code,
            decided_on=case.decided_on,
            result=came_from.value,
            edition_id=case.edition_id,
        )
    )


def _locked(session: Session, matter: Matter) -> ResultMatter:
    """Locked after the case's row, as by everybody."""
    first = {
        "code": matter.code,
        "agency_code": matter.agency_code,
        "names": dict(matter.name),
        "published": 0,
        "withheld": 0,
        "secret_basis": None,
    }
    insert_absent(session, [first], ResultMatter.code)
    return session.get_one(ResultMatter, matter.code, with_for_update=True, populate_existing=True)
