"""Making a seal: each call to the database and the custodian fails in turn, and no key is left that could seal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import pytest
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from keys.custodian import Custodian, KeyRef, Purpose, SignRequest
from keys.errors import Kind, VermilionError
from keys.suite import PublicKey, SuiteName
from registry.log.tables import Event
from registry.seals.making import make
from registry.seals.tables import Certificate, Key, Seal, SealEdition
from tests.registry.faults import Faults, When, fail, faulty
from tests.registry.world import World


def make_with(world: World, faults: Faults) -> str:
    """Make a new seal, or fail; its code."""
    code = world.approved_seal()
    with faulty(world.ports, faults) as watched:
        make(watched, world.actor("authority-system", "maker"), code)
    return code


@dataclass(frozen=True)
class Keys:
    """The seals' keys on record, by id."""

    active: set[str]
    of_editions: set[str]
    certified: set[str]


def keys(world: World) -> Keys:
    with Session(world.ports.database.read) as session:
        seal = select(Key.id).where(Key.purpose == "seal")
        signed = seal.join(Certificate, Certificate.key_id == Key.id).where(Certificate.der.is_not(None))
        return Keys(
            active=set(session.scalars(seal.where(Key.state == "active"))),
            of_editions=set(session.scalars(select(SealEdition.key_id))),
            certified=set(session.scalars(signed)),
        )


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_key_without_an_edition_is_never_active(world: World, when: When) -> None:
    counted = Faults()
    make_with(world, counted)
    assert {name.split()[0] for name in counted.calls} == {"read", "sql", "custodian"}
    for at, name in enumerate(counted.calls, 1):
        faults = Faults(at=at, when=when, strike=fail)
        try:
            make_with(world, faults)
        except OperationalError:
            pass
        except VermilionError as error:
            assert error.kind is Kind.UNAVAILABLE
        assert faults.struck, (when, name)
        found = keys(world)
        assert found.active == found.of_editions <= found.certified, (when, name)


def test_a_key_that_came_too_late_is_retired_and_its_end_is_an_event(world: World) -> None:
    """The seal was cancelled while it was being made: its key is certified and will seal nothing."""
    code = world.approved_seal()

    def cancel(_name: str) -> None:
        with world.ports.database.transaction() as session:
            session.execute(update(Seal).where(Seal.code == code).values(state="cancelled"))

    before = keys(world)
    faults = Faults()
    make_with(world, faults)
    signing = next(n for n, name in enumerate(faults.calls, 1) if name.startswith("custodian"))
    striking = Faults(at=signing, when="after", strike=cancel)
    with faulty(world.ports, striking) as watched, pytest.raises(VermilionError) as refused:
        make(watched, world.actor("authority-system", "maker"), code)
    assert refused.value.reason == "seal_state"
    (late,) = keys(world).certified - keys(world).of_editions - before.certified
    with Session(world.ports.database.read) as session:
        assert session.get_one(Key, late).state == "retired"
        event = session.scalars(select(Event).where(Event.kind == "key.retired")).one()
    assert (event.subject_kind, event.subject, event.reason_code) == ("key", late, "not_made")
    assert event.detail["seal"] == code
    assert event.person_id == world.people["maker"].id


@dataclass(frozen=True)
class Overtaken:
    """The real custodian, before whose maker's signature somebody else makes the same seal."""

    inner: Custodian
    act: Callable[[], object]

    def generate(self, purpose: Purpose, suite: SuiteName) -> KeyRef:
        return self.inner.generate(purpose, suite)

    def public_key(self, ref: KeyRef) -> PublicKey:
        return self.inner.public_key(ref)

    def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        if ref.purpose is Purpose.SEAL_MAKER:
            self.act()
        return self.inner.sign(ref, requests)


def test_who_is_overtaken_before_the_maker_signs_is_told_so(world: World) -> None:
    """The policy sees only that nothing is wanted any more; the answer says that somebody was faster."""
    code, maker = world.approved_seal(), world.actor("authority-system", "maker")
    custodian = Overtaken(world.ports.custodian, lambda: make(world.ports, maker, code))
    with pytest.raises(VermilionError) as refused:
        make(replace(world.ports, custodian=custodian), maker, code)
    assert (refused.value.kind, refused.value.reason) == (Kind.CONFLICT, "seal_state")
    found = keys(world)
    assert found.active == found.of_editions
