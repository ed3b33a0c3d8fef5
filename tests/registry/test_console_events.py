"""The console's records: whose they are, how they are found, that nothing of them is scanned, and their file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event as sql_event
from sqlalchemy import select, text, update
from sqlalchemy.orm import Session

from registry.actor import Duty
from registry.console import event_pages
from registry.console.csv_file import csv_answer
from registry.log.rules import record_event
from registry.log.tables import Event
from registry.log.views import OWN, View, page
from signing.live import SETTLING
from tests.registry.batching import sent
from tests.registry.console import one_more, seen, signed_in, told
from tests.registry.issuing import issue_one
from tests.registry.test_console_licences import GROUND, version_on
from tests.registry.world import GROUND as ON_GROUND
from tests.registry.world import Ticker, World


def brute(world: World, view: View) -> list[str]:
    """Ids of what a view must show, by looking at every event."""
    with Session(world.ports.database.read) as session:
        rows = session.scalars(select(Event)).all()
    found = [
        one
        for one in rows
        if (view.agency is None or one.agency_code == view.agency)
        and (not view.own or one.kind.startswith(OWN))
        and (view.kind is None or one.kind == view.kind)
        and (view.person is None or one.person_id == view.person)
        and (view.since is None or one.recorded_at >= view.since)
        and (view.until is None or one.recorded_at < view.until)
    ]
    return [one.id for one in sorted(found, key=lambda one: (one.recorded_at, one.id), reverse=True)]


def by_pages(world: World, view: View, size: int) -> list[str]:
    found: list[str] = []
    after: str | None = None
    while True:
        with Session(world.ports.database.read) as session:
            rows, after = page(session, View(**{**fields(view), "after": after}), size)
        assert len(rows) <= size
        found += [one.id for one in rows]
        if after is None:
            return found


def fields(view: View) -> dict[str, Any]:
    return {name: getattr(view, name) for name in View.__dataclass_fields__}


def lived(world: World, clock: Ticker) -> str:
    """A world in which things happened at different times, and some at one."""
    record = issue_one(world).printout.record
    issue_one(world)
    clock.advance(timedelta(days=1))
    officer = signed_in(world, "officer")
    path = f"/licences/{record.identifier}/suspension"
    version = version_on(officer.get(path).get_data(as_text=True))
    assert officer.submit(path, path, ground="other", status_version=version, **GROUND).status_code == 303
    world.approved_seal()
    return record.identifier


def test_every_question_is_answered_as_by_looking_at_all(world: World, clock: Ticker) -> None:
    lived(world, clock)
    own, keeper = world.codes["own"], world.people["keeper"].id
    begin = clock() - timedelta(hours=1)
    for view in (
        View(None, own=False),
        View(None, own=False, kind="person.added"),
        View(None, own=False, person=keeper),
        View(None, own=False, person=keeper, kind="seal.authorised"),
        View(None, own=False, since=begin),
        View(own, own=False),
        View(own, own=False, until=begin),
        View(own, own=True),
        View(own, own=True, kind="licence.issued"),
        View(own, own=True, kind="session.begun"),
        View(own, own=True, person=world.people["officer"].id),
        View(world.codes["authority"], own=False),
        View("11990000MB0000000X", own=False),
    ):
        expected = brute(world, view)
        for size in (1, 3, 100):
            assert by_pages(world, view, size) == expected, view


def test_an_agency_s_events_are_those_about_what_is_its_own(world: World, clock: Ticker) -> None:
    """Whoever did it: a seal's of the authority's approver, an enrolment of an administrator."""
    lived(world, clock)
    with Session(world.ports.database.read) as session:
        rows = session.scalars(select(Event)).all()
    whose = {(one.kind, one.agency_code) for one in rows}
    own, authority = world.codes["own"], world.codes["authority"]
    for kind in (
        "licence.issued", "licence.suspended", "seal.applied", "seal.approved", "seal.made", "seal.active",
        "seal.authorised", "person.added", "client.added", "enrolment.approved", "agency.added",
    ):  # fmt: skip
        assert (kind, own) in whose, kind
    assert ("seal.approved", authority) not in whose
    assert {agency for kind, agency in whose if kind in {"administrator.founded", "type.published"}} == {None}


def test_an_officer_finds_what_was_done(world: World, clock: Ticker) -> None:
    identifier = lived(world, clock)
    officer = signed_in(world, "officer")
    shown = told(officer, "/events")
    assert "样本officer、console" in shown
    assert "食品经营许可管理办法" in shown
    suspended = officer.get("/events?kind=licence.suspended").get_data(as_text=True)
    assert suspended.count("<h3>") == 1
    assert f'href="/console/licences/{identifier}"' in suspended
    about = told(officer, f"/events?subject={identifier}")
    assert about.count("食品经营许可管理办法") == 1
    assert "签发" in about
    seal = officer.get(f"/events?subject={world.seal_code}").get_data(as_text=True)
    assert f'href="/console/seals/{world.seal_code}"' in seal
    today, before = world.today, world.today - timedelta(days=1)
    assert (
        "暂停"
        not in seen(officer.get(f"/events?to={before}&kind=licence.suspended").get_data(as_text=True)).split(
            "查询"
        )[1]
    )
    assert "暂停" in told(officer, f"/events?from={today}&to={today}")
    for wrong in (
        "from=yesterday",
        "to=2026-02-30",
        "kind=%3D",
        "subject=x%20y",
        "person=x",
        f"person={world.people['approver'].id}",
        "after=1",
    ):
        answer = officer.get(f"/events?{wrong}")
        assert answer.status_code == 422, wrong
    assert "此人不属于该机构" in seen(officer.get(f"/events?person={world.people['approver'].id}").get_data(as_text=True))  # fmt: skip


def test_nobody_reads_another_agency_s_events_or_how_colleagues_sign_in(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    signed_in(world, "keeper")
    officer, stranger = signed_in(world, "officer"), one_more(world, "authority", "officer")
    batch = sent(world, 1)
    for path in (
        "/events",
        f"/events?subject={identifier}",
        f"/events?subject={batch}",
        f"/events?agency={world.codes['own']}",
    ):
        page_ = stranger.get(path).get_data(as_text=True)
        assert identifier not in page_.partition("<h2>")[2], path
        assert (
            stranger.get(path.replace("/events", "/events/file")).get_data(as_text=True).count(identifier)
            == 0
        )
    assert "登录" not in told(officer, "/events").partition("最近记录")[2]
    assert "没有找到" in told(officer, "/events?kind=session.begun")
    for person in ("applicant", "approver", "maker"):
        browser = signed_in(world, person)
        for path in ("/events", "/events/file"):
            assert browser.get(path).status_code == 403
    for duty in (Duty.SYSTEM, Duty.SECURITY):
        assert signed_in(world, duty).get("/events").status_code == 403


def test_an_auditor_sees_all_and_is_seen(world: World, clock: Ticker) -> None:
    clock.advance(timedelta(seconds=1))  # the newest, of more than a page
    identifier = issue_one(world).printout.record.identifier
    auditor = signed_in(world, Duty.AUDIT)
    shown = told(auditor, "/events")
    assert identifier in shown
    assert "登录" in shown
    assert "云溪省样本市市场监督管理局" in shown
    person = world.people["keeper"].id
    assert "用印授权" in told(auditor, f"/events?person={person}&kind=seal.authorised")
    assert "没有找到" in told(auditor, f"/events?agency={world.codes['other']}&kind=licence.issued")
    assert auditor.get(f"/events?agency={world.codes['other']}&person={person}").status_code == 422
    auditor.get("/events/file?kind=licence.issued")
    with Session(world.ports.database.read) as session:
        readings = session.scalars(select(Event).where(Event.kind == "audit.read")).all()
    assert len(readings) == 4
    assert {one.person_id for one in readings} == {world.admins[Duty.AUDIT].id}
    assert readings[-1].detail.get("kind") in {"licence.issued", "seal.authorised", None}


def test_pages_lead_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        issue_one(world)
    monkeypatch.setattr(event_pages, "SHOWN", 2)
    officer, path = signed_in(world, "officer"), "/events?kind=licence.issued"
    found: list[str] = []
    while path:
        text_ = officer.get(path).get_data(as_text=True)
        found += re.findall(r'<dd><a href="/console/licences/([^"]+)"', text_)
        following = re.search(r'href="/console(/events\?after=[^"]+)"', text_)
        path = following[1].replace("&amp;", "&") if following else ""
    assert len(set(found)) == len(found) == 3


def test_the_file_is_bounded_settled_and_runs_nothing(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    identifier = issue_one(world).printout.record.identifier
    officer = signed_in(world, "officer")
    assert identifier not in officer.get("/events/file").get_data(as_text=True)  # not a minute old yet
    clock.advance(SETTLING + timedelta(seconds=1))
    with world.ports.database.transaction() as session:
        session.execute(
            update(Event).where(Event.kind == "licence.issued").values(operator="=cmd|'/c calc'!A1")
        )
    answer = officer.get("/events/file?kind=licence.issued")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="events.csv"'
    lines = list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"))))
    assert lines[0][0] == "记录时间"
    assert lines[1][2] == identifier
    assert lines[1][9].startswith("'=cmd")
    monkeypatch.setattr(event_pages, "MOST_WRITTEN", 1)
    lines = list(csv.reader(io.StringIO(officer.get("/events/file").get_data().decode("utf-8-sig"))))
    assert len(lines) == 3
    assert "请缩小范围" in lines[2][0]


def test_no_cell_is_a_formula() -> None:
    hostile = ["=1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "＝1", "－1", "1=1", 'a"b', "", None, -5]
    data = csv_answer("x.csv", ["h"], [hostile]).get_data()
    assert data.startswith(b"\xef\xbb\xbf")
    (_, row) = csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""))
    assert row == [f"'{cell}" for cell in hostile[:9]] + ["1=1", 'a"b', "", "", "-5"]


@contextmanager
def statements(world: World) -> Iterator[list[tuple[str, Any]]]:
    seen_: list[tuple[str, Any]] = []

    def note(_c: Any, _cur: Any, statement: str, parameters: Any, *_: Any) -> None:
        seen_.append((statement, parameters))

    sql_event.listen(world.ports.database.read, "before_cursor_execute", note)
    try:
        yield seen_
    finally:
        sql_event.remove(world.ports.database.read, "before_cursor_execute", note)


def test_no_view_goes_through_all_events(world: World, clock: Ticker) -> None:
    """Each statement enters an index: neither database reads the table from its beginning."""
    lived(world, clock)
    ports, own = world.ports, world.codes["own"]
    window = replace(world.actor(), operator="window-03")
    with ports.database.transaction() as session:
        for _ in range(2000 if session.connection().dialect.name == "postgresql" else 50):
            record_event(
                session, kind="webhook.redelivered", subject_kind="act", subject="x", ground=ON_GROUND, actor=window,
                now=ports.clock(), random=ports.random,
            )  # fmt: skip
    sqlite = ports.database.read.dialect.name == "sqlite"
    if not sqlite:
        with ports.database.write.connect() as connection:
            connection.execute(text("ANALYZE event"))
            connection.commit()
    person = world.people["keeper"].id
    of_kinds, by_subject = "ix_event_agency_code_kind_recorded_at_id", "ix_event_subject_kind_subject"
    views = {
        View(own, own=True): of_kinds,
        View(own, own=True, kind="seal.authorised"): of_kinds,
        View(own, own=True, since=clock(), until=clock()): of_kinds,
        View(own, own=True, person=person): "ix_event_person_id_recorded_at_id",
        View(own, own=True, person=person, kind="seal.authorised"): "ix_event_person_id_kind_recorded_at_id",
        View(None, own=False): "ix_event_recorded_at_id",
        View(None, own=False, kind="seal.authorised"): "ix_event_kind_recorded_at_id",
        View(None, own=False, person=person): "ix_event_person_id_recorded_at_id",
        View(None, own=False, subject=world.seal_code): by_subject,
        View(own, own=True, subject=world.seal_code): by_subject,
    }
    for view, index in views.items():
        with statements(world) as asked, Session(ports.database.read) as session:
            page(session, view, 5)
        with ports.database.read.connect() as connection:
            for statement, parameters in asked:
                if "FROM event" not in statement:
                    continue
                explain = "EXPLAIN QUERY PLAN " if sqlite else "EXPLAIN "
                plan = "\n".join(
                    str(tuple(row)) for row in connection.exec_driver_sql(explain + statement, parameters)
                )
                assert "SCAN event'" not in plan, (view, plan)
                assert "Seq Scan on event" not in plan, (view, plan)
                assert not sqlite or index in plan, (view, plan)
