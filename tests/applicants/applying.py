"""What applicants do at the public pages of a test world, and what they are shown."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from registry.agencies.enrolments import decide
from registry.agencies.rules import add_client
from registry.intake.applications import Application
from registry.intake.matter_lists import import_list
from registry.intake.tables import Case
from registry.samples import sample_matters
from tests.intake.casework import MATTER, application
from tests.registry.world import World

GUIDE = f"/holder/services/{MATTER}"
WAY_IN = "/holder/applications/"
TEACHER = "99010500100011990100MB0102074C"
_LINK = re.compile(r"/holder/applications/([A-Za-z0-9_-]{43})")


def open_form(world: World, agency: str = "own") -> str:
    """An agency's public form, approved; its client's id."""
    with world.ports.database.transaction() as session:
        row = add_client(
            session, world.ports, world.system, agency_code=world.codes[agency], name="网上申请",
            scopes={"case"}, types=[], public_form=True,
        )  # fmt: skip
        decide(session, world.ports, world.security, subject=row.id, approve=True)
        return row.id


def shown(answer: TestResponse) -> str:
    """The words of the page's main part, in one line."""
    main = answer.get_data(as_text=True).partition("<main")[2].partition("</main>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", f"<main{main}")).split())


def typed_of(made: Application, **changes: str | None) -> dict[str, str]:
    """What somebody types for an application; None leaves a control empty."""
    typed = {"name": made.name, "id_type": made.id_type, "id_code": made.id_code}
    for name, value in made.fields.items():
        typed[f"f_{name}"] = "\n".join(value) if isinstance(value, list) else str(value)
    typed |= {name: value or "" for name, value in changes.items()}
    return typed


@dataclass
class Applicant:
    """Somebody with a browser that keeps nothing."""

    world: World
    http: FlaskClient
    address: str = "203.0.113.1"
    lang: str = "en"

    def get(self, path: str) -> TestResponse:
        mark = "&" if "?" in path else "?"
        return self.http.get(f"{path}{mark}lang={self.lang}", environ_overrides={"REMOTE_ADDR": self.address})

    def post(self, path: str, typed: Mapping[str, Any] | None = None, **more: Any) -> TestResponse:
        if not typed:  # as a browser sends a form of which nothing is filled in
            more.setdefault("content_type", "application/x-www-form-urlencoded")
        return self.http.post(
            f"{path}?lang={self.lang}",
            data=dict(typed or {}),
            environ_overrides={"REMOTE_ADDR": self.address},
            **more,
        )

    def send(self, path: str, data: bytes, name: str = "a.pdf") -> TestResponse:
        """A form with a file, as a browser sends it."""
        head = f'--x\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
        return self.http.post(
            f"{path}?lang={self.lang}",
            data=head.encode() + data + b"\r\n--x--\r\n",
            content_type="multipart/form-data; boundary=x",
            environ_overrides={"REMOTE_ADDR": self.address},
        )

    def blank(self) -> str:
        """The link that a new form carries."""
        page = self.get(f"{GUIDE}/application").get_data(as_text=True)
        found = re.search(r'name="draft" value="([A-Za-z0-9_-]{43})"', page)
        assert found is not None, page
        return found[1]

    def begun(self, **changes: str | None) -> str:
        """The link of a draft that was saved and is complete; `changes` are of what was typed."""
        token = self.blank()
        typed = typed_of(application(self.world), **changes)
        answer = self.post(f"{GUIDE}/application", {**typed, "draft": token})
        assert answer.status_code == 303, shown(answer)
        assert token_of(answer) == token
        return token

    def drawn(self, token: str) -> str:
        """The digest of the form that was drawn of a draft."""
        answer = self.post(f"{WAY_IN}{token}/form")
        assert answer.status_code == 303, shown(answer)
        page = self.get(f"{WAY_IN}{token}/submission").get_data(as_text=True)
        found = re.search(r'name="form" value="([0-9a-f]{64})"', page)
        assert found is not None, page
        return found[1]

    def submit(self, token: str) -> TestResponse:
        """Once the form that was drawn is confirmed."""
        return self.post(f"{WAY_IN}{token}/submission", {"declaration": "yes", "form": self.drawn(token)})

    def submitted(self, **changes: str | None) -> tuple[str, str, str]:
        """The link, number and code of an application that was submitted."""
        token = self.begun(**changes)
        answer = self.submit(token)
        assert answer.status_code == 303, shown(answer)
        page = shown(self.get(f"{WAY_IN}{token}"))
        number = re.search(r"Case number ([0-9]{18})", page)
        code = re.search(r"Look-up code (\S{4} \S{4})", page)
        assert number is not None, page
        assert code is not None, page
        return token, number[1], code[1]


def token_of(answer: TestResponse) -> str:
    """The link that an answer leads to."""
    found = _LINK.match(answer.headers["Location"])
    assert found is not None, answer.headers["Location"]
    return found[1]


def applicant(world: World, **more: Any) -> Applicant:
    return Applicant(world, world.app.test_client(), **more)


def case_of(world: World, number: str) -> str:
    """The id of the case of this number."""
    with Session(world.ports.database.read) as session:
        return session.scalars(select(Case.id).where(Case.number == number)).one()


def cases_of(world: World) -> list[Case]:
    """All that there are."""
    with Session(world.ports.database.read) as session:
        return list(session.scalars(select(Case).order_by(Case.created_at, Case.id)))


def import_teacher(world: World) -> str:
    """The matter of teachers, whose form has a photo, at the other agency; its code."""
    for path in sample_matters():
        if path.name == "teacher-qualification.toml":
            with world.ports.database.transaction() as session:
                import_list(session, world.ports, world.system, path.read_bytes(), path.name)
    return TEACHER
