"""A package from elsewhere is hostile until it is opened; one of ours is opened as it was packed."""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Callable
from hashlib import new as new_hash
from hashlib import sha256
from pathlib import Path

import bagit
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.errors import VermilionError
from registry.archive.bag import bag, to_tar
from registry.archive.opened import Limits, open_package
from registry.archive.package import make_package
from tests.archive.packages import ABOUT, ACTS, AGENTS, ITEMS, MADE_AT

PACKAGE = make_package(ABOUT, ITEMS, ACTS, AGENTS)


def manifest(files: dict[str, bytes], algorithm: str) -> bytes:
    lines = (f"{new_hash(algorithm, data).hexdigest()}  {path}\n" for path, data in sorted(files.items()))
    return "".join(lines).encode()


def refused(tar: bytes, limits: Limits | None = None) -> str:
    with pytest.raises(VermilionError) as caught:
        open_package(tar, limits or Limits())
    assert caught.value.reason is not None
    return caught.value.reason


def written(
    *members: tuple[str, bytes | Callable[[tarfile.TarInfo], None]], form: int = tarfile.USTAR_FORMAT
) -> bytes:
    """An archive of these members, by Python's own tar; a function makes something else of one."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form) as tar:
        for name, what in members:
            info = tarfile.TarInfo(name)
            if isinstance(what, bytes):
                info.size = len(what)
                tar.addfile(info, io.BytesIO(what))
            else:
                what(info)
                tar.addfile(info)
    return out.getvalue()


def rebagged(**changes: bytes | None) -> bytes:
    """Ours with other files, and none of its manifests adapted."""
    files: dict[str, bytes | None] = {**PACKAGE.files, **changes}
    return to_tar(ABOUT.id, {path: data for path, data in files.items() if data is not None}, MADE_AT)


def test_what_was_packed_is_opened() -> None:
    opened = open_package(PACKAGE.tar)
    assert (opened.name, dict(opened.files)) == (ABOUT.id, PACKAGE.files)
    assert opened.info["External-Identifier"] == ABOUT.number


def test_a_bag_of_another_program_in_another_tar_is_opened(tmp_path: Path) -> None:
    """The Library of Congress's bagit, with Chinese names, and GNU tar with its folders."""
    folder = tmp_path / "elsewhere"
    (folder / "材料").mkdir(parents=True)
    (folder / "材料" / "营业执照.txt").write_text("样本")
    bagit.make_bag(str(folder), {"External-Identifier": "档号-1"}, checksums=["sha256", "sha512"])
    tar = subprocess.run(
        ["tar", "--format=ustar", "-C", tmp_path, "-c", "elsewhere"],
        check=True,
        capture_output=True,
    ).stdout
    opened = open_package(tar)
    assert opened.files["data/材料/营业执照.txt"].decode() == "样本"
    assert opened.info["External-Identifier"] == "档号-1"


@pytest.mark.parametrize(
    "path",
    ["../out", "bag/../../out", "/etc/passwd", "bag//x", "bag/./x", "bag/a\\b", "C:/x", "bag/x ", "bag/x.", "bag/a\nb",
     "bag/%2e%2e/x", "bag/" + "d/" * 12 + "x"],
)  # fmt: skip
def test_no_path_leads_elsewhere(path: str) -> None:
    assert refused(written(("bag/bagit.txt", b"1"), (path, b"2"))) == "package_path"


@pytest.mark.parametrize(
    ("first", "second"), [("bag/a", "bag/a"), ("bag/a", "bag/A"), ("bag/é", "bag/e\u0301")]
)
def test_no_two_files_are_one(first: str, second: str) -> None:
    assert refused(written((first, b"1"), (second, b"2"))) == "package_path"


def test_no_file_is_a_folder() -> None:
    assert refused(written(("bag/a", b"1"), ("bag/a/b", b"2"))) == "package_path"


def _link(kind: bytes) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname = kind, "/etc/passwd"

    return change


@pytest.mark.parametrize(
    "kind",
    [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE,
     tarfile.GNUTYPE_SPARSE],
)  # fmt: skip
def test_a_link_or_a_device_is_no_file(kind: bytes) -> None:
    assert refused(written(("bag/bagit.txt", b"1"), ("bag/link", _link(kind)))) == "package_archive"


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_extensions_of_the_format_are_not_taken(form: int) -> None:
    assert refused(written(("bag/" + "long" * 60, b"1"), form=form)) == "package_archive"


