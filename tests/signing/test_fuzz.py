"""A short run of the fuzzer, with a seed, so that it is the same everywhere; `make fuzz` runs as long as asked."""

from __future__ import annotations

import random

from signing.validator import start_validator
from tests.fuzz import fuzz, mutated

TURNS = 12


def test_what_strangers_send_brings_about_nothing_but_answers() -> None:
    validator = start_validator()
    try:
        found, done = fuzz(validator, 20261120, TURNS)
    finally:
        validator.close()
    assert found == []
    assert done == {"scan": 40 * TURNS, "signature": 5 * TURNS, "upload": TURNS}


def test_a_mutation_changes_something_nearly_always() -> None:
    right = bytes(range(256)) * 8
    made = [mutated(random.Random(n), right) for n in range(200)]
    assert sum(one != right for one in made) > 180
    assert len(set(made)) > 150
