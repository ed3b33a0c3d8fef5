"""What a package of an edition is made of, from where it is kept: documents, record, events, evidence.

Read without a lock: an event that is recorded meanwhile makes the edition due again (`queue`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.trust_list import TrustList
from registry.agencies.tables import Agency, Client, Person
from registry.archive.contents import Act, Agent, AgentKind, Item, Part
from registry.licences.issued import ORIGINAL, read_document
from registry.licences.outage import database_errors
from registry.licences.records import kept_record, record_text
from registry.licences.tables import Document, Edition, Intent
from registry.licences.types import licence_type_of
from registry.log.rules import committed_event
from registry.log.tables import Event, Leaf
from registry.ports import Ports
from registry.seals.tables import SealEdition, SealUse
from signing.held_evidence import HeldEvidence, held_evidence
from signing.licence_type import Role
from signing.record import Record

REGISTRY = Agent("registry", "电子证照登记系统", AgentKind.SOFTWARE)


@dataclass(frozen=True, slots=True)
class Gathered:
    """Items, acts and agents of one edition, and what its description says."""

    items: tuple[Item, ...]
    acts: tuple[Act, ...]
    agents: tuple[Agent, ...]
    event_ids: frozenset[str]
    identifier: str
    title: str
    document_number: str
    applicant: str | None
    type_code: str
    agency_code: str
    agency_name: str
    matter_code: str
    case_number: str
    issued_on: date
    valid_to: date | None
    documents: tuple[bytes, ...]  # the sealed forms, the original first


def gather_edition(ports: Ports, edition_id: str, trust: TrustList) -> Gathered:
    """Raises VermilionError(UNAVAILABLE) where something of it is out of reach."""
    with database_errors(), Session(ports.database.read) as session:
        edition = session.get_one(Edition, edition_id)
        intent = session.get_one(Intent, edition_id)
        documents = session.scalars(
            select(Document).where(Document.edition_id == edition_id).order_by(Document.registered_at)
        ).all()
        told = session.execute(
            select(Event, Leaf)
            .join(Leaf, Leaf.event_id == Event.id)
            .where(Event.subject_kind == "edition", Event.subject == edition_id)
            .order_by(Event.recorded_at, Event.id)
        ).all()
        uses = session.execute(
            select(SealUse, SealEdition.seal_code, SealEdition.name)
            .join(SealEdition, SealEdition.id == SealUse.seal_edition_id)
            .where(SealUse.intent_id == edition_id)
            .order_by(SealUse.place)
        ).all()
        agency = session.get_one(Agency, edition.issuer_code)
        agents = _agents(session, [event for event, _ in told], agency)
        record = kept_record(ports.vault, edition_id, intent.record)
        licence_type = licence_type_of(session, record.type_code, record.type_version)
        session.expunge_all()
    forms = [(one, read_document(ports.documents, one.store_key, one.sha256)) for one in documents]
    forms.sort(key=lambda form: form[0].kind != ORIGINAL)  # stable: the others as they were registered
    holder = licence_type.field(Role.HOLDER_NAME)
    name = None if holder is None else record.fields.get(holder.name)
    text = record_text(record).encode()
    items = [
        *_documents(forms),
        Item(Part.RECORD, "record.json", "证照数据（规范 JSON）", text, intent.created_at),
        Item(Part.PROCESS, "events.json", "证照的全部业务行为及其承诺值", _events(told)),
        Item(Part.PROCESS, "seal-uses.json", "用印记录", _uses(uses)),
        *_evidence(held_evidence(forms[-1][1]), trust),
    ]
    return Gathered(
        items=tuple(items),
        acts=tuple(_act(event) for event, _ in told),
        agents=agents,
        event_ids=frozenset(event.id for event, _ in told),
        identifier=edition.identifier,
        title=_title(record, licence_type.name["zh"]),
        document_number=record.number,
        applicant=None if name is None else str(name),
        type_code=edition.type_code,
        agency_code=agency.code,
        agency_name=agency.name_zh,
        matter_code=intent.matter_code,
        case_number=intent.case_number,
        issued_on=edition.issue_date,
        valid_to=edition.valid_to,
        documents=tuple(data for _, data in forms),
    )


def _title(record: Record, type_name: str) -> str:
    edition = f"（第{record.edition}版）" if record.edition > 1 else ""
    return f"{type_name} {record.number}{edition}"


def _documents(forms: Sequence[tuple[Document, bytes]]) -> Iterator[Item]:
    for number, (row, data) in enumerate(forms):
        name, title = ("licence.pdf", "加盖电子印章的证照原件") if number == 0 else (
            f"licence-{number}.pdf", f"证照文件，附加时间戳（{row.level}）"
        )  # fmt: skip
        yield Item(Part.DOCUMENTS, name, title, data, row.registered_at)


def _events(told: Sequence[Any]) -> bytes:
    """Each with the salt and the leaf that commit to it: anybody can check what the log says of it."""
    return canonical_json(
        [
            {"event": committed_event(event), "salt": leaf.salt.hex(), "leaf": leaf.data.decode()}
            for event, leaf in told
        ]
    )


def _uses(uses: Sequence[Any]) -> bytes:
    return canonical_json(
        [
            {
                "place": use.place,
                "seal": seal_code,
                "seal_name": name,
                "seal_edition": use.seal_edition_id,
                "authorisation": use.authorisation_id,
                "state": use.state,
                "document": None if use.document_sha256 is None else use.document_sha256.hex(),
                "begun_at": use.begun_at.isoformat(),
                "ended_at": None if use.ended_at is None else use.ended_at.isoformat(),
            }
            for use, seal_code, name in uses
        ]
    )


def _evidence(held: HeldEvidence, trust: TrustList) -> Iterator[Item]:
    """The chain up to its root, and what was said of it, each by itself as any tool reads it."""
    for number, der in enumerate(dict.fromkeys((*held.certificates, *trust.roots)), 1):
        yield Item(Part.EVIDENCE, f"certificate-{number}.cer", f"证书：{_subject(der)}", der)
    for folder, ending, title, found in (
        ("list", "crl", "证书吊销列表", held.crls),
        ("response", "ors", "证书状态响应（OCSP）", held.ocsps),
        ("time-stamp", "tst", "时间戳", held.tokens),
    ):
        for number, der in enumerate(found, 1):
            yield Item(Part.EVIDENCE, f"{folder}-{number}.{ending}", f"{title} {number}", der)


def _subject(der: bytes) -> str:
    return x509.load_der_x509_certificate(der).subject.rfc4514_string()


def _act(event: Event) -> Act:
    by = [event.person_id, event.client_id]
    if event.operator and event.client_id is not None:
        by.append(_operator(event))
    return Act(
        id=event.id,
        kind=event.kind,
        at=event.recorded_at,
        effective_from=event.effective_from,
        legal_basis=event.legal_basis,
        reason=event.reason_code,
        agents=tuple(one for one in by if one is not None) or (REGISTRY.id,),
    )


def _operator(event: Event) -> str:
    return f"{event.client_id}/{event.operator}"


def _agents(session: Session, events: Sequence[Event], agency: Agency) -> tuple[Agent, ...]:
    people = {one.person_id for one in events if one.person_id is not None}
    clients = {one.client_id for one in events if one.client_id is not None}
    operators = {_operator(one): one.operator for one in events if one.operator and one.client_id is not None}
    persons = session.execute(select(Person.id, Person.name).where(Person.id.in_(people)))
    machines = session.execute(select(Client.id, Client.name).where(Client.id.in_(clients)))
    return (
        REGISTRY,
        Agent(agency.code, agency.name_zh, AgentKind.ORGANIZATION),
        *(Agent(one, name, AgentKind.PERSON) for one, name in persons),
        *(Agent(one, name, AgentKind.SOFTWARE) for one, name in machines),
        *(Agent(one, name, AgentKind.PERSON) for one, name in operators.items()),
    )
