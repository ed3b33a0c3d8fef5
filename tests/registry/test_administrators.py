"""System, security and audit administration are duties of three people, whoever tries what at the same moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from joserfc.jwk import ECKey
from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Administrator, Duty
from registry.agencies.administrators import Newcomer, found, recover
from registry.agencies.auth import prove_administrator
from registry.agencies.enrolments import decide, pending
from registry.agencies.rules import (
    add_administrator,
    add_agency,
    add_client,
    add_person,
    entitle,
    set_client_active,
    set_person_active,
    set_roles,
)
from registry.agencies.tables import Enrolment, Founding, Person
from registry.licences.publish import import_type, own_files, publish_type, withdraw_type
from registry.log.audit import EVENTS, Question, read
from registry.log.tables import Event
from registry.samples import sample_types
from registry.seals.data_keys import renew_data_keys
from registry.seals.outside_ca import withdraw_authority
from registry.seals.retirement import retire_key
from tests.registry.test_app import routes
from tests.registry.test_seals_races import at_once
from tests.registry.world import GROUND, JWT_BEARER, World, on_sqlite

Act = Callable[[Session, World, Administrator], object]
ID = "0" * 32


def public() -> dict[str, Any]:
    return dict(ECKey.generate_key("P-256").as_dict(private=False))


SYSTEM, SECURITY, AUDIT = Duty.SYSTEM, Duty.SECURITY, Duty.AUDIT
ACTS: dict[str, tuple[frozenset[Duty], Act]] = {
    "agency": (frozenset({SYSTEM}), lambda s, w, a: add_agency(
        s, w.ports, a, code="11990102MB0103122T", name={"zh": "局", "en": "B"}, division="990102")),
    "person": (frozenset({SYSTEM}), lambda s, w, a: add_person(
        s, w.ports, a, agency_code=w.codes["own"], name="样本", roles=["keeper"], jwk=public())),
    "client": (frozenset({SYSTEM}), lambda s, w, a: add_client(
        s, w.ports, a, agency_code=w.codes["own"], name="x", scopes=["seal"], types=[], jwks=[public()])),
    "administrator": (frozenset({SYSTEM}), lambda s, w, a: add_administrator(
        s, w.ports, a, duty=AUDIT, name="样本", jwk=public())),
    "publish": (frozenset({SYSTEM}), lambda s, w, a: publish_type(s, w.ports, a, code=w.type_code, version=1)),
    "import": (frozenset({SYSTEM}), lambda s, w, a: import_type(s, w.ports, a, own_files(sample_types()[0]))),
    "withdraw": (frozenset({SYSTEM}), lambda s, w, a: withdraw_type(
        s, w.ports, a, code=w.type_code, version=1, ground=GROUND)),
    "retire": (frozenset({SYSTEM}), lambda s, w, a: retire_key(s, w.ports, a, key_id=ID, ground=GROUND)),
    "data keys": (frozenset({SYSTEM}), lambda _s, w, a: renew_data_keys(w.ports, a, GROUND)),
    "outside CA": (frozenset({SYSTEM}), lambda s, w, a: withdraw_authority(s, w.ports, a, "none", GROUND)),
    "entitle": (frozenset({SECURITY}), lambda s, w, a: entitle(
        s, w.ports, a, client_id=w.clients["system"].id, type_code=w.types["other"])),
    "roles": (frozenset({SECURITY}), lambda s, w, a: set_roles(
        s, w.ports, a, person_id=w.people["keeper"].id, grant=["officer"], ground=GROUND)),
    "decide": (frozenset({SECURITY}), lambda s, w, a: decide(s, w.ports, a, subject=ID, approve=True)),
    "enable person": (frozenset({SECURITY}), lambda s, w, a: set_person_active(
        s, w.ports, a, person_id=w.people["keeper"].id, active=True, ground=GROUND)),
    "disable person": (frozenset({SYSTEM, SECURITY}), lambda s, w, a: set_person_active(
        s, w.ports, a, person_id=w.people["keeper"].id, active=False, ground=GROUND)),
    "enable client": (frozenset({SECURITY}), lambda s, w, a: set_client_active(
        s, w.ports, a, client_id=w.clients["desk"].id, active=True, ground=GROUND)),
    "disable client": (frozenset({SYSTEM, SECURITY}), lambda s, w, a: set_client_active(
        s, w.ports, a, client_id=w.clients["desk"].id, active=False, ground=GROUND)),
    "audit": (frozenset({AUDIT}), lambda s, w, a: read(s, w.ports, a, EVENTS, Question(w.ports.clock()))),
}  # fmt: skip


def do(world: World, act: Callable[[Session], object]) -> str:
    """ "done", or the reason of the refusal."""
    try:
        with world.ports.database.transaction() as session:
            act(session)
    except VermilionError as error:
        return error.reason
    return "done"


@on_sqlite
@pytest.mark.parametrize("name", ACTS)
def test_each_act_is_of_its_duty_alone(world: World, name: str) -> None:
    duties, act = ACTS[name]
    for duty in Duty:
        admin = world.admin(duty)
        outcome = do(world, lambda session, admin=admin: act(session, world, admin))  # type: ignore[misc]
        assert (outcome == "duty") is (duty not in duties), duty
        forged = Administrator(admin.person_id, next(iter(duties)))  # says another duty than it holds
        if duty not in duties:
            assert do(world, lambda session, forged=forged: act(session, world, forged)) == "disabled"  # type: ignore[misc]


def newcomer() -> Newcomer:
    return Newcomer("样本", public())


def thumbprints(*keys: dict[str, Any]) -> list[str]:
    return [ECKey.import_key(key).thumbprint() for key in keys]


def enrol(world: World, duty: Duty) -> str:
    """One more administrator, in office."""
    with world.ports.database.transaction() as session:
        key = public()
        person = add_administrator(session, world.ports, world.system, duty=duty, name="样本", jwk=key).id
        decide(session, world.ports, world.security, subject=person, approve=True, seen=thumbprints(key))
    return person


def test_the_database_lets_nobody_combine_duties(world: World) -> None:
    """Whatever a rule forgets: no row says two duties, or a duty and a role or an agency."""
    auditor, keeper = world.admins[AUDIT].id, world.people["keeper"].id
    for person, changes in (
        (auditor, {"roles": ["keeper"]}),
        (auditor, {"agency_code": world.codes["own"]}),
        (auditor, {"duty": "every duty"}),
        (keeper, {"duty": "auditor"}),
        (keeper, {"duty": "auditor", "agency_code": None}),
        (keeper, {"agency_code": None}),
    ):
        with pytest.raises(IntegrityError), world.ports.database.transaction() as session:
            session.execute(update(Person).where(Person.id == person).values(**changes))
    assert do(world, lambda s: set_roles(
        s, world.ports, world.security, person_id=auditor, grant=["keeper"], ground=GROUND
    )) == "duties_combined"  # fmt: skip


def test_one_key_is_no_two_administrators_even_at_the_same_moment(world: World) -> None:
    jwk = public()

    def add(duty: Duty) -> Callable[[], object]:
        def act() -> None:
            with world.ports.database.transaction() as session:
                add_administrator(session, world.ports, world.system, duty=duty, name="样本", jwk=jwk)

        return act

    assert at_once(*(add(duty) for duty in Duty)) == ["done", "key_known", "key_known"]


def test_an_enrolment_is_decided_once_and_by_another(world: World) -> None:
    key = public()
    with world.ports.database.transaction() as session:
        person = add_person(
            session, world.ports, world.system, agency_code=world.codes["own"], name="样本",
            roles=["keeper", "officer"], jwk=key,
        ).id  # fmt: skip
    grant: dict[str, Any] = {"person_id": person, "ground": GROUND}
    for early in (
        lambda s: set_roles(s, world.ports, world.security, grant=["maker"], **grant),
        lambda s: set_person_active(s, world.ports, world.security, active=True, **grant),
    ):
        assert do(world, early) == "not_approved"

    def approve() -> None:
        with world.ports.database.transaction() as session:
            decide(session, world.ports, world.security, subject=person, approve=True, seen=thumbprints(key))

    def refuse() -> None:
        with world.ports.database.transaction() as session:
            decide(session, world.ports, world.security, subject=person, approve=False)

    assert at_once(approve, refuse, approve) == ["decided", "decided", "done"]
    with Session(world.ports.database.read) as session:
        row, enrolment = session.get_one(Person, person), session.get_one(Enrolment, person)
        approved = enrolment.state == "approved"
        assert (row.active, row.roles) == (approved, ["keeper", "officer"] if approved else [])


@on_sqlite
def test_whoever_approves_names_the_very_keys(world: World) -> None:
    """A key of the system administrator's own under a colleague's name."""
    keys = [public(), public()]
    with world.ports.database.transaction() as session:
        client = add_client(
            session, world.ports, world.system, agency_code=world.codes["own"], name="x", scopes=["seal"],
            types=[], jwks=keys,
        ).id  # fmt: skip
        (shown,) = pending(session)
    assert shown["thumbprints"] == sorted(thumbprints(*keys))

    def approve(seen: list[str]) -> str:
        return do(world, lambda s: decide(
            s, world.ports, world.security, subject=client, approve=True, seen=seen
        ))  # fmt: skip

    own = thumbprints(*keys)
    for wrong in ([], own[:1], own + own[:1], thumbprints(keys[0], public()), thumbprints(public())):
        assert approve(wrong) == "key_unseen"
    assert approve(own[::-1]) == "done"
    with Session(world.ports.database.read) as session:
        (event,) = session.scalars(
            select(Event).where(Event.kind == "enrolment.approved", Event.subject == client)
        )
    assert event.detail["keys"] == sorted(own)


@on_sqlite
def test_what_a_disabled_administrator_enrolled_is_not_approved(world: World) -> None:
    enrol(world, SYSTEM)
    key = public()
    with world.ports.database.transaction() as session:
        person = add_administrator(session, world.ports, world.system, duty=SECURITY, name="样本", jwk=key).id

    def switch(active: bool) -> str:
        return do(world, lambda s: set_person_active(
            s, world.ports, world.security, person_id=world.system.person_id, active=active, ground=GROUND
        ))  # fmt: skip

    def decided(approve: bool) -> str:
        return do(world, lambda s: decide(
            s, world.ports, world.security, subject=person, approve=approve, seen=thumbprints(key)
        ))  # fmt: skip

    assert (switch(False), decided(True), decided(True)) == ("done", "enroller_disabled", "enroller_disabled")
    assert (switch(True), decided(True)) == ("done", "done")
    with world.ports.database.transaction() as session:
        person = add_administrator(
            session, world.ports, world.system, duty=AUDIT, name="样本", jwk=public()
        ).id
    assert (switch(False), decided(False)) == ("done", "done")


def test_the_founding_happens_once(world: World) -> None:
    def again() -> None:
        with world.ports.database.transaction() as session:
            found(session, world.ports, {duty: newcomer() for duty in Duty})

    assert at_once(again, again) == ["founded", "founded"]


def test_of_two_foundings_at_the_same_moment_one_counts(world: World) -> None:
    with world.ports.database.transaction() as session:
        session.execute(Founding.__table__.delete())  # type: ignore[attr-defined]

    def act() -> None:
        with world.ports.database.transaction() as session:
            found(session, world.ports, {duty: newcomer() for duty in Duty})

    assert at_once(act, act, act) == ["done", "founded", "founded"]
    with Session(world.ports.database.read) as session:
        events = session.scalars(select(Event).where(Event.kind == "administrator.founded")).all()
        assert len(events) == 2 * len(Duty)  # the world's, and these
        assert {event.person_id for event in events} == {None}


def test_before_the_founding_nobody_acts(world: World) -> None:
    with world.ports.database.transaction() as session:
        session.execute(Founding.__table__.delete())  # type: ignore[attr-defined]
    assert do(world, lambda s: ACTS["agency"][1](s, world, world.system)) == "not_founded"
    assert do(world, lambda s: recover(s, world.ports, {AUDIT: newcomer()}, GROUND)) == "not_founded"


@pytest.mark.parametrize("duty", Duty)
def test_the_last_of_a_duty_stays_until_a_successor_is_in_office(world: World, duty: Duty) -> None:
    first = world.admins[duty].id

    def disable(person: str, by: Administrator) -> Callable[[], object]:
        def act() -> None:
            with world.ports.database.transaction() as session:
                set_person_active(session, world.ports, by, person_id=person, active=False, ground=GROUND)

        return act

    by = world.system if duty is SECURITY else world.security
    assert at_once(disable(first, by)) == ["last_administrator"]
    second = enrol(world, duty)
    assert at_once(disable(first, by), disable(second, by)) == ["done", "last_administrator"]
    with Session(world.ports.database.read) as session:
        left = session.scalars(select(Person.id).where(Person.duty == duty.value, Person.active)).all()
    assert len(left) == 1


def test_two_who_disable_each_other_do_not_both_succeed(world: World) -> None:
    other = enrol(world, SECURITY)
    pairs = [(world.security, other), (Administrator(other, SECURITY), world.security.person_id)]

    def disable(by: Administrator, whom: str) -> Callable[[], object]:
        def act() -> str:
            return do(world, lambda s: set_person_active(
                s, world.ports, by, person_id=whom, active=False, ground=GROUND
            ))  # fmt: skip

        return act

    outcomes: list[object] = []
    assert at_once(*(lambda one=one: outcomes.append(disable(*one)()) for one in pairs)) == ["done", "done"]
    assert sorted(map(str, outcomes)) == ["disabled", "done"]


def test_a_disabled_administrator_proves_nothing_and_does_nothing(world: World) -> None:
    other = enrol(world, SYSTEM)
    holder = world.admins[SYSTEM]

    def prove() -> Administrator:
        with world.ports.database.transaction() as session:
            compact = world.assertion(holder)
            return prove_administrator(
                session, compact, settings=world.ports.settings, clock=world.ports.clock
            )

    proven = prove()
    assert proven == world.system
    assert do(world, lambda s: set_person_active(
        s, world.ports, world.security, person_id=holder.id, active=False, ground=GROUND
    )) == "done"  # fmt: skip
    with pytest.raises(VermilionError) as refused:
        prove()
    assert refused.value.kind is Kind.UNAUTHENTICATED
    assert do(world, lambda s: ACTS["agency"][1](s, world, proven)) == "disabled"
    assert do(world, lambda s: ACTS["agency"][1](s, world, Administrator(other, SYSTEM))) == "done"


@on_sqlite
def test_an_administrator_s_assertion_serves_once_and_is_no_one_else_s(world: World) -> None:
    compact = world.assertion(world.admins[SYSTEM])
    forged = world.assertion(world.admins[AUDIT], iss=world.system.person_id, sub=world.system.person_id)
    settings, clock = world.ports.settings, world.ports.clock

    def prove(text: str) -> Callable[[Session], object]:
        return lambda session: prove_administrator(session, text, settings=settings, clock=clock)

    assert [do(world, prove(text)) for text in (compact, compact, forged)] == [
        "done",
        "assertion",
        "assertion",
    ]
    assert do(world, prove(world.assertion(world.people["keeper"]))) == "duty"


def test_recovery_appoints_and_disables_in_one_act_that_is_nobody_s(world: World) -> None:
    former = world.security
    with world.ports.database.transaction() as session:
        new = recover(session, world.ports, {SECURITY: newcomer()}, GROUND)[SECURITY]
    assert do(world, lambda s: ACTS["roles"][1](s, world, former)) == "disabled"
    assert do(world, lambda s: ACTS["roles"][1](s, world, new)) == "done"
    with Session(world.ports.database.read) as session:
        kinds = [
            (event.kind, event.subject, event.person_id)
            for event in session.scalars(
                select(Event).where(Event.subject.in_([former.person_id, new.person_id]))
            )
        ]
    assert ("person.disabled", former.person_id, None) in kinds
    assert ("administrator.recovered", new.person_id, None) in kinds


# --- the API -------------------------------------------------------------------------------------------


def auditor_headers(world: World, duty: Duty = AUDIT) -> dict[str, str]:
    form = {"grant_type": JWT_BEARER, "assertion": world.assertion(world.admins[duty])}
    answer = world.http.post("/oauth2/token", data=form)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    assert answer.get_json()["scope"] == "audit"
    return {"Authorization": f"Bearer {answer.get_json()['access_token']}"}


@on_sqlite
def test_an_auditor_reaches_the_audit_and_no_other_route(world: World) -> None:
    """Every route of the application: a new one is closed to auditors unless it is the audit's, and reads."""
    headers = auditor_headers(world)
    opened = []
    for endpoint, method, path in routes(world.app):
        if endpoint in world.app.extensions["vermilion"].public:
            continue
        answer = world.http.open(path, method=method, headers=headers)
        if endpoint.startswith("audit."):
            assert (method, answer.status_code) == ("GET", 200), endpoint
            opened.append(endpoint)
        else:
            assert (answer.status_code, answer.get_json()["reason"]) == (403, "duty"), endpoint
    assert opened == ["audit.page"]
    for client, person in (("system", None), ("authority-system", "everything")):
        answer = world.get("/api/v1/audit/events", client, person)
        assert (answer.status_code, answer.get_json()["reason"]) == (403, "duty")


