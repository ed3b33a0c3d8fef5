"""The status lists: signed again within about a minute of a change, and every half hour without one.

What a list holds is kept, and only changes are applied to it, so that one of a million licences costs no more
than one of a thousand. Content is on record before it is signed; generations only grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import structlog
from sqlalchemy import Select, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from keys.status_list import PACKED_BYTES, Content, cwt_input, hold_for, jwt_input, sign_status_list
from keys.suite import SUITES
from keys.trust_list import TrustList, kid_of
from registry.licences.status_changes import changes_of, derived, lists_that_wait
from registry.licences.status_tables import StatusChange, StatusListState, StatusListToken
from registry.licences.tables import StatusIndex
from registry.licences.trust import trust_now
from registry.rows import changed_rows
from registry.seals.keys import Pieces
from registry.seals.serving import Serving, serving_key
from registry.seals.status_policy import AHEAD
from registry.seals.tables import Key
from signing.status_list import authentic, compress, inflate, packed_with, uri_of

RENEW_AFTER = timedelta(minutes=30)
"""A list is signed anew by then though nothing changed: who fetches it has it within its ttl of an hour."""
COALESCE = timedelta(seconds=60)
"""Changes within this time of one another share a generation."""
LOOK_EVERY = timedelta(seconds=10)
PATIENCE = timedelta(minutes=15)
"""Within which a change shows in a signed list, or somebody is to be told."""
MAX_CHANGES = 100_000  # of a list and round
_CHUNK = 500
_log = structlog.get_logger("registry.status_lists")


@dataclass(frozen=True, slots=True)
class _Held:
    """What a list holds, and which changes are in it that still wait on record."""

    version: int
    lst: bytes
    before: int | None  # the version on record; None before the first
    applied: Sequence[str]


def status_list_record(number: int, generation: int) -> str:
    """The record that a generation's signatures serve, `:jwt` and `:cwt` behind it."""
    return f"status-list:{number}:{generation}"


def publish_due(pieces: Pieces) -> int:
    """Sign the lists that are due; how many were. Lists are there up to the one after the newest in use, so
    that a licence's list is published before the licence. One that cannot be made keeps none behind it
    waiting.

    Raises what the first that could not be made raised, when all were tried: VermilionError UNAVAILABLE
    without a trust list or key, and for a list that fails our own check; and what the custodian raises.
    """
    trust = trust_now(pieces)
    with Session(pieces.database.read) as session:
        due = due_lists(session, trust, pieces.clock())
    signed, failures = 0, []
    for number in due:
        try:
            signed += publish_list(pieces, trust, number)
        except Exception as error:  # noqa: BLE001
            reason = error.reason if isinstance(error, VermilionError) else None
            _log.error("status_list_failed", list=number, kind=type(error).__name__, reason=reason)
            failures.append(error)
    if failures:
        raise failures[0]
    return signed


def due_lists(session: Session, trust: TrustList, now: datetime) -> list[int]:
    """Lists that miss a change, grow old, stand elsewhere by now, or were signed by a key that has ended."""
    newest = session.scalar(select(func.max(StatusIndex.list)))
    last = {row.list: row for row in session.execute(_newest_generations())}
    versions = {row.list: row.version for row in session.execute(_VERSIONS)}
    waiting = lists_that_wait(session)

    def due(number: int) -> bool:
        row = last.get(number)
        if row is None:
            return True
        if -AHEAD <= now - row.issued_at < COALESCE:  # also one that another process is signing now
            return False
        return (
            not row.signed
            or row.issued_at > now  # by a clock that was wrong
            or number in waiting
            or versions.get(number) != row.version
            or row.uri != uri_of(trust.status_lists, number)
            or row.key_state != "active"
            or now >= row.issued_at + RENEW_AFTER
        )

    return [number for number in range(0 if newest is None else newest + 2) or range(1) if due(number)]


_VERSIONS = select(StatusListState.list, StatusListState.version)


def _newest_generations() -> Select[*tuple[Any, ...]]:
    newest = (
        select(StatusListToken.list, func.max(StatusListToken.generation).label("generation"))
        .group_by(StatusListToken.list)
        .subquery()
    )
    return (
        select(
            StatusListToken.list,
            StatusListToken.version,
            StatusListToken.uri,
            StatusListToken.issued_at,
            StatusListToken.jwt.is_not(None).label("signed"),
            Key.state.label("key_state"),
        )
        .join(
            newest,
            (newest.c.list == StatusListToken.list) & (newest.c.generation == StatusListToken.generation),
        )
        .join(Key, Key.id == StatusListToken.key_id)
    )


