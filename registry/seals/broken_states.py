"""Are seals and certificates in the states that events say? Part of `fsck`.

A state is a column, which whoever writes as the API's role can change alone. Its history names an event for
each change, and each event has a commitment in the log; so what was changed alone is found here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.crl import RevocationReason, crl_entry, read_crl
from keys.errors import VermilionError
from registry.log.tables import Event
from registry.seals.revocation import EVENTS, State
from registry.seals.tables import (
    Certificate,
    CertificateAuthority,
    CertificateStatus,
    RevocationList,
    Seal,
    SealState,
)
from registry.seals.transitions import STEPS, SUBJECT

BATCH = 500


@dataclass(frozen=True, slots=True)
class _Change:
    """A row of history, with its event where there is one of that id and subject."""

    version: int
    state: str
    event: str | None  # its kind


def broken_states(session: Session) -> Iterator[str]:
    """Every finding as a sentence without personal data."""
    yield from _seals(session)
    yield from _certificates(session)
    yield from _lists(session)


def _seals(session: Session) -> Iterator[str]:
    kinds: dict[str, set[str]] = defaultdict(set)
    for step in STEPS.values():
        kinds[step.state].add(step.event)
    kinds["approved"].add("seal.approved")
    history: dict[str, list[_Change]] = defaultdict(list)
    rows = session.execute(
        select(SealState, Event.kind)
        .outerjoin(
            Event,
            (Event.id == SealState.event_id)
            & (Event.subject_kind == SUBJECT)
            & (Event.subject == SealState.seal_code),
        )
        .order_by(SealState.seal_code, SealState.version)
        .execution_options(yield_per=BATCH)
    )
    for row, kind in rows:
        history[row.seal_code].append(_Change(row.version, row.state, kind))
    told = _told(session, SUBJECT, set().union(*kinds.values()))
    seals = select(Seal.code, Seal.state, Seal.state_version)
    for code, state, version in session.execute(seals.execution_options(yield_per=BATCH)):
        changes = history[code]
        yield from _compared(f"seal {code}", state, version, changes, kinds, told[code])


def _certificates(session: Session) -> Iterator[str]:
    kinds: dict[str, set[str]] = defaultdict(set)
    for (state, _compromised), kind in EVENTS.items():
        kinds[state].add(kind)
    history: dict[str, list[_Change]] = defaultdict(list)
    rows = session.execute(
        select(CertificateStatus, Event.kind)
        .outerjoin(
            Event,
            (Event.id == CertificateStatus.event_id)
            & (Event.subject_kind == "certificate")
            & (Event.subject == CertificateStatus.serial),
        )
        .order_by(CertificateStatus.serial, CertificateStatus.version)
        .execution_options(yield_per=BATCH)
    )
    for row, kind in rows:
        history[row.serial].append(_Change(row.version, row.state, kind))
    told = _told(session, "certificate", set().union(*kinds.values()))
    for one in session.scalars(select(Certificate).execution_options(yield_per=BATCH)):
        name, changes = f"certificate {one.serial}", [_Change(1, State.GOOD, None), *history[one.serial]]
        yield from _compared(name, one.state, one.state_version, changes, kinds, told[one.serial])
        if one.issuer_key_id is not None and one.crl_entry != _entry(one):
            yield f"{name} is {one.state}, and what stands for it in a CRL says otherwise"


def _compared(
    name: str,
    state: str,
    version: int,
    changes: Sequence[_Change],
    kinds: Mapping[str, set[str]],
    told: set[int],
) -> Iterator[str]:
    """State against history, history against events. A certificate begins without an event."""
    if not changes or (changes[-1].version, changes[-1].state) != (version, state):
        yield f"{name} is {state} ({version}), which its history does not say"
    for change in changes:
        if change.event is None and (change.version, change.state) == (1, State.GOOD):
            continue
        if change.event not in kinds[change.state]:
            yield f"{name} became {change.state} ({change.version}) by no event that says so"
    for missing in sorted(told - {change.version for change in changes}):
        yield f"{name} was changed ({missing}) by an event that its history does not have"


def _told(session: Session, subject_kind: str, kinds: set[str]) -> dict[str, set[int]]:
    """By subject: the versions that events of these kinds name."""
    found: dict[str, set[int]] = defaultdict(set)
    rows = session.execute(
        select(Event.subject, Event.detail)
        .where(Event.subject_kind == subject_kind, Event.kind.in_(kinds))
        .execution_options(yield_per=BATCH)
    )
    for subject, detail in rows:
        if isinstance(detail.get("version"), int):
            found[subject].add(detail["version"])
    return found


def _entry(row: Certificate) -> bytes | None:
    if row.state == State.GOOD or row.revoked_at is None:
        return None
    reason = None if row.reason is None else RevocationReason(row.reason)
    return crl_entry(int(row.serial, 16), row.revoked_at, reason, row.invalidity_date)


def _lists(session: Session) -> Iterator[str]:
    """The list last signed by each CA shows every change that it is sure to show, and nothing else."""
    for ca in session.scalars(select(CertificateAuthority.key_id)).all():
        newest = session.scalars(
            select(RevocationList)
            .where(RevocationList.ca_key_id == ca, RevocationList.der.is_not(None))
            .order_by(RevocationList.number.desc())
            .limit(1)
        ).one_or_none()
        if newest is None:
            continue
        name = f"CRL {newest.number} of authority {ca}"
        try:
            shown = read_crl(newest.der or b"").entries
        except VermilionError:
            yield f"{name} cannot be read"
            continue
        rows = session.execute(
            select(Certificate.serial, Certificate.crl_entry, Certificate.not_after)
            .where(Certificate.issuer_key_id == ca, Certificate.status_version <= newest.status_version)
            .execution_options(yield_per=BATCH)
        )
        for serial, entry, not_after in rows:
            there = shown.get(int(serial, 16))
            if there != entry and (there is not None or not_after >= newest.this_update):
                yield f"{name} says otherwise of certificate {serial} than the record"
