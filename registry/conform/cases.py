"""Requests for licences that a sandbox accepts, each with a number of its own."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from keys.canonical import strict_json
from keys.errors import Kind, VermilionError

MAX_FILE = 16 * 1024 * 1024
NEEDED = 18
"""Licences that a whole run issues at most; a file of requests has as many."""

GROUND = {
    "legal_basis": "符合性测试(样本)",
    "reason_code": "conformance",
    "operator": "conformance-kit",
}
CASE = {"matter_code": "000131001000", "case_number": "conformance-1", "operator": "conformance-kit"}
SAMPLE = "food-business-licence"


@dataclass
class Cases:
    """`bodies` are used one after the other, those without a `number` again and again; `changes` holds the
    fields that amend, correct and renew one of these licences.
    """

    type_code: str
    seal: str
    bodies: Sequence[Mapping[str, Any]]
    changes: Mapping[str, Mapping[str, Any]]
    sample: bool = False
    _next: int = field(default=0)

    def request(self) -> dict[str, Any]:
        """Raises VermilionError(INVALID) where none is left."""
        if self.sample:
            return {**self.bodies[0], "number": _sample_number()}
        body = self.bodies[self._next % len(self.bodies)]
        if self._next >= len(self.bodies) and "number" in body:
            raise VermilionError(
                Kind.INVALID, f"the file of requests has too few: {NEEDED} are wanted", reason="requests"
            )
        self._next += 1
        return dict(body)

    def next_edition(self, operation: str) -> dict[str, Any]:
        """The body that amends, corrects, renews or replaces."""
        fields = {} if operation == "replace" else {"fields": dict(self.changes[operation])}
        return {"seal": self.seal, **CASE, **_ground(), **fields}


def change(**more: Any) -> dict[str, Any]:
    """The body of a change of status."""
    return {**GROUND, **more}


def _ground() -> dict[str, str]:
    return {name: GROUND[name] for name in ("legal_basis", "reason_code")}


def from_file(path: Path, seal: str) -> Cases:
    """`{"requests": [...], "amend": {...}, "correct": {...}, "renew": {...}}`; each request is what
    issueLicence takes, its seal may be left out. Raises VermilionError(INVALID).
    """
    try:
        with path.open("rb") as file:
            value = strict_json(file.read(MAX_FILE + 1), max_bytes=MAX_FILE, max_depth=8, fractions=True)
    except OSError as error:
        raise VermilionError(Kind.INVALID, f"{path}: {error.strerror}") from error
    names = {"requests", "amend", "correct", "renew"}
    if not isinstance(value, dict) or set(value) != names or not isinstance(value["requests"], list):
        raise VermilionError(Kind.INVALID, f"{path}: an object with {', '.join(sorted(names))} is wanted")
    requests = value["requests"]
    changes = {name: value[name] for name in ("amend", "correct", "renew")}
    if not requests or not all(isinstance(one, dict) for one in [*requests, *changes.values()]):
        raise VermilionError(Kind.INVALID, f"{path}: requests and changes are objects")
    types = {one.get("type") for one in requests}
    if len(types) != 1 or not isinstance(requests[0].get("type"), str):
        raise VermilionError(Kind.INVALID, f"{path}: all requests are for one licence type")
    bodies = [{"seal": seal, **CASE, **one} for one in requests]
    return Cases(requests[0]["type"], bodies[0]["seal"], bodies, changes)


def of_the_samples(types: Sequence[str], seal: str, today: date) -> Cases:
    """Requests for the sample food business licence. Raises VermilionError(INVALID) where the client may not
    issue it.
    """
    from registry.samples import sample_requests

    sample = sample_requests(today, SAMPLE)[0]
    if sample["type"] not in types:
        raise VermilionError(
            Kind.INVALID,
            "the client issues none of the sample types: --requests names a file of requests",
            reason="requests",
        )
    body = {"type": sample["type"], "seal": seal, "fields": sample["fields"], **CASE}
    last = sample["fields"]["valid_to"]
    changes = {
        "amend": {"premises": "云溪省样本市青禾区竹影路20号"},
        "correct": {"representative": "林知遥遥"},
        "renew": {"valid_to": f"{int(last[:4]) + 1}{last[4:]}"},
    }
    return Cases(sample["type"], seal, [body], changes, sample=True)


def _sample_number() -> str:
    from stdnum.iso7064 import mod_11_10

    digits = f"2{secrets.randbelow(10**12):012}"
    return f"JY{digits}{mod_11_10.calc_check_digit(digits)}"