def publish_list(pieces: Pieces, trust: TrustList, number: int) -> bool:
    """Make a list's next generation; False where another process was faster. Never inside a transaction: it
    signs. Raises as `publish_due` does.
    """
    with Session(pieces.database.read) as session:
        # The generation before the content: whoever makes one in between takes its number from us.
        taken = select(func.max(StatusListToken.generation)).where(StatusListToken.list == number)
        generation = (session.scalar(taken) or 0) + 1
        signer = _signer(session, pieces.clock())
        now = pieces.clock().replace(microsecond=0)
        held = _held(session, number)
    ref, kid = signer.key, kid_of(signer.public_key)
    end, ttl = hold_for(now, signer.not_after)
    content = Content(uri_of(trust.status_lists, number), now, end, ttl, held.lst)
    inputs = jwt_input(content, kid, SUITES[ref.suite]), cwt_input(content, kid, SUITES[ref.suite])
    token = StatusListToken(
        list=number, generation=generation, version=held.version, key_id=ref.id, uri=content.uri,
        jwt_sha256=sha256(inputs[0]).digest(), cwt_sha256=sha256(inputs[1]).digest(),
        issued_at=now, expires_at=end, jwt=None, cwt=None,
    )  # fmt: skip
    if not _announced(pieces, token, held):
        return False
    jwt, cwt = sign_status_list(pieces.custodian, ref, inputs, status_list_record(number, generation))
    _check_own_work((jwt.encode("ascii"), cwt), content.uri, trust)
    own = (StatusListToken.list == number, StatusListToken.generation == generation)
    with pieces.database.transaction() as session:
        statement = update(StatusListToken).where(*own, StatusListToken.jwt.is_(None))
        if changed_rows(session, statement.values(jwt=jwt, cwt=cwt)) != 1:
            return False
        older = delete(StatusListToken).where(
            StatusListToken.list == number, StatusListToken.generation < generation
        )
        changed_rows(session, older)
    return True


def _signer(session: Session, now: datetime) -> Serving:
    found = serving_key(session, ProfileName.STATUS_LIST, now)
    if found is None:
        raise VermilionError(
            Kind.UNAVAILABLE, "the registry has no key for status lists", reason="not_established"
        )
    return found


def _held(session: Session, number: int) -> _Held:
    """What the list is to hold. State first, then changes, then, where there is no state, the record: what
    comes in between is in the record, and its change waits for the next round.
    """
    state = session.get(StatusListState, number)
    applied, changes = changes_of(session, number, MAX_CHANGES)
    if state is None:
        return _Held(1, compress(derived(session, number)), None, applied)
    try:
        packed = inflate(state.lst, PACKED_BYTES)
    except VermilionError as error:
        _log.error("status_list_state_unreadable", list=number, reason=error.reason)
        return _Held(state.version + 1, compress(derived(session, number)), state.version, applied)
    changed = packed_with(packed, changes)
    if changed == packed:
        return _Held(state.version, state.lst, state.version, applied)
    return _Held(state.version + 1, compress(changed), state.version, applied)


def _announced(pieces: Pieces, token: StatusListToken, held: _Held) -> bool:
    """Put on record what the list holds and what is to be signed; False where another process was faster."""
    try:
        with pieces.database.transaction() as session:
            if held.before is None:
                session.add(StatusListState(list=token.list, version=held.version, lst=held.lst))
            elif held.version != held.before:
                statement = update(StatusListState).where(
                    StatusListState.list == token.list, StatusListState.version == held.before
                )
                if changed_rows(session, statement.values(version=held.version, lst=held.lst)) != 1:
                    return False
            for at in range(0, len(held.applied), _CHUNK):
                some = held.applied[at : at + _CHUNK]
                changed_rows(session, delete(StatusChange).where(StatusChange.id.in_(some)))
            session.add(token)
    except IntegrityError:
        return False
    return True


def _check_own_work(tokens: tuple[bytes, bytes], uri: str, trust: TrustList) -> None:
    """A list that nobody believes must not take the place of one that everybody does.

    Raises VermilionError(UNAVAILABLE).
    """
    try:
        for token in tokens:
            authentic(token, uri=uri, trust=trust)
    except VermilionError as error:
        _log.error("status_list_defective", reason=error.reason)
        raise VermilionError(
            Kind.UNAVAILABLE,
            "the next status list would be believed by nobody",
            reason="status_list_defective",
        ) from error


def overdue(session: Session, now: datetime) -> bool:
    """Whether a change has waited too long for its list, or a list was not signed again in time, or is of a
    time to come: whoever signs them has stopped, keeps failing, or has a wrong clock.
    """
    oldest = session.scalar(select(func.min(StatusChange.recorded_at)))
    if oldest is not None and now > oldest + PATIENCE and _began(session):
        return True
    newest = (
        select(StatusListToken.list, func.max(StatusListToken.issued_at).label("issued_at"))
        .where(StatusListToken.jwt.is_not(None))
        .group_by(StatusListToken.list)
        .subquery()
    )
    first, last = session.execute(select(func.min(newest.c.issued_at), func.max(newest.c.issued_at))).one()
    return first is not None and (now > first + RENEW_AFTER + PATIENCE or last > now + AHEAD)


def _began(session: Session) -> bool:
    """Whether lists are signed here at all."""
    return session.scalar(select(StatusListToken.list).limit(1)) is not None
