"""`vermilion run`: what it makes, says, reuses and leaves behind."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import signal
import socket
import stat
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import pikepdf
import pytest
import zxingcpp
from PIL import Image

from registry.actor import Duty
from registry.client import Credential, call
from tests.administration import sample_key
from tests.services.places import READY, FirstStart, Running
from tests.services.running import (
    ROOT,
    Command,
    Place,
    alive,
    command,
    environment,
    line,
    listener,
    passable_folder,
    status,
    until,
)

BLOCKS = "▄▀█"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def none_left(below: Iterable[int]) -> None:
    """Those that examine files end by themselves, when they see that who made them has ended."""
    until(lambda: not [pid for pid in below if alive(pid)], "no process left")


def test_the_first_start_says_what_a_newcomer_needs(first_start: FirstStart) -> None:
    out, data = first_start.out, first_start.place.data
    assert line(out, "Public site") == f"{first_start.place.public}/"
    assert line(out, "Agency API") == f"{first_start.place.api}/"
    assert line(out, "link").startswith(f"{first_start.place.public}/c/")
    assert len(line(out, "look-up")) >= 8
    assert line(out, "PDF") == str(data / "sample" / "licence.pdf")
    assert first_start.pdf.startswith(b"%PDF-")
    permit = data / "sample" / "permit.pdf"
    assert f"  PDF         {permit}   (original and duplicate)" in out.splitlines()
    with pikepdf.open(permit) as pdf:
        assert len(pdf.pages) == 2
    assert line(out, "Credentials").startswith(str(data / "credentials"))


def test_standard_output_is_the_products_and_logs_are_json_lines_on_standard_error(
    first_start: FirstStart,
) -> None:
    assert not [row for row in first_start.out.splitlines() if row.startswith("{")]
    logged = [json.loads(row) for row in first_start.err.splitlines()]
    assert {"licences.create", "agencies.token"} <= {row.get("endpoint") for row in logged}


def test_no_secret_is_said_or_logged(first_start: FirstStart) -> None:
    """The look-up code and the link are the newcomer's to have, on standard output alone."""
    said = first_start.out + first_start.err
    secrets = [first_start.passphrase.decode().strip(), line(first_start.out, "look-up")]
    for path in (first_start.place.data / "credentials").glob("*.json"):
        value = json.loads(path.read_bytes())
        secrets += [value["client_secret"] or "", (value["client_key"] or {}).get("d", "")]
        secrets += [(value["person_key"] or {}).get("d", "")]
    for duty in Duty:
        secrets.append(json.loads(sample_key(first_start.place.data, duty).read_bytes())["person_key"]["d"])
    assert len({s for s in secrets if s}) >= 9
    assert not [s for s in secrets if s and s in first_start.err]
    assert not [s for s in secrets if s and s in said and s != line(first_start.out, "look-up")]


def test_the_data_directory_is_closed(first_start: FirstStart) -> None:
    data = first_start.place.data
    assert mode(data) == 0o711
    closed = ("keys", "documents", "fonts", "credentials", "credentials/administrators")
    assert {mode(data / name) for name in closed} == {0o700}
    assert mode(data / "keys" / "passphrase") == 0o600
    files = [path for path in (data / "credentials").rglob("*") if path.is_file()]
    assert len(files) > len(Duty)
    assert {mode(path) for path in files} == {0o600}
    assert mode(data / "database" / "registry.db") == 0o640
    assert {mode(path) for path in (data / "sample").iterdir()} == {0o600}


def test_it_stops_cleanly(first_start: FirstStart) -> None:
    assert first_start.exit_code == 0
    assert first_start.out.endswith("stopped\n")
    assert first_start.left
    none_left(first_start.left)


def test_started_again_it_reuses_everything(first_start: FirstStart, again: Running) -> None:
    for name in ("Licence", "link", "look-up", "PDF"):
        assert line(again.command.out, name) == line(first_start.out, name), name
    data = first_start.place.data
    assert (data / "sample" / "licence.pdf").read_bytes() == first_start.pdf
    assert (data / "keys" / "passphrase").read_bytes() == first_start.passphrase
    import sqlite3

    connection = sqlite3.connect(f"file:{data}/database/registry.db?mode=ro", uri=True)
    counts = {t: connection.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("licence", "seal")}
    connection.close()
    assert counts == {"licence": 2, "seal": 2}


def test_the_code_is_drawn_in_a_wide_window_and_left_out_of_none(
    first_start: FirstStart, again: Running
) -> None:
    assert not set(BLOCKS) & set(first_start.out)  # a pipe has no width
    rows = [row for row in again.command.out.splitlines() if set(row) & set(BLOCKS)]
    assert len({len(row) for row in rows}) == 1
    assert len(rows) * 2 in range(len(rows[0]) - 1, len(rows[0]) + 3)  # square: two modules a row


def test_the_terminals_code_is_the_licences_link(again: Running) -> None:
    rows = [row for row in again.command.out.splitlines() if set(row) & set(BLOCKS)]
    half = {" ": (0, 0), "▄": (0, 1), "▀": (1, 0), "█": (1, 1)}
    light = [[half[c][part] for c in row] for row in rows for part in (0, 1)]
    image = Image.new("L", (len(light[0]), len(light)))
    image.putdata([255 * value for row in light for value in row])
    image = image.resize((4 * image.width, 4 * image.height), Image.Resampling.NEAREST)
    found = zxingcpp.read_barcode(image)
    assert found is not None
    assert found.text == line(again.command.out, "link")


