"""Issuing, many licences a transaction: write the intents, sign, commit; never the other way round (design,
section 4).

A group goes through the same steps as one licence, which is a group of one. What its licences share (client,
type, seal, keys) is asked once, what they write goes out in one statement a table; and whatever is the matter
with one of them costs that one alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.custodian import MAX_REQUESTS
from keys.errors import Kind, VermilionError, places
from keys.halves import by_halves
from registry.actor import Actor
from registry.documents import document_key
from registry.licences.copying import copying
from registry.licences.duties import require_officer
from registry.licences.examine import Examined, IssueRequest, civil_day, examine
from registry.licences.idempotency import in_progress, request_mac, reused, serialise_keys, served_before
from registry.licences.issued import Issued, read_issued
from registry.licences.outage import database_errors
from registry.licences.outcomes import each, together
from registry.licences.printing import Printed, print_and_seal_many
from registry.licences.register import Ending, Registration, Sealed, abandon, register, sealed_as
from registry.licences.reserve import FIRST_FENCE, Reserved, Setting, Wanted, reserve
from registry.licences.room import require_room
from registry.licences.succession import succeeding
from registry.licences.tables import Intent
from registry.licences.taking import RACE
from registry.ports import Ports
from registry.rows import new_ids
from signing.credential import qr_text
from signing.record import Printout

MAX_GROUP = MAX_REQUESTS
"""Licences of a group: what a custodian signs in one call."""
RACES = 5  # a group's chance to lose a slot to another one is about one in a hundred
DEFECT = "defect"
_log = structlog.get_logger("registry.issue")


Also = Callable[[Session, str], None]
"""What is put down with a licence: given the session and the edition's id."""


@dataclass(frozen=True, slots=True)
class Ordered:
    """One licence of a group."""

    request: IssueRequest
    idempotency_key: str
    body_sha256: bytes


def issue_many(
    ports: Ports, actor: Actor, orders: Sequence[Ordered], also: Also | None = None
) -> list[Issued | VermilionError]:
    """Issue licences: one outcome for each order, in order. The very same order again gives the same sealed
    bytes (`replayed`). `also` is called for each that is registered here and now, in the transaction that
    registers it.

    The failures are those of `issue`, and UNAVAILABLE with reason `defect` for one of ours, which is logged.
    A key that stands twice in the group is served once: the other one is told to ask again. After a failure
    nothing is half done: the intent is abandoned, here or by recovery once its lease lapses.

    Raises VermilionError where nothing was begun: UNAVAILABLE for an outage that came first, FORBIDDEN
    (`role`), INVALID (`group`) for more than 256 orders.
    """
    return [_told(outcome) for outcome in issue_all(ports, actor, orders, also)]


def issue_all(
    ports: Ports, actor: Actor, orders: Sequence[Ordered], also: Also | None = None
) -> list[Issued | Exception]:
    """As `issue_many`, with defects as they are."""
    if len(orders) > MAX_GROUP:
        raise VermilionError(Kind.INVALID, f"a group has at most {MAX_GROUP} licences", reason="group")
    require_officer(actor)
    ports.vault.ready()
    asked = [
        _Asked(intent_id, order, request_mac(ports.vault, order.body_sha256))
        for intent_id, order in zip(new_ids(ports.random, len(orders)), orders, strict=True)
    ]
    begun = _begin(ports, actor, asked)
    ended = _seal_and_register(ports, actor, [one for one in begun if isinstance(one, Reserved)], also)
    outcomes = iter(ended)
    return [
        next(outcomes)
        if isinstance(one, Reserved)
        else _replayed(ports, one)
        if isinstance(one, str)
        else one
        for one in begun
    ]


def setting_now(ports: Ports) -> Setting:
    """The moment and the manner of a reservation that is made now."""
    now = ports.clock()
    settings = ports.settings
    day = civil_day(now, settings.tz)
    return Setting(now, day, settings.lease, settings.public_origin, ports.vault, ports.random)


