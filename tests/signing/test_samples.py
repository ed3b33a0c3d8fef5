"""The samples: enough of them, valid by an independent oracle, and nobody's."""

from __future__ import annotations

from datetime import date

import pytest
from stdnum.cn import ric, uscc
from stdnum.iso7064 import mod_11_10, mod_37_36

from registry.samples import sample_agencies, sample_requests, sample_types
from registry.samples.portraits import portrait
from signing.codes import check_seal_code
from signing.licence_type import FieldKind, Role, load_licence_type
from signing.seal_picture import SealKind
from tests.signing import printing


def test_there_are_ten_holders_with_three_rare_characters_and_a_transcribed_name() -> None:
    names = [one.name for one in printing.samples()]
    assert len(names) >= 10
    assert len(set(names)) == len(names)
    for rare in "䶮𠮷㛃":
        assert any(rare in name for name in names)
    assert any("·" in name for name in names)
    assert {one.licence_type.slug for one in printing.samples()} == {
        "food-business-licence", "road-transport-permit", "teacher-qualification",
    }  # fmt: skip


def test_all_codes_are_valid_by_python_stdnum() -> None:
    for agency in sample_agencies():
        assert uscc.is_valid(agency.code)
        assert agency.code.startswith("11")
        assert check_seal_code(agency.seal.code)
        assert agency.seal.kind in set(SealKind)
    for folder in sample_types():
        assert uscc.is_valid(load_licence_type(folder).code[:18])
    for one in printing.samples():
        record = one.printout.record
        assert mod_37_36.is_valid("".join(record.identifier.split(".")[5:]))
        for field in one.licence_type.fields:
            value = str(record.fields[field.name])
            if field.kind is FieldKind.USCC:
                assert uscc.is_valid(value)
            elif field.kind is FieldKind.CITIZEN_ID:
                assert ric.is_valid(value)
            elif field.kind is FieldKind.NUMBER and value.startswith("JY"):
                assert mod_11_10.is_valid(value[2:])
                assert len(value) == 16
            elif field.kind is FieldKind.NUMBER:
                assert (
                    len(value)
                    == {"teacher-qualification": 17, "road-transport-permit": 12}[one.licence_type.slug]
                )


def test_nobody_can_be_meant() -> None:
    """No county has the division codes used, so no organisation and no person has these numbers."""
    for one in printing.samples():
        code = one.licence_type.field(Role.HOLDER_CODE)
        if code is None:  # known by its permit number, which begins with the division
            assert one.printout.record.number.startswith("99")
            continue
        value = str(one.printout.record.fields[code.name])
        assert value.startswith("340000") if code.kind is FieldKind.CITIZEN_ID else value[2:4] == "99"
    assert all(agency.division.startswith("99") for agency in sample_agencies())


def test_each_issuer_is_a_sample_agency_that_issues_the_type() -> None:
    agencies = {agency.code: agency for agency in sample_agencies()}
    for request in sample_requests():
        assert printing.types()[request["type"]][0].slug in agencies[request["issuer"]].types


@pytest.mark.parametrize("issued", [date(2024, 2, 29), date(2026, 11, 23)])
def test_requests_fit_any_day_of_issue(issued: date) -> None:
    for request in sample_requests(issued):
        assert request["fields"]["issue_date"] == issued.isoformat()
        printing.sample(request)


def test_portraits_are_drawn_alike_each_time_and_differ() -> None:
    assert portrait(1) == portrait(1)
    assert len({portrait(number) for number in range(1, 7)}) == 6
