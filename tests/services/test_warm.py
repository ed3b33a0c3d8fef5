"""A command that is forked warm is what a command that was started is, but for the time it takes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import warm
from tests.services.running import Place, command, environment

SAYS = """
import json, os, signal, sys, threading
def main():
    print("told", file=sys.stderr)
    print(json.dumps({
        "arguments": sys.argv[1:], "program": sys.argv[0], "cwd": os.getcwd(), "environment": dict(os.environ),
        "stdin": sys.stdin.read(), "uid": os.getresuid(), "umask": os.umask(0), "path": sys.path[0],
        "files": sorted(os.listdir("/proc/self/fd"))[:-1], "threads": len(os.listdir("/proc/self/task")),
        "encodings": [(one.encoding, one.errors) for one in (sys.stdin, sys.stdout, sys.stderr)],
        "signals": [str(signal.getsignal(n)) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)],
        "name": __name__,
    }))
if __name__ == "__main__":
    main()
    import atexit
    atexit.register(lambda: print("at exit"))
    threading.Timer(0.1, lambda: print("a thread")).start()
    sys.exit({})
"""


def both(
    folder: Path, arguments: list[str], cwd: Path, module: str = "registry"
) -> list[tuple[int, str, str]]:
    """What becomes of a command by either start: exit code, standard output, standard error."""
    own, found = environment(VERMILION_SAMPLE="样本"), []
    for cold in (True, False):
        (folder / "in").write_text("some words")
        with (
            (folder / "in").open("rb") as told,
            (folder / "out").open("wb") as out,
            (folder / "err").open("wb") as err,
        ):
            process: subprocess.Popen[bytes] | warm.Process
            if cold:
                process = subprocess.Popen(
                    [sys.executable, "-m", module, *arguments],
                    stdin=told,
                    stdout=out,
                    stderr=err,
                    env=own,
                    cwd=cwd,
                )
            else:
                descriptors = [one.fileno() for one in (told, out, err)]
                process = warm.start(arguments, own, cwd, descriptors, module)
            code = process.wait(60)
        found.append((code, (folder / "out").read_text(), (folder / "err").read_text()))
    return found


@pytest.mark.parametrize("ending", ["None", "3", "'words'", "-1"])
def test_it_has_what_it_was_given_and_ends_as_it_says(tmp_path: Path, ending: str) -> None:
    (tmp_path / "says.py").write_text(SAYS.replace("sys.exit({})", f"sys.exit({ending})"))
    cold, forked = both(tmp_path, ["a", "样本"], tmp_path, "says")
    assert forked == cold
    shown = json.loads(forked[1].splitlines()[0])
    assert shown["environment"]["VERMILION_SAMPLE"] == "样本"
    assert shown["arguments"] == ["a", "样本"]


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["nonsense"], ["key", "list", "--no-such-option"], ["key", "list"]],
)
def test_a_command_says_and_ends_the_same(tmp_path: Path, arguments: list[str]) -> None:
    cold, forked = both(tmp_path, arguments, tmp_path)
    assert forked == cold
    assert cold[1] or cold[2]


def test_a_shell_s_command_too(tmp_path: Path) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    own = environment()
    path = {"PATH": f"{warm.program(programs).parent}:{own['PATH']}"}

    def shell(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", script], env=own | path, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )  # fmt: skip

    assert shell("vermilion --version | cat; vermilion nonsense; echo $?").stdout.splitlines()[1] == "64"
    assert shell("vermilion --version > file && cat file").stdout.startswith("python -m registry, version")


def test_a_signal_ends_it_and_is_told(tmp_path: Path) -> None:
    (tmp_path / "waits.py").write_text("import time\nprint('waits', flush=True)\ntime.sleep(60)\n")
    for number in (signal.SIGTERM, signal.SIGKILL, signal.SIGINT):
        with (tmp_path / "out").open("wb") as out, Path(os.devnull).open("rb") as nothing:
            process = warm.start(
                [], environment(), tmp_path, [nothing.fileno(), out.fileno(), out.fileno()], "waits"
            )
            while not (tmp_path / "out").read_text():
                assert process.poll() is None
            process.send_signal(number)
            assert process.wait(30) == -number


def test_it_cannot_have_what_is_settled_at_a_start(tmp_path: Path) -> None:
    with Path(os.devnull).open("r+b") as nothing, pytest.raises(RuntimeError, match="start a cold one"):
        warm.start([], environment(PYTHONHASHSEED=7), tmp_path, [nothing.fileno()] * 3)


def test_services_are_what_a_cold_start_makes_of_the_same_directory(place: Place) -> None:
    """And the other way round: what warm commands close, cold ones open."""
    with command("fsck", settings=place.settings, cold=True) as check:
        assert (check.ended(), check.out) == (0, "0 findings\n"), check.err
