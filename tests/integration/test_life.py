"""A whole life: every change shows at once in every way to check, and each event is one leaf of the log."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.log.tables import Event, Leaf
from signing.sentences import table
from tests.integration.province import Paper, Province

HEADINGS = table()["verdicts"]


def everywhere(province: Province, paper: Paper, tmp_path: Any) -> set[tuple[str, str | None]]:
    """Verdict and `how` of every online way to check."""
    path = tmp_path / "licence.pdf"
    path.write_bytes(paper.pdf)
    answers = [
        province.check_file(paper.pdf),
        province.check_link(paper.link),
        province.check_link(paper.address),
        province.look(paper),
        province.check_typed(paper.identifier, paper.answer["lookup_code"]),
        province.online(path),
        province.online(paper.link),
    ]
    return {(answer.verdict, answer.body["how"]) for answer in answers}


def test_suspended_resumed_ended(province: Province, paper: Paper, tmp_path: Any) -> None:
    how = {"own": "revoked", "other": "withdrawn"}[paper.agency]
    assert everywhere(province, paper, tmp_path) == {("valid", None)}
    province.change(paper, "suspension", ground="penalty")
    assert everywhere(province, paper, tmp_path) == {("suspended", None)}
    assert HEADINGS["suspended"]["en"]["heading"] in province.page(paper)
    province.change(paper, "resumption")
    assert everywhere(province, paper, tmp_path) == {("valid", None)}
    province.change(paper, "ending", how=how)
    assert everywhere(province, paper, tmp_path) == {("ended", how)}
    assert HEADINGS[f"ended_{how}"]["en"]["heading"] in province.page(paper)
    # The document itself is as genuine as ever, and offline nobody can know more.
    assert province.offline(tmp_path / "licence.pdf").verdict == "genuine_offline"
    assert province.verify(paper.address, "--trust", province.trust_file).verdict == "cannot_check"


def test_one_leaf_an_event_and_each_commits_to_it(province: Province) -> None:
    """The commitment is reckoned here from the rows alone, as somebody with the salt could reckon it."""
    paper = province.issue()
    province.change(paper, "suspension", ground="other")
    province.change(paper, "resumption")
    province.change(paper, "ending", how="cancelled")
    with Session(province.world.ports.database.read) as session:
        events = {event.id: event for event in session.scalars(select(Event))}
        leaves = {leaf.event_id: leaf for leaf in session.scalars(select(Leaf))}
    assert len(events) == len(leaves) == province.rows(Leaf)[0]
    assert events.keys() == leaves.keys()
    for event_id, event in events.items():
        leaf = leaves[event_id]
        said = json.loads(leaf.data)
        assert said == {
            "v": 1,
            "kind": event.kind,
            "time": event.recorded_at.isoformat(timespec="seconds"),
            "commitment": hashlib.sha256(leaf.salt + _canonical(event)).hexdigest(),
        }
        assert datetime.fromisoformat(said["time"]).utcoffset() is not None
    salts = [leaf.salt for leaf in leaves.values()]
    assert len(set(salts)) == len(salts)
    assert {len(salt) for salt in salts} == {32}
    kinds = [e.kind for e in sorted(events.values(), key=lambda e: e.recorded_at) if _about(e, paper)]
    assert kinds == ["licence.issued", "licence.suspended", "licence.resumed", "licence.ended"]


def test_an_event_changed_by_so_little_is_not_the_one_committed_to(province: Province) -> None:
    province.issue()
    with Session(province.world.ports.database.read) as session:
        event, leaf = session.execute(
            select(Event, Leaf)
            .join(Leaf, Leaf.event_id == Event.id)
            .where(Event.kind == "licence.issued")
            .limit(1)
        ).one()
        session.expunge_all()
    commitment = json.loads(leaf.data)["commitment"]
    assert hashlib.sha256(leaf.salt + _canonical(event)).hexdigest() == commitment
    event.operator += "x"
    assert hashlib.sha256(leaf.salt + _canonical(event)).hexdigest() != commitment


def test_events_and_leaves_hold_nothing_of_the_holder(province: Province, paper: Paper) -> None:
    province.change(paper, "ending", how="revoked")
    with Session(province.world.ports.database.read) as session:
        events = [_canonical(event).decode() for event in session.scalars(select(Event))]
        leaves = [bytes(leaf.data).decode() for leaf in session.scalars(select(Leaf))]
    text = "\n".join(events + leaves)
    assert paper.identifier in text
    kept = {"operator_name", "credit_code", "representative", "holder_name", "citizen_id", "domicile"}
    personal = [value for name, value in paper.request["fields"].items() if name in kept]
    assert len(personal) in (2, 4)
    for value in [*personal, paper.request["number"], paper.answer["lookup_code"], paper.path[3:]]:
        assert value not in text


def _about(event: Event, paper: Paper) -> bool:
    return event.detail.get("identifier") == paper.identifier


def _canonical(event: Event) -> bytes:
    """RFC 8785 for what stands here: texts, small whole numbers, true and false."""
    value = {
        "id": event.id,
        "kind": event.kind,
        "subject_kind": event.subject_kind,
        "subject": event.subject,
        "agency": event.agency_code,
        "effective_from": event.effective_from.isoformat(),
        "recorded_at": event.recorded_at.isoformat(),
        "legal_basis": event.legal_basis,
        "reason_code": event.reason_code,
        "person": event.person_id,
        "client": event.client_id,
        "operator": event.operator,
        "detail": event.detail,
    }
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
