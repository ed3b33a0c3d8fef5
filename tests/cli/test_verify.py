"""`vermilion verify` as a relying party runs it: exit codes, JSON, and what keeps a check from being made."""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import pytest

import registry.cli.verify
from registry.cli import main
from registry.cli.verify_report import report_lines
from registry.composition import open_ports
from registry.database import read_engine
from registry.licences.lookup import current_trust_list
from registry.licences.status_lists import publish_due
from registry.publication import publish_to
from registry.settings import Settings
from signing.bundle import TRUST_LIST
from signing.sentences import LANGUAGES, table
from tests.cli.conftest import Run, Verify
from tests.services.places import FirstStart
from tests.services.running import environment, line


@pytest.fixture
def trust(first_start: FirstStart, tmp_path: Path) -> Path:
    engine = read_engine(Settings(data=first_start.place.data).url)
    path = tmp_path / "trust.jwt"
    path.write_text(current_trust_list(engine))
    engine.dispose()
    return path


def later(by: timedelta) -> type[datetime]:
    """A clock that is ahead."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Later:
            there = datetime.now(tz or UTC) + by
            return cls.fromtimestamp(there.timestamp(), tz or UTC)

    return Later


@pytest.fixture
def altered(sample: Path, tmp_path: Path) -> Path:
    data = bytearray(sample.read_bytes())
    data[len(data) // 2] ^= 1
    path = tmp_path / "altered.pdf"
    path.write_bytes(data)
    return path


def test_the_file_by_the_local_registry(verify: Verify, sample: Path, first_start: FirstStart) -> None:
    code, answer, err = verify(sample, "--data", first_start.place.data)
    assert (code, answer["verdict"], err) == (0, "valid", "")
    assert answer["identifier"] == line(first_start.out, "Licence")
    assert {check["result"] for check in answer["checks"].values()} == {"passed"}


def test_the_file_offline(verify: Verify, sample: Path, trust: Path) -> None:
    code, answer, _ = verify(sample, "--trust", trust)
    assert (code, answer["verdict"]) == (2, "genuine_offline")
    assert answer["checks"]["status"]["result"] == "not_done"


def test_an_altered_file(verify: Verify, altered: Path, trust: Path, first_start: FirstStart) -> None:
    assert verify(altered, "--trust", trust)[:2][0] == 1
    code, answer, _ = verify(altered, "--data", first_start.place.data)
    assert (code, answer["verdict"]) == (1, "altered")


@pytest.fixture
def appended(sample: Path, tmp_path: Path) -> Path:
    path = tmp_path / "appended.pdf"
    path.write_bytes(sample.read_bytes() + b"\n% more")
    return path


def test_a_report_explains_a_file_and_leaves_its_verdict(
    verify: Verify, appended: Path, sample: Path, trust: Path, first_start: FirstStart
) -> None:
    for options, sentence in (
        (("--trust", trust), "sealed_changed"),
        (("--data", first_start.place.data), "original_changed"),
    ):
        code, plain, _ = verify(appended, *options)
        assert (code, "report" in plain) == (1, False)
        code, answer, _ = verify(appended, "--report", *options)
        report = answer.pop("report")
        assert (code, answer["verdict"]) == (1, plain["verdict"])
        assert (report["sentence"], report["explained"]) == (sentence, "done")
        assert report["original"]["end"] == len(sample.read_bytes())
    report = verify(sample, "--report", "--data", first_start.place.data)[1]["report"]
    assert (report["sentence"], report["explained"]) == ("registered", "known")


def test_a_report_is_printed_below_the_checks(vermilion: Run, appended: Path, trust: Path) -> None:
    words = ["verify", str(appended), "--trust", str(trust), "--report"]
    _, out, _ = vermilion(None, *words, "--lang", "es")
    assert "  report      La revisión 1 de 1 lleva un sello correcto" in out
    assert "  indication  TOTAL_FAILED / FORMAT_FAILURE" in out
    assert "  report " not in vermilion(None, *words[:-1])[1]


def test_what_a_service_reports_steers_no_terminal() -> None:
    said = {"says": {"en": "a\x1b[31m"}, "indication": "b\n", "signer": 5, "level": "B-T", "coverage": ["x"]}
    assert list(report_lines(said, "en")) == ["  level       B-T"]
    assert list(report_lines("nothing", "en")) == []


def test_the_text_of_a_scanned_code(verify: Verify, trust: Path, first_start: FirstStart) -> None:
    link = line(first_start.out, "link")
    code, answer, _ = verify(link, "--data", first_start.place.data)
    assert (code, answer["verdict"]) == (0, "valid")
    code, answer, _ = verify(link, "--trust", trust)
    assert (code, answer["verdict"]) == (2, "genuine_offline")
    digit = "1" if link[-1] != "1" else "2"
    code, answer, _ = verify(link[:-1] + digit, "--trust", trust)
    assert (code, answer["verdict"]) == (1, "altered")


@pytest.mark.parametrize("lang", [*LANGUAGES, None])
def test_in_each_language(vermilion: Run, sample: Path, trust: Path, lang: str | None) -> None:
    assert LANGUAGES == registry.cli.verify.LANGUAGES
    words = table()
    code, out, _ = vermilion(
        None, "verify", str(sample), "--trust", str(trust), *(("--lang", lang) if lang else ())
    )
    first, *rest = out.splitlines()
    headings = [
        words["verdicts"]["genuine_offline"][each]["heading"] for each in ((lang,) if lang else ("en", "zh"))
    ]
    assert (code, first) == (2, "genuine_offline: " + " / ".join(headings))
    assert [each.split(maxsplit=2)[2] for each in rest[:3]] == [
        words["reasons"][reason][lang or "en"]
        for reason in ("signature_correct", "issuer_recognised", "status_not_asked")
    ]


def test_another_language_is_wrong_usage(vermilion: Run, sample: Path, trust: Path) -> None:
    assert vermilion(None, "verify", str(sample), "--trust", str(trust), "--lang", "fr")[0] == 64


@pytest.fixture(scope="module")
def bundle(first_start: FirstStart, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `vermilion publish` writes of the first start's registry, whose lists are signed by then."""
    settings = Settings(data=first_start.place.data)
    ports = open_ports(settings)
    publish_due(ports)
    ports.database.dispose()
    folder = tmp_path_factory.mktemp("published")
    engine = read_engine(settings.url)
    publish_to(engine, folder, ports.clock())
    engine.dispose()
    return folder


