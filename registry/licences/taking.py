"""What transaction 1 takes that no two licences have: serial, number, slot of a status list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import itemgetter

from sqlalchemy import bindparam, delete, func, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry.driver_select import Prepared
from registry.licences.numbers import STATUS_LIST_SIZE, new_number, new_serial, number_mac, uniform
from registry.licences.tables import Holding, Licence, Number, StatusIndex
from registry.ports import Random
from registry.rows import changed_rows, insert_absent, insert_rows
from registry.vault import Vault
from signing.licence_type import LicenceType

RACE = "race"
NUMBER_DRAWS = 20  # of a number that the registry gives
SLOT_PROBES = 24
"""When so many random slots in a row are taken, the next status list is begun: at 58 to 68 % of a list's
slots nine times in ten, above half of them and below 70 % but for one list in 200. Nothing is counted, and
no row is every issue's.
"""


@dataclass(frozen=True, slots=True)
class Want:
    """A licence that is to be; `number` is None where the registry gives it."""

    licence_id: str
    type: LicenceType
    number: str | None


@dataclass(frozen=True, slots=True)
class Taken:
    """A licence in the register."""

    id: str
    serial: str
    number: str
    edition: int = 1


def take_numbers(
    session: Session, issuer_code: str, wants: Sequence[Want], now: datetime, vault: Vault, random: Random
) -> dict[str, Taken]:
    """A row with a serial and a number for each licence, by its id. One that wants a number which is in use,
    by another of them too, is not there and leaves no row.
    """
    serials = {want.licence_id: new_serial(random) for want in wants}
    insert_rows(
        session,
        Licence,
        [
            {
                "id": want.licence_id,
                "type_code": want.type.code,
                "issuer_code": issuer_code,
                "serial": serials[want.licence_id],
                "created_at": now,
            }
            for want in wants
        ],
    )
    taken: dict[str, Taken] = {}
    waiting = list(wants)
    for _ in range(NUMBER_DRAWS):
        numbers = {want.licence_id: want.number or new_number(want.type.number, random) for want in waiting}
        rows = [_number_row(want, issuer_code, numbers[want.licence_id], vault) for want in waiting]
        # In one order: nobody waits in a circle. Of equal ones among them the first has it.
        rows.sort(key=itemgetter("type_code", "number_mac"))
        for licence_id in insert_absent(session, rows, Number.licence_id):
            taken[licence_id] = Taken(licence_id, serials[licence_id], numbers[licence_id])
        waiting = [want for want in waiting if want.number is None and want.licence_id not in taken]
        if not waiting:
            break
    give_back(session, [want.licence_id for want in wants if want.licence_id not in taken])
    return taken


def race() -> VermilionError:
    """Another transaction was quicker between a look and a touch: this one may be tried again."""
    return VermilionError(Kind.UNAVAILABLE, "try again", reason=RACE, retry_after=1)


def give_back(session: Session, licence_ids: Sequence[str]) -> None:
    """What was taken in this transaction for licences that are refused after all."""
    if licence_ids:
        changed_rows(session, delete(Holding).where(Holding.licence_id.in_(licence_ids)))
        changed_rows(session, delete(Number).where(Number.licence_id.in_(licence_ids)))
        changed_rows(session, delete(Licence).where(Licence.id.in_(licence_ids)))


def number_taken() -> VermilionError:
    """The answer to whoever wants a number that is in use."""
    detail = "the agency has a licence of this type with this number"
    return field_fault("/number", "number_taken", detail, Kind.CONFLICT)


def _number_row(want: Want, issuer_code: str, number: str, vault: Vault) -> dict[str, object]:
    return {
        "type_code": want.type.code,
        "issuer_code": issuer_code,
        "number_mac": number_mac(vault, want.type.code, issuer_code, number),
        "licence_id": want.licence_id,
    }


_NEWEST = Prepared(select(func.max(StatusIndex.list).label("newest")))
_TAKEN = Prepared(
    select(StatusIndex.index).where(
        StatusIndex.list == bindparam("newest"), StatusIndex.index.in_(bindparam("tried", expanding=True))
    )
)


def free_slots(session: Session, random: Random, count: int) -> list[tuple[int, int]]:
    """So many random free slots of the newest status list, or of a new one: list and index.

    Random, because neighbours in a status list would say something about each other.
    """
    newest: int = _NEWEST.value(session) or 0
    free: dict[int, None] = {}
    for _ in range(SLOT_PROBES):
        if len(free) == count:
            break
        tried = {uniform(random, STATUS_LIST_SIZE): None for _ in range(count - len(free))}
        taken = {row[0] for row in _TAKEN.rows(session, newest=newest, tried=list(tried))}
        free |= {index: None for index in tried if index not in taken}
    begun: dict[int, None] = {}
    while len(free) + len(begun) < count:
        begun[uniform(random, STATUS_LIST_SIZE)] = None
    return [(newest, index) for index in free] + [(newest + 1, index) for index in begun]
