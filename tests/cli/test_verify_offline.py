"""`vermilion verify --bundle` answers a code as the page does that has the same lists on a device."""

from __future__ import annotations

import json
from datetime import UTC, datetime, tzinfo
from pathlib import Path

import pytest
from click.testing import CliRunner

import registry.cli.verify
from registry.cli.verify import verify
from signing.bundle import TRUST_LIST, status_path
from signing.verdict import Verdict, exit_code, instant
from tests.signing.offline_cases import OfflineCase, offline_cases

SKIPPED = {
    "the trust list is older than one seen before": "a command remembers nothing of the one before it",
    "no link": "what is no link is the name of a file",
}


def clock_at(moment: datetime) -> type[datetime]:
    class Then(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Then:
            return cls.fromtimestamp(moment.timestamp(), tz or UTC)

    return Then


def bundle_of(case: OfflineCase, folder: Path) -> Path:
    for path, data in (
        (TRUST_LIST, case.trust.encode()),
        *((status_path(number), token) for number, token in case.lists.items()),
    ):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    return folder


def test_a_bundle_gives_the_answers_that_a_device_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skipped = set()
    for number, case in enumerate(offline_cases(tmp_path / "made")):
        if case.name in SKIPPED:
            skipped.add(case.name)
            continue
        folder = bundle_of(case, tmp_path / str(number))
        monkeypatch.setattr(registry.cli.verify, "datetime", clock_at(case.at))
        asked = [
            case.text,
            "--bundle",
            str(folder),
            "--root-sha256",
            case.root_sha256,
            "--json",
            "--no-catch-all",
        ]
        done = CliRunner().invoke(verify, asked)
        answer = json.loads(done.stdout)
        reasons = tuple(answer["checks"][name]["reason"] for name in ("content", "issuer", "status"))
        assert (answer["verdict"], *reasons) == case.want, case.name
        assert answer["as_of"] == instant(case.as_of), case.name
        assert done.exit_code == exit_code(Verdict(case.want[0])), case.name
        assert bool(done.stderr) == (case.refused is not None), case.name
    assert skipped == set(SKIPPED)
