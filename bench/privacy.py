"""Whether the time of an answer tells a number that somebody has from one that nobody has.

Typed look-ups of numbers with a wrong code, over HTTP, each from a network of its own so that no limit is
met; those on record and those that are not in turn by chance.
"""

from __future__ import annotations

import http.client
import json
import random
import time
from collections.abc import Sequence
from statistics import NormalDist, median

from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.checks import PROCESSES, folder_for_another_user, issue_one, site_settings
from bench.many import fill, identifier
from bench.row import Row
from registry.cli.run import started
from registry.database import Database
from registry.licences.tables import Licence

EACH = 1000
WARM_UP = 200
WRONG = "7K3MQ8ZV"


def run() -> list[Row]:
    """privacy.hit_miss_p: of the rank-sum test (two-sided) that both kinds take equally long; near 0 the time
    tells. privacy.hit_ms, privacy.miss_ms: medians.
    """
    with folder_for_another_user() as folder:
        settings = site_settings(folder, processes=PROCESSES, trusted_proxies=1)
        with started(settings) as site:
            issue_one(settings, site)
            database = Database.open(settings.url)
            try:
                fill(database, EACH + 1)
                with Session(database.read) as session:
                    copied = session.execute(select(Licence.type_code, Licence.issuer_code).limit(1)).one()
            finally:
                database.dispose()
            there = [identifier(*copied, number) for number in range(1, EACH + 1)]
            absent = [identifier(*copied, number) for number in range(500_001, 500_001 + EACH)]
            hits, misses = _timed(settings.public_port, there, absent)
    return [
        Row("privacy.hit_miss_p", rank_sum_p(hits, misses), ""),
        Row("privacy.hit_ms", median(hits) * 1000, "ms"),
        Row("privacy.miss_ms", median(misses) * 1000, "ms"),
    ]


def _timed(port: int, there: Sequence[str], absent: Sequence[str]) -> tuple[list[float], list[float]]:
    kinds: tuple[list[float], list[float]] = ([], [])
    asked = [(kind, one) for kind, all_of in enumerate((there, absent)) for one in all_of]
    random.Random(20261127).shuffle(asked)
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    answers = set()
    for number, (kind, one) in enumerate([*asked[:WARM_UP], *asked]):
        body = json.dumps({"identifier": one, "lookup_code": WRONG})
        network = f"2001:db8:{number:x}::1"
        begin = time.perf_counter()
        connection.request(
            "POST", "/api/v1/verifications", body,
            {"Content-Type": "application/json", "X-Forwarded-For": network},
        )  # fmt: skip
        answer = connection.getresponse()
        told = json.loads(answer.read())
        took = time.perf_counter() - begin
        answers.add((answer.status, told["verdict"], told["checks"]["status"]["reason"]))
        if number >= WARM_UP:
            kinds[kind].append(took)
    assert answers == {(200, "cannot_check", "not_matched")}, answers
    return kinds


def rank_sum_p(one: Sequence[float], other: Sequence[float]) -> float:
    """Of the Wilcoxon-Mann-Whitney test, two-sided, by the normal approximation; equal values share ranks."""
    values = sorted((*one, *other))
    ranks: dict[float, float] = {}
    first = 0
    while first < len(values):
        last = first
        while last + 1 < len(values) and values[last + 1] == values[first]:
            last += 1
        ranks[values[first]] = (first + last) / 2 + 1
        first = last + 1
    n, m = len(one), len(other)
    u = sum(ranks[value] for value in one) - n * (n + 1) / 2
    deviation = (n * m * (n + m + 1) / 12) ** 0.5
    return 2 * (1 - NormalDist().cdf(abs(u - n * m / 2) / deviation))
