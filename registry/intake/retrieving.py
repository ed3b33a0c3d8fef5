"""How what was ordered is looked for: in the registry, then by connectors, in no transaction of ours.

One after another, each by whoever takes it until a lease ends. What came of it is put down with the case's
row locked, together with the differences from the application and, for a licence, its use.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.intake import tasks
from registry.intake.applications import Application, open_application
from registry.intake.connector_register import (
    LEGAL_BASIS,
    connectors_in_service,
    open_connector,
)
from registry.intake.connectors import Answer, Connector, ConnectorFile, DataSet, Query
from registry.intake.exchange_tables import CaseRetrieval
from registry.intake.matter_lists import matter_version
from registry.intake.matters import Material, Matter
from registry.intake.retrieval import (
    SEARCHED,
    UNANSWERED,
    RetrievalState,
    close_content,
    is_about,
    record,
)
from registry.intake.source_errors import Told, tell_due
from registry.intake.tables import Case
from registry.licences.holdings import valid_of
from registry.licences.issue_many import DEFECT
from registry.licences.moment import Moment, moment
from registry.licences.outage import DATABASE_OUT, database_errors
from registry.licences.records import kept_record
from registry.licences.tables import Intent
from registry.licences.types import licence_type_of
from registry.outgoing.retries import rest
from registry.outside_http import UnreachedError
from registry.ports import Ports
from registry.uses.rules import MAX_REASON, Purpose, Used, UseKind
from registry.uses.rules import record as record_use
from signing.record import fields_to_json

SLICE = 100
A_SOURCE = timedelta(seconds=30)  # that a lease has for each, beside its own


@dataclass
class Round:
    """One round: what was found, what nobody has, what is out, by case; errors that sources took down."""

    found: int = 0
    not_found: int = 0
    outages: dict[str, str] = field(default_factory=dict)
    told: Told = field(default_factory=Told)
    defects: list[tuple[str, Exception]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Search:
    """One order, for the caller alone until the lease ends."""

    id: str
    attempt: int
    case: Case  # as it was when it was taken
    matter: Matter
    material: Material
    application: Application
    actor: Actor
    sources: Sequence[tuple[ConnectorFile, DataSet, Connector | VermilionError]]


def retrieve_due(ports: Ports, stopped: Callable[[], bool] = lambda: False) -> Round:
    """Look for what is due, then tell sources of their errors, until nothing is due or `stopped` says so.

    Raises VermilionError(UNAVAILABLE) without a database.
    """
    round_ = Round()
    unreached: set[str] = set()  # connectors, which are not asked again in this round
    for retrieval_id in _due(ports):
        if stopped():
            return round_
        try:
            with database_errors():
                _retrieve(ports, retrieval_id, unreached, round_)
        except Exception as error:
            if isinstance(error, VermilionError) and error.reason == DATABASE_OUT:
                raise
            round_.defects.append((retrieval_id, error))
            _set_aside(ports, retrieval_id)
    tell_due(ports, round_.told, unreached, stopped)
    return round_


def _due(ports: Ports) -> list[str]:
    row = CaseRetrieval
    due = (row.state.in_([one.value for one in UNANSWERED]), row.due_at <= ports.clock())
    with database_errors(), Session(ports.database.read) as session:
        return list(session.scalars(select(row.id).where(*due).order_by(row.due_at, row.id).limit(SLICE)))


def _retrieve(ports: Ports, retrieval_id: str, unreached: set[str], round_: Round) -> None:
    ports.vault.ready()
    search = _take(ports, retrieval_id)
    if search is None:
        return
    if _in_registry(ports, search):
        round_.found += 1
        return
    failure: VermilionError | None = None
    for file, data_set, connector in search.sources:
        try:
            answer = _ask(search, file, data_set, connector, unreached)
        except VermilionError as error:
            if isinstance(error, UnreachedError):
                unreached.add(file.code)
            failure = failure or error
            continue
        if answer is not None:
            with ports.database.transaction() as session:
                _exchanged(session, ports, search, file, data_set, answer)
            round_.found += 1
            return
    with ports.database.transaction() as session:
        _nothing(session, ports, search, failure)
    if failure is None:
        round_.not_found += 1
    else:
        round_.outages[search.case.id] = failure.reason


def _take(ports: Ports, retrieval_id: str) -> _Search | None:
    with ports.database.transaction() as session:
        now = ports.clock()
        row = session.get_one(CaseRetrieval, retrieval_id, with_for_update=True)
        if row.state not in UNANSWERED or row.due_at is None or row.due_at > now:
            return None
        case = session.get_one(Case, row.case_id)
        if case.state not in SEARCHED:
            row.state, row.due_at, row.ended_at = RetrievalState.DROPPED.value, None, now
            return None
        matter = matter_version(session, case.matter_code, case.matter_version)
        material = next(one for one in matter.materials if one.code == row.material)
        application = open_application(ports.vault, case.id, case.application)
        asked = (case.matter_code, material.code, application.id_type)
        sources = [
            (one.file, data_set, _opened(session, ports, one.file))
            for one in connectors_in_service(session)
            for data_set in one.file.serving(*asked)
        ]
        row.attempt += 1
        row.tried_at, row.due_at = now, now + ports.settings.lease + A_SOURCE * len(sources)
        actor = Actor(row.client_id, case.agency_code, frozenset(), row.person_id, operator=row.operator)
        session.flush()
        session.expunge(case)
        return _Search(row.id, row.attempt, case, matter, material, application, actor, sources)


def _opened(session: Session, ports: Ports, file: ConnectorFile) -> Connector | VermilionError:
    try:
        return open_connector(session, ports, file)
    except VermilionError as error:
        return error


def _ask(
    search: _Search,
    file: ConnectorFile,
    data_set: DataSet,
    connector: Connector | VermilionError,
    unreached: set[str],
) -> Answer | None:
    """Raises VermilionError: whatever keeps the source from being asked, which is an outage."""
    if isinstance(connector, VermilionError):
        raise connector
    if file.code in unreached:
        detail = "the source was not reached in this round"
        raise VermilionError(Kind.UNAVAILABLE, detail, reason="no_answer")
    case, application = search.case, search.application
    return connector.retrieve(
        Query(
            reference=reference(search.id, search.attempt),
            data_set=data_set.code,
            purpose=data_set.purpose,
            legal_basis=data_set.legal_basis,
            agency=case.agency_code,
            matter=case.matter_code,
            case_number=case.number or "",
            material=search.material.code,
            holder_type=application.id_type,
            holder_code=application.id_code,
        )
    )


def reference(retrieval_id: str, attempt: int) -> str:
    """What one attempt is called to the source: it is told nothing by it, and no two are alike."""
    return sha256(f"{retrieval_id}:{attempt}".encode()).hexdigest()[:32]


def _set_aside(ports: Ports, retrieval_id: str) -> None:
    """What met a defect is an outage of ours: it keeps nobody from going on, and is tried again later.

    Raises VermilionError(UNAVAILABLE) without a database.
    """
    with database_errors(), ports.database.transaction() as session:
        case_id = session.get_one(CaseRetrieval, retrieval_id).case_id
        case = session.get_one(Case, case_id, with_for_update=True)
        row = session.get_one(CaseRetrieval, retrieval_id, with_for_update=True, populate_existing=True)
        if row.state in UNANSWERED:
            row.attempt += 1  # whoever has it has it no more
            _put_off(session, ports, case, row, DEFECT, moment(ports))


# --- what came of it -------------------------------------------------------------------------------------


def _mine(session: Session, search: _Search) -> tuple[Case, CaseRetrieval] | None:
    """The case and the order, locked; None where somebody else has taken it up since."""
    case = session.get_one(Case, search.case.id, with_for_update=True)
    row = session.get_one(CaseRetrieval, search.id, with_for_update=True)
    if row.attempt != search.attempt or row.state not in UNANSWERED:
        return None
    return case, row


def _in_registry(ports: Ports, search: _Search) -> bool:
    """Whether the holder has a valid licence that replaces the material; its use is put down then."""
    code = search.material.licence_type
    if code is None:
        return False
    with ports.database.transaction() as session:
        at = moment(ports)
        edition = valid_of(session, ports.vault, code, search.application.id_code, at.day)
        if edition is None:
            return False
        intent = session.get_one(Intent, edition.id)
        held = kept_record(ports.vault, intent.id, intent.record)
        licence_type = licence_type_of(session, held.type_code, held.type_version)
        if not is_about(licence_type, search.application.id_type):
            return False
        mine = _mine(session, search)
        if mine is None:
            return True
        case, row = mine
        purpose = f"{search.matter.name['zh']}：{search.material.name['zh']}"[:MAX_REASON]
        kept = fields_to_json(held.fields)
        compared = search.material.compared
        content = canonical_json(
            {
                "identifier": edition.identifier,
                "type": held.type_code,
                "issuer": edition.issuer_code,
                "issue_date": held.issue_date.isoformat(),
                "valid_from": held.valid_from.isoformat(),
                "valid_to": None if held.valid_to is None else held.valid_to.isoformat(),
                "fields": {name: kept[name] for name in sorted(set(compared.values())) if name in kept},
            }
        )
        row.edition_id, row.source = edition.id, edition.issuer_code
        row.purpose, row.legal_basis = purpose, LEGAL_BASIS
        basis = Purpose(case.matter_code, case.number or "", purpose, LEGAL_BASIS)
        record_use(session, ports, Used(edition.id, edition.licence_id), UseKind.USED, search.actor, basis)
        _found(session, ports, case, row, search, content, at)
    return True


def _exchanged(
    session: Session, ports: Ports, search: _Search, file: ConnectorFile, data_set: DataSet, answer: Answer
) -> None:
    mine = _mine(session, search)
    if mine is None:
        return
    case, row = mine
    row.connector, row.connector_version, row.data_set = file.code, file.version, data_set.code
    row.source, row.purpose, row.legal_basis = data_set.source, data_set.purpose, data_set.legal_basis
    _found(session, ports, case, row, search, answer.raw, moment(ports))


def _found(
    session: Session,
    ports: Ports,
    case: Case,
    row: CaseRetrieval,
    search: _Search,
    content: bytes,
    at: Moment,
) -> None:
    row.state, row.due_at, row.reason, row.ended_at = RetrievalState.FOUND.value, None, None, at.now
    row.content, row.sha256 = close_content(ports.vault, row, content), sha256(content).digest()
    detail = {
        "retrieval": row.id,
        "material": row.material,
        "source": row.source,
        "from": "registry" if row.connector is None else row.connector,
        "sha256": row.sha256.hex(),
    }
    if row.data_set is not None:
        detail["data_set"] = row.data_set
    record(session, ports, case, None, "retrieved", at, detail)
    session.flush()
    if case.state in SEARCHED:
        tasks.compare(session, ports, case, search.matter, row, at)


def _nothing(session: Session, ports: Ports, search: _Search, failure: VermilionError | None) -> None:
    mine = _mine(session, search)
    if mine is None:
        return
    case, row = mine
    at = moment(ports)
    if failure is None:
        row.state, row.due_at, row.reason, row.ended_at = (
            RetrievalState.NOT_FOUND.value,
            None,
            None,
            at.now,
        )
        record(
            session, ports, case, None, "not_retrieved", at, {"retrieval": row.id, "material": row.material}
        )
        return
    _put_off(session, ports, case, row, failure.reason, at)


def _put_off(session: Session, ports: Ports, case: Case, row: CaseRetrieval, reason: str, at: Moment) -> None:
    pause = rest(max(row.attempt, 1), ports.random)
    was = row.state
    row.state, row.reason = RetrievalState.OUTAGE.value, reason[:60]
    row.due_at = None if pause is None else at.now + pause
    if was != RetrievalState.OUTAGE:
        detail = {"retrieval": row.id, "material": row.material, "outage": row.reason}
        record(session, ports, case, None, "retrieval_out", at, detail)