@on_sqlite
@pytest.mark.parametrize("duty", [SYSTEM, SECURITY])
def test_other_administrators_get_no_token(world: World, duty: Duty) -> None:
    for client in (None, "system"):
        changes: dict[str, Any] = {"assertion": world.assertion(world.admins[duty]), "grant_type": JWT_BEARER}
        if client is None:
            changes |= {"client_assertion": None, "client_assertion_type": None}
        answer = world.ask_token("system", **changes)
        assert answer.status_code in {400, 401}
        assert answer.get_json()["error"] == ("invalid_client" if client is None else "invalid_grant")


def test_an_auditor_who_is_disabled_reads_no_more(world: World) -> None:
    headers = auditor_headers(world)
    enrol(world, AUDIT)
    with world.ports.database.transaction() as session:
        person = world.admins[AUDIT].id
        set_person_active(session, world.ports, world.security, person_id=person, active=False, ground=GROUND)
    assert world.http.get("/api/v1/audit/events", headers=headers).status_code == 401


def test_a_row_of_two_duties_is_not_even_inserted(world: World) -> None:
    for duty, roles in (("auditor", ["keeper"]), ("king", [])):
        row = insert(Person).values(
            id="f" * 32, agency_code=None, name="x", duty=duty, roles=roles, active=True,
            created_at=world.ports.clock(),
        )  # fmt: skip
        with pytest.raises(IntegrityError), world.ports.database.transaction() as session:
            session.execute(row)
