"""The link of one licence with the fragment of another is `altered` wherever the fragment is seen."""

from __future__ import annotations

from pathlib import Path

from tests.browser.site import serve
from tests.integration.province import Paper, Province
from tests.registry.world import on_sqlite


def swapped(province: Province, agencies: tuple[str, str] = ("own", "own")) -> tuple[Paper, Paper, str]:
    """Two licences of one holder and one agency, alike but for their numbers; and A's path with B's code."""
    first, second = (province.issue(agency) for agency in agencies)
    return first, second, f"{first.address}#{second.fragment}"


def test_by_the_service(province: Province) -> None:
    first, second, text = swapped(province)
    rows = len(province.alarm_rows())
    for member in ("link", "qr"):
        answer = province.check_link(text, member)
        assert (answer.code, answer.verdict, answer.results[0]) == (200, "altered", "failed")
    back = province.check_link(f"{second.address}#{first.fragment}")
    assert back.verdict == "altered"
    # Each fragment is rightly signed, but for another link: no key was misused.
    assert len(province.alarm_rows()) == rows
    assert [province.check_link(p.link).verdict for p in (first, second)] == ["valid", "valid"]


def test_between_types_and_agencies(province: Province) -> None:
    _, _, text = swapped(province, ("own", "other"))
    assert province.check_link(text).verdict == "altered"
    assert province.offline(text).verdict == "altered"


def test_by_the_command(province: Province) -> None:
    _, _, text = swapped(province)
    for answer in (province.online(text), province.offline(text)):
        assert (answer.code, answer.verdict) == (1, "altered")


@on_sqlite
def test_by_the_command_in_a_process_of_its_own_and_through_the_service(
    province: Province, tmp_path: Path
) -> None:
    first, second, text = swapped(province)
    done = province.command(text, "--trust", province.trust_file)
    assert done.returncode == 1
    assert done.stdout.startswith("altered: ")
    with serve(lambda _port: province.site) as served:
        for subject, expected in ((text, (1, "altered")), (first.link, (0, "valid"))):
            answer = province.verify(subject, "--service", served.origin)
            assert (answer.code, answer.verdict) == expected
        path = tmp_path / "second.pdf"
        path.write_bytes(second.pdf)
        assert province.verify(path, "--service", served.origin).verdict == "valid"
        path.write_bytes(second.pdf + b"\n")
        assert province.verify(path, "--service", served.origin).verdict == "altered"
