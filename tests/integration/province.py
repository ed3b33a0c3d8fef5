"""A province at work: two agencies with active seals, the API, and the public site and the command line over
the same database. Everything is real; so is the clock, since the command line has no other.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from flask import Flask
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from keys.clock import system_clock
from registry.app import create_app as create_api
from registry.cli.verify import verify
from registry.database import Base
from registry.samples import sample_requests
from registry.seals.trust import publish_trust_list
from tests.registry.issuing import food_number
from tests.registry.world import World, make_world
from verify_web.app import create_app as create_site
from verify_web.site import Site

LICENCES = "/api/v1/licences"
CHECK = "/api/v1/verifications"
OWN_SYSTEM = {"own": "system", "other": "other-system"}
CHANGE = {"legal_basis": "行政许可法 第七十条", "reason_code": "inspection", "operator": "window-03"}
POSITIVE = frozenset({"valid", "genuine_offline"})
_numbers = count(1)


@dataclass(frozen=True)
class Paper:
    """What a holder was given: the API's answer and the registered file."""

    agency: str  # "own" issues food business licences, "other" teacher qualifications
    request: Mapping[str, Any]
    answer: Mapping[str, Any]
    pdf: bytes

    @property
    def identifier(self) -> str:
        return str(self.answer["identifier"])

    @property
    def link(self) -> str:
        """As the code says it, with the fragment."""
        return str(self.answer["link"])

    @property
    def address(self) -> str:
        """The link without the fragment."""
        return self.link.partition("#")[0]

    @property
    def fragment(self) -> str:
        return self.link.partition("#")[2]

    @property
    def path(self) -> str:
        return "/c/" + self.address.rpartition("/")[2]


@dataclass(frozen=True)
class Answer:
    """What a check answered. `code` is an HTTP status, or the exit code of the command; `errors` is what the
    command said on standard error.
    """

    code: int
    body: Mapping[str, Any]
    errors: str = ""

    @property
    def verdict(self) -> str:
        return str(self.body["verdict"])

    @property
    def reasons(self) -> dict[str, str]:
        return {name: check["reason"] for name, check in self.body["checks"].items()}

    @property
    def results(self) -> list[str]:
        return [self.body["checks"][name]["result"] for name in ("content", "issuer", "status")]


