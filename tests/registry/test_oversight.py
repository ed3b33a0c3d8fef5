"""Oversight: figures that equal a count of everything, whenever and by whomever they are counted; who reads them."""

from __future__ import annotations

import csv
import io
import json
import random
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from sqlalchemy import event as sql_event
from sqlalchemy import func, select, text, update
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.actor import Actor, Duty
from registry.licences import rules
from registry.licences.due import make_due
from registry.licences.operations import Decision
from registry.licences.tables import Edition, ScheduledChange
from registry.log.rules import record_event
from registry.log.tables import Event
from registry.oversight import counting
from registry.oversight.checks import parse, read_sites
from registry.oversight.counting import close_days, count_due
from registry.oversight.rules import ALL, Period, own_figures
from registry.oversight.tables import CheckFigure, ClosedDay, Figure, Uncounted
from registry.seals.tables import Approval
from tests.browser.site import serve
from tests.registry.console import one_more, signed_in, told
from tests.registry.issuing import issue_one
from tests.registry.next_editions import next_edition
from tests.registry.world import GROUND, Ticker, World
from verify_web.app import create_app as create_site

PATH = "/api/v1/oversight"
DECISION = Decision("食品安全法", "inspection")


def window(world: World) -> Actor:
    """An agency's system, which names its operator as the API wants it."""
    return replace(world.actor(), operator="window-03")


def civil(world: World, at: datetime) -> date:
    return at.astimezone(world.ports.settings.tz).date()


def brute(world: World) -> Counter[tuple[str, date, str]]:
    """Every figure of every day that is closed, and of events to this moment, by looking at all there is."""
    zone = world.ports.settings.tz
    with Session(world.ports.database.read) as session:
        events = session.scalars(select(Event)).all()
        editions = session.scalars(select(Edition)).all()
        approvals = session.scalars(select(Approval)).all()
        closed = session.get(ClosedDay, 1)
    found: Counter[tuple[str, date, str]] = Counter()
    simple = {"suspended": "suspended", "resumed": "resumed", "lifted": "resumed", "ended": "ended", "inspected": "inspected", "abandoned": "abandoned"}  # fmt: skip
    for one in events:
        begin, _, what = one.kind.partition(".")
        day = civil(world, one.recorded_at)
        if begin == "licence" and (what in simple or what == "issued"):
            agency = one.detail["identifier"].split(".")[6]
            name = simple.get(what) or ("next_editions" if "previous" in one.detail else "issued")
            found[agency, day, name] += 1
        elif one.kind == "act.refused" and one.client_id is not None:
            whose = {holder.id: holder.agency for holder in world.clients.values()}
            whose |= {client: world.codes[name] for name, client in world.consoles.items()}
            found[whose[one.client_id], day, "refused"] += 1
    if closed is None:
        return found
    over = {
        (one.subject, one.kind): one.recorded_at
        for one in events
        if one.kind in {"licence.ended", "licence.replaced"}
    }
    for row in editions:
        if row.valid_to is None or row.valid_to > closed.day:
            continue
        midnight = datetime.combine(row.valid_to + timedelta(days=1), time.min, zone)
        ends = [at for (subject, _), at in over.items() if subject == row.id and at < midnight]
        if not ends and row.registered_at < midnight:
            found[row.issuer_code, row.valid_to, "lapsed"] += 1
    for approval in approvals:
        if approval.state == "open" and civil(world, approval.expires_at) <= closed.day:
            found[str(approval.payload["agency"]), civil(world, approval.expires_at), "undecided"] += 1
    return found


def kept(world: World) -> Counter[tuple[str, date, str]]:
    with Session(world.ports.database.read) as session:
        return Counter(
            {(one.agency_code, one.day, one.figure): one.count for one in session.scalars(select(Figure))}
        )


def uncounted(world: World) -> int:
    with Session(world.ports.database.read) as session:
        return session.scalar(select(func.count()).select_from(Uncounted)) or 0


