"""Types and faces are data files: whatever stands in one, loading gives sound data or a typed error."""

from __future__ import annotations

import io
import json
import re
import shutil
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pikepdf
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keys.errors import Kind, VermilionError
from registry.samples import sample_types
from signing.face import Face
from signing.face_form import load_face
from signing.licence_type import Disclosure, FieldKind, LicenceType, Role, load_licence_type
from signing.toml_table import MAX_BYTES, MAX_DOTS, Table

FOLDERS = sample_types()
LOADERS: dict[str, Callable[[Path], LicenceType | Face]] = {
    "type.toml": load_licence_type,
    "face.pdf": load_face,
}
TYPED = {Kind.MALFORMED, Kind.INVALID, Kind.TOO_LARGE}

of_both_files = pytest.mark.parametrize("name", LOADERS)


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The folders of the sample types, to be written in; each test puts its file back whole before it begins."""
    root = tmp_path_factory.mktemp("types")
    return [Path(shutil.copytree(folder, root / folder.name)) for folder in FOLDERS]


def bytes_of(folder: Path, name: str) -> bytes:
    return next(f for f in FOLDERS if f.name == folder.name).joinpath(name).read_bytes()


def text_of(folder: Path, name: str) -> str:
    return bytes_of(folder, name).decode("utf-8")


def assert_sound_or_refused(folder: Path, name: str, data: bytes) -> bool:
    """Whether `data` in place of the file was taken; what is taken keeps the rules that others rely on."""
    for other in LOADERS:
        (folder / other).write_bytes(bytes_of(folder, other))
    (folder / name).write_bytes(data)
    try:
        found = LOADERS[name](folder)
    except VermilionError as error:
        assert error.kind in TYPED
        return False
    licence_type = load_licence_type(folder)
    if isinstance(found, Face):
        assert_sound_face(found, licence_type)
    assert_sound_type(licence_type)
    return True


def assert_sound_type(licence_type: LicenceType) -> None:
    fields = licence_type.fields
    roles = [field.role for field in fields if field.role is not None]
    assert {Role.HOLDER_NAME, Role.NUMBER, Role.ISSUER_NAME, Role.ISSUE_DATE} <= set(roles)
    assert len(roles) == len(set(roles))
    assert len(fields) == len({field.name for field in fields})
    assert licence_type.expires == (Role.VALID_TO in roles)
    for field in fields:
        shown = {field.public, field.qr}
        assert field.kind is not FieldKind.CITIZEN_ID or Disclosure.FULL not in shown
        assert field.kind is not FieldKind.PHOTO or shown == {Disclosure.OMITTED}
        assert (field.mask is not None) == (Disclosure.MASKED in shown)
    re.compile(licence_type.number.pattern)


def assert_sound_face(face: Face, licence_type: LicenceType) -> None:
    printed = {field.name for field in licence_type.fields if field.kind is not FieldKind.PHOTO}
    assert {value.source for value in face.values} == printed | {"identifier", "lookup_code", "verify_host"}
    boxes = [(value.page, value.box) for value in face.values]
    boxes += [(photo.page, photo.box) for photo in face.photos]
    boxes += [(seal.page, seal.box) for seal in face.seals]
    for number, box in boxes:
        page = face.pages[number]
        assert 0 <= box.x < box.x + box.width <= page.width
        assert 0 <= box.y < box.y + box.height <= page.height
        assert not any(box.overlaps(qr.box) for qr in face.qr if qr.page == number)
    assert face.qr
    assert face.seals
    assert all(0 < value.min_size <= value.style.size for value in face.values)


LITERALS = st.one_of(
    st.sampled_from([
        "0", "-0.0", "-1", "1e308", "1e999", "nan", "-inf", "9" * 5000, "0xffffffffffffffffff", "true", "[]", "{}", "[[]]",
        "[{}]", '""', "''", "1979-05-27", "07:32:00", "1979-05-27T07:32:00Z", "2024-02-30", "{ zh = 1, en = [] }",
        '"\\u0000"', '"\\ud800"', "'''\n'''", "[" * 3000, "{a=" * 3000, "a." * 40 + "a",
    ]),
    st.integers().map(str),
    st.floats().map(repr),
    st.text(max_size=20).map(lambda text: json.dumps(text, ensure_ascii=False)),
    st.text("()[]{}?:aLux,-^|*+19\\&~.", max_size=12).map(json.dumps),
)  # fmt: skip
KEY, VALUE = re.compile(r"[a-z_]+(?= =)"), re.compile(r"(?<== )(?:\"[^\"\n]*\"|\[[^\n]*\]|[^\s,}]+)")


@st.composite
def mutated(draw: st.DrawFn, text: str) -> bytes:
    """A data file in which keys, values, lines or bytes are changed."""
    for _ in range(draw(st.integers(1, 3))):
        match draw(st.sampled_from(["value", "value", "key", "line", "lines"])):
            case "value":
                spot = draw(st.sampled_from(list(VALUE.finditer(text))))
                text = text[: spot.start()] + draw(LITERALS) + text[spot.end() :]
            case "key":
                spot = draw(st.sampled_from(list(KEY.finditer(text))))
                text = text[: spot.start()] + draw(st.sampled_from(KEY.findall(text))) + text[spot.end() :]
            case "line":
                lines = text.splitlines(keepends=True)
                at = draw(st.integers(0, len(lines) - 1))
                text = "".join(lines[:at] + draw(st.sampled_from([[], [lines[at]] * 2])) + lines[at + 1 :])
            case _:
                lines = text.splitlines(keepends=True)
                at, to = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
                lines[at], lines[to] = lines[to], lines[at]
                text = "".join(lines)
    data = text.encode()
    if draw(st.booleans()):
        return data
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.binary(max_size=6)) + data[at + draw(st.integers(0, 6)) :]


@given(data=st.data())
def test_a_changed_type_is_sound_or_refused(copies: list[Path], data: st.DataObject) -> None:
    folder = data.draw(st.sampled_from(copies))
    assert_sound_or_refused(folder, "type.toml", data.draw(mutated(text_of(folder, "type.toml"))))


@given(data=st.data())
def test_a_changed_form_is_sound_or_refused(copies: list[Path], data: st.DataObject) -> None:
    """Written open, so that a change meets keys, numbers and operators."""
    folder = data.draw(st.sampled_from(copies))
    form = opened(folder)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(form)))
        new = data.draw(
            st.binary(max_size=6)
            | st.sampled_from([b"null", b"-1", b"1e9", b"<<", b"]", b"/T (x)", b"0 0 R"])
        )
        form = form[:at] + new + form[at + data.draw(st.integers(0, 6)) :]
    assert_sound_or_refused(folder, "face.pdf", form)


@cache
def opened(folder: Path) -> bytes:
    with pikepdf.open(io.BytesIO(bytes_of(folder, "face.pdf"))) as pdf:
        buffer = io.BytesIO()
        pdf.save(
            buffer,
            static_id=True,
            compress_streams=False,
            stream_decode_level=pikepdf.StreamDecodeLevel.generalized,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
        )
        return buffer.getvalue()


@of_both_files
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_garbage_is_refused(name: str, copies: list[Path], data: bytes) -> None:
    assert not assert_sound_or_refused(copies[0], name, data)


@given(pattern=st.text("()[]{}?:aLuimsxP<=!>,-^|&~*+19\\.", min_size=1, max_size=16))
@example(pattern="(?a)(?u)")  # a ValueError, and no re.error
@example(pattern="[[a]")  # will mean another thing in a later Python
@example(pattern="(" * 5000)
@example(pattern="a{1,99999999999}")
def test_a_number_pattern_compiles_or_is_refused(copies: list[Path], pattern: str) -> None:
    text = text_of(copies[0], "type.toml")
    old = '"JY[123][0-9]{13}"'
    assert old in text
    assert_sound_or_refused(copies[0], "type.toml", text.replace(old, json.dumps(pattern)).encode())


@pytest.mark.parametrize(
    "data",
    [
        "a." * 20_000 + "a = 1", "[" + "a." * 20_000 + "a]", '"a".' * 20_000 + "a = 1", "a = " + "[" * (MAX_BYTES // 2),
        "a = " + "{a=" * (MAX_BYTES // 4), "[[a]]\n" * (MAX_BYTES // 8), "a = [" + "0," * (MAX_BYTES // 3) + "]",
        "a = '''" + "\n" * (MAX_BYTES // 2), 'a = "' + "\\n" * (MAX_BYTES // 3) + '"', "#" * (MAX_BYTES // 2), "\n" * (MAX_BYTES // 2),
        "a = " + "9" * (MAX_BYTES // 2), "".join(f"k{n}.a.b.c.d = 1\n" for n in range(MAX_BYTES // 20)),
        "[" + "a." * 28 + "b]\n" + "".join(f"k{n}" + ".a" * 28 + " = 1\n" for n in range(MAX_BYTES // 80)), " " * (MAX_BYTES + 1),
    ],
    ids=[
        "key", "header", "quoted key", "arrays", "tables", "array of tables", "long array", "lines of text", "escapes", "comment",
        "empty lines", "number", "keys", "keys below a header", "too large",
    ],
)  # fmt: skip
def test_the_largest_hostile_files_take_seconds_at_most(copies: list[Path], data: str) -> None:
    before = time.process_time()
    assert not assert_sound_or_refused(copies[0], "type.toml", data.encode())
    assert time.process_time() - before < 10


def test_a_key_is_bounded_in_depth(tmp_path: Path) -> None:
    path = tmp_path / "type.toml"
    path.write_text("a." * MAX_DOTS + "a = 1")
    assert Table.load(path).has("a")
    path.write_text("a." * MAX_DOTS + "a.a = 1")
    with pytest.raises(VermilionError, match="dots") as refused:
        Table.load(path)
    assert refused.value.kind is Kind.MALFORMED
