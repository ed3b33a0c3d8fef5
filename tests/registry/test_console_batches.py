"""The console's pages of batches: a file sent, checked, watched, issued, cancelled; by whom, and by whom not."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from registry.batches.tables import Batch
from registry.console import batch_pages, sessions
from tests.registry.batching import editions, ndjson, requests, sent, worked
from tests.registry.console import one_more, seen, signed_in, told
from tests.registry.signing_in import Browser
from tests.registry.world import Ticker, World

BOUNDARY = "a-line-of-70-characters-".ljust(70, "x")
"""As long as RFC 2046 lets it be; the client's own is of the clock and chance, and now and then longer."""


def sending(world: World) -> Browser:
    """An officer, to whose console the keeper has let the seal."""
    world.authorise(world.seal_code, client_id=world.consoles["own"])
    return signed_in(world, "officer")


def upload(
    browser: Browser, data: bytes, purpose: str = "check", name: str = "licences.ndjson", **changes: Any
) -> TestResponse:
    page = changes.pop("page", None) or browser.get("/batches/new").get_data(as_text=True)
    key = re.search(r'name="key" value="([0-9a-f]{32})"', page)
    assert key
    token = re.findall(r'name="form" value="([^"]+)"', page)[-1]
    fields = {"form": token, "key": key[1], "purpose": purpose, **changes}
    return browser.http.post(
        "/console/batches/new",
        data=encode_multipart({**fields, "file": FileStorage(io.BytesIO(data), name)}, BOUNDARY)[1],
        content_type=f"multipart/form-data; boundary={BOUNDARY}",
        headers=browser.headers,
    )


def went(answer: TestResponse) -> str:
    assert answer.status_code == 303, seen(answer.get_data(as_text=True))
    return answer.headers["Location"].removeprefix("/console")


def test_a_file_is_checked_and_then_issued(world: World) -> None:
    officer = sending(world)
    data = ndjson(requests(world, 3))
    checked = went(upload(officer, data))
    page = officer.get(checked).get_data(as_text=True)
    assert '<noscript><meta http-equiv="refresh"' in page
    assert 'data-watch="5"' in page
    assert "refresh" not in officer.get(f"{checked}?still=1").get_data(as_text=True)
    assert "检查中" in seen(page)
    worked(world)
    page = officer.get(checked).get_data(as_text=True)
    assert "refresh" not in page
    assert "每一行都正确" in seen(page)
    assert editions(world) == 0
    issued = went(upload(officer, data, "issue"))
    worked(world)
    page = officer.get(issued).get_data(as_text=True)
    links = set(re.findall(r'href="(/console/licences/[^"/]+)"', page))
    assert len(links) == editions(world) == 3
    for link in links:
        assert officer.get(f"{link.removeprefix('/console')}/document").data.startswith(b"%PDF")
    archive = officer.get(f"{issued}/documents")
    assert archive.data[:2] == b"PK"
    assert issued in officer.get("/batches").get_data(as_text=True)
    with Session(world.ports.database.read) as session:
        rows = session.scalars(select(Batch)).all()
    assert {(row.person_id, row.client_id) for row in rows} == {
        (world.people["officer"].id, world.consoles["own"])
    }


def test_a_second_press_is_the_same_batch(world: World) -> None:
    officer = sending(world)
    data = ndjson(requests(world, 1))
    key = "a" * 32
    first = went(upload(officer, data, "issue", key=key))
    assert went(upload(officer, data, "issue", key=key)) == first
    other = upload(officer, ndjson(requests(world, 1)), "issue", key=key)
    assert other.status_code == 422
    assert "已用于另一个文件" in seen(other.get_data(as_text=True))


def test_what_is_wrong_is_told_line_by_line(world: World) -> None:
    officer = sending(world)
    lines: list[Any] = requests(world, 3)
    lines[1]["fields"].pop("operator_name")
    path = went(upload(officer, ndjson(lines) + b"{broken\n", "issue"))
    worked(world)
    page = told(officer, path)
    assert "没有签发任何证照" in page
    assert "第 2 行 有误 /fields/operator_name 缺少此项" in page
    assert "第 4 行 有误 无法读取" in page
    assert "第 1 行" not in page
    assert "第 1 行 正确" in told(officer, f"{path}?state=checked")
    assert editions(world) == 0
    header = upload(officer, "名称,编号\n甲,1\n".encode(), name="list.CSV")
    assert header.status_code == 422
    assert "列名不正确" in seen(header.get_data(as_text=True))
    assert "column 1" in seen(header.get_data(as_text=True))
    gbk = upload(officer, "类型\n".encode("gbk"), name="list.csv")
    assert "UTF-8" in seen(gbk.get_data(as_text=True))
    kind = upload(officer, b"x", name="list.xlsx")
    assert "须以 .csv" in seen(kind.get_data(as_text=True))
    assert "没有任何一行" in seen(upload(officer, b"").get_data(as_text=True))
    unlet = signed_in(world, "officer")
    body = {**requests(world, 1)[0], "seal": "9" * 14}
    assert "没有这枚印章" in seen(upload(unlet, ndjson([body])).get_data(as_text=True))


