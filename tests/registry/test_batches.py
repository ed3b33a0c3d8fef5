"""Batches over HTTP and in the background, as an agency's system meets them."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from keys.errors import VermilionError
from registry.batches import api, receive
from registry.batches.lines import CSV, NDJSON
from registry.batches.tables import Batch, BatchItem
from registry.body_slots import BATCH_SLOTS
from registry.documents import document_key
from registry.licences.fsck import fsck
from registry.licences.tables import Intent
from registry.log.tables import Event
from tests.hostile import mutated
from tests.registry.batching import (
    PATH,
    cancel,
    editions,
    items,
    kept_requests,
    ndjson,
    requests,
    row,
    send,
    sent,
    told,
    worked,
)
from tests.registry.issuing import food_number, issue_one, request_body
from tests.registry.test_licences_api import problem
from tests.registry.world import Ticker, World, on_sqlite


def batch_events(world: World) -> dict[str, Event]:
    """By kind; none of them twice."""
    with Session(world.ports.database.read) as session:
        found = session.scalars(select(Event).where(Event.kind.like("batch.%"))).all()
    assert len({event.kind for event in found}) == len(found)
    return {event.kind: event for event in found}


def test_a_batch_from_its_lines_to_its_documents(world: World) -> None:
    bodies = requests(world, 3)
    answer = send(world, ndjson(bodies), key="first")
    assert answer.status_code == 202
    batch = answer.get_json()
    assert answer.headers["Location"] == f"{PATH}/{batch['id']}"
    assert (batch["state"], batch["lines"], batch["counts"]) == ("checking", 3, {"received": 3})
    assert "documents" not in batch
    assert not worked(world)
    batch = told(world, batch["id"])
    assert (batch["state"], batch["counts"]) == ("done", {"issued": 3})
    assert (batch["type"], batch["seal"]) == (world.type_code, world.seal_code)
    found = items(world, batch["id"])
    assert [(item["line"], item["state"]) for item in found] == [(1, "issued"), (2, "issued"), (3, "issued")]
    for item, body in zip(found, bodies, strict=True):
        licence = world.get(f"/api/v1/licences/{item['identifier']}").get_json()
        assert (licence["number"], licence["document"]["sha256"]) == (
            body["number"],
            item["document"]["sha256"],
        )
        document = world.get(item["document"]["href"]).data
        assert sha256(document).hexdigest() == item["document"]["sha256"]
        assert len(document) == item["document"]["size"]
    assert kept_requests(world) == 0
    events = batch_events(world)
    assert sorted(events) == ["batch.accepted", "batch.done"]
    accepted, done = events["batch.accepted"], events["batch.done"]
    assert (accepted.client_id, accepted.operator, accepted.subject) == (
        world.clients["system"].id, "window-03", batch["id"],
    )  # fmt: skip
    assert done.detail["issued"] == 3
    assert fsck(world.ports) == []


def test_the_archive_opens_and_each_file_is_what_was_sealed(world: World) -> None:
    batch_id = sent(world, 3)
    told_early = problem(world.get(f"{PATH}/{batch_id}/documents"), 409)
    assert told_early["reason"] == "batch_state"
    worked(world)
    answer = world.get(told(world, batch_id)["documents"])
    assert answer.mimetype == "application/zip"
    assert int(answer.headers["Content-Length"]) == len(answer.data)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as opened:
        assert opened.testzip() is None
        files = {name: opened.read(name) for name in opened.namelist()}
        assert {info.compress_type for info in opened.infolist()} == {zipfile.ZIP_STORED}
    found = items(world, batch_id)
    assert list(files) == [f"{item['line']:06}-{item['identifier']}.pdf" for item in found]
    with Session(world.ports.database.read) as session:
        rows = session.execute(select(BatchItem.line, BatchItem.edition_id)).all()
    editions = {row.line: row.edition_id for row in rows}
    for item, data in zip(found, files.values(), strict=True):
        edition = editions[item["line"]]
        assert edition is not None
        assert data == world.ports.documents.get(document_key(edition))
        assert sha256(data).hexdigest() == item["document"]["sha256"]
    world.get(told(world, batch_id)["documents"])  # the slots are given back
    assert all(world.get(told(world, batch_id)["documents"]).status_code == 200 for _ in range(4))


def test_an_archive_that_breaks_off_says_why_in_the_log(world: World, tmp_path: Path) -> None:
    batch_id = sent(world, 2)
    worked(world)
    with Session(world.ports.database.read) as session:
        lost = session.scalars(select(BatchItem.edition_id).where(BatchItem.line == 2)).one()
    assert lost is not None
    (world.ports.settings.documents_directory / document_key(lost)).rename(tmp_path / "lost")
    for _ in range(BATCH_SLOTS):
        answer = world.get(f"{PATH}/{batch_id}/documents")
        with capture_logs() as logged, pytest.raises(VermilionError):
            answer.get_data()
        answer.close()
    told_of = [line for line in logged if line["event"] == "archive_broken_off"]
    assert [(line["after_line"], line["reason"]) for line in told_of] == [(1, "document_lost")]
    (tmp_path / "lost").rename(world.ports.settings.documents_directory / document_key(lost))
    for _ in range(BATCH_SLOTS + 1):  # no slot is held
        assert world.get(f"{PATH}/{batch_id}/documents").status_code == 200


def test_csv_says_the_same_as_ndjson(world: World) -> None:
    body = request_body(world)
    names = [name for name in body if name != "fields"]
    fields = [f"fields.{n}{'[]' if isinstance(v, list) else ''}" for n, v in body["fields"].items()]
    cells = [body[name] for name in names]
    cells += ["；".join(v) if isinstance(v, list) else v for v in body["fields"].values()]
    quoted = [f'"{cell}"' for cell in cells]
    data = "\ufeff" + ",".join([*names, *fields]) + "\r\n" + ",".join(quoted) + "\r\n"
    batch_id = sent(world, data.encode(), media="text/csv; charset=utf-8")
    worked(world)
    (item,) = items(world, batch_id)
    assert (item["line"], item["state"]) == (2, "issued")
    licence = world.get(f"/api/v1/licences/{item['identifier']}").get_json()
    assert licence["number"] == body["number"]
    assert {name: licence["fields"][name] for name in body["fields"]} == body["fields"]


def test_every_fault_is_told_by_its_line_and_nothing_is_issued(world: World) -> None:
    taken = issue_one(world).printout.record.number
    secret = "样本绝密甲"
    good, other = request_body(world), request_body(world)
    wrong = [
        good,
        request_body(world, operator=None, case_number=" x"),
        request_body(world, fields=good["fields"] | {"credit_code": secret, "issue_date": "2026-02-30"}),
        request_body(world, number=taken),
        request_body(world, number=good["number"]),
        request_body(world, type=world.types["other"]),
        request_body(world, seal="99010000000999"),
        request_body(world, fields=good["fields"] | {"domicile": "\u1200"}),
        {"fields": {}, secret: 1},
        [secret],
        other,
    ]
    lines = ndjson(wrong) + f'{{"type": "{secret}\n\n'.encode() + b"\xff\n" + b"[" * 100 + b"\n"
    before = editions(world)
    batch_id = sent(world, lines, key="again")
    worked(world)
    batch = told(world, batch_id)
    assert batch["state"] == "refused"
    assert batch["counts"] == {"checked": 2, "refused": 12}
    answer = world.get(batch["errors"])
    assert secret not in answer.get_data(as_text=True).replace(f"/{secret}", "")
    refused = {item["line"]: item for item in answer.get_json()["items"]}
    places = {line: {e["pointer"] for e in item["errors"]} for line, item in refused.items()}
    assert places == {
        2: {"/operator", "/case_number"},
        3: {"/fields/credit_code", "/fields/issue_date"},
        4: {"/number"}, 5: {"/number"}, 6: {"/type"}, 7: {"/seal"}, 8: {"/fields/domicile"},
        9: {"/type", "/seal", "/matter_code", "/case_number", "/operator", f"/{secret}"},
        10: {""}, 12: {""}, 14: {""}, 15: {""},
    }  # fmt: skip
    reasons = {line: item["reason"] for line, item in refused.items()}
    assert (reasons[4], reasons[5], reasons[6], reasons[7]) == (
        "number_taken", "number_repeated", "type_differs", "seal_differs",
    )  # fmt: skip
    assert editions(world) == before
    assert batch_events(world) == {}
    assert kept_requests(world) == 0
    with Session(world.ports.database.read) as session:
        assert session.scalar(select(func.count()).select_from(Intent)) == 1
    right = sent(world, ndjson([good, other]), key="again")  # a refused batch leaves its key free
    worked(world)
    assert told(world, right)["counts"] == {"issued": 2}


def test_a_batch_whose_lines_are_all_malformed_is_refused_at_once(world: World) -> None:
    batch_id = sent(world, b"{\n{}\n")
    batch = told(world, batch_id)
    assert (batch["state"], batch["type"], batch["counts"]) == ("refused", None, {"refused": 2})
    worked(world)
    assert row(world, batch_id).due_at is None


def test_the_same_request_again_is_the_same_batch(world: World) -> None:
    data = ndjson(requests(world, 2))
    batch_id = sent(world, data, key="k")
    for work_between in (False, True):
        if work_between:
            worked(world)
        again = send(world, data, key="k")
        assert (again.status_code, again.get_json()["id"]) == (202, batch_id)
        assert again.headers["Idempotency-Replayed"] == "true"
    assert problem(send(world, data + b"\n", key="k"), 422)["reason"] == "key_reused"
    assert problem(send(world, data, key="k", query="?dry_run=1"), 422)["reason"] == "key_reused"
    assert problem(send(world, data, key="k", media=CSV), 422)["reason"] == "key_reused"
    assert editions(world) == 2


def test_a_dry_run_checks_and_issues_nothing(world: World) -> None:
    batch_id = sent(world, 2, query="?dry_run=1")
    worked(world)
    batch = told(world, batch_id)
    assert (batch["state"], batch["counts"], batch["dry_run"]) == ("checked", {"checked": 2}, True)
    assert (editions(world), kept_requests(world), batch_events(world)) == (0, 0, {})


def test_progress_is_told_while_it_is_issued(world: World) -> None:
    batch_id = sent(world, 3)
    worked(world, 1, size=2)
    assert told(world, batch_id)["counts"] == {"received": 1, "waiting": 2}
    worked(world, 3, size=2)  # the third line, the end of the check, two lines issued
    batch = told(world, batch_id)
    assert (batch["state"], batch["counts"]) == ("issuing", {"issued": 2, "waiting": 1})
    assert [item["state"] for item in items(world, batch_id, "?after=1")] == ["issued", "waiting"]
    assert [item["line"] for item in items(world, batch_id, "?state=waiting")] == [3]


def test_lines_are_told_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    batch_id = sent(world, b"{\n" * 7)
    monkeypatch.setattr("registry.batches.rules.page.__defaults__", (3,))
    seen: list[int] = []
    path = f"{PATH}/{batch_id}/items?state=refused"
    while path:
        answer = world.get(path).get_json()
        seen += [item["line"] for item in answer["items"]]
        path = answer.get("next", "")
    assert seen == [1, 2, 3, 4, 5, 6, 7]
    for query in ("?after=x", "?after=-1", "?after=9999999999", "?state=none", "?limit=3"):
        assert problem(world.get(f"{PATH}/{batch_id}/items{query}"), 422)["reason"] == "query"


def test_what_is_not_begun_when_it_is_cancelled_is_not_issued(world: World) -> None:
    batch_id = sent(world, 5)
    worked(world, 5, size=2)  # three slices of checking, its end, and two lines issued
    assert told(world, batch_id)["counts"] == {"issued": 2, "waiting": 3}
    assert cancel(world, batch_id)["state"] == "cancelling"
    assert cancel(world, batch_id)["state"] == "cancelling"
    worked(world)
    batch = told(world, batch_id)
    assert (batch["state"], batch["counts"]) == ("cancelled", {"cancelled": 3, "issued": 2})
    assert cancel(world, batch_id)["state"] == "cancelled"
    with zipfile.ZipFile(io.BytesIO(world.get(batch["documents"]).data)) as opened:
        assert len(opened.namelist()) == 2
    assert kept_requests(world) == 0
    assert sorted(batch_events(world)) == ["batch.accepted", "batch.cancelled", "batch.done"]
    assert fsck(world.ports) == []


def test_a_batch_is_cancelled_while_it_is_checked_and_not_after_its_end(world: World) -> None:
    batch_id = sent(world, 3)
    worked(world, 1, size=2)
    cancel(world, batch_id)
    worked(world)
    assert told(world, batch_id)["counts"] == {"cancelled": 3}
    assert (editions(world), kept_requests(world)) == (0, 0)
    done = sent(world, 1)
    worked(world)
    refused = world.post(f"{PATH}/{done}/cancel", {"operator": "window-03"})
    assert problem(refused, 409)["reason"] == "batch_state"
    nameless = world.post(f"{PATH}/{done}/cancel", {})
    assert problem(nameless, 422)["errors"][0]["pointer"] == "/operator"


def test_an_agency_s_batches_are_listed_by_pages_and_by_state(
    world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of one moment too; none that is still on its way, of which nobody was told."""
    monkeypatch.setattr(api, "LISTED", 2)
    made = [sent(world, 1)]
    clock.advance(timedelta(seconds=1))
    made += [sent(world, 1) for _ in range(3)]
    cancel(world, made[1])
    worked(world)
    clock.advance(timedelta(seconds=1))
    made.append(sent(world, 1))
    with world.ports.database.transaction() as session:
        session.execute(update(Batch).where(Batch.id == made[4]).values(state="receiving"))

    def listed(path: str, client: str = "system") -> list[dict[str, Any]]:
        found, following = [], path
        while following:
            page = world.get(following, client).get_json()
            assert len(page["batches"]) <= 2
            found += page["batches"]
            following = page.get("next")
        return found

    every = listed(PATH)
    assert [one["id"] for one in every] == [*sorted(made[1:4], reverse=True), made[0]]
    assert {one["state"] for one in every} == {"done", "cancelled"}
    for one in every:
        whole = world.get(one.pop("href")).get_json()
        assert {name: whole[name] for name in one} == one
    done = listed(f"{PATH}?state=done")
    assert {one["id"] for one in done} == {made[0], made[2], made[3]}
    assert listed(f"{PATH}?state=issuing") == []
    assert listed(PATH, "other-system") == []
    for query in ("state=receiving", "state=lost", "after=x", "page=2"):
        assert problem(world.get(f"{PATH}?{query}"), 422)["reason"] == "query"
    assert problem(world.get(f"{PATH}?after={made[0]}", "other-system"), 404)["reason"] == "batch_unknown"


