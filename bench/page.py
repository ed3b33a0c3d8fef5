"""The results page: `python -m bench.page > docs/bench.md`, from build/bench.json and the machine."""

from __future__ import annotations

import json
import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.__main__ import RESULT

TARGETS = {
    "seal.blt_ms": "at most 2.0",
    "seal.blt_vs_raw": "at most 35",
    "bulk.sqlite_10k_per_s": "at least 600",
    "bulk.postgres_10k_per_s": "at least 600",
    "bulk.sqlite_100k_vs_10k": "at least 0.9",
    "bulk.peak_mb": "under 400",
    "issue.http_p50_ms": "under 15",
    "issue.http_p99_ms": "under 60",
    "store.bytes_per_licence": "at most 20,000",
    "cert.linted_per_s": "at least 150",
    "ocsp.signed_vs_raw": "at least 0.25",
    "tsa.token_vs_raw": "at least 0.2",
    "crl.100k_s": "under 5",
    "crl.10k_s": "under 0.5",
    "status.resign_s": "under 0.5",
    "check.page_vs_bare": "a ratio of at least 0.5",
    "search.p95_ms": "under 30",
    "api.read_vs_bare": "a ratio of at least 0.5",
    "check.json_vs_bare": "a ratio of at least 0.65",
    "check.p99_ms": "under 20",
    "check.1m_vs_1k": "at least 0.9",
    "page.kb": "under 50",
    "upload.registered_ms": "under 10",
    "upload.tampered_ms": "under 300",
    "upload.hostile_cpu_s": "at most 5",
    "upload.hostile_mb": "at most 512",
    "webhook.per_s": "at least 200",
    "privacy.hit_miss_p": "at least 0.01",
    "archive.packages_per_s": "at least 100",
    "archive.audit_vs_hash": "a ratio of at least 0.5",
    "evidence.million_s": "under 15",
    "evidence.proof_bytes": "under 1,000",
}


def main() -> None:
    rows = json.loads(RESULT.read_text("utf-8"))
    print("# Measured\n")
    print(f"By `make bench`, {datetime.now(UTC):%Y-%m-%d}, on {_machine()}. Medians; a ratio has both of its")
    print("sides in the same run on the same inputs.\n")
    print("| name | value | unit | ratio | wanted |\n|---|---:|---|---:|---|")
    for row in rows:
        ratio = "" if row["ratio"] is None else f"{row['ratio']:.3f}"
        wanted = TARGETS.get(row["name"], "")
        print(f"| `{row['name']}` | {row['value']:.3f} | {row['unit']} | {ratio} | {wanted} |")
    missed = [
        f"`{name}`" for name, value in _named(rows) if name in TARGETS and not _met(TARGETS[name], value)
    ]
    print(f"\nMissed: {', '.join(missed) or 'none'}. What a name measures, its module in `bench/` says;")
    print("`crl.*` is a list's encoding and signature, without the database.")


def _named(rows: list[dict[str, Any]]) -> list[tuple[str, float]]:
    """Each row's name, with what its target speaks of."""
    return [
        (row["name"], row["ratio"] if "ratio" in TARGETS.get(row["name"], "") else row["value"])
        for row in rows
    ]


def _met(wanted: str, value: float) -> bool:
    bound = float(wanted.rpartition(" ")[2].replace(",", ""))
    if wanted.startswith("under"):
        return value < bound
    return value <= bound if "at most" in wanted else value >= bound


def _machine() -> str:
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} cores of {model}, {memory:.0f} GiB, Python {platform.python_version()}, "
        f"load average {load:.1f} at the end"
    )


if __name__ == "__main__":
    main()
