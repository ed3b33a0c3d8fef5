"""Browsers that sign in to the console of a world, without a browser: forms, cookies, an authenticator of our own."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from registry.console import invitations, totp
from registry.console.webauthn import to_b64url
from tests.registry.world import World

ORIGIN = "http://localhost:8800"
PASSWORD = "云溪 correct horse battery"


@dataclass
class Authenticator:
    """A WebAuthn authenticator with one ES256 credential, as CTAP2 has it; it does what a test tells it."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    credential_id: bytes = b"\x07" * 32
    count: int = 0
    flags: int = 0x05  # present and verified
    rp_id: str = "localhost"
    origin: str = ORIGIN
    handle: str | None = None

    def cose(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        point = {-2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}
        return cbor2.dumps({1: 2, 3: -7, -1: 1, **point}, canonical=True)

    def data(self, attested: bytes = b"") -> bytes:
        flags = self.flags | (0x40 if attested else 0)
        return (
            sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big") + attested
        )

    def client_data(self, kind: str, challenge: str, **more: Any) -> bytes:
        told = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False, **more}
        return json.dumps(told).encode()

    def attested(self) -> bytes:
        return bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + self.cose()

    def create(self, options: dict[str, Any], label: str = "key") -> dict[str, str]:
        self.handle = options["user"]["id"]
        whole = {"fmt": "none", "attStmt": {}, "authData": self.data(self.attested())}
        return {
            "label": label,
            "clientDataJSON": to_b64url(self.client_data("webauthn.create", options["challenge"])),
            "attestationObject": to_b64url(cbor2.dumps(whole)),
        }

    def get(self, options: dict[str, Any]) -> dict[str, str]:
        self.count += 1
        client_data, data = self.client_data("webauthn.get", options["challenge"]), self.data()
        signature = self.key.sign(data + sha256(client_data).digest(), ec.ECDSA(SHA256()))
        found = {
            "id": to_b64url(self.credential_id),
            "clientDataJSON": to_b64url(client_data),
            "authenticatorData": to_b64url(data),
            "signature": to_b64url(signature),
        }
        return found | ({"userHandle": self.handle} if self.handle else {})


@dataclass
class Browser:
    """Cookies of its own; says where a request comes from, as a browser does."""

    world: World
    http: FlaskClient
    headers: dict[str, str] = field(
        default_factory=lambda: {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
    )

    @classmethod
    def new(cls, world: World) -> Browser:
        return cls(world, world.app.test_client())

    def get(self, path: str, **arguments: Any) -> TestResponse:
        return self.http.get(f"/console{path}", **arguments)

    def post(self, path: str, data: dict[str, str] | None = None, **headers: str) -> TestResponse:
        return self.http.post(f"/console{path}", data=data or {}, headers={**self.headers, **headers})

    def send(self, path: str, body: object = None, **headers: str) -> TestResponse:
        return self.http.post(
            f"/console{path}", json={} if body is None else body, headers={**self.headers, **headers}
        )

    def token_of(self, path: str) -> str:
        """What the forms of a page carry."""
        found = re.findall(r'name="form" value="([^"]+)"', self.get(path).get_data(as_text=True))
        assert found, path
        return str(found[-1])  # the first is that of signing out, of another session perhaps

    def submit(self, path: str, page: str, **data: str) -> TestResponse:
        """A form of `page`, filled in."""
        return self.post(path, {"form": self.token_of(page), **data})

    def cookie(self, name: str = "session") -> str | None:
        found = self.http.get_cookie(f"console-{name}")
        return None if found is None else found.value


def invited(world: World, person_id: str, account: str) -> tuple[str, str]:
    """The link's token and the code of a released invitation."""
    ports = world.ports
    with ports.database.transaction() as session:
        made = invitations.invite(session, ports, world.system, person_id=person_id, account=account)
    with ports.database.transaction() as session:
        return made.token, invitations.release(session, ports, world.security, invitation_id=made.id)


def enrolling(world: World, person_id: str, account: str) -> Browser:
    """A browser before the page on which its person chooses how to sign in."""
    link, code = invited(world, person_id, account)
    browser = Browser.new(world)
    opened = browser.post("/enrol", {"invitation": link, "code": code})
    assert opened.headers.get("Location") == "/console/enrol/choose", opened.get_data(as_text=True)
    return browser


@dataclass
class Local:
    """Somebody with a password and an authenticator application."""

    world: World
    person_id: str
    account: str
    secret: bytes
    password: str = PASSWORD

    def code(self, steps: int = 0) -> str:
        return totp.hotp(self.secret, totp.step_of(self.world.ports.clock()) + steps)

    def type_password(self, browser: Browser, password: str | None = None) -> TestResponse:
        return browser.post("/sign-in", {"account": self.account, "password": password or self.password})

    def sign_in(self, steps: int = 1) -> Browser:
        """In a new browser, by the code of so many steps from now: of one step only one serves."""
        browser = Browser.new(self.world)
        assert self.type_password(browser).headers["Location"] == "/console/sign-in/code"
        answer = browser.submit("/sign-in/code", "/sign-in/code", code=self.code(steps))
        assert answer.headers.get("Location") == "/console/", answer.get_data(as_text=True)
        return browser


def secret_on(page: str) -> bytes:
    found = re.search(r'id="secret">([A-Z2-7 ]+)<', page)
    assert found
    return base64.b32decode(found[1].replace(" ", ""))


def with_password(world: World, person_id: str, account: str = "keeper") -> Local:
    browser = enrolling(world, person_id, account)
    secret = secret_on(browser.get("/enrol/choose").get_data(as_text=True))
    local = Local(world, person_id, account, secret)
    answer = browser.submit(
        "/enrol/password", "/enrol/choose", password=PASSWORD, repeated=PASSWORD, code=local.code(-1)
    )
    assert answer.headers.get("Location") == "/console/sign-in?done=1", answer.get_data(as_text=True)
    return local
