"""`make interop` but for Java: its documents, what is wanted of them, the comparison, and what it keeps."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bench.sealing import printouts
from interop import __main__ as command
from interop import java, readers
from interop.alter import ALTERATIONS
from interop.documents import CHECKED_AT, MAKERS, TYPES, Document, Sample, Wanted, make_sample, open_workshop
from interop.results import (
    CHECKS,
    DIFFERS,
    FAIL,
    OK,
    OTHERS,
    OURS,
    Pace,
    Row,
    as_json,
    compare,
    merged,
    page,
    rules_of,
    shown,
    table,
)
from interop.speed import ROADS, cpu_ms
from signing.face_specimen import corpus
from tests.signing.alter import gap_of
from tests.tools import need

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "interop" / "results.schema.json").read_bytes())


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("interop") / "sample")


def dss(
    indication: str, sub: str | None = None, *, level: str = "PAdES-BASELINE-T", hard: str | None = None
) -> Any:
    return {
        "signatures": [
            {
                "indication": indication, "sub_indication": sub, "level": level, "by": "seal",
                "errors": ["an error"], "warnings": [], "time_stamps": [],
                "hardened": {"indication": hard or indication, "sub_indication": sub},
            }
        ]
    }  # fmt: skip


def answer(said: dict[str, Any], *rules: str) -> dict[str, Any]:
    failed = [{"rule": rule, "times": 2, "message": f"text of {rule}", "where": ["root"]} for rule in rules]
    return {
        "file": "a.pdf",
        "verapdf": {"profile": "3u", "compliant": not rules, "failed": failed},
        "dss": said,
        "readers": readers.CLEAN,
    }


def as_wanted(document: Document) -> dict[str, Any]:
    """The answer that makes a document's row good."""
    wanted = document.wanted
    if wanted.dss == "NO_SIGNATURE_FOUND":
        return answer({"signatures": []})
    indication, _, sub = wanted.dss.partition("/")
    one = dss(indication, sub or None)["signatures"][0]
    return answer({"signatures": [{**one, "level": level} for level in wanted.levels or ("any",)]})


def states(row: Row) -> dict[str, str | None]:
    return {check.name: check.state for check in row.checks}


def test_each_type_by_each_maker_and_each_alteration_is_in_the_sample(sample: Sample) -> None:
    names = [document.name for document in sample.documents]
    assert len(names) == len(set(names))
    assert {f"{name}, {maker.name}" for name in TYPES for maker in MAKERS} <= set(names)
    first = next(iter(TYPES))
    for alteration in ALTERATIONS:
        altered = [f"{first}, {maker.name}: {alteration.name}" for maker in MAKERS]
        assert set(altered) & set(names), alteration.name
    assert {document.evidence for document in sample.documents} == set(sample.evidence)


def test_our_strict_check_takes_what_is_genuine_and_refuses_what_is_altered(sample: Sample) -> None:
    for document in sample.documents:
        assert states(compare(document, as_wanted(document)))[OURS] == OK, (document.name, document.ours)
    refused = {document.ours for document in sample.documents if not document.wanted.ours}
    assert {"digest_mismatch", "signature_invalid", "structure"} <= refused


def genuine(sample: Sample) -> list[tuple[Document, readers.Genuine]]:
    return [(one, one.genuine) for one in sample.documents if one.genuine is not None]


def test_other_readers_find_in_every_genuine_document_what_is_to_be_there(sample: Sample) -> None:
    for program in readers.PROGRAMS:
        need(program)
    shown = genuine(sample)
    assert {one.name for one, _ in shown} >= {f"{name}, {maker.name}" for name in TYPES for maker in MAKERS}
    assert {wanted.seals for _, wanted in shown} == {1, 2, 3}
    assert {wanted.codes for _, wanted in shown} > {1}  # a licence of several pages
    names = {name for _, wanted in shown for name in wanted.texts} & set(corpus())
    assert len(names) > len(TYPES)  # of rare characters
    first, *others = TYPES
    some = [one for one in shown if one[0].name.startswith(first) or one[0].name.endswith(MAKERS[0].name)]
    assert len(some) == len(MAKERS) + 4 + len(others)  # with two seals and with three, archived too
    assert {wanted.stamps for _, wanted in some} == {0, 1, 2}
    assert readers.read_all([(one.data, wanted) for one, wanted in some], CHECKED_AT) == ["clean"] * len(some)


