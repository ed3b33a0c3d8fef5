"""What is looked for before an applicant is asked (Measures, Art. 8): orders, and what they found.

Each required material that somebody else may have is looked for when the application, or its correction,
comes: among the licences of this registry, then in data exchange. An order is a row in the transaction of
that step; who works on it is `registry.intake.retrieving`. An outage is no answer: it is told as what it is,
and tried again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session, aliased

from keys.canonical import strict_json
from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.intake.applications import Application, open_application
from registry.intake.comparing import Value
from registry.intake.connector_register import LEGAL_BASIS, OnRecord, connectors_in_service
from registry.intake.connectors import DataSet, Served
from registry.intake.exchange_tables import CaseRetrieval
from registry.intake.matters import Material, Matter
from registry.intake.moves import CaseState
from registry.intake.tables import Case
from registry.licences.duties import require_officer
from registry.licences.moment import Moment, moment
from registry.licences.tables import Edition
from registry.log.rules import Ground, record_event
from registry.ports import Ports
from registry.vault import Use, Vault
from signing.licence_type import FieldKind, LicenceType, Role

MAX_CONTENT = 1024 * 1024
_DEPTH = 8
SEARCHED = frozenset(
    {
        CaseState.SUBMITTED,
        CaseState.RECEIVED,
        CaseState.CORRECTION,
        CaseState.ACCEPTED,
        CaseState.HANDLING,
        CaseState.SUSPENDED,
    }
)
"""While a case is not decided, what is told of its applicant is of use."""


class RetrievalState(StrEnum):
    WAITING = "waiting"  # nobody was asked yet
    OUTAGE = "outage"  # somebody who may have it could not be asked
    FOUND = "found"
    NOT_FOUND = "not_found"  # all who may have it were asked, and none has it
    DROPPED = "dropped"  # the case was decided first


UNANSWERED = frozenset({RetrievalState.WAITING, RetrievalState.OUTAGE})


def order(session: Session, ports: Ports, case: Case, matter: Matter, actor: Actor, at: Moment) -> int:
    """Have every required material that was not found looked for, from now on; how many. The case's row is
    locked, the vault is ready. Raises VermilionError(UNAVAILABLE).
    """
    application = open_application(ports.vault, case.id, case.application)
    connectors = connectors_in_service(session)
    newest = {row.material: row for row in retrievals_of(session, case.id)}  # the last of each
    have = found(session, case.id)
    count = 0
    for material in matter.materials:
        if not material.required or material.code in have:
            continue
        if not may_be_had(material, case.matter_code, application, connectors):
            continue
        count += 1
        row = newest.get(material.code)
        if row is not None and row.state in UNANSWERED:
            row.due_at = at.now
            continue
        session.add(
            CaseRetrieval(
                id=ports.random(16).hex(),
                case_id=case.id,
                material=material.code,
                number=1 if row is None else row.number + 1,
                state=RetrievalState.WAITING.value,
                client_id=actor.client_id,
                person_id=actor.person_id,
                operator=actor.operator,
                asked_at=at.now,
                attempt=0,
                due_at=at.now,
            )
        )
    session.flush()
    return count


def ask_now(session: Session, ports: Ports, case: Case, matter: Matter, actor: Actor) -> int:
    """Have what was not found looked for again, at once; how many. The case's row is locked, the vault is
    ready. Raises VermilionError: FORBIDDEN; CONFLICT (`case_state`); UNAVAILABLE.
    """
    require_officer(actor)
    if case.state not in SEARCHED:
        detail = "nothing is looked for before an application is submitted, nor once it is decided"
        raise VermilionError(Kind.CONFLICT, detail, reason="case_state")
    at = moment(ports)
    count = order(session, ports, case, matter, actor, at)
    record(session, ports, case, actor, "retrieval_asked", at, {"materials": count})
    return count


@dataclass(frozen=True, slots=True)
class LookedFor:
    """A required material that is looked for before anybody is asked for it: among licences, where one
    replaces it, and in these data sets, by the connector's code.
    """

    material: Material
    data_sets: tuple[tuple[str, DataSet], ...]


def looked_for(session: Session, matter: Matter) -> list[LookedFor]:
    """What an applicant need not supply unless it is not found, in the matter's order. About which holders a
    data set can be asked, it says itself.
    """
    connectors = connectors_in_service(session)
    found = []
    for material in matter.materials:
        served = Served(matter.code, material.code)
        data_sets = tuple(
            (one.file.code, data_set)
            for one in connectors
            for data_set in one.file.data_sets
            if served in data_set.serves
        )
        if material.required and (material.licence_type is not None or data_sets):
            found.append(LookedFor(material, data_sets))
    return found


def may_be_had(
    material: Material, matter_code: str, application: Application, connectors: Sequence[OnRecord]
) -> bool:
    """Whether a licence replaces the material, or a data set stands in for it."""
    asked = (matter_code, material.code, application.id_type)
    return material.licence_type is not None or any(one.file.serving(*asked) for one in connectors)


def retrievals_of(session: Session, case_id: str) -> Sequence[CaseRetrieval]:
    """By material, each from the first to the last."""
    rows = select(CaseRetrieval).where(CaseRetrieval.case_id == case_id)
    return session.scalars(rows.order_by(CaseRetrieval.material, CaseRetrieval.number)).all()


def found(session: Session, case_id: str) -> Mapping[str, CaseRetrieval]:
    """What was found for a case, by the material's code. A licence replaces a paper while one of its editions
    is in force: what has ended or is suspended since then replaces none.
    """
    its, now = aliased(Edition), aliased(Edition)
    in_force = exists().where(
        its.id == CaseRetrieval.edition_id, now.licence_id == its.licence_id, now.status == "in_force"
    )
    rows = select(CaseRetrieval).where(
        CaseRetrieval.case_id == case_id,
        CaseRetrieval.state == RetrievalState.FOUND,
        or_(CaseRetrieval.edition_id.is_(None), in_force),
    )
    return {row.material: row for row in session.scalars(rows.order_by(CaseRetrieval.number))}


def lost(session: Session, case_id: str) -> set[str]:
    """The materials that were found, by a licence that replaces none any more."""
    rows = select(CaseRetrieval.material).where(
        CaseRetrieval.case_id == case_id, CaseRetrieval.state == RetrievalState.FOUND
    )
    return set(session.scalars(rows)) - set(found(session, case_id))


def unasked(session: Session, case_id: str) -> list[str]:
    """The materials that are to be looked for, and for which nobody was asked yet."""
    rows = select(CaseRetrieval.material).where(
        CaseRetrieval.case_id == case_id, CaseRetrieval.state == RetrievalState.WAITING
    )
    return list(session.scalars(rows.order_by(CaseRetrieval.material)))


def is_about(licence_type: LicenceType, id_type: str) -> bool:
    """Whether the code by which a type names its holders is of the kind that an applicant gave: a code of one
    kind finds nobody's licence by another.
    """
    field = licence_type.field(Role.HOLDER_CODE)
    wanted = {"001": FieldKind.USCC, "111": FieldKind.CITIZEN_ID}
    return field is not None and field.kind is wanted.get(id_type)


def close_content(vault: Vault, row: CaseRetrieval, content: bytes) -> bytes:
    """For keeping. Raises VermilionError(UNAVAILABLE)."""
    return vault.encrypt(Use.RECORD, content, _owner(row))


def open_content(vault: Vault, row: CaseRetrieval) -> bytes:
    """As it was told. Raises VermilionError: UNAUTHENTICATED (`record_damaged`); UNAVAILABLE."""
    assert row.content is not None
    return vault.decrypt(Use.RECORD, row.content, _owner(row))


def told_fields(vault: Vault, row: CaseRetrieval) -> dict[str, Value]:
    """The values that were found. Raises as `open_content`."""
    value = strict_json(open_content(vault, row), max_bytes=MAX_CONTENT, max_depth=_DEPTH)
    return {
        name: tuple(said) if isinstance(said, list) else str(said) for name, said in value["fields"].items()
    }


def record(
    session: Session,
    ports: Ports,
    case: Case,
    actor: Actor | None,
    what: str,
    at: Moment,
    detail: Mapping[str, Any],
    ground: Ground | None = None,
) -> str:
    """Add an event about what was looked for, or compared; it names no value."""
    return record_event(
        session,
        kind=f"case.{what}",
        subject_kind="case",
        subject=case.id,
        ground=ground or Ground(LEGAL_BASIS, what, at.day),
        actor=actor,
        now=at.now,
        random=ports.random,
        detail=detail,
    ).id


def _owner(row: CaseRetrieval) -> str:
    return f"case:{row.case_id}:retrieval:{row.id}"
