"""The Java side: libraries fetched by Maven at the versions of pom.xml, our programs compiled by javac.

Three outcomes are kept apart. Libraries that cannot be had are a reason to skip, since that says nothing
about our documents. A program of ours that does not compile, or that ends badly, is a failure.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
POM = HERE / "pom.xml"
SOURCES = HERE / "src"
BUILD = HERE.parent / "build" / "interop" / "java"

FETCH_S = 480
COMPILE_S = 120
START_S = 60
FILE_S = 30
SEAL_S = 300
HEAP = "-Xmx1g"

_ADDRESS = re.compile(r"\s*\(?\bhttps?://\S+")


class SkippedError(Exception):
    """The checkers cannot be had here; the text is the reason."""


class JavaError(Exception):
    """A program of ours did not compile, failed or was too slow; the text is the reason."""


def prepare() -> list[str]:
    """The command that runs Java with the libraries and our programs; what is up to date stays as it is.

    Raises SkippedError when Java, Maven or a library is not to be had; JavaError when our own part is wrong.
    """
    java, javac, maven = (shutil.which(name) for name in ("java", "javac", "mvn"))
    if java is None or javac is None:
        raise SkippedError("no JDK is installed (Debian 12: apt-get install openjdk-17-jdk-headless)")
    BUILD.mkdir(parents=True, exist_ok=True)
    libraries = BUILD / "classpath"
    if not _current(libraries):
        if maven is None:
            raise SkippedError("Maven is not installed (Debian 12: apt-get install maven)")
        _fetch(maven, libraries)
    classes = BUILD / "classes"
    command = ["-cp", libraries.read_text(), "-d", str(classes), *sorted(map(str, SOURCES.glob("*.java")))]
    done = _run([javac, "--release", "17", "-proc:none", *command], COMPILE_S)
    if done.returncode:
        raise JavaError(f"javac: {done.stdout}{done.stderr}")
    return [java, HEAP, "-cp", f"{classes}:{libraries.read_text()}"]


def versions(command: Sequence[str]) -> dict[str, str]:
    """Of the two checkers, as pom.xml pins them, and of Java."""
    found = dict(re.findall(r"<(dss|verapdf)\.version>([^<]+)<", POM.read_text()))
    told = _run([command[0], "-version"], START_S).stderr
    java = re.search(r'version "([^"]+)"', told)
    return {"EU DSS": found["dss"], "veraPDF": found["verapdf"], "Java": java[1] if java else "unknown"}


def check(
    command: Sequence[str],
    files: Sequence[Path],
    *,
    roots: Sequence[Path],
    crls: Sequence[Path] = (),
    ocsps: Sequence[Path] = (),
    at: str | None = None,
) -> list[dict[str, Any]]:
    """What `Check` says of each file, in their order. `at` is an instant of ISO 8601; None is the present.

    Raises JavaError.
    """
    arguments = [*command, "Check"]
    for option, values in (("--root", roots), ("--crl", crls), ("--ocsp", ocsps)):
        for value in values:
            arguments += [option, str(value)]
    if at is not None:
        arguments += ["--at", at]
    done = _run([*arguments, *map(str, files)], START_S + FILE_S * len(files))
    if done.returncode:
        raise JavaError(f"Check: {done.stderr}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    if [line["file"] for line in lines] != [file.name for file in files]:
        raise JavaError("Check did not answer for every file")
    return lines


def check_records(command: Sequence[str], authority: Path, pairs: Sequence[tuple[Path, Path]]) -> list[bool]:
    """Whether Bouncy Castle finds each evidence record right for the object beside it. `authority`: the
    time-stamp authority's certificate, DER. Raises JavaError.
    """
    files = [str(path) for pair in pairs for path in pair]
    done = _run([*command, "EvidenceCheck", str(authority), *files], START_S + FILE_S * len(pairs))
    said = done.stdout.splitlines()
    if done.returncode or len(said) != len(pairs):
        raise JavaError(f"EvidenceCheck: {done.stderr}")
    return [line == "ok" for line in said]


def seal_rate(command: Sequence[str], page: Path, level: str, rounds: int, folder: Path) -> dict[str, Any]:
    """What `SealRate` measures: `cpu_ms` and `wall_ms`. Its last document is shown to `Check`.

    Raises JavaError, also when EU DSS's own document does not pass at this level.
    """
    sealed, root = folder / "dss.pdf", folder / "dss-root.der"
    done = _run([*command, "SealRate", str(page), level, str(rounds), str(sealed), str(root)], SEAL_S)
    if done.returncode:
        raise JavaError(f"SealRate: {done.stderr}")
    measured: dict[str, Any] = json.loads(done.stdout)
    crls = sorted(folder.glob("dss-root.der.*.crl"))
    ((signature,),) = (
        answer["dss"]["signatures"] for answer in check(command, [sealed], roots=[root], crls=crls)
    )
    if (signature["indication"], signature["level"]) != ("TOTAL_PASSED", level.replace("_", "-")):
        raise JavaError(f"EU DSS says of its own document: {signature['indication']} {signature['level']}")
    return measured


def reason_of(output: str) -> str:
    """The first error that Maven told, without the address that it asked."""
    for line in output.splitlines():
        found = re.match(r"\[ERROR\]\s+(.+)", re.sub(r"\x1b\[[0-9;]*m", "", line))
        if found:
            return _ADDRESS.sub("", found[1]).removesuffix(" -> [Help 1]").strip()
    return "Maven failed without a reason"


def _current(libraries: Path) -> bool:
    return (
        libraries.exists()
        and libraries.stat().st_mtime >= POM.stat().st_mtime
        and all(Path(name).exists() for name in libraries.read_text().split(":"))
    )


def _fetch(maven: str, libraries: Path) -> None:
    libraries.unlink(missing_ok=True)
    command = [maven, "-B", "-ntp", "-f", str(POM), "dependency:build-classpath"]
    try:
        done = _run([*command, f"-Dmdep.outputFile={libraries}"], FETCH_S)
    except JavaError as error:
        raise SkippedError(f"the libraries did not come: {error}") from None
    if done.returncode or not libraries.exists():
        raise SkippedError(f"the libraries did not come: {reason_of(done.stdout)}")


def _run(command: Sequence[str], seconds: int) -> subprocess.CompletedProcess[str]:
    """Raises JavaError when it takes longer."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired:
        raise JavaError(f"{Path(command[0]).name} was still at work after {seconds} s") from None