@pytest.mark.parametrize("seed", range(3))
def test_figures_equal_a_count_of_everything(
    world: World, clock: Ticker, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A life of some weeks by chance, counted now and then, in slices, by two at once, and after days of nothing."""
    dice = random.Random(seed)
    monkeypatch.setattr(counting, "SLICE", dice.choice([1, 3, 2000]))
    ports, living = world.ports, list[str]()

    def change(work: Any) -> None:
        try:
            with ports.database.transaction() as session:
                work(session, dice.choice(living))
        except VermilionError:
            pass  # what the status does not permit

    acts: list[Any] = [
        lambda: living.append(issue_one(world).printout.record.identifier),
        lambda: change(lambda s, i: rules.suspend(s, ports, window(world), i, DECISION, "other")),
        lambda: change(
            lambda s, i: rules.suspend(
                s, ports, window(world), i, DECISION, "penalty", world.today + timedelta(days=2)
            )
        ),
        lambda: change(lambda s, i: rules.resume(s, ports, window(world), i, DECISION)),
        lambda: change(lambda s, i: rules.inspect(s, ports, window(world), i, DECISION, "2026", passed=True)),
        lambda: change(lambda s, i: rules.end(s, ports, window(world), i, DECISION, "revoked")),
        world.apply_for_seal,
        lambda: world.get("/api/v1/licences", "authority-system"),  # refused
        lambda: clock.advance(timedelta(hours=dice.randint(1, 40))),
        lambda: make_due(ports),
        lambda: count_due(ports),
        lambda: close_days(ports),
    ]
    acts[0]()
    for _ in range(40):
        dice.choice(acts)()
    following = [one for one in living if status(world, one) == "in_force"]
    if following:
        made = next_edition(world, "renew", following[0], fields={"valid_to": "2035-01-01"})
        living.append(made.printout.record.identifier)
    # Some expire within the weeks to come.
    with ports.database.transaction() as session:
        for number, identifier in enumerate(living):
            day = world.today + timedelta(days=number % 5)
            expiring = update(Edition).where(Edition.identifier == identifier, Edition.valid_from <= day)
            session.execute(expiring.values(valid_to=day))
    clock.advance(timedelta(days=9))
    make_due(ports)
    together = [threading.Thread(target=count_due, args=(ports,)) for _ in range(2)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    count_due(ports)
    close_days(ports)
    assert uncounted(world) == 0
    assert kept(world) == +brute(world)
    assert sum(kept(world).values()) > 0
    count_due(ports)
    close_days(ports)
    assert kept(world) == +brute(world)


def status(world: World, identifier: str) -> str:
    with Session(world.ports.database.read) as session:
        return session.scalars(select(Edition.status).where(Edition.identifier == identifier)).one()


def suspension(session: Session, world: World, at: datetime) -> Event:
    return record_event(
        session, kind="licence.suspended", subject_kind="edition", subject="0" * 32, ground=GROUND,
        actor=window(world), now=at, random=world.ports.random,
        detail={"identifier": f"1.2.156.3005.2.{world.type_code}.{world.codes['own']}.X.001.X", "status": "suspended", "status_version": 2},
    )  # fmt: skip


@pytest.mark.parametrize("database_backend", ["postgresql"])
def test_what_commits_late_is_counted_once_it_has(world: World, clock: Ticker) -> None:
    """Timed before what was counted already, on a day before: a high-water mark would have passed it by."""
    ports, early = world.ports, clock()
    with Session(ports.database.write) as late, late.begin():
        suspension(late, world, early)
        clock.advance(timedelta(days=1))
        with ports.database.transaction() as session:
            suspension(session, world, clock())
        assert count_due(ports) == 1
    assert count_due(ports) == 1
    assert kept(world) == {
        (world.codes["own"], civil(world, early), "suspended"): 1,
        (world.codes["own"], civil(world, clock()), "suspended"): 1,
    }


def test_who_dies_while_counting_has_counted_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    issue_one(world)

    def broken(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(counting, "delete", broken)
        with pytest.raises(KeyboardInterrupt):
            count_due(world.ports)
    assert kept(world) == {}
    assert count_due(world.ports) == 1
    assert kept(world) == {(world.codes["own"], world.today, "issued"): 1}


def test_an_event_that_is_not_committed_is_not_counted(world: World, clock: Ticker) -> None:
    def broken() -> None:
        with world.ports.database.transaction() as session:
            suspension(session, world, clock())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert count_due(world.ports) == 0


# --- who reads them, and how ---------------------------------------------------------------------------


def supervising(world: World) -> Any:
    return one_more(world, "authority", "supervisor")


def test_a_supervisor_reads_every_agency_s_figures(world: World, clock: Ticker) -> None:
    identifier = issue_one(world).printout.record.identifier
    with world.ports.database.transaction() as session:
        rules.suspend(session, world.ports, window(world), identifier, DECISION, "other")
        due = {
            "legal_basis": "x",
            "reason_code": "y",
            "client_id": world.clients["system"].id,
            "operator": "w",
        }
        edition = session.scalars(select(Edition)).one()
        session.add(
            ScheduledChange(
                id="0" * 32, licence_id=edition.licence_id, operation="end", due=world.today - timedelta(days=1),
                how="revoked", state="waiting", recorded_at=clock(), **due,
            )
        )  # fmt: skip
    with world.ports.database.transaction() as session:
        session.add_all(
            CheckFigure(agency_code=agency, day=world.today, verdict=verdict, site=site, checks=checks)
            for agency, verdict, site, checks in (
                (world.codes["own"], "valid", "a", 70),
                (world.codes["own"], "suspended", "a", 2),
                (world.codes["own"], "suspended", "b", 3),
                (world.codes["own"], "cannot_check", "a", 1),
                ("", "unknown", "a", 4),
            )
        )
    count_due(world.ports)
    browser = supervising(world)
    page = told(browser, "/oversight")
    for words in (
        "新发证照 1", "暂扣、暂停 1", "恢复 0", "到期未执行的变更（当前） 1", "公众核验 76", "核验结果不是“有效” 5",
        "未能核验 1", "公众核验 4", "云溪省电子印章管理中心",
    ):  # fmt: skip
        assert words in page, words
    assert identifier not in browser.get("/oversight").get_data(as_text=True)
    tomorrow = world.today + timedelta(days=1)
    assert "新发证照 0" in told(browser, f"/oversight?from={tomorrow}&to={tomorrow}")
    assert "公众核验 0" in told(browser, f"/oversight?from={tomorrow}&to={tomorrow}")
    for wrong in (f"from={tomorrow}&to={world.today}", "from=2024-01-01&to=2026-01-01", "from=x"):
        assert browser.get(f"/oversight?{wrong}").status_code == 422, wrong
    assert browser.get("/oversight?after=%3D").status_code == 400
    answer = browser.get(f"/oversight/file?from={world.today}&to={world.today}")
    rows = list(csv.DictReader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    mine = next(row for row in rows if row["新发证照"] == "1")
    assert (mine["机构"], mine["公众核验"]) == ("云溪省样本市市场监督管理局", "76") or mine[
        "公众核验"
    ] == "76"
    assert "新发证照 1" in told(signed_in(world, Duty.AUDIT), "/oversight")


def test_the_api_tells_it_to_a_supervisor_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    issue_one(world)
    count_due(world.ports)
    begin = world.today.isoformat()
    query = f"?from={begin}&to={begin}"
    for client, person in (("system", None), ("system", "officer"), ("authority-system", "approver")):
        answer = world.get(PATH + query, client, person)
        assert (answer.status_code, answer.get_json()["reason"]) in {(403, "role"), (403, "person_required")}
    with world.ports.database.transaction() as session:
        from registry.agencies.rules import set_roles

        set_roles(
            session, world.ports, world.security, person_id=world.people["maker"].id, grant=["supervisor"], ground=GROUND
        )  # fmt: skip
    answer = world.get(PATH + query, "authority-system", "maker")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    body = answer.get_json()
    assert body["next"] is None
    assert [one["agency"] for one in body["agencies"]] == sorted(world.codes.values())
    own = next(one for one in body["agencies"] if one["agency"] == world.codes["own"])
    assert {name: own[name] for name in ALL} == {**dict.fromkeys(ALL, 0), "issued": 1}
    from registry.oversight import api

    monkeypatch.setattr(api, "figures", figures_of_one)
    found, path = [], PATH + query
    while path:
        body = world.get(path, "authority-system", "maker").get_json()
        found += [one["agency"] for one in body["agencies"]]
        path = body["next"]
    assert found == sorted(world.codes.values())
    for wrong in ("", "?from=x&to=x", f"?from={begin}", f"{query}&after=x", "?from=2024-01-01&to=2026-01-01"):
        answer = world.get(PATH + wrong, "authority-system", "maker")
        assert answer.status_code == 422, wrong


def figures_of_one(*arguments: Any) -> Any:
    from registry.oversight.rules import figures

    session, actor, period, today, after = arguments
    return figures(session, actor, period, today, after, 1)


def test_days_are_closed_when_they_are_over(world: World, clock: Ticker) -> None:
    """And what was renewed or ended in time has not lapsed; later is too late."""
    own, ports = world.codes["own"], world.ports
    names = [issue_one(world).printout.record.identifier for _ in range(4)]
    last = world.today + timedelta(days=3)
    with ports.database.transaction() as session:
        session.execute(update(Edition).values(valid_to=last))
        rules.end(session, ports, window(world), names[0], DECISION, "cancelled")
        rules.suspend(session, ports, window(world), names[1], DECISION, "other")
    world.apply_for_seal()  # expires in seven days
    clock.advance(timedelta(days=3))
    assert close_days(ports) == 3
    assert kept(world) == {}
    next_edition(world, "renew", names[2], fields={"valid_to": "2035-01-01"})
    clock.advance(timedelta(days=1))
    with ports.database.transaction() as session:
        rules.end(session, ports, window(world), names[3], DECISION, "revoked")  # the day after
    assert close_days(ports) == 1
    assert kept(world) == {(own, last, "lapsed"): 2}
    clock.advance(timedelta(days=4))
    assert close_days(ports) == 4
    assert close_days(ports) == 0
    assert kept(world)[own, world.today - timedelta(days=1), "undecided"] == 1
    with Session(ports.database.read) as session:
        found = own_figures(session, own, Period(last, last), world.today)
    assert found == {"lapsed": 2}


# --- checks, of the sites ------------------------------------------------------------------------------


@contextmanager
def site(world: World, answers: list[Any], secret: str | None = None) -> Iterator[list[Any]]:
    """A public site that says this; what it was asked."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization")))
            body = answers[min(len(asked), len(answers)) - 1]
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    update_: dict[str, Any] = {"check_sites": f"http://127.0.0.1:{server.server_port}"}
    if secret is not None:
        path = world.ports.settings.data / "figures-secret"
        path.write_text(secret)
        update_["figures_secret_file"] = path
    object.__setattr__(world.ports, "settings", world.ports.settings.model_copy(update=update_))
    try:
        yield asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def checks(world: World) -> dict[tuple[str, str], int]:
    with Session(world.ports.database.read) as session:
        return {(one.agency_code, one.verdict): one.checks for one in session.scalars(select(CheckFigure))}