@dataclass
class Province:
    """See `make_province`."""

    world: World
    site: Flask
    folder: Path
    seals: dict[str, str] = field(default_factory=dict)  # agency -> the code of its active, authorised seal

    @property
    def here(self) -> Site:
        site: Site = self.site.extensions["site"]
        return site

    @cached_property
    def trust_file(self) -> Path:
        """The trust list as a relying party downloads it from the public site."""
        path = self.folder / "trust-list.jwt"
        path.write_bytes(self.site.test_client().get("/.well-known/elicence/trust-list").data)
        return path

    def request(self, agency: str = "own", holder: int = 0, **changes: Any) -> dict[str, Any]:
        """A right request with a number of its own; `changes` replace members, None leaves one out."""
        code = self.world.types[agency]
        samples = [r for r in sample_requests(self.world.today) if r["type"] == code]
        serial = next(_numbers)
        body = {
            "type": code,
            "seal": self.seals[agency],
            "number": food_number(500_000 + serial) if agency == "own" else f"202699101{3}{serial:06}1",
            "fields": samples[holder]["fields"],
            "matter_code": "000131001000",
            "case_number": f"20261120-{serial:04}",
            "operator": "window-03",
        }
        return {name: value for name, value in (body | changes).items() if value is not None}

    def ask_to_issue(self, request: Mapping[str, Any], agency: str = "own", query: str = "") -> TestResponse:
        headers = {"Idempotency-Key": f"key-{next(_numbers)}"}
        return self.world.post(LICENCES + query, request, OWN_SYSTEM[agency], **headers)

    def issue(self, agency: str = "own", holder: int = 0, **changes: Any) -> Paper:
        request = self.request(agency, holder, **changes)
        answer = self.ask_to_issue(request, agency)
        assert answer.status_code == 201, answer.get_data(as_text=True)
        licence = answer.get_json()
        document = self.world.get(licence["document"]["href"], OWN_SYSTEM[agency])
        assert document.status_code == 200
        return Paper(agency, request, licence, document.data)

    def change(self, paper: Paper, act: str, **more: str) -> dict[str, Any]:
        """`suspension`, `resumption` or `ending`, asked for by the agency's system."""
        answer = self.world.post(
            f"{LICENCES}/{paper.identifier}/{act}", CHANGE | more, OWN_SYSTEM[paper.agency]
        )
        assert answer.status_code == 200, answer.get_data(as_text=True)
        value: dict[str, Any] = answer.get_json()
        return value

    def copy(self, paper: Paper, **changes: Any) -> Paper:
        """An annotated copy of a licence, as its recipient is given it."""
        request = {
            "purpose": "办理银行开户",
            "recipient": "样本市商业银行",
            "valid_to": (self.world.today + timedelta(days=30)).isoformat(),
            "count": 2,
            "holder_wish": "in_writing",
            "seal": self.seals[paper.agency],
            "matter_code": "000131001000",
            "case_number": f"20261120-{next(_numbers):04}",
            "operator": "window-03",
        } | changes
        client = OWN_SYSTEM[paper.agency]
        headers = {"Idempotency-Key": f"copy-{next(_numbers)}"}
        answer = self.world.post(f"{LICENCES}/{paper.identifier}/copies", request, client, **headers)
        assert answer.status_code == 201, answer.get_data(as_text=True)
        made = answer.get_json()
        document = self.world.get(made["document"]["href"], client)
        assert document.status_code == 200
        return Paper(paper.agency, request, {**made, "identifier": made["licence"]}, document.data)

    def withdraw(self, copy: Paper) -> None:
        path = f"{LICENCES}/{copy.identifier}/copies/{copy.answer['id']}/withdrawal"
        answer = self.world.post(path, CHANGE, OWN_SYSTEM[copy.agency])
        assert answer.status_code == 200, answer.get_data(as_text=True)

    # --- every way to check -----------------------------------------------------------------------------

    def check_file(self, pdf: bytes) -> Answer:
        """By the service, as a program sends it."""
        answer = self.site.test_client().post(CHECK, data=pdf, content_type="application/pdf")
        return Answer(answer.status_code, answer.get_json())

    def check_link(self, link: str, member: str = "link") -> Answer:
        """By the service, with the fragment."""
        answer = self.site.test_client().post(CHECK, json={member: link})
        return Answer(answer.status_code, answer.get_json())

    def check_typed(self, identifier: str, lookup_code: str) -> Answer:
        """From a network of its own each time: ten a minute are free from one."""
        number = next(_numbers)
        body = {"identifier": identifier, "lookup_code": lookup_code}
        address = {"REMOTE_ADDR": f"10.{number >> 8 & 255}.{number & 255}.1"}
        answer = self.site.test_client().post(CHECK, json=body, environ_overrides=address)
        return Answer(answer.status_code, answer.get_json())

    def look(self, paper: Paper) -> Answer:
        """What the link answers to a program: the fragment never reaches the site."""
        answer = self.site.test_client().get(paper.path, headers={"Accept": "application/json"})
        return Answer(answer.status_code, answer.get_json())

    def page(self, paper: Paper) -> str:
        return self.site.test_client().get(paper.path, headers={"Accept-Language": "en"}).text

    def verify(self, *arguments: str | Path) -> Answer:
        """`vermilion verify … --json` within this process, its catch-all off."""
        options = ["--json", "--no-catch-all"]
        done = CliRunner().invoke(verify, [*map(str, arguments), *options], env=self.environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Answer(done.exit_code, _json(done.stdout), done.stderr)

    def offline(self, subject: str | Path) -> Answer:
        return self.verify(subject, "--trust", self.trust_file)

    def online(self, subject: str | Path) -> Answer:
        """Through the local data directory."""
        return self.verify(subject, "--data", self.world.ports.settings.data)

    @property
    def environment(self) -> dict[str, str]:
        """What the command line needs to find this database."""
        url = self.world.ports.settings.database_url
        return {"VERMILION_DATABASE_URL": url} if url else {}

    def command(
        self, *arguments: str | Path, environment: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """`vermilion verify …` in a process of its own, its catch-all off."""
        return subprocess.run(
            [sys.executable, "-m", "registry", "verify", "--no-catch-all", *map(str, arguments)],
            env={**os.environ, **self.environment, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    # --- what is written down -----------------------------------------------------------------------------

    def rows(self, *tables: type[Base]) -> list[int]:
        with Session(self.world.ports.database.read) as session:
            return [session.scalar(select(func.count()).select_from(table)) or 0 for table in tables]

    def alarm_rows(self) -> list[dict[str, Any]]:
        """Every alarm in the site's own store, the oldest first."""
        with self.here.store.begin() as connection:
            return [dict(row._mapping) for row in connection.execute(text("SELECT * FROM alarm ORDER BY id"))]

    def alarms_counted(self, reason: str) -> float:
        """What the site's metrics say."""
        metrics = self.site.test_client().get("/metrics").text
        return sum(
            sample.value
            for family in text_string_to_metric_families(metrics)
            for sample in family.samples
            if sample.name == "vermilion_alarms_total" and sample.labels["reason"] == reason
        )

    def close(self) -> None:
        """No defect may have happened by now."""
        assert self.world.defects.last == []
        assert self.here.metrics.defects.last == []
        self.here.store.close()
        self.here.types._engine.dispose()  # type: ignore[attr-defined]  # of PublishedTypes; the look-ups' too
        self.world.close()


def make_province(folder: Path, database_url: str = "", public_port: int | None = None) -> Province:
    """`database_url` "" is SQLite in the data directory. With `public_port` the printed links lead there."""
    world = make_world(folder, database_url, system_clock)
    if public_port is not None:
        settings = world.ports.settings.model_copy(update={"public_port": public_port})
        world.ports = replace(world.ports, settings=settings)
        world.app = create_api(world.ports)
        world.app.config["PROPAGATE_EXCEPTIONS"] = True
        world.http = world.app.test_client()
        publish_trust_list(world.ports)
    seals = {"own": world.seal_code, "other": _teachers_seal(world)}
    return Province(world, create_site(world.ports.settings, catch_all=False), folder, seals)


def _teachers_seal(world: World) -> str:
    """The other agency's seal, from application to standing authorisation."""
    wanted = {"kind": "name", "name": "云溪省样本市教育局"}
    applied = world.act("other-applicant", "/api/v1/seal-applications", wanted, 201)
    code = str(world.decide(applied)["seal"])
    world.act("maker", f"/api/v1/seals/{code}/making", {}, 201)
    world.act("maker", f"/api/v1/seals/{code}/filing", {})
    world.act("other-keeper", f"/api/v1/seals/{code}/activation", {})
    body = {
        "client_id": world.clients["other-system"].id,
        "type_code": world.types["other"],
        "valid_from": world.today.isoformat(),
        "valid_to": world.today.replace(month=12, day=31).isoformat(),
        "daily_limit": 1000,
    }
    world.act("other-keeper", f"/api/v1/seals/{code}/authorisations", body, 201)
    return code


def _json(text_: str) -> dict[str, Any]:
    import json

    value: dict[str, Any] = json.loads(text_)
    return value
