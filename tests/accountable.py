"""Whoever changes something answers for it. Held over whatever a test does with its world: no transaction changes
a state without an event beside it, and each event says by whom it is, through which client, on what ground and
for which reason.

Each table stands below once: by what of it is a state that somebody answers for, or by why nothing of it is. A new
one stands nowhere, which fails a test until somebody has thought about it. So does a new kind of event.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Flag, auto
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

from sqlalchemy import Connection, Engine, event, not_, or_, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from registry.agencies.tables import Person
from registry.database import Database
from registry.log.tables import Event

ROW = "*"
"""That there is such a row, or no longer is."""

STATES: Mapping[str, frozenset[str]] = {
    table: frozenset(columns.split())
    for table, columns in {
        "archive_handover": "* state",
        "archive_handover_item": "state",
        "archive_disposal": "* state",
        "archive_disposal_item": "* state",
        "archive_hold": "* released_at",
        "archive_retention": "* retention",
        "archive_tombstone": "* disposed_at",
        "agency": "* name_zh name_en division seal_authority",
        "annotated_copy": "* withdrawn_on withdrawn_at",
        "approval": "* payload state",
        "assertion_key": "*",
        "batch": "state",
        "case_form": "* confirmed_at signed_version",
        "case_issue": "* state",
        "case_material": "state",
        "case_move": "*",
        "case_retrieval": "state",
        "certificate": "state",
        "certificate_status": "*",
        "certification_request": "der",
        "connector": "*",
        "connector_secret": "*",
        "client": "* agency_code name scopes secret_sha256 certificate_required console public_form active",
        "client_type": "*",
        "data_key": "* wrapped",
        "document": "*",
        "edition": "* status ground how since suspended_until removed_on",
        "enrolment": "* state",
        "founding": "*",
        "intake_case": "* state accepted_on decided_on extension_days edition_id",
        "intent": "state",
        "invitation": "* state",
        "key": "state",
        "holiday_notice": "*",
        "listed_matter": "*",
        "local_account": "* name password totp_secret",
        "matter": "*",
        "matter_list": "*",
        "outside_authority": "* withdrawn_at",
        "outside_identity": "* active",
        "passkey": "* credential_id public_key",
        "person": "* agency_code name duty roles active",
        "pick_up": "* state",
        "presentation": "* until",
        "scheduled_change": "* state",
        "published_result": "*",
        "seal": "* kind name state compromised_since",
        "seal_edition": "* state in_use_from ended_at sealed_away_at",
        "seal_state": "*",
        "source_error": "* state",
        "standing_authorisation": "* valid_from valid_to daily_limit withdrawn_at",
        "sub_case": "* state opinion",
        "sub_case_move": "*",
        "type_version": "* type_toml face_pdf state",
        "verification_task": "* state",
        "verifier": "* name key_sha256 per_minute per_day active",
        "webhook_endpoint": "* url events types state",
        "webhook_secret": "*",
    }.items()
}

RECORDED_ELSEWHERE: Mapping[tuple[str, str], str] = {
    (
        "data_key",
        "registry/vault.py:renew",
    ): "ordered by an event before it: a key that wraps is made in between",
    (
        "batch",
        "registry/batches/receive.py:_commit",
    ): "it came: nothing of it is issued before `batch.accepted`",
    ("batch", "registry/batches/receive.py:set_aside"): "it never came whole, and nobody was told of it",
    ("batch", "registry/batches/work.py:_end_check"): "refused, or checked alone: nothing is issued",
    (
        "case_retrieval",
        "registry/intake/retrieving.py:_take",
    ): "dropped: the case was decided, by an event of its own",
    (
        "case_material",
        "registry/intake/material_sweep.py:_erased",
    ): "it was never kept, or its draft has lapsed, which an event says",
    (
        "case_material",
        "registry/intake/material_sweep.py:_given_up",
    ): "the same, a moment before",
    ("pick_up", "registry/delivery/rules.py:sweep"): "removed when it was over long ago",
    ("presentation", "registry/licences/presentations.py:sweep"): "as of a pick-up link",
}
"""Where a state changes without an event beside it: by what function, and where it is told of."""

_LEDGER = "is itself a record of what was done, and by whom"
_OF_EVENT = "written with what an event tells of: "
_WORKING = "how far the registry's own work is"
_PASSING = "of use for minutes, to whoever proved who they are"
_COUNT = "a count"
_DERIVED = "derived from what is on record, and made anew at any time"

NO_STATES: Mapping[str, str] = {
    "access_token": _PASSING,
    "application_link": "lets whoever has it see and change one application, each change an event; the rest lapses",
    "application_picture": _OF_EVENT + "an application",
    "archive_arrival": "kept or refused by an event; before that how far the registry's own work is",
    "archive_audit": _WORKING,
    "archive_check": _LEDGER,
    "archive_claim": _WORKING,
    "archive_copy": "what is found in a store: a loss and a repair are events",
    "archive_digest": _LEDGER,
    "archive_drill": _LEDGER,
    "archive_erasure": _WORKING,
    "archive_evidence": _LEDGER,
    "archive_figure": _DERIVED,
    "archive_night": _LEDGER,
    "archive_night_stamp": _LEDGER,
    "archive_renewal": _LEDGER,
    "archive_statement": _LEDGER,
    "archive_due": _WORKING,
    "archive_package": "kept by an event; before that how far the registry's own work is",
    "archive_serial": _COUNT,
    "attempt_bucket": _COUNT,
    "authorisation_day": _COUNT,
    "batch_item": _WORKING,
    "ceremony": _LEDGER,
    "certificate_authority": _OF_EVENT + "a certified key",
    "check_figure": _COUNT,
    "closed_day": _WORKING,
    "co_seal": _OF_EVENT + "an issue",
    "console_session": "begun, proved and ended by events; half of one proves nothing, and the rest lapses",
    "copy_order": _OF_EVENT + "a copy that is made",
    "day_anchor": _LEDGER,
    "document_stamp": _WORKING,
    "event": _LEDGER,
    "figure": _COUNT,
    "holding": _OF_EVENT + "an issue or an end",
    "result_matter": _COUNT,
    "idempotency_key": _OF_EVENT + "an issue",
    "kept_answer": _OF_EVENT + "a change",
    "key_use": _LEDGER,
    "key_use_block": _LEDGER,
    "leaf": _LEDGER,
    "licence": _OF_EVENT + "an issue",
    "licence_use": _LEDGER,
    "matter_gram": _OF_EVENT + "a list that is imported",
    "notice": "what happens is the sending; to send again is an event",
    "number": _OF_EVENT + "an issue",
    "outside_certificate": _OF_EVENT + "a seal that was made",
    "outside_evidence": _LEDGER,
    "outside_status": "what an authority outside has said; what came of it here is an event",
    "published_trust_list": _DERIVED,
    "revocation_list": _DERIVED,
    "seal_edition_draft": _OF_EVENT + "a seal that was made",
    "seal_use": _LEDGER,
    "status_change": _WORKING,
    "status_index": _OF_EVENT + "an issue",
    "status_list": _DERIVED,
    "status_list_token": _DERIVED,
    "succession": _OF_EVENT + "a next edition",
    "time_stamp": _LEDGER,
    "trust_list_draft": _DERIVED,
    "uncounted": _WORKING,
    "used_assertion": _PASSING,
    "used_challenge": _PASSING,
    "webhook_delivery": "what happens is the sending; to send again is an event",
}


class By(Flag):
    """Who brings an event about, as it says itself."""

    ADMINISTRATOR = auto()  # a person with a duty, through no client
    PERSON = auto()  # of an agency, through a client of theirs
    OPERATOR = auto()  # an agency's own system, which names its operator
    CLIENT = auto()  # an agency's own system, which names nobody
    NOBODY = auto()


_AGENCY = By.PERSON | By.OPERATOR
KINDS: Mapping[str, By] = {
    f"{about}.{what}": by
    for about, by, done in (
        ("licence", _AGENCY, "issued replaced suspended resumed lifted ended removed inspected scheduled"),
        (
            "licence",
            _AGENCY,
            "change_withdrawn change_dropped abandoned copied copy_withdrawn copy_abandoned presented",
        ),
        ("licence", By.NOBODY, "time_stamped archive_stamped scanned_often"),
        ("package", By.NOBODY, "kept copy_lost copy_repaired restored erasing disposed"),
        ("package", By.ADMINISTRATOR, "held released"),
        ("retention", By.ADMINISTRATOR, "decided"),
        ("disposal", By.ADMINISTRATOR, "asked approved refused"),
        ("disposal", By.NOBODY, "left_out done"),
        ("package", By.NOBODY, "kept copy_lost copy_repaired restored"),
        ("package", By.ADMINISTRATOR, "received returned handed_over"),
        ("handover", By.ADMINISTRATOR, "made answered withdrawn received"),
        ("batch", _AGENCY, "accepted cancelled done"),
        (
            "case",
            _AGENCY,
            "drafted redrawn submitted received correction_asked corrected accepted not_accepted",
        ),
        ("case", _AGENCY, "returned begun resumed withdrawn"),
        ("case", _AGENCY, "material_added form_made form_confirmed form_signed"),
        ("case", By.PERSON, "suspended extended permitted refused terminated issue_ordered"),
        ("case", By.NOBODY, "finished archived issue_refused recounted"),
        ("case", By.NOBODY, "retrieved not_retrieved retrieval_out task_opened"),
        ("case", By.NOBODY, "error_acknowledged error_corrected error_lapsed"),
        ("case", _AGENCY, "retrieval_asked task_corrected task_confirmed task_refused error_declined"),
        ("connector", By.ADMINISTRATOR, "imported secret_set"),
        ("case", By.NOBODY, "finished archived issue_refused recounted lapsed"),
        ("sub_case", By.NOBODY, "opened closed recounted"),
        ("sub_case", _AGENCY, "begun"),
        ("sub_case", By.PERSON, "opinion_given opinion_missed"),
        ("pick_up", _AGENCY, "offered withdrawn"),
        ("pick_up", By.NOBODY, "taken"),
        ("webhook", _AGENCY, "registered secret_rotated enabled"),
        ("webhook", _AGENCY | By.ADMINISTRATOR, "disabled redelivered"),
        ("notice", By.ADMINISTRATOR, "redelivered"),
        (
            "seal",
            By.PERSON,
            "applied approved refused made filed active suspended resumption_requested resumed",
        ),
        (
            "seal",
            By.PERSON,
            "cancellation_requested cancelled compromise_requested compromised change_refused",
        ),
        ("seal", By.PERSON, "renewal_applied renewal_approved change_applied change_approved sealed_away"),
        ("seal", By.PERSON, "edition_made edition_filed edition_in_use edition_ended edition_dropped"),
        ("seal", By.PERSON, "certificate_requested authorised authorisation_withdrawn"),
        ("certificate", By.PERSON | By.ADMINISTRATOR, "held released revoked compromised"),
        ("key", By.PERSON | By.ADMINISTRATOR, "certified retired compromised"),
        ("data_keys", By.ADMINISTRATOR, "renewal"),
        ("agency", By.ADMINISTRATOR, "added"),
        ("person", By.ADMINISTRATOR, "added roles enabled disabled"),
        ("administrator", By.ADMINISTRATOR, "added"),
        ("administrator", By.NOBODY, "founded recovered"),
        ("client", By.ADMINISTRATOR, "added entitled enabled disabled"),
        ("verifier", By.ADMINISTRATOR, "added enabled disabled"),
        ("enrolment", By.ADMINISTRATOR, "approved refused"),
        ("identity", By.ADMINISTRATOR, "added disabled"),
        ("invitation", By.ADMINISTRATOR, "made released"),
        ("authenticators", By.PERSON | By.ADMINISTRATOR, "set"),
        ("passkey", By.PERSON | By.ADMINISTRATOR, "added removed"),
        ("session", By.PERSON | By.ADMINISTRATOR, "begun proved ended"),
        ("sign_in", By.NOBODY, "refused"),
        ("act", By.PERSON | By.ADMINISTRATOR | By.OPERATOR | By.CLIENT, "refused"),
        ("audit", By.ADMINISTRATOR, "read"),
        ("type", By.ADMINISTRATOR, "imported published withdrawn"),
        ("matter_list", By.ADMINISTRATOR, "imported"),
        ("holiday_notice", By.ADMINISTRATOR, "imported"),
        ("outside_ca", By.ADMINISTRATOR, "added withdrawn"),
    )
    for what in done.split()
}
"""Every kind of event, and who may have brought it about."""

BY_NOBODY: Mapping[str, str] = {
    "administrator.founded": "on the machine, before there is anybody",
    "administrator.recovered": "as a founding",
    "person.disabled": "as a founding: who held the duty before",
    "batch.cancelled": "whose it is may no longer issue",
    "batch.accepted": "when its lines are checked",
    "batch.done": "when its lines are issued",
    "case.received": "when nobody has told for five days what is missing",
    "case.accepted": "as the one before: silence counts as acceptance",
    "case.finished": "when its licence is issued, or nothing of it is left to be made",
    "case.archived": "when it is archived",
    "case.recounted": "when a notice of holidays was put on record",
    "case.retrieved": "by the registry's own work, which the submission has ordered",
    "case.not_retrieved": "as the one before",
    "case.retrieval_out": "as the one before",
    "case.task_opened": "as the one before: what was retrieved differs from the application",
    "case.error_acknowledged": "by the source, which has no credential",
    "case.error_corrected": "when its licence is corrected, by an event of its own",
    "case.error_lapsed": "when its licence has ended, by an event of its own",
    "case.lapsed": "when nobody went on with the draft for as long as the setting says",
    "sub_case.opened": "when the case is accepted",
    "sub_case.closed": "when the case ends before the opinion is there",
    "sub_case.recounted": "as of a case",
    "case.issue_refused": "when the rules of issuing refuse its licence",
    "certificate.held": "its authority outside says so",
    "certificate.released": "its authority outside says so",
    "certificate.revoked": "its authority outside says so; a ceremony",
    "certificate.compromised": "its authority outside says so",
    "key.certified": "a first start, a renewal in time, a ceremony",
    "key.retired": "a renewal in time, a ceremony",
    "key.compromised": "a ceremony",
    "seal.suspended": "the authority outside of its certificate says so",
    "licence.copy_abandoned": "as of a licence",
    "licence.abandoned": "nobody came back to it: its lease lapsed",
    "licence.time_stamped": "by the registry's own work",
    "licence.archive_stamped": "by the registry's own work",
    "licence.scanned_often": "by whoever scans it: nobody knows who",
    "package.kept": "by the registry's own work",
    "package.copy_lost": "by the registry's own work",
    "package.copy_repaired": "by the registry's own work",
    "package.erasing": "when an approved disposal is carried out",
    "package.disposed": "as the one before, when no store has it any more",
    "disposal.left_out": "as the one before, where something forbids it by then",
    "disposal.done": "as the one before, when nothing of a list is left",
    "package.restored": "on the machine, by whoever has the stores",
    "pick_up.taken": "by the holder, who has no credential",
    "webhook.disabled": "its receiver is gone, or took nothing for days",
    "sign_in.refused": "nobody proved who they are",
}
"""What happens without anybody's act, and why."""

