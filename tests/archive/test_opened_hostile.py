"""What a stranger's archive tries beside the plain attacks: it hides, lies in its tag files, or is a bomb."""

from __future__ import annotations

import time

import pytest

from registry.archive.bag import bag, to_tar
from registry.archive.opened import check_bag, open_package
from tests.archive.packages import MADE_AT
from tests.archive.test_opened import _link, manifest, refused, written

PLAIN = {"a.txt": b"1"}


def bagged(**tags: bytes | None) -> bytes:
    """A bag with these tag files, of which its tag manifests are right."""
    files: dict[str, bytes | None] = {**bag(PLAIN, [("External-Identifier", "1")], {}), **tags}
    theirs = ("tagmanifest-sha256.txt", "tagmanifest-sha512.txt")
    there = {path: data for path, data in files.items() if data is not None and path not in theirs}
    tagged = {path: data for path, data in there.items() if not path.startswith("data/")}
    sums = {f"tagmanifest-{name}.txt": manifest(tagged, name) for name in ("sha256", "sha512")}
    return to_tar("bag", there | sums, MADE_AT)


def test_what_is_made_here_is_opened() -> None:
    assert open_package(bagged()).info["Payload-Oxum"] == "1.1"


def test_every_file_beside_the_payload_is_in_the_tag_manifests() -> None:
    """What is called nearly as they are is none of them."""
    path = "tagmanifest-other/x.bin"
    assert open_package(bagged(**{path: b"x"})).files[path] == b"x"
    plain = bag({"a.txt": b"a"}, [], {})
    assert refused(to_tar("bag", plain | {path: b"x"}, MADE_AT)) == "package_bag"


@pytest.mark.parametrize(
    "info",
    [
        b"payload-oxum: 2.1\n",
        b"PAYLOAD-OXUM: 2.1\n",
        b"Payload-Oxum : 2.1\n",
        b"Payload-Oxum: 2.1\nPayload-Oxum: 1.1\n",
        b"Payload-Oxum: 2.1\r\nPayload-Oxum: 1.1\r\n",
        b"\xef\xbb\xbfPayload-Oxum: 2.1\n",
        "Title: a\u2028Payload-Oxum: 1.1\n".encode(),
        b"Title: a\x0bPayload-Oxum: 1.1\n",
        b"Title: a\0b\n",
        b"Title: a\x1b[2Jb\n",
        b" first\n",
        b"External-Identifier: 1\nexternal-identifier: 2\n",
        b"Title: \xb5\xb5\n",
        b"Title: a\n" * 20_000,
    ],
)
def test_bag_info_says_one_thing_or_is_refused(info: bytes) -> None:
    assert refused(bagged(**{"bag-info.txt": info})) == "package_bag"


def test_what_other_programs_write_of_a_bag_is_read() -> None:
    """Lines as Windows ends them, labels of any case, several of what may be said several times; or nothing."""
    told = b"External-identifier: 1\r\nContact-Name: a\r\nContact-Name: b\r\n  c\r\npayload-oxum:1.1"
    info = open_package(bagged(**{"bag-info.txt": told})).info
    assert info == {"External-Identifier": "1", "Contact-Name": "b c", "Payload-Oxum": "1.1"}
    assert open_package(bagged(**{"bag-info.txt": None})).info == {}


@pytest.mark.parametrize(
    "weak", ["manifest-md5.txt", "manifest-sha1.txt", "Manifest-md5.txt", "tagmanifest-md5.txt"]
)
def test_a_weak_digest_is_not_taken_even_alone(weak: str) -> None:
    assert refused(bagged(**{weak: b""})) == "package_bag"
    nothing_else = {"manifest-sha256.txt": None, "manifest-sha512.txt": None}
    assert refused(bagged(**nothing_else, **{weak: b""})) == "package_bag"