def test_pages_of_lines_and_of_batches_lead_on_by_key(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    officer = signed_in(world, "officer")
    made = []
    for _ in range(3):
        made.append(sent(world, 3))
        clock.advance(timedelta(seconds=1))
    made.append(sent(world, 1))  # at one instant: the ids decide
    made.append(sent(world, 1))
    monkeypatch.setattr(batch_pages, "SHOWN", 2)
    monkeypatch.setattr(batch_pages, "LINES_SHOWN", 2)
    found, path = [], "/batches"
    while path:
        page = officer.get(path).get_data(as_text=True)
        found += re.findall(r'<li><div><a href="/console/batches/([0-9a-f]{32})"', page)
        following = re.search(r'href="/console(/batches\?after=[^"]+)"', page)
        path = following[1] if following else ""
    assert found[2:] == made[2::-1]
    assert set(found[:2]) == set(made[3:])
    worked(world)
    page = told(officer, f"/batches/{made[0]}")
    assert "第 2 行" in page
    assert "第 3 行" not in page
    assert "第 3 行" in told(officer, f"/batches/{made[0]}?after=2&state=issued")
    for wrong in ("?after=x", "?state=none"):
        assert officer.get(f"/batches/{made[0]}{wrong}").status_code == 400
    assert officer.get(f"/batches?after={'0' * 32}").status_code == 404


def test_a_batch_is_cancelled_by_one_press(world: World) -> None:
    officer = sending(world)
    path = went(upload(officer, ndjson(requests(world, 2)), "issue"))
    assert officer.submit(path, path).headers["Location"] == f"/console{path}"
    worked(world)
    assert "已取消" in told(officer, path)
    assert editions(world) == 0
    done = f"/batches/{sent(world, 1)}"
    worked(world)
    again = officer.submit(done, "/")
    assert again.status_code == 409
    assert "此批已经结束" in seen(again.get_data(as_text=True))


def test_nothing_is_sent_from_elsewhere_or_without_a_factor_shown_just_now(
    world: World, clock: Ticker
) -> None:
    officer = sending(world)
    data = ndjson(requests(world, 1))
    assert upload(officer, data, form="x").status_code == 403
    officer.headers["Origin"] = "https://elsewhere.example"
    assert upload(officer, data).status_code == 403
    officer.headers["Origin"] = "http://localhost:8800"
    for broken in ({"key": "x"}, {"purpose": "both"}):
        assert upload(officer, data, **broken).status_code == 400
    page = officer.get("/batches/new").get_data(as_text=True)
    clock.advance(sessions.FRESH + timedelta(seconds=1))
    assert went(officer.get("/batches/new")) == "/confirm?next=/console/batches/new"
    assert went(upload(officer, data, page=page)) == "/confirm?next=/console/batches/new"
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(Batch)).all() == []


def test_a_page_that_renews_itself_keeps_nobody_signed_in(world: World, clock: Ticker) -> None:
    path = f"/batches/{sent(world, 1)}"
    officer = signed_in(world, "officer")
    for _ in range(2):
        clock.advance(sessions.IDLE / 2)
        watching = officer.get(path, headers={"X-Watching": "1"})
    assert watching.headers["Location"].startswith("/console/sign-in")


@pytest.mark.parametrize("cut", [40, 400, -6, -60])
def test_a_form_that_is_cut_off_is_no_batch(world: World, cut: int) -> None:
    officer = sending(world)
    page = officer.get("/batches/new").get_data(as_text=True)
    token = re.findall(r'name="form" value="([^"]+)"', page)[-1]
    parts = "".join(
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (("form", token), ("key", "b" * 32), ("purpose", "issue"))
    )
    line = json.dumps(requests(world, 1)[0], ensure_ascii=False)
    parts += f'--b\r\nContent-Disposition: form-data; name="file"; filename="a.ndjson"\r\n\r\n{line}\n\r\n--b--\r\n'
    whole = parts.encode()
    answer = officer.http.post(
        "/console/batches/new",
        data=whole[:cut],
        content_type="multipart/form-data; boundary=b",
        headers=officer.headers,
    )
    assert answer.status_code in {400, 403}, seen(answer.get_data(as_text=True))
    with Session(world.ports.database.read) as session:
        assert {row.state for row in session.scalars(select(Batch))} <= {"dropped"}
    answer = officer.http.post(
        "/console/batches/new",
        data=whole,
        content_type="multipart/form-data; boundary=b",
        headers=officer.headers,
    )
    assert answer.status_code == 303


@pytest.mark.parametrize("boundary", ["", "x" * 71, "\u5370"])
def test_a_form_whose_parts_nothing_lawful_divides_is_no_form(world: World, boundary: str) -> None:
    officer = sending(world)
    answer = officer.http.post(
        "/console/batches/new",
        data=f"--{boundary}--\r\n",
        content_type=f'multipart/form-data; boundary="{boundary}"',
        headers=officer.headers,
    )
    assert answer.status_code == 400
    assert "文件无法读取" in seen(answer.get_data(as_text=True))


def test_an_agency_never_sees_another_s_batches(world: World) -> None:
    batch_id = sent(world, 1)
    stranger = one_more(world, "authority", "officer")
    assert batch_id not in stranger.get("/batches").get_data(as_text=True)
    for page in ("", "/documents"):
        assert stranger.get(f"/batches/{batch_id}{page}").status_code == 404
    assert stranger.get(f"/batches?after={batch_id}").status_code == 404
    assert stranger.submit(f"/batches/{batch_id}", "/").status_code == 404
    for person in ("keeper", "approver"):
        browser = signed_in(world, person)
        assert "/console/batches" not in browser.get("/").get_data(as_text=True)
        for page in ("/batches", "/batches/new", f"/batches/{batch_id}", f"/batches/{batch_id}/documents"):
            assert browser.get(page).status_code == 403