def test_other_readers_tell_what_is_not_as_it_is_to_be(sample: Sample) -> None:
    for program in readers.PROGRAMS:
        need(program)
    first = next(iter(TYPES))
    here = {one.name: one.data for one in sample.documents}
    wanted = {one.name: of for one, of in genuine(sample)}
    one, other = wanted[f"{first}, B-T"], wanted[f"{first}, B-LT in one revision"]

    def said(name: str, of: readers.Genuine) -> str:
        return readers.read(here[name], of, CHECKED_AT)

    assert "pdfsig: not every seal" in said(f"{first}, B-T: a bit of the page changed", one)
    overdrawn = said(f"{first}, B-T: a revision appended that draws over the page", one)
    assert "pdfsig: not all" in overdrawn
    assert "pyHanko: a seal covers other bytes" in overdrawn
    of_another = said(f"{first}, B-T", other)
    for complaint in ("pdftotext: another text", "pikepdf: another record", "zxing: another code"):
        assert complaint in of_another
    assert "pyHanko: another number" in said(f"{first}, B-T", replace(one, seals=2))
    assert "pyHanko: " in said(f"{first}, B-T", replace(one, root=wanted["teacher, B-T"].root))


def test_what_other_readers_say_counts_of_genuine_documents_alone(sample: Sample) -> None:
    document, _ = genuine(sample)[0]
    row = compare(document, as_wanted(document) | {"readers": "qpdf: not clean"})
    assert (row.state, states(row)[OTHERS]) == (FAIL, FAIL)
    altered = replace(document, genuine=None)
    assert states(compare(altered, as_wanted(document) | {"readers": ""}))[OTHERS] is None


def test_an_alteration_is_of_the_document_that_it_names(sample: Sample) -> None:
    data = {document.name: document.data for document in sample.documents}
    for name, altered in data.items():
        genuine = data.get(name.partition(": ")[0], altered)
        assert altered != genuine or ": " not in name, name
    title = f"{next(iter(TYPES))}, B-T"
    start, end = gap_of(data[title])
    for name, inside in (
        ("a bit of the page changed", False),
        ("a bit of the attached record changed", False),
        ("a bit of the signature changed", True),
        ("with the signature of another", True),
        ("with the time-stamp of another", True),
    ):
        altered = data[f"{title}: {name}"]
        assert len(altered) == len(data[title])
        outside = altered[:start] + altered[end:] == data[title][:start] + data[title][end:]
        assert outside is inside, name


def test_what_is_wanted_passes_and_anything_else_does_not(sample: Sample) -> None:
    for document in sample.documents:
        row = compare(document, as_wanted(document))
        assert row.state == OK, row
        assert [check.name for check in row.checks] == list(CHECKS)
        wrong = compare(document, answer(dss("INDETERMINATE", "NO_POE", level="PDF-NOT-ETSI"), "6.6.4-1"))
        assert wrong.state == FAIL, wrong


def document(wanted: Wanted) -> Document:
    return Document("food, B-T", b"", "food", None, wanted)


@pytest.mark.parametrize(
    ("wanted", "said", "state"),
    [
        ("TOTAL_FAILED", dss("TOTAL_FAILED", "HASH_FAILURE"), OK),
        ("TOTAL_FAILED/HASH_FAILURE", dss("TOTAL_FAILED", "HASH_FAILURE"), OK),
        ("TOTAL_FAILED/HASH_FAILURE", dss("TOTAL_FAILED", "HASH_FAILURE_OF_ANOTHER_KIND"), FAIL),
        ("TOTAL_FAILED", dss("TOTAL_PASSED"), FAIL),
        ("TOTAL_PASSED", dss("TOTAL_PASSED", hard="TOTAL_FAILED"), FAIL),
        ("TOTAL_PASSED", {"signatures": []}, FAIL),
        ("TOTAL_PASSED", {"error": "DSSException: not read"}, FAIL),
        ("TOTAL_FAILED", {"error": "TOTAL_FAILED: not read"}, FAIL),
        ("NO_SIGNATURE_FOUND", {"signatures": []}, OK),
    ],
)  # fmt: skip
def test_what_dss_says_begins_with_what_is_wanted(wanted: str, said: dict[str, Any], state: str) -> None:
    assert compare(document(Wanted(None, wanted, (), True)), answer(said)).state == state


def test_one_bad_signature_of_two_is_what_counts() -> None:
    wanted = Wanted(True, "TOTAL_PASSED", ("PAdES-BASELINE-T",) * 2, True)
    good, bad = dss("TOTAL_PASSED")["signatures"], dss("TOTAL_FAILED", "HASH_FAILURE")["signatures"]
    assert compare(document(wanted), answer({"signatures": good * 2})).state == OK
    assert compare(document(wanted), answer({"signatures": good + bad})).state == FAIL
    assert compare(document(wanted), answer({"signatures": good})).state == FAIL


