"""Run the benches, print a table, write build/bench.json."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from bench.row import Row

# The rows each module makes; a name on the command line runs the module that makes it.
BENCHES = {
    "bench.certificates": ("cert.linted_per_s",),
    "bench.status": ("crl.100k_s", "crl.10k_s", "ocsp.signed_vs_raw"),
    "bench.status_lists": ("status.resign_s", "status.resign_sqlite_s", "status.resign_postgres_s"),
    "bench.sealing": (
        "seal.blt_ms",
        "seal.blt_vs_raw",
        "seal.blt_vs_reference",
        "seal.rsa_ms",
        "seal.reference_ms",
        "seal.raw_ms",
        "seal.peak_mb",
    ),
    "bench.time_stamps": ("tsa.token_vs_raw",),
    "bench.group": (
        "group.registry_ms_sqlite",
        "group.registry_ms_postgres",
        "group.postgres_server_ms",
    ),
    "bench.bulk": (
        "bulk.sqlite_10k_per_s",
        "bulk.sqlite_cpu_ms",
        "bulk.postgres_10k_per_s",
        "bulk.postgres_cpu_ms",
        "bulk.peak_mb",
        "store.bytes_per_licence",
    ),
    "bench.batches": ("bulk.batch_10k_per_s", "bulk.batch_peak_mb"),
    "bench.bulk_large": ("bulk.sqlite_100k_vs_10k",),
    "bench.issuing": (
        "issue.http_p50_ms",
        "issue.http_p99_ms",
        "issue.http_cpu_ms",
        "issue.http_deployed_p50_ms",
        "issue.http_deployed_p99_ms",
        "issue.http_deployed_cpu_ms",
    ),
    "bench.checks": (
        "check.page_vs_bare",
        "check.json_vs_bare",
        "check.p99_ms",
        "check.1m_vs_1k",
        "check.1m_vs_1k_sqlite",
        "check.1m_vs_1k_postgres",
    ),
    "bench.search": (
        "search.p95_ms",
        "search.number_p95_ms",
        "search.holder_p95_ms",
        "search.identifier_p95_ms",
        "api.read_vs_bare",
    ),
    "bench.webhooks": ("webhook.sqlite_per_s", "webhook.postgres_per_s", "webhook.per_s"),
    "bench.privacy": ("privacy.hit_miss_p", "privacy.hit_ms", "privacy.miss_ms"),
    "bench.weight": ("page.kb", "page.offline_kb"),
    "bench.uploads": (
        "upload.registered_ms",
        "upload.tampered_ms",
        "upload.hostile_cpu_s",
        "upload.hostile_mb",
    ),
    "bench.archive": ("archive.packages_per_s", "archive.audit_vs_hash"),
    "bench.evidence": ("evidence.million_s", "evidence.proof_bytes"),
}
RESULT = Path("build/bench.json")


def main(only: str | None) -> int:
    chosen = [m for m, names in BENCHES.items() if only is None or only == m or only in names]
    if not chosen:
        print(
            f"no bench makes {only}; there are: {', '.join(n for names in BENCHES.values() for n in names)}"
        )
        return 64
    rows: list[Row] = []
    for module in chosen:
        rows.extend(importlib.import_module(module).run())
    if only is not None and only not in BENCHES:
        rows = [row for row in rows if row.name == only]
    print(f"{'name':28} {'value':>10} {'unit':6} {'baseline':>10} {'ratio':>8}")
    for row in rows:
        baseline = "" if row.baseline is None else f"{row.baseline:10.3f}"
        ratio = "" if row.ratio is None else f"{row.ratio:8.3f}"
        print(f"{row.name:28} {row.value:10.3f} {row.unit:6} {baseline:>10} {ratio:>8}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(
        json.dumps(
            [
                {"name": r.name, "value": r.value, "unit": r.unit, "baseline": r.baseline, "ratio": r.ratio}
                for r in rows
            ],
            indent=1,
        )
        + "\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else None))
