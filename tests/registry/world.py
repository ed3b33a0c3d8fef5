"""A whole registry in one process: keys, database, documents, people and clients, one active seal.

Everything is real: first start, software custodian, migrations, the API. Only the clock is ours, and the
passphrase's stretching is cheap.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, cached_property
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.jwk import ECKey
from sqlalchemy import make_url
from werkzeug.test import TestResponse

from keys.apart import RootApart
from keys.clock import Clock
from keys.custodian import Custodian
from keys.envelope import ScryptCost
from registry import openapi, web
from registry.actor import Actor, Administrator, Duty
from registry.agencies.administrators import Newcomer, found
from registry.agencies.enrolments import decide
from registry.agencies.rules import add_agency, add_client, add_person
from registry.agencies.tables import Client, Person
from registry.app import create_app
from registry.composition import establish_registry, open_ports
from registry.custodians import root_custodian
from registry.defects import Defects
from registry.licences.publish import own_files, put_into_service
from registry.log.rules import Ground
from registry.ports import Ports
from registry.samples import sample_agencies, sample_types
from registry.seals.authority import give_qr_key
from registry.seals.trust import publish_trust_list
from registry.settings import Settings
from signing.fonts import Fonts
from signing.value_font import GlyphSet
from tests.describing import client_of
from tests.machine import glyphs

AUTHORITY = "12990000MB01090029"
START = datetime(2026, 11, 20, 2, 30, 0, 250_000, tzinfo=UTC)
CHEAP = ScryptCost(n=2**10)
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
PEOPLE = {  # name: (agency, roles)
    "applicant": ("own", ("applicant",)),
    "keeper": ("own", ("keeper",)),
    "officer": ("own", ("officer",)),
    "decider": ("own", ("decider",)),
    "approver": ("authority", ("approver", "applicant")),
    "approver2": ("authority", ("approver",)),
    "maker": ("authority", ("maker",)),
    "everything": ("authority", ("applicant", "approver", "maker", "keeper")),
    "other-applicant": ("other", ("applicant",)),
    "other-keeper": ("other", ("keeper",)),
}
CLIENTS = {  # name: (agency, scopes)
    "system": ("own", ("licence", "seal", "use", "case")),
    "desk": ("own", ("seal",)),
    "other-system": ("other", ("licence", "seal", "use", "case")),
    "authority-system": ("authority", ("seal",)),
    "authority-desk": ("authority", ("seal",)),
}
BASIS = {"legal_basis": "印章管理办法(样本)", "reason_code": "lost"}
GROUND = Ground(BASIS["legal_basis"], BASIS["reason_code"], START.date())


_numbers = count(1)

on_sqlite = pytest.mark.parametrize("database_backend", ["sqlite"])
"""For tests whose many cases never reach what differs between the databases."""
on_postgresql = pytest.mark.parametrize("database_backend", ["postgresql"])
"""For what cannot come about where a transaction that writes is alone."""


class Ticker:
    """A clock that moves only when told to."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@dataclass(frozen=True)
class Holder:
    """A client or a person with their private key."""

    id: str
    key: ECKey
    agency: str


