"""What a package of a finished case is made of: application, every step, what was told, and the licence that
it ended in.

A part of it is a function in `PARTS`, each of which yields items from what the database has of the case. The
licence is there whole, as sealed: whoever holds the case's package needs no other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.errors import VermilionError
from keys.trust_list import TrustList
from registry.agencies.tables import Agency
from registry.archive.case_exchange import exchange_items
from registry.archive.case_joint import joint_items
from registry.archive.case_materials import material_items
from registry.archive.contents import AgentKind, Gathered, Item, Part
from registry.archive.edition import act_of, agents_of, committed, gather_editions, names_of
from registry.archive.tables import ArchivePackage
from registry.archive.xml import legible
from registry.intake.applications import Application, Said, open_application, open_said
from registry.intake.matter_lists import matter_version
from registry.intake.matters import Matter
from registry.intake.tables import Case, CaseIssue, CaseMove
from registry.licences.outage import database_errors
from registry.licences.tables import Edition
from registry.log.tables import Event, Leaf
from registry.notices.tables import Notice
from registry.ports import Ports
from signing.held_evidence import DocumentReader

_OF_THE_LICENCE = frozenset({Part.DOCUMENTS, Part.RECORD, Part.EVIDENCE})
_LANGUAGE = "zh"


@dataclass(frozen=True, slots=True)
class Found:
    """What the database has of a case, read and decrypted; and its licence, gathered."""

    case: Case
    matter: Matter
    agency: Agency
    application: Application
    moves: tuple[tuple[CaseMove, Said], ...]
    events: tuple[tuple[Event, Leaf], ...]
    notices: Mapping[str, Notice]  # by id, those that were not swept
    issue: CaseIssue | None
    licence: Gathered | None
    licence_packages: tuple[tuple[str, int], ...]  # number and sequence of each that was made
    names: Mapping[str, tuple[str, AgentKind]]


def gather_cases(
    ports: Ports, case_ids: Sequence[str], trust: TrustList, reader: DocumentReader
) -> dict[str, Gathered | VermilionError]:
    """Of each case its material, or why it is out of reach: one keeps no other back.

    Raises VermilionError(UNAVAILABLE) without a database or a data key.
    """
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        rows = _Rows.of(session, case_ids)
    of = {one.edition_id for one in rows.cases.values() if one.edition_id is not None}
    licences = gather_editions(ports, sorted(of), trust, reader) if of else {}
    found: dict[str, Gathered | VermilionError] = {}
    for case_id in case_ids:
        try:
            found[case_id] = _gathered(ports, rows.found(ports, case_id, licences))
        except VermilionError as error:
            found[case_id] = error
    return found


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the database has of some cases: asked for once for all of them."""

    cases: dict[str, Case]
    moves: dict[str, list[CaseMove]]
    events: dict[str, list[tuple[Event, Leaf]]]
    notices: dict[str, Notice]
    issues: dict[str, CaseIssue]
    matters: dict[tuple[str, int], Matter]
    agencies: dict[str, Agency]
    packages: dict[str, list[tuple[str, int]]]  # by edition
    names: dict[str, tuple[str, AgentKind]]

    @classmethod
    def of(cls, session: Session, ids: Sequence[str]) -> _Rows:
        cases = {one.id: one for one in session.scalars(select(Case).where(Case.id.in_(ids)))}
        moves = defaultdict[str, list[CaseMove]](list)
        steps = select(CaseMove).where(CaseMove.case_id.in_(ids)).order_by(CaseMove.number)
        for move in session.scalars(steps):
            moves[move.case_id].append(move)
        events = defaultdict[str, list[tuple[Event, Leaf]]](list)
        told = (
            select(Event, Leaf)
            .join(Leaf, Leaf.event_id == Event.id)
            .where(Event.subject_kind == "case", Event.subject.in_(ids))
            .order_by(Event.recorded_at, Event.id)
        )
        for event, leaf in session.execute(told):
            events[event.subject].append((event, leaf))
        messages = select(Notice).where(Notice.subject_kind == "case", Notice.subject.in_(ids))
        issues = select(CaseIssue).where(CaseIssue.case_id.in_(ids))
        matters = {
            version: matter_version(session, *version)
            for version in {(one.matter_code, one.matter_version) for one in cases.values()}
        }
        codes = {one.agency_code for one in cases.values()}
        packages = defaultdict[str, list[tuple[str, int]]](list)
        made = (
            select(ArchivePackage.subject, ArchivePackage.number, ArchivePackage.sequence)
            .join(Edition, Edition.id == ArchivePackage.subject)
            .where(Edition.id.in_({one.edition_id for one in cases.values()} - {None}))
            .order_by(ArchivePackage.sequence)
        )
        for subject, number, sequence in session.execute(made):
            packages[subject].append((number, sequence))
        found = cls(
            cases=cases,
            moves=moves,
            events=events,
            notices={one.id: one for one in session.scalars(messages)},
            issues={one.case_id: one for one in session.scalars(issues)},
            matters=matters,
            agencies={one.code: one for one in session.scalars(select(Agency).where(Agency.code.in_(codes)))},
            packages=packages,
            names=names_of(session, [event for some in events.values() for event, _ in some]),
        )
        session.expunge_all()  # all is read below, without a connection
        return found

    def found(self, ports: Ports, case_id: str, licences: Mapping[str, Gathered | VermilionError]) -> Found:
        """Raises VermilionError: UNAUTHENTICATED (`record_damaged`); UNAVAILABLE."""
        case = self.cases[case_id]
        licence = None if case.edition_id is None else licences[case.edition_id]
        if isinstance(licence, VermilionError):
            raise licence
        return Found(
            case=case,
            matter=self.matters[case.matter_code, case.matter_version],
            agency=self.agencies[case.agency_code],
            application=open_application(ports.vault, case_id, case.application),
            moves=tuple(
                (one, open_said(ports.vault, case_id, one.number, one.said)) for one in self.moves[case_id]
            ),
            events=tuple(self.events[case_id]),
            notices=self.notices,
            issue=self.issues.get(case_id),
            licence=licence,
            licence_packages=tuple(self.packages[case.edition_id]) if case.edition_id is not None else (),
            names=self.names,
        )


