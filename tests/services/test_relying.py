"""Signed answers of a registry that runs as it is started: the site as another user, the keys in the API."""

from __future__ import annotations

import json
import os
import pwd
import stat

import pytest

from keys.custodian import Kind, Purpose
from registry.database import read_engine
from registry.settings import Settings
from tests.services.asking import (
    CALLER,
    DONE,
    disguised,
    held,
    other_calls,
    receipt_key,
    said_to,
    to_be_signed,
)
from tests.services.places import Running
from tests.services.relying import answer_of_page, known_party, signed_answer
from tests.services.running import line
from tests.services.test_signer import as_user

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
    engine = read_engine(Settings(data=place.data).url)
    key = receipt_key(held(engine), signed)
    true, _ = to_be_signed(signed.content, key)
    ended = dict(answer) | {"verdict": "ended", "how": "revoked"}
    untrue, _ = to_be_signed(signed.content, key, answers=(ended,))
    lies, others = disguised(engine, signed.content), other_calls(engine, signed.content, key)
    engine.dispose()

    assert as_user(STRANGER, lambda: said_to(socket, [true])) == [CALLER]
    right, wrong, *rest = as_user(SITE_USER, lambda: said_to(socket, [true, untrue, *lies, *others]))
    assert right[0] == DONE
    assert wrong == ["key-use-refused", "answer_untrue"]
    assert rest[: len(lies)] == [["key-use-refused", "purpose"]] * len(lies)
    assert rest[len(lies) :] == [CALLER] * len(others)
    assert len(lies) >= 8
    assert len(others) > len(Purpose) * len(Kind)
    assert pwd.getpwnam(STRANGER).pw_uid != pwd.getpwnam(SITE_USER).pw_uid
