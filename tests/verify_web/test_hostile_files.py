"""The hostile corpus against the site, with the real validator: never a positive answer, never an error, each
file explained in one sentence and within its limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from signing.report_words import table
from signing.sentences import LANGUAGES
from signing.validator import LIMITS, Validator, start_validator
from tests.authority import issue_trust_list
from tests.signing import long_term
from tests.signing.hostile_files import GROUPS, Hostile, plain_attacks
from tests.signing.sealing import LATER, office, use_of
from tests.verify_web.test_api import form
from tests.verify_web.world import World, make_world, sample

API = "/api/v1/verifications"
NEVER = {"valid", "genuine_offline"}
CPU_SECONDS = 1  # of the five that a site gives; the rest would only be waited for
TIRED = {
    "long table",
    "table stream a bomb",
    "table stream claims all",
    "long number",
    "many fields",
    "many pages",
    "small values",
}
"""What meets that limit. Each tires the reader for longer than any machine that runs this needs."""

FILES = {name: one for group in GROUPS.values() for name, one in group.items()}


@pytest.fixture(scope="module")
def licence() -> bytes:
    return long_term.document(0).data


@pytest.fixture(scope="module")
def validator() -> Iterator[Validator]:
    made = start_validator(limits=replace(LIMITS, cpu_seconds=CPU_SECONDS, wall_seconds=60))
    yield made
    made.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, licence: bytes, validator: Validator) -> Iterator[World]:
    here = office().authority
    jws = issue_trust_list(here.trust(), here.custodian, here.delegate_key, here.delegate, here.root)
    folder = Path(tmp_path_factory.mktemp("hostile-files"))
    on_record = sample(documents=(sha256(licence).digest(),), levels=("B-LT",))
    world = make_world(folder, on_record, trust_list=lambda: jws, validator=validator)
    world.clock.now = LATER
    world.memory.uses.add(use_of(licence))
    yield world
    world.app.extensions["site"].store.close()


def asked(site: World, data: bytes) -> dict[str, Any]:
    answer = site.client.post(API, data=data, content_type="application/pdf")
    assert answer.status_code == 200
    body: dict[str, Any] = answer.get_json()
    return body


def explained(body: dict[str, Any], name: str) -> dict[str, Any]:
    """The report, after what holds for every hostile file."""
    report: dict[str, Any] = body["report"]
    assert body["verdict"] not in NEVER, name
    assert report["indication"] != "TOTAL_PASSED", name
    assert report["explained"] in ({"limit"} if name in TIRED else {"done"}), name
    assert report["sentence"] in table()["sentences"]
    for lang in LANGUAGES:
        said = report["says"][lang]
        assert said.endswith("。" if lang == "zh" else "."), (name, said)
        assert "{" not in said
    return report


def test_there_are_more_than_sixty() -> None:
    assert len(FILES) == sum(map(len, GROUPS.values())) > 60


def test_the_licence_itself_is_valid_and_needs_no_explanation(site: World, licence: bytes) -> None:
    body = asked(site, licence)
    report = body["report"]
    assert (body["verdict"], report["explained"]) == ("valid", "known")
    assert (report["indication"], report["level"], report["coverage"]) == (
        "TOTAL_PASSED",
        "B-LT",
        "whole_file",
    )


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file(site: World, licence: bytes, name: str) -> None:
    hostile: Hostile = FILES[name]
    data = hostile.make(licence)
    assert data != licence
    report = explained(asked(site, data), name)
    assert report["sentence"] in hostile.sentence
    added = {(change["kind"], change["page"]) for change in report["added"]}
    assert added >= set(hostile.added)
    if report["sentence"] == "original_changed":
        assert report["original"] == {"revision": 1, "start": 0, "end": len(licence), "registered": True}


def test_what_every_other_check_is_tried_with(site: World, licence: bytes) -> None:
    for name, data in plain_attacks(licence).items():
        explained(asked(site, data), name)


def test_one_that_tires_the_reader_is_called_so_on_the_page(site: World, licence: bytes) -> None:
    """Beside what was found before the limit was met."""
    data = FILES["many fields"].make(licence)
    answer = site.client.post("/upload?lang=en", **form(data))
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "is, byte for byte, what the registry issued" in page
    assert table()["sentences"]["limit"]["en"] in page