def test_other_agencies_find_no_batch(world: World) -> None:
    batch_id = sent(world, 1)
    for path in ("", "/items", "/documents"):
        assert (
            problem(world.get(f"{PATH}/{batch_id}{path}", "other-system"), 404)["reason"] == "batch_unknown"
        )
    refused = world.post(f"{PATH}/{batch_id}/cancel", {"operator": "x"}, "other-system")
    assert problem(refused, 404)["reason"] == "batch_unknown"
    assert problem(world.get(f"{PATH}/{'0' * 32}"), 404)["reason"] == "batch_unknown"
    worked(world)
    assert told(world, batch_id)["counts"] == {"issued": 1}


def test_only_who_may_issue_one_may_issue_many(world: World) -> None:
    """Asked when the first line is there; the rest is read, so that the sender reads the answer."""
    data = ndjson(requests(world, 2))
    for options, reason in (
        ({"client": "desk"}, "scope"),
        ({"person": "keeper"}, "role"),
        ({"client": "other-system"}, "type_not_entitled"),
    ):
        assert problem(send(world, data, **options), 403)["reason"] == reason
    batch_id = sent(world, data, person="officer")
    for path in ("", "/items", "/documents"):
        assert problem(world.get(f"{PATH}/{batch_id}{path}", person="keeper"), 403)["reason"] == "role"
    wrong = ndjson([request_body(world, seal="99010000000999")] * 2)
    assert problem(send(world, wrong), 403)["reason"] == "seal_unknown"
    worked(world)
    with Session(world.ports.database.read) as session:
        people = session.scalars(select(Intent.person_id)).all()
        assert session.scalar(select(func.count()).select_from(Batch)) == 1  # the refused are gone
    assert people == [world.people["officer"].id] * 2


