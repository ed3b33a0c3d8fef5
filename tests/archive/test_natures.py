"""Authentic, whole, usable, safe: each item of the four-nature check has its finding."""

from __future__ import annotations

from hashlib import sha256

import pytest

from registry.archive.bag import bag, to_tar
from registry.archive.contents import Part
from registry.archive.natures import Nature, four_natures
from registry.archive.package import make_package
from tests.archive.packages import ABOUT, ACTS, AGENTS, ITEMS, MADE_AT, item

OFD = item(part=Part.MATERIALS, name="business-licence.ofd", data=b"PK\x03\x04 sample")
PACKAGE = make_package(ABOUT, [one for one in ITEMS if one.part is not Part.MATERIALS] + [OFD], ACTS, AGENTS)
META = "metadata/metadata.xml"


def failed(tar: bytes, **known: bytes) -> list[tuple[str, str]]:
    return [(one.nature.value, one.item) for one in four_natures(tar, **known) if not one.passed]  # type: ignore[arg-type]


def rebagged(**changes: bytes | None) -> bytes:
    """With other files, in a bag that is whole."""
    payload = {
        path.removeprefix("data/"): data for path, data in PACKAGE.files.items() if path.startswith("data/")
    }
    changed = {path: data for path, data in {**payload, **changes}.items() if data is not None}
    return to_tar("bag", bag(changed, [("External-Identifier", ABOUT.number)], {}), MADE_AT)


def test_a_package_of_ours_passes_every_item() -> None:
    found = four_natures(PACKAGE.tar, digest=PACKAGE.sha256, infected=lambda _data: False)
    assert [one for one in found if not one.passed] == []
    assert {one.nature for one in found} == set(Nature)
    assert len(found) == len({one.item for one in found}) == 12


@pytest.mark.parametrize(
    ("changes", "findings"),
    [
        ({"documents/licence.pdf": b"%PDF-1.7 another"}, [("authenticity", "content_as_described")]),
        ({"documents/more.pdf": b"%PDF-1.7"}, [("integrity", "files_as_listed")]),
        ({"metadata/more.pdf": b"%PDF-1.7"}, [("integrity", "files_as_listed")]),
        ({"materials/metadata/more.pdf": b"%PDF-1.7"}, [("integrity", "files_as_listed")]),
        (
            {"record/record.json": None},
            [("integrity", "files_as_listed"), ("authenticity", "content_as_described")],
        ),
        (
            {"materials/run.exe": b"MZ"},
            [("usability", "formats_kept"), ("integrity", "files_as_listed")],
        ),
        (
            {"documents/licence.pdf": b"MZ"},
            [("usability", "formats_as_named"), ("authenticity", "content_as_described")],
        ),
        ({META: None}, [("usability", "metadata_readable")]),
        ({META: b"<?xml no"}, [("usability", "metadata_readable")]),
        ({META: b'<?xml version="1.0"?><other/>'}, [("usability", "metadata_readable")]),
        (
            {META: b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'},
            [("usability", "metadata_readable")],
        ),
        (
            {META: PACKAGE.files[f"data/{META}"].replace(ABOUT.number.encode(), b"another")},
            [("authenticity", "one_number")],
        ),
        (
            {META: PACKAGE.files[f"data/{META}"].replace(ABOUT.title.encode(), b"")},
            [("integrity", "metadata_complete")],
        ),
        (
            {
                META: PACKAGE.files[f"data/{META}"].replace(
                    "<电子文件列表>".encode(), "<电子文件列表><电子文件><路径/></电子文件>".encode()
                )
            },
            [("integrity", "files_as_listed"), ("authenticity", "content_as_described")],
        ),
        (
            {
                META: PACKAGE.files[f"data/{META}"].replace(
                    "<电子文件列表>".encode(), "<电子文件列表><电子文件/>".encode()
                )
            },
            [("authenticity", "content_as_described")],
        ),
    ],
)
def test_what_is_wrong_is_found_where_it_is(
    changes: dict[str, bytes | None], findings: list[tuple[str, str]]
) -> None:
    assert failed(rebagged(**changes)) == findings


def test_a_package_that_does_not_open_is_not_looked_into() -> None:
    assert failed(PACKAGE.tar[:-512], digest=PACKAGE.sha256) == [
        ("authenticity", "received_as_sent"),
        ("security", "package_opens"),
    ]
    assert failed(PACKAGE.tar, digest=sha256(b"").digest()) == [("authenticity", "received_as_sent")]


def test_malware_is_named() -> None:
    found = four_natures(PACKAGE.tar, infected=lambda data: data == OFD.data)
    assert [one.detail for one in found if not one.passed] == ["data/materials/business-licence.ofd"]
