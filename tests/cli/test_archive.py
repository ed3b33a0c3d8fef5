"""`vermilion archive-stamp` on the registry of a first start."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from registry.database import Database
from registry.licences.tables import Document, Edition
from registry.settings import Settings
from tests.cli.conftest import Run
from tests.services.running import Place


def levels(place: Place) -> dict[str, list[str]]:
    """The levels of each licence's forms, as they were registered, by its identifier."""
    database = Database.open(Settings(data=place.data).url)
    with Session(database.read) as session:
        rows = session.execute(
            select(Edition.identifier, Document.level)
            .join(Document, Document.edition_id == Edition.id)
            .order_by(Document.registered_at)
        ).all()
    database.dispose()
    found: dict[str, list[str]] = {}
    for identifier, level in rows:
        found.setdefault(identifier, []).append(level)
    return found


def test_the_one_that_is_named_is_archived_now_and_once(vermilion: Run, place: Place) -> None:
    identifier = next(iter(levels(place)))
    code, out, err = vermilion(place, "archive-stamp", identifier)
    assert (code, err) == (0, "")
    assert json.loads(out)["outcome"] == "stamped"
    assert levels(place)[identifier] == ["B-LT", "B-LTA"]
    code, out, err = vermilion(place, "archive-stamp", identifier)
    assert (code, out) == (1, "")
    assert err == "vermilion: its time-stamp for the archive needs no successor yet\n"
    code, _, err = vermilion(place, "archive-stamp", "1.2.156.3005.2.1")
    assert (code, err) == (1, "vermilion: no such licence\n")
    assert vermilion(place, "fsck")[:2] == (0, "0 findings\n")


def test_without_a_name_it_is_what_is_due(
    vermilion: Run, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert vermilion(place, "archive-stamp") == (0, "", "")
    monkeypatch.setenv("VERMILION_ARCHIVE_AFTER", "30")
    assert vermilion(place, "archive-stamp") == (0, "", "")
    database = Database.open(Settings(data=place.data).url)
    with database.transaction() as session:
        session.execute(update(Document).values(registered_at=datetime.now(UTC) - timedelta(days=31)))
    database.dispose()
    code, out, _ = vermilion(place, "archive-stamp")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, {line["outcome"] for line in lines}) == (0, {"stamped"})
    assert len(lines) == len(levels(place))
    assert set(map(tuple, levels(place).values())) == {("B-LT", "B-LTA")}
