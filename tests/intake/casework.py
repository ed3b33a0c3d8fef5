"""Cases of the sample food matter in a test world: people of the agency, applications, steps."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from hashlib import sha256
from itertools import count
from typing import Any

from joserfc.jwk import ECKey
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from registry.actor import Actor
from registry.agencies.enrolments import decide
from registry.agencies.rules import add_person
from registry.documents import document_key
from registry.intake.applications import Application, Contact, Item, Said
from registry.intake.cases import Act, act, draw_up, locked, record_about
from registry.intake.materials import MaterialState, SignatureReport, wants
from registry.intake.matter_lists import import_list, matter_version
from registry.intake.moves import PERMITTED, Action, CaseState, Need, Who
from registry.intake.scanning import Scan
from registry.intake.supplying import PDF, Examined, _taken
from registry.intake.tables import Case
from registry.intake.work import work
from registry.licences.moment import moment
from registry.ports import Ports
from registry.samples import sample_matters
from signing.report_words import report_json
from signing.signatory import Match, signatories
from tests.examining import AT, examiner, let_examine, plain_pdf
from tests.registry.issuing import request_body
from tests.registry.world import World

MATTER = "99013100100011990100MB01010556"
BASIS = {"legal_basis": "《样本法》第一条", "reason_code": "sample"}
TO = "applicant@example.org"
_numbers = count(1)


@dataclass(frozen=True)
class Desk:
    """An agency's people by their part; `ports` send e-mail."""

    world: World
    ports: Ports
    actors: dict[Who, Actor]


def open_desk(world: World, *, matters: bool = True) -> Desk:
    """The sample matters imported, an officer who handles and a decider on record."""
    if matters:
        import_matters(world)
    decider = somebody(world, "decider")
    system = replace(world.actor("system"), operator="window-03")
    settings = world.ports.settings.model_copy(update={"smtp_host": "mail.example"})
    actors = {
        Who.APPLICANT: system,
        Who.WINDOW: system,
        Who.HANDLER: world.actor("system", "officer"),
        Who.APPROVER: decider,
    }
    return Desk(world, replace(world.ports, settings=settings), actors)


def somebody(world: World, *roles: str) -> Actor:
    """One more person of the agency."""
    key = ECKey.generate_key("P-256")
    ports = world.ports
    with ports.database.transaction() as session:
        person = add_person(
            session, ports, world.system, agency_code=world.codes["own"], name=f"样本{roles[0]}", roles=roles,
            jwk=key.as_dict(private=False),
        )  # fmt: skip
        decide(session, ports, world.security, subject=person.id, approve=True, seen=[key.thumbprint()])
        made = person.id
    return replace(world.actor("system"), person_id=made, roles=frozenset(roles))


def application(world: World, *, told: bool = True, **changes: Any) -> Application:
    """One that is right; what the decision says is not in it."""
    fields = dict(request_body(world)["fields"])
    for name in ("issue_date", "valid_to", "complaint_phone"):
        fields.pop(name)
    fields["contact_phone"] = "0990-1234567"
    contact = Contact("smtp", "smtp", TO, "zh") if told else Contact()
    return Application(
        str(fields["operator_name"]), "001", str(fields["credit_code"]), contact, {**fields, **changes}
    )


def decided(world: World, **changes: Any) -> dict[str, Any]:
    """What a permission says of the licence."""
    body = request_body(world)
    until = (world.today + timedelta(days=365)).isoformat()
    fields = {"valid_to": until, "complaint_phone": "12315"}
    return {"seal": body["seal"], "number": body["number"], "fields": fields} | changes


def draft(desk: Desk, made: Application | None = None) -> str:
    with desk.ports.database.transaction() as session:
        actor = desk.actors[Who.APPLICANT]
        return draw_up(session, desk.ports, actor, MATTER, made or application(desk.world)).id


LAYOUT = Said("请补正", (Item("layout", "缺少经营布局图"),))


def an_act(desk: Desk, who: Who, needs: frozenset[Need] = frozenset(), **more: Any) -> Act:
    """What has all that a step needs."""
    values: dict[str, Any] = {"declared": Need.DECLARATION in needs}
    if Need.GROUND in needs:
        values |= BASIS
    if Need.ITEMS in needs:
        values["said"] = LAYOUT
    if Need.DAYS in needs:
        values["days"] = 5
    return Act(who, desk.actors.get(who), **(values | more))


@cache
def a_material() -> Examined:
    """A right one, of any material of the sample matters; examined once a process."""
    examiner().require_harmless(plain_pdf(), PDF)
    report = examiner().report(plain_pdf(), None, AT)
    told = SignatureReport(report_json(report), signatories(report.signatures), whole=True)
    return Examined(plain_pdf(), PDF, sha256(plain_pdf()).digest(), Scan.NOT_SCANNED, told)


def supply_all(ports: Ports, actor: Actor, case_id: str, but: Collection[str] = ()) -> None:
    """What the application lacks, as if it had come with the draft, whatever state the case is in."""
    ports.vault.ready()
    actor = replace(actor, operator=actor.operator or "window-03")
    with ports.database.transaction() as session:
        case = session.get_one(Case, case_id, with_for_update=True)
        matter = matter_version(session, case.matter_code, case.matter_version)
        for code in set(wants(session, case_id, matter)) - set(but):
            row = _taken(session, ports, actor, case, code, a_material())
            ports.documents.put_new(document_key(row.id), a_material().data)
            row.state, row.match = MaterialState.KEPT, Match.UNSIGNED
            row.event_id = record_about(session, ports, case, actor, "material_added", moment(ports), {})


