"""`make interop`: show sealed and altered documents to veraPDF and EU DSS, and measure EU DSS sealing.

`python -m interop [--licences N]` writes build/interop.json and docs/interop.md and ends with 1 when
something is neither as wanted nor a known difference. `python -m interop --readers-only` asks qpdf, pdfsig,
pdftotext, a scanner and pyHanko alone, of the genuine documents, and keeps no results. `python -m interop
--files a.pdf … --root root.der [--crl FILE…] [--ocsp FILE…] [--at INSTANT]` prints what the two say of these
files. All print SKIPPED, with the reason, where the checkers cannot be had, and leave the last results as
they are.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from interop import java, readers
from interop.documents import CHECKED_AT, TYPES, Document, Sample, make_sample, open_workshop
from interop.evidence import Evidence
from interop.results import FAIL, as_json, compare, judged, merged, page, rules_of, shown, table
from interop.speed import measure

RESULT = Path("build/interop.json")
PAGE = Path("docs/interop.md")


def run(licences: int) -> int:
    """Raises SkippedError and JavaError."""
    command = java.prepare()
    if (absent := readers.missing()) is not None:
        raise java.SkippedError(absent)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sample = make_sample(folder / "sample", licences)
        answers = ask(command, sample, folder)
        add_readers(sample, answers)
        rows = merged(compare(*pair) for pair in zip(sample.documents, answers, strict=True))
        print(table(rows), flush=True)
        paces = measure(command, open_workshop(folder / "pace", next(iter(TYPES))), folder)
    for pace in paces:
        print(
            f"seal.vs_dss {pace.vs_dss:.2f}  {pace.name}, {pace.level}: ours {pace.ours_ms:.2f} ms,"
            f" EU DSS {pace.dss_ms:.2f} ms of processor time a document"
        )
    results = as_json(
        date=datetime.now(UTC).date().isoformat(),
        versions=java.versions(command),
        machine=machine(),
        rows=rows,
        paces=paces,
        rules=rules_of(answers),
        documents=shown(sample.documents),
    )
    keep(results)
    return int(any(row.state == FAIL for row in rows))


def run_readers(licences: int) -> int:
    """Without Java: what the other readers say of genuine documents, and whether any finds a fault.

    Raises SkippedError.
    """
    if (absent := readers.missing()) is not None:
        raise java.SkippedError(absent)
    with tempfile.TemporaryDirectory() as name:
        sample = make_sample(Path(name) / "sample", licences)
    chosen = [(one, one.genuine) for one in sample.documents if one.genuine is not None]
    answers = readers.read_all([(one.data, genuine) for one, genuine in chosen], CHECKED_AT)
    told = Counter((one.name, said) for (one, _), said in zip(chosen, answers, strict=True))
    for (name, said), count in told.items():
        print(f"{name} ({count}): {said}")
    wrong = sum(said != readers.CLEAN for said in answers)
    print(
        f"{len(answers) - wrong} of {len(answers)} documents clean: qpdf, pdfsig, pdftotext, zxing, pyHanko"
    )
    return int(wrong > 0)


def keep(results: dict[str, Any]) -> None:
    for path in (RESULT, PAGE):
        path.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n")
    PAGE.write_text(page(results))


def ask(command: Sequence[str], sample: Sample, folder: Path) -> list[dict[str, Any]]:
    """What the checkers say of each document, in the sample's order."""
    numbered = list(enumerate(sample.documents))
    answers: dict[int, dict[str, Any]] = {}
    for evidence in sample.evidence:
        chosen = [(number, document) for number, document in numbered if document.evidence == evidence]
        answers |= zip(
            (number for number, _ in chosen),
            _ask(command, [document for _, document in chosen], sample.evidence[evidence], folder / evidence),
            strict=True,
        )
    return [answers[number] for number, _ in numbered]


