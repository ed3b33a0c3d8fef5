"""What a case's package has of what was retrieved: each answer as it was told, with source, purpose and time;
every search, outages too; and every difference, with both values and how it was cleared. And its erasure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from registry.archive.contents import Item, Part
from registry.intake.comparing import Value
from registry.intake.exchange_tables import CaseRetrieval, SourceError, VerificationTask
from registry.intake.retrieval import RetrievalState, open_content, retrievals_of
from registry.intake.source_errors import error_of
from registry.intake.task_values import open_values, open_words
from registry.intake.tasks import tasks_of_case
from registry.licences.outage import database_errors
from registry.licences.tables import Edition
from registry.ports import Ports
from registry.rows import changed_rows

ERASED = b""
"""What stands in the place of what was encrypted."""


def exchange_items(ports: Ports, case_id: str) -> Iterator[Item]:
    """Nothing for a case for which nothing was looked for. The vault is ready.

    Raises VermilionError: UNAVAILABLE; UNAUTHENTICATED (`record_damaged`).
    """
    with database_errors(), Session(ports.database.read) as session:
        rows = retrievals_of(session, case_id)
        licences = _identifiers(session, rows)
        for row in rows:
            if row.state == RetrievalState.FOUND:
                assert row.source is not None
                yield Item(
                    Part.MATERIALS,
                    f"{row.material}-retrieved-{row.number}.json",
                    f"共享获取的材料 {row.material}",
                    open_content(ports.vault, row),
                    created=row.asked_at,
                    source=row.source,
                    retrieved=row.ended_at,
                )
        if rows:
            told = [_retrieval(row, licences) for row in rows]
            title = "共享获取：目的、来源、时间、摘要及中断"
            yield Item(Part.PROCESS, "retrievals.json", title, canonical_json(told))
        differences = [
            _difference(ports, task, error_of(session, task.id)) for task in tasks_of_case(session, case_id)
        ]
        if differences:
            title = "申请内容与共享数据的不一致及其核实"
            yield Item(Part.PROCESS, "differences.json", title, canonical_json(differences))


def erase_exchange(session: Session, case_id: str) -> Iterator[str]:
    """Take what was retrieved and compared out of the database; what happened when stays. No key of a
    document: none is among it.
    """
    of_case = CaseRetrieval.case_id == case_id, CaseRetrieval.content.is_not(None)
    changed_rows(session, update(CaseRetrieval).where(*of_case).values(content=ERASED))
    values = {"values": ERASED, "words": None}
    changed_rows(session, update(VerificationTask).where(VerificationTask.case_id == case_id).values(values))
    yield from ()


def _identifiers(session: Session, rows: Sequence[CaseRetrieval]) -> dict[str, str]:
    ids = [row.edition_id for row in rows if row.edition_id is not None]
    found = session.execute(select(Edition.id, Edition.identifier).where(Edition.id.in_(ids)))
    return {row.id: row.identifier for row in found}


def _retrieval(row: CaseRetrieval, licences: dict[str, str]) -> dict[str, Any]:
    return {
        "id": row.id,
        "material": row.material,
        "number": row.number,
        "state": row.state,
        "asked_at": row.asked_at.isoformat(),
        "operator": row.operator,
        "attempts": row.attempt,
        "outage": row.reason,
        "source": row.source,
        "licence": None if row.edition_id is None else licences[row.edition_id],
        "connector": row.connector,
        "data_set": row.data_set,
        "purpose": row.purpose,
        "legal_basis": row.legal_basis,
        "ended_at": _at(row.ended_at),
        "sha256": None if row.sha256 is None else row.sha256.hex(),
    }


def _difference(ports: Ports, task: VerificationTask, error: SourceError | None) -> dict[str, Any]:
    values = open_values(ports.vault, task)
    return {
        "id": task.id,
        "retrieval": task.retrieval_id,
        "field": task.field,
        "source_field": task.source_field,
        "applicant": _value(values.applicant),
        "source": _value(values.source),
        "state": task.state,
        "opened_at": task.opened_at.isoformat(),
        "ended_at": _at(task.ended_at),
        "person": task.person_id,
        "operator": task.operator,
        "legal_basis": task.legal_basis,
        "reason": task.reason_code,
        "words": open_words(ports.vault, task),
        "error": None
        if error is None
        else {
            "id": error.id,
            "source": error.source,
            "state": error.state,
            "answered_at": _at(error.answered_at),
            "answer": error.answer,
        },
    }


def _value(value: Value) -> str | list[str]:
    return value if isinstance(value, str) else list(value)


def _at(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
