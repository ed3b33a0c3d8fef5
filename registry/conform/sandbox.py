"""The registry that is tried: asked as an agency's system asks it, where it says that it is a sandbox."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from keys.errors import Kind, VermilionError
from registry.client import Answer, ApiClient
from registry.conform.cases import Cases
from registry.conform.checks import want

LICENCES = "/api/v1/licences"
BATCHES = "/api/v1/batches"
WEBHOOKS = "/api/v1/webhooks"
POLL_SECONDS = 0.5


@dataclass
class Sandbox:
    """`base`: its address, `audience`: what its tokens are asked of. `patience`: seconds for what it does by
    itself (a batch, a delivery).
    """

    api: ApiClient
    base: str
    audience: str
    zone: ZoneInfo
    cases: Cases
    patience: float = 60.0
    issued: int = field(default=0)

    @property
    def today(self) -> date:
        return datetime.now(UTC).astimezone(self.zone).date()

    def get(self, path: str, **headers: str) -> Answer:
        return self.api.request("GET", path, None, {name.replace("_", "-"): v for name, v in headers.items()})

    def post(self, path: str, body: Any, key: str | None = None, **headers: str) -> Answer:
        sent = {"Content-Type": "application/json", **headers}
        if key is not None:
            sent["Idempotency-Key"] = key
        data = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return self.api.request("POST", path, data, sent)

    def licence(self, identifier: str) -> dict[str, Any]:
        """As it stands."""
        return self.get(f"{LICENCES}/{identifier}").expect(200).json()

    def issue(self, request: Mapping[str, Any] | None = None, key: str | None = None) -> dict[str, Any]:
        """A new licence."""
        answer = self.post(LICENCES, request or self.cases.request(), key or new_key())
        return wanted(answer, 201).json()

    def numbered(self, request: Mapping[str, Any]) -> list[str]:
        """Identifiers of the licences that have a request's number, if it names one."""
        path = f"{LICENCES}?type={self.cases.type_code}&number={request['number']}"
        return [one["identifier"] for one in self.get(path).expect(200).json()["licences"]]

    def ended_batch(self, batch_id: str) -> dict[str, Any]:
        """A batch at its end. Raises WrongError where that is not in time."""
        found: dict[str, Any] = {}

        def ended() -> bool:
            nonlocal found
            found = self.get(f"{BATCHES}/{batch_id}").expect(200).json()
            return found["ended_at"] is not None

        want(until(ended, self.patience), f"after {self.patience:.0f} s the batch is {found['state']}")
        return found

    def items(self, batch_id: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"{BATCHES}/{batch_id}/items").expect(200).json()["items"]
        return found


def new_key() -> str:
    return f"conformance-{secrets.token_hex(12)}"


def wanted(answer: Answer, *statuses: int) -> Answer:
    """Itself. Raises WrongError, saying status and reason, for another status."""
    if answer.status not in statuses:
        want(False, f"status {answer.status} {reason_of(answer)}".strip())
    return answer


def reason_of(answer: Answer) -> str:
    """Of a problem; empty where it is none."""
    try:
        return str(answer.json().get("reason", ""))[:100]
    except VermilionError:
        return ""


def until(true: Callable[[], object], seconds: float, pause: float = POLL_SECONDS) -> bool:
    """Whether it becomes true in time."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() >= end:
            return False
        time.sleep(pause)
    return True


def seal_of(api: ApiClient) -> str:
    """The agency's first active seal. Raises VermilionError(INVALID) where it cannot be told."""
    answer = api.get("/api/v1/seals")
    if answer.status == 200:
        for one in answer.json().get("seals", []):
            if one["state"] == "active":
                return str(one["code"])
    raise VermilionError(Kind.INVALID, "no active seal is to be seen: --seal names it", reason="seal")


def is_sandbox(sandbox: Sandbox) -> bool:
    """Whether what it would issue are specimens (样本), by a dry run, which issues nothing.

    Raises VermilionError where it would issue nothing at all.
    """
    body = dict(sandbox.cases.bodies[0]) if not sandbox.cases.sample else sandbox.cases.request()
    preview = sandbox.post(f"{LICENCES}?dry_run=1", body, new_key()).expect(200).json()
    return preview.get("specimen") is True