def add_readers(sample: Sample, answers: Sequence[dict[str, Any]]) -> None:
    """To the answers of genuine documents what the other readers say of them."""
    chosen = [
        (answer, (document.data, document.genuine))
        for answer, document in zip(answers, sample.documents, strict=True)
        if document.genuine is not None
    ]
    for (answer, _), said in zip(
        chosen, readers.read_all([one for _, one in chosen], CHECKED_AT), strict=True
    ):
        answer["readers"] = said


def _ask(
    command: Sequence[str], documents: Sequence[Document], evidence: Evidence, folder: Path
) -> list[dict[str, Any]]:
    folder.mkdir()

    def written(suffix: str, contents: Sequence[bytes]) -> list[Path]:
        paths = [folder / f"{number:03}.{suffix}" for number in range(len(contents))]
        for path, content in zip(paths, contents, strict=True):
            path.write_bytes(content)
        return paths

    return java.check(
        command,
        written("pdf", [document.data for document in documents]),
        roots=written("root", [evidence.root]),
        crls=written("crl", evidence.crls),
        ocsps=written("ocsp", evidence.ocsps),
        at=CHECKED_AT.isoformat().replace("+00:00", "Z"),
    )


def machine() -> str:
    """Processor, number of cores and how busy it is, for the page."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    name = found[1] if found else platform.machine()
    return f"{os.cpu_count()} cores, {name}, load {os.getloadavg()[0]:.1f}"


def told(answer: dict[str, Any]) -> str:
    """What the two said of one file, for a person to read."""
    pdfa, dss = answer["verapdf"], answer["dss"]
    lines = [answer["file"]]
    if "error" in pdfa:
        lines.append(f"  veraPDF {pdfa['profile']}: {pdfa['error']}")
    else:
        verdict = "compliant" if pdfa["compliant"] else "not compliant"
        lines.append(f"  veraPDF {pdfa['profile']}: {verdict}")
        for rule in pdfa["failed"]:
            lines.append(f"    {rule['rule']} ({rule['times']} times) {rule.get('message', '')}")
            lines += [f"      {place}" for place in rule["where"]]
    if "error" in dss:
        lines.append(f"  DSS: {dss['error']}")
    elif not dss["signatures"]:
        lines.append("  DSS: no signature")
    for signature in dss.get("signatures", ()):
        lines.append(f"  DSS: {judged(signature)} {signature['level']} by {signature['by']}")
        lines += [f"    {kind[:-1]}: {text}" for kind in ("errors", "warnings") for text in signature[kind]]
        for stamp in signature["time_stamps"]:
            lines.append(f"    time-stamp: {judged(stamp)}")
            lines += [f"      {kind[:-1]}: {text}" for kind in ("errors", "warnings") for text in stamp[kind]]
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m interop")
    parser.add_argument("--files", nargs="+", type=Path, help="PDF files; none: make the project's own")
    parser.add_argument("--licences", type=int, default=1, help="so many of each type by each maker")
    parser.add_argument("--readers-only", action="store_true", help="without Java; keeps no results")
    parser.add_argument("--root", nargs="+", type=Path, default=[], help="the trust anchors, DER or PEM")
    parser.add_argument("--crl", nargs="+", type=Path, default=[], help="CRLs beside those in the file")
    parser.add_argument("--ocsp", nargs="+", type=Path, default=[], help="OCSP answers beside those in it")
    parser.add_argument("--at", help="validate at this instant, such as 2026-11-20T02:40:00Z")
    chosen = parser.parse_args(arguments)
    try:
        if chosen.readers_only:
            return run_readers(chosen.licences)
        if chosen.files is None:
            return run(chosen.licences)
        answers = java.check(
            java.prepare(), chosen.files, roots=chosen.root, crls=chosen.crl, ocsps=chosen.ocsp, at=chosen.at
        )
    except java.SkippedError as reason:
        print(f"SKIPPED: {reason}")
        if chosen.files is None and not chosen.readers_only and PAGE.exists():
            print(f"The last results stand in {PAGE}.")
        return 0
    except java.JavaError as error:
        print(error, file=sys.stderr)
        return 1
    print("\n".join(map(told, answers)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