def _gathered(ports: Ports, of: Found) -> Gathered:
    case, matter = of.case, of.matter
    assert case.number is not None  # it was submitted
    opinions = {move.event_id: legible(said.words) for move, said in of.moves if said.words}
    events = [event for event, _ in of.events]
    closed_on = of.moves[-1][0].day
    return Gathered(
        items=tuple(item for part in PARTS for item in part(ports, of)),
        acts=tuple(act_of(event, opinions.get(event.id)) for event in events),
        agents=agents_of(of.names, events, of.agency),
        event_ids=frozenset(event.id for event in events),
        identifier=case.number,
        title=f"{matter.name[_LANGUAGE]}办件 {case.number}",
        document_number=None if of.licence is None else of.licence.document_number,
        applicant=legible(of.application.name),
        type_code=matter.result.licence_type,
        agency_code=case.agency_code,
        agency_name=of.agency.name_zh,
        matter_code=case.matter_code,
        case_number=case.number,
        completed_on=closed_on,
        lasts_to=closed_on if of.licence is None else of.licence.lasts_to,
        matter_name=matter.name[_LANGUAGE],
        accepted_on=case.accepted_on,
        retention=matter.retention,
    )


def _application(_ports: Ports, of: Found) -> Iterator[Item]:
    """Who applied, and the values of the form, as they were at the end."""
    made, contact = of.application, of.application.contact
    value = {
        "applicant": {"name": made.name, "id_type": made.id_type, "id_code": made.id_code},
        "contact": {"channel": contact.channel, "to": contact.to, "language": contact.language},
        "fields": dict(made.fields),
    }
    yield Item(
        Part.APPLICATION, "application.json", "申请（规范 JSON）", canonical_json(value), of.case.created_at
    )


