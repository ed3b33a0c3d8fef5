"""What a seal has sealed, and what proves that the sealing came before the seal's end.

The registry's own time-stamp is its own word: whoever could alter the record could have made the token too.
Only an authority outside, and the log once it serves, prove anything to a stranger.

Read in pages (`walk`). The totals cost one statement over everything that the seal has sealed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Any, cast

from sqlalchemy import ColumnElement, Row, ScalarSelect, case, func, literal, null, select, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from keys.certificates import certificate_subject
from keys.profiles import ProfileName
from registry.licences.issued import ORIGINAL
from registry.licences.tables import AnnotatedCopy, CoSeal, Document, Edition, Licence
from registry.seals.serving import signed_certificates
from registry.seals.tables import DayAnchor, Seal, SealEdition, SealState
from registry.seals.walk import Place, Source, edition_numbers, no_such_place, walk

PAGE = 500
OWN_TSA, OUTSIDE_TSA, DAY_ANCHOR = "own_tsa", "outside_tsa", "day_anchor"


class Standing(StrEnum):
    """What can be said of the order of a sealing and the seal's end."""

    PROVEN = "proven"  # by an authority outside: the sealing came first
    OWN_WORD = "own_word"  # by the registry's own time-stamp alone
    UNPROVEN = "unproven"  # the signer's own time says first, and nothing proves it
    AFTER = "after"  # sealed at or after the end


@dataclass(frozen=True, slots=True)
class Limit:
    """The moment that a sealing must precede: the invalidity date, else the cancellation, else now."""

    at: datetime
    kind: str  # invalidity_date, cancellation, present


@dataclass(frozen=True, slots=True)
class Proof:
    """A time-stamp over a registered document of the edition, or over all that were registered that day."""

    kind: str  # own_tsa, outside_tsa, day_anchor (by an authority outside)
    name: str  # the authority's common name; an outside one's certificate by SHA-256, hex
    at: datetime

    @property
    def independent(self) -> bool:
        return self.kind != OWN_TSA


@dataclass(frozen=True, slots=True)
class Sealing:
    """A licence edition that the seal sealed, or an annotated copy of one."""

    edition_id: str  # of a copy, its own id
    identifier: str
    copied: bool
    edition: int
    type_code: str
    seal_edition: int
    sealed_at: datetime
    time_stamped: bool  # else the signer's own time
    status: str
    ground: str | None
    how: str | None
    standing: Standing
    proofs: tuple[Proof, ...]  # those before the limit, oldest first


@dataclass(frozen=True, slots=True)
class Page:
    sealings: tuple[Sealing, ...]
    more: bool


def limit_of(session: Session, seal: Seal, now: datetime) -> Limit:
    if seal.compromised_since is not None:
        return Limit(seal.compromised_since, "invalidity_date")
    cancelled = select(func.min(SealState.from_at)).where(
        SealState.seal_code == seal.code, SealState.state == "cancelled"
    )
    at = session.scalar(cancelled)
    return Limit(now, "present") if at is None else Limit(at, "cancellation")


def totals(session: Session, seal: Seal, limit: Limit) -> dict[str, int]:
    """How many editions and copies stand how, by `Standing`; every standing is named."""
    of_seal = select(SealEdition.id).where(SealEdition.seal_code == seal.code)
    sealed = union_all(
        select(Edition.id, Edition.sealed_at).where(Edition.seal_edition_id.in_(of_seal)),
        select(CoSeal.intent_id, CoSeal.sealed_at).where(
            CoSeal.seal_edition_id.in_(of_seal), CoSeal.sealed_at.is_not(None)
        ),
        select(AnnotatedCopy.id, AnnotatedCopy.sealed_at).where(AnnotatedCopy.seal_edition_id.in_(of_seal)),
    ).subquery()
    per_edition = (
        select(sealed.c.sealed_at, *_earliest(_own_authorities(session)))
        .outerjoin(Document, Document.edition_id == sealed.c.id)
        .outerjoin(AnnotatedCopy, AnnotatedCopy.id == sealed.c.id)
        .group_by(sealed.c.id, sealed.c.sealed_at)
        .subquery()
    )
    standing = case(
        (per_edition.c.outside_at < limit.at, Standing.PROVEN.value),
        (per_edition.c.anchored_at < limit.at, Standing.PROVEN.value),
        (per_edition.c.sealed_at >= limit.at, Standing.AFTER.value),
        (per_edition.c.own_at < limit.at, Standing.OWN_WORD.value),
        else_=Standing.UNPROVEN.value,
    )
    counted = select(standing, func.count()).select_from(per_edition).group_by(standing)
    found = {str(name): int(count) for name, count in session.execute(counted)}
    return {name.value: found.get(name.value, 0) for name in Standing}


