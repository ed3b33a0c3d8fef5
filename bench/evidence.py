"""Evidence records of a night: one tree over a million digests, one time-stamp, a proof for each."""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path
from time import perf_counter

from bench.row import Row
from keys.evidence_record import HashTree
from keys.time_stamp import verify_token
from tests.authority import make_authority

MANY = 1_000_000


def run() -> list[Row]:
    """evidence.million_s: from the digests to the encoded record of each, one token among them; baseline: the
    same number of digests of two joined digests. evidence.proof_bytes: of the largest record what is not the
    token.
    """
    return measured(MANY)


def measured(count: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as name:
        authority = make_authority(Path(name))
        groups = [[sha256(number.to_bytes(8, "big")).digest()] for number in range(count)]
        begin = perf_counter()
        for (digest,) in groups:
            sha256(digest + digest).digest()
        bare = perf_counter() - begin
        begin = perf_counter()
        tree = HashTree.over("sha256", groups)
        token = authority.stamper.stamp(tree.root, "a night")
        largest = max(map(len, tree.records(token)))
        took = perf_counter() - begin
        verify_token(token, tree.root, trust=authority.trust())
    return [
        Row("evidence.million_s", took, "s", bare),
        Row("evidence.proof_bytes", largest - len(token), "bytes"),
    ]
