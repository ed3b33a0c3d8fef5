"""The hostile corpus against the site, with the real validator: never a positive answer, never an error, each
file explained in one sentence and within its limits.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from signing.apart import Answer, Apart, How, Limits
from signing.report_words import table
from signing.sentences import LANGUAGES
from signing.validator import LIMITS, Validator, start_validator
from tests.signing import long_term
from tests.signing.hostile_files import GROUPS, Hostile, plain_attacks
from tests.signing.sealing import LATER, use_of
from tests.verify_web.test_api import form
from tests.verify_web.world import World, make_world, sample

API = "/api/v1/verifications"
NEVER = {"valid", "genuine_offline"}
CPU_SECONDS = 1  # of the four that a site gives; the rest would only be waited for
TIRED = {
    "table stream a bomb",
    "table stream claims all",
    "long number",
    "many fields",
    "many pages",
}
"""What meets that limit. Each tires the reader for longer than any machine that runs this needs."""
NEARLY_TIRED = {"long table", "small values"}
"""As large as an upload may be: it takes about as long as that, more or less by the machine."""

FILES = {name: one for group in GROUPS.values() for name, one in group.items()}


@pytest.fixture(scope="module")
def licence() -> bytes:
    return long_term.genuine(0).data


@dataclass
class Watched(Apart):
    """What explains files, with what each child used; where it runs, and what it ran, is the true one's."""

    apart: Apart
    used: list[tuple[Answer, float]] = field(default_factory=list)

    def run(self, order: bytes) -> Answer:
        began = time.monotonic()
        answer = self.apart.run(order)
        self.used.append((answer, time.monotonic() - began))
        return answer

    def kept_its_limits(self, limits: Limits) -> Answer:
        """Of the one child since the last look: by what the kernel reckoned when it had ended.

        It may hold what it shares with the process that it was forked from, and that many bytes more.
        """
        ((answer, seconds),) = self.used
        self.used.clear()
        shared = int(Path(f"/proc/{self.apart.pid}/statm").read_text().split()[1]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
        assert answer.how in {How.DONE, How.CPU, How.MEMORY}
        assert 0 < answer.cpu_seconds <= limits.cpu_seconds + 0.5  # what the signal takes to arrive
        assert 0 < answer.peak_bytes <= shared + limits.memory_bytes
        assert seconds <= limits.wall_seconds + 2
        return answer


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    made = start_validator(limits=replace(LIMITS, cpu_seconds=CPU_SECONDS, wall_seconds=60))
    yield Watched(made.apart)
    made.close()


@pytest.fixture(autouse=True)
def looked_at_alone(watched: Watched) -> None:
    watched.used.clear()


@pytest.fixture(scope="module")
def validator(watched: Watched) -> Validator:
    return Validator(watched)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, licence: bytes, validator: Validator) -> Iterator[World]:
    jws = long_term.trust_list_for(0)
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
    possible = {"limit", "done"} if name in NEARLY_TIRED else {"limit"} if name in TIRED else {"done"}
    assert report["explained"] in possible, name
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


def test_a_site_gives_what_the_documents_say() -> None:
    assert Limits(cpu_seconds=4, wall_seconds=15, memory_bytes=512 << 20) == LIMITS
    assert LIMITS.cpu_seconds >= CPU_SECONDS


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file(site: World, licence: bytes, watched: Watched, name: str) -> None:
    hostile: Hostile = FILES[name]
    data = hostile.make(licence)
    assert data != licence
    report = explained(asked(site, data), name)
    used = watched.kept_its_limits(watched.apart.limits)
    assert (used.how is How.DONE) is (report["explained"] == "done")
    assert report["sentence"] in hostile.sentence
    added = {(change["kind"], change["page"]) for change in report["added"]}
    assert added >= set(hostile.added)
    if report["sentence"] == "original_changed":
        assert report["original"] == {"revision": 1, "start": 0, "end": len(licence), "registered": True}


def test_what_every_other_check_is_tried_with(site: World, licence: bytes, watched: Watched) -> None:
    for name, data in plain_attacks(licence).items():
        explained(asked(site, data), name)
        watched.kept_its_limits(watched.apart.limits)


def within_the_sites_limits(data: bytes) -> None:
    """All but the time by the clock: the processor's four seconds may be slow to come by."""
    limits = replace(LIMITS, wall_seconds=120)
    made = start_validator(limits=limits)
    try:
        watched = Watched(made.apart)
        Validator(watched).findings(data, None, LATER)
        assert watched.kept_its_limits(limits).emitted  # what was found before one was met, if it was
    finally:
        made.close()


def test_one_that_tires_the_reader_keeps_the_limits_that_a_site_gives(licence: bytes) -> None:
    """Not the shorter ones of the tests above."""
    within_the_sites_limits(FILES["many fields"].make(licence))


@pytest.mark.long(short="test_one_that_tires_the_reader_keeps_the_limits_that_a_site_gives")
@pytest.mark.parametrize("name", sorted(TIRED))
def test_all_that_tire_the_reader_keep_the_limits_that_a_site_gives(licence: bytes, name: str) -> None:
    within_the_sites_limits(FILES[name].make(licence))


def test_one_that_tires_the_reader_is_called_so_on_the_page(
    site: World, licence: bytes, watched: Watched
) -> None:
    """Beside what was found before the limit was met."""
    data = FILES["many fields"].make(licence)
    answer = site.client.post("/upload?lang=en", **form(data))
    watched.kept_its_limits(watched.apart.limits)
    page = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert "is, byte for byte, what the registry issued" in page
    assert table()["sentences"]["limit"]["en"] in page