MADE_UP = ("filler.", "late.")
"""How kinds begin of events that tests write past every rule, to have many."""

_SOURCES = Path(__file__).parents[1]
_PLUMBING = {"database.py", "driver_select.py", "rows.py"}
_WRITE = re.compile(r"\s*(INSERT INTO|UPDATE|DELETE FROM) (\w+)(.*)", re.DOTALL)
_SET = re.compile(r"(\w+)\s*=")
_RECORDED, _SAVEPOINT = ("event", ""), ("", "")
_REASON = re.compile(r"[a-z0-9_.-]{1,40}")


@cache
def states_of(statement: str) -> tuple[str, frozenset[str]]:
    """The table that a statement writes, and which states of it."""
    found = _WRITE.match(statement)
    if found is None:
        return "", frozenset()
    verb, table, rest = found.groups()
    held = STATES.get(table, frozenset())
    changed = set(_SET.findall(rest.partition(" WHERE ")[0])) if verb == "UPDATE" else {ROW}
    return table, held & changed


@dataclass(eq=False)
class Watch:
    """What transactions changed without an event. `writer` tells whose a statement is, by its stack."""

    writer: Callable[[FrameType], str]
    unrecorded: list[str] = field(default_factory=list)

    def listen(self, engine: Engine) -> None:
        for name, hear in (
            ("begin", self.begun),
            ("after_cursor_execute", self.written),
            ("savepoint", self.saved),
            ("release_savepoint", self.released),
            ("rollback_savepoint", self.rolled_back_to),
            ("commit", self.committed),
        ):
            event.listen(engine, name, hear)

    def begun(self, connection: Connection) -> None:
        connection.info[self] = []

    def written(
        self,
        connection: Connection,
        cursor: Any,
        statement: str,
        _parameters: Any,
        _context: Any,
        _many: bool,
    ) -> None:
        table, states = states_of(statement)
        written = connection.info.get(self)
        if written is None or cursor.rowcount == 0:
            return
        if table == "event":
            written.append(_RECORDED)
        elif states and (by := self.writer(sys._getframe(1))):
            written.extend((f"{table}.{state}", by) for state in states)

    def saved(self, connection: Connection, _name: str | None) -> None:
        connection.info[self].append(_SAVEPOINT)

    def released(self, connection: Connection, _name: str, _context: Any) -> None:
        written = connection.info[self]
        del written[_last(written)]

    def rolled_back_to(self, connection: Connection, _name: str, _context: Any) -> None:
        written = connection.info[self]
        del written[_last(written) :]

    def committed(self, connection: Connection) -> None:
        written = connection.info.pop(self, [])
        if _RECORDED not in written:
            self.unrecorded += [
                f"{state} by {by}"
                for state, by in written
                if by and (state.partition(".")[0], by) not in RECORDED_ELSEWHERE
            ]