def _steps(_ports: Ports, of: Found) -> Iterator[Item]:
    """Each with who, when and why, what was said, and what became of its message."""
    steps = [_step(of, move, said) for move, said in of.moves]
    yield Item(Part.PROCESS, "steps.json", "办理环节：何人、何时、依据、理由及告知", canonical_json(steps))


def _step(of: Found, move: CaseMove, said: Said) -> dict[str, Any]:
    return {
        "number": move.number,
        "action": move.action,
        "from": move.came_from,
        "to": move.led_to,
        "part": move.who,
        "person": _named(of, move.person_id),
        "client": _named(of, move.client_id),
        "operator": move.operator,
        "at": move.at.isoformat(),
        "day": move.day.isoformat(),
        "legal_basis": move.legal_basis,
        "reason": move.reason_code,
        "days": move.days,
        "words": said.words,
        "items": [{"code": one.code, "why": one.why} for one in said.items],
        "event": move.event_id,
        "told": _told(of, move.notice_id),
    }


def _named(of: Found, one: str | None) -> dict[str, str] | None:
    return None if one is None else {"id": one, "name": of.names[one][0]}


def _told(of: Found, notice_id: str | None) -> dict[str, Any] | None:
    """None: the step told nobody, or by the progress page alone."""
    if notice_id is None:
        return None
    notice = of.notices.get(notice_id)
    if notice is None:  # swept: it was handed over, or of no use any more
        return {"notice": notice_id}
    return {
        "notice": notice_id,
        "channel": notice.channel,
        "state": notice.state,
        "written_at": notice.created_at.isoformat(),
        "ended_at": None if notice.ended_at is None else notice.ended_at.isoformat(),
    }


def _case(_ports: Ports, of: Found) -> Iterator[Item]:
    """Its days, the matter by whose version it was handled, and what came of it."""
    case, matter = of.case, of.matter
    days = {
        "submitted_on": case.submitted_on, "received_on": case.received_on, "accepted_on": case.accepted_on,
        "decided_on": case.decided_on, "statutory_due": case.statutory_due,
        "committed_due": case.committed_due,
    }  # fmt: skip
    value = {
        "number": case.number,
        "state": case.state,
        "matter": {"code": matter.code, "version": case.matter_version, "name": dict(matter.name)},
        "basis": [str(one) for one in matter.basis],
        "days": {name: None if day is None else day.isoformat() for name, day in days.items()},
        "extension_days": case.extension_days,
        "licence": None if of.licence is None else _licence(of.licence, of),
        "order": None if of.issue is None else {"state": of.issue.state, "reason": of.issue.reason},
    }
    yield Item(Part.PROCESS, "case.json", "办件：事项、期限与结果", canonical_json(value))


def _licence(licence: Gathered, of: Found) -> dict[str, Any]:
    return {
        "identifier": licence.identifier,
        "number": licence.document_number,
        "packages": [{"number": number, "sequence": sequence} for number, sequence in of.licence_packages],
    }


def _events(_ports: Ports, of: Found) -> Iterator[Item]:
    yield Item(Part.PROCESS, "events.json", "办件的全部业务行为及其承诺值", committed(of.events))


def _result(_ports: Ports, of: Found) -> Iterable[Item]:
    """The licence as sealed, its record, and what proves both."""
    if of.licence is None:
        return ()
    return (one for one in of.licence.items if one.part in _OF_THE_LICENCE)


PARTS: tuple[Callable[[Ports, Found], Iterable[Item]], ...] = (
    _application,
    _case,
    _steps,
    _events,
    _result,
    lambda ports, of: material_items(ports, of.case.id),
    lambda ports, of: exchange_items(ports, of.case.id),
    lambda ports, of: joint_items(ports, of.case.id),
)
"""What is in the package of a case, each a function of what was found."""