def said(world: World, *sums: tuple[str, str, int]) -> dict[str, Any]:
    day = world.today.isoformat()
    return {"checks": [{"day": day, "agency": a, "verdict": v, "checks": c} for a, v, c in sums]}


def test_sums_of_checks_are_read_again_and_again(world: World) -> None:
    own = world.codes["own"]
    answers = [
        said(world, (own, "valid", 5), ("", "unknown", 2), ("11990000MB0000000X", "valid", 9)),
        said(world, (own, "valid", 7)),
        said(world, (own, "valid", 1), (own, "expired", 1)),  # its store was lost
    ]
    with site(world, answers, "s" * 40) as asked:
        for expected in (5, 7, 7):
            read_sites(world.ports)
            assert checks(world)[own, "valid"] == expected
    assert asked[0] == ("/figures", f"Bearer {'s' * 40}")
    assert checks(world) == {(own, "valid"): 7, ("", "unknown"): 2, (own, "expired"): 1}


def test_what_the_site_counts_is_what_oversight_reads(world: World, clock: Ticker) -> None:
    """Over HTTP, as they run: a licence is checked, suspended and checked again; a code that nobody made, too."""
    issued = issue_one(world)
    path = issued.link.partition("#")[0].partition("/c/")[2]
    settings = world.ports.settings
    app = create_site(settings, clock=clock)
    with serve(lambda _port: app) as served:
        moved = settings.model_copy(update={"check_sites": served.origin.replace("localhost", "127.0.0.1")})
        object.__setattr__(world.ports, "settings", moved)

        def look(link: str) -> None:
            app.test_client().get(f"/c/{link}", headers={"Accept": "application/json"})

        look(path)
        look(path)
        with world.ports.database.transaction() as session:
            identifier = issued.printout.record.identifier
            rules.suspend(session, world.ports, window(world), identifier, DECISION, "other")
        look(path)
        look("A" * 22)
        read_sites(world.ports)
    own = world.codes["own"]
    found = checks(world)
    assert sum(found.values()) == 4
    assert found[own, "suspended"] == 1
    assert sum(count for (agency, _), count in found.items() if agency == "") == 1
    app.extensions["site"].store.close()


