"""`vermilion archive …` on the registry of a first start."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from registry.actor import Duty
from registry.archive.tables import ArchivePackage
from registry.licences.tables import Edition, TypeVersion
from tests.administration import sample_key
from tests.cli.conftest import Run
from tests.cli.test_administration import at
from tests.cli.test_archive import levels
from tests.services.running import Place, copy_of


def lines(out: str) -> list[Any]:
    return [json.loads(line) for line in out.splitlines()]


def test_what_was_issued_is_kept_found_read_restored_and_checked(
    place: Place, tmp_path: Path, vermilion: Run
) -> None:
    assert vermilion(place, "archive", "keep")[0] == 0
    assert vermilion(place, "fsck")[:2] == (0, "0 findings\n")
    identifiers = list(levels(place))
    packages = []
    for identifier in identifiers:
        code, out, _ = vermilion(place, "archive", "find", "--identifier", identifier)
        (package,) = lines(out)
        assert (code, package["copies"]) == (0, {"first": "present", "second": "present"})
        packages.append(package)
    code, out, _ = vermilion(place, "archive", "statistics")
    assert sum(one.get("packages", 0) for one in lines(out)) == len(identifiers)

    first = packages[0]["package"]
    lost = place.data / "archive" / "first" / first[:2] / f"{first}-1.tar"
    lost.unlink()
    code, out, _ = vermilion(place, "archive", "audit")
    assert code == 1
    assert {"package": first, "store": "first", "repaired": True} in lines(out)
    assert lost.exists()

    drill = tmp_path / "drill"
    code, out, _ = vermilion(place, "archive", "restore-drill", str(drill), "--store", "second")
    assert (code, json.loads(out)["restored"]) == (0, len(identifiers))
    assert {path.name for path in drill.iterdir()} == {one["package"] for one in packages} | {
        "report.json",
        "report.tst",
    }
    code, out, _ = vermilion(place, "archive", "check", str(lost), "--sha256", packages[0]["sha256"])
    assert code == 0
    assert {one["nature"] for one in lines(out)} == {"authenticity", "integrity", "usability", "security"}
    lost.write_bytes(lost.read_bytes()[:-512])
    assert vermilion(place, "archive", "check", str(lost))[0] == 1


GROUND = ("--legal-basis", "《机关文件材料归档范围和文书档案保管期限规定》", "--reason", "term_over")


def test_two_dispose_of_what_is_over_and_a_hold_keeps_it(
    place: Place, tmp_path: Path, vermilion: Run
) -> None:
    place = Place(copy_of(place.data, tmp_path))  # others share it
    keys = {duty: ("--key", str(sample_key(place.data, duty))) for duty in Duty}
    system, security = keys[Duty.SYSTEM], keys[Duty.SECURITY]
    vermilion(place, "archive", "keep")
    identifier = next(iter(levels(place)))
    (package,) = lines(vermilion(place, "archive", "find", "--identifier", identifier)[1])
    number = package["number"]
    with at(place) as machine, machine.database.transaction() as session:
        kind = session.scalars(select(TypeVersion.code).limit(1)).one()
        over = {"retention": "10", "retention_until": date(2020, 12, 31)}
        session.execute(update(ArchivePackage).where(ArchivePackage.number == number).values(**over))
        ended = update(Edition).where(Edition.identifier == identifier).values(status="ended", how="revoked")
        session.execute(ended)

    code, out, err = vermilion(place, "archive", "retention", "set", "type", kind, "30", *GROUND, *system)
    assert (code, out) == (0, f"type {kind}: 30\n"), err
    (decided,) = lines(vermilion(place, "archive", "retention", "list")[1])
    assert (decided["code"], decided["retention"]) == (kind, "30")
    code, _, err = vermilion(place, "archive", "retention", "set", "matter", "NONE", "30", *GROUND, *system)
    assert (code, "no such matter" in err) == (1, True)
    assert [one["number"] for one in lines(vermilion(place, "archive", "dispose", "due")[1])] == [number]
    code, out, err = vermilion(place, "archive", "hold", number, *GROUND, *security)
    assert code == 0, err
    hold = out.strip()
    assert [one["hold"] for one in lines(vermilion(place, "archive", "holds")[1])] == [hold]
    code, _, err = vermilion(place, "archive", "dispose", "ask", number, *GROUND, *system)
    assert (code, "held" in err) == (1, True)
    assert vermilion(place, "archive", "release", hold, *GROUND, *security)[:2] == (0, f"{number}\n")
    assert len(lines(vermilion(place, "archive", "holds", "--number", number)[1])) == 1

    code, out, err = vermilion(place, "archive", "dispose", "ask", number, *GROUND, *system)
    assert code == 0, err
    first = out.strip()
    assert (
        vermilion(place, "archive", "dispose", "refuse", first, *GROUND, *security)[1] == f"{first} refused\n"
    )
    second = vermilion(place, "archive", "dispose", "ask", number, *GROUND, *system)[1].strip()
    code, _, err = vermilion(place, "archive", "dispose", "approve", second, *GROUND, *system)
    assert (code, "duty of security_admin" in err) == (1, True)
    code, out, _ = vermilion(place, "archive", "dispose", "approve", second, *GROUND, *security)
    assert (code, out) == (0, f"{second} approved\n")
    code, out, _ = vermilion(place, "archive", "dispose", "carry-out")
    assert (code, lines(out)) == (
        0,
        [{"number": number, "outcome": "disposed"}, {"disposal": second, "outcome": "done"}],
    )
    states = {
        one["disposal"]: one["state"] for one in lines(vermilion(place, "archive", "dispose", "list")[1])
    }
    assert states == {first: "refused", second: "done"}
    (item,) = lines(vermilion(place, "archive", "dispose", "list", "--disposal", second)[1])
    assert item == {"number": number, "state": "disposed", "reason": None}
    out_file = tmp_path / "certificate.json"
    assert vermilion(place, "archive", "dispose", "certificate", second, str(out_file))[0] == 0
    assert json.loads(out_file.read_text())["disposed"][0]["number"] == number
    assert out_file.with_name("certificate.json.tst").read_bytes()
    assert vermilion(place, "archive", "dispose", "certificate", first, str(out_file))[0] == 1
    (found,) = lines(vermilion(place, "archive", "find", "--number", number)[1])
    assert (found["state"], found["tombstone"]["disposal"]) == ("disposed", second)
    path = place.data / "archive" / "second" / package["package"][:2]
    assert not list(path.glob(f"{package['package']}-*"))
