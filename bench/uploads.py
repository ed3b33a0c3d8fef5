"""Uploads to the public site as it is served, over HTTP: a registered file, one that was tampered with; and
what the worst file of the hostile corpus costs the process apart that explains it.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from datetime import timedelta

from bench.checks import folder_for_another_user, issue_one, site_settings
from bench.row import Row
from registry.cli.run import started
from registry.client import call, pdf_headers
from signing.apart import How
from signing.validator import LIMITS, start_validator
from tests.authority import AT
from tests.signing import long_term
from tests.signing.hostile_files import GROUPS, annotated, page_content
from tests.signing.sealing import office

ROUNDS = 40
SEED = 20261120
NOTE = b"<< /Type /Annot /Subtype /FreeText /Rect [90 600 400 640] /Contents (FORGED) /DA (/Helv 30 Tf) >>"


def run() -> list[Row]:
    """upload.registered_ms, upload.tampered_ms: medians of POST /api/v1/verifications, one after another;
    the tampered ones are a licence of which a byte was changed, or to which an annotation or
    page content was added, in turn. upload.hostile_cpu_s, upload.hostile_mb: the most processor time and
    memory of the process apart over the hostile corpus, under the limits of service.
    """
    with folder_for_another_user() as folder:
        settings = site_settings(folder)
        with started(settings) as site:
            data = issue_one(settings, site).document
            url = f"{site.public}/api/v1/verifications"
            registered = _median(url, [data] * ROUNDS, "valid")
            tampered = _median(url, _tampered(data), "altered")
    return [
        Row("upload.registered_ms", registered, "ms"),
        Row("upload.tampered_ms", tampered, "ms"),
        *_worst(),
    ]


def _tampered(data: bytes) -> list[bytes]:
    rng = random.Random(SEED)
    made = []
    for turn in range(ROUNDS):
        at = rng.randrange(2000, len(data) - 2000)
        changed = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        made.append((changed, changed, annotated(NOTE)(data), page_content(data))[turn % 4])
    return made


def _median(url: str, bodies: Sequence[bytes], verdict: str) -> float:
    """Milliseconds; the first one is not counted. Each answer must be this verdict."""
    took = []
    for body in (bodies[0], *bodies):
        begin = time.perf_counter()
        answer = call("POST", url, body=body, headers=pdf_headers())
        took.append((time.perf_counter() - begin) * 1000)
        assert answer.json()["verdict"] == verdict, answer.json()
    return statistics.median(took[1:])


def _worst() -> list[Row]:
    validator = start_validator()
    licence, trust, at = long_term.document(0).data, office().trust, AT + timedelta(hours=1)
    try:
        answers = {
            name: validator.findings(hostile.make(licence), trust, at)[2]
            for group in GROUPS.values()
            for name, hostile in group.items()
        }
    finally:
        validator.close()
    assert all(one.how not in {How.BROKE, How.BUSY, How.AWAY} for one in answers.values())
    cpu = max(answers, key=lambda name: answers[name].cpu_seconds)
    memory = max(answers, key=lambda name: answers[name].peak_bytes)
    print(f"of {len(answers)} hostile files the worst: processor time {cpu!r}, memory {memory!r}")
    return [
        Row("upload.hostile_cpu_s", answers[cpu].cpu_seconds, "s", float(LIMITS.cpu_seconds)),
        Row("upload.hostile_mb", answers[memory].peak_bytes / 2**20, "MiB", LIMITS.memory_bytes / 2**20),
    ]
