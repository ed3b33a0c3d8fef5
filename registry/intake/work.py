"""What happens to cases in the background: licences issued for those that were permitted, silence put down,
drafts that nobody went on with erased.

A licence is issued by its own road: the transaction that registers it ends the case, and however often it is
tried there is one, by the case's idempotency key. A process that dies leaves a lease that lapses.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Update, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.agencies.rules import SCOPE_LICENCE
from registry.agencies.tables import Client
from registry.intake.calendars import notices_on_record
from registry.intake.case_days import silence_is_over
from registry.intake.cases import BY_ITSELF, act, record_about, recount
from registry.intake.issuing import IssueState, open_order
from registry.intake.moves import CLOSED, ENDED_UNMADE, Action, CaseState
from registry.intake.tables import Case, CaseIssue
from registry.licences.issue import Issued
from registry.licences.issue_many import DEFECT, Also, Ordered, issue_many
from registry.licences.moment import moment
from registry.licences.outage import DATABASE_OUT, database_errors
from registry.ports import Ports
from registry.rows import changed_rows

LONGEST_REST = timedelta(minutes=5)
AGAIN = frozenset({"taken_over", "seal_changed", "qr_key_retired", "intent", "daily_limit", DEFECT})
"""Refusals that are no answer to the order: what changed while it was being sealed, what is over tomorrow,
and a defect, after which nobody can say whether there is a licence; the next attempt finds out.
"""
SLICE = 100


@dataclass
class Round:
    """One round: how many licences were issued and orders refused, how many cases counted as accepted by
    silence, or have other days by a new notice of holidays, how many drafts lapsed; what is put off, and what
    must not happen, by case.
    """

    issued: int = 0
    refused: int = 0
    silent: int = 0
    recounted: int = 0
    lapsed: int = 0
    put_off: dict[str, str] = field(default_factory=dict)
    defects: list[tuple[str, Exception]] = field(default_factory=list)


def work(ports: Ports, stopped: Callable[[], bool] = lambda: False) -> Round:
    """Do what is due, one case after another, until nothing is or `stopped` says so.

    Raises VermilionError(UNAVAILABLE) without a database.
    """
    round_ = Round()
    tasks = (
        (_issue_next, _issue_due),
        (_accept_silent, _silent),
        (_recount, _miscounted),
        (_lapse, _stale),
    )
    for one, due in tasks:
        for case_id in due(ports):
            if stopped():
                return round_
            try:
                with database_errors():
                    one(ports, case_id, round_)
            except Exception as error:
                if isinstance(error, VermilionError) and error.reason == DATABASE_OUT:
                    raise
                round_.defects.append((case_id, error))
    return round_


# --- licences --------------------------------------------------------------------------------------------


def _issue_due(ports: Ports) -> list[str]:
    due = (CaseIssue.state == IssueState.WAITING, CaseIssue.due_at <= ports.clock())
    with database_errors(), Session(ports.database.read) as session:
        wanted = select(CaseIssue.case_id).where(*due).order_by(CaseIssue.due_at, CaseIssue.case_id)
        return list(session.scalars(wanted.limit(SLICE)))


def _issue_next(ports: Ports, case_id: str, round_: Round) -> None:
    ports.vault.ready()
    taken = _take(ports, case_id)
    if taken is None:
        return
    attempt, actor, order = taken

    def done(session: Session, edition_id: str) -> None:
        _issued(session, ports, case_id, edition_id)

    outcome = _outcome(ports, actor, order, done)
    if isinstance(outcome, Issued):
        if outcome.replayed:  # by recovery, which knows of no case
            with ports.database.transaction() as session:
                done(session, outcome.edition_id)
        round_.issued += 1
    elif outcome.kind in {Kind.UNAVAILABLE, Kind.IN_PROGRESS} or outcome.reason in AGAIN:
        round_.put_off[case_id] = outcome.reason
        rest = timedelta(seconds=max(2 ** min(attempt, 10), outcome.retry_after or 0))
        values = {"due_at": ports.clock() + min(rest, LONGEST_REST), "reason": outcome.reason[:60]}
        with ports.database.transaction() as session:
            changed_rows(session, _still(case_id, attempt).values(values))
    else:
        with ports.database.transaction() as session:
            _refused(session, ports, case_id, attempt, outcome)
        round_.refused += 1


def _take(ports: Ports, case_id: str) -> tuple[int, Actor | VermilionError, Ordered] | None:
    """The order, for the caller alone until the lease ends; None where somebody else has it."""
    now = ports.clock()
    with ports.database.transaction() as session:
        row = session.get_one(CaseIssue, case_id, with_for_update=True)
        if row.state != IssueState.WAITING or row.due_at is None or row.due_at > now:
            return None
        row.attempt += 1
        row.due_at = now + ports.settings.lease
        attempt, client_id, operator, kept = row.attempt, row.client_id, row.operator, row.request
        agency = session.get_one(Case, case_id).agency_code
        actor = _acting(session, client_id, agency, operator)
    return attempt, actor, open_order(ports.vault, case_id, kept)


def _acting(session: Session, client_id: str, agency_code: str, operator: str) -> Actor | VermilionError:
    """The agency's system through which it was decided, by its present state."""
    client = session.get_one(Client, client_id)
    if not client.active or client.agency_code != agency_code or SCOPE_LICENCE not in client.scopes:
        detail = "the client through which the case was decided may not issue any more"
        return VermilionError(Kind.FORBIDDEN, detail, reason="not_entitled")
    return Actor(client.id, agency_code, frozenset(client.scopes), operator=operator)


