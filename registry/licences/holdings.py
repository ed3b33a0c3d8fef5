"""One valid licence per holder, of the types that say so: whoever issues it, in force or suspended.

A holding is taken in transaction 1 and goes when the licence ends. One that has expired stays, and gives way
to the first that asks: whether it has expired is a question of the day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry.licences.tables import Edition, Holding, Intent
from registry.licences.taking import race
from registry.rows import changed_rows, insert_absent
from registry.vault import Vault
from signing.licence_type import LicenceType, Role
from signing.record import FieldValue


@dataclass(frozen=True, slots=True)
class Held:
    """A licence that is to be its holder's, by intent."""

    intent_id: str
    licence_id: str
    type: LicenceType
    fields: Mapping[str, FieldValue]


def holder_mac(vault: Vault, type_code: str, holder_code: str) -> bytes:
    """By what a holder is found again: codes of people and organisations can be tried."""
    return vault.blind("holder", type_code, holder_code)


def holder_of(vault: Vault, licence_type: LicenceType, fields: Mapping[str, FieldValue]) -> bytes | None:
    """By what a licence's holder is found again; None where its type or its values have no code of them."""
    field = licence_type.field(Role.HOLDER_CODE)
    code = None if field is None else fields.get(field.name)
    return None if code is None else holder_mac(vault, licence_type.code, str(code))


def valid_of(session: Session, vault: Vault, type_code: str, holder_code: str, day: date) -> Edition | None:
    """The holder's licence of a type that is in force and valid on the day, whoever issued it: the one that
    is valid since last, where there are several. Raises VermilionError(UNAVAILABLE).
    """
    of_holder = select(Intent.id).where(Intent.holder_mac == holder_mac(vault, type_code, holder_code))
    valid = (
        Edition.id.in_(of_holder),
        Edition.status == "in_force",
        Edition.valid_from <= day,
        or_(Edition.valid_to.is_(None), Edition.valid_to >= day),
    )
    newest = select(Edition).where(*valid).order_by(Edition.valid_from.desc(), Edition.id.desc())
    return session.scalars(newest.limit(1)).one_or_none()


def hold(
    session: Session, vault: Vault, wanted: Sequence[Held], day: date, refused: dict[str, VermilionError]
) -> None:
    """Take the holding of each whose type has one a holder; what is taken by another licence is refused."""
    keyed: dict[tuple[str, bytes], Held] = {}
    for one in wanted:
        if not one.type.one_per_holder:
            continue
        mac = holder_of(vault, one.type, one.fields)
        assert mac is not None  # the loader refuses such types without a required code
        key = one.type.code, mac
        if key in keyed:
            refused[one.intent_id] = _has_one(one.type)
        else:
            keyed[key] = one
    for key in sorted(keyed):  # in one order: nobody waits in a circle
        one = keyed[key]
        row = {"type_code": key[0], "holder_mac": key[1], "licence_id": one.licence_id}
        if not insert_absent(session, [row], Holding.licence_id) and not _takes_over(session, key, one, day):
            refused[one.intent_id] = _has_one(one.type)


def _takes_over(session: Session, key: tuple[str, bytes], one: Held, day: date) -> bool:
    """Whether the holding is this licence's already, or one of a licence that has expired, now this one's."""
    of = (Holding.type_code == key[0], Holding.holder_mac == key[1])
    holder = session.scalars(select(Holding.licence_id).where(*of).with_for_update()).one_or_none()
    if holder is None:  # its licence ended just now
        raise race()
    if holder == one.licence_id:
        return True
    opened = select(Intent.id).where(Intent.licence_id == holder, Intent.state == "open").limit(1)
    if session.scalar(opened) is not None:
        return False
    # Asked after: what was open a moment ago is an edition by now, and a later intent waits for our lock.
    newest = select(Edition.valid_to).where(Edition.licence_id == holder).order_by(Edition.number.desc())
    until = session.scalar(newest.limit(1))  # None, too, where nothing of it was issued
    if until is None or until >= day:
        return False
    moved = update(Holding).where(*of, Holding.licence_id == holder).values(licence_id=one.licence_id)
    return changed_rows(session, moved) == 1


def _has_one(licence_type: LicenceType) -> VermilionError:
    field = licence_type.field(Role.HOLDER_CODE)
    detail = "the holder has a valid licence of this type: it is amended, renewed or ended first"
    return field_fault(f"/fields/{field.name if field else ''}", "holder_has_one", detail, Kind.CONFLICT)
