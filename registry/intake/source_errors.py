"""Errors that were confirmed in a source, told to whoever vouches for it until they have answered (Art. 9).

A connector's source is told through it, again and again until it acknowledges. A licence of this registry is
its issuer's to correct, by the rule of corrections and by whom its type is entrusted to: the error waits for
that, and nothing here changes a licence. Its issuer may decline, with a reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import Select, exists, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.intake.comparing import as_value, same
from registry.intake.connector_register import connector_in_service, open_connector
from registry.intake.connectors import Acknowledged, Connector, Wrong
from registry.intake.exchange_tables import CaseRetrieval, SourceError, VerificationTask
from registry.intake.retrieval import record
from registry.intake.tables import Case
from registry.intake.task_values import open_values
from registry.licences.duties import require_officer
from registry.licences.moment import Moment, moment
from registry.licences.outage import DATABASE_OUT, database_errors
from registry.licences.records import kept_record
from registry.licences.search import types_of
from registry.licences.tables import Edition, Intent, Succession
from registry.licences.types import licence_type_of
from registry.log.rules import Ground
from registry.outgoing.retries import ATTEMPTS, rest
from registry.outside_http import UnreachedError
from registry.ports import Ports
from registry.vault import DISPOSED
from signing.record import fields_to_json

SLICE = 100
LOOK_AGAIN = timedelta(minutes=10)  # whether a licence was corrected
DAILY = timedelta(days=1)  # a source that has not acknowledged for days is told every day
A_SOURCE = timedelta(seconds=30)
LEGAL_BASIS = "Anhui Measures, Art. 9"


class ErrorState(StrEnum):
    WAITING = "waiting"
    ACKNOWLEDGED = "acknowledged"  # by a connector's source
    CORRECTED = "corrected"  # a licence of this registry, by its issuer
    DECLINED = "declined"  # by its issuer, who finds it right
    LAPSED = "lapsed"  # the licence ended without a correction


@dataclass
class Told:
    """What came of a round, by error: how many are settled, which sources are out."""

    settled: int = 0
    pending: int = 0
    outages: dict[str, str] = field(default_factory=dict)
    defects: list[tuple[str, Exception]] = field(default_factory=list)


def make(
    session: Session, ports: Ports, task: VerificationTask, retrieval: CaseRetrieval, at: Moment
) -> SourceError:
    """An error, in the transaction that confirms it."""
    assert retrieval.source is not None
    made = SourceError(
        id=ports.random(16).hex(),
        task_id=task.id,
        edition_id=retrieval.edition_id,
        connector=retrieval.connector,
        data_set=retrieval.data_set,
        source=retrieval.source,
        state=ErrorState.WAITING.value,
        made_at=at.now,
        attempt=0,
        due_at=at.now,
        tried_at=None,
        reason=None,
        answered_at=None,
        answer=None,
    )
    session.add(made)
    session.flush()
    return made


def error_of(session: Session, task_id: str) -> SourceError | None:
    """The error that a task confirmed."""
    return session.scalars(select(SourceError).where(SourceError.task_id == task_id)).one_or_none()


# --- for the issuer of a licence -------------------------------------------------------------------------


def errors_in_licences(
    session: Session, actor: Actor, after: str | None, size: int
) -> tuple[Sequence[SourceError], str | None]:
    """At most `size` errors that wait for a correction of the agency's licences, of types that the client may
    act on, the oldest first; and behind which the next page begins.

    Raises VermilionError(FORBIDDEN, NOT_FOUND).
    """
    require_officer(actor)
    wanted = _of_licences(session, actor).where(SourceError.state == ErrorState.WAITING)
    if after is not None:
        last = licence_error(session, actor, after)
        later = (SourceError.made_at > last.made_at) | (
            (SourceError.made_at == last.made_at) & (SourceError.id > last.id)
        )
        wanted = wanted.where(later)
    rows = session.scalars(wanted.order_by(SourceError.made_at, SourceError.id).limit(size + 1)).all()
    return rows[:size], rows[size - 1].id if len(rows) > size else None


def licence_error(session: Session, actor: Actor, error_id: str, *, lock: bool = False) -> SourceError:
    """One of them, whatever became of it. Raises VermilionError(FORBIDDEN, NOT_FOUND)."""
    require_officer(actor)
    wanted = _of_licences(session, actor).where(SourceError.id == error_id)
    found = session.scalars(wanted.with_for_update(of=SourceError) if lock else wanted).one_or_none()
    if found is None:
        detail = "no such error was told to the agency"
        raise VermilionError(Kind.NOT_FOUND, detail, reason="source_error_unknown")
    return found


def decline(
    session: Session, ports: Ports, actor: Actor, error_id: str, legal_basis: str, reason_code: str
) -> SourceError:
    """The issuer finds its licence right.

    Raises VermilionError: FORBIDDEN; NOT_FOUND; CONFLICT (`source_error_settled`).
    """
    row = licence_error(session, actor, error_id, lock=True)
    if row.state != ErrorState.WAITING:
        detail = "the error is settled already"
        raise VermilionError(Kind.CONFLICT, detail, reason="source_error_settled")
    at = moment(ports)
    ground = Ground(legal_basis, reason_code, at.day)
    _settle(session, ports, row, ErrorState.DECLINED, at, actor=actor, ground=ground)
    return row


def _of_licences(session: Session, actor: Actor) -> Select[SourceError]:
    return (
        select(SourceError)
        .join(Edition, Edition.id == SourceError.edition_id)
        .where(SourceError.source == actor.agency_code, Edition.type_code.in_(types_of(session, actor)))
    )


# --- in the background -----------------------------------------------------------------------------------


def tell_due(
    ports: Ports, told: Told, unreached: set[str], stopped: Callable[[], bool] = lambda: False
) -> None:
    """Tell sources of what is due, and see which licences were corrected. `unreached`: connectors that are
    not asked in this round. Raises VermilionError(UNAVAILABLE) without a database.
    """
    for error_id in _due(ports):
        if stopped():
            return
        try:
            with database_errors():
                _tell(ports, error_id, told, unreached)
        except Exception as error:
            if isinstance(error, VermilionError) and error.reason == DATABASE_OUT:
                raise
            told.defects.append((error_id, error))


def _due(ports: Ports) -> list[str]:
    row = SourceError
    due = (row.state == ErrorState.WAITING, row.due_at <= ports.clock())
    with database_errors(), Session(ports.database.read) as session:
        return list(session.scalars(select(row.id).where(*due).order_by(row.due_at, row.id).limit(SLICE)))


def _tell(ports: Ports, error_id: str, told: Told, unreached: set[str]) -> None:
    ports.vault.ready()
    with ports.database.transaction() as session:
        now = ports.clock()
        row = session.get_one(SourceError, error_id, with_for_update=True)
        if row.state != ErrorState.WAITING or row.due_at is None or row.due_at > now:
            return
        row.attempt, row.tried_at = row.attempt + 1, now
        attempt = row.attempt
        if row.edition_id is not None:
            _look(session, ports, row, told)
            return
        code = row.connector
        assert code is not None
        row.due_at = now + ports.settings.lease + A_SOURCE
        wrong = _wrong(session, ports, row)
        connector = _opened(session, ports, code)
    try:
        if isinstance(connector, VermilionError):
            raise connector
        if code in unreached:
            detail = "the source was not reached in this round"
            raise VermilionError(Kind.UNAVAILABLE, detail, reason="no_answer")
        answer = connector.report(wrong)
    except VermilionError as error:
        if isinstance(error, UnreachedError):
            unreached.add(code)
        told.outages[error_id] = error.reason
        _put_down(ports, error_id, attempt, None, error.reason)
        return
    told.settled, told.pending = told.settled + (answer is not None), told.pending + (answer is None)
    _put_down(ports, error_id, attempt, answer, None)


def _put_down(
    ports: Ports, error_id: str, attempt: int, answer: Acknowledged | None, reason: str | None
) -> None:
    with ports.database.transaction() as session:
        row = session.get_one(SourceError, error_id, with_for_update=True)
        if row.attempt != attempt or row.state != ErrorState.WAITING:
            return
        if answer is not None:
            row.answer = answer.name
            _settle(session, ports, row, ErrorState.ACKNOWLEDGED, moment(ports))
            return
        pause = rest(min(attempt, ATTEMPTS - 1), ports.random) or DAILY
        row.reason, row.due_at = None if reason is None else reason[:60], ports.clock() + pause


def _wrong(session: Session, ports: Ports, row: SourceError) -> Wrong:
    from registry.intake.retrieving import reference  # which tells errors after it has retrieved

    task = session.get_one(VerificationTask, row.task_id)
    retrieval = session.get_one(CaseRetrieval, task.retrieval_id)
    values = open_values(ports.vault, task)
    assert row.data_set is not None
    assert retrieval.sha256 is not None
    return Wrong(
        reference=row.id,
        data_set=row.data_set,
        agency=task.agency_code,
        retrieval=reference(retrieval.id, retrieval.attempt),
        answer_sha256=retrieval.sha256.hex(),
        field=task.source_field,
        told=values.source,
        right=values.applicant,
        legal_basis=task.legal_basis,
        reason_code=task.reason_code,
    )


def _opened(session: Session, ports: Ports, code: str) -> Connector | VermilionError:
    on_record = connector_in_service(session, code)
    assert on_record is not None  # versions are for good
    try:
        return open_connector(session, ports, on_record.file)
    except VermilionError as error:
        return error


def _look(session: Session, ports: Ports, row: SourceError, told: Told) -> None:
    """Whether the licence was corrected since, or ended."""
    at = moment(ports)
    licence_id = session.get_one(Edition, row.edition_id).licence_id
    state = None
    if _corrected(session, ports, row, licence_id):
        state = ErrorState.CORRECTED
    elif not session.scalar(
        select(exists().where(Edition.licence_id == licence_id, Edition.status != "ended"))
    ):
        state = ErrorState.LAPSED
    if state is None:
        row.due_at = at.now + LOOK_AGAIN
        told.pending += 1
        return
    told.settled += 1
    _settle(session, ports, row, state, at)


def _corrected(session: Session, ports: Ports, row: SourceError, licence_id: str) -> bool:
    """Whether a correction that was begun since has the licence say something else than what was found wrong:
    whoever corrects another field has not answered.
    """
    made = (
        select(Intent)
        .join(Succession, Succession.intent_id == Intent.id)
        .where(
            Intent.licence_id == licence_id,
            Intent.state == "done",
            Intent.created_at >= row.made_at,
            Intent.record != DISPOSED,
            Succession.operation == "correct",
        )
    )
    task = session.get_one(VerificationTask, row.task_id)
    return any(not _says_so_still(session, ports, task, intent) for intent in session.scalars(made))


def _says_so_still(session: Session, ports: Ports, task: VerificationTask, intent: Intent) -> bool:
    """Whether an edition has the value that a task found wrong; no, once nobody knows that value any more."""
    if task.values == DISPOSED:
        return False
    record = kept_record(ports.vault, intent.id, intent.record)
    licence_type = licence_type_of(session, record.type_code, record.type_version)
    kind = next((one.kind for one in licence_type.fields if one.name == task.source_field), None)
    value = as_value(fields_to_json(record.fields).get(task.source_field))
    if kind is None or value is None:
        return False
    return same(kind, value, open_values(ports.vault, task).source)


def _settle(
    session: Session,
    ports: Ports,
    row: SourceError,
    state: ErrorState,
    at: Moment,
    *,
    actor: Actor | None = None,
    ground: Ground | None = None,
) -> None:
    row.state, row.due_at, row.reason, row.answered_at = state.value, None, None, at.now
    task = session.get_one(VerificationTask, row.task_id)
    case = session.get_one(Case, task.case_id)
    detail = {"error": row.id, "task": task.id, "field": task.field, "source": row.source}
    if row.answer is not None:
        detail["answer"] = row.answer
    ground = ground or Ground(LEGAL_BASIS, f"error_{state.value}", at.day)
    record(session, ports, case, actor, f"error_{state.value}", at, detail, ground)