def _outcome(
    ports: Ports, actor: Actor | VermilionError, order: Ordered, done: Also
) -> Issued | VermilionError:
    if isinstance(actor, VermilionError):
        return actor
    try:
        return issue_many(ports, actor, [order], done)[0]
    except VermilionError as error:
        return error


def _issued(session: Session, ports: Ports, case_id: str, edition_id: str) -> None:
    """A fact, whoever learns of it and however late; the case is done by it once."""
    case = session.get_one(Case, case_id, with_for_update=True)
    row = session.get_one(CaseIssue, case_id, with_for_update=True)
    row.state, row.due_at, row.reason, row.ended_at = IssueState.ISSUED.value, None, None, ports.clock()
    case.edition_id = edition_id
    if case.state == CaseState.PERMITTED:
        act(session, ports, case, Action.FINISH, BY_ITSELF)


def _refused(session: Session, ports: Ports, case_id: str, attempt: int, error: VermilionError) -> None:
    case = session.get_one(Case, case_id, with_for_update=True)
    now: datetime = ports.clock()
    values = {
        "state": IssueState.REFUSED.value,
        "due_at": None,
        "reason": error.reason[:60],
        "ended_at": now,
    }
    if changed_rows(session, _still(case_id, attempt).values(values)) == 1:
        record_about(
            session, ports, case, None, "issue_refused", moment(ports), {"reason": error.reason[:60]}
        )


def _still(case_id: str, attempt: int) -> Update:
    """The order, while it is the caller's."""
    mine = (CaseIssue.case_id == case_id, CaseIssue.attempt == attempt)
    return update(CaseIssue).where(*mine, CaseIssue.state == IssueState.WAITING)


# --- silence ---------------------------------------------------------------------------------------------


def _silent(ports: Ports) -> list[str]:
    waits = Case.state.in_((CaseState.SUBMITTED.value, CaseState.RECEIVED.value))
    with database_errors(), Session(ports.database.read) as session:
        over = select(Case.id).where(waits, Case.due_on < moment(ports).day).order_by(Case.due_on, Case.id)
        return list(session.scalars(over.limit(SLICE)))


def _accept_silent(ports: Ports, case_id: str, round_: Round) -> None:
    ports.vault.ready()
    with ports.database.transaction() as session:
        case = session.get_one(Case, case_id, with_for_update=True)
        if case.calendar < notices_on_record(session):  # the day by which it was found may be another
            round_.recounted += recount(session, ports, case)
        if not silence_is_over(case, moment(ports).day):
            return
        if case.state == CaseState.SUBMITTED:
            act(session, ports, case, Action.RECEIVE, BY_ITSELF)
        act(session, ports, case, Action.ACCEPT, BY_ITSELF)
    round_.silent += 1


# --- notices of holidays ---------------------------------------------------------------------------------

OPEN = [
    one.value
    for one in CaseState
    if one not in CLOSED | ENDED_UNMADE and one not in {CaseState.DRAFT, CaseState.LAPSED, CaseState.ARCHIVED}
]


def _miscounted(ports: Ports) -> list[str]:
    with database_errors(), Session(ports.database.read) as session:
        other = (Case.state.in_(OPEN), Case.calendar < notices_on_record(session))
        return list(session.scalars(select(Case.id).where(*other).order_by(Case.id).limit(SLICE)))


def _recount(ports: Ports, case_id: str, round_: Round) -> None:
    with ports.database.transaction() as session:
        case = session.get_one(Case, case_id, with_for_update=True)
        round_.recounted += recount(session, ports, case)


# --- drafts ----------------------------------------------------------------------------------------------


def _stale(ports: Ports) -> list[str]:
    before = ports.clock() - timedelta(days=ports.settings.draft_days)
    with database_errors(), Session(ports.database.read) as session:
        left = select(Case.id).where(Case.state == CaseState.DRAFT, Case.drawn_at < before)
        return list(session.scalars(left.order_by(Case.drawn_at, Case.id).limit(SLICE)))


def _lapse(ports: Ports, case_id: str, round_: Round) -> None:
    ports.vault.ready()
    with ports.database.transaction() as session:
        case = session.get_one(Case, case_id, with_for_update=True)
        before = ports.clock() - timedelta(days=ports.settings.draft_days)
        if case.state == CaseState.DRAFT and case.drawn_at < before:
            act(session, ports, case, Action.LAPSE, BY_ITSELF)
            round_.lapsed += 1