def test_what_is_too_much_is_not_read() -> None:
    assert refused(PACKAGE.tar, Limits(total=len(PACKAGE.tar) - 1)) == "package_size"
    assert refused(PACKAGE.tar, Limits(files=len(PACKAGE.files) - 1)) == "package_size"


def test_a_size_that_lies_is_found() -> None:
    bomb = tarfile.TarInfo("bag/x")
    bomb.size = 8**11 - 1
    assert refused(bomb.tobuf(tarfile.USTAR_FORMAT) + bytes(1024)) == "package_archive"
    assert refused(PACKAGE.tar[:-512]) == "package_archive"
    assert refused(PACKAGE.tar + b"x" * 512) == "package_archive"
    assert refused(PACKAGE.tar + bytes(100)) == "package_archive"


def test_nothing_lies_beside_the_bag() -> None:
    assert refused(written(("bag/bagit.txt", b"1"), ("other/x", b"2"))) == "package_archive"
    assert refused(written(("bagit.txt", b"1"))) == "package_archive"
    assert refused(bytes(1024)) == "package_archive"


def test_a_bag_is_not_completed_from_elsewhere() -> None:
    assert refused(rebagged(**{"fetch.txt": b"http://localhost/x 1 data/x\n"})) == "package_fetch"


@pytest.mark.parametrize(
    "changes",
    [
        {"data/documents/licence.pdf": None},
        {"data/documents/licence.pdf": b"%PDF-1.7 samplE"},
        {"data/documents/another.pdf": b"%PDF-1.7 sample"},
        {"README.txt": b"another"},
        {"README.txt": None},
        {"unnamed.txt": b"1"},
        {"bagit.txt": b"BagIt-Version: 2.0\nTag-File-Character-Encoding: UTF-8\n"},
        {"bagit.txt": b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-16\n"},
        {"bagit.txt": None},
        {"manifest-md5.txt": b""},
        {"manifest-sha256.txt": b"no line\n"},
        {"manifest-sha256.txt": None, "manifest-sha512.txt": None},
    ],
)
def test_a_bag_that_is_not_whole(changes: dict[str, bytes | None]) -> None:
    assert refused(rebagged(**changes)) == "package_bag"


def test_a_manifest_names_a_file_once() -> None:
    files = bag({"a.txt": b"1"}, [], {})
    twice = manifest({"data/a.txt": b"1"}, "sha256") * 2
    assert refused(to_tar("bag", files | {"manifest-sha256.txt": twice}, MADE_AT)) == "package_bag"


def test_the_payload_is_as_much_as_is_said() -> None:
    files = bag({"a.txt": b"1"}, [], {})
    wrong = files["bag-info.txt"].replace(b"1.1", b"2.1")
    tags = {path: data for path, data in (files | {"bag-info.txt": wrong}).items() if "manifest-" not in path}
    tags = {path: data for path, data in tags.items() if not path.startswith("data/")}
    tags |= {path: files[path] for path in ("manifest-sha256.txt", "manifest-sha512.txt")}
    sums = {f"tagmanifest-{name}.txt": manifest(tags, name) for name in ("sha256", "sha512")}
    assert refused(to_tar("bag", files | tags | sums, MADE_AT)) == "package_bag"


@settings(max_examples=300)
@given(st.data())
def test_whatever_is_changed_it_is_refused_or_the_same(data: st.DataObject) -> None:
    """A byte anywhere: either it is no package any more, or what it holds did not change."""
    at = data.draw(st.integers(0, len(PACKAGE.tar) - 1))
    changed = bytearray(PACKAGE.tar)
    changed[at] ^= data.draw(st.integers(1, 255))
    try:
        opened = open_package(bytes(changed))
    except VermilionError as error:
        assert error.reason is not None
        assert error.reason.startswith("package_")
    else:
        assert sha256(bytes(changed)).digest() != PACKAGE.sha256
        assert dict(opened.files) == PACKAGE.files


@given(
    st.binary(max_size=2048)
    | st.lists(st.sampled_from([b"\0" * 512, b"ustar", b"7" * 100, b"bag/a"])).map(b"".join)
)
def test_any_bytes_are_refused_with_a_reason(data: bytes) -> None:
    assert refused(data).startswith("package_")