def examine_all(ports: Ports, actor: Actor, requests: Sequence[IssueRequest]) -> list[Examined | Exception]:
    """What can be refused by reading alone."""
    day = civil_day(ports.clock(), ports.settings.tz)

    def whole(request: IssueRequest) -> IssueRequest | Examined:
        if request.copying is not None:
            return copying(ports, actor, request, request.copying, day)
        wanted = request.succeeding
        return request if wanted is None else succeeding(ports, actor, request, wanted, day)

    def examined(some: Sequence[Any]) -> list[Examined | VermilionError]:
        left = [one for one in some if isinstance(one, IssueRequest)]
        with Session(ports.database.read) as session:
            found = iter(examine(session, actor, left, day, ports.fonts))
        return [next(found) if isinstance(one, IssueRequest) else one for one in some]

    def fit(examined: Examined) -> Examined:
        require_room(ports, examined, actor.agency_code)
        return examined

    return each(together(each(requests, whole), examined), fit)


@dataclass(frozen=True, slots=True)
class _Asked:
    intent_id: str
    order: Ordered
    request_mac: bytes

    @property
    def key(self) -> str:
        return self.order.idempotency_key


_Begun = Reserved | str | Exception  # reserved now; the edition that this very request made before; refused


def _begin(ports: Ports, actor: Actor, asked: Sequence[_Asked]) -> list[_Begun]:
    """Up to the end of transaction 1."""
    outcomes: dict[str, _Begun] = {}
    first = {one.key: one for one in reversed(asked)}
    for one in asked:
        if first[one.key] is not one:
            same = one.request_mac == first[one.key].request_mac
            outcomes[one.intent_id] = in_progress(1) if same else reused()
    left = [one for one in asked if one.intent_id not in outcomes]
    with database_errors():
        with Session(ports.database.read) as session:
            outcomes |= _served(session, ports, actor, left)
        left = [one for one in left if one.intent_id not in outcomes]
        examined = examine_all(ports, actor, [one.order.request for one in left])
    wanted = [
        what
        if isinstance(what, Exception)
        else Wanted(one.intent_id, one.order.request, what, (one.key, one.request_mac))
        for one, what in zip(left, examined, strict=True)
    ]
    reserved = together(wanted, partial(_reserve, ports, actor))
    outcomes |= zip((one.intent_id for one in left), reserved, strict=True)
    return [outcomes[one.intent_id] for one in asked]


def _served(session: Session, ports: Ports, actor: Actor, asked: Sequence[_Asked]) -> dict[str, _Begun]:
    found = served_before(
        session, actor.client_id, {one.key: one.request_mac for one in asked}, ports.clock()
    )
    return {one.intent_id: found[one.key] for one in asked if one.key in found}


def _reserve(ports: Ports, actor: Actor, wanted: Sequence[Wanted]) -> list[Reserved | str | Exception]:
    """Transaction 1. What is the matter with one of them is found by halves."""
    outcomes = by_halves(wanted, partial(_reserved, ports, actor), Exception, _is_ones)
    # What failed otherwise than by a refusal may have been committed all the same.
    uncertain = [
        (one.intent_id, outcome)
        for one, outcome in zip(wanted, outcomes, strict=True)
        if isinstance(outcome, Exception)
        and (not isinstance(outcome, VermilionError) or outcome.kind is Kind.UNAVAILABLE)
    ]
    _abandon(ports, actor, uncertain)
    return outcomes


def _reserved(ports: Ports, actor: Actor, wanted: Sequence[Wanted]) -> list[Reserved | str | VermilionError]:
    for races in range(RACES):
        try:
            # On the disk with the first use of a key, which is written down before anything is signed.
            with database_errors(), ports.database.transaction(waits=False) as session:
                return _reserved_in(session, ports, actor, wanted)
        except VermilionError as error:
            if error.reason != RACE or races == RACES - 1:
                raise
    raise AssertionError  # the last race returns or raises


def _reserved_in(
    session: Session, ports: Ports, actor: Actor, wanted: Sequence[Wanted]
) -> list[Reserved | str | VermilionError]:
    asked = dict([one.idempotency for one in wanted if one.idempotency is not None])
    serialise_keys(session, actor.client_id, asked)
    setting = setting_now(ports)
    served = served_before(session, actor.client_id, asked, setting.now)
    left = [one for one in wanted if one.idempotency is None or one.idempotency[0] not in served]
    made = iter(reserve(session, actor, left, setting))
    return [
        served[one.idempotency[0]]
        if one.idempotency is not None and one.idempotency[0] in served
        else next(made)
        for one in wanted
    ]


