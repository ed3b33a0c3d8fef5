"""Making a seal: key and certificate, then the edition that binds them to the picture, signed by its maker.

The seal's key is made in the custodian and never leaves it. Certificate and edition are on record before they
are signed; the edition counts, and its key may sign, only if the seal is still what it was at the start.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from keys.certificates import Issuer
from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from registry.actor import Actor
from registry.agencies.tables import Agency
from registry.ports import Ports
from registry.rows import changed_rows
from registry.seals.applications import Wanted
from registry.seals.authority import END_SUITE, issuing_authority
from registry.seals.keys import Certified, certify_new_key, subject_name
from registry.seals.maker import maker_of, sign_edition
from registry.seals.rules import begin_making, finish_making, require_still_wanted
from registry.seals.tables import Key, Seal, SealEdition
from registry.seals.transitions import seal_event


@dataclass(frozen=True, slots=True)
class Workshop:
    """What is to be made, by whom, and as which edition."""

    order: Wanted
    seal: Seal
    agency: Agency
    number: int
    issuing: Issuer
    maker: Issuer


def open_workshop(ports: Ports, actor: Actor, code: str) -> Workshop:
    """Check that the actor may make what was approved. Not inside a transaction: a new maker's key signs.

    Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT) and what the custodian raises.
    """
    with Session(ports.database.read) as session:
        seal, order = begin_making(session, actor, code)
        agency = session.get_one(Agency, seal.agency_code)
        issuing = issuing_authority(session)
        maker = session.get_one(Agency, actor.agency_code)
        last = session.scalar(select(func.max(SealEdition.number)).where(SealEdition.seal_code == code)) or 0
    return Workshop(order, seal, agency, last + 1, issuing, maker_of(ports, actor, maker, issuing))


def make(ports: Ports, actor: Actor, code: str) -> Seal:
    """Make what was approved of a seal: its first edition or another. Not inside a transaction: it signs.

    Raises VermilionError(FORBIDDEN, NOT_FOUND, CONFLICT) and what the custodian raises.
    """
    shop = open_workshop(ports, actor, code)
    agency = shop.agency
    subject = subject_name(code, agency.code, agency.name_zh)
    certified = certify_new_key(
        ports, ProfileName.SEAL, END_SUITE, subject, shop.issuing, agency.code, by=actor
    )
    try:
        return finish(ports, actor, code, shop, certified)
    except Exception:  # somebody was faster, or the edition could not be signed or recorded
        with contextlib.suppress(SQLAlchemyError):  # left reserved, the key signs nothing either
            _retire(ports, actor, code, certified)
        raise


def finish(ports: Ports, actor: Actor, code: str, shop: Workshop, certified: Certified) -> Seal:
    """Sign the edition that binds the picture to a certificate, and record it.

    Raises VermilionError(CONFLICT) where another edition is wanted meanwhile; what the custodian raises.
    """
    edition = _edition(ports, actor, code, shop.number, shop.order, certified)
    kind = shop.order.application.kind
    try:
        edition.maker_seal = sign_edition(ports, shop.maker, edition, kind, certified.certificate)
        with ports.database.transaction() as session:
            return finish_making(session, ports, actor, code, edition)
    except VermilionError as error:
        if error.kind is Kind.KEY_REFUSED:
            with Session(ports.database.read) as session:  # the policy sees only that it is not wanted
                require_still_wanted(session, session.get_one(Seal, code), shop.order.approval_id)
        raise


def _edition(
    ports: Ports, actor: Actor, code: str, number: int, order: Wanted, certified: Certified
) -> SealEdition:
    picture = order.picture
    return SealEdition(
        id=ports.random(16).hex(),
        seal_code=code,
        number=number,
        approval_id=order.approval_id,
        name=order.application.name,
        made_by=actor.require_person("maker"),
        state="made",
        in_use_from=None,
        ended_at=None,
        sealed_away_at=None,
        picture_type=picture.type,
        picture=picture.data,
        width_mm=picture.width_mm,
        height_mm=picture.height_mm,
        key_id=certified.key.id,
        certificate_serial=certified.serial,
        valid_from=certified.not_before,
        valid_to=certified.not_after,
        created_at=ports.clock().replace(microsecond=0),
    )


def _retire(ports: Ports, actor: Actor, code: str, certified: Certified) -> None:
    """Retire a key that will seal nothing. It is in use if only the answer of its recording was lost."""
    waiting = update(Key).where(Key.id == certified.key.id, Key.state == "reserved")
    with ports.database.transaction() as session:
        if changed_rows(session, waiting.values(state="retired", since=ports.clock())) != 1:
            return
        seal_event(
            session, ports, actor, "key.retired", certified.key.id, "not_made", subject_kind="key",
            profile=ProfileName.SEAL.value, seal=code, serial=certified.serial,
        )  # fmt: skip
