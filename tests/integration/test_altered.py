"""A file of which one byte was changed, to which anything was added, or whose signature was taken away, gets
neither positive answer: not from the service, not from the command with the trust file alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import chain
from pathlib import Path

import pytest

from tests.integration.province import POSITIVE, Paper, Province
from tests.registry.world import on_sqlite
from tests.signing.alter import alterations, attacks, changed_at

SEED = 20261120
POSITIONS, IN_THE_GAP = 1000, 200
FEW, FEW_IN_THE_GAP = 150, 30


def refused(province: Province, name: str, data: bytes, path: Path) -> tuple[str, str]:
    """The answers of the service and of the command, neither of which may be positive."""
    service = province.check_file(data)
    assert service.code == 200, name
    assert service.verdict not in POSITIVE, name
    path.write_bytes(data)
    command = province.offline(path)
    assert command.verdict not in POSITIVE, name
    assert command.code == 1, name
    return service.verdict, command.verdict


def control(province: Province, paper: Paper, path: Path) -> None:
    """The same two ways say yes to the file as it is, so they can."""
    path.write_bytes(paper.pdf)
    assert (province.check_file(paper.pdf).verdict, province.offline(path).verdict) == (
        "valid",
        "genuine_offline",
    )


@pytest.mark.long(short="test_a_hundred_changed_bytes")
@on_sqlite
@pytest.mark.parametrize("paper", ["own"], indirect=True)
def test_a_thousand_changed_bytes(province: Province, paper: Paper, tmp_path: Path) -> None:
    changed(province, paper, tmp_path, SEED, POSITIONS, IN_THE_GAP)


@on_sqlite
@pytest.mark.parametrize("paper", ["own"], indirect=True)
def test_a_hundred_changed_bytes(
    province: Province, paper: Paper, tmp_path: Path, tell: Callable[[str], None]
) -> None:
    """Others than the long test's."""
    changed(province, paper, tmp_path, SEED + 2, FEW, FEW_IN_THE_GAP)
    tell(f"{FEW} bytes changed, {FEW_IN_THE_GAP} of them in the signature; {POSITIONS} by `make test-long`")


def changed(
    province: Province, paper: Paper, folder: Path, seed: int, positions: int, in_the_gap: int
) -> None:
    path = folder / "licence.pdf"
    control(province, paper, path)
    before = len(province.alarm_rows())
    answers: Counter[tuple[str, str]] = Counter()
    places = set()
    for name, data in alterations(paper.pdf, seed, positions, in_the_gap):
        answers[refused(province, name, data, path)] += 1
        places.add(changed_at(paper.pdf, data))
    assert len(places) == positions
    # No change of a byte is a sign of a stolen key.
    assert len(province.alarm_rows()) == before
    # Nearly all of them bear our seal and are called what they are; the rest no longer show whose they were.
    assert answers["altered", "altered"] > 0.9 * positions, answers


@on_sqlite
def test_whatever_is_added_or_taken_away(province: Province, paper: Paper, tmp_path: Path) -> None:
    path = tmp_path / "licence.pdf"
    control(province, paper, path)
    for name, data in attacks(paper.pdf):
        assert data != paper.pdf, name
        refused(province, name, data, path)


@on_sqlite
def test_the_file_of_another_type_appended(province: Province, tmp_path: Path) -> None:
    ours, theirs = province.issue("own"), province.issue("other")
    for name, data in (("appended", ours.pdf + theirs.pdf), ("prefixed", theirs.pdf + ours.pdf)):
        refused(province, name, data, tmp_path / "licence.pdf")


@on_sqlite
@pytest.mark.parametrize("paper", ["own"], indirect=True)
def test_the_command_alone_without_database_service_or_network(
    province: Province, paper: Paper, bare: dict[str, str], tmp_path: Path
) -> None:
    """A handful of the same, each in a process of its own that holds nothing a relying party has not."""
    path = tmp_path / "licence.pdf"
    removed = dict(attacks(paper.pdf))
    some = chain(
        alterations(paper.pdf, SEED + 1, 3, 2),
        [(name, removed[name]) for name in ("appended newline", "signature removed, written again")],
    )
    for name, data in some:
        path.write_bytes(data)
        done = province.command(path, "--trust", province.trust_file, environment=bare)
        assert (done.returncode, done.stderr) == (1, ""), name
        assert done.stdout.partition(":")[0] in {"altered", "not_recognised"}, name


@pytest.mark.parametrize("paper", ["own"], indirect=True)
def test_a_registered_digest_is_of_these_bytes_alone(province: Province, paper: Paper) -> None:
    """On both databases: a look-up by digest matches no near one."""
    for data in (paper.pdf[:-1], paper.pdf + b"\n", paper.pdf.replace(b"%PDF-1.7", b"%PDF-1.6", 1)):
        assert data != paper.pdf
        assert province.check_file(data).verdict == "altered"
    assert province.check_file(paper.pdf).verdict == "valid"
