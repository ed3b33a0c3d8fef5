"""Connectors as data: read strictly, put on record for good, their secrets kept encrypted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.intake.applications import Application, Contact
from registry.intake.connector_register import (
    connector_in_service,
    connectors_in_service,
    import_connector,
    open_connector,
    set_secret,
)
from registry.intake.connectors import ConnectorKind, Served, read_connector
from registry.intake.exchange_tables import ConnectorSecret
from registry.intake.matters import read_list
from registry.intake.moves import Action
from registry.intake.retrieving import retrieve_due
from registry.log.tables import Event
from registry.samples import sample_matters
from registry.samples.exchange import CONNECTOR as SAMPLE
from registry.samples.exchange import put_down as put_samples
from registry.samples.exchange import sample_connector, sample_holdings
from registry.settings import Settings
from tests.intake.casework import MATTER, open_desk, taken
from tests.intake.exchanging import CONNECTOR, OWN, OWN_MATTER, SECRET, SOURCE, retrievals, tasks_of
from tests.registry.world import World

HTTP = CONNECTOR.format(
    code="yunxi-exchange", version=1, kind="http", url='url = "https://exchange.example/api"',
    source=SOURCE, matter=MATTER,
)  # fmt: skip


def refused(text: str) -> VermilionError:
    with pytest.raises(VermilionError) as error:
        read_connector(text.encode(), "connector.toml")
    return error.value


def test_a_connector_says_what_each_data_set_is_for() -> None:
    made = read_connector(HTTP.encode(), "connector.toml")
    assert (made.kind, made.url) == (ConnectorKind.HTTP, "https://exchange.example/api")
    (data_set,) = made.data_sets
    assert data_set.serves == (Served(MATTER, "business_licence"),)
    assert data_set.compared["operator_name"] == "name"
    assert made.serving(MATTER, "business_licence", "001") == (data_set,)
    assert made.serving(MATTER, "business_licence", "111") == ()
    assert made.serving(MATTER, "layout", "001") == ()


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ('kind = "http"', 'kind = "ftp"', "kind"),
        ('code = "yunxi-exchange"', 'code = "../etc"', "code"),
        ("version = 1", "version = 0", "version"),
        ('url = "https://exchange.example/api"', "", "url"),
        ('kind = "http"', 'kind = "folder"', "url"),
        ("exchange.example/api", "exchange.example/api?key=1", "url"),
        ('code = "business-registration"', 'code = "corrections"', "data_set"),
        ('code = "business-registration"', 'code = "a/b"', "code"),
        (SOURCE, "11990100MB01010557", "source"),
        ('holder_types = ["001"]', "holder_types = []", "holder_types"),
        ('holder_types = ["001"]', 'holder_types = ["x"]', "holder_types"),
        ('purpose = "', 'purpose = " ', "purpose"),
        ('purpose = "', 'propose = "', "purpose"),
        ('form = "representative"', 'form = "operator_name"', "form"),
        ('source = "address"', 'source = "Address"', "source"),
        ('material = "business_licence"', 'material = "Business"', "material"),
    ],
)
def test_what_a_connector_may_not_say_is_refused_by_its_place(old: str, new: str, place: str) -> None:
    assert old in HTTP
    found = refused(HTTP.replace(old, new, 1))
    assert (found.kind, found.reason) == (Kind.INVALID, "bad_data_file")
    assert place in found.detail


def test_data_sets_are_bounded_and_differ() -> None:
    data_set = HTTP[HTTP.index("[[data_set]]") :]
    assert "must differ" in refused(HTTP + data_set).detail
    assert "1 to 50" in refused(HTTP.replace(data_set, "")).detail


def test_versions_are_for_good_and_the_newest_serves(world: World) -> None:
    def put(text: str) -> None:
        with world.ports.database.transaction() as session:
            import_connector(session, world.ports, world.system, text.encode(), "connector.toml")

    put(HTTP)
    put(HTTP)  # the same again
    for text in (HTTP + "\n", HTTP.replace("version = 1", "version = 0")):
        with pytest.raises(VermilionError):
            put(text)
    put(HTTP.replace("version = 1", "version = 3"))
    with pytest.raises(VermilionError) as error:
        put(HTTP.replace("version = 1", "version = 2"))
    assert error.value.reason == "version_exists"
    with Session(world.ports.database.read) as session:
        (one,) = connectors_in_service(session)
        assert (one.file.version, one.key_id) == (3, None)
        kinds = select(Event.kind).where(Event.subject == "yunxi-exchange")
        assert list(session.scalars(kinds)) == ["connector.imported"] * 2


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://exchange.example/api", "url_scheme"),
        ("https://127.0.0.1/api", "address_refused"),
        ("https://10.0.0.1/api", "address_refused"),
        ("https://user@exchange.example/", "url"),
        ("ftp://exchange.example/", "url"),
    ],
)
def test_an_address_that_may_not_be_called_is_not_imported(world: World, url: str, reason: str) -> None:
    text = HTTP.replace("https://exchange.example/api", url)
    with pytest.raises(VermilionError) as error, world.ports.database.transaction() as session:
        import_connector(session, world.ports, world.system, text.encode(), "connector.toml")
    assert error.value.reason == reason


def test_networks_of_the_exchange_are_networks() -> None:
    assert len(Settings(exchange_networks="10.1.0.0/16,fd00::/8").exchange_permitted) == 2
    with pytest.raises(ValueError, match="networks"):
        Settings(exchange_networks="10.1.2.3/16")


def test_a_secret_is_kept_encrypted_and_the_newest_signs(world: World) -> None:
    ports = world.ports
    with ports.database.transaction() as session:
        import_connector(session, ports, world.system, HTTP.encode(), "connector.toml")
        with pytest.raises(VermilionError) as error:
            open_connector(session, ports, read_connector(HTTP.encode(), "x"))
        assert error.value.reason == "connector_secret"
        for code, key_id, value, reason in (
            ("unknown", "k", SECRET.value, "connector_unknown"),
            ("yunxi-exchange", "k", b"short", "secret"),
            ("yunxi-exchange", 'k"', SECRET.value, "secret"),
            ("yunxi-exchange", "k", b"x" * 129, "secret"),
        ):
            with pytest.raises(VermilionError) as error:
                set_secret(session, ports, world.system, code, key_id, value)
            assert error.value.reason == reason
        set_secret(session, ports, world.system, "yunxi-exchange", "first", SECRET.value)
        set_secret(session, ports, world.system, "yunxi-exchange", "second", b"s" * 32)
    with Session(ports.database.read) as session:
        rows = session.scalars(select(ConnectorSecret).order_by(ConnectorSecret.number)).all()
        assert [one.number for one in rows] == [1, 2]
        assert all(SECRET.value not in one.secret for one in rows)
        one = connector_in_service(session, "yunxi-exchange")
        assert one is not None
        assert one.key_id == "second"
        assert connector_in_service(session, "unknown") is None
        (set_, *_) = session.scalars(select(Event).where(Event.kind == "connector.secret_set"))
        assert "secret that" not in json.dumps(set_.detail)


def test_only_system_administration_puts_connectors_on_record(world: World) -> None:
    with world.ports.database.transaction() as session:
        with pytest.raises(VermilionError) as error:
            import_connector(session, world.ports, world.security, HTTP.encode(), "connector.toml")
        assert error.value.reason == "duty"
        with pytest.raises(VermilionError) as error:
            set_secret(session, world.ports, world.security, "yunxi-exchange", "k", SECRET.value)
        assert error.value.reason == "duty"


def test_a_material_that_is_a_licence_says_what_is_compared(world: World) -> None:
    right = OWN.format(owner=world.codes["own"], matter=OWN_MATTER, type=world.type_code)
    (matter,) = read_list(right.encode(), "own.toml").matters
    assert matter.materials[0].compared["premises"] == "premises"
    for old, new in (
        ('form = "premises"', 'form = "unknown"'),
        ('form = "premises"', 'form = "operator_name"'),
        (f'licence_type = "{world.type_code}"\n', ""),
        ('licence = "premises"', 'licence = "../x"'),
    ):
        assert old in right
        with pytest.raises(VermilionError) as error:
            read_list(right.replace(old, new, 1).encode(), "own.toml")
        assert error.value.reason == "bad_data_file"


def test_the_sample_exchange_has_what_the_sample_matters_want() -> None:
    """Of each sample matter one material is retrieved, and some are not to be had from anybody."""
    lists = [read_list(path.read_bytes(), path.name) for path in sample_matters()]
    matters = {one.code: one for made in lists for one in made.matters}
    connector = sample_connector()
    served = {one for data_set in connector.data_sets for one in data_set.serves}
    for code, matter in matters.items():
        required = {one.code for one in matter.materials if one.required}
        had = {one.material for one in served if one.matter == code}
        assert had
        assert had < required
    for data_set in connector.data_sets:
        forms = [matters[one.matter].fields for one in data_set.serves]
        names = [{field.name for field in fields} for fields in forms]
        assert set(data_set.compared) <= set.union(*names)
        held = [one for one in sample_holdings() if one.data_set == data_set.code]
        assert held
        assert all(set(data_set.compared.values()) <= set(one.fields) for one in held)


def test_the_sample_s_story(world: World) -> None:
    """The business licence is retrieved and agrees with the application; the layout is nobody's but the
    applicant's.
    """
    desk = open_desk(world)
    with desk.ports.database.transaction() as session:
        import_connector(session, desk.ports, world.system, SAMPLE.read_bytes(), SAMPLE.name)
    put_samples(desk.ports.settings.exchange_directory, desk.ports.clock())
    case_id = taken(desk, Action.SUBMIT, Action.RECEIVE)
    assert retrieve_due(desk.ports).found == 1
    (row,) = retrievals(desk, case_id)
    assert (row.material, row.state, row.data_set) == ("business_licence", "found", "business-registration")
    assert tasks_of(desk, case_id) == {}


def test_a_teacher_s_identity_is_retrieved_by_their_own_code(world: World) -> None:
    """Whoever it is filed for: a code of another kind is asked of nobody."""
    held = next(one for one in sample_holdings() if one.data_set == "population")
    connector = sample_connector()
    assert connector.serving("99010500100011990100MB0102074C", "identity", held.holder_type)
    made = Application(held.fields["name"], "414", held.holder_code, Contact(), {})
    assert not connector.serving("99010500100011990100MB0102074C", "identity", made.id_type)


def test_a_folder_of_the_data_directory_is_where_a_connector_reads(tmp_path: Path) -> None:
    assert Settings(data=tmp_path).exchange_directory == tmp_path / "exchange"
