"""The public site before a world's registry, with the socket of receipts, and relying parties that ask it."""

from __future__ import annotations

import os
import pwd
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from keys.custodian import KeyRef, Kind, Purpose, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.profiles import ProfileName
from keys.remote import RemoteCustodian
from keys.signed_answer import Content, answer_input, answer_record
from keys.suite import SUITES
from keys.trust_list import TrustList, read_trust_list
from registry.agencies.enrolments import decide
from registry.agencies.verifiers import add_verifier, thumbprint
from registry.receipt_socket import serve_receipts
from registry.seals.serving import serving_key
from signing.signed_answer import SignedAnswer, read_signed_answer
from tests.registry.world import World
from tests.services.running import until
from verify_web.app import create_app

API = "/api/v1/verifications"
BULK = f"{API}/bulk"
TAKEN_BACK = "/api/v1/receipts/verify"
SIGNED = {"Accept": "application/jwt"}


@dataclass
class Front:
    """The site, and what it is asked."""

    world: World
    app: Flask
    key: str
    party: str
    http: FlaskClient = field(init=False)

    def __post_init__(self) -> None:
        self.http = self.app.test_client()

    def ask(self, body: Any, path: str = API, *, key: str | None = "", **headers: str) -> TestResponse:
        """As the relying party, by another key, or (None) by nobody's."""
        sent = self.key if key == "" else key
        return self.http.post(path, json=body, headers={**_bearer(sent), **headers})

    def said(self, body: Any, path: str = API, **more: Any) -> Any:
        answer = self.ask(body, path, **more)
        assert answer.status_code == 200, answer.get_data(as_text=True)
        return answer.get_json()

    def signed(self, body: Any, path: str = API) -> SignedAnswer:
        answer = self.ask(body, path, **SIGNED)
        assert (answer.status_code, answer.mimetype) == (200, "application/jwt"), answer.get_data(
            as_text=True
        )
        return self.read(answer.data)

    def read(self, token: bytes) -> SignedAnswer:
        return read_signed_answer(token, trust=self.trust, at=self.world.ports.clock())

    def take_back(self, token: bytes, *, key: str | None = None) -> TestResponse:
        return self.http.post(TAKEN_BACK, data=token, content_type="application/jwt", headers=_bearer(key))

    @property
    def trust(self) -> TrustList:
        jws = self.http.get("/.well-known/elicence/trust-list").data
        return read_trust_list(jws, at=self.world.ports.clock())


def _bearer(key: str | None) -> dict[str, str]:
    return {} if key is None else {"Authorization": f"Bearer {key}"}


def enrol(world: World, *, per_minute: int = 2000, per_day: int = 10_000) -> tuple[str, str]:
    """A relying party on record that waits for its approval: id and key."""
    with world.ports.database.transaction() as session:
        row, key = add_verifier(
            session, world.ports, world.system, name="样本银行", per_minute=per_minute, per_day=per_day
        )
        return row.id, key


def approve(world: World, party: str) -> None:
    from registry.agencies.tables import Verifier

    with world.ports.database.transaction() as session:
        seen = [thumbprint(session.get_one(Verifier, party))]
        decide(session, world.ports, world.security, subject=party, approve=True, seen=seen)


def known(world: World, **quotas: int) -> tuple[str, str]:
    party, key = enrol(world, **quotas)
    approve(world, party)
    return party, key


def make_site(world: World) -> Flask:
    return create_app(world.ports.settings, clock=world.ports.clock, catch_all=False)


@contextmanager
def front(world: World, **quotas: int) -> Iterator[Front]:
    """The site, with a relying party that may ask it and the socket by which it has answers signed."""
    party, key = known(world, **quotas)
    stop = threading.Event()
    here = pwd.getpwuid(os.geteuid()).pw_name  # the site is this very process
    ports = replace(world.ports, settings=world.ports.settings.model_copy(update={"public_user": here}))
    thread = threading.Thread(target=serve_receipts, args=(ports, stop))
    thread.start()
    app = make_site(world)
    try:
        until(world.ports.settings.receipts_at.exists, "the socket is there")
        yield Front(world, app, key, party)
    finally:
        close(app)
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def close(app: Flask) -> None:
    site = app.extensions["site"]
    site.relying.custodian.close()
    site.store.close()
    site.types._engine.dispose()


@dataclass
class Signer:
    """The custodian that the site asks, asked by whoever took the site over."""

    custodian: RemoteCustodian
    key: KeyRef
    kid: str
    _numbers: Iterator[int] = field(default_factory=lambda: iter(range(1, 1000)))

    def signs(self, content: Content, reference: str | None = None, kid: str | None = None) -> str:
        """`signed`, or the reason why not; under a reference of its own unless one is named."""
        if reference is None:
            reference = f"{next(self._numbers):032x}"
            content = replace(content, reference=reference)
        data = answer_input(content, kid or self.kid, SUITES[self.key.suite])
        try:
            self.custodian.sign(self.key, [SignRequest(Kind.SIGNED_ANSWER, data, answer_record(reference))])
        except VermilionError as error:
            assert error.kind is ErrorKind.KEY_REFUSED
            return error.reason
        return "signed"


@contextmanager
def taken_over(site: Front) -> Iterator[Signer]:
    ports = site.world.ports
    with Session(ports.database.read) as session:
        found = serving_key(session, ProfileName.RECEIPT, ports.clock())
    assert found is not None
    key = KeyRef(found.key.id, Purpose.RECEIPT, "p256-sha256")
    custodian = RemoteCustodian(ports.settings.receipts_at)
    try:
        yield Signer(custodian, key, site.trust.keys[-1].kid)
    finally:
        custodian.close()


def moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
