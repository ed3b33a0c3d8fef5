"""Two processes at the same moment, each with threads, on one database: what may happen once happens once."""

from __future__ import annotations

from contextlib import ExitStack

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.certificates import new_serial
from registry.log.tables import Event
from registry.seals.authority import issuing_authority
from registry.seals.tables import Certificate, CertificateAuthority, CertificateStatus, RevocationList
from tests import warm
from tests.registry.test_revocation import serial_of
from tests.registry.two_processes import FIXED, THREADS
from tests.registry.world import World


def both(world: World, act: str, *arguments: str) -> list[str]:
    """Run `act` in each thread of two processes at once; "done" or the reason of the refusal, sorted."""
    settings = world.ports.settings
    order = ("tests.registry.two_processes", str(settings.data), settings.database_url, act, *arguments)
    with ExitStack() as stack:
        running = [stack.enter_context(warm.talking(*order)) for _ in range(2)]
        for process in running:
            assert process.said.readline() == "ready\n"
        for process in running:
            print(file=process.told, flush=True)
        return sorted(word for process in running for word in process.said.read().split())


def test_one_revocation_takes_effect(world: World) -> None:
    serial = serial_of(world)
    assert both(world, "revoke", serial) == ["certificate_state"] * (2 * THREADS - 1) + ["done"]
    with Session(world.ports.database.read) as session:
        assert session.get_one(Certificate, serial).state_version == 2
        history = select(func.count()).select_from(CertificateStatus)
        assert session.scalars(history).one() == 1
        events = select(func.count()).where(Event.kind == "certificate.revoked")
        assert session.scalars(events).one() == 1
        assert sorted(session.scalars(select(CertificateAuthority.status_version))) == [0, 1]


def test_no_two_lists_have_one_number(world: World) -> None:
    said = both(world, "publish")
    assert set(said) <= {"done", "faster", "crl_number"}
    with Session(world.ports.database.read) as session:
        issuing = issuing_authority(session).key.id
        signed = session.scalars(
            select(RevocationList.number).where(
                RevocationList.ca_key_id == issuing, RevocationList.der.is_not(None)
            )
        ).all()
    assert len(signed) == 1 + said.count("done")  # the first start made one
    assert len(set(signed)) == len(signed)


def test_one_serial_is_given_once(world: World) -> None:
    """A generator that repeats itself: of two certificates of one serial, one is never signed."""
    assert both(world, "serial") == ["done"] + ["serial_used"] * (2 * THREADS - 1)
    serial = f"{new_serial(lambda size: FIXED[:size]):x}"
    with Session(world.ports.database.read) as session:
        certificates = session.scalars(select(Certificate).where(Certificate.serial == serial)).all()
        assert [row.der is not None for row in certificates] == [True]
