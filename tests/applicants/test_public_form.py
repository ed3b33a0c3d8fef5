"""The public form is a client of its agency: put on record and approved like any other, without a credential."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import ECKey
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.agencies.enrolments import decide
from registry.agencies.rules import add_client, new_secret
from registry.agencies.tables import Client
from registry.applicants.acts import public_form
from registry.log.tables import Event
from tests.applicants.applying import GUIDE, applicant, open_form, shown
from tests.intake.casework import import_matters
from tests.registry.world import World, on_sqlite


def asked(world: World, **changes: Any) -> Client:
    with world.ports.database.transaction() as session:
        values: dict[str, Any] = {
            "agency_code": world.codes["own"], "name": "网上申请", "scopes": {"case"}, "types": [],
        }  # fmt: skip
        return add_client(session, world.ports, world.system, **(values | changes), public_form=True)


def test_it_takes_applications_once_it_is_approved(world: World) -> None:
    import_matters(world)
    made = asked(world)
    somebody = applicant(world)
    assert "cannot be applied for online now" in shown(somebody.get(GUIDE))
    with world.ports.database.transaction() as session:
        decide(session, world.ports, world.security, subject=made.id, approve=True)
    assert "Apply online" in shown(somebody.get(GUIDE))
    with Session(world.ports.database.read) as session:
        actor = public_form(session, world.codes["own"])
        assert actor is not None
        assert (actor.client_id, actor.scopes, actor.person_id) == (made.id, frozenset({"case"}), None)
        assert public_form(session, world.codes["other"]) is None


def test_an_agency_has_one(world: World) -> None:
    open_form(world)
    with pytest.raises(VermilionError) as known:
        asked(world)
    assert known.value.reason == "form_known"
    open_form(world, "other")
    with pytest.raises(IntegrityError), world.ports.database.transaction() as session:
        session.add(
            Client(
                id="f" * 32, agency_code=world.codes["own"], name="x", scopes=[], secret_sha256=None,
                certificate_required=False, console=False, public_form=True, active=True,
                created_at=world.ports.clock(),
            )
        )  # fmt: skip


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"scopes": {"case", "licence"}}, "/scopes"),
        ({"scopes": {"seal"}}, "/scopes"),
        ({"types": True}, "/scopes"),
        ({"console": True}, "/jwks"),
        ({"secret": True}, "/jwks"),
        ({"jwks": True}, "/jwks"),
        ({"certificate_required": True}, "/jwks"),
    ],
)
def test_it_has_no_credential_and_no_other_scope(world: World, changes: dict[str, Any], field: str) -> None:
    values: dict[str, Any] = {
        "types": [world.type_code],
        "secret": new_secret(world.ports.random),
        "jwks": [ECKey.generate_key("P-256").as_dict(private=False)],
    }
    with pytest.raises(VermilionError) as refused:
        asked(world, **{name: values.get(name, value) for name, value in changes.items()})
    assert [one.field for one in refused.value.faults] == [field]


@on_sqlite
def test_it_gets_no_token_and_its_record_says_what_it_is(world: World) -> None:
    client = open_form(world)
    form = {"grant_type": "client_credentials", "client_id": client, "client_secret": "x" * 43}
    assert world.http.post("/oauth2/token", data=form).status_code == 401
    with Session(world.ports.database.read) as session:
        (added,) = (one for one in session.query(Event).filter_by(kind="client.added", subject=client))
    assert added.detail["public_form"] is True