def _seal_and_register(
    ports: Ports, actor: Actor, reserved: Sequence[Reserved], also: Also | None
) -> list[Issued | Exception]:
    """From the end of transaction 1 to that of transaction 2, and what is to be done about failures."""
    with ports.database.carrying():
        stored = print_and_seal_many(ports, reserved, partial(_store, ports))
        registered = together(stored, partial(_register, ports, actor, also))
        failed = [
            (one.intent_id, outcome)
            for one, outcome in zip(reserved, registered, strict=True)
            if isinstance(outcome, Exception)
        ]
        done = _abandon(ports, actor, failed)
        return [
            _read(ports, one.intent_id, outcome) if one.intent_id in done else outcome
            for one, outcome in zip(reserved, registered, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class _Stored:
    """A licence whose document lies in the store under its intent's id."""

    reserved: Reserved
    printout: Printout
    sealed: Sealed


def _store(ports: Ports, printed: Sequence[Printed]) -> list[_Stored | VermilionError]:
    documents = [(document_key(one.reserved.intent_id), one.document.data) for one in printed]
    return [
        error
        or _Stored(
            one.reserved,
            one.printout,
            sealed_as(one.document.data, one.evidence, one.printout.credential),
        )
        for one, error in zip(printed, ports.documents.put_many(documents), strict=True)
    ]


def _register(
    ports: Ports, actor: Actor, also: Also | None, stored: Sequence[_Stored]
) -> list[Issued | Exception]:
    """Transaction 2. What is the matter with one of them is found by halves."""

    def registered(some: Sequence[_Stored]) -> list[Issued | VermilionError]:
        wanted = [Registration(one.reserved.intent_id, one.reserved.fence, one.sealed) for one in some]
        with database_errors(), ports.database.transaction() as session:
            failures = register(session, ports, wanted, actor)
            for failure, one in zip(failures, wanted, strict=True):
                if failure is None and also is not None:
                    also(session, one.intent_id)
        return [failure or _issued(one) for failure, one in zip(failures, some, strict=True)]

    return by_halves(stored, registered, Exception, _is_ones)


def _issued(stored: _Stored) -> Issued:
    return Issued(
        edition_id=stored.reserved.intent_id,
        printout=stored.printout,
        link=qr_text(stored.printout.link, stored.printout.credential),
        sha256=stored.sealed.sha256,
        size=stored.sealed.size,
        level=stored.sealed.level,
        status="in_force",
        replayed=False,
    )


def _is_ones(error: Exception) -> bool:
    """Whether a transaction failed by what one of its licences is, and rolled back: an outage is everybody's,
    and what it left is not known.
    """
    return not isinstance(error, VermilionError) or error.kind is not Kind.UNAVAILABLE


def _abandon(ports: Ports, actor: Actor, failed: Sequence[tuple[str, Exception]]) -> set[str]:
    """After failures: abandon what is open. Those that were registered after all.

    A commit may have happened although its answer was lost. What cannot be settled now, recovery will.
    """
    if not failed:
        return set()
    endings = [Ending(intent_id, FIRST_FENCE, _reason(error)) for intent_id, error in failed]
    with contextlib.suppress(VermilionError), database_errors():
        with ports.database.transaction() as session:
            ended = abandon(session, ports, endings, actor)
        left = {one.intent_id for one in endings} - ended
        if left:
            with Session(ports.database.read) as session:
                done = select(Intent.id).where(Intent.id.in_(left), Intent.state == "done")
                return set(session.scalars(done))
    return set()


def _replayed(ports: Ports, edition_id: str) -> Issued | Exception:
    try:
        return read_issued(ports, edition_id, replayed=True)
    except VermilionError as error:
        return error


def _read(ports: Ports, edition_id: str, failure: Issued | Exception) -> Issued | Exception:
    """What was registered although its answer was lost."""
    try:
        return read_issued(ports, edition_id, replayed=False)
    except VermilionError:
        return failure


def _reason(error: Exception) -> str:
    return error.reason if isinstance(error, VermilionError) else DEFECT


def _told(outcome: Issued | Exception) -> Issued | VermilionError:
    if isinstance(outcome, Issued | VermilionError):
        return outcome
    _log.error("issue_defect", kind=type(outcome).__name__, where=places(outcome))
    error = VermilionError(Kind.UNAVAILABLE, "the licence could not be issued", reason=DEFECT)
    error.__cause__ = outcome
    return error
