"""A seal is used only under its keeper's standing authorisation: anything else is refused before a key is
touched (Electronic Signature Law, Art. 13).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from registry.licences.tables import Document, Edition, IdempotencyKey, Intent, Licence, Number, StatusIndex
from registry.log.refusals import REFUSED
from registry.log.tables import Event
from registry.seals.tables import KeyUse, SealUse
from tests.integration.province import Province

NOTHING_OF = (
    KeyUse, SealUse, Intent, Licence, Edition, Document, Number, StatusIndex, IdempotencyKey,
)  # fmt: skip
LOST = {"legal_basis": "印章管理办法(样本)", "reason_code": "lost"}


def events_but_refusals(province: Province) -> int:
    told = select(func.count()).select_from(Event).where(Event.kind != REFUSED)
    with Session(province.world.ports.database.read) as session:
        return session.scalar(told) or 0


@contextmanager
def untouched(province: Province) -> Iterator[None]:
    """No key was used within and no row of a licence written: first of all, none in `key_use`. What stands in
    the record of it is at most that somebody was refused.
    """
    before = province.rows(*NOTHING_OF)
    events = events_but_refusals(province)
    documents = sorted(p.name for p in province.world.ports.settings.documents_directory.rglob("*"))
    yield
    assert province.rows(*NOTHING_OF) == before
    assert events_but_refusals(province) == events
    assert sorted(p.name for p in province.world.ports.settings.documents_directory.rglob("*")) == documents


def refused(province: Province, request: dict[str, Any], agency: str = "own") -> tuple[int, str, str]:
    """Status, reason and the member at fault, the same for the request and for a dry run of it; nothing is left
    behind.
    """
    said = []
    for query in ("?dry_run=1", ""):
        with untouched(province):
            answer = province.ask_to_issue(request, agency, query)
        assert answer.mimetype == "application/problem+json"
        told = answer.get_json()
        (fault,) = told["errors"]
        assert (fault["reason"], fault["detail"]) == (told["reason"], told["detail"])
        said.append((answer.status_code, fault["reason"], fault["pointer"]))
    assert said[0] == said[1]
    return said[0]


@pytest.fixture
def seal(province: Province) -> str:
    """A seal of the test's own: active, and authorised for nobody."""
    return province.world.active_seal()


def test_without_a_standing_authorisation(province: Province, seal: str) -> None:
    request = province.request(seal=seal)
    assert refused(province, request) == (403, "not_authorised", "/seal")
    keys = province.rows(KeyUse)
    province.world.authorise(seal)
    authorised = province.rows(KeyUse)
    assert province.ask_to_issue(request).status_code == 201
    # Seal, QR code and time-stamp: three uses, where the refusals above had none.
    assert province.rows(KeyUse)[0] - authorised[0] == 3
    assert authorised >= keys


def test_authorised_for_another_client_or_not_any_more(province: Province, seal: str) -> None:
    world = province.world
    world.authorise(seal, client_id=world.clients["desk"].id)
    assert refused(province, province.request(seal=seal)) == (403, "not_authorised", "/seal")
    given = world.authorise(seal)
    province.issue(seal=seal)
    world.act("keeper", f"/api/v1/seals/{seal}/authorisations/{given}/withdrawal", {})
    assert refused(province, province.request(seal=seal)) == (403, "not_authorised", "/seal")


def test_a_suspended_seal(province: Province, seal: str) -> None:
    world = province.world
    world.authorise(seal)
    paper = province.issue(seal=seal)
    assert world.act("keeper", f"/api/v1/seals/{seal}/suspension", LOST)["state"] == "suspended"
    assert refused(province, province.request(seal=seal)) == (409, "seal_not_active", "/seal")
    # What it sealed before stays as good as it was.
    assert province.check_file(paper.pdf).verdict == "valid"
    assert province.check_link(paper.link).verdict == "valid"


def test_a_foreign_seal(province: Province) -> None:
    assert refused(province, province.request(seal=province.seals["other"])) == (403, "seal_unknown", "/seal")
    assert refused(province, province.request("other", seal=province.seals["own"]), "other") == (
        403,
        "seal_unknown",
        "/seal",
    )


def test_a_type_the_client_was_not_given(province: Province) -> None:
    foreign = province.request("other", seal=province.seals["own"])
    assert refused(province, foreign, "own") == (403, "type_not_entitled", "/type")


def test_the_daily_limit(province: Province, seal: str) -> None:
    province.world.authorise(seal, daily_limit=2)
    papers = [province.issue(seal=seal) for _ in range(2)]
    assert refused(province, province.request(seal=seal)) == (409, "daily_limit", "/seal")
    assert [province.check_file(paper.pdf).verdict for paper in papers] == ["valid", "valid"]


def test_a_dry_run_draws_on_nothing(province: Province, seal: str) -> None:
    province.world.authorise(seal, daily_limit=1)
    with untouched(province):
        for _ in range(3):
            assert province.ask_to_issue(province.request(seal=seal), query="?dry_run=1").status_code == 200
    province.issue(seal=seal)
