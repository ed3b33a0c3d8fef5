"""`vermilion issue --batch` against a service of its own, which is killed in the middle and comes back."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any

import click
import pytest

from keys.errors import VermilionError
from registry.cli.batch import PATIENCE, Seen, issue_batch, save_documents
from registry.client import Answer, ApiClient, Credential
from tests.answering import answering, http
from tests.registry.issuing import food_number
from tests.services.places import FirstStart
from tests.services.running import Command, Place, command, copy_of, environment, passable_folder, until

_numbers = count(700_001)


@dataclass
class Office:
    """A service of the agency API alone, whose claims and leases lapse quickly, and a client's credential."""

    place: Place
    credential: Path
    running: list[contextlib.ExitStack] = field(default_factory=list)
    api: Command | None = None

    @property
    def settings(self) -> dict[str, Any]:
        return {**self.place.settings, "VERMILION_LEASE_SECONDS": 5}

    def start(self) -> None:
        stack = contextlib.ExitStack()
        self.running.append(stack)
        self.api = stack.enter_context(command("serve-api", settings=self.settings))
        until(lambda: self.place.answers(self.place.api_port), "the API answers")

    def kill(self) -> None:
        """No process of the service ends in order."""
        assert self.api is not None
        for pid in (self.api.process.pid, *self.api.descendants()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.api.process.wait()

    def close(self) -> None:
        for stack in self.running:
            stack.close()

    def requests(self, lines: int) -> list[dict[str, Any]]:
        sample = json.loads((self.place.data / "sample" / "request.json").read_bytes())
        return [sample | {"number": food_number(next(_numbers))} for _ in range(lines)]

    def client(self) -> ApiClient:
        return ApiClient(Credential.load(self.credential))

    def ask(self, query: str) -> Any:
        """One value of the database."""
        path = self.place.data / "database" / "registry.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            return connection.execute(query).fetchone()[0]

    @contextlib.contextmanager
    def intents_open(self, watching: Command) -> Iterator[None]:
        """While some are, which nobody can change meanwhile."""
        begun = "SELECT count(*) FROM intent WHERE state = 'open'"
        path = self.place.data / "database" / "registry.db"
        deadline = time.monotonic() + PATIENCE
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
            while True:  # asked without a pause: a fast machine has them open for a moment
                assert time.monotonic() < deadline, watching.err
                if not self.ask(begun):
                    continue
                connection.execute("BEGIN IMMEDIATE")
                if self.ask(begun):
                    break
                connection.execute("ROLLBACK")
            yield

    @property
    def licences(self) -> int:
        return int(self.ask("SELECT count(*) FROM edition"))


@pytest.fixture(scope="module")
def office(first_start: FirstStart) -> Iterator[Office]:
    with passable_folder() as folder:
        place = Place(copy_of(first_start.place.data, folder))
        credential = folder / "credential.json"
        value = json.loads((place.data / "credentials" / "agency-system.json").read_bytes())
        credential.write_text(json.dumps(value | {"api": place.api}))
        made = Office(place, credential)
        try:
            made.start()
            yield made
        finally:
            made.close()


def written(folder: Path, requests: list[Any]) -> Path:
    path = folder / "requests.ndjson"
    path.write_text("".join(json.dumps(request, ensure_ascii=False) + "\n" for request in requests))
    return path


def run(office: Office, *arguments: object) -> tuple[int, str, str]:
    """The command as a process of its own: exit code, standard output, standard error."""
    options = ("--batch", "--credential", str(office.credential))
    with command("issue", *map(str, arguments), *options, settings={}) as ran:
        return ran.ended(), ran.out, ran.err


def on_a_terminal(office: Office, *arguments: object) -> tuple[int, str]:
    """The command with a terminal for its standard error: exit code, and what that showed."""
    ours, its = pty.openpty()
    words = ("issue", *map(str, arguments), "--batch", "--credential", str(office.credential))
    process = subprocess.Popen(
        [sys.executable, "-m", "registry", *words],
        stdout=subprocess.DEVNULL, stderr=its, env=environment(TERM="xterm"), cwd="/",
    )  # fmt: skip
    os.close(its)
    shown = b""
    with contextlib.suppress(OSError):  # a terminal whose last writer is gone
        while piece := os.read(ours, 4096):
            shown += piece
    os.close(ours)
    return process.wait(60), shown.decode()


def test_every_line_is_issued_and_the_same_command_again_issues_nothing(
    office: Office, tmp_path: Path
) -> None:
    before, file, target = office.licences, written(tmp_path, office.requests(3)), tmp_path / "all.zip"
    code, out, err = run(office, file, "--save", target)
    assert code == 0, err
    batch = json.loads(out)
    assert (batch["state"], batch["counts"]) == ("done", {"issued": 3})
    with zipfile.ZipFile(target) as opened:
        assert opened.testzip() is None
        names = opened.namelist()
        sums = [sha256(opened.read(name)).hexdigest() for name in names]
    items = office.client().get(batch["items"]).json()["items"]
    assert sums == [item["document"]["sha256"] for item in items]
    code, out, _ = run(office, file)
    assert (code, json.loads(out)["id"]) == (0, batch["id"])
    assert office.licences == before + 3
    assert list(tmp_path.glob("*.part")) == []


def test_a_wrong_line_is_named_and_nothing_is_issued(office: Office, tmp_path: Path) -> None:
    before = office.licences
    good, bad = office.requests(2)
    fields = bad["fields"] | {"credit_code": "91990100MA00000000", "valid_to": "2026-02-30"}
    file = written(tmp_path, [good, bad | {"fields": fields}, {"type": 1}])
    code, out, err = run(office, file)
    assert code == 65
    assert json.loads(out)["state"] == "refused"
    assert "line 2: /fields/credit_code: " in err
    assert "line 2: /fields/valid_to: " in err
    assert "line 3: /type: " in err
    assert "line 1" not in err
    assert "91990100MA00000000" not in err
    assert "2 of 3 lines are not right; nothing is issued." in err
    file.write_bytes(b"type,seal\n1,2\n")
    code, out, err = run(office, file.rename(tmp_path / "requests.csv"))
    assert (code, out) == (1, "")
    assert "/operator: the header lacks it" in err
    assert office.licences == before


def test_a_dry_run_is_another_batch_than_the_one_that_is_issued(office: Office, tmp_path: Path) -> None:
    before, file = office.licences, written(tmp_path, office.requests(1))
    code, out, err = run(office, file, "--dry-run")
    assert (code, json.loads(out)["state"], office.licences) == (0, "checked", before), err
    code, shown = on_a_terminal(office, file)
    assert (code, office.licences) == (0, before + 1)
    assert re.search(r"(Checking|Issuing) +\[#+\] +100%", shown), shown


def test_an_archive_that_lacks_a_document_is_no_archive(office: Office, tmp_path: Path) -> None:
    """The service cannot say so any more once it has begun: it breaks off, and the command notices."""
    file, target = written(tmp_path, office.requests(2)), tmp_path / "all.zip"
    assert run(office, file)[0] == 0
    edition = office.ask("SELECT edition_id FROM batch_item WHERE line = 2 ORDER BY rowid DESC LIMIT 1")
    document = office.place.data / "documents" / edition[:2] / f"{edition}.enc"
    away = document.rename(tmp_path / "away")
    try:
        code, out, err = run(office, file, "--save", target)
    finally:
        away.rename(document)
    assert (code, out) == (1, "")
    assert "ended too early" in err
    assert not target.exists()
    assert run(office, file, "--save", target)[0] == 0
    with zipfile.ZipFile(target) as opened:
        assert opened.testzip() is None


def test_a_batch_that_was_cancelled_is_issued_in_part(office: Office, tmp_path: Path) -> None:
    lines = 1000  # far more than can be issued before the next request comes
    file, client = written(tmp_path, office.requests(lines)), office.client()
    key = f"batch-{sha256(file.read_bytes()).hexdigest()}"
    with file.open("rb") as body:
        size = file.stat().st_size
        sent = client.post_file("/api/v1/batches", body, size, "application/x-ndjson", idempotency_key=key)
    client.post(f"{sent.headers['location']}/cancel", {"operator": "window-03"}).expect(200)
    code, out, err = run(office, file)
    assert code == 2
    counts = json.loads(out)["counts"]
    assert counts["cancelled"] > 0
    assert f"{counts.get('issued', 0)} of {lines} lines are issued" in err


def test_the_service_is_killed_in_the_middle_and_goes_on(office: Office, tmp_path: Path) -> None:
    """Intents are open, or some lines issued and others not. Whoever watches goes on watching; nothing is issued
    twice, and every line is issued.
    """
    lines, before, target = 200, office.licences, tmp_path / "all.zip"
    file = written(tmp_path, office.requests(lines))
    arguments = (str(file), "--batch", "--credential", str(office.credential), "--save", str(target))
    with command("issue", *arguments, settings={}) as watching:
        with office.intents_open(watching):
            office.kill()
        assert office.licences < before + lines
        lapse = "SELECT coalesce(max(lease_until), '') FROM intent WHERE state = 'open'"
        until(lambda: office.ask(lapse) < datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S"), "leases lapse")
        office.start()
        assert watching.ended() == 0, watching.err
        batch = json.loads(watching.out)
    assert batch["counts"] == {"issued": lines}
    assert office.licences == before + lines
    assert office.ask(
        "SELECT count(DISTINCT edition_id) FROM batch_item WHERE state = 'issued'"
    ) == office.ask("SELECT count(*) FROM batch_item WHERE state = 'issued'")
    with zipfile.ZipFile(target) as opened:
        assert len(opened.namelist()) == lines
    with command("fsck", settings=office.settings) as check:
        assert (check.ended(), check.out) == (0, "0 findings\n")


# --- what the other side may answer ----------------------------------------------------------------------

BATCH = {"id": "0" * 32, "state": "done", "lines": 2, "counts": {"issued": 2}}


def api_at(address: str) -> ApiClient:
    client = ApiClient(Credential(address, "0" * 32, None, "s"))
    client._token, client._until = "t", float("inf")
    return client


@pytest.mark.parametrize(
    "told",
    [
        {}, [], BATCH | {"id": "../x"}, BATCH | {"lines": "2"}, BATCH | {"counts": {"issued": -1}},
        BATCH | {"counts": 2}, BATCH | {"state": "\x1b[2J"}, BATCH | {"lines": True},
    ],
)  # fmt: skip
def test_an_answer_that_is_no_batch_is_refused(told: object) -> None:
    with pytest.raises(VermilionError):
        Seen.of(Answer(202, {}, json.dumps(told).encode()))


def test_an_archive_that_breaks_off_leaves_no_file(tmp_path: Path) -> None:
    seen = Seen.of(Answer(200, {}, json.dumps(BATCH).encode()))
    target = tmp_path / "all.zip"
    target.write_bytes(b"of before")
    cut = http(b"PK..", content_type="application/zip").replace(b"Content-Length: 4", b"Content-Length: 5")
    for raw in (cut, http(b"{}", "409 Conflict")):
        with answering(raw) as address, pytest.raises(VermilionError):
            save_documents(api_at(address), seen, target)
        assert target.read_bytes() == b"of before"
        assert list(tmp_path.iterdir()) == [target]


def test_a_service_that_stays_away_is_given_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = written(tmp_path, [{}])
    waits: list[float] = []
    with contextlib.ExitStack() as serving:
        raw = http(json.dumps(BATCH | {"state": "issuing", "counts": {"waiting": 2}}).encode())
        address = serving.enter_context(answering(raw))

        def wait(seconds: float) -> None:
            serving.close()
            waits.append(seconds)

        with pytest.raises(click.exceptions.Exit) as ended:
            issue_batch(api_at(address), file, idempotency_key=None, dry_run=False, wait=wait)
    assert ended.value.exit_code == 75
    assert len(waits) == 1 + PATIENCE
    assert "watches the batch again" in capsys.readouterr().err


def test_an_interrupt_says_that_the_batch_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_seconds: float) -> None:
        raise KeyboardInterrupt

    raw = http(json.dumps(BATCH | {"state": "issuing", "counts": {"waiting": 2}}).encode())
    with answering(raw) as address, pytest.raises(click.Abort):
        issue_batch(
            api_at(address), written(tmp_path, [{}]), idempotency_key=None, dry_run=False, wait=interrupted
        )
    assert "The batch goes on" in capsys.readouterr().err
