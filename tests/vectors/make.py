"""Writes the vectors that Python and the page's script both run: `python -m tests.vectors.make`."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

from signing import cbor
from signing.annotation import Annotation
from signing.check import check_id, check_scan
from signing.claims import claims_of
from signing.credential import MAX_SIGNED, parse_link
from signing.page_data import page_data
from signing.status_list import StatusList, age_of
from signing.verdict import Age, Content, Facts, Issuer, OnRecord, Status, Time, decide, listed, table
from tests.signing.checking import LINK_ID, NOW, food, records, scanned, sign, types
from tests.signing.scan_cases import LINK, cases

HERE = Path(__file__).parent


def verdict_vectors() -> dict[str, Any]:
    """Every combination of facts: the axes' values, then verdict, the results of the three checks, and under
    which heading it is told, of a licence and of an annotated copy.
    """
    copy = Annotation("", "", NOW.date())
    rows = []
    for c, i, r, s, t in product(Content, Issuer, OnRecord, Status, Time):
        found = decide(Facts(c, i, r, s, t), as_of=NOW)
        results = (found.content.result, found.issuer.result, found.status.result)
        of_copy = replace(found, copy=copy).heading
        rows.append(" ".join((c, i, r, s, t, found.verdict, *results, found.heading, of_copy)))
    return {"axes": list(table()["axes"]), "rows": rows}


def credential_vectors() -> list[dict[str, Any]]:
    """Fragments, good and bad, and the licence number that a decoder reads from the good ones."""
    cose = sign(food())
    found: list[dict[str, Any]] = [
        {"name": record.identifier, "digits": scanned(record).partition("#")[2], "number": record.number}
        for record in records()
    ]
    copied = replace(
        food(), copy=Annotation("办" * 200, "行" * 100, date(2026, 12, 31), date(2026, 11, 20), 2)
    )
    claims: dict[int, Any] = claims_of(copied, types()[copied.type_code])
    found.append(
        {
            "name": "an annotated copy",
            "digits": scanned(copied).partition("#")[2],
            "number": copied.number,
            "copy": [claims[13], claims[14], "2026-12-31"],
        }
    )

    def bad(name: str, data: bytes) -> None:
        number = int.from_bytes(b"\1" + data, "big")
        found.append({"name": name, "digits": str(number), "number": None})

    bad("empty", b"")
    bad("a byte follows", cose + b"\0")
    bad("tagged", b"\xd2" + cose)
    bad("cut short", cose[:-1])
    bad("larger than a code may be", cose + bytes(MAX_SIGNED))
    bad("five parts", b"\x85" + cose[1:] + b"\xf6")
    bad("indefinite array", b"\x9f" + cose[1:] + b"\xff")
    bad("an unprotected header", cose.replace(b"\xa0", b"\xa1\x04\x40", 1))
    payloads = {
        "a copy without a purpose": {key: value for key, value in claims.items() if key != 13},
        "a copy without a last day": {key: value for key, value in claims.items() if key != 15},
        "a recipient alone": {key: value for key, value in claims.items() if key not in {13, 15}},
        "a copy that outlives its licence": claims | {15: claims[10] + 1},
        "a purpose that is a number": claims | {13: 1},
        "a purpose that is empty": claims | {13: ""},
        "a last day that is a text": claims | {15: "2026"},
        "a claim more": claims | {16: 1},
    }
    for name, other in payloads.items():
        bad(name, cose[: cose.index(b"\x59")] + cbor.encode(cbor.encode(other)) + cose[-66:])
    bad("alg is a text", cose.replace(b"\xa2\x01\x26", b"\xa2\x01\x60", 1))
    bad("alg is a key number", cose.replace(b"\xa2\x01\x26", b"\xa2\x01\x06", 1))
    bad("keys out of order", cose.replace(b"\xa2\x01\x26\x04", b"\xa2\x04\x26\x01", 1))
    payload = cose.index(b"\x59")
    bad("a length not in its shortest form", cose[:payload] + b"\x5a\0\0" + cose[payload + 1 :])
    for position in range(0, len(cose) - 64, 7):
        altered = cose[:position] + bytes([cose[position] ^ 0x80]) + cose[position + 1 :]
        number = _number_of(altered)
        digits = str(int.from_bytes(b"\1" + altered, "big"))
        found.append({"name": f"byte {position} altered", "digits": digits, "number": number})
    fragments = ("0", "1", "01", "-1", "1e9", " 5", "x", "9" * 2001, "256", "512", "\uff11")
    return found + [
        {"name": f"fragment {digits[:8]!r}", "digits": digits, "number": None} for digits in fragments
    ]


def _number_of(cose: bytes) -> str | None:
    from keys.errors import VermilionError
    from signing.credential import decode_credential

    try:
        return decode_credential(cose).claims.number
    except VermilionError:
        return None


def scan_vectors() -> list[dict[str, Any]]:
    """Scanned texts with the page's data as the site gives it, and what is to be answered."""
    found = []
    for case in cases():
        data = page_data(check_id(LINK.rpartition("/")[2], case.trust, case.live, NOW), case.trust, "en")
        del data["names"]
        outcome = check_scan(case.text, case.trust, case.live, None, NOW)
        claims = None if case.page else outcome.claims
        copy = None if claims is None else claims.copy
        found.append(
            {
                "name": case.name,
                "text": case.text,
                "live": data,
                "want": dict(
                    zip(("verdict", "content", "issuer", "status"), case.page or case.want, strict=True)
                ),
                "number": None if claims is None else claims.number,
                "copy": None if copy is None else [copy.purpose, copy.recipient, copy.valid_to.isoformat()],
                "heading": None if case.page else outcome.verification.heading,
            }
        )
    return found


def listed_vectors() -> dict[str, Any]:
    """Ages of a status list at moments about each of its times, and what each age and value come to."""
    life, ttl, skew = timedelta(hours=48), timedelta(hours=1), timedelta(minutes=5)
    found = StatusList("", NOW, NOW + life, ttl, b"")
    moments = [
        edge + timedelta(seconds=off)
        for edge in (NOW - skew, NOW, NOW + ttl, NOW + life)
        for off in (-1, 0, 1)
    ]
    times = {"iat": _seconds(NOW), "exp": _seconds(NOW + life), "ttl": int(ttl.total_seconds())}
    return {
        "ages": [{**times, "at": _seconds(at), "age": age_of(found, at)} for at in moments],
        "rows": [
            f"{age} {value} {came.status} {came.reason}"
            for age, value in product(Age, table()["listed_axes"]["value"])
            for came in (listed(age, value),)
        ],
    }


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def files() -> dict[str, str]:
    """Name and text of each vector file."""
    assert parse_link(LINK).id_bytes == LINK_ID
    return {
        name: json.dumps(content, ensure_ascii=False, indent=1) + "\n"
        for name, content in (
            ("verdict.json", verdict_vectors()),
            ("credential.json", credential_vectors()),
            ("scan.json", scan_vectors()),
            ("listed.json", listed_vectors()),
        )
    }


if __name__ == "__main__":
    for name, text in files().items():
        (HERE / name).write_text(text, encoding="utf-8")
