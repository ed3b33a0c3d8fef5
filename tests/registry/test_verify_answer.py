"""`vermilion verify-answer`: what a relying party filed, checked again without a network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

import registry.cli.verify_answer
from registry.cli import main
from tests.registry.issuing import issue_one
from tests.registry.relying import SIGNED, Front, front
from tests.registry.world import Ticker, World

pytestmark = pytest.mark.parametrize("database_backend", ["sqlite"])
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def site(world: World) -> Iterator[Front]:
    with front(world) as made:
        yield made


@pytest.fixture
def run(clock: Ticker, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    class AsTheClock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> AsTheClock:
            return cls.fromtimestamp(clock.now.timestamp(), tz or UTC)

    monkeypatch.setattr(registry.cli.verify_answer, "datetime", AsTheClock)

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["verify-answer", *map(str, arguments)])
        said = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, said.out, said.err

    return call


def filed(site: Front, folder: Path) -> tuple[Path, Path]:
    issued = issue_one(site.world)
    token, trust = folder / "answer.jwt", folder / "trust-list.jwt"
    token.write_bytes(site.ask({"qr": issued.link, "reference": "file 12"}, **SIGNED).data + b"\n")
    trust.write_bytes(site.http.get("/.well-known/elicence/trust-list").data)
    return token, trust


def test_it_says_who_gave_which_answer_when(site: Front, tmp_path: Path, run: Run) -> None:
    token, trust = filed(site, tmp_path)
    code, out, err = run(token, "--trust", trust)
    assert (code, err) == (0, "")
    origin = site.world.ports.settings.public_origin
    assert out.startswith(f"given by {origin} at 2026-11-20T02:30:00Z, signed by key ")
    assert f"given to    {site.party}\n" in out
    assert "  your own    file 12" in out
    assert "valid: " in out
    code, out, _ = run(token, "--trust", trust, "--json")
    told: dict[str, Any] = json.loads(out)
    assert (code, told["genuine"], told["answers"][0]["verdict"]) == (0, True, "valid")
    assert told["audience"] == site.party


def test_a_page_is_checked_as_its_answer_is(site: Front, tmp_path: Path, run: Run) -> None:
    _token, trust = filed(site, tmp_path)
    issued = issue_one(site.world)
    page = tmp_path / "page.pdf"
    page.write_bytes(site.ask({"qr": issued.link}, Accept="application/pdf").data)
    code, out, err = run(page, "--trust", trust)
    assert (code, err) == (0, "")
    assert f"given to    {site.party}\n" in out
    assert "valid: " in out
    assert b"/DisplayDocTitle true" in page.read_bytes()
    page.write_bytes(page.read_bytes().replace(b"/DisplayDocTitle true", b"/DisplayDocTitle null"))
    code, out, err = run(page, "--trust", trust, "--json")
    assert (code, json.loads(out)) == (1, {"genuine": False, "reason": "altered"})
    assert "not as it was signed" in err


def test_what_is_not_ours_ends_with_one(site: Front, tmp_path: Path, run: Run) -> None:
    token, trust = filed(site, tmp_path)
    header, payload, signature = token.read_text().strip().split(".")
    token.write_text(f"{header}.{payload}.{signature[:-4]}AAAA")
    code, out, err = run(token, "--trust", trust, "--json")
    assert (code, json.loads(out)) == (1, {"genuine": False, "reason": "bad_signature"})
    assert "signature" in err
    token.write_bytes(b"\xff" * 100)
    assert run(token, "--trust", trust)[0] == 1


def test_without_a_list_that_can_be_trusted_nothing_is_said(
    site: Front, tmp_path: Path, run: Run, clock: Ticker
) -> None:
    token, trust = filed(site, tmp_path)
    assert run(token, "--trust", trust, "--root-sha256", "0" * 64)[0] == 2
    assert run(token, "--bundle", tmp_path)[0] == 2  # it holds none
    assert run(token)[0] == run(token, "--trust", trust, "--bundle", tmp_path)[0] == 64
    clock.advance(timedelta(days=8))
    code, out, err = run(token, "--trust", trust)
    assert (code, out) == (2, "")
    assert "expired" in err
