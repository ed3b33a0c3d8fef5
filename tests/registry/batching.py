"""Batches of a test world's own agency, sent as its system sends them and worked on when told to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from registry.batches.lines import NDJSON
from registry.batches.tables import Batch, BatchItem
from registry.batches.work import Round, work
from registry.licences.tables import Edition
from tests.registry.issuing import request_body
from tests.registry.world import World

PATH = "/api/v1/batches"
_keys = count(1)


def ndjson(bodies: Sequence[object]) -> bytes:
    return b"".join(json.dumps(body, ensure_ascii=False).encode() + b"\n" for body in bodies)


def requests(world: World, lines: int) -> list[dict[str, Any]]:
    return [request_body(world) for _ in range(lines)]


def send(
    world: World,
    data: bytes,
    *,
    media: str = NDJSON,
    key: str | None = None,
    client: str = "system",
    person: str | None = None,
    query: str = "",
) -> TestResponse:
    headers = {**world.headers(client, person), "Idempotency-Key": key or f"batch-{next(_keys)}"}
    return world.http.post(PATH + query, data=data, headers=headers, content_type=media)


def sent(world: World, data: bytes | int, **options: Any) -> str:
    """The id of a batch that was taken in."""
    answer = send(world, ndjson(requests(world, data)) if isinstance(data, int) else data, **options)
    assert answer.status_code == 202, answer.get_data(as_text=True)
    return str(answer.get_json()["id"])


def worked(world: World, slices: int | None = None, **options: Any) -> Round:
    """So many slices of work, or all that is due."""
    left = iter(range(slices)) if slices is not None else count()
    return work(world.ports, lambda: next(left, None) is None, **options)


def told(world: World, batch_id: str) -> dict[str, Any]:
    answer = world.get(f"{PATH}/{batch_id}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    value: dict[str, Any] = answer.get_json()
    return value


def items(world: World, batch_id: str, query: str = "") -> list[dict[str, Any]]:
    answer = world.get(f"{PATH}/{batch_id}/items{query}")
    assert answer.status_code == 200, answer.get_data(as_text=True)
    value: list[dict[str, Any]] = answer.get_json()["items"]
    return value


def cancel(world: World, batch_id: str) -> dict[str, Any]:
    answer = world.post(f"{PATH}/{batch_id}/cancel", {"operator": "window-03"})
    assert answer.status_code == 200, answer.get_data(as_text=True)
    value: dict[str, Any] = answer.get_json()
    return value


def editions(world: World) -> int:
    with Session(world.ports.database.read) as session:
        return session.scalar(select(func.count()).select_from(Edition)) or 0


def kept_requests(world: World) -> int:
    """Lines whose request, or number, is still on record."""
    kept = BatchItem.request.is_not(None) | BatchItem.number_mac.is_not(None)
    with Session(world.ports.database.read) as session:
        return session.scalar(select(func.count()).select_from(BatchItem).where(kept)) or 0


def row(world: World, batch_id: str) -> Batch:
    with Session(world.ports.database.read) as session:
        return session.get_one(Batch, batch_id)
