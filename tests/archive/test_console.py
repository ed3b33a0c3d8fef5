"""The archive in the console: an officer reads their agency's, the auditor everybody's, and nobody changes it."""

from __future__ import annotations

import pytest

from registry.actor import Duty
from registry.archive.figures import count_due
from registry.archive.transfer_tables import ArchiveCheck
from tests.archive.keeping import archived_package, packages
from tests.registry.console import one_more, signed_in, told
from tests.registry.world import World


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_officer_finds_a_package_and_reads_its_checks(world: World, lang: str) -> None:
    package_id = archived_package(world)
    (row,) = packages(world)
    count_due(world.ports, at_once=True)
    officer = signed_in(world, "officer")
    listed = told(officer, f"/archive?lang={lang}")
    assert row.number in listed
    assert {"zh": "已归档", "en": "Archived"}[lang] in listed
    for query, there in (
        (f"archive_number={row.number}", True), (f"identifier={row.identifier}", True), (f"year={row.year}", True),
        ("year=1999", False), ("archive_number=none", False),
    ):  # fmt: skip
        page = officer.get(f"/archive?{query}").get_data(as_text=True)
        assert (f'href="/console/archive/{package_id}"' in page) is there, query
    shown = told(officer, f"/archive/{package_id}")
    sha256 = (row.sha256 or b"").hex()
    for part in (
        row.number,
        row.identifier,
        sha256,
        "first",
        "second",
        *({"zh": ("四性检测", "真实性")}.get(lang) or ("Four-nature check", "Authenticity")),
    ):
        assert part in shown


def test_a_check_that_failed_says_what_is_wrong(world: World) -> None:
    package_id = archived_package(world)
    with world.ports.database.transaction() as session:
        check = session.get_one(ArchiveCheck, (package_id, "ingest"))
        check.findings = [["integrity", "files_as_listed", "data/<b>more.pdf"]]
        check.failed = 1
    officer = signed_in(world, "officer")
    assert "data/<b>more.pdf" in told(officer, f"/archive/{package_id}")
    assert "<b>more" not in officer.get(f"/archive/{package_id}").get_data(as_text=True)
    count_due(world.ports, at_once=True)
    assert "未通过" in told(officer, "/archive")


def test_the_auditor_reads_every_agency_s(world: World) -> None:
    package_id = archived_package(world)
    (row,) = packages(world)
    count_due(world.ports, at_once=True)
    auditor = signed_in(world, Duty.AUDIT)
    assert row.number in told(auditor, "/archive")
    assert row.number in told(auditor, f"/archive?agency={world.codes['own']}")
    assert row.number not in told(auditor, f"/archive?agency={world.codes['other']}")
    assert row.number in told(auditor, f"/archive/{package_id}")


def test_nobody_else_reads_it(world: World) -> None:
    package_id = archived_package(world)
    (row,) = packages(world)
    elsewhere = one_more(world, "authority", "officer")
    for person in (
        signed_in(world, "keeper"),
        signed_in(world, Duty.SYSTEM),
        signed_in(world, Duty.SECURITY),
    ):
        for path in ("/archive", f"/archive/{package_id}"):
            assert person.get(path).status_code == 403
    assert row.number not in elsewhere.get("/archive").get_data(as_text=True)
    assert elsewhere.get(f"/archive/{package_id}").status_code in {403, 404}
    officer = signed_in(world, "officer")
    assert officer.get(f"/archive/{'0' * 32}").status_code == 404
    assert officer.get("/archive?year=x").status_code == 422
    assert officer.get("/archive?after=x").status_code == 422
