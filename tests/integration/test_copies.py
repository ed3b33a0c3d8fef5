"""Annotated copies, as those see them who get one: other readers, the site, the command, and whoever cheats."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from pathlib import Path

import pikepdf
import pypdfium2
import pytest
import zxingcpp

from signing.credential import decode_credential, parse_link
from signing.draw import ATTACHMENT
from tests.integration.province import Answer, Paper, Province
from tests.integration.test_independent import run
from tests.registry.world import on_sqlite
from tests.tools import need


@pytest.fixture
def copy(province: Province, paper: Paper) -> Paper:
    """A copy of a licence of each type."""
    return province.copy(paper)


def saved(folder: Path, pdf: bytes) -> Path:
    path = folder / "document.pdf"
    path.write_bytes(pdf)
    return path


def scanned(pdf: bytes) -> set[str]:
    """What a scanner reads from its first page at 150 dpi."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        image = document[0].render(scale=150 / 72).to_pil().convert("RGB")
    finally:
        document.close()
    return {found.text for found in zxingcpp.read_barcodes(image)}


def told(answer: Answer) -> tuple[str, object]:
    copy = answer.body.get("copy")
    return answer.verdict, None if copy is None else (copy["purpose"], copy["recipient"], copy["valid_to"])


def of(copy: Paper) -> tuple[str, str, str]:
    return copy.request["purpose"], copy.request["recipient"], copy.request["valid_to"]


@on_sqlite
def test_readers_that_are_not_ours(province: Province, copy: Paper, tmp_path: Path) -> None:
    file = saved(tmp_path, copy.pdf)
    said = run(need("pdfsig"), "-nocert", file)
    assert said.count("Signature is Valid") == 1
    assert said.count("Total document signed") == 1
    assert "No syntax or stream encoding errors found" in run(need("qpdf"), "--check", file)
    assert scanned(copy.pdf) == {copy.link}
    text = "".join(run(need("pdftotext"), "-raw", file, "-").split())
    for words in of(copy)[:2]:
        assert words in text
    year, month, day = copy.request["valid_to"].split("-")
    assert f"{year}年{month}月{day}日" in text


def test_the_record_attached_and_the_code_say_for_what_it_is(copy: Paper) -> None:
    with pikepdf.open(io.BytesIO(copy.pdf)) as pdf:
        record = json.loads(pdf.attachments[ATTACHMENT].get_file().read_bytes())["record"]
    assert tuple(record["copy"][name] for name in ("purpose", "recipient", "valid_to")) == of(copy)
    assert record["identifier"] == copy.identifier
    credential = parse_link(copy.link).credential
    assert credential is not None
    claims = decode_credential(credential).claims.copy
    assert claims is not None
    assert (claims.purpose, claims.recipient, claims.valid_to.isoformat()) == of(copy)


def test_every_way_to_check_tells_copy_and_licence_apart(
    province: Province, paper: Paper, tmp_path: Path
) -> None:
    copy = province.copy(paper)
    file = saved(tmp_path, copy.pdf)
    for answer in (
        province.look(copy),
        province.check_link(copy.link),
        province.check_file(copy.pdf),
        province.check_typed(copy.identifier, str(copy.answer["lookup_code"])),
        province.online(copy.link),
        province.online(file),
    ):
        assert told(answer) == ("valid", of(copy))
    for answer in (province.offline(copy.link), province.offline(file)):
        assert told(answer) == ("genuine_offline", of(copy))
        assert answer.code == 2
    for answer in (
        province.look(paper),
        province.check_link(paper.link),
        province.check_file(paper.pdf),
        province.check_typed(paper.identifier, str(paper.answer["lookup_code"])),
    ):
        assert told(answer) == ("valid", None)
    assert "Annotated copy, not the original" in province.page(copy)
    assert "Annotated copy, not the original" not in province.page(paper)
    shown = province.command(copy.link, "--data", province.world.ports.settings.data).stdout
    for line in of(copy):
        assert line in shown


@on_sqlite
def test_by_the_command_in_a_process_that_reaches_nobody(
    province: Province, copy: Paper, bare: dict[str, str], tmp_path: Path
) -> None:
    file = saved(tmp_path, copy.pdf)
    done = province.command(file, "--trust", province.trust_file, environment=bare)
    assert done.returncode == 2, done.stderr
    for line in ("Annotated copy", *of(copy)):
        assert line in done.stdout


def test_a_copy_of_a_licence_that_is_suspended_resumed_and_ended(province: Province, paper: Paper) -> None:
    copy = province.copy(paper)
    life: tuple[tuple[str, dict[str, str], str], ...] = (
        ("suspension", {"ground": "penalty"}, "suspended"),
        ("resumption", {}, "valid"),
        ("ending", {"how": "revoked"}, "ended"),
    )
    for act, more, verdict in life:
        province.change(paper, act, **more)
        for answer in (province.look(copy), province.check_file(copy.pdf), province.check_link(copy.link)):
            assert told(answer) == (verdict, of(copy))
    assert province.look(copy).body["how"] == "revoked"