@pytest.mark.parametrize("path", ["Fetch.txt", "FETCH.TXT"])
def test_no_bag_is_completed_from_elsewhere_by_another_case(path: str) -> None:
    """A system that knows no cases would find it."""
    assert refused(bagged(**{path: b"http://localhost/x 1 data/x\n"})) in ("package_fetch", "package_bag")


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("bag/a", "bag/A/b"),  # a file and a folder
        ("bag/A/b", "bag/a/c"),  # one folder, spelled twice
        ("bag/\u0390", "bag/\u03aa\u0301"),
        ("bag/stra\u00dfe", "bag/STRASSE"),
        ("bag/e\u0301/x", "bag/\u00e9/y"),
    ],
)
def test_no_two_are_one_where_cases_are_not_told_apart(first: str, second: str) -> None:
    assert refused(written((first, b"1"), (second, b"2"))) == "package_path"


def _folder(info: object) -> None:
    info.type = b"5"  # type: ignore[attr-defined]


@pytest.mark.parametrize("folder", ["other", "other/x"])
def test_no_empty_folder_lies_beside_the_bag(folder: str) -> None:
    assert refused(written(("bag/a", b"1"), (folder, _folder))) == "package_archive"


def test_no_file_is_an_empty_folder() -> None:
    assert refused(written(("bag/a", b"1"), ("bag/a/b", _folder))) == "package_path"


@pytest.mark.parametrize(
    "name", ["CON", "nul.txt", "aux", "com1.pdf", "Lpt9", "a\x7f", "a\u202egpj.exe", "a\u00a0", "a\u200b"]
)
def test_a_name_is_one_on_every_system(name: str) -> None:
    assert refused(written(("bag/bagit.txt", b"1"), (f"bag/{name}", b"2"))) == "package_path"


def test_a_name_ends_where_it_ends() -> None:
    """Readers that stop at a zero byte would see another name."""
    tar = bytearray(written(("bag/a.pdf", b"1")))
    tar[9:15] = b"\0.exe\0"
    tar[148:156] = b"%06o\0 " % (sum(tar[:148]) + sum(tar[156:512]) + 8 * 32)
    assert refused(bytes(tar)) == "package_path"


def test_nothing_is_hidden_behind_a_file() -> None:
    """Between a file's end and that of its block no manifest looks, and no scanner."""
    tar = bytearray(bagged())
    end = tar.index(b"\0", tar.index(b"External-Identifier"))
    assert end % 512
    tar[end + 1] = 0x4D
    assert refused(bytes(tar)) == "package_archive"


def test_archives_one_after_another_are_not_one() -> None:
    one = bagged()
    assert refused(one + one) == "package_archive"
    assert refused(one + written(("bag/../../x", b"1"))) == "package_archive"


@pytest.mark.parametrize("kind", [b"x", b"g", b"L", b"K", b"S", b"D", b"M", b"V", b"N", b"\x01", b"A"])
def test_no_extension_says_anything_of_what_follows(kind: bytes) -> None:
    assert refused(written(("bag/x", _link(kind)), ("bag/bagit.txt", b"1"))) == "package_archive"


@pytest.mark.parametrize(
    "path", ["bag-info.txt", "manifest-sha256.txt", "bagit.txt", "tagmanifest-sha512.txt"]
)
def test_a_tag_file_of_many_lines_is_no_bomb(path: str) -> None:
    """Each line would be a text of its own, twenty times as large; folded ones would be copied again each."""
    files = {**bag(PLAIN, [], {}), path: b"a:\n" + b" \n" * (16 * 1024 * 1024)}
    started = time.process_time()
    with pytest.raises(Exception, match=r"too long|does not declare"):
        check_bag(files)
    assert time.process_time() - started < 1


def test_the_longest_folded_line_costs_little() -> None:
    started = time.process_time()
    assert open_package(bagged(**{"bag-info.txt": b"a:\n" + b" \n" * 32_000})).info["a"].strip() == ""
    assert time.process_time() - started < 2
