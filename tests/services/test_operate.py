"""A registry that was started for service, without any sample, comes to issue by documented commands alone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.agencies.tables import Agency
from registry.composition import open_ports
from registry.database import Database
from registry.first_start import establish_if_new
from registry.licences.public_records import stored_public
from registry.licences.tables import Edition
from registry.log.tables import Event
from registry.sample_registry import enrol
from registry.seals.authority import root
from registry.settings import Settings
from tests.services.road import walk
from tests.services.running import Place, command, until

pytestmark = pytest.mark.timeout(900)  # whole services start in it, on a machine that may be busy

ENROLLED = ("type.published", "agency.added", "client.added", "person.added")


@pytest.fixture
def umask() -> Iterator[None]:
    """A first start narrows the process's, and is otherwise a process of its own."""
    before = os.umask(0o077)
    yield
    os.umask(before)


def root_name(settings: Settings) -> str:
    database = Database.open(settings.url)
    with Session(database.read) as session:
        certificate = x509.load_der_x509_certificate(root(session))
    database.dispose()
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_the_road_of_the_operators_page_leads_to_a_licence_that_verifies(
    empty_place: Place, tmp_path: Path
) -> None:
    with (
        command("serve-api", settings=empty_place.settings),
        command("serve-public", settings=empty_place.settings),
    ):
        until(lambda: empty_place.answers(empty_place.api_port, "/readyz"), "the API")
        until(lambda: empty_place.answers(empty_place.public_port), "the public site")
        made = walk(empty_place, empty_place, empty_place.settings, tmp_path)
        licence = json.loads((made / "issued.json").read_bytes())
        assert empty_place.verdict(licence["link"]) == "valid"
        with command("fsck", settings=empty_place.settings) as fsck:
            assert fsck.ended() == 0, fsck.out
    settings = Settings(data=empty_place.data)
    assert root_name(settings).startswith("TEST ")
    database = Database.open(settings.url)
    with Session(database.read) as session:
        records = session.scalars(select(Edition.public_record)).all()
        assert [stored_public(record).specimen for record in records] == [True] * 4
        enrolled = [session.scalar(select(func.count()).where(Event.kind == kind)) for kind in ENROLLED]
    database.dispose()
    assert enrolled == [1, 2, 2, 6]


@pytest.mark.parametrize(
    ("changes", "test"),
    [({}, True), ({"test": False}, False), ({"test": False, "demo": True}, True)],
    ids=["unless told otherwise", "told otherwise", "a demonstration always"],
)
@pytest.mark.usefixtures("umask")
def test_the_root_is_named_test(empty_place: Place, changes: dict[str, bool], test: bool) -> None:
    settings = Settings(data=empty_place.data).model_copy(update=changes)
    establish_if_new(settings)
    assert ("TEST" in root_name(settings).split()) is test
    establish_if_new(settings.model_copy(update={"test": not test}))  # read once: the root is made by now
    assert ("TEST" in root_name(settings).split()) is test


@pytest.mark.usefixtures("umask")
def test_samples_do_not_enter_a_registry_that_is_no_test(empty_place: Place) -> None:
    """They would not say that they are samples."""
    settings = Settings(data=empty_place.data, test=False)
    establish_if_new(settings)
    ports = open_ports(settings)
    with pytest.raises(VermilionError) as refused:
        enrol(ports, empty_place.api, empty_place.data / "credentials")
    assert refused.value.reason == "not_test"
    with Session(ports.database.read) as session:
        assert session.scalar(select(func.count()).select_from(Agency)) == 0
    assert list((empty_place.data / "credentials").iterdir()) == []
    ports.database.dispose()
