"""Lists of matters: what they may not say is refused by its place; versions follow one another by day."""

from __future__ import annotations

import tomllib
from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry.intake.clocks import Limit
from registry.intake.matter_lists import import_list, matter_on, matter_version, matters_on
from registry.intake.matters import ListKind, MatterList, read_list
from registry.log.tables import Event
from registry.samples import sample_agencies, sample_matters, sample_types
from signing.licence_type import FieldKind, Role, load_licence_type
from tests.registry.world import World

CATALOGUE, FOOD = (
    next(path for path in sample_matters() if path.name == name).read_text("utf-8")
    for name in ("catalogue.toml", "food-business-licence.toml")
)
FOOD_CODE = "99013100100011990100MB01010556"


def read(text: str) -> MatterList:
    return read_list(text.encode(), "list.toml")


def refused(text: str) -> VermilionError:
    with pytest.raises(VermilionError) as error:
        read(text)
    return error.value


def test_each_sample_licence_type_has_its_matter_complete() -> None:
    lists = [read_list(path.read_bytes(), path.name) for path in sample_matters()]
    catalogue, *implementations = lists
    assert catalogue.kind is ListKind.CATALOGUE
    known = {one.base_code for one in catalogue.listed}
    types = {made.code: made for made in map(load_licence_type, sample_types())}
    agencies = {one.code: one for one in sample_agencies()}
    found = {}
    for one in implementations:
        for matter in one.matters:
            assert matter.base_code in known
            assert all((matter.conditions, matter.steps, matter.materials))
            issuing = types[matter.result.licence_type or ""]
            assert issuing.slug in agencies[matter.agency_code].types
            found[issuing.code] = matter
            asked = {field.name: field for field in matter.fields}
            for field in issuing.fields:
                if field.role in {
                    Role.NUMBER, Role.ISSUER_NAME, Role.ISSUE_DATE, Role.VALID_FROM, Role.VALID_TO,
                } or field.kind is FieldKind.PHONE:  # fmt: skip
                    continue  # the decision says it
                assert (asked[field.name].kind, asked[field.name].required) == (field.kind, True)
                assert set(asked[field.name].choices) <= set(field.choices)
    assert set(found) == set(types)


@pytest.mark.parametrize(
    ("before", "after", "place", "why"),
    [
        ("committed = { days = 5,", "committed = { days = 11,", "matter 1: committed", "longer than the stat"),
        (
            'committed = { days = 5, unit = "working_day" }',
            'committed = { days = 5, unit = "natural_day" }',
            "matter 1: committed",
            "unit of the statutory",
        ),
        ("visits = 0", "visits = 1", "matter 1: visits", "presence without a legal basis"),
        ('forms = ["1", "2"]', 'forms = ["1"]', "matter 1: forms", "presence or paper without a legal basis"),
        ('forms = ["1", "2"]', 'forms = ["4", "9"]', "matter 1: forms", "presence or paper without a legal"),
        (
            'name = { zh = "授权委托书", en = "Authority of an agent" }',
            'name = { zh = "授权委托书", en = "Authority of an agent" }\npaper = true',
            "matter 1: material 4: paper",
            "without a legal basis",
        ),
        (
            'licence_type = "11990000MB0001011X001"',
            'licence_type = "11990000MB0001011X001"\npublished = false',
            "matter 1: result: published",
            "only with the law",
        ),
        ("[[matter.step]]", '[[matter.fee]]\namount = "100元"\n[[matter.step]]', "matter 1: fee 1: basis", "missing"),
        ('case_type = "2"', 'case_type = "1"', "matter 1: case_type", "at once"),
        ('kind = "01"', 'kind = "11"', "matter 1: kind", "must be one of"),
        ('audience = ["2",', 'audience = ["7",', "matter 1: audience", "some of"),
        ('owner = "11990100MB01010556"', 'owner = "11990100MB01010557"', "list.toml: owner", "check character"),
        ("effective_from = 2026-03-01", "effective_from = 2026-01-01", "list.toml: effective_from", "approval"),
        ("effective_from = 2026-03-01", 'effective_from = "2026-03-01"', "list.toml: effective_from", "a date"),
        ('retention = "30"', 'retention = "5"', "matter 1: retention", "must be one of"),
        ('code = "layout"', 'code = "business_licence"', "matter 1: material", "names must differ"),
        ('kind = "uscc"', 'kind = "number"', "matter 1: field 2: kind", "must be one of"),
        ("visits = 0", "visits = 0\nmore = 1", "matter 1: more", "not known"),
        ('code = "99013100100011990100MB01010556"', 'code = "../x"', "matter 1: code", "not in form"),
    ],
)  # fmt: skip
def test_what_a_list_may_not_say_is_refused_by_its_place(
    before: str, after: str, place: str, why: str
) -> None:
    assert before in FOOD
    error = refused(FOOD.replace(before, after, 1))
    assert error.reason == "bad_data_file"
    assert place in error.detail
    assert why in error.detail


def test_presence_paper_fees_and_secrecy_stand_where_a_law_says_so() -> None:
    law = '{ law = "《样本法》", article = "第一条" }'
    text = (
        FOOD.replace("visits = 0", f"visits = 1\nvisits_basis = {law}")
        .replace('code = "layout"', f'code = "layout"\npaper = true\npaper_basis = {law}')
        .replace("[matter.result]", f"[matter.result]\npublished = false\nsecret_basis = {law}")
        .replace("[[matter.step]]", f'[[matter.fee]]\namount = "100元"\nbasis = {law}\n[[matter.step]]', 1)
    )
    (matter,) = read(text).matters
    assert str(matter.visits_basis) == "《样本法》第一条"
    (at_the_window,) = read(text.replace('forms = ["1", "2"]', 'forms = ["1"]')).matters
    assert at_the_window.forms == ("1",)
    assert matter.result.secret == matter.fees[0].basis == matter.visits_basis