def test_a_withdrawn_copy_and_its_licence(province: Province, paper: Paper) -> None:
    copy, other = province.copy(paper), province.copy(paper)
    province.withdraw(copy)
    for answer in (province.look(copy), province.check_file(copy.pdf), province.check_link(copy.link)):
        assert (answer.verdict, answer.body["how"]) == ("ended", "copy_withdrawn")
        assert answer.reasons["status"] == "copy_withdrawn"
    assert province.look(other).verdict == province.look(paper).verdict == "valid"
    assert "Copy withdrawn" in province.page(copy)


# --- whoever cheats


def test_one_s_code_at_the_other_s_link(province: Province, paper: Paper) -> None:
    """A copy's code on the original's paper, and the original's on a copy: each goes with its own link alone."""
    copy = province.copy(paper)
    for text in (f"{paper.address}#{copy.fragment}", f"{copy.address}#{paper.fragment}"):
        for answer in (province.check_link(text), province.offline(text), province.online(text)):
            assert answer.verdict == "altered"
    typed = province.check_typed(paper.identifier, str(copy.answer["lookup_code"]))
    assert told(typed) == ("valid", of(copy))  # the copy's own code opens the copy, and says so


def _without_the_watermark(data: bytes) -> bytes:
    """The page's content without what stands across it, saved anew."""
    with pikepdf.open(io.BytesIO(data)) as pdf:
        for page in pdf.pages:
            for part in page.obj.Contents:
                content = part.read_bytes()
                begin = content.find(b"/Artifact BMC\nq /Faint gs")
                if begin >= 0:
                    part.write(content[:begin] + content[content.index(b"EMC\n", begin) + 4 :])
        buffer = io.BytesIO()
        pdf.save(buffer)
    return buffer.getvalue()


def _without_the_band(data: bytes) -> bytes:
    """The pages cut to the licence's face, byte for byte where it stands."""
    found = re.search(rb"/MediaBox ?\[ ?0 -", data)
    assert found is not None
    at, end = found.start(), data.index(b"]", found.start())
    box = data[at:end]
    numbers = box.split(b"[")[1].split()
    cut = box.replace(numbers[1], b"0".ljust(len(numbers[1])), 1)
    assert len(cut) == len(box)
    return data[:at] + cut + data[end:]


def _for_another_purpose(data: bytes) -> bytes:
    old, new = ("办理银行开户".encode(), "办理个人贷款".encode())
    assert old in data
    return data.replace(old, new)


def _valid_for_longer(data: bytes) -> bytes:
    with pikepdf.open(io.BytesIO(data)) as pdf:
        last = json.loads(pdf.attachments[ATTACHMENT].get_file().read_bytes())["record"]["copy"]["valid_to"]
    later = f"{int(last[:4]) + 1}{last[4:]}".encode()
    assert last.encode() in data
    return data.replace(last.encode(), later)


CHEATS: dict[str, Callable[[bytes], bytes]] = {
    "watermark removed": _without_the_watermark,
    "band cut off": _without_the_band,
    "another purpose": _for_another_purpose,
    "valid for longer": _valid_for_longer,
    "a byte behind": lambda data: data + b"\n",
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_copy_that_was_changed(province: Province, copy: Paper, cheat: str, tmp_path: Path) -> None:
    changed = CHEATS[cheat](copy.pdf)
    assert changed != copy.pdf
    path = saved(tmp_path, changed)
    for answer in (province.check_file(changed), province.online(path), province.offline(path)):
        assert answer.verdict in {"altered", "not_recognised", "unknown"}, (cheat, answer.verdict)
        assert "copy" not in answer.body
        assert answer.code in (1, 200)


def test_a_licence_s_page_under_a_copy_s_seal_and_the_other_way_round(
    province: Province, paper: Paper, tmp_path: Path
) -> None:
    """The signed part of one with the attached record of the other is neither."""
    copy = province.copy(paper)
    with pikepdf.open(io.BytesIO(copy.pdf)) as pdf:
        of_copy = bytes(pdf.attachments[ATTACHMENT].get_file().read_bytes())
    with pikepdf.open(io.BytesIO(paper.pdf)) as pdf:
        of_original = bytes(pdf.attachments[ATTACHMENT].get_file().read_bytes())
    for whole, own, other in ((copy.pdf, of_copy, of_original), (paper.pdf, of_original, of_copy)):
        assert whole.count(own) == 1
        mixed = whole.replace(own, other)
        path = saved(tmp_path, mixed)
        for answer in (province.check_file(mixed), province.offline(path)):
            assert answer.verdict in {"altered", "not_recognised", "unknown"}
