"""Signed answers of a registry that runs as it is started: the site as another user, the keys in the API."""

from __future__ import annotations

import json
import os
import pwd
import stat

import pytest

from keys.custodian import KeyRef, Kind, Purpose, SignRequest
from keys.errors import VermilionError
from keys.remote import RemoteCustodian
from keys.signed_answer import answer_input, answer_record
from keys.suite import SUITES
from registry.settings import Settings
from tests.services.places import Running
from tests.services.relying import answer_of_page, known_party, signed_answer
from tests.services.running import line
from tests.services.test_signer import answer_to, as_user

SITE_USER, STRANGER = "nobody", "daemon"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_the_site_has_a_true_answer_signed_and_nobody_else_has_anything(again: Running) -> None:
    place = again.place
    link = line(again.command.out, "link")
    party, asked = known_party(Settings(data=place.data)), json.dumps({"qr": link}).encode()
    assert answer_of_page(place, party, asked).content.answers[0]["verdict"] == "valid"
    signed = signed_answer(place, party, asked)
    (answer,) = signed.content.answers
    assert (answer["verdict"], signed.key.use) == ("valid", "receipt")

    socket = place.data / "receipts" / "socket"
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o711
    key = _receipt_key(place.data)
    suite = SUITES[key.suite]
    content = signed.content
    untrue = dict(answer) | {"verdict": "ended", "how": "revoked"}

    def ask(reference: str, said: object) -> list[str]:
        from dataclasses import replace

        told = replace(content, reference=reference, answers=(said,))  # type: ignore[arg-type]
        data = answer_input(told, signed.key.kid, suite)
        custodian = RemoteCustodian(socket)
        return answer_to(custodian, key, SignRequest(Kind.SIGNED_ANSWER, data, answer_record(reference)))

    def site() -> object:
        seal = KeyRef("0" * 32, Purpose.SEAL, "p256-sha256")
        return [
            ask("1" * 32, answer),
            ask("2" * 32, untrue),
            answer_to(RemoteCustodian(socket), seal, SignRequest(Kind.SIGNED_ATTRIBUTES, b"x", "intent:1")),
            _made(RemoteCustodian(socket)),
        ]

    right, wrong, other_key, made = as_user(SITE_USER, site)
    assert len(right[0]) > 100
    assert wrong == ["key-use-refused", "answer_untrue"]
    assert other_key == made == ["key-use-refused", "caller"]
    assert as_user(STRANGER, lambda: ask("3" * 32, answer)) == ["key-use-refused", "caller"]
    assert pwd.getpwnam(STRANGER).pw_uid != pwd.getpwnam(SITE_USER).pw_uid


def _made(custodian: RemoteCustodian) -> list[str]:
    try:
        custodian.generate(Purpose.RECEIPT, "p256-sha256")
    except VermilionError as error:
        return [error.kind.value, error.reason]
    return []


def _receipt_key(data: object) -> KeyRef:
    from sqlalchemy import select
    from sqlalchemy.orm import Session

    from registry.database import read_engine
    from registry.seals.tables import Key

    engine = read_engine(Settings(data=data).url)  # type: ignore[arg-type]
    with Session(engine) as session:
        key_id = session.scalars(select(Key.id).where(Key.purpose == "receipt", Key.state == "active")).one()
    engine.dispose()
    return KeyRef(key_id, Purpose.RECEIPT, "p256-sha256")
