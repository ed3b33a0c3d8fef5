"""`vermilion verify --service`: whatever a service answers, it is a verdict of known shape or `cannot_check`."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import Kind, VermilionError
from registry.cli.verify import _text, understood
from signing.verdict import Verdict, exit_code
from tests.answering import answering, http
from tests.cli.conftest import MEMBERS, Verify

PASSED = {"result": "passed", "reason": "registered_document"}
RIGHT: dict[str, Any] = {
    "verdict": "valid",
    "how": None,
    "checks": {"content": PASSED, "issuer": PASSED, "status": PASSED},
    "as_of": "2026-11-20T02:30:00Z",
    "identifier": "1.2.156.3005.2.X",
    "log": "not_available",
    "licence": {"fields": [{"value": "䶮\x9b"}]},
}


def changed(path: tuple[str, ...], value: object) -> dict[str, Any]:
    """The right answer with another value at one place."""
    answer = deepcopy(RIGHT)
    inner = answer
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return answer


WRONG: dict[str, object] = {
    "no object": [RIGHT],
    "no members": {},
    "a verdict alone": {"verdict": "valid"},
    "a list for a verdict": changed(("verdict",), []),
    "an unknown verdict": changed(("verdict",), "splendid"),
    "how a valid one ended": changed(("how",), "revoked"),
    "ended in no way": {**changed(("verdict",), "ended"), "how": "exploded"},
    "a list for how": {**changed(("verdict",), "ended"), "how": []},
    "checks in a list": changed(("checks",), []),
    "a number for a check": changed(("checks", "issuer"), 5),
    "a number for a result": changed(("checks", "issuer", "result"), 5),
    "an unknown result": changed(("checks", "issuer", "result"), "splendid"),
    "a list for a reason": changed(("checks", "status", "reason"), ["a"]),
    "a reason that writes the terminal": changed(("checks", "status", "reason"), "\x1b[2J"),
    "a reason without end": changed(("checks", "status", "reason"), "a" * 100_000),
    "an identifier that writes the terminal": changed(("identifier",), "\x1b]0;valid\x07"),
    "an identifier in two lines": changed(("identifier",), "1.2\nvalid"),
    "an identifier without end": changed(("identifier",), "1" * 100_000),
    "an object for an identifier": changed(("identifier",), {}),
    "a number for a moment": changed(("as_of",), 5),
    "words for a moment": changed(("as_of",), "\x1b[31mnow"),
    "a moment that never was": changed(("as_of",), "2026-02-30T00:00:00Z"),
}


def test_a_service_that_answers_right_is_believed(verify: Verify, sample: Path) -> None:
    with answering(http(json.dumps(RIGHT).encode())) as address:
        assert verify(sample, "--service", address) == (0, RIGHT, "")
    ended = {**changed(("verdict",), "ended"), "how": "revoked"}
    with answering(http(json.dumps(ended).encode())) as address:
        assert verify("http://localhost/c/x", "--service", address) == (1, ended, "")


@pytest.mark.parametrize("what", WRONG)
def test_a_service_that_answers_no_verdict_cannot_check(verify: Verify, sample: Path, what: str) -> None:
    with answering(http(json.dumps(WRONG[what]).encode())) as address:
        code, shown, err = verify(sample, "--service", address)
    assert (code, shown["verdict"]) == (2, "cannot_check")
    assert shown["checks"]["content"] == {"result": "not_done", "reason": "check_failed"}
    assert err.startswith("vermilion: the ")
    assert err.count("\n") == 1
    assert err[:-1].isprintable()


@pytest.mark.parametrize(
    "raw",
    [
        http(b"[" * 200_000),
        http(b'{"verdict":' * 100_000),
        http(json.dumps(RIGHT).encode().replace(b"{", b'{"verdict":"altered",', 1)),
        http(json.dumps(RIGHT).encode()[:-1]),
        http(json.dumps(RIGHT).encode("utf-16")),
        http(b"<html>", content_type="text/html"),
        http(json.dumps(RIGHT).encode(), "500 Oops"),
        http(b'{"detail": "\\u001b[2J", "errors": [5]}', "400 No", "application/problem+json"),
        http(b"[" * 200_000, "400 No", "application/problem+json"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + json.dumps(RIGHT).encode(),
        b"\x1b[2J" * 100,
        b"",
    ],
    ids=[
        "deep", "deep objects", "two verdicts", "cut", "UTF-16", "a page", "an error", "a hostile problem",
        "a deep problem", "a body cut", "no HTTP", "nothing",
    ],
)  # fmt: skip
def test_a_service_that_answers_anything_cannot_check(verify: Verify, sample: Path, raw: bytes) -> None:
    with answering(raw) as address:
        code, shown, err = verify(sample, "--service", address)
    assert (code, shown["verdict"]) == (2, "cannot_check")
    assert err.startswith("vermilion: ")
    assert all(row.isprintable() for row in err.splitlines())


SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(list(Verdict))
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
PLACES: list[tuple[str, ...]] = [(name,) for name in (*MEMBERS, "more")]
PLACES += [("checks", name) for name in ("content", "issuer", "status")]
PLACES += [("checks", name, part) for name in ("content", "issuer", "status") for part in PASSED]


@given(answer=st.builds(changed, st.sampled_from(PLACES), JSON) | st.dictionaries(st.sampled_from(sorted(MEMBERS)), JSON))  # fmt: skip
def test_an_answer_is_a_verdict_that_can_be_shown_or_is_refused(answer: dict[str, Any]) -> None:
    try:
        read = understood(answer)
    except VermilionError as error:
        assert error.kind is Kind.MALFORMED
        return
    assert exit_code(Verdict(read["verdict"])) in {0, 1, 2}
    assert all(row.isprintable() for row in _text(read, None, as_json=False).split("\n"))
    as_json = _text(read, None, as_json=True)
    assert as_json.isascii()
    assert as_json.isprintable()
    assert json.loads(as_json) == read