def test_hostile_files_are_refused() -> None:
    assert refused("x = " + "[" * 20_000).reason in {"malformed", "bad_data_file"}
    assert refused("x" * 300_000).kind.value == "too-large"
    assert refused("a." * 40 + "b = 1").kind.value == "malformed"


# --- on record -------------------------------------------------------------------------------------------


def imported(world: World, *texts: str) -> list[MatterList]:
    made = []
    for text in texts:
        with world.ports.database.transaction() as session:
            made.append(import_list(session, world.ports, world.system, text.encode(), "list.toml"))
    return made


def not_imported(world: World, text: str) -> Any:
    with pytest.raises(VermilionError) as error:
        imported(world, text)
    return error.value


def next_version(text: str, version: int, day: str) -> str:
    begun = tomllib.loads(text)["effective_from"]
    return text.replace("version = 1\n", f"version = {version}\n", 1).replace(
        f"effective_from = {begun}", f"effective_from = {day}", 1
    )


def test_a_list_is_put_on_record_once_with_its_approval(world: World) -> None:
    imported(world, CATALOGUE, FOOD)
    imported(world, CATALOGUE, FOOD)
    with Session(world.ports.database.read) as session:
        found = session.scalars(select(Event).where(Event.kind == "matter_list.imported"))
        events = {event.subject: event for event in found}
    assert set(events) == {"yunxi-catalogue", "yangben-food"}
    assert events["yangben-food"].detail["approval"] == "样政服〔2026〕11号"
    assert {event.person_id for event in events.values()} == {world.system.person_id}
    assert not_imported(world, FOOD.replace("12345", "12315")).reason == "version_exists"


def test_a_version_holds_from_its_day_and_the_one_before_is_kept(world: World) -> None:
    imported(world, CATALOGUE, FOOD)
    later = next_version(FOOD, 2, "2026-12-01").replace("committed = { days = 5,", "committed = { days = 3,")
    imported(world, later)
    with Session(world.ports.database.read) as session:
        assert matter_on(session, FOOD_CODE, date(2026, 2, 28)) is None
        for day, version, days in (
            (date(2026, 3, 1), 1, 5), (date(2026, 11, 30), 1, 5), (date(2026, 12, 1), 2, 3),
        ):  # fmt: skip
            found = matter_on(session, FOOD_CODE, day)
            assert found is not None
            assert (found.version, found.matter.committed) == (version, Limit(days))
        assert matter_version(session, FOOD_CODE, 1).committed == Limit(5)
        assert [one.version for one in matters_on(session, date(2026, 12, 1))[0]] == [2]
    assert not_imported(world, next_version(FOOD, 3, "2026-11-01")).reason == "list_version"
    assert not_imported(world, next_version(FOOD, 3, "2027-01-01").replace('990100"', '990200"')).reason == (
        "list_version"
    )


def test_what_is_over_or_left_out_of_the_next_version_is_not_handled_any_more(world: World) -> None:
    imported(world, CATALOGUE, FOOD)
    ended = next_version(FOOD, 2, "2026-06-01").replace(
        "effective_from = 2026-06-01", "effective_from = 2026-06-01\neffective_to = 2026-06-30"
    )
    imported(world, ended)
    with Session(world.ports.database.read) as session:
        assert matter_on(session, FOOD_CODE, date(2026, 6, 30)) is not None
        assert matter_on(session, FOOD_CODE, date(2026, 7, 1)) is None


def test_a_matter_is_one_of_the_catalogue_or_of_the_citys_own_supplement(world: World) -> None:
    assert not_imported(world, FOOD).reason == "matter_unlisted"
    supplement = (
        CATALOGUE.replace('list = "catalogue"', 'list = "supplement"')
        .replace("yunxi-catalogue", "yangben-supplement")
        .replace('division = "990000"', 'division = "990200"')
    )
    imported(world, supplement)
    error = not_imported(world, FOOD)  # another city's
    assert error.reason == "matter_unlisted"
    assert error.faults[0].field == "/matter/1/base_code"
    imported(world, supplement.replace("990200", "990100").replace("yangben-s", "yangben-t"))
    imported(world, FOOD)


def test_a_list_is_imported_by_system_administration_for_an_agency_on_record(world: World) -> None:
    imported(world, CATALOGUE)
    unknown = FOOD.replace("11990100MB01010556", "11990100MB0105012M")
    assert not_imported(world, unknown).kind.value == "not-found"
    assert not_imported(world, FOOD.replace("X001", "X002")).reason == "type_unknown"
    with pytest.raises(VermilionError) as error, world.ports.database.transaction() as session:
        import_list(session, world.ports, world.security, FOOD.encode(), "list.toml")
    assert error.value.reason == "duty"
    imported(world, FOOD)
    assert not_imported(world, FOOD.replace("yangben-food", "yangben-food2")).reason == "matter_elsewhere"


def test_matters_are_listed_page_by_page(world: World) -> None:
    second = FOOD.split("[[matter]]\n", 1)[1].replace(FOOD_CODE, FOOD_CODE + "02")
    imported(world, CATALOGUE, FOOD + "\n[[matter]]\n" + second)
    day = date(2026, 3, 1) + timedelta(days=1)
    with Session(world.ports.database.read) as session:
        first, more = matters_on(session, day, size=1)
        assert (first[0].matter.code, more) == (FOOD_CODE, True)
        rest, more = matters_on(session, day, agency_code=world.codes["own"], after=FOOD_CODE, size=1)
        assert (rest[0].matter.code, more) == (FOOD_CODE + "02", False)
        assert matters_on(session, day, agency_code=world.codes["other"]) == ([], False)
