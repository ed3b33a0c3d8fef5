"""A licence type is data, read strictly."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from keys.errors import Kind, VermilionError
from registry.samples import sample_types
from signing.licence_type import load_licence_type
from signing.validity_range import parse_validity_range

FOOD, ROAD, TEACHER = sample_types()


CITIZEN_ID = 'public = "masked"\nqr = "masked"\nmask = "citizen_id"'
HOLDER = 'role = "holder_name"\nmax_length = 60\n'


@pytest.mark.parametrize(
    ("source", "old", "new", "why"),
    [
        (FOOD, "version = 1", 'version = 1\ncolour = "red"', "colour is not known here"),
        (FOOD, "version = 1", 'version = "1"', "version must be a whole number"),
        (FOOD, "version = 1", "version = true", "version must be a whole number"),
        (FOOD, "version = 1", "version = -1", "version must be a whole number"),
        (FOOD, "version = 1", "version = 0", "version counts from 1"),
        (FOOD, "version = 1\n", "", "version is missing"),
        (FOOD, "expires = true", "expires = false", "expires and a field"),
        (FOOD, 'role = "holder_name"', 'role = "boss"', "role must be one of"),
        (FOOD, 'role = "holder_name"', 'role = "representative"', "each role is played once"),
        (FOOD, 'role = "issuer_name"\n', "", "none plays issuer_name"),
        (FOOD, 'kind = "uscc"', 'kind = "uuid"', "kind must be one of"),
        (FOOD, 'kind = "uscc"', 'kind = "date"', "role cannot be played by a date"),
        (FOOD, 'role = "number"\n', "", "only fields with a role have a claim"),
        (FOOD, 'mask = "address"', "", "mask must be given where"),
        (FOOD, 'mask = "address"', 'mask = "citizen_id"', "citizen_id is for citizen numbers"),
        (FOOD, HOLDER + 'public = "full"', HOLDER + 'mask = "name"\npublic = "masked"',
         "names of organisations are never masked"),
        (FOOD, 'role = "holder_code"\npublic = "full"', 'role = "holder_code"\nmask = "name"\npublic = "masked"',
         "codes of organisations are public"),
        (FOOD, 'kind = "phone"', 'kind = "number"', "the licence number plays the role number"),
        (FOOD, HOLDER, HOLDER + "required = false\n", "operator_name must be required"),
        (FOOD, "max_length = 60", "max_length = 2001", "max_length must lie between"),
        (FOOD, 'given_by = "agency"', 'given_by = "holder"', "given_by must be one of"),
        (FOOD, "JY[123]", "JY([123]", "pattern is not a regular expression"),
        (FOOD, 'code = "1', 'code = "2', "check character"),
        (FOOD, 'name = "domicile"', 'name = "premises"', "names must differ"),
        (TEACHER, CITIZEN_ID, 'public = "full"\nqr = "omitted"', "never shown in full"),
        (TEACHER, CITIZEN_ID, 'public = "omitted"\nqr = "full"', "never shown in full"),
        (TEACHER, 'role = "photo"\npublic = "omitted"', 'role = "photo"\npublic = "full"', "on the face only"),
        (TEACHER, 'kind = "photo"\nrole = "photo"', 'kind = "photo"', "a photo plays the role photo"),
        (TEACHER, 'choices = ["男", "女"]\n', "", "choices belong to a choice"),
        (TEACHER, 'name = "nationality"', 'name = "Nationality"', "must be a small-letter name"),
        (FOOD, '["5年"]', '["5 years"]', "validity_range holds terms such as"),
        (FOOD, '["5年"]', '["五年"]', "validity_range holds terms such as"),
        (FOOD, '["5年"]', '["05年"]', "validity_range holds terms such as"),
        (FOOD, '["5年"]', '["5年 "]', "validity_range holds terms such as"),
        (FOOD, '["5年"]', '["５年"]', "validity_range holds terms such as"),
        (FOOD, '["5年"]', '["101年"]', "of at most 100 years"),
        (FOOD, '["5年"]', '["1201个月"]', "of at most 100 years"),
        (FOOD, '["5年"]', '["5年", "5年"]', "validity_range names a term twice"),
        (FOOD, '["5年"]', "[]", "validity_range names at least one term"),
        (FOOD, '["5年"]', '["长期"]', "validity_range has terms where licences expire, and only there"),
        (TEACHER, '["长期"]', '["5年"]', "validity_range has terms where licences expire, and only there"),
        (FOOD, '["5年"]', '["5年", "长期"]', "valid_to may be left out where validity_range has 长期"),
        (FOOD, 'role = "valid_to"\n', 'role = "valid_to"\nrequired = false\n', "valid_to may be left out where"),
        (FOOD, '["county"]', '["village"]', "issuing_authority_levels must be some of"),
        (FOOD, '["county"]', '["county", "county"]', "issuing_authority_levels must be some of"),
        (FOOD, '["county"]', "[]", "issuing_authority_levels must be some of"),
        (FOOD, 'legal_basis = "《中华人民共和国食品安全法》第三十五条"\n', "", "legal_basis is missing"),
        (FOOD, 'legal_basis = "', 'legal_basis = "' + "法" * 200, "legal_basis must be a printable line"),
        (FOOD, 'legal_basis = "', 'legal_basis = "\\n', "legal_basis must be a printable line"),
        (FOOD, 'legal_basis = "', 'legal_basis = " ', "legal_basis must be a printable line"),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused(tmp_path: Path, source: Path, old: str, new: str, why: str) -> None:
    folder = tmp_path / "some-type"
    folder.mkdir()
    text = (source / "type.toml").read_text("utf-8")
    assert old in text
    (folder / "type.toml").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(VermilionError) as refused:
        load_licence_type(folder)
    assert refused.value.kind is Kind.INVALID
    assert why in refused.value.detail


def test_the_samples_load_with_their_true_contents() -> None:
    food, teacher = load_licence_type(FOOD), load_licence_type(TEACHER)
    assert [field.label["zh"] for field in food.fields] == [
        "经营者名称", "统一社会信用代码", "法定代表人（负责人）", "住所", "经营场所", "主体业态", "经营项目",
        "许可证编号", "有效期至", "投诉举报电话", "发证机关", "签发日期",
    ]  # fmt: skip
    assert [field.label["zh"] for field in teacher.fields] == [
        "姓名", "性别", "出生年月", "民族", "身份证号码", "资格种类", "任教学科", "证书号码", "认定机构",
        "认定时间", "照片",
    ]  # fmt: skip
    assert (food.expires, teacher.expires) == (True, False)
    assert [str(term) for term in food.validity_range.terms] == ["5年"]
    assert (food.validity_range.unlimited, teacher.validity_range.unlimited) == (False, True)
    assert teacher.issuing_authority_levels == ("prefecture", "county")
    assert food.legal_basis == "《中华人民共和国食品安全法》第三十五条"
    assert teacher.legal_basis == "《中华人民共和国教师法》第十条、《教师资格条例》"


@pytest.mark.parametrize(
    ("terms", "begin", "last"),
    [
        (["5年"], date(2026, 11, 20), date(2031, 11, 20)),
        (["1年"], date(2028, 2, 29), date(2029, 2, 28)),
        (["4年"], date(2028, 2, 29), date(2032, 2, 29)),
        (["6个月"], date(2026, 8, 31), date(2027, 2, 28)),
        (["1个月"], date(2026, 12, 31), date(2027, 1, 31)),
        (["12个月"], date(2026, 12, 1), date(2027, 12, 1)),
        (["30日"], date(2026, 11, 20), date(2026, 12, 20)),
        (["30日", "6个月", "长期"], date(2026, 11, 20), date(2027, 5, 20)),
        (["100年"], date(9990, 1, 1), date.max),
        (["36600日"], date(9990, 1, 1), date.max),
    ],
)  # fmt: skip
def test_a_term_ends_on_the_day_that_is_the_first_one_s_counterpart(
    terms: list[str], begin: date, last: date
) -> None:
    """Civil Code, Art. 201 and 202."""
    assert parse_validity_range(terms).last_day(begin) == last


def test_spanish_is_there_where_a_type_gives_it_and_no_other_language_is_known(tmp_path: Path) -> None:
    food = load_licence_type(FOOD)
    assert food.name["es"] == "Licencia de actividad alimentaria"
    assert all(field.label.keys() == {"zh", "en", "es"} for field in food.fields)
    text = (FOOD / "type.toml").read_text("utf-8")
    folder = tmp_path / "a-type"
    folder.mkdir()
    for given, names in (("", {"zh", "en"}), (', es = "Licencia"', {"zh", "en", "es"})):
        changed = text.replace(', es = "Licencia de actividad alimentaria"', given)
        (folder / "type.toml").write_text(changed, "utf-8")
        assert load_licence_type(folder).name.keys() == names
    for given in (', fr = "Licence"', ', es = ""', ", es = 1"):
        changed = text.replace(', es = "Licencia de actividad alimentaria"', given)
        (folder / "type.toml").write_text(changed, "utf-8")
        with pytest.raises(VermilionError):
            load_licence_type(folder)


def test_a_folders_name_is_the_slug(tmp_path: Path) -> None:
    folder = tmp_path / "Some Type"
    folder.mkdir()
    (folder / "type.toml").write_bytes((FOOD / "type.toml").read_bytes())
    with pytest.raises(VermilionError, match="folder's name"):
        load_licence_type(folder)
    assert load_licence_type(folder.rename(tmp_path / "some-type")).slug == "some-type"


def test_a_missing_file_and_one_that_is_too_large_are_typed_errors(tmp_path: Path) -> None:
    with pytest.raises(VermilionError) as refused:
        load_licence_type(tmp_path)
    assert refused.value.kind is Kind.NOT_FOUND
    (tmp_path / "type.toml").write_bytes(b"#" * 300_000)
    with pytest.raises(VermilionError) as refused:
        load_licence_type(tmp_path)
    assert refused.value.kind is Kind.TOO_LARGE