def test_a_difference_is_known_only_where_it_is_listed_and_as_it_is_listed() -> None:
    (overdrawn,) = (one for one in ALTERATIONS if "draws over" in one.name)
    wanted = Wanted(None, overdrawn.wanted, (), True, overdrawn.known)
    row = compare(document(wanted), answer(dss("TOTAL_PASSED", hard="TOTAL_FAILED")))
    assert (row.state, states(row)["DSS"], states(row)["DSS hardened"]) == (DIFFERS, DIFFERS, OK)
    assert compare(document(wanted), answer(dss("TOTAL_PASSED"))).state == FAIL
    assert compare(document(wanted), answer(dss("INDETERMINATE"))).state == FAIL


@pytest.fixture(scope="module")
def results(sample: Sample) -> dict[str, Any]:
    """As of a run in which DSS passes everything and veraPDF nothing."""
    answers = [answer(dss("TOTAL_PASSED"), "6.6.4-1") for _ in sample.documents]
    return as_json(
        date="2026-11-20",
        versions={"EU DSS": "1", "veraPDF": "2", "Java": "3"},
        machine="2 cores",
        rows=[compare(*pair) for pair in zip(sample.documents, answers, strict=True)],
        paces=[Pace("a road", "PAdES_BASELINE_T", 2.0, 8.0, 16.0, 10.0)],
        rules=rules_of(answers),
        documents=shown(sample.documents),
    )


def test_the_results_are_of_the_schema(results: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(json.loads(json.dumps(results)), SCHEMA)
    assert results["seal"][0]["vs_dss"] == 4.0
    assert sum(results["documents"].values()) == len(results["rows"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**results, "rows": []}, SCHEMA)


def test_the_page_shows_every_row_and_hides_no_failure(sample: Sample, results: dict[str, Any]) -> None:
    counts = results["documents"]
    assert counts["circumstances"] == 5
    assert counts["altered"] > counts["genuine"] > len(TYPES) * len(MAKERS)
    made = page(results)
    said = "Shown were {genuine} genuine documents, {altered} altered ones, and\n{circumstances} under other"
    assert said.format(**counts) in made
    lines = [line for line in made.splitlines() if line.startswith(tuple(f"| {name}" for name in TYPES))]
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == [
        one.name for one in sample.documents
    ]
    failed = [row["document"] for row in results["rows"] if row["state"] == FAIL]
    assert failed
    for name in failed:
        assert any(line.startswith(f"| {name} | **FAIL** |") for line in lines)
        assert f"\n- {name}: " in made
    for reason in {c["reason"] for row in results["rows"] for c in row["checks"] if c["state"] == DIFFERS}:
        assert made.count(reason) == 1
    assert "- 6.6.4-1: text of 6.6.4-1" in made
    assert "| a road | PAdES_BASELINE_T | 2.00 | 8.00 | 16.00 | 10.00 | 4.00 |" in made


def test_licences_of_which_all_was_said_alike_are_one_row() -> None:
    one = document(Wanted(True, "TOTAL_PASSED", (), True))
    good, bad = (compare(one, answer(dss(said))) for said in ("TOTAL_PASSED", "INDETERMINATE"))
    rows = merged([good, good, bad, good])
    assert [(row.document, row.state) for row in rows] == [
        ("food, B-T (3 licences)", OK),
        ("food, B-T", FAIL),
    ]


def test_more_licences_are_more_documents_of_other_holders(tmp_path: Path) -> None:
    made = make_sample(tmp_path / "sample", 3, MAKERS[:1])
    for name in TYPES:
        files = {one.data for one in made.documents if one.name == f"{name}, {MAKERS[0].name}"}
        assert len(files) == 3


def test_the_table_counts_each_row_once(sample: Sample) -> None:
    rows = [compare(one, as_wanted(one)) for one in sample.documents]
    rows[0] = compare(sample.documents[0], answer({"signatures": []}))
    last = table(rows).splitlines()[-1]
    assert last == f"{len(rows) - 1} as wanted, 0 with a known difference, 1 not as wanted"


def test_our_pace_is_measured_on_the_real_roads(tmp_path: Path) -> None:
    workshop = open_workshop(tmp_path / "pace", next(iter(TYPES)))
    licences = list(islice(printouts(workshop.bench), 2))
    for road in ROADS:
        times = cpu_ms(road.start(workshop, licences), road.name, rounds=3)
        assert len(times) == 3
        assert min(times) > 0


def test_readers_that_need_no_java_are_asked_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for program in readers.PROGRAMS:
        need(program)
    monkeypatch.setattr(java, "prepare", lambda: pytest.fail("Java is not asked"))
    monkeypatch.setattr(command, "make_sample", lambda folder, count: make_sample(folder, count, MAKERS[-1:]))
    monkeypatch.chdir(tmp_path)
    assert command.main(["--readers-only", "--licences", "1"]) == 0
    *lines, last = capsys.readouterr().out.splitlines()
    assert lines
    assert all(re.fullmatch(r"\w+, [^:]+ \(1\): clean", line) for line in lines), lines
    assert last.startswith(f"{len(lines)} of {len(lines)} documents clean: ")
    assert not list(tmp_path.iterdir())  # no results are kept
    monkeypatch.setattr(
        readers, "read_all", lambda some, at: [readers.CLEAN, *["qpdf: not clean"] * (len(some) - 1)]
    )
    assert command.main(["--readers-only"]) == 1
    assert f"1 of {len(lines)} documents clean" in capsys.readouterr().out
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command.main(["--readers-only"]) == 0
    assert "SKIPPED: qpdf is not installed" in capsys.readouterr().out


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the only place of tools besides /bin; nothing built yet, other results kept."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/nowhere")
    monkeypatch.setattr(java, "BUILD", tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / command.PAGE).write_text("the last results\n")
    return folder


