"""Handing over, receiving and importing from a terminal, on the registry of a first start."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from registry.samples import sample_agencies
from tests.archive.packages import ABOUT
from tests.archive.test_natures import PACKAGE
from tests.cli.conftest import Run
from tests.cli.test_administration import GROUND, listed
from tests.cli.test_archive import levels
from tests.services.running import Place


def lines(out: str) -> list[Any]:
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def known(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry believes its own statements, so that it plays both ends."""
    (own,) = (key.certificate for key in listed(place).keys if key.use == "receipt" and key.certificate)
    folder = tmp_path / "partners"
    folder.mkdir()
    for agency in sample_agencies():
        pem = x509.load_der_x509_certificate(own).public_bytes(Encoding.PEM)
        (folder / f"{agency.code}.pem").write_bytes(pem)
    monkeypatch.setenv("VERMILION_ARCHIVE_PARTNERS", str(folder))


@pytest.mark.usefixtures("known")
def test_what_goes_over_comes_back_with_a_receipt(place: Place, tmp_path: Path, vermilion: Run) -> None:
    """To itself: it has each package already, so that each is returned, and may go again."""
    assert vermilion(place, "archive", "keep")[0] == 0
    code, out, _ = vermilion(place, "archive", "find", "--identifier", next(iter(levels(place))))
    agency = lines(out)[0]["number"].partition("-")[0]
    to = ("--to", agency, "--to-name", "样本省档案馆")
    code, out, _ = vermilion(place, "archive", "hand-over", tmp_path, "--agency", agency, *to, *GROUND)
    (made,) = lines(out)
    assert (code, made["more"]) == (0, False)
    folder = tmp_path / made["handover"]
    code, out, err = vermilion(place, "archive", "hand-over", tmp_path, "--agency", agency, *to, *GROUND)
    assert (code, out) == (1, "")
    assert "no package can be handed over" in err

    receipt, table = tmp_path / "receipt.jws", tmp_path / "returned.csv"
    code, out, _ = vermilion(
        place, "archive", "receive", folder, receipt, "--agency", agency, "--returned", table, *GROUND
    )
    assert code == 1
    assert {(one["outcome"], one["reason"]) for one in lines(out)} == {("refused", "package_known")}
    with table.open(encoding="utf-8-sig", newline="") as file:
        assert {row["结果"] for row in csv.DictReader(file)} == {"退回"}
    code, out, _ = vermilion(place, "archive", "receipt", receipt, *GROUND)
    *refused, told = lines(out)
    assert (code, told) == (1, {"handover": made["handover"], "accepted": 0, "again": False})
    assert len(refused) == made["packages"]
    code, out, _ = vermilion(place, "archive", "handovers")
    assert (code, lines(out)[0]["state"], lines(out)[0]["accepted"]) == (0, "answered", 0)
    code, out, _ = vermilion(place, "archive", "handovers", made["handover"])
    assert {one["state"] for one in lines(out)} == {"refused"}

    code, out, _ = vermilion(place, "archive", "hand-over", tmp_path, "--agency", agency, *to, *GROUND)
    again = lines(out)[-1]["handover"]
    assert vermilion(place, "archive", "take-back", again, *GROUND)[0] == 0
    code, _, err = vermilion(place, "archive", "take-back", made["handover"], *GROUND)
    assert (code, "answered" in err) == (1, True)
    assert vermilion(place, "fsck")[:2] == (0, "0 findings\n")


def test_a_package_is_imported_or_returned(place: Place, tmp_path: Path, vermilion: Run) -> None:
    good, bad, table = tmp_path / "good.tar", tmp_path / "bad.tar", tmp_path / "returned.csv"
    good.write_bytes(PACKAGE.tar)
    bad.write_bytes(PACKAGE.tar[:-512])
    assert vermilion(place, "archive", "keep")[0] == 0
    code, out, _ = vermilion(place, "archive", "find", "--identifier", next(iter(levels(place))))
    agency = lines(out)[0]["number"].partition("-")[0]
    whence = ("--agency", agency, "--from", "A-7", "--from-name", "另一档案馆")
    code, out, _ = vermilion(place, "archive", "import", bad, *whence, "--returned", table, *GROUND)
    (told,) = lines(out)
    assert (code, told["outcome"], told["reason"]) == (1, "refused", "natures")
    assert "package_opens" in table.read_text(encoding="utf-8-sig")
    code, out, _ = vermilion(place, "archive", "import", good, *whence, *GROUND)
    (told,) = lines(out)
    assert (code, told["outcome"], told["number"]) == (0, "accepted", ABOUT.number)
    code, out, _ = vermilion(place, "archive", "find", "--number", ABOUT.number)
    assert lines(out)[0]["copies"] == {"first": "present", "second": "present"}
    code, out, _ = vermilion(place, "archive", "sweep")
    assert (code, {(one["removed"], one["unknown"]) for one in lines(out)}) == (0, {(0, 0)})
    assert vermilion(place, "archive", "renew-evidence", "--digest", "sha512")[0] == 0
    assert vermilion(place, "fsck")[:2] == (0, "0 findings\n")