def step(desk: Desk, case_id: str, action: Action, **more: Any) -> None:
    """Taken by the first who may, with all that it needs: what is accepted lacks no material, and what is to
    be corrected lacks what is asked for.
    """
    if action in {Action.ACCEPT, Action.ASK_CORRECTION}:
        asked = more.get("said", LAYOUT).items if action is Action.ASK_CORRECTION else ()
        supply_all(desk.ports, desk.actors[Who.APPLICANT], case_id, {one.code for one in asked})
    with desk.ports.database.transaction() as session:
        case = locked(session, desk.actors[Who.WINDOW], case_id)
        move = PERMITTED[CaseState(case.state), action]
        who = next(one for one in Who if one in move.who)
        if action is Action.PERMIT:
            more.setdefault("licence", decided(desk.world))
        act(session, desk.ports, case, action, an_act(desk, who, move.needs, **more))


def taken(desk: Desk, *actions: Action) -> str:
    """A new case on which these steps were taken."""
    case_id = draft(desk)
    for action in actions:
        step(desk, case_id, action)
    return case_id


TO_HANDLING = (Action.SUBMIT, Action.RECEIVE, Action.ACCEPT, Action.BEGIN)


def case_body(world: World, **changes: Any) -> dict[str, Any]:
    """A right body of `fileCase`, which submits."""
    made = application(world)
    body = {
        "matter": MATTER,
        "applicant": {"name": made.name, "id_type": made.id_type, "id_code": made.id_code},
        "fields": dict(made.fields),
        "declaration": True,
        "operator": "window-03",
    }
    return body | changes


def import_matters(world: World) -> None:
    """The catalogue and the food matter; once is enough. Uploads are examined from then on."""
    let_examine(world)
    for path in sample_matters():
        if path.name in {"catalogue.toml", "food-business-licence.toml"}:
            with world.ports.database.transaction() as session:
                import_list(session, world.ports, world.system, path.read_bytes(), path.name)


def supplied_case(world: World) -> dict[str, str]:
    """A draft with one material, by the API: what its file's address says."""
    import_matters(world)
    key = f"case-{next(_numbers)}"
    answer = world.post("/api/v1/cases", case_body(world, declaration=False), **{"Idempotency-Key": key})
    case_id = str(answer.get_json()["id"])
    put = put_material(world, case_id, "layout", plain_pdf())
    assert put.status_code == 201, put.text
    return {"case_id": case_id, "material_code": "layout", "version": "1"}


def formed_case(world: World) -> tuple[str, str]:
    """A draft and its form, by the API: the case's id, and the form's digest."""
    case_id = supplied_case(world)["case_id"]
    made = world.post(f"/api/v1/cases/{case_id}/form", {"language": "zh", "operator": "window-03"})
    assert made.status_code == 201, made.text
    return case_id, str(made.get_json()["sha256"])


def put_material(
    world: World, case_id: str, code: str, data: bytes, media: str = PDF, operator: str = "window-03"
) -> TestResponse:
    """By the agency's system."""
    headers = {**world.headers("system"), "Operator": operator}
    path = f"/api/v1/cases/{case_id}/materials/{code}"
    return world.http.put(path, data=data, content_type=media, headers=headers)


def filed_case(world: World) -> str:
    """A submitted case's id, by the API."""
    import_matters(world)
    key = f"case-{next(_numbers)}"
    answer = world.post("/api/v1/cases", case_body(world), **{"Idempotency-Key": key})
    assert answer.status_code == 201, answer.text
    return str(answer.get_json()["id"])


def case_requests(world: World) -> dict[str, Any]:
    """Right requests by endpoint, for the tests that hold every route."""
    from tests.registry.test_bodies import Right

    desk = open_desk(world)
    drawn, submitted = draft(desk), taken(desk, Action.SUBMIT)
    handled, refused = taken(desk, *TO_HANDLING), taken(desk, *TO_HANDLING)
    licence = decided(world, number="JY12345678901234")
    step(desk, refused, Action.PERMIT, licence=licence)
    assert work(desk.ports).refused == 1
    body = case_body(world)
    change = {name: body[name] for name in ("applicant", "fields", "operator")}
    decision = {"action": "permit", **BASIS, "licence": decided(world)}
    formed, digest = formed_case(world)
    return {
        "case_forms.make": Right({"case_id": draft(desk)}, None, {"language": "es", "operator": "window-03"}),
        "case_forms.confirm": Right({"case_id": formed}, None, {"sha256": digest, "operator": "window-03"}),
        "cases.create": Right({}, None, body),
        "cases.redraw": Right({"case_id": drawn}, None, change),
        "cases.step": Right({"case_id": submitted}, None, {"action": "receive", "operator": "window-03"}),
        "cases.decide": Right({"case_id": handled}, "decider", decision),
        "cases.order_anew": Right({"case_id": refused}, "decider", {"licence": decided(world)}),
    }


def found(desk: Desk, case_id: str) -> Case:
    with Session(desk.ports.database.read) as session:
        return session.get_one(Case, case_id)
