"""Sources of data exchange in a test world: one that answers over HTTP on loopback, and a folder."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.canonical import canonical_json
from registry.actor import Actor
from registry.intake import tasks
from registry.intake.applications import Application, Contact
from registry.intake.cases import draw_up, locked
from registry.intake.connector_register import import_connector, set_secret
from registry.intake.exchange_tables import CaseRetrieval, SourceError, VerificationTask
from registry.intake.folder_connector import SERVING, holder_file
from registry.intake.matter_lists import import_list
from registry.intake.moves import Action, Who
from registry.intake.retrieving import retrieve_due
from registry.intake.signed_messages import Secret, content_digest, sign_answer
from registry.intake.task_values import TaskState
from registry.intake.tasks import Ending, own_task
from registry.ports import Ports
from signing.record import Record, fields_to_json
from tests.intake.casework import BASIS, MATTER, Desk, import_matters, open_desk, step
from tests.registry.issuing import issue_one
from tests.registry.world import World

AS_OF = "2026-11-19T16:00:00Z"
SECRET = Secret("yunxi-1", b"a secret that both sides have: 0123")
SOURCE = "11990100MB01010556"

CONNECTOR = """
code = "{code}"
version = {version}
name = {{ zh = "云溪省政务数据共享平台", en = "Data exchange of Yunxi Province" }}
kind = "{kind}"
{url}

[[data_set]]
code = "business-registration"
name = {{ zh = "市场主体登记信息", en = "Registration of market subjects" }}
source = "{source}"
purpose = "办理食品经营许可，核验主体资格"
legal_basis = "《样本办法》第八条"
holder_types = ["001"]
serves = [{{ matter = "{matter}", material = "business_licence" }}]
compare = [
  {{ form = "operator_name", source = "name" }},
  {{ form = "representative", source = "legal_person" }},
  {{ form = "domicile", source = "address" }},
]
"""

Reply = Callable[[dict[str, Any]], Any]


@dataclass
class Source:
    """Answers each signed question by `reply`: a value to be sent as JSON, or whatever a handler does."""

    port: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    reply: Callable[[str, dict[str, Any]], Any] = lambda _path, _asked: None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    secret: Secret = SECRET
    stop: threading.Event = field(default_factory=threading.Event)
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/exchange"


@contextlib.contextmanager
def source(clock: Callable[[], datetime], tls: ssl.SSLContext | None = None) -> Iterator[Source]:
    made = Source(clock=clock, scheme="http" if tls is None else "https")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked = json.loads(body)
            made.asked.append(asked)
            made.paths.append(self.path)
            made.headers.append({name.lower(): value for name, value in self.headers.items()})
            reply = made.reply(self.path, asked)
            if callable(reply):
                reply(self)
                return
            send(self, made, canonical_json(reply), content_digest(body))

        def log_message(self, *_args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_args: Any) -> None:
            """A peer that went away is no news."""

    httpd = Server(("127.0.0.1", 0), Handler)
    if tls is not None:
        httpd.socket = tls.wrap_socket(httpd.socket, server_side=True)
    made.port = httpd.server_address[1]
    threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield made
    finally:
        made.stop.set()
        httpd.shutdown()
        httpd.server_close()


def send(
    handler: BaseHTTPRequestHandler,
    made: Source,
    body: bytes,
    request_digest: str,
    status: int = 200,
    **changed: str | None,
) -> None:
    """A signed answer; `changed` replace its headers, None leaves one out."""
    signed = sign_answer(made.secret, status, body, "application/json", request_digest, made.clock())
    headers: dict[str, str | None] = {**signed, "Content-Length": str(len(body))}
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    handler.send_response(status)
    for name, value in headers.items():
        if value is not None:
            handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def told(asked: Mapping[str, Any], fields: Mapping[str, Any] | None) -> dict[str, Any]:
    """What a source says of the holder it was asked about; None: it has nothing."""
    value = {name: asked[name] for name in ("reference", "data_set", "holder")}
    if fields is None:
        return {**value, "result": "none"}
    return {**value, "result": "found", "fields": dict(fields), "as_of": AS_OF}


def connect(
    desk: Desk, url: str | None = None, *, code: str = "yunxi-exchange", version: int = 1, **more: str
) -> Desk:
    """The sample connector on record, over HTTP at the address, or of a folder; the desk that may call it."""
    settings = desk.ports.settings.model_copy(update={"exchange_networks": "127.0.0.0/8"})
    made = replace(desk, ports=replace(desk.ports, settings=settings))
    kind = "folder" if url is None else "http"
    toml = CONNECTOR.format(
        code=code,
        version=version,
        kind=kind,
        url="" if url is None else f'url = "{url}"',
        source=more.get("source", SOURCE),
        matter=MATTER,
    )
    world = desk.world
    with made.ports.database.transaction() as session:
        import_connector(session, made.ports, world.system, toml.encode(), "connector.toml")
        if url is not None:
            set_secret(session, made.ports, world.system, code, SECRET.key_id, SECRET.value)
    return made


def put_down(
    ports: Ports,
    holder_code: str,
    fields: Mapping[str, Any] | None,
    *,
    code: str = "yunxi-exchange",
    data_set: str = "business-registration",
) -> Path:
    """A source's file about a holder in the connector's folder; None: the folder alone."""
    folder = ports.settings.exchange_directory / code / data_set
    folder.mkdir(parents=True, exist_ok=True)
    (folder.parent / "corrections").mkdir(exist_ok=True)
    (folder / SERVING).touch()
    path = folder / holder_file("001", holder_code)
    if fields is not None:
        value = {
            "data_set": data_set,
            "holder": {"type": "001", "code": holder_code},
            "result": "found",
            "fields": dict(fields),
            "as_of": AS_OF,
        }
        write(path, canonical_json(value))
    return path


def write(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    path.with_name(path.name + ".sha256").write_text(sha256(data).hexdigest())


def retrievals(desk: Desk, case_id: str) -> list[CaseRetrieval]:
    with Session(desk.ports.database.read) as session:
        rows = select(CaseRetrieval).where(CaseRetrieval.case_id == case_id)
        return list(session.scalars(rows.order_by(CaseRetrieval.material, CaseRetrieval.number)))


def tasks_of(desk: Desk, case_id: str) -> dict[str, VerificationTask]:
    """The last of each field."""
    with Session(desk.ports.database.read) as session:
        rows = select(VerificationTask).where(VerificationTask.case_id == case_id)
        return {task.field: task for task in session.scalars(rows.order_by(VerificationTask.number))}


OWN = """
code = "yangben-second"
version = 1
list = "implementation"
name = {{ zh = "样本市市场监督管理局第二清单", en = "Second list" }}
owner = "{owner}"
division = "990100"
effective_from = 2026-03-01

