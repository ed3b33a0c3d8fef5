"""Licences that were asked for together, and what their statuses were at a past moment."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row, bindparam, select

from keys.errors import Kind, VermilionError
from registry.licences.digests import lookup_digest
from registry.log.tables import Event
from signing.codes import normalise_lookup_code
from signing.live import LiveCopy, LiveLicence, LiveShowing, Past

_CHANGES = (
    "licence.issued",
    "licence.suspended",
    "licence.resumed",
    "licence.lifted",
    "licence.ended",
    "licence.replaced",
)
"""Events that give a licence its status; a later formal removal is a date beside it."""

HISTORY = select(Event.subject, Event.kind, Event.effective_from, Event.recorded_at, Event.detail).where(
    Event.subject_kind == "edition",
    Event.subject.in_(bindparam("editions", expanding=True)),
    Event.kind.in_(_CHANGES),
)
"""All changes of status of these editions."""


@dataclass
class Gathered:
    """Implements `signing.live.LiveRegistry` for what was wanted. No key but these is answered."""

    links: dict[bytes, LiveLicence] = field(default_factory=dict)
    documents: dict[bytes, LiveLicence] = field(default_factory=dict)
    identifiers: dict[str, LiveLicence] = field(default_factory=dict)
    codes: dict[bytes, LiveLicence] = field(default_factory=dict)  # by look-up digest

    def by_link_id(self, id_sha256: bytes) -> LiveLicence | None:
        return self.links.get(id_sha256)

    def by_document(self, sha256: bytes) -> LiveLicence | None:
        return self.documents.get(sha256)

    def by_identifier(self, identifier: str) -> LiveLicence | None:
        return self.identifiers.get(identifier)

    def by_identifier_and_code(self, identifier: str, lookup_code: str) -> LiveLicence | None:
        return self.codes.get(lookup_digest(identifier, normalise_lookup_code(lookup_code)))

    def by_showing(self, id_sha256: bytes) -> LiveShowing | None:  # noqa: ARG002
        """Raises VermilionError: a code is shown to one verifier, and asked about by itself."""
        raise VermilionError(Kind.UNAVAILABLE, "presentation codes are not checked together")

    def seal_use_recorded(self, signed_sha256: bytes) -> bool:  # noqa: ARG002
        """Raises VermilionError: who made a signature is asked about files, of which none is here."""
        raise VermilionError(Kind.UNAVAILABLE, "files are not checked together")


def as_of(
    licences: Mapping[str, LiveLicence],
    editions: Mapping[str, str],
    history: Sequence[Row[Any]],
    past: Past,
) -> dict[str, LiveLicence]:
    """Licences and copies, by id, with the status that they had at a past moment; none that the registry did
    not know then, by the clock of its record. `editions`: of each, its own or that it is a copy of.
    """
    changes: dict[str, list[Row[Any]]] = {edition: [] for edition in editions.values()}
    for row in history:
        changes[row.subject].append(row)
    found = {}
    for sealed, licence in licences.items():
        rows = in_order(changes[editions[sealed]])
        if past.clock == "recorded":
            last = change_recorded(rows, past.at)
            if last is None:
                continue
        else:
            last = change_in_effect(rows, past.day) or rows[0]
        known = _with_status(licence, last, past.at)
        if known.copy is not None:
            if past.clock == "recorded" and known.copy.registered_at > past.at:
                continue
            known = _copy_then(known, known.copy, past)
        if past.clock == "effective" and last.effective_from > past.day:  # not yet, whatever it prints
            first_day = max(known.record.valid_from, last.effective_from)
            known = replace(known, record=replace(known.record, valid_from=first_day))
        found[sealed] = known
    return found


def _copy_then(licence: LiveLicence, copy: LiveCopy, past: Past) -> LiveLicence:
    """A copy that was withdrawn since was not then; before the day it was made it was not valid yet."""
    on, at, made_on = copy.withdrawn_on, copy.withdrawn_at, copy.annotation.made_on
    if past.clock == "recorded":
        withdrawn = at is not None and at <= past.at
    else:
        withdrawn = on is not None and on <= past.day
    if not withdrawn:
        licence = replace(licence, copy=replace(copy, withdrawn_on=None, withdrawn_at=None))
    if made_on is None or made_on <= past.day:
        return licence
    return replace(licence, record=replace(licence.record, valid_from=made_on))


def in_order(changes: Iterable[Row[Any]]) -> list[Row[Any]]:
    """An edition's changes as they were made."""
    return sorted(changes, key=_version)


def change_in_effect(rows: Sequence[Row[Any]], day: date) -> Row[Any] | None:
    """The last of an edition's changes, in order, that had taken effect on a civil day."""
    return next((row for row in reversed(rows) if row.effective_from <= day), None)


def change_recorded(rows: Sequence[Row[Any]], at: datetime) -> Row[Any] | None:
    """The last of an edition's changes, in order, that was on record at a moment."""
    return next((row for row in reversed(rows) if row.recorded_at <= at), None)


def _version(row: Row[Any]) -> int:
    """Changes are numbered under the lock of what they change; the issue is the first."""
    return int(row.detail.get("status_version", 1))


def _with_status(licence: LiveLicence, change: Row[Any], at: datetime) -> LiveLicence:
    since: date = change.effective_from
    until = change.detail.get("until")
    return replace(
        licence,
        status=change.detail.get("status", "in_force"),
        ground=change.detail.get("ground"),
        how=change.detail.get("how"),
        since=since,
        suspended_until=None if until is None else date.fromisoformat(until),
        as_of=at,
    )
