"""Issuing: write the intent, sign, commit; never the other way round (design, section 4)."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Actor
from registry.documents import document_key
from registry.licences.duties import require_officer
from registry.licences.examine import Examined, IssueRequest, civil_day, examine
from registry.licences.idempotency import request_mac, serialise_key, served_before
from registry.licences.issued import Issued, read_issued
from registry.licences.outage import database_errors
from registry.licences.printing import (
    draw_printout,
    printout_of,
    seal_drawn,
    sign_credential,
    unsigned_credential,
)
from registry.licences.register import abandon, register, sealed_as
from registry.licences.reserve import FIRST_FENCE, Reserved, Setting, reserve
from registry.licences.room import require_room
from registry.licences.tables import Intent
from registry.licences.trust import require_recognised, trust_now
from registry.ports import Ports
from signing.credential import qr_text
from signing.document import SealedDocument
from signing.record import Printout, Record
from signing.strict_check import FileEvidence, strict_check

__all__ = ["IssueRequest", "Issued", "Preview", "issue"]


@dataclass(frozen=True, slots=True)
class Preview:
    """What a dry run would have issued. Identifier, slot, link and code would be drawn anew."""

    record: Record
    seal_code: str


def issue(
    ports: Ports,
    actor: Actor,
    request: IssueRequest,
    idempotency_key: str,
    body_sha256: bytes,
    *,
    dry_run: bool = False,
) -> Issued | Preview:
    """Issue a licence, or say what would be issued.

    The same key and body again give the same sealed bytes (`replayed`). A dry run checks, reserves, draws
    and rolls back; it touches no key, custodian or store, and ignores the idempotency key. What can be
    refused by reading is refused without a transaction that writes.

    Raises VermilionError: INVALID with faults; FORBIDDEN (`role`, `type_not_entitled`, `seal_unknown`,
    `not_authorised`); CONFLICT (`number_taken`, the seal's state, or a state that changed while sealing);
    IDEMPOTENCY_REUSED; IN_PROGRESS; KEY_REFUSED; UNAVAILABLE. After any of them nothing is half done: the
    intent is abandoned, here or by recovery once its lease lapses.
    """
    require_officer(actor)
    actor = replace(actor, operator=request.operator)
    ports.vault.ready()
    if dry_run:
        with database_errors():
            return _preview(ports, actor, request)
    intent_id = ports.random(16).hex()
    mac = request_mac(ports.vault, body_sha256)
    reserved = _reserve(ports, actor, request, idempotency_key, mac, intent_id)
    if isinstance(reserved, str):
        return read_issued(ports, reserved, replayed=True)
    try:
        with database_errors():
            return _seal_and_register(ports, actor, reserved)
    except Exception as error:
        if _settle(ports, intent_id, actor, error):
            return read_issued(ports, intent_id, replayed=False)
        raise


def _setting(ports: Ports) -> Setting:
    now = ports.clock()
    settings = ports.settings
    day = civil_day(now, settings.tz)
    return Setting(now, day, settings.lease, settings.public_origin, ports.vault, ports.random)


def _examine(ports: Ports, actor: Actor, request: IssueRequest) -> Examined:
    day = civil_day(ports.clock(), ports.settings.tz)
    with Session(ports.database.read) as session:
        examined = examine(session, actor, request, day, ports.fonts)
    require_room(ports, examined, actor.agency_code)
    return examined


def _reserve(
    ports: Ports,
    actor: Actor,
    request: IssueRequest,
    idempotency_key: str,
    mac: bytes,
    intent_id: str,
) -> Reserved | str:
    """What was reserved, or the id of the edition that this very request made before."""

    def served(session: Session) -> str | None:
        return served_before(session, actor.client_id, idempotency_key, mac, ports.clock())

    with database_errors():
        with Session(ports.database.read) as session:
            before = served(session)
        if before is not None:
            return before
        examined = _examine(ports, actor, request)
    try:
        with database_errors(), ports.database.transaction() as session:
            serialise_key(session, actor.client_id, idempotency_key)
            return served(session) or reserve(
                session,
                actor,
                request,
                examined,
                _setting(ports),
                intent_id=intent_id,
                idempotency=(idempotency_key, mac),
            )
    except Exception as error:
        if not isinstance(error, VermilionError) or error.kind is Kind.UNAVAILABLE:
            _settle(ports, intent_id, actor, error)  # it may have committed; a refusal rolled back
        raise


def _seal_and_register(ports: Ports, actor: Actor, reserved: Reserved) -> Issued:
    printout, document, evidence = _print_and_seal(ports, reserved)
    ports.documents.put_new(document_key(reserved.intent_id), document.data)
    sealed = sealed_as(document.data, evidence, printout.credential)
    with ports.database.transaction() as session:
        register(session, ports, reserved.intent_id, reserved.fence, sealed, actor)
    return Issued(
        edition_id=reserved.intent_id,
        printout=printout,
        link=qr_text(printout.link, printout.credential),
        sha256=sealed.sha256,
        size=sealed.size,
        level=sealed.level,
        status="in_force",
        replayed=False,
    )


def _print_and_seal(ports: Ports, reserved: Reserved) -> tuple[Printout, SealedDocument, FileEvidence]:
    printout = printout_of(reserved, sign_credential(ports, reserved))
    sealed = seal_drawn(ports, reserved, draw_printout(ports, reserved, printout))
    return printout, sealed, _check_own_work(ports, printout, sealed)


def _check_own_work(ports: Ports, printout: Printout, sealed: SealedDocument) -> FileEvidence:
    """Nothing is registered that a relying party's check of the file or of its code would refuse.

    Raises VermilionError(UNAVAILABLE) where only the trust list is behind; else that is our defect.
    """
    trust, now = trust_now(ports), ports.clock()
    try:
        evidence = strict_check(sealed.data, trust, at=now)
    except VermilionError as error:
        if error.kind is Kind.UNAVAILABLE:
            raise
        raise RuntimeError(f"the sealed document does not pass our own check: {error.reason}") from error
    require_recognised(evidence, printout, trust, now)
    return evidence


def _preview(ports: Ports, actor: Actor, request: IssueRequest) -> Preview:
    examined = _examine(ports, actor, request)
    with Session(ports.database.write) as session, session.begin() as transaction:
        reserved = reserve(
            session,
            actor,
            request,
            examined,
            _setting(ports),
            intent_id=ports.random(16).hex(),
            idempotency=None,
        )
        transaction.rollback()
    credential = unsigned_credential(
        reserved.record, examined.loaded.type, reserved.origin, reserved.link_id, reserved.qr.suite
    )
    draw_printout(ports, reserved, printout_of(reserved, credential))
    return Preview(reserved.record, request.seal_code)


def _settle(ports: Ports, intent_id: str, actor: Actor, error: Exception) -> bool:
    """After a failure: abandon what is open. True if the licence was registered after all.

    A commit may have happened although its answer was lost. What cannot be settled now, recovery will.
    """
    reason = error.reason if isinstance(error, VermilionError) else "defect"
    with contextlib.suppress(VermilionError), database_errors():
        with ports.database.transaction() as session:
            if abandon(session, ports, intent_id, FIRST_FENCE, reason, actor):
                return False
        with Session(ports.database.read) as session:
            return session.scalar(select(Intent.state).where(Intent.id == intent_id)) == "done"
    return False