def test_a_client_has_so_many_batches_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "MAX_UNFINISHED", 2)
    held = [sent(world, 1) for _ in range(2)]
    answer = send(world, ndjson(requests(world, 1)))
    assert problem(answer, 429)["reason"] == "too_many_batches"
    assert "Retry-After" in answer.headers
    cancel(world, held[0])
    worked(world)
    sent(world, 1)


def test_limits_of_a_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receive, "MAX_LINES", 2)
    monkeypatch.setattr("registry.batches.api.MAX_BODY", 100_000)
    assert problem(send(world, b"{}\n{}\n{}\n"), 413)["reason"] == "too_many_lines"
    problem(send(world, b"x" * 100_001), 413)
    assert problem(send(world, b""), 400)["reason"] == "no_length"
    assert problem(send(world, b"\n \n\r\n"), 422)["reason"] == "empty"
    problem(send(world, b"{}", media="application/json"), 415)
    problem(send(world, b"{}", media="text/csv; charset=gbk"), 415)
    headers = {**world.headers("system"), "Content-Encoding": "gzip", "Idempotency-Key": "k"}
    problem(world.http.post(PATH, data=b"{}", content_type=CSV, headers=headers), 415)
    assert problem(world.http.post(PATH, data=b"{}", headers=world.headers("system")), 400)["reason"] == (
        "idempotency_key"
    )
    worked(world)
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(Batch)).all() == []


