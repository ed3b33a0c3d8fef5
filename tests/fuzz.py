"""A mutation fuzzer of what strangers send: the text of a code, the CMS of a signature, an uploaded file.

`python -m tests.fuzz --minutes 10 [--seed N]`, or `make fuzz MINUTES=10`. A finding is an error that no
caller expects, a positive answer for what was altered, or a validator that breaks off; each is printed with
what makes it again, and ends the run with 1. There is no coverage feedback: it knows the grammar instead, and
cuts, repeats and mixes pieces of right inputs with words that such inputs are made of. `tests.fuzz_guided`
follows coverage.
"""

from __future__ import annotations

import argparse
import random
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import count

from keys.errors import VermilionError
from signing import cms
from signing.check import Outcome, check_file, check_scan
from signing.foreign_seal import foreign_seals
from signing.report import Explained
from signing.validator import Validator, report_of, start_validator
from signing.verdict import Verdict
from tests.signing import checking, jointly
from tests.signing.alter import gap_of
from tests.signing.sealing import LATER, with_contents

POSITIVE = {Verdict.VALID, Verdict.GENUINE_OFFLINE}
_WORDS = (
    b"<<", b">>", b"[", b"]", b"obj", b"endobj", b"stream\n", b"endstream", b"xref\n", b"trailer\n",
    b"startxref\n", b"%%EOF\n", b"/ByteRange", b"/Contents", b"/Prev", b"/Root 1 0 R", b"/Length", b"/Kids",
    b"/Filter /FlateDecode", b"/Encrypt", b"/Type /ObjStm", b"0 0 R", b"1 0 R", b"-1", b"99999999999", b"(", b")",
    b"\0", b"\xff\xff\xff\xff", b"\x30\x80", b"\x00\x00", b"\x30\x84", b"\xa0\x82",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    target: str
    what: str
    seed: int
    number: int  # `random.Random(f"{seed} {target} {number}")` makes it again


def mutated(rng: random.Random, right: bytes) -> bytes:
    """One to eight changes: a bit, a byte, a word, a piece taken out, repeated, moved, or cut off."""
    data = bytearray(right)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        at, length = rng.randrange(len(data) + 1), rng.choice((1, 2, 4, 16, 256, 4096))
        piece = bytes(data[at : at + length])
        match rng.randrange(7):
            case 0 if piece:
                data[at] ^= 1 << rng.randrange(8)
            case 1 if piece:
                data[at] = rng.randrange(256)
            case 2:
                data[at : at + rng.choice((0, 0, length))] = rng.choice(_WORDS)
            case 3:
                del data[at : at + length]
            case 4:
                data[at:at] = piece * rng.choice((1, 2, 50))
            case 5:
                to = rng.randrange(len(data) + 1)
                data[to:to] = piece
            case _:
                del data[at if at > len(data) // 2 else len(data) - at :]
    return bytes(data)


def _expected(work: Callable[[], object]) -> str | None:
    """What is wrong with how it ended, or None."""
    try:
        outcome = work()
    except VermilionError:
        return None
    except Exception as error:  # noqa: BLE001  (any is a finding)
        return repr(error)[:200]
    if isinstance(outcome, Outcome) and outcome.verification.verdict in POSITIVE:
        return f"positive: {outcome.verification.verdict}"
    return outcome if isinstance(outcome, str) else None


class Targets:
    def __init__(self, validator: Validator | None) -> None:
        """`validator`: for reports alone."""
        self._validator = validator
        self._record = checking.food()
        self._trust = checking.trust_list(checking.trusted(checking.QR_KEY, self._record))
        self.code = checking.scanned(self._record).encode()
        self.file, self._seals = jointly.forms(1)[0], jointly.agencies().trust
        for control in (
            check_file(self.file, self._seals, None, None, LATER),
            check_scan(self.code.decode(), self._trust, None, None, checking.NOW),
        ):
            assert control.verification.verdict in POSITIVE, control  # else no finding could be one
        start, end = gap_of(self.file)
        self.cms = cms.leading_element(bytes.fromhex(self.file[start:end].decode()))

    def scan(self, rng: random.Random) -> str | None:
        """The text of a code: its digits, or its bytes under right digits."""
        if rng.randrange(2):
            return self.judge_text(mutated(rng, self.code))
        return self.judge_credential(mutated(rng, credential(self.code)))

    def signature(self, rng: random.Random) -> str | None:
        return self.judge_signature(mutated(rng, self.cms))

    def upload(self, rng: random.Random) -> str | None:
        return self.judge_report(mutated(rng, self.file))

    def judge_text(self, data: bytes) -> str | None:
        """What is wrong with how the text of a code was taken, or None."""
        text = data.decode("utf-8", "replace")
        right = self.code.decode()
        return _expected(
            lambda: _unlike(right, text, check_scan(text, self._trust, None, None, checking.NOW))
        )

    def judge_credential(self, data: bytes) -> str | None:
        """The same of a code whose digits stand for these bytes."""
        head = self.code.partition(b"#")[0]
        number = int.from_bytes(b"\x01" + data)
        return self.judge_text(head + b"#" + str(number).encode() if number < 10**4000 else head)

    def judge_cms(self, der: bytes) -> str | None:
        """What is wrong with how a CMS was read, or None: without a file around it, so a thousand times as often."""

        def read() -> None:
            cms.parse_seal(der)

        return _expected(read)

    def judge_signature(self, der: bytes) -> str | None:
        """What is wrong with how the CMS of a licence was taken, or None."""

        def read() -> object:
            with suppress(VermilionError):
                cms.parse_seal(der)
            start, end = gap_of(self.file)
            if 2 * len(der) <= end - start:
                data = with_contents(self.file, der)
                foreign_seals(data, self._seals)
                return self._checked(data)
            return None

        return _expected(read)

    def judge_file(self, data: bytes) -> str | None:
        """What is wrong with how a file was taken, or None."""
        return _expected(lambda: self._checked(data))

    def _checked(self, data: bytes) -> Outcome | None:
        """The outcome, but for the right file."""
        outcome = check_file(data, self._seals, None, None, LATER)
        return None if data == self.file else outcome

    def judge_report(self, data: bytes) -> str | None:
        """The same of a file and of its report, by the process apart."""

        def explain() -> object:
            outcome = check_file(data, self._seals, None, None, LATER)
            assert self._validator is not None
            report = report_of(data, outcome, self._seals, None, self._validator, LATER)
            if report.explained not in {Explained.DONE, Explained.KNOWN, Explained.LIMIT}:
                return f"not explained: {report.explained}"
            return None if data == self.file else outcome

        return _expected(explain)


def credential(code: bytes) -> bytes:
    """The bytes that the digits of a code stand for."""
    number = int(code.partition(b"#")[2])
    return number.to_bytes((number.bit_length() + 7) // 8)[1:]


def _unlike(right: str, text: str, outcome: Outcome) -> Outcome | None:
    """The outcome, but for a text that says the same: a fragment of an equal credential at the same link."""
    same = (
        text.partition("#")[2] == right.partition("#")[2]
        and text.partition("#")[0].lower() == right.partition("#")[0].lower()
    )
    return None if same else outcome


_WEIGHTS = {"scan": 40, "signature": 5, "upload": 1}
"""Of each in one turn: they cost about as much."""


def fuzz(
    validator: Validator, seed: int, turns: int | None = None, until: float | None = None
) -> tuple[list[Finding], Counter[str]]:
    """So many turns, or as many as there is time for (`until`, by the monotonic clock)."""
    targets = Targets(validator)
    found: list[Finding] = []
    done: Counter[str] = Counter()
    works = {"scan": targets.scan, "signature": targets.signature, "upload": targets.upload}
    for turn in count() if turns is None else range(turns):
        if until is not None and time.monotonic() >= until:
            break
        for name, weight in _WEIGHTS.items():
            for place in range(weight):
                number = turn * weight + place
                # A generator of its own for each: one finding is made again without those before it.
                what = works[name](random.Random(f"{seed} {name} {number}"))
                done[name] += 1
                if what is not None:
                    found.append(Finding(name, what, seed, number))
    return found, done


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    validator = start_validator()
    warnings.simplefilter("error")  # whoever sends something writes nothing on our standard error
    try:
        found, done = fuzz(validator, asked.seed, until=time.monotonic() + asked.minutes * 60)
    finally:
        validator.close()
    for one in found:
        print(one)
    print(f"{dict(done)}: {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
