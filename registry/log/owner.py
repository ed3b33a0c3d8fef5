"""Whose an event is: the agency that it concerns, and whose people may read it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from registry.actor import Actor, Administrator
from registry.agencies.tables import Client, Person
from registry.archive.tables import ArchivePackage
from registry.archive.transfer_tables import ArchiveArrival, ArchiveHandover
from registry.batches.tables import Batch
from registry.console.tables import OutsideIdentity
from registry.intake.joint_tables import SubCase
from registry.intake.tables import Case
from registry.licences.tables import Intent, Licence
from registry.log.tables import Event
from registry.notices.tables import Notice
from registry.seals.tables import Approval, Key, Seal
from registry.webhooks.tables import WebhookEndpoint
from signing.codes import IDENTIFIER_ROOT

_OF_SUBJECT: dict[str, Select[Any]] = {
    "arrival": select(ArchiveArrival.agency_code),
    "batch": select(Batch.agency_code),
    "case": select(Case.agency_code),
    "client": select(Client.agency_code),
    "handover": select(ArchiveHandover.agency_code),
    "key": select(Key.agency_code),
    "notice": select(Notice.agency_code),
    "package": select(ArchivePackage.agency_code),  # of a case: it is known by a number
    "person": select(Person.agency_code),
    "seal": select(Seal.agency_code),
    "sub_case": select(SubCase.agency_code),
    "webhook": select(WebhookEndpoint.agency_code),
    "identity": select(Person.agency_code).join(OutsideIdentity, OutsideIdentity.person_id == Person.id),
    "edition": select(Licence.issuer_code).join(Intent, Intent.licence_id == Licence.id),
}
_KEYS: dict[str, Any] = {
    "arrival": ArchiveArrival.id,
    "batch": Batch.id,
    "case": Case.id,
    "client": Client.id,
    "handover": ArchiveHandover.id,
    "key": Key.id,
    "notice": Notice.id,
    "package": ArchivePackage.id,
    "person": Person.id,
    "seal": Seal.code,
    "sub_case": SubCase.id,
    "webhook": WebhookEndpoint.id,
    "identity": OutsideIdentity.id,
    "edition": Intent.id,
}


def agency_of(session: Session, event: Event, actor: Actor | Administrator | None) -> str | None:
    """The agency's code; None for what concerns the registry as a whole. An edition's stands in its
    identifier, so that most events cost nothing; of what else there is few happen. A package from elsewhere
    is its keeper's, whatever identifier it came with: of packages only those that are made here say it.
    """
    named = event.subject_kind in {"edition", "pick_up", "presentation"} or event.kind == "package.kept"
    identifier = str(event.detail.get("identifier", "")) if named else ""
    if identifier.startswith(f"{IDENTIFIER_ROOT}."):  # made here: it is in form
        return identifier.removeprefix(f"{IDENTIFIER_ROOT}.").split(".")[1]
    if event.subject_kind == "agency":
        return event.subject
    if event.subject_kind == "act":  # what was refused to somebody is theirs
        return actor.agency_code if isinstance(actor, Actor) else None
    if event.subject_kind == "approval":
        return _of_approval(session, event.subject)
    found = _OF_SUBJECT.get(event.subject_kind)
    if found is None:
        return None
    code: str | None = session.scalar(found.where(_KEYS[event.subject_kind] == event.subject))
    return code


def _of_approval(session: Session, approval_id: str) -> str | None:
    approval = session.get(Approval, approval_id)
    if approval is None:
        return None
    if approval.seal_code is None:
        return str(approval.payload["agency"])
    return session.scalar(select(Seal.agency_code).where(Seal.code == approval.seal_code))
