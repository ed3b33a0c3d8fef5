"""The page's parsers on any text: they take what Python's take, and refuse the rest in one way.

The texts are generated, the same ones for the same seed: right ones, right ones altered, and arbitrary ones.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from keys.errors import VermilionError
from signing.check import check_id, check_scan
from signing.credential import MAX_DIGITS, MAX_LINK, MAX_SIGNED, parse_digits, split_link
from signing.page_data import page_data
from tests.js.conftest import run
from tests.signing.checking import LINK_ID, NOW, food, records, scanned
from tests.signing.scan_cases import LINK, cases

SEED = 20261120
Make = Callable[[Random], str]

ODD = [
    *"0 \t\n\r\0\x7f\x85#/\\:?@%&[]'\"<>-_.=+", "\u2028", "\ufeff", "\u200b", "\u202e", "é", "e\u0301", "水", "𠮷",
    "１", "٣", "²", "\u212a", "ı", "ſ", "\ud800", "\udfff", "/c/", "://", "__proto__", "0x", "1e3", "Infinity",
]  # fmt: skip
"""Ends of lines, digits and letters of other scripts that fold to ours, half characters, our own separators."""

SETTINGS = [
    "all is well", "not on record", "offline", "the registry out of reach", "no trust list, registered",
    "no trust list, not on record", "no trust list, offline",
]  # fmt: skip
"""Of `scan_cases`: what the page may know about its link."""


def arbitrary(random: Random) -> str:
    """Any text, of one kind of characters or of all."""
    kinds: list[Callable[[], str]] = [
        lambda: chr(random.randrange(0x110000)),
        lambda: chr(random.randrange(0x20, 0x7F)),
        lambda: random.choice("0123456789"),
        lambda: random.choice(ODD),
    ]
    chosen = random.choice((kinds, [random.choice(kinds)]))
    return "".join(random.choice(chosen)() for _ in range(random.choice((0, 1, 3, 20, 200))))


def altered(random: Random, text: str) -> str:
    """A text with one to three changes, one of which may blow it up to about the largest size that is read."""
    for _ in range(random.randint(1, 3)):
        start = random.randint(0, len(text))
        end = min(len(text), start + random.choice((0, 1, 1, 2, 30)))
        fill = random.choice([*ODD, "7"])
        room = MAX_LINK + 1 + MAX_DIGITS - len(text) + random.randint(-2, 2)
        changes = [
            "", random.choice(ODD), arbitrary(random)[:3], text[start:end] * 2, text[start:end].swapcase(),
            fill * (room // len(fill)),
        ]  # fmt: skip
        text = text[:start] + random.choice(changes) + text[end:]
    return text


def edged(text: str) -> Iterator[str]:
    """A text with each odd piece at each of its edges: at both ends, and where its parts meet."""
    parts = [text.find(mark) for mark in ("://", "/c/", "#")]
    edges = {0, len(text)} | {part + step for part in parts if part >= 0 for step in (0, 1, 3)}
    for edge in sorted(edges):
        yield from (text[:edge] + odd + text[edge:] for odd in ODD)


def some_digits(random: Random) -> str:
    """A fragment that is a credential by its version and size, or nearly so."""
    size = random.choice((0, 1, 2, 63, MAX_SIGNED - 1, MAX_SIGNED, MAX_SIGNED + 1))
    version = random.choice((1, 1, 1, 0, 2, 255))
    return str(int.from_bytes(bytes([version]) + random.randbytes(size), "big"))


def some_link(random: Random) -> str:
    """A link of ours or nearly so, with a fragment or without."""
    host = random.choice(("localhost", "A.example-1.org", "a" * 253, "a" * 254, "-a", "1"))
    port = random.choice(("", "", ":80", ":443", ":8801", ":65535", ":65536", ":080", ":0", ":"))
    address = random.choice((LINK, f"{random.choice(('http', 'https'))}://{host}{port}/c/{LINK[-22:]}"))
    return address + random.choice(("", "#", "#" + some_digits(random)))


def texts(random: Random, make: Make, number: int, *shown: str) -> list[str]:
    """`shown` with odd pieces at their edges, then made, altered and arbitrary texts, `number` of each.

    As JavaScript reads them: two half characters that meet in JSON are one.
    """
    found = [*shown, *(text for one in shown for text in edged(one))]
    for _ in range(number):
        found += [make(random), altered(random, make(random)), arbitrary(random)]
    return [json.loads(json.dumps(text)) for text in found]


def read(parse: Callable[[str], Any], text: str) -> Any:
    """What Python's parser makes of a text; None where it refuses it."""
    try:
        return parse(text)
    except VermilionError:
        return None