def post_stream(world: World, stream: io.BytesIO, length: int) -> TestResponse:
    """A body as a server hands it over: it ends where the connection does, whatever its length was to be."""
    served = {"wsgi.input": stream, "CONTENT_LENGTH": str(length), "wsgi.input_terminated": True}
    headers = {**world.headers("system"), "Idempotency-Key": "k"}
    return world.http.post(PATH, content_type=NDJSON, headers=headers, environ_overrides=served)


@pytest.mark.long(short="test_limits_of_a_batch")
@on_sqlite
def test_a_batch_of_as_many_lines_as_may_be_is_checked_whole(world: World) -> None:
    """Every line of 100,000; one more is refused, and leaves nothing."""
    sample = request_body(world)
    lines = [
        json.dumps(sample | {"number": food_number(900_000 + n)}, ensure_ascii=False).encode()
        for n in range(receive.MAX_LINES)
    ]
    assert len(lines) == 100_000
    data = b"\n".join(lines)
    assert len(data) < receive.MAX_BODY
    refused = problem(send(world, data + b"\n{}", key="large", query="?dry_run=1"), 413)
    assert refused["reason"] == "too_many_lines"
    worked(world)
    with Session(world.ports.database.read) as session:
        assert [session.scalar(select(func.count()).select_from(one)) for one in (Batch, BatchItem)] == [0, 0]
    batch_id = sent(world, data, key="large", query="?dry_run=1")  # the key is free
    assert told(world, batch_id)["lines"] == 100_000
    assert not worked(world)
    batch = told(world, batch_id)
    assert (batch["state"], sum(batch["counts"].values())) == ("checked", 100_000)
    assert len(batch["counts"]) == 1
    assert (kept_requests(world), editions(world)) == (0, 0)


