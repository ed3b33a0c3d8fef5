"""What can be asked of whoever holds the keys, call by call: what the site may have, and everything else."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from keys.clock import system_clock
from keys.custodian import PURPOSE_SUITES, KeyRef, Kind, Purpose, SignRequest
from keys.errors import VermilionError
from keys.remote import RemoteCustodian
from keys.signed_answer import Content, answer_input, answer_record
from keys.suite import SUITES
from keys.trust_list import kid_of
from signing.signed_answer import SignedAnswer
from signing.verdict import instant

DONE = "done"
CALLER = ["key-use-refused", "caller"]  # refused for who asks, whatever it is
Call = list[Any]
"""The name of a call and its arguments, as JSON takes them: octets in hex, a key as id, purpose and suite."""


def said_to(socket: Path, calls: list[Call]) -> list[list[str]]:
    """DONE and what was given, or kind and reason of the refusal, of each call over the socket."""
    custodian = RemoteCustodian(socket)

    def ask(name: str, *arguments: Any) -> list[str]:
        try:
            return [DONE, _CALLS[name](custodian, *arguments)]
        except VermilionError as error:
            return [error.kind.value, error.reason]

    try:
        return [ask(*call) for call in calls]
    finally:
        custodian.close()


def _signed(custodian: RemoteCustodian, key: list[Any], requests: list[list[str]]) -> str:
    wanted = [SignRequest(Kind(kind), bytes.fromhex(data), record) for kind, data, record in requests]
    key_id, purpose, suite = key
    return ",".join(one.hex() for one in custodian.sign(KeyRef(key_id, Purpose(purpose), suite), wanted))


_CALLS: dict[str, Callable[..., str]] = {
    "sign": _signed,
    "generate": lambda custodian, purpose, suite: custodian.generate(Purpose(purpose), suite).id,
    "make_wrapping_key": lambda custodian: custodian.make_wrapping_key(),
    "wrap": lambda custodian, key, data, record: custodian.wrap(key, bytes.fromhex(data), record).hex(),
    "unwrap": lambda custodian, key, data, record: custodian.unwrap(key, bytes.fromhex(data), record).hex(),
}


@dataclass(frozen=True)
class Held:
    """A key on record. `public_key`: SubjectPublicKeyInfo, DER."""

    ref: KeyRef
    public_key: bytes

    @property
    def named(self) -> list[str]:
        return [self.ref.id, self.ref.purpose.value, self.ref.suite]


def held(engine: Engine) -> list[Held]:
    """Every key on record."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, purpose, suite, public_key FROM key ORDER BY id")).all()
    return [Held(KeyRef(row[0], Purpose(row[1]), row[2]), bytes(row[3])) for row in rows]


def receipt_key(keys: list[Held], signed: SignedAnswer) -> Held:
    (found,) = [key for key in keys if key.public_key == signed.key.public_key]
    return found


def to_be_signed(content: Content, key: Held, **changes: Any) -> tuple[Call, bytes]:
    """The call that has the answer signed anew, of this moment, with changes; and its bytes."""
    reference = secrets.token_hex(16)
    now = system_clock().replace(microsecond=0)
    anew: dict[str, Any] = {"reference": reference, "issued_at": now} | changes
    made = replace(content, **anew)
    made = replace(made, answers=tuple({**answer, "as_of": instant(now)} for answer in made.answers))
    data = answer_input(made, kid_of(key.public_key), SUITES[key.ref.suite])
    return ["sign", key.named, [[Kind.SIGNED_ANSWER.value, data.hex(), answer_record(reference)]]], data


def other_calls(engine: Engine, content: Content, receipt: Held) -> list[Call]:
    """All that the protocol knows but the signature of an answer: each kind by a key of each purpose, with a
    true answer for bytes; one such call beside the permitted one; new keys; data keys wrapped and unwrapped.
    """
    (_, _, [permitted]), _ = to_be_signed(content, receipt)
    data, record = permitted[1:]
    of = {key.ref.purpose: key.named for key in held(engine)}
    calls: list[Call] = [
        ["sign", of.get(purpose, ["0" * 32, purpose.value, "p256-sha256"]), [[kind.value, data, record]]]
        for purpose in Purpose
        for kind in Kind
        if (purpose, kind) != (Purpose.RECEIPT, Kind.SIGNED_ANSWER)
    ]
    calls.append(["sign", receipt.named, [permitted, [Kind.CERTIFICATE.value, data, record]]])
    calls += [["generate", purpose.value, suite] for purpose in Purpose for suite in PURPOSE_SUITES[purpose]]
    calls.append(["make_wrapping_key"])
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT wrapping_key_id, wrapped, use, generation FROM data_key")
        ).all()
    assert rows
    for key_id, wrapped, use, generation in rows:
        name = f"data-key:{use}:{generation}"
        calls += [["unwrap", key_id, bytes(wrapped).hex(), name], ["wrap", key_id, "00" * 32, name]]
    return calls


def disguised(engine: Engine, content: Content) -> list[Call]:
    """A true answer by each other key that a custodian of the registry holds, said to be one of receipts."""
    return [
        to_be_signed(content, replace(key, ref=replace(key.ref, purpose=Purpose.RECEIPT)))[0]
        for key in held(engine)
        if key.ref.purpose not in (Purpose.RECEIPT, Purpose.ROOT_CA)  # the root's is nowhere near
        and key.ref.suite in PURPOSE_SUITES[Purpose.RECEIPT]
    ]
