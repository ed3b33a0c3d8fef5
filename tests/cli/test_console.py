"""Bringing somebody to the console from a terminal: two administrators, one half of an invitation each."""

from __future__ import annotations

import json
from datetime import datetime
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.actor import Duty
from registry.agencies.tables import Person
from registry.console import identities, invitations
from registry.console.tables import Invitation
from registry.log.tables import Event
from registry.sample_registry import CONSOLE_FOLDER, OFFICES, agency
from registry.samples import sample_agencies
from tests.administration import holder_of
from tests.cli.conftest import Run
from tests.cli.test_administration import GROUND, at
from tests.services.running import Place


def test_somebody_is_put_on_record_without_a_key_and_invited(
    vermilion: Run, place: Place, tmp_path: Path
) -> None:
    known = {agency(slug).code for slug in OFFICES}  # which have consoles
    new = next(one for one in sample_agencies() if one.code not in known)
    names = ("--name-zh", new.name["zh"], "--name-en", new.name["en"])
    assert vermilion(place, "agency", "add", new.code, "--division", new.division, *names)[0] == 0
    who = ("--agency", new.code)
    code, console, err = vermilion(
        place, "client", "add", *who, "--name", "业务工作台", "--scope", "seal", "--console"
    )
    assert (code, err) == (0, "")
    assert vermilion(place, "client", "add", *who, "--name", "x", "--scope", "seal")[0] == 64
    file = tmp_path / "person.json"
    file.write_text(json.dumps({"name": "样本新人"}))
    code, person, err = vermilion(place, "person", "add", file, *who, "--role", "keeper")
    assert (code, err) == (0, "")
    code, _, err = vermilion(place, "person", "invite", person.strip(), "--account", "new.one")
    assert (code, err) == (1, "vermilion: the person is disabled, or not approved yet\n")
    assert vermilion(place, "admin", "approve", console.strip(), person.strip()) == (0, "", "")

    code, out, err = vermilion(place, "person", "invite", person.strip(), "--account", "new.one")
    assert (code, err) == (0, "")
    made = json.loads(out)
    shown = [json.loads(row) for row in vermilion(place, "admin", "pending")[1].splitlines()]
    assert [(row["invitation"], row["account"]) for row in shown] == [(made["invitation"], "new.one")]
    code, out, err = vermilion(place, "admin", "release", made["invitation"])
    assert (code, err) == (0, "")
    origin, _, token = made["link"].partition("/console/enrol?invitation=")
    assert origin.startswith("http://localhost:")
    with at(place) as machine, Session(machine.database.read) as session:
        row = invitations.opened_by(session, token, out.strip(), machine.clock())
        assert row.person_id == person.strip()
        kinds = session.scalars(select(Event.kind).where(Event.subject == person.strip())).all()
    assert {"person.added", "invitation.made", "invitation.released"} <= set(kinds)
    assert vermilion(place, "admin", "release", made["invitation"]) == (
        1, "", "vermilion: the invitation is not open\n",
    )  # fmt: skip


def test_an_identity_is_bound_by_two_and_undone_by_one(
    vermilion: Run, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at(place) as machine, Session(machine.database.read) as session:
        auditor = holder_of(session, Duty.AUDIT).person_id
    code, _, err = vermilion(place, "person", "bind", auditor, "--subject", "u-1")
    assert (code, err) == (1, "vermilion: the settings name no OpenID provider\n")
    issuer = "https://idp.example.gov.cn"
    monkeypatch.setenv("VERMILION_OIDC_ISSUER", issuer)
    code, bound, err = vermilion(place, "person", "bind", auditor, "--subject", "u-1")
    assert (code, err) == (0, "")
    seen = identities.thumbprint(issuer, "u-1")
    assert vermilion(place, "admin", "approve", f"{bound.strip()}={seen}") == (0, "", "")
    with at(place) as machine, Session(machine.database.read) as session:
        assert identities.person_of(session, issuer, "u-1") == auditor
    assert vermilion(place, "person", "unbind", bound.strip(), *GROUND) == (0, "", "")
    with at(place) as machine, Session(machine.database.read) as session:
        assert session.get_one(Person, auditor).active


def test_people_of_the_sample_are_invited(place: Place) -> None:
    """Each by a link and a code, in a file that is its owner's alone."""
    folder = place.data / "credentials" / CONSOLE_FOLDER
    files = sorted(folder.iterdir())
    assert {"officer", "keeper", "approver", "maker", "supervisor", "auditor"} <= {one.stem for one in files}
    with at(place) as machine, Session(machine.database.read) as session:
        for file in files:
            assert file.stat().st_mode & 0o077 == 0
            link, code = file.read_text("utf-8").split()
            token = link.partition("/console/enrol?invitation=")[2]
            row = invitations.opened_by(session, token, code, row_moment(session, token))
            assert row.account == file.stem
            assert session.get_one(Person, row.person_id).active


def row_moment(session: Session, token: str) -> datetime:
    """When it was made: the sample may be older than an invitation lasts."""
    digest = sha256(token.encode()).digest()
    return session.scalars(select(Invitation.invited_at).where(Invitation.token_sha256 == digest)).one()