def digits_cases(random: Random, fragment: str) -> list[list[str | None]]:
    found = texts(random, some_digits, 1000, fragment)
    return [[text, read(lambda digits: parse_digits(digits).hex(), text)] for text in found]


def link_cases(random: Random, genuine: str) -> list[list[Any]]:
    def parts(text: str) -> dict[str, str]:
        link, fragment = split_link(text)
        return {"origin": link.origin, "idText": link.id_text, "fragment": fragment}

    return [[text, read(parts, text)] for text in texts(random, some_link, 1000, LINK, genuine)]


def check_cases(random: Random, genuine: str) -> Iterator[dict[str, Any]]:
    """What the page knows, and texts with Python's answer: the four words and the number shown. The answer is
    None for another licence's link: the page of this one is never asked about it, it has only to say something.
    """
    known = {case.name: case for case in cases()}
    ours = [LINK, genuine, *(scanned(record) for record in records())]
    for name in SETTINGS:
        case = known[name]
        data = page_data(check_id(LINK[-22:], case.trust, case.live, NOW), case.trust, "en")
        answers = []
        for text in texts(random, lambda r: r.choice([*ours, some_link(r)]), 100, LINK, genuine):
            link = read(split_link, text)
            answer = None
            if link is None or link[0].id_bytes == LINK_ID:
                found = check_scan(text, case.trust, case.live, None, NOW)
                v = found.verification
                number = None if found.claims is None else found.claims.number
                answer = [v.verdict, v.content.reason, v.issuer.reason, v.status.reason, number]
            answers.append([text, answer])
        yield {"name": name, "live": data, "answers": answers}


@pytest.fixture(scope="module")
def generated() -> dict[str, Any]:
    random, genuine = Random(SEED), scanned(food())
    return {
        "digits": digits_cases(random, genuine.partition("#")[2]),
        "links": link_cases(random, genuine),
        "checks": list(check_cases(random, genuine)),
    }


def test_the_pages_parsers_take_what_pythons_take_and_refuse_the_rest(
    folder: Path, generated: dict[str, Any]
) -> None:
    for name in ("digits", "links"):
        taken = [found is not None for _text, found in generated[name]]
        assert min(sum(taken), len(taken) - sum(taken)) > 300, name  # both happen, and often
    said = {answer[0] for setting in generated["checks"] for _text, answer in setting["answers"] if answer}
    assert said >= {"valid", "altered", "not_recognised", "unknown", "genuine_offline", "cannot_check"}
    (folder / "parsers.json").write_text(json.dumps(generated))
    done = run(folder, "parsers")
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize(
    ("script", "right", "wrong"),
    [
        pytest.param("credential.js", "/^[1-9][0-9]*$/", "/^[0-9]+$/", id="a zero before the digits"),
        pytest.param("credential.js", "[AQgw]$/", "[AQgw]$/m", id="a line after the id"),
        pytest.param("credential.js", "[...text].length > most", "true", id="another count of characters"),
        pytest.param("credential.js", "throw new Malformed(", "throw new Error(", id="another error"),
        pytest.param("check.js", "splitLink(text)", "splitLink(text.trim())", id="spaces dropped"),
    ],
)
def test_the_suite_notices_a_parser_that_differs(
    folder: Path, generated: dict[str, Any], script: str, right: str, wrong: str
) -> None:
    source = (folder / script).read_text()
    assert source.count(right) == 1
    (folder / script).write_text(source.replace(right, wrong))
    (folder / "parsers.json").write_text(json.dumps(generated))
    assert run(folder, "parsers").returncode != 0