def test_a_site_says_nothing_but_sums(world: World) -> None:
    own = world.codes["own"]
    good = said(world, (own, "valid", 5))
    tomorrow = (world.today + timedelta(days=1)).isoformat()
    for wrong in (
        b"not json", b"[]", {}, {"checks": [], "more": 1}, {"checks": [{**good["checks"][0], "link": "x"}]},
        {"checks": good["checks"] * 2}, {"checks": [{**good["checks"][0], "day": tomorrow}]},
        {"checks": [{**good["checks"][0], "day": "2026-02-30"}]}, {"checks": [{**good["checks"][0], "checks": -1}]},
        {"checks": [{**good["checks"][0], "checks": 1.5}]}, {"checks": [{**good["checks"][0], "verdict": "fine"}]},
        {"checks": [{**good["checks"][0], "agency": "x"}]}, {"checks": [{**good["checks"][0], "checks": 1 << 60}]},
    ):  # fmt: skip
        data = wrong if isinstance(wrong, bytes) else json.dumps(wrong).encode()
        with pytest.raises(VermilionError, match="something else"):
            parse(data, world.today)
    with site(world, [b"{}"]), pytest.raises(VermilionError):
        read_sites(world.ports)
    object.__setattr__(
        world.ports, "settings", world.ports.settings.model_copy(update={"check_sites": "http://127.0.0.1:1"})
    )
    with pytest.raises(VermilionError):
        read_sites(world.ports)
    assert checks(world) == {}


def test_a_day_is_closed_by_what_expires_on_it_alone(world: World, clock: Ticker) -> None:
    """By the index of last days, and each edition's own events: not by all that ever ended."""
    issue_one(world)
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _cur: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "FROM edition" in statement:
            asked.append((statement, parameters))

    clock.advance(timedelta(days=2))
    sql_event.listen(world.ports.database.write, "before_cursor_execute", note)
    try:
        close_days(world.ports)
    finally:
        sql_event.remove(world.ports.database.write, "before_cursor_execute", note)
    (statement, parameters), *_ = asked
    with world.ports.database.read.connect() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SET enable_seqscan = off"))
        explain = "EXPLAIN " if connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
        plan = "\n".join(
            str(tuple(row)) for row in connection.exec_driver_sql(explain + statement, parameters)
        )
    assert "ix_edition_valid_to" in plan, plan
    assert "ix_event_subject_kind_subject" in plan, plan
