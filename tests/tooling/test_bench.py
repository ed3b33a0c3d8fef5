"""`make bench`: the figures the project answers for are registered, and a run writes them down."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import bench.sealing
from bench.__main__ import BENCHES, RESULT, main
from bench.issuing import percentile
from bench.load import paced
from bench.privacy import rank_sum_p

ROOT = Path(__file__).parents[2]
PROMISED = {
    "seal.reference_ms",
    "seal.raw_ms",
    "issue.http_p50_ms",
    "issue.http_p99_ms",
    "crl.10k_s",
    "check.page_vs_bare",
    "check.json_vs_bare",
    "check.p99_ms",
    "check.1m_vs_1k",
    "privacy.hit_miss_p",
    "cert.linted_per_s",
    "status.resign_s",
    "upload.registered_ms",
    "upload.tampered_ms",
    "page.kb",
    "seal.blt_ms",
    "seal.blt_vs_raw",
    "seal.blt_vs_reference",
    "seal.rsa_ms",
    "bulk.sqlite_10k_per_s",
    "bulk.postgres_10k_per_s",
    "bulk.sqlite_100k_vs_10k",
    "bulk.peak_mb",
    "store.bytes_per_licence",
    "search.p95_ms",
    "api.read_vs_bare",
    "webhook.per_s",
    "archive.packages_per_s",
    "archive.audit_vs_hash",
    "evidence.million_s",
    "evidence.proof_bytes",
}


def test_every_promised_figure_is_made_by_one_bench() -> None:
    names = [name for made in BENCHES.values() for name in made]
    assert set(names) >= PROMISED
    assert len(names) == len(set(names))
    for module in BENCHES:
        assert (ROOT / module.replace(".", "/")).with_suffix(".py").is_file()


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A handful of rounds, and an empty directory to run in; where the result will lie."""
    monkeypatch.setattr(bench.sealing, "ROUNDS", 2)
    monkeypatch.setattr(bench.sealing, "WARM_UP", 1)
    monkeypatch.chdir(tmp_path)
    return tmp_path / RESULT


def rows(result: Path) -> dict[str, dict[str, object]]:
    written = json.loads(result.read_bytes())
    assert [list(row) for row in written] == [["name", "value", "unit", "baseline", "ratio"]] * len(written)
    return {row["name"]: row for row in written}


def test_a_bench_writes_the_rows_it_is_registered_for(few: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main("bench.sealing") == 0
    made = rows(few)
    assert tuple(made) == BENCHES["bench.sealing"]
    raw, reference = made["seal.raw_ms"], made["seal.reference_ms"]
    assert (raw["unit"], raw["baseline"], raw["ratio"]) == ("ms", None, None)
    assert isinstance(raw["value"], float)
    assert isinstance(reference["value"], float)
    assert 0 < raw["value"] < reference["value"]  # the one draws, the other only hashes and signs
    assert reference["baseline"] == raw["value"]
    assert reference["ratio"] == reference["value"] / raw["value"]
    said = capsys.readouterr().out
    assert all(name in said for name in made)


def test_one_figure_by_its_name(few: Path) -> None:
    assert main("seal.raw_ms") == 0
    assert set(rows(few)) == {"seal.raw_ms"}


def test_an_unknown_figure_is_wrong_usage_and_says_which_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "bench", "seal.nothing"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 64
    assert all(name in done.stdout for name in PROMISED)


def test_a_schedule_waits_for_no_answer_and_counts_from_when_a_request_was_due() -> None:
    """The first request is answered when the third has come: a load that waited would never come to it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connections = []
            for _ in range(3):
                connection, _ = listener.accept()
                assert connection.recv(100) == b"a request"
                connections.append(connection)
            for number, connection in enumerate(connections):
                connection.sendall(b"HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\n%d" % number)
            for connection in connections:
                connection.recv(1)  # until the load is over
                connection.close()

        server = threading.Thread(target=serve)
        server.start()
        first, second, third = paced(listener.getsockname()[1], [b"a request"] * 3, per_second=50)
        server.join()
    assert [one.answer[-1:] for one in (first, second, third)] == [b"0", b"1", b"2"]
    assert first.latency >= 2 / 50
    assert second.latency >= 1 / 50
    assert all(0 <= one.lag <= one.latency for one in (first, second, third))


def test_the_rank_sum_tells_samples_apart_that_differ_and_no_others() -> None:
    """By a worked example (Mann and Whitney 1947: U of 5 and 5 values), and by what is alike."""
    assert rank_sum_p([1.0, 2, 3, 4, 5], [6.0, 7, 8, 9, 10]) == pytest.approx(0.00902, abs=1e-4)
    assert rank_sum_p([1.0, 4, 5, 8], [2.0, 3, 6, 7]) == pytest.approx(1.0)
    assert rank_sum_p([1.0] * 9, [1.0] * 9) == pytest.approx(1.0)
    ramp = [float(n) for n in range(1000)]
    assert rank_sum_p(ramp, [n + 60 for n in ramp]) < 0.001


def test_a_schedule_ends_where_the_service_does() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def hang_up() -> None:
            listener.accept()[0].close()

        server = threading.Thread(target=hang_up)
        server.start()
        with pytest.raises(RuntimeError):
            paced(listener.getsockname()[1], [b"a request"], per_second=50)
        server.join()


def test_a_percentile_is_one_of_the_figures() -> None:
    figures = [float(n) for n in range(200, 0, -1)]
    assert (percentile(figures, 50), percentile(figures, 99)) == (100, 198)
    assert percentile([7.0], 99) == 7