def page(session: Session, seal: Seal, limit: Limit, after: str | None = None, size: int = PAGE) -> Page:
    """At most `size` sealings behind the licence edition, or the copy, of the id `after`.

    Raises VermilionError(INVALID) for one that this seal has not sealed.
    """
    numbers = edition_numbers(session, seal.code)
    place = None
    if after is not None:
        place = _place_of(session, after, numbers)
    rows, more = walk(session, numbers, _sealed_by, place, size)
    return Page(_sealings(session, rows, numbers, limit), more)


def _place_of(session: Session, edition_id: str, numbers: Mapping[str, int]) -> Place:
    """Where an edition stands in the list: by its first seal or a further one.

    Raises VermilionError(INVALID).
    """
    first = session.get(Edition, edition_id) or session.get(AnnotatedCopy, edition_id)
    if first is not None and first.seal_edition_id in numbers:
        return Place(first.seal_edition_id, first.sealed_at, first.id)
    further = session.scalars(
        select(CoSeal).where(CoSeal.intent_id == edition_id, CoSeal.seal_edition_id.in_(numbers))
    ).one_or_none()
    if further is None or further.sealed_at is None:
        raise no_such_place()
    return Place(further.seal_edition_id, further.sealed_at, edition_id)


def _sealed_by(seal_edition_id: str) -> list[Source]:
    """What it sealed as the issuer's seal, and beside others."""
    said = (
        Edition.identifier,
        Edition.number,
        Edition.status,
        Edition.ground,
        Edition.how,
        Licence.type_code,
    )
    licences = select(Edition.id, literal(value=False).label("copied"), *said).join(
        Licence, Licence.id == Edition.licence_id
    )
    copies = (
        select(AnnotatedCopy.id, literal(value=True).label("copied"), *said)
        .join(Edition, Edition.id == AnnotatedCopy.edition_id)
        .join(Licence, Licence.id == Edition.licence_id)
    )
    first = licences.add_columns(Edition.seal_edition_id, Edition.sealed_at)
    further = licences.add_columns(CoSeal.seal_edition_id, CoSeal.sealed_at)
    further = further.join(CoSeal, CoSeal.intent_id == Edition.id)
    own = copies.add_columns(AnnotatedCopy.seal_edition_id, AnnotatedCopy.sealed_at)
    beside = copies.add_columns(CoSeal.seal_edition_id, CoSeal.sealed_at)
    beside = beside.join(CoSeal, CoSeal.intent_id == AnnotatedCopy.id)
    co_sealed = cast("InstrumentedAttribute[datetime]", CoSeal.sealed_at)
    return [
        (first.where(Edition.seal_edition_id == seal_edition_id), Edition.sealed_at, Edition.id),
        (
            further.where(CoSeal.seal_edition_id == seal_edition_id, CoSeal.sealed_at.is_not(None)),
            co_sealed,
            CoSeal.intent_id,
        ),
        (
            own.where(AnnotatedCopy.seal_edition_id == seal_edition_id),
            AnnotatedCopy.sealed_at,
            AnnotatedCopy.id,
        ),
        (
            beside.where(CoSeal.seal_edition_id == seal_edition_id, CoSeal.sealed_at.is_not(None)),
            co_sealed,
            CoSeal.intent_id,
        ),
    ]


