"""A licence type is data, read strictly."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import VermilionError
from registry.samples import sample_types
from signing.licence_type import load_licence_type

FOOD, TEACHER = sample_types()


def loaded_with(tmp_path: Path, source: Path, old: str, new: str) -> None:
    folder = tmp_path / "some-type"
    folder.mkdir()
    text = (source / "type.toml").read_text("utf-8")
    assert old in text
    (folder / "type.toml").write_text(text.replace(old, new, 1), "utf-8")
    load_licence_type(folder)


@pytest.mark.parametrize(
    ("source", "old", "new"),
    [
        (FOOD, "version = 1", 'version = 1\ncolour = "red"'),
        (FOOD, "version = 1", 'version = "1"'),
        (FOOD, "version = 1", "version = 0"),
        (FOOD, "expires = true", "expires = false"),
        (FOOD, "version = 1\n", ""),
        (FOOD, 'role = "holder_name"', 'role = "boss"'),
        (FOOD, 'role = "holder_name"', 'role = "representative"'),
        (FOOD, 'kind = "uscc"', 'kind = "uuid"'),
        (FOOD, 'kind = "uscc"', 'kind = "date"'),
        (FOOD, 'mask = "address"', ""),
        (FOOD, 'role = "holder_name"\nmax_length = 60\npublic = "full"',
         'role = "holder_name"\nmax_length = 60\nmask = "name"\npublic = "masked"'),
        (FOOD, 'given_by = "agency"', 'given_by = "holder"'),
        (FOOD, "JY[123]", "JY([123]"),
        (FOOD, 'code = "1', 'code = "2'),
        (FOOD, 'name = "domicile"', 'name = "premises"'),
        (TEACHER, 'public = "masked"\nqr = "masked"\nmask = "citizen_id"', 'public = "full"\nqr = "omitted"'),
        (TEACHER, 'public = "masked"\nqr = "masked"\nmask = "citizen_id"',
         'public = "omitted"\nqr = "full"'),
        (TEACHER, 'role = "photo"\npublic = "omitted"', 'role = "photo"\npublic = "full"'),
        (TEACHER, 'choices = ["男", "女"]\n', ""),
        (TEACHER, 'name = "nationality"', 'name = "Nationality"'),
        (TEACHER, 'legal_basis = "《中华人民共和国教师法》第十条、《教师资格条例》"\n', ""),
        (FOOD, 'legal_basis = "', 'legal_basis = "' + "法" * 200),
        (FOOD, 'legal_basis = "', 'legal_basis = "\\n'),
        (FOOD, 'legal_basis = "', 'legal_basis = " '),
    ],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused(tmp_path: Path, source: Path, old: str, new: str) -> None:
    with pytest.raises(VermilionError):
        loaded_with(tmp_path, source, old, new)


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
    assert food.legal_basis == "《中华人民共和国食品安全法》第三十五条"
    assert teacher.legal_basis == "《中华人民共和国教师法》第十条、《教师资格条例》"


def test_a_missing_file_and_one_that_is_too_large_are_typed_errors(tmp_path: Path) -> None:
    with pytest.raises(VermilionError):
        load_licence_type(tmp_path)
    (tmp_path / "type.toml").write_bytes(b"#" * 300_000)
    with pytest.raises(VermilionError):
        load_licence_type(tmp_path)


@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace")))
def test_no_bytes_get_anything_but_a_typed_error(
    tmp_path_factory: pytest.TempPathFactory, data: bytes
) -> None:
    folder = tmp_path_factory.mktemp("type")
    (folder / "type.toml").write_bytes(data)
    with pytest.raises(VermilionError):
        load_licence_type(folder)