@dataclass
class World:
    """See `make_world`. `own` is the agency with the seal; `other` issues another type and has no seal."""

    ports: Ports
    codes: Mapping[str, str]  # "own", "other", "authority" -> USCC
    types: Mapping[str, str]  # "own", "other" -> licence type code
    clients: dict[str, Holder] = field(default_factory=dict)
    people: dict[str, Holder] = field(default_factory=dict)
    seal_code: str = ""
    authorisation_id: str = ""
    admins: dict[Duty, Holder] = field(default_factory=dict)
    consoles: dict[str, str] = field(
        default_factory=dict
    )  # agency's name -> id of its console's client; not of `other`
    tokens: dict[tuple[str, str | None, datetime], str] = field(default_factory=dict)
    beside: Any = None  # `tests.registry.jointly.Beside`, in a world with a joint type

    @cached_property
    def app(self) -> Flask:
        """Made when somebody first asks: half of what a world costs."""
        app = create_app(self.ports)
        app.test_client_class = client_of(openapi.text)
        app.config["PROPAGATE_EXCEPTIONS"] = (
            True  # the catch-all is off: a defect fails the test that meets it
        )
        return app

    @cached_property
    def http(self) -> FlaskClient:
        return self.app.test_client()

    @property
    def served(self) -> bool:
        """Whether anybody has asked."""
        return "app" in self.__dict__

    def admin(self, duty: Duty) -> Administrator:
        """As `prove_administrator` would establish it."""
        return Administrator(self.admins[duty].id, duty)

    @property
    def system(self) -> Administrator:
        return self.admin(Duty.SYSTEM)

    @property
    def security(self) -> Administrator:
        return self.admin(Duty.SECURITY)

    @property
    def type_code(self) -> str:
        return self.types["own"]

    @property
    def today(self) -> date:
        return self.ports.clock().astimezone(self.ports.settings.tz).date()

    @property
    def defects(self) -> Defects:
        state: web.AppState = self.app.extensions[web.EXTENSION]
        return state.defects

    def assertion(self, holder: Holder, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A JWT of RFC 7523 signed by the holder; `claims` replace the right ones, None leaves one out."""
        now = int(self.ports.clock().timestamp())
        right: dict[str, Any] = {
            "iss": holder.id,
            "sub": holder.id,
            "aud": f"http://localhost:{self.ports.settings.api_port}/oauth2/token",
            "iat": now,
            "exp": now + 60,
            "jti": f"assertion-{next(_numbers)}",
        }
        kept = {name: value for name, value in (right | claims).items() if value is not None}
        return jwt.encode(header or {"alg": "ES256"}, kept, holder.key)

    def ask_token(self, client: str, person: str | None = None, **changes: Any) -> TestResponse:
        """The token endpoint's answer; `changes` replace form parameters, None leaves one out."""
        form: dict[str, Any] = {
            "grant_type": "client_credentials",
            "client_assertion_type": CLIENT_ASSERTION,
            "client_assertion": self.assertion(self.clients[client]),
        }
        if person is not None:
            form |= {"grant_type": JWT_BEARER, "assertion": self.assertion(self.people[person])}
        form = {name: value for name, value in (form | changes).items() if value is not None}
        return self.http.post("/oauth2/token", data=form)

    def token(self, client: str, person: str | None = None) -> str:
        """One that was asked for at this instant of the world's clock, by whoever it was."""
        asked = client, person, self.ports.clock()
        if asked not in self.tokens:
            answer = self.ask_token(client, person)
            assert answer.status_code == 200, answer.get_data(as_text=True)
            self.tokens[asked] = str(answer.get_json()["access_token"])
        return self.tokens[asked]

    def headers(self, client: str, person: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(client, person)}"}

    def post(
        self, path: str, body: Any, client: str = "system", person: str | None = None, **headers: str
    ) -> TestResponse:
        return self.http.post(path, json=body, headers={**self.headers(client, person), **headers})

    def get(self, path: str, client: str = "system", person: str | None = None) -> TestResponse:
        return self.http.get(path, headers=self.headers(client, person))

    def act(self, person: str, path: str, body: Any, status: int = 200) -> dict[str, Any]:
        """A person's act through their agency's system; fails the test on another status."""
        answer = self.post(path, body, self.system_of(person), person)
        assert answer.status_code == status, answer.get_data(as_text=True)
        value: dict[str, Any] = answer.get_json()
        return value

    def root_custodian(self) -> Custodian:
        """Who holds the root's key, which the services do without."""
        ports = self.ports
        return root_custodian(
            ports.settings, ports.database, ports.vault, clock=ports.clock, random=ports.random, cost=CHEAP
        )

    def with_root(self) -> Ports:
        """The ports of whoever has fetched the root: a first start, or a ceremony."""
        return replace(self.ports, custodian=RootApart(self.root_custodian(), self.ports.custodian))

    def system_of(self, person: str) -> str:
        return {"own": "system", "other": "other-system", "authority": "authority-system"}[PEOPLE[person][0]]

    def actor(self, client: str = "system", person: str | None = None) -> Actor:
        """As `authenticate` would establish it."""
        holder = self.clients[client]
        return Actor(
            client_id=holder.id,
            agency_code=holder.agency,
            scopes=frozenset(CLIENTS[client][1]),
            person_id=self.people[person].id if person else None,
            roles=frozenset(PEOPLE[person][1]) if person else frozenset(),
        )

    def apply_for_seal(self, person: str = "applicant", kind: str = "special") -> dict[str, Any]:
        body = {"kind": kind, "name": "云溪省样本市市场监督管理局"}
        if kind == "special":
            body["bottom_text"] = "食品经营许可专用章"
        return self.act(person, "/api/v1/seal-applications", body, 201)

    def decide(
        self, application: Mapping[str, Any], person: str = "approver", decision: str = "approve"
    ) -> dict[str, Any]:
        kind = "seal-applications" if application["action"] == "apply" else "approvals"
        verb = "approval" if application["action"] == "apply" else "decision"
        body = {"decision": decision, "payload_sha256": application["payload_sha256"]}
        return self.act(person, f"/api/v1/{kind}/{application['id']}/{verb}", body)

    def approved_seal(self, kind: str = "special") -> str:
        return str(self.decide(self.apply_for_seal(kind=kind))["seal"])

    def made_seal(self, kind: str = "special") -> str:
        code = self.approved_seal(kind)
        self.act("maker", f"/api/v1/seals/{code}/making", {}, 201)
        return code

    def active_seal(self, kind: str = "special") -> str:
        code = self.made_seal(kind)
        self.act("maker", f"/api/v1/seals/{code}/filing", {})
        self.act("keeper", f"/api/v1/seals/{code}/activation", {})
        return code

    def authorise(self, code: str, **changes: Any) -> str:
        body = {
            "client_id": self.clients["system"].id,
            "type_code": self.type_code,
            "valid_from": self.today.isoformat(),
            "valid_to": (self.today + timedelta(days=365)).isoformat(),
            "daily_limit": 1000,
        }
        made = self.act("keeper", f"/api/v1/seals/{code}/authorisations", body | changes, 201)
        return str(made["id"])

    def close(self) -> None:
        self.ports.database.read.dispose()  # the writer last: it alone can fold SQLite's journal back in
        self.ports.database.write.dispose()


def make_world(tmp_path: Path, database_url: str, clock: Clock, *, seal: bool = True) -> World:
    """A registry on record in `tmp_path` and an empty database: two agencies and a seal authority, people and
    clients with keys, and (with `seal`) one active seal of `own`, authorised for its type.
    """
    settings = Settings(data=tmp_path / "var", database_url=database_url, demo=True)
    settings.data.mkdir(parents=True)
    (settings.data / "fonts").symlink_to(glyphs())  # converted once a run
    establish_registry(settings, test=True, clock=clock, cost=CHEAP)
    ports = open_ports(settings, clock=clock, cost=CHEAP)
    own, other = sample_agencies()[:2]
    codes = {"own": own.code, "other": other.code, "authority": AUTHORITY}
    clients: dict[str, Holder] = {}
    people: dict[str, Holder] = {}
    consoles: dict[str, str] = {}
    admin_keys = {duty: ECKey.generate_key("P-256") for duty in Duty}
    with ports.database.transaction() as session:
        newcomers = {
            duty: Newcomer(f"样本{duty}", key.as_dict(private=False)) for duty, key in admin_keys.items()
        }
        admins = found(session, ports, newcomers)
        system, security = admins[Duty.SYSTEM], admins[Duty.SECURITY]
        slugs = {
            path.name: put_into_service(session, ports, system, own_files(path)).code
            for path in sample_types()
            if path.name in {*own.types, *other.types}
        }
        types = {"own": slugs[own.types[0]], "other": slugs[other.types[0]]}
        for agency in (own, other):
            add_agency(session, ports, system, code=agency.code, name=agency.name, division=agency.division)
        add_agency(
            session, ports, system, code=AUTHORITY, name={"zh": "云溪省电子印章管理中心", "en": "Yunxi E-Seal Centre"},
            division="990000", seal_authority=True,
        )  # fmt: skip
        for name, (agency_name, scopes) in CLIENTS.items():
            key = ECKey.generate_key("P-256")
            client: Client = add_client(
                session, ports, system, agency_code=codes[agency_name], name=name, scopes=scopes,
                types=[types[agency_name]] if agency_name in types else [],
                jwks=[key.as_dict(private=False)],
            )  # fmt: skip
            decide(session, ports, security, subject=client.id, approve=True, seen=[key.thumbprint()])
            clients[name] = Holder(client.id, key, codes[agency_name])
        for agency_name in ("own", "authority"):
            console = add_client(
                session, ports, system, agency_code=codes[agency_name], name="console", scopes=("licence", "seal"),
                types=[types[agency_name]] if agency_name in types else [], console=True,
            )  # fmt: skip
            decide(session, ports, security, subject=console.id, approve=True)
            consoles[agency_name] = console.id
        for name, (agency_name, roles) in PEOPLE.items():
            key = ECKey.generate_key("P-256")
            person: Person = add_person(
                session, ports, system, agency_code=codes[agency_name], name=f"样本{name}", roles=roles,
                jwk=key.as_dict(private=False),
            )  # fmt: skip
            decide(session, ports, security, subject=person.id, approve=True, seen=[key.thumbprint()])
            people[name] = Holder(person.id, key, codes[agency_name])
    for code in (own.code, other.code):
        give_qr_key(ports, code)
    publish_trust_list(ports)
    world = serve(ports, codes, types, clients, people)
    world.consoles = consoles
    world.admins = {duty: Holder(admins[duty].person_id, key, "") for duty, key in admin_keys.items()}
    if seal:
        world.seal_code = world.active_seal()
        world.authorisation_id = world.authorise(world.seal_code)
    return world


def serve(
    ports: Ports,
    codes: Mapping[str, str],
    types: Mapping[str, str],
    clients: dict[str, Holder],
    people: dict[str, Holder],
) -> World:
    """A world whose application answers by these ports."""
    ports.vault.ready()  # as a service has by its first round of recovery
    return World(ports, codes, types, clients, people)


@cache
def _drawn() -> GlyphSet:
    """What a process has drawn, in whichever world."""
    return GlyphSet(Fonts.find(glyphs()))


_templates: dict[tuple[str, str], tuple[Path, World]] = {}  # by name and database kind


def prepare(url: str) -> None:
    """Fills a template database, once a process and database kind; `copy_world` starts from it."""
    prepare_template(url)


def prepare_template(
    url: str,
    name: str = "",
    change: Callable[[World], None] = lambda _world: None,
    clock: Clock | None = None,
) -> None:
    """A template of this name, with a `change` that its copies have behind them."""
    folder = Path(tempfile.mkdtemp(prefix="vermilion-world-"))
    world = make_world(folder, url, clock or Ticker())
    change(world)
    world.close()
    _templates[name, make_url(url).get_backend_name()] = (folder, world)


def worlds_in(folder: Path, new_database: Callable[..., str]) -> Callable[[Clock], World]:
    """As `copy_world`, time after time: each in a folder and over a database of its own, as machines want."""
    return lambda clock: copy_world(Path(tempfile.mkdtemp(dir=folder)), new_database(prepare), clock)


def copy_world(tmp_path: Path, database_url: str, clock: Clock, name: str = "") -> World:
    """The world of a template over a copy of its database, with keys of its own: quick, and free to change."""
    folder, first = _templates[name, make_url(database_url).get_backend_name()]
    shutil.copytree(folder / "var", tmp_path / "var", symlinks=True)
    settings = Settings(data=tmp_path / "var", database_url=database_url, demo=True)
    ports = open_ports(settings, clock=clock, cost=CHEAP, glyphs=_drawn())
    world = serve(ports, first.codes, first.types, dict(first.clients), dict(first.people))
    world.seal_code, world.authorisation_id = first.seal_code, first.authorisation_id
    world.admins = dict(first.admins)
    world.consoles = dict(first.consoles)
    world.beside = first.beside
    return world