def _sealings(
    session: Session, rows: Sequence[Row[Any]], numbers: dict[str, int], limit: Limit
) -> tuple[Sealing, ...]:
    own = _own_authorities(session)
    stamps: dict[str, list[Proof]] = {row.id: [] for row in rows}
    stamped: set[str] = set()
    documents = select(
        Document.edition_id,
        Document.kind,
        Document.stamped_at,
        Document.stamped_by,
        _anchored_at().label("anchored_at"),
    )
    registered = list(session.execute(documents.where(Document.edition_id.in_(stamps))))
    # No day is anchored by its copies: they do not live long enough.
    of_copies = select(
        AnnotatedCopy.id.label("edition_id"),
        literal(ORIGINAL).label("kind"),
        AnnotatedCopy.stamped_at,
        AnnotatedCopy.stamped_by,
        null().label("anchored_at"),
    )
    registered += session.execute(of_copies.where(AnnotatedCopy.id.in_(stamps)))
    anchors = _anchors(session, {found.anchored_at for found in registered} - {None})
    for found in registered:
        if found.anchored_at is not None and found.anchored_at < limit.at:
            proof = Proof(DAY_ANCHOR, anchors[found.anchored_at], found.anchored_at)
            stamps[found.edition_id].append(proof)
        if found.stamped_by is None:
            continue
        if found.kind == ORIGINAL:
            stamped.add(found.edition_id)
        name = own.get(found.stamped_by)
        proof = Proof(OUTSIDE_TSA if name is None else OWN_TSA, name or found.stamped_by, found.stamped_at)
        if proof.at < limit.at:
            stamps[found.edition_id].append(proof)
    return tuple(
        Sealing(
            edition_id=row.id,
            identifier=row.identifier,
            copied=row.copied,
            edition=row.number,
            type_code=row.type_code,
            seal_edition=numbers[row.seal_edition_id],
            sealed_at=row.sealed_at,
            time_stamped=row.id in stamped,
            status=row.status,
            ground=row.ground,
            how=row.how,
            standing=_standing(row.sealed_at, stamps[row.id], limit),
            proofs=tuple(sorted(stamps[row.id], key=lambda proof: (proof.at, proof.kind))),
        )
        for row in rows
    )


def _anchors(session: Session, moments: set[datetime]) -> dict[datetime, str]:
    """The authority that stamped a day, by the moment at which it did."""
    if not moments:
        return {}
    rows = session.execute(
        select(DayAnchor.gen_time, DayAnchor.authority).where(DayAnchor.gen_time.in_(moments))
    )
    return {row.gen_time: row.authority for row in rows}


def _standing(sealed_at: datetime, proofs: Iterable[Proof], limit: Limit) -> Standing:
    """As `totals` has it in SQL."""
    kinds = {proof.kind for proof in proofs}
    if kinds - {OWN_TSA}:
        return Standing.PROVEN
    if sealed_at >= limit.at:
        return Standing.AFTER
    return Standing.OWN_WORD if OWN_TSA in kinds else Standing.UNPROVEN


def _earliest(own: Iterable[str]) -> tuple[ColumnElement[Any], ...]:
    """The first time-stamp of the registry's own authority over an edition's documents, the first other one,
    and the first over a whole day of documents.
    """
    by = func.coalesce(Document.stamped_by, AnnotatedCopy.stamped_by)
    at = func.coalesce(Document.stamped_at, AnnotatedCopy.stamped_at)
    ours = by.in_(list(own))
    return (
        func.min(case((ours, at), else_=literal(None))).label("own_at"),
        func.min(case((~ours, at), else_=literal(None))).label("outside_at"),
        func.min(_anchored_at()).label("anchored_at"),
    )


def _anchored_at() -> ScalarSelect[datetime | None]:
    """When an authority outside stamped the day on which the document was registered."""
    covered = case((DayAnchor.to_at > Document.registered_at, DayAnchor.gen_time), else_=literal(None))
    return (
        select(covered)
        .where(DayAnchor.from_at <= Document.registered_at)
        .order_by(DayAnchor.from_at.desc())
        .limit(1)
        .correlate(Document)
        .scalar_subquery()
    )


def _own_authorities(session: Session) -> dict[str, str]:
    """SHA-256 (hex) of each certificate that the registry's own time-stamp authority ever had; its name."""
    rows = session.execute(signed_certificates(ProfileName.TSA))
    return {
        sha256(certificate.der).hexdigest(): certificate_subject(certificate.der).common_name
        for _key, certificate in rows
        if certificate.der is not None
    }
