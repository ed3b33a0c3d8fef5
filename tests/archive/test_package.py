"""What a package promises to whoever opens it in thirty years: whole, described, readable without ours."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import bagit
import pytest
from lxml import etree

from registry.archive import metadata, premis
from registry.archive.bag import bag
from registry.archive.contents import FORMATS, Part
from registry.archive.package import make_package
from tests.archive.packages import ABOUT, ACTS, AGENTS, ITEMS, item, unpacked
from tests.archive.premis_schema import require_valid, schema

PACKAGE = make_package(ABOUT, ITEMS, ACTS, AGENTS)
M = {"m": metadata.NAMESPACE}
P = {"p": premis.NAMESPACE}


def test_the_library_of_congress_s_library_finds_it_whole(tmp_path: Path) -> None:
    folder = unpacked(PACKAGE.tar, tmp_path)
    found = bagit.Bag(str(folder))
    assert found.validate(processes=1, completeness_only=False)
    assert (found.version_info, sorted(found.algorithms)) == ((1, 0), ["sha256", "sha512"])
    assert found.info["External-Identifier"] == ABOUT.number
    assert sorted(found.payload_files()) == sorted(path for path in PACKAGE.files if path.startswith("data/"))
    (folder / "data/documents/licence.pdf").write_bytes(b"%PDF-1.7 sampled")
    with pytest.raises(bagit.BagError):
        found.validate()


@pytest.mark.parametrize("gone", ["data/record/record.json", "README.txt", "data/metadata/premis.xml"])
def test_a_file_that_is_gone_is_missed(tmp_path: Path, gone: str) -> None:
    folder = unpacked(PACKAGE.tar, tmp_path)
    (folder / gone).unlink()
    with pytest.raises(bagit.BagError):
        bagit.Bag(str(folder)).validate()


def test_it_is_checked_by_what_any_system_has(tmp_path: Path) -> None:
    """As its README says: tar, and sha256sum."""
    tar = tmp_path / "package.tar"
    tar.write_bytes(PACKAGE.tar)
    subprocess.run([shutil.which("tar") or "tar", "xf", tar, "-C", tmp_path], check=True)
    for manifest in ("tagmanifest-sha256.txt", "manifest-sha256.txt"):
        assert f"sha256sum --check {manifest}" in PACKAGE.files["README.txt"].decode()
        command = [shutil.which("sha256sum") or "sha256sum", "--check", "--strict", manifest]
        subprocess.run(command, cwd=tmp_path / ABOUT.id, check=True, capture_output=True)


def test_the_same_of_the_same_in_whatever_order() -> None:
    again = make_package(ABOUT, ITEMS[::-1], ACTS[::-1], AGENTS[::-1])
    assert again.tar == PACKAGE.tar
    assert make_package(replace(ABOUT, year=2027), ITEMS, ACTS, AGENTS).sha256 != PACKAGE.sha256


def test_its_readme_says_in_both_languages_what_it_is() -> None:
    words = PACKAGE.files["README.txt"].decode()
    assert "电子档案信息包" in words
    assert "Archival package" in words
    assert ABOUT.number in words
    assert ABOUT.title in words
    for one in ITEMS:
        assert f"data/{one.path}\n      {one.title}" in words


def test_the_metadata_describe_the_item_in_the_archives_own_terms() -> None:
    root = ET.fromstring(PACKAGE.files["data/metadata/metadata.xml"])

    def texts(path: str) -> list[str | None]:
        return [one.text for one in root.findall("/".join(f"m:{name}" for name in path.split("/")), M)]

    assert texts("聚合层次") == ["件"]
    assert texts("来源/全宗号") == [ABOUT.fonds]
    assert (texts("档号"), texts("年度"), texts("保管期限")) == ([ABOUT.number], ["2026"], ["定期30年"])
    assert (texts("题名"), texts("申请人")) == ([ABOUT.title], [ABOUT.applicant])
    assert texts("电子文件列表/电子文件/路径") == sorted(f"data/{one.path}" for one in ITEMS)
    assert texts("业务行为列表/业务行为/行为") == ["case.accepted", "licence.issued"]  # as they happened
    assert texts("业务行为列表/业务行为/意见") == [ACTS[1].opinion]
    assert set(texts("责任人列表/责任人/标识")) == {one.id for one in AGENTS}
    assert texts("电子文件列表/电子文件/来源") == ["数据共享平台"]


def test_the_preservation_metadata_name_each_file_with_its_digests() -> None:
    root = ET.fromstring(PACKAGE.files["data/metadata/premis.xml"])
    manifest = PACKAGE.files["manifest-sha256.txt"].decode().splitlines()
    listed = dict(line.split("  ", 1)[::-1] for line in manifest)
    files = [one for one in root.findall("p:object", P) if one.find("p:objectCharacteristics", P) is not None]
    found = {
        one.findtext("p:objectIdentifier/p:objectIdentifierValue", None, P): one.findtext(
            "p:objectCharacteristics/p:fixity/p:messageDigest", None, P
        )
        for one in files
    }
    assert found == {f"data/{one.path}": listed[f"data/{one.path}"] for one in ITEMS}
    kinds = [one.text for one in root.findall("p:event/p:eventType", P)]
    assert kinds == ["creation", "message digest calculation", "ingestion", "case.accepted", "licence.issued"]


def test_the_preservation_metadata_are_valid_by_their_schema() -> None:
    """So are those of each package that another test unpacks (`unpacked`): editions, cases, what was restored."""
    if schema() is None:
        pytest.skip("the schema is not here (make build/premis/.unpacked)")
    written = PACKAGE.files["data/metadata/premis.xml"]
    require_valid(written)
    for change in (b"<eventType>", b"<messageDigest>", b"</object>"):  # it is asked, and of what we write
        assert change in written
        with pytest.raises((etree.DocumentInvalid, etree.XMLSyntaxError)):
            require_valid(written.replace(change, b"<other/>" + change, 1))


@pytest.mark.parametrize(
    "items",
    [
        (item(part=Part.EVIDENCE),),  # nothing that it would be about
        (item(), item(data=b"another")),
        (item(name="licence.exe"),),
        (item(name="licence"),),
        (item(data=b""),),
        (item(name="../licence.pdf"),),
        (item(name="Licence.pdf"),),  # one with licence.pdf, on some systems
        (item(name="a//b.pdf"),),
        (item(name="许可证.pdf"),),
        (item(name=f"{'a' * 90}.pdf"),),
    ],
)
def test_what_makes_no_package(items: tuple[object, ...]) -> None:
    with pytest.raises(ValueError):
        make_package(ABOUT, items, ACTS, AGENTS)  # type: ignore[arg-type]


def test_names_and_opinions_are_kept_as_they_were_written() -> None:
    """Wide spaces, rare characters, several lines and what XML gives a meaning."""
    name, opinion = "样本\u3000餐饮\U00020bb7 <一店> & Co", "第一行\n第二行"
    acts = (replace(ACTS[0], opinion=opinion),)
    made = make_package(replace(ABOUT, applicant=name, title=f"许可证\u3000{name}"), ITEMS, acts, AGENTS)
    root = ET.fromstring(made.files["data/metadata/metadata.xml"])
    assert root.findtext("m:申请人", None, M) == name
    assert root.findtext("m:业务行为列表/m:业务行为/m:意见", None, M) == opinion
    assert ET.fromstring(made.files["data/metadata/premis.xml"]) is not None


@pytest.mark.parametrize("text", ["\0", "\x0b", "\r", "\ufffe"])
def test_what_xml_cannot_hold_makes_no_package(text: str) -> None:
    with pytest.raises(ValueError):
        make_package(replace(ABOUT, applicant=text), ITEMS, ACTS, AGENTS)


def test_nobody_acts_without_a_name() -> None:
    with pytest.raises(ValueError):
        make_package(ABOUT, ITEMS, ACTS, AGENTS[1:])
    with pytest.raises(ValueError):
        make_package(ABOUT, ITEMS, (), AGENTS)


@pytest.mark.parametrize("value", ["", "two\nlines", " blank", "tab\tbed"])
def test_no_value_makes_a_second_line_in_bag_info(value: str) -> None:
    with pytest.raises(ValueError):
        bag({"a.txt": b"1"}, [("External-Description", value)], {})


def test_the_bag_s_own_files_are_nobody_else_s() -> None:
    with pytest.raises(ValueError):
        bag({"a.txt": b"1"}, [], {"bagit.txt": b"BagIt-Version: 0.97\n"})


def test_every_format_that_is_kept_has_a_name() -> None:
    assert all(media_type and name for media_type, name in FORMATS.values())
