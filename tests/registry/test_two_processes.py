"""Two processes at the same moment, each with threads, on one database: what may happen once happens once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from multiprocessing.synchronize import Barrier
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.certificates import new_serial
from keys.errors import Kind, VermilionError
from registry.composition import open_ports
from registry.licences.document_stamps import stamp_due
from registry.log.tables import Event
from registry.ports import Ports
from registry.seals import revocation
from registry.seals.authority import give_ocsp_key, issuing_authority
from registry.seals.revocation_list import publish_crl
from registry.seals.tables import Certificate, CertificateAuthority, CertificateStatus, RevocationList
from registry.settings import Settings
from tests.registry.test_revocation import serial_of
from tests.registry.world import CHEAP, GROUND, Ticker, World

THREADS = 3
FIXED = b"\x07" * 16


def both(world: World, act: str, *arguments: str) -> list[str]:
    """Run `act` in each thread of two processes at once; "done" or the reason of the refusal, sorted."""
    context = multiprocessing.get_context("spawn")
    start, answers = context.Barrier(2), context.SimpleQueue()
    settings = world.ports.settings
    processes = [
        context.Process(
            target=_process, args=(settings.data, settings.database_url, act, arguments, start, answers)
        )
        for _ in range(2)
    ]
    for process in processes:
        process.start()
    said = [answers.get() for _ in range(2 * THREADS)]
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    return sorted(said)


def _process(
    data: Path, url: str, act: str, arguments: tuple[str, ...], start: Barrier, answers: object
) -> None:
    ports = open_ports(Settings(data=data, database_url=url, demo=True), clock=Ticker(), cost=CHEAP)

    def once(_number: int) -> str:
        try:
            ACTS[act](ports, *arguments)
        except VermilionError as error:
            return error.reason
        return "done"

    start.wait(60)
    with ThreadPoolExecutor(THREADS) as pool:
        for word in pool.map(once, range(THREADS)):
            answers.put(word)  # type: ignore[attr-defined]
    ports.database.dispose()


def _revoke(ports: Ports, serial: str) -> None:
    with ports.database.transaction() as session:
        revocation.revoke(session, ports, None, serial, GROUND)


def _publish(ports: Ports) -> None:
    with Session(ports.database.read) as session:
        issuer = issuing_authority(session)
    if publish_crl(ports, issuer) is None:
        raise VermilionError(Kind.CONFLICT, "another was faster", reason="faster")


def _same_serial(ports: Ports) -> None:
    give_ocsp_key(replace(ports, random=lambda size: FIXED[:size]))


def _repair(ports: Ports) -> None:
    if not stamp_due(ports).stamped:
        raise VermilionError(Kind.CONFLICT, "another was faster", reason="nothing")


ACTS: dict[str, Callable[..., None]] = {
    "revoke": _revoke, "publish": _publish, "serial": _same_serial, "repair": _repair,
}  # fmt: skip


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