def test_a_bundle_proves_the_status_too(
    verify: Verify, sample: Path, bundle: Path, first_start: FirstStart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Within the list's ttl as of its time; later with its age; beyond its end not at all."""
    signed: list[str] = []
    for subject in (sample, line(first_start.out, "link")):
        code, answer, err = verify(subject, "--bundle", bundle)
        assert (code, answer["verdict"], err) == (0, "valid", "")
        assert answer["checks"]["status"] == {"result": "passed", "reason": "in_force_by_list"}
        assert answer["as_of"] == answer["status_list"]["issued_at"]
        assert 0 <= answer["status_list"]["age"] < 3600
        assert set(answer["trust_list"]) == {"issued_at", "expires_at", "age"}
        signed.append(answer["as_of"])
    for hours, reason in ((2, "status_list_old"), (49, "status_list_expired")):
        monkeypatch.setattr(registry.cli.verify, "datetime", later(timedelta(hours=hours)))
        code, answer, _ = verify(sample, "--bundle", bundle)
        assert (code, answer["verdict"]) == (2, "genuine_offline")
        assert answer["checks"]["status"] == {"result": "not_done", "reason": reason}
        assert answer["status_list"]["age"] >= hours * 3600


def test_a_bundle_says_its_age_in_words(
    sample: Path, bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.cli.verify, "datetime", later(timedelta(hours=30)))
    with pytest.raises(SystemExit):
        main(["verify", str(sample), "--bundle", str(bundle)])
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith("  status list of ")
    assert said[-1].endswith("Z, 30 hours old")


def test_a_bundle_without_lists_and_one_without_anything(
    verify: Verify, sample: Path, bundle: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(bundle, copy)
    (copy / "status" / "0").unlink()
    assert verify(sample, "--bundle", copy)[1]["verdict"] == "valid"  # the CWT is there
    (copy / "status" / "0.cwt").write_bytes((copy / "status" / "1.cwt").read_bytes())
    code, answer, _ = verify(sample, "--bundle", copy)
    assert (code, answer["checks"]["status"]["reason"]) == (2, "status_list_refused")
    shutil.rmtree(copy / "status")
    code, answer, _ = verify(sample, "--bundle", copy)
    assert (code, answer["verdict"]) == (2, "genuine_offline")
    assert answer["checks"]["status"]["reason"] == "status_list_missing"
    code, answer, err = verify(sample, "--bundle", tmp_path)
    assert (code, answer["verdict"]) == (2, "cannot_check")
    assert "trust-list cannot be read" in err
    assert verify(sample, "--bundle", bundle, "--root-sha256", "0" * 64)[1]["verdict"] == "cannot_check"
    assert verify(sample, "--bundle", bundle, "--trust", bundle / TRUST_LIST)[0] == 64
    assert verify(sample, "--bundle", bundle, "--data", ".")[0] == 64


@pytest.mark.parametrize(
    ("name", "content"), [("garbage", b"not a list"), ("empty", b""), ("binary", bytes(range(256)) * 40)]
)
def test_garbage_for_a_trust_list_checks_nothing(
    verify: Verify, sample: Path, tmp_path: Path, name: str, content: bytes
) -> None:
    """`cannot_check`, which a script cannot mistake for a bad licence."""
    path = tmp_path / name
    path.write_bytes(content)
    code, answer, err = verify(sample, "--trust", path)
    assert (code, answer["verdict"]) == (2, "cannot_check")
    assert str(path) in err
    assert "Traceback" not in err


def test_a_trust_list_of_another_root_checks_nothing(verify: Verify, sample: Path, trust: Path) -> None:
    code, answer, _ = verify(sample, "--trust", trust, "--root-sha256", "00" * 32)
    assert (code, answer["verdict"]) == (2, "cannot_check")


def test_an_expired_trust_list_checks_nothing(
    verify: Verify, sample: Path, trust: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry.cli.verify, "datetime", later(timedelta(days=30)))
    code, answer, err = verify(sample, "--trust", trust)
    assert (code, answer["verdict"]) == (2, "cannot_check")
    assert str(trust) in err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("a.pdf", "--trust", "missing.jwt"),
        ("missing.pdf", "--data", "nowhere"),
        ("missing.pdf", "--service", "http://localhost:1"),
        ("a.pdf", "--unknown"),
        ("a.pdf", "b.pdf"),
    ],
)
def test_wrong_usage_is_64(
    verify: Verify, arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, answer, err = verify(*arguments)
    assert (code, answer) == (64, {})
    assert err


def test_offline_and_online_do_not_mix(verify: Verify, sample: Path, trust: Path) -> None:
    assert verify(sample, "--trust", trust, "--data", ".")[0] == 64
    assert verify(sample, "--trust", trust, "--service", "http://localhost:1")[0] == 64


def test_a_folder_in_place_of_a_file_is_wrong_usage(verify: Verify, trust: Path, tmp_path: Path) -> None:
    assert verify(tmp_path, "--trust", trust)[0] == 64


def test_no_registry_and_no_service_cannot_check(verify: Verify, sample: Path, tmp_path: Path) -> None:
    assert verify(sample, "--data", tmp_path)[:2][0] == 2
    code, answer, err = verify(sample, "--service", "http://localhost:1")
    assert (code, answer["verdict"]) == (2, "cannot_check")
    assert "no answer" in err


# --- a defect of ours --------------------------------------------------------------------------------------


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RecursionError("secret detail")

    monkeypatch.setattr(registry.cli.verify, "_outcome", fail)


@pytest.mark.usefixtures("broken")
def test_a_defect_answers_cannot_check_and_never_looks_like_altered(
    verify: Verify, sample: Path, trust: Path, first_start: FirstStart
) -> None:
    for where in (("--trust", trust), ("--data", first_start.place.data)):
        code, answer, err = verify(sample, *where, catch_all=True)
        assert (code, answer["verdict"]) == (2, "cannot_check")
        assert {c["reason"] for c in answer["checks"].values()} == {"check_failed"}
        assert err == "vermilion: the check failed: RecursionError\n"


def test_a_damaged_database_says_nothing_about_a_licence(
    verify: Verify, sample: Path, tmp_path: Path
) -> None:
    (tmp_path / "database").mkdir()
    (tmp_path / "database" / "registry.db").write_bytes(b"no database " * 1000)
    code, answer, err = verify(sample, "--data", tmp_path, catch_all=True)
    assert (code, answer["verdict"], err) == (
        2,
        "cannot_check",
        "vermilion: the database does not answer\n",
    )


@pytest.mark.usefixtures("broken")
def test_with_the_catch_all_off_a_defect_is_seen(verify: Verify, sample: Path, trust: Path) -> None:
    code, answer, err = verify(sample, "--trust", trust)
    assert (code, answer) == (1, {})
    assert err.startswith("vermilion: a defect: RecursionError at ")


@pytest.mark.parametrize("catch_all", [True, False])
def test_a_wrong_setting_is_wrong_usage_and_no_defect(
    verify: Verify, sample: Path, monkeypatch: pytest.MonkeyPatch, catch_all: bool
) -> None:
    monkeypatch.setenv("VERMILION_API_PORT", "many")
    code, answer, err = verify(sample, catch_all=catch_all)
    assert (code, answer) == (64, {})
    assert err.startswith("vermilion: VERMILION_API_PORT: ")


@pytest.mark.parametrize("more", [(), ("--json",)], ids=["words", "JSON"])
def test_a_terminal_without_chinese_changes_no_verdict(
    sample: Path, first_start: FirstStart, more: tuple[str, ...]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "registry", "verify", sample, "--data", first_start.place.data, *more],
        env=environment(PYTHONIOENCODING="ascii"),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"valid" in done.stdout


def test_the_address_in_a_link_is_never_asked(
    verify: Verify, first_start: FirstStart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A forger's code names the forger's site, which would call it valid."""
    import registry.client

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("somebody was asked")

    monkeypatch.setattr(registry.client, "call", refuse)
    link = line(first_start.out, "link").replace("localhost", "forger.example")
    code, answer, _ = verify(link, "--data", first_start.place.data)
    assert code != 0
    assert answer["verdict"] != "valid"