def test_a_body_that_is_cut_off_is_no_batch(world: World) -> None:
    data = ndjson(requests(world, 2))
    whole_line = data[: data.index(b"\n") + 1]
    assert problem(post_stream(world, io.BytesIO(whole_line), len(data)), 400)["reason"] == "cut"
    worked(world)
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(Batch)).all() == []
    assert told(world, sent(world, data, key="k"))["lines"] == 2


def test_a_key_is_held_while_its_body_comes_and_free_once_it_stalls(world: World, clock: Ticker) -> None:
    data = ndjson(requests(world, 2))
    seen: list[str] = []

    class Slow(io.BytesIO):
        def readinto(self, buffer: Any) -> int:
            self.wait()
            return super().readinto(buffer)

        def read(self, size: int | None = -1) -> bytes:
            self.wait()
            return super().read(size)

        def wait(self) -> None:
            if not seen:
                seen.append(problem(send(world, data, key="k"), 409)["reason"])
                clock.advance(timedelta(seconds=61))
                worked(world)

    answer = post_stream(world, Slow(data), len(data))
    assert seen == ["in_progress"]
    assert problem(answer, 503)["reason"] == "stalled"
    assert told(world, sent(world, data, key="k"))["lines"] == 2


def test_requests_are_kept_encrypted_for_their_own_line(world: World) -> None:
    sent(world, 2)
    with Session(world.ports.database.read) as session:
        first, second = session.scalars(select(BatchItem.request).order_by(BatchItem.line))
    assert first is not None
    assert "样本市".encode() not in first
    with world.ports.database.transaction() as session:
        for item in session.scalars(select(BatchItem)):
            item.request = first if item.line == 2 else second
    worked(world)
    with Session(world.ports.database.read) as session:
        assert set(session.scalars(select(BatchItem.reason))) == {"record_damaged"}
    assert editions(world) == 0