def no_java(_folder: Path) -> None:
    """Nothing is installed."""


def no_maven(folder: Path) -> None:
    tool(folder, "java", "exit 0")
    tool(folder, "javac", "exit 0")


def no_central(folder: Path) -> None:
    no_maven(folder)
    told = (
        "[ERROR] Could not find artifact a:b:jar:1 in central (https://repository.example/maven2) -> [Help 1]"
    )
    tool(folder, "mvn", f"echo '[INFO] Scanning'\necho '{told}'\nexit 1")


@pytest.mark.parametrize(
    ("machine", "reason"),
    [
        (no_java, r"no JDK is installed \(.+\)"),
        (no_maven, r"Maven is not installed \(.+\)"),
        (no_central, "the libraries did not come: Could not find artifact a:b:jar:1 in central"),
    ],
)  # fmt: skip
def test_without_the_checkers_it_is_skipped_with_the_reason_and_the_last_results_stay(
    tools: Path, capsys: pytest.CaptureFixture[str], machine: Callable[[Path], None], reason: str
) -> None:
    machine(tools)
    assert command.main([]) == 0
    said = capsys.readouterr().out
    assert re.fullmatch(f"SKIPPED: {reason}\nThe last results stand in docs/interop.md.\n", said)
    assert Path(command.PAGE).read_text() == "the last results\n"
    assert not Path(command.RESULT).exists()


def test_a_program_of_ours_that_does_not_compile_is_no_reason_to_skip(
    tools: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tool(tools, "java", "exit 0")
    tool(tools, "javac", "echo 'Check.java:1: error' >&2; exit 1")
    tool(tools, "mvn", f"echo {tmp_path} > {tmp_path}/build/classpath")
    assert command.main([]) == 1
    said = capsys.readouterr()
    assert "SKIPPED" not in said.out
    assert "Check.java:1: error" in said.err


@pytest.mark.parametrize("line", ['{"file": "b.pdf"}', ""])
def test_a_checker_that_does_not_answer_for_every_file_is_not_believed(tools: Path, line: str) -> None:
    tool(tools, "java", f"echo '{line}'" if line else "exit 0")
    with pytest.raises(java.JavaError, match="did not answer for every file"):
        java.check([str(tools / "java")], [Path("a.pdf")], roots=[])


def test_a_checker_that_hangs_is_stopped(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(java, "START_S", 0)
    monkeypatch.setattr(java, "FILE_S", 0.2)
    tool(tools, "java", "exec /bin/sleep 30")
    with pytest.raises(java.JavaError, match="java was still at work after"):
        java.check([str(tools / "java")], [Path("a.pdf")], roots=[])


def test_every_version_is_pinned() -> None:
    text = java.POM.read_text()
    properties = dict(re.findall(r"<([\w.]+\.version)>([^<]+)</", text))
    versions = [properties.get(v.strip("${}"), v) for v in re.findall(r"<version>([^<]+)</version>", text)]
    assert len(versions) >= 5
    assert all(re.fullmatch(r"\d+(\.\d+)*", version) for version in versions), versions
    managed = text.count("<groupId>eu.europa.ec.joinup.sd-dss</groupId>") - 1  # by the bill of materials
    assert text.count("<artifactId>") == len(versions) + managed


def test_the_page_is_of_the_versions_that_are_pinned() -> None:
    pinned = dict(re.findall(r"<(dss|verapdf)\.version>([^<]+)<", java.POM.read_text()))
    shown = (ROOT / command.PAGE).read_text()
    assert f": EU DSS {pinned['dss']}, veraPDF {pinned['verapdf']}, Java " in shown


def test_files_are_told_of_with_their_rules_and_verdicts() -> None:
    shown = command.told(answer(dss("TOTAL_FAILED", "HASH_FAILURE"), "6.6.4-1"))
    for part in (
        "a.pdf",
        "6.6.4-1 (2 times) text of 6.6.4-1",
        "TOTAL_FAILED/HASH_FAILURE",
        "error: an error",
    ):
        assert part in shown
    assert "no signature" in command.told(answer({"signatures": []}))
