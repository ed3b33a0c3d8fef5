"""The kit itself: what it refuses to begin, what it does about a client that says nothing, and how it ends."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import pytest

from registry.cli import main
from registry.conform.checks import SERVER
from tests.conform.sandboxes import Sandbox, altered


def ended(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    with pytest.raises(SystemExit) as done:
        main(["conform", *map(str, arguments)])
    assert isinstance(done.value.code, int)
    return done.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    "wrong",
    [
        ("--base-url", "http://localhost?x=1"),
        ("--base-url", "file:///etc"),
        ("--base-url", "http://user@localhost"),
        ("--client", ""),
        ("--client", "'"),
        ("--listen", "nowhere"),
        ("--zone", "Nowhere/Else"),
        ("--minutes", "0"),
    ],
    ids=" ".join,
)
def test_wrong_usage(sandbox: Sandbox, capsys: pytest.CaptureFixture[str], wrong: tuple[str, str]) -> None:
    right = {"--base-url": sandbox.place.api, "--credential": str(sandbox.credential)} | dict([wrong])
    code, said = ended(capsys, *(word for pair in right.items() for word in pair))
    assert (code, wrong[0] in said) == (64, True), said


def test_a_registry_that_is_no_sandbox_is_wrong_usage(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    def in_force(_method: str, _path: str, told: dict[str, bytes]) -> None:
        told["body"] = told["body"].replace(b'"specimen":true', b'"specimen":false')

    with altered(sandbox, in_force) as address:
        code, said = ended(
            capsys, "--base-url", address, "--credential", sandbox.credential,
            "--audience", f"{sandbox.place.api}/oauth2/token",
        )  # fmt: skip
    assert (code, "no sandbox" in said) == (64, True), said


def test_a_credential_that_others_can_read_is_refused(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "credential.json"
    copy.write_bytes(sandbox.credential.read_bytes())
    copy.chmod(0o644)
    code, said = ended(capsys, "--base-url", sandbox.place.api, "--credential", copy)
    assert (code, "by others" in said) == (1, True), said


def test_a_client_that_is_none_passes_nothing(sandbox: Sandbox) -> None:
    """It echoes what it is told: no answer is one, and after three steps it is told no more."""
    begun = time.monotonic()
    report = sandbox.found(client=["cat"], sides=frozenset({"client"}), step_seconds=1)
    assert not report.passed
    assert report.count("passed") == 0
    assert time.monotonic() - begun < 20
    report = sandbox.found(client=[sys.executable, "-c", ""], sides=frozenset({"client"}), step_seconds=1)
    assert (report.passed, report.count("passed")) == (False, 0)


def test_a_client_that_can_do_little_is_judged_by_that(sandbox: Sandbox, tmp_path: Path) -> None:
    program = tmp_path / "little.py"
    program.write_text(
        "import sys, json\n"
        "for line in sys.stdin:\n"
        "    step = json.loads(line)\n"
        "    can = 'done' if step['do'] in ('connect', 'who') else 'not_supported'\n"
        "    print(json.dumps({'step': step['step'], 'outcome': can}), flush=True)\n"
    )
    report = sandbox.found(client=[sys.executable, str(program)], sides=frozenset({"client"}))
    found = {one.check.id: (one.outcome, one.seen) for one in report.results}
    assert found["client.connect"][0] == "passed"
    assert found["client.issue"] == ("skipped", "the client does not do this")


def test_nothing_is_begun_when_the_time_is_over(sandbox: Sandbox) -> None:
    report = sandbox.found(sides=frozenset({"server"}), minutes=0)
    assert {(one.outcome, one.seen) for one in report.results} == {("skipped", "the time was over")}
    assert len(report.results) == len(SERVER)
    assert not report.passed


def test_requests_of_another_type_come_from_a_file(
    sandbox: Sandbox, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    permit = json.loads((sandbox.place.data / "sample" / "permit-request.json").read_bytes())
    permit["number"] = permit["number"][:-3] + "999"  # not the sample's own, which is issued
    credential = sandbox.place.data / "credentials" / "transport-agency-system.json"
    file = tmp_path / "requests.json"
    told = {"requests": [permit], "amend": {"x": "y"}, "correct": {"x": "y"}, "renew": {"x": "y"}}
    file.write_text(json.dumps(told))
    arguments = ("--base-url", sandbox.place.api, "--credential", credential, "--audience",
                 f"{sandbox.place.api}/oauth2/token", "--only", "server")  # fmt: skip
    code, said = ended(capsys, *arguments)
    assert (code, "--requests" in said) == (64, True), said
    report = sandbox.found(
        credential=credential, requests=file, sides=frozenset({"server"}), minutes=0,
    )  # fmt: skip
    assert report.count("skipped") == len(SERVER)
    for wrong in ({}, {**told, "requests": []}, {**told, "requests": [1]}, {**told, "more": 1}):
        file.write_text(json.dumps(wrong))
        assert ended(capsys, *arguments, "--requests", file)[0] == 1
