"""What a package of an edition is made of, from where it is kept: documents, record, events, evidence.

Read without a lock: an event that is recorded meanwhile makes the edition due again (`queue`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from cryptography import x509
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from keys.errors import VermilionError
from keys.trust_list import TrustList
from registry.agencies.tables import Agency, Client, Person
from registry.archive.contents import Act, Agent, AgentKind, Gathered, Item, Part
from registry.licences.issued import ORIGINAL, read_document
from registry.licences.outage import database_errors
from registry.licences.records import kept_record, record_text
from registry.licences.tables import Document, Edition, Intent, TypeVersion
from registry.licences.types import licence_type_of
from registry.log.rules import committed_event
from registry.log.tables import Event, Leaf
from registry.ports import Ports
from registry.seals.tables import SealEdition, SealUse
from signing.held_evidence import DocumentReader, HeldEvidence
from signing.licence_type import LicenceType, Role
from signing.record import Record

REGISTRY = Agent("registry", "电子证照登记系统", AgentKind.SOFTWARE)


def gather_editions(
    ports: Ports, edition_ids: Sequence[str], trust: TrustList, reader: DocumentReader
) -> dict[str, Gathered | VermilionError]:
    """Of each edition its material, or why it is out of reach: one keeps no other back.

    Raises VermilionError(UNAVAILABLE) without a database or a data key.
    """
    ports.vault.ready()
    with database_errors(), Session(ports.database.read) as session:
        rows = _Rows.of(session, edition_ids)
    found: dict[str, Gathered | VermilionError] = {}
    for edition_id in edition_ids:
        try:
            found[edition_id] = _gathered(ports, rows, edition_id, trust, reader)
        except VermilionError as error:
            found[edition_id] = error
    return found


@dataclass(frozen=True, slots=True)
class _Rows:
    """What the database has of some editions, by edition: asked for once for all of them."""

    editions: dict[str, Edition]
    intents: dict[str, Intent]
    documents: dict[str, list[Document]]
    events: dict[str, list[tuple[Event, Leaf]]]
    uses: dict[str, list[Any]]
    agencies: dict[str, Agency]
    names: dict[str, tuple[str, AgentKind]]  # of people and machines, by id
    types: dict[tuple[str, int], LicenceType]

    @classmethod
    def of(cls, session: Session, ids: Sequence[str]) -> _Rows:
        editions = {one.id: one for one in session.scalars(select(Edition).where(Edition.id.in_(ids)))}
        intents = {one.id: one for one in session.scalars(select(Intent).where(Intent.id.in_(ids)))}
        documents = defaultdict[str, list[Document]](list)
        stored = select(Document).where(Document.edition_id.in_(ids)).order_by(Document.registered_at)
        for document in session.scalars(stored):
            documents[document.edition_id].append(document)
        events = defaultdict[str, list[tuple[Event, Leaf]]](list)
        told = (
            select(Event, Leaf)
            .join(Leaf, Leaf.event_id == Event.id)
            .where(Event.subject_kind == "edition", Event.subject.in_(ids))
            .order_by(Event.recorded_at, Event.id)
        )
        for event, leaf in session.execute(told):
            events[event.subject].append((event, leaf))
        uses = defaultdict[str, list[Any]](list)
        used = (
            select(SealUse, SealEdition.seal_code, SealEdition.name)
            .join(SealEdition, SealEdition.id == SealUse.seal_edition_id)
            .where(SealUse.intent_id.in_(ids))
            .order_by(SealUse.intent_id, SealUse.place)
        )
        for use, *seal in session.execute(used):
            uses[use.intent_id].append((use, *seal))
        codes = {one.issuer_code for one in editions.values()}
        agencies = {one.code: one for one in session.scalars(select(Agency).where(Agency.code.in_(codes)))}
        names = names_of(session, [event for some in events.values() for event, _ in some])
        types = {
            (code, version): licence_type_of(session, code, version)
            for code in {one.type_code for one in editions.values()}
            for version in session.scalars(select(TypeVersion.version).where(TypeVersion.code == code))
        }
        session.expunge_all()  # all is read below, without a connection
        return cls(editions, intents, documents, events, uses, agencies, names, types)


def _gathered(
    ports: Ports, rows: _Rows, edition_id: str, trust: TrustList, reader: DocumentReader
) -> Gathered:
    """Raises VermilionError(UNAVAILABLE)."""
    edition, intent = rows.editions[edition_id], rows.intents[edition_id]
    told, agency = rows.events[edition_id], rows.agencies[edition.issuer_code]
    record = kept_record(ports.vault, edition_id, intent.record)
    licence_type = rows.types[record.type_code, record.type_version]
    forms = [
        (one, read_document(ports.documents, one.store_key, one.sha256)) for one in rows.documents[edition_id]
    ]
    forms.sort(key=lambda form: form[0].kind != ORIGINAL)  # stable: the others as they were registered
    holder = licence_type.field(Role.HOLDER_NAME)
    name = None if holder is None else record.fields.get(holder.name)
    text = record_text(record).encode()
    items = [
        *_documents(forms),
        Item(Part.RECORD, "record.json", "证照数据（规范 JSON）", text, intent.created_at),
        Item(Part.PROCESS, "events.json", "证照的全部业务行为及其承诺值", committed(told)),
        Item(Part.PROCESS, "seal-uses.json", "用印记录", _uses(rows.uses[edition_id])),
        *_evidence(reader.evidence(edition.type_code, forms[-1][1]), trust),
    ]
    return Gathered(
        items=tuple(items),
        acts=tuple(act_of(event) for event, _ in told),
        agents=agents_of(rows.names, [event for event, _ in told], agency),
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
        completed_on=edition.issue_date,
        lasts_to=edition.valid_to,
    )


def names_of(session: Session, events: Sequence[Event]) -> dict[str, tuple[str, AgentKind]]:
    """What the people and machines are called that brought events about, by id."""
    people = {one.person_id for one in events if one.person_id is not None}
    machines = {one.client_id for one in events if one.client_id is not None}
    persons = session.execute(select(Person.id, Person.name).where(Person.id.in_(people)))
    clients = session.execute(select(Client.id, Client.name).where(Client.id.in_(machines)))
    names = {one: (name, AgentKind.PERSON) for one, name in persons}
    return names | {one: (name, AgentKind.SOFTWARE) for one, name in clients}


def _title(record: Record, type_name: str) -> str:
    edition = f"（第{record.edition}版）" if record.edition > 1 else ""
    return f"{type_name} {record.number}{edition}"


def _documents(forms: Sequence[tuple[Document, bytes]]) -> Iterator[Item]:
    for number, (row, data) in enumerate(forms):
        name, title = ("licence.pdf", "加盖电子印章的证照原件") if number == 0 else (
            f"licence-{number}.pdf", f"证照文件，附加时间戳（{row.level}）"
        )  # fmt: skip
        yield Item(Part.DOCUMENTS, name, title, data, row.registered_at)


def committed(told: Sequence[Any]) -> bytes:
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


@lru_cache(maxsize=1024)
def _subject(der: bytes) -> str:
    return x509.load_der_x509_certificate(der).subject.rfc4514_string()


def act_of(event: Event, opinion: str | None = None) -> Act:
    """An event as an act of whoever brought it about."""
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
        opinion=opinion,
    )


def _operator(event: Event) -> str:
    return f"{event.client_id}/{event.operator}"


def agents_of(
    names: Mapping[str, tuple[str, AgentKind]], events: Sequence[Event], agency: Agency
) -> tuple[Agent, ...]:
    """Everybody whom the acts name, each once."""
    found = {REGISTRY.id: REGISTRY, agency.code: Agent(agency.code, agency.name_zh, AgentKind.ORGANIZATION)}
    for event in events:
        for one in (event.person_id, event.client_id):
            if one is not None:
                found[one] = Agent(one, *names[one])
        if event.operator and event.client_id is not None:
            operator = _operator(event)
            found[operator] = Agent(operator, event.operator, AgentKind.PERSON)
    return tuple(found.values())
