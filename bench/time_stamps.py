"""Time-stamps for whoever asks, made and signed in process, against bare signatures on the same curve."""

from __future__ import annotations

import tempfile
from hashlib import sha256
from pathlib import Path
from time import process_time

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.row import Row
from keys.der import integer, tlv
from keys.tsp import answer
from keys.tst_info import message_imprint
from tests.authority import make_authority
from tests.keys.requests import never

ROUNDS = 2_000


def run() -> list[Row]:
    """Answers in a second of CPU, from request to response, register, policy and ledger in memory; baseline:
    bare signatures.
    """
    with tempfile.TemporaryDirectory() as name:
        authority = make_authority(Path(name))
        imprint = message_imprint(sha256(b"a document").digest())
        request = tlv(0x30, integer(1), imprint, integer(1 << 63), b"\x01\x01\xff")
        grant = authority.stamper.grant
        answer(request, grant, on_failure=never)  # opens the key
        begin = process_time()
        for _ in range(ROUNDS):
            token = answer(request, grant, on_failure=never)
        made = process_time() - begin
        bare = ec.generate_private_key(ec.SECP256R1())
        begin = process_time()
        for _ in range(ROUNDS):
            bare.sign(token, ec.ECDSA(hashes.SHA256()))
        signed = process_time() - begin
    return [Row("tsa.token_vs_raw", ROUNDS / made, "1/s", ROUNDS / signed)]