def _last(written: list[tuple[str, str]]) -> int:
    return len(written) - 1 - written[::-1].index(_SAVEPOINT)


def writer(called: FrameType) -> str:
    """The registry's function that writes; nothing where a test does so itself, to see what comes of it."""
    frame: FrameType | None = called
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_SOURCES) and path != Path(__file__):
            inside = path.relative_to(_SOURCES)
            if inside.parts[0] == "tests":
                return ""
            if inside.parts[0] == "registry" and inside.name not in _PLUMBING:
                return f"{inside}:{frame.f_code.co_name}"
        frame = frame.f_back
    return ""


def unanswered(session: Session) -> list[str]:
    """What is wrong with each event that does not say who, through which client, on what ground or why."""
    wanted = select(Event, Person.duty).outerjoin(Person, Person.id == Event.person_id)
    wanted = wanted.where(not_(or_(*(Event.kind.startswith(one) for one in MADE_UP))))
    return [
        f"{row.kind}: {fault}"
        for row, duty in session.execute(wanted.order_by(Event.recorded_at, Event.id))
        for fault in _faults(row, duty)
    ]


def _faults(row: Event, duty: str | None) -> Iterator[str]:
    if not row.legal_basis.strip():
        yield "no ground"
    if not _REASON.fullmatch(row.reason_code):
        yield f"no reason, but {row.reason_code!r}"
    if row.kind not in KINDS:
        yield "no kind that is known"
        return
    by = _by(row, duty)
    if by is None:
        yield "a client where there should be none, or none where there should be one"
    elif by is By.NOBODY:
        if row.kind not in BY_NOBODY:
            yield "nobody has done it"
    elif by not in KINDS[row.kind]:
        yield f"by {by.name}"


def _by(row: Event, duty: str | None) -> By | None:
    if row.person_id is not None:
        if (row.client_id is None) != (duty is not None):
            return None
        return By.PERSON if duty is None else By.ADMINISTRATOR
    if row.client_id is None:
        return None if row.operator else By.NOBODY
    return By.OPERATOR if row.operator else By.CLIENT


@contextmanager
def accountable(database: Database) -> Iterator[None]:
    """Raises AssertionError at the end."""
    watch = Watch(writer)
    watch.listen(database.write)
    yield
    assert not watch.unrecorded, f"without an event: {watch.unrecorded}"
    try:
        with Session(database.read) as session:
            faults = unanswered(session)
    except DBAPIError:  # the test has taken the database away
        return
    assert not faults, faults