def test_fsck_names_what_does_not_hold_together(world: World) -> None:
    done = sent(world, 2)
    worked(world)
    open_ = sent(world, 2)
    cancel(world, open_)
    assert fsck(world.ports) == []
    changes: list[tuple[str, int, dict[str, Any], str]] = [
        (done, 1, {"state": "failed"}, f"batch {done} line 1 is failed, and its edition is there"),
        (done, 2, {"request": b"x"}, f"batch {done} line 2 is issued and keeps what was asked for"),
        (
            open_,
            1,
            {"request": b"x"},
            f"batch {open_} line 1 has a request that cannot be read (record_damaged)",
        ),
    ]
    with world.ports.database.transaction() as session:
        for batch_id, line, values, _ in changes:
            of_line = (BatchItem.batch_id == batch_id) & (BatchItem.line == line)
            session.execute(update(BatchItem).where(of_line).values(values))
        session.execute(update(Batch).where(Batch.id == open_).values(lines=3, state="done"))
    assert sorted(fsck(world.ports)) == sorted(
        [
            *(words for *_, words in changes),
            f"batch {open_} has not the lines that it was sent with",
            f"batch {open_} is done, and the time of its end does not fit",
        ]
    )


@on_sqlite
def test_no_body_is_a_defect_and_none_leaves_anything_half_done(world: World) -> None:
    """Right lines are altered, cut and mixed with what is none: they are a batch that is issued or refused, or
    none at all.
    """
    headers = world.headers("system")
    right = request_body(world)
    cells = [right[name] for name in ("type", "seal", "matter_code", "case_number", "operator")]
    csv = "type,seal,matter_code,case_number,operator,fields.x\n" + ",".join([*cells, "1"]) + "\n"
    lines = st.one_of(
        mutated(right).map(lambda value: json.dumps(value).encode()),
        st.sampled_from([csv.encode(), csv.encode()[:-9], b'"', b"\x00", b"\xff\xfe", b"{" * 40, b"1e999"]),
        st.binary(max_size=30),
    )

    @settings(max_examples=30)
    @given(
        media=st.sampled_from([NDJSON, CSV]),
        data=st.lists(lines, max_size=4).map(b"\n".join),
        number=st.integers(0),
    )
    def ask(media: str, data: bytes, number: int) -> None:
        key = {"Idempotency-Key": f"key-{number}-{media[-3:]}-{sha256(data).hexdigest()}"}
        answer = world.http.post(PATH, data=data, content_type=media, headers={**headers, **key})
        assert answer.status_code in {202, 400, 403, 422}
        if answer.status_code == 202:
            batch = answer.get_json()["id"]
            world.http.post(f"{PATH}/{batch}/cancel", json={"operator": "x"}, headers=headers)
        else:
            assert answer.get_json()["reason"]

    ask()
    assert not worked(world)
    assert (world.defects.total, editions(world), kept_requests(world)) == (0, 0, 0)
    with Session(world.ports.database.read) as session:
        states = set(session.scalars(select(Batch.state)))
    assert states <= {"refused", "cancelled", "done"}
