"""Records: what a request may say, and the JSON forms that are stored, attached and read back."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from keys.canonical import canonical_json
from keys.errors import Kind, VermilionError
from registry.samples import sample_requests
from signing.photo import MAX_BYTES
from signing.record import (
    check_number,
    parse_fields,
    parse_submission,
    printout_from_json,
    printout_to_json,
    record_from_json,
    record_to_json,
)
from tests.signing import printing

FOOD, TEACHER = sample_requests()[0], sample_requests()[-1]


def faults(request: dict[str, Any], *, number: object = None, **changes: object) -> dict[str, str]:
    """The reason of each fault by pointer after changes to a good request; ... drops a field."""
    fields = {k: v for k, v in {**request["fields"], **changes}.items() if v is not ...}
    licence_type = printing.types()[request["type"]][0]
    with pytest.raises(VermilionError) as caught:
        parse_submission(licence_type, fields, printing.TODAY, number=number or request["number"])
    assert caught.value.kind is Kind.INVALID
    return {fault.field: fault.reason for fault in caught.value.faults}


def jpeg(size: tuple[int, int] = (300, 400), **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "#80a0c0").save(buffer, "JPEG", **options)
    return buffer.getvalue()


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("operator_name", ..., "missing"),
        ("operator_name", None, "missing"),
        ("operator_name", 7, "wrong_type"),
        ("operator_name", ["样本"], "wrong_type"),
        ("operator_name", "", "blank"),
        ("operator_name", " 样本", "blank"),
        ("operator_name", "样" * 61, "too_long"),
        ("operator_name", "样" * 10**6, "too_long"),
        ("operator_name", "样\n本", "bad_characters"),
        ("operator_name", "样\u202e本", "bad_characters"),
        ("operator_name", "样\u200b本", "bad_characters"),
        ("operator_name", "样\ud842", "bad_characters"),
        ("operator_name", "样\U000e0101", "bad_characters"),
        ("operator_name", "样\ue000", "bad_characters"),
        ("operator_name", "样\U0003ffff", "bad_characters"),
        ("credit_code", "91990100MA1000017B", "check_character"),
        ("credit_code", "91990100ma1000017a", "malformed"),
        ("business_items", "热食类食品制售", "wrong_type"),
        ("business_items", [], "too_many"),
        ("business_items", ["热食"] * 51, "too_many"),
        ("business_items", ["热食", 3], "wrong_type"),
        ("valid_to", "2031-02-30", "not_a_date"),
        ("valid_to", "2031-2-3", "not_a_date"),
        ("valid_to", "２０３１-01-01", "not_a_date"),
        ("valid_to", "2020-01-01", "before_issue"),
        ("issue_date", "2026-11-24", "in_future"),
        ("complaint_phone", "call me", "not_a_phone"),
        ("issuer", "云溪省样本市市场监督管理局", "not_accepted"),
        ("colour", "red", "unknown_field"),
    ],
)
def test_each_fault_is_named(field: str, value: object, reason: str) -> None:
    assert faults(FOOD, **{field: value}) == {f"/fields/{field}": reason}


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("sex", "女", "disagrees"),
        ("sex", "其他", "not_a_choice"),
        ("birth_month", "1985-04", "disagrees"),
        ("birth_month", "1985-13", "not_a_month"),
        ("citizen_id", "340000198503310931", "check_character"),
        ("photo", "not base64!", "bad_photo"),
        ("photo", b64(b"\xff\xd8\xff" + b"x" * 100), "bad_photo"),
        ("photo", b64(b"GIF89a"), "bad_photo"),
        ("photo", b64(jpeg((50, 50))), "bad_photo"),
        ("photo", b64(jpeg((2400, 200))), "bad_photo"),
        ("photo", b64(jpeg()[:-300]), "bad_photo"),
        ("photo", b64(bytes(MAX_BYTES + 1)), "too_long"),
        ("photo", 5, "wrong_type"),
        ("valid_to", "2031-01-01", "unknown_field"),
    ],
)
def test_each_fault_of_a_persons_licence_is_named(field: str, value: object, reason: str) -> None:
    assert faults(TEACHER, **{field: value}) == {f"/fields/{field}": reason}


def test_all_faults_come_at_once_and_hostile_names_are_not_repeated() -> None:
    found = faults(FOOD, number="JY29901020000012", operator_name="", valid_to="x", **{"\x1b[31m": 1})
    assert found == {
        "/number": "check_character",
        "/fields/operator_name": "blank",
        "/fields/valid_to": "not_a_date",
        "/fields/?": "unknown_field",
    }


def test_the_number_stands_in_one_place() -> None:
    licence_type = printing.types()[FOOD["type"]][0]
    inside = {**FOOD["fields"], "licence_number": FOOD["number"]}
    assert parse_fields(licence_type, inside, printing.TODAY)["licence_number"] == FOOD["number"]
    assert faults(FOOD, licence_number=FOOD["number"]) == {"/fields/licence_number": "given_twice"}
    assert check_number(licence_type, FOOD["number"]) == FOOD["number"]
    for bad in ("JY29901020000012", "JY2990102000001", "SC29901020000011", "JY２9901020000011"):
        with pytest.raises(VermilionError):
            check_number(licence_type, bad)


def test_text_is_kept_in_its_composed_form() -> None:
    licence_type = printing.types()[FOOD["type"]][0]
    fields = {**FOOD["fields"], "operator_name": "Cafe\u0301 样本"}
    values = parse_fields(licence_type, fields, printing.TODAY, number=FOOD["number"])
    assert values["operator_name"] == "Café 样本"


def test_nothing_hidden_in_a_photo_reaches_the_licence() -> None:
    exif = Image.Exif()
    exif[0x010E] = "SECRET-PLACE"
    exif[0x0112] = 6  # turned by a quarter
    hidden = jpeg(exif=exif, comment=b"SECRET-COMMENT") + b"PK\x03\x04SECRET-APPENDED"
    assert b"SECRET" in hidden
    licence_type = printing.types()[TEACHER["type"]][0]
    fields = {**TEACHER["fields"], "photo": b64(hidden)}
    submission = parse_submission(licence_type, fields, printing.TODAY, number=TEACHER["number"])
    assert submission.photo is not None
    assert b"SECRET" not in submission.photo
    assert b"Exif" not in submission.photo
    assert submission.fields["photo"] == hashlib.sha256(submission.photo).hexdigest()
    with Image.open(io.BytesIO(submission.photo)) as image:
        assert image.size == (400, 300)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4),
)


@given(data=st.data())
def test_no_submission_gets_anything_but_faults(data: st.DataObject) -> None:
    request = data.draw(st.sampled_from([FOOD, TEACHER]))
    licence_type = printing.types()[request["type"]][0]
    names = st.sampled_from(sorted(request["fields"])) | st.text(max_size=8)
    fields = {**request["fields"], **data.draw(st.dictionaries(names, values, max_size=4))}
    number = data.draw(values | st.just(request["number"]))
    try:
        parse_submission(licence_type, fields, printing.TODAY, number=number)
    except VermilionError as error:
        assert error.faults


@given(st.binary(max_size=400).map(lambda tail: b"\xff\xd8\xff" + tail) | st.binary())
def test_no_picture_gets_anything_but_a_fault(data: bytes) -> None:
    assert faults(TEACHER, photo=b64(data)).keys() == {"/fields/photo"}


@given(st.integers(0, 2000), st.integers(0, 255))
def test_a_damaged_picture_is_either_a_picture_or_a_fault(place: int, byte: int) -> None:
    good = base64.b64decode(TEACHER["fields"]["photo"])
    damaged = good[: place % len(good)] + bytes([byte]) + good[place % len(good) + 1 :]
    licence_type = printing.types()[TEACHER["type"]][0]
    fields = {**TEACHER["fields"], "photo": b64(damaged)}
    try:
        parse_submission(licence_type, fields, printing.TODAY, number=TEACHER["number"])
    except VermilionError as error:
        assert [fault.field for fault in error.faults] == ["/fields/photo"]


@pytest.mark.parametrize("one", printing.samples(), ids=lambda one: one.printout.record.number)
def test_records_and_printouts_are_read_back_as_they_were(one: printing.Sample) -> None:
    record = one.printout.record
    assert record_from_json(json.loads(canonical_json(record_to_json(record)))) == record
    assert printout_from_json(printout_to_json(one.printout)) == replace(one.printout, photo=None)


def broken(change: Callable[[dict[str, Any]], object]) -> bytes:
    tree = json.loads(printout_to_json(printing.samples()[0].printout))
    change(tree)
    return canonical_json(tree)


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.update(extra=1),
        lambda t: t.pop("link"),
        lambda t: t.update(link="http://localhost/c/short"),
        lambda t: t.update(link="javascript:alert(1)//c/" + "a" * 22),
        lambda t: t.update(link="http://user@localhost/c/" + "a" * 22),
        lambda t: t.update(credential="AAA="),
        lambda t: t.update(credential="AB"),
        lambda t: t.update(credential=""),
        lambda t: t.update(lookup_code="7k2m9qxr"),
        lambda t: t["record"].update(edition=True),
        lambda t: t["record"].update(edition=2),
        lambda t: t["record"].update(specimen=1),
        lambda t: t["record"].update(valid_to="2020-01-01"),
        lambda t: t["record"].update(issue_date="2026-6-15"),
        lambda t: t["record"].update(identifier=t["record"]["identifier"][:-1] + "?"),
        lambda t: t["record"]["fields"].update(premises="\u202e"),
        lambda t: t["record"]["fields"].update(premises=[]),
        lambda t: t["record"]["fields"].update(Premises="x"),
        lambda t: t["record"].update(fields=[]),
    ],
)
def test_a_printed_record_is_read_strictly(change: Callable[[dict[str, Any]], object]) -> None:
    with pytest.raises(VermilionError):
        printout_from_json(broken(change))


def test_only_the_canonical_bytes_are_a_printed_record() -> None:
    data = printout_to_json(printing.samples()[0].printout)
    for other in (data + b" ", json.dumps(json.loads(data), indent=1).encode(), data[:-1], b""):
        with pytest.raises(VermilionError):
            printout_from_json(other)


@given(st.binary() | st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda v: st.dictionaries(
    st.sampled_from(["record", "link", "credential", "lookup_code", "fields"]), v)).map(
        lambda tree: json.dumps(tree).encode()))  # fmt: skip
def test_no_bytes_get_anything_but_a_typed_error(data: bytes) -> None:
    with pytest.raises(VermilionError):
        printout_from_json(data)


def test_the_photo_is_not_in_the_printed_record() -> None:
    one = printing.samples()[-1].printout
    assert one.photo is not None
    assert printout_to_json(one) == printout_to_json(replace(one, photo=None))