[approval]
by = "样本市政务服务管理局"
document = "样政服〔2026〕99号"
on = 2026-02-20

[[matter]]
code = "{matter}"
base_code = "990131001000"
name = {{ zh = "食品经营连锁备案", en = "Chain of food businesses" }}
kind = "01"
level = "3"
case_type = "2"
audience = ["2"]
forms = ["2"]
basis = [{{ law = "《样本法》" }}]
conditions = ["已取得食品经营许可"]
consult_phone = "12345"
complaint_phone = "12345"
review = "复议"
litigation = "诉讼"
retention = "10"
statutory = {{ days = 10, unit = "working_day", basis = {{ law = "《样本法》" }} }}
committed = {{ days = 5, unit = "working_day" }}

[matter.result]
name = {{ zh = "备案回执", en = "Receipt" }}

[[matter.material]]
code = "food_licence"
name = {{ zh = "食品经营许可证", en = "Food business licence" }}
source = "government"
licence_type = "{type}"
basis = {{ law = "《样本法》" }}
compare = [
  {{ form = "operator_name", licence = "operator_name" }},
  {{ form = "premises", licence = "premises" }},
  {{ form = "business_items", licence = "business_items" }},
]

[[matter.step]]
name = {{ zh = "审查", en = "Examination" }}
by = "承办人"
days = 3

[[matter.field]]
name = "operator_name"
label = {{ zh = "经营者名称", en = "Operator" }}
kind = "text"

[[matter.field]]
name = "premises"
label = {{ zh = "经营场所", en = "Place of business" }}
kind = "text"

[[matter.field]]
name = "business_items"
label = {{ zh = "经营项目", en = "Business items" }}
kind = "list"
"""
OWN_MATTER = "99013100100099990100MB01010556"


def import_own(world: World) -> None:
    """A matter that wants the licence that the test world issues; once is enough."""
    import_matters(world)
    toml = OWN.format(owner=world.codes["own"], matter=OWN_MATTER, type=world.type_code)
    with world.ports.database.transaction() as session:
        import_list(session, world.ports, world.system, toml.encode(), "own.toml")


def own_application(record: Record, **changes: Any) -> Application:
    """Of the licence's holder, with the licence's values."""
    fields = fields_to_json(record.fields)
    values = {name: fields[name] for name in ("operator_name", "premises", "business_items")}
    holder = str(fields["credit_code"])
    return Application(str(fields["operator_name"]), "001", holder, Contact(), {**values, **changes})


def own_case(desk: Desk, made: Application, *actions: Action) -> str:
    """A new case of that matter, on which these steps were taken."""
    with desk.ports.database.transaction() as session:
        case_id = draw_up(session, desk.ports, desk.actors[Who.APPLICANT], OWN_MATTER, made).id
    for action in actions:
        step(desk, case_id, action)
    return case_id


def ended(desk: Desk, task_id: str, outcome: TaskState, *, actor: Actor | None = None, **more: Any) -> None:
    """A difference cleared, by the window's people."""
    by = actor or desk.actors[Who.HANDLER]
    with desk.ports.database.transaction() as session:
        case = locked(session, by, own_task(session, by, task_id).case_id)
        task = session.get_one(VerificationTask, task_id)
        tasks.end(
            session,
            desk.ports,
            by,
            case,
            task,
            Ending(outcome, BASIS["legal_basis"], BASIS["reason_code"], **more),
        )


def exchange_requests(world: World) -> dict[str, Any]:
    """Right requests by endpoint, for the tests that hold every route."""
    from tests.registry.test_bodies import Right

    desk = open_desk(world)
    import_own(world)
    record = issue_one(world).printout.record
    case_id = own_case(desk, own_application(record, premises="别处1号", operator_name="别名"), Action.SUBMIT)
    done = retrieve_due(desk.ports)
    assert done.found >= 1, done
    opened = tasks_of(desk, case_id)
    ended(desk, opened["operator_name"].id, TaskState.CONFIRMED)
    with Session(desk.ports.database.read) as session:
        error = session.scalars(
            select(SourceError).where(SourceError.task_id == opened["operator_name"].id)
        ).one()
    ending = {"outcome": "refused", **BASIS, "operator": "window-03"}
    return {
        "exchange.look_again": Right({"case_id": case_id}, None, {"operator": "window-03"}),
        "exchange.end_task": Right({"task_id": opened["premises"].id}, None, ending),
        "exchange.decline": Right({"error_id": error.id}, None, {**BASIS, "operator": "window-03"}),
    }
