"""The archive's job. What is archived are editions of licences, and cases: of each kind who gathers it, and
what keeping its packages does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.archive.case import gather_cases
from registry.archive.edition import gather_editions
from registry.archive.numbering import CASE, EDITION
from registry.archive.rules import Archived, Rest, Round, keep_kinds
from registry.archive.stores import Stores
from registry.intake.cases import BY_ITSELF, act
from registry.intake.moves import CLOSED, Action
from registry.intake.tables import Case
from registry.ports import Ports


def _nothing(_session: Session, _ports: Ports, _subjects: Sequence[str]) -> None:
    pass


def _cases_archived(session: Session, ports: Ports, case_ids: Sequence[str]) -> None:
    """The last step of each, taken by the registry itself."""
    closed = (Case.id.in_(case_ids), Case.state.in_([state.value for state in CLOSED]))
    for case in session.scalars(select(Case).where(*closed).order_by(Case.id).with_for_update()):
        act(session, ports, case, Action.ARCHIVE, BY_ITSELF)


KINDS: Mapping[str, Archived] = {
    CASE: Archived(gather_cases, _cases_archived),
    EDITION: Archived(gather_editions, _nothing),
}


def keep_due(
    ports: Ports,
    stores: Stores,
    stopping: Callable[[], bool] = lambda: False,
    rest: Rest = lambda _seconds: None,
) -> Round:
    """As `rules.keep_kinds`, of all kinds there are."""
    return keep_kinds(ports, stores, KINDS, stopping, rest)