def _in_terminal(link: str, columns: int) -> str:
    """What a terminal of this width is shown of the code."""
    program = (
        f"from registry.cli.run import _terminal_qr; print('|'); [print(r) for r in _terminal_qr({link!r})]"
    )
    main, secondary = pty.openpty()
    fcntl.ioctl(secondary, termios.TIOCSWINSZ, struct.pack("HHHH", 200, columns, 0, 0))
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=secondary, env=environment(PYTHONIOENCODING="utf-8")
    ) as shown:
        os.close(secondary)
        data = b""
        while True:
            try:
                part = os.read(main, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            data += part
        os.close(main)
    assert shown.returncode == 0
    return data.decode()


def test_a_window_too_narrow_gets_no_code(first_start: FirstStart) -> None:
    link = line(first_start.out, "link")
    wide = _in_terminal(link, 250)
    width = max(len(row.rstrip("\r")) for row in wide.split("\n"))
    assert set(BLOCKS) & set(_in_terminal(link, width))
    assert not set(BLOCKS) & set(_in_terminal(link, width - 1))


def test_a_token_by_the_demonstrations_shared_secret(first_start: FirstStart, again: Running) -> None:
    """The form that `run` names for curl; the secret is in the file alone."""
    shown = line(again.command.out, "a token")
    form = first_start.place.data / "credentials" / "demo-secret.form"
    assert shown == f"curl --data @{form} {again.place.api}/oauth2/token"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = call("POST", f"{again.place.api}/oauth2/token", body=form.read_bytes(), headers=headers)
    assert answer.expect(200).json()["token_type"].lower() == "bearer"
    credential = Credential.load(form.with_suffix(".json"))
    assert credential.client_secret
    assert credential.client_secret not in again.command.out + again.command.err


def test_a_data_directory_has_a_passphrase_of_its_own(first_start: FirstStart, empty_place: Place) -> None:
    """And killed at each stage of its first start, it is made whole by the next one."""
    stages: dict[str, Callable[[Command], bool]] = {
        "passphrase": lambda _run: (empty_place.data / "keys" / "passphrase").exists(),
        "database": lambda _run: (empty_place.data / "database" / "registry.db-wal").exists(),
        "credentials": lambda _run: any((empty_place.data / "credentials").glob("*.json")),
        "a seal half made": lambda run: '"endpoint":"seals.making"' in run.err,
    }
    for stage, reached in stages.items():
        with command("run", settings=empty_place.settings) as run:
            until(lambda: reached(run) or run.process.poll() is not None, stage)  # noqa: B023
            below = run.descendants()
            assert run.stop(signal.SIGKILL) == -signal.SIGKILL, (stage, run.err)
            none_left(below)
    with command("run", settings=empty_place.settings) as run:
        run.said(READY)
        assert empty_place.verdict(line(run.out, "link")) == "valid"
        # a start interrupted in the middle of the seal life goes on with that seal
        from registry.sample_registry import People

        people = People.load(empty_place.data / "credentials", empty_place.api)
        assert len(people["keeper"].get("/api/v1/seals").expect(200).json()["seals"]) == 1
    passphrase = (empty_place.data / "keys" / "passphrase").read_bytes()
    assert len(passphrase) >= 40
    assert passphrase != first_start.passphrase


@pytest.mark.parametrize("which", ["api", "authority", "public"])
def test_a_port_in_use_is_one_clear_line(empty_place: Place, which: str) -> None:
    port = getattr(empty_place, f"{which}_port")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen(1)
        with command("run", settings=empty_place.settings) as run:
            assert run.ended() == 1
            assert run.out == ""
            assert run.err == (
                f"vermilion: port {port} of 127.0.0.1 is in use: choose another by VERMILION_API_PORT, "
                "VERMILION_AUTHORITY_PORT or VERMILION_PUBLIC_PORT\n"
            )
    assert not empty_place.data.exists()


def test_two_services_have_no_port_in_common(empty_place: Place) -> None:
    """They would share it without a word, and each answer half of the other's requests."""
    shared = replace(empty_place, authority_port=empty_place.api_port)
    with command("run", settings=shared.settings) as run:
        assert run.ended() == 1
        assert f"port {shared.api_port} of 127.0.0.1 is in use" in run.err
    assert not shared.data.exists()


def test_a_service_killed_ends_the_other_and_is_named(place: Place) -> None:
    with command("run", settings=place.settings) as run:
        run.said(READY)
        below = run.descendants()
        (worker,) = listener(place.public_port)
        os.kill(worker, signal.SIGKILL)  # the server starts another one
        until(lambda: listener(place.public_port) - {worker}, "another worker")
        until(lambda: place.answers(place.public_port), "an answer")
        (worker,) = listener(place.public_port)
        os.kill(int(status(worker)["PPid"]), signal.SIGKILL)
        assert run.ended() == 1
        assert run.err.splitlines()[-1] == "vermilion: the public site ended by itself by SIGKILL"
        none_left(below)


def test_an_interrupt_stops_it_while_it_starts_and_when_it_runs(place: Place) -> None:
    with command("run", settings=place.settings) as run:
        until(run.descendants, "the first child")
        until((place.data / "database" / "registry.db-wal").exists, "the database open")
        below = run.descendants()
        assert run.stop(signal.SIGINT) == 0
        assert run.out == "stopped\n"
        none_left(below)
    with command("run", settings=place.settings) as run:
        run.said(READY)
        below = run.descendants()
        assert run.stop(signal.SIGINT) == 0
        assert "Traceback" not in run.err
        none_left(below)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with passable_folder() as folder:
        (folder / "var").touch()
        place = Place(folder / "var" / "inside")
        with command("run", settings=place.settings) as run:
            assert run.ended() == 1
            assert "Traceback" not in run.err
            assert str(folder / "var") in run.err


def test_run_is_what_make_runs() -> None:
    assert "vermilion run" in (ROOT / "Makefile").read_text()
