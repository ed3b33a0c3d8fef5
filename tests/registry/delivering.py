"""Pick-up links of a test world's own agency, what is sent of them, and what holders do."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from registry.notices.tables import Notice
from registry.notices.work import Messenger, open_channels
from registry.outgoing.lanes import Round
from registry.uses.tables import LicenceUse
from signing.record import Printout
from tests.registry.world import World

OPERATOR = {"operator": "window-03"}
LINK = re.compile(r"http://localhost:[0-9]+(/holder/pick-up/[A-Za-z0-9_-]{43})")
_keys = count(1)


def keyed(key: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": key or f"delivery-{next(_keys)}"}


def ask_pick_up(
    world: World, identifier: str, *, client: str = "system", key: str | None = None, **body: Any
) -> TestResponse:
    path = f"/api/v1/licences/{identifier}/pick-ups"
    return world.post(path, {"channel": "none", **OPERATOR, **body}, client, **keyed(key))


def pick_up(world: World, identifier: str, **body: Any) -> dict[str, Any]:
    answer = ask_pick_up(world, identifier, **body)
    assert answer.status_code == 201, answer.get_data(as_text=True)
    value: dict[str, Any] = answer.get_json()
    return value


def told(world: World, made: Mapping[str, Any]) -> dict[str, Any]:
    """The link as the agency reads it now."""
    answer = world.get(made["href"])
    assert answer.status_code == 200, answer.get_data(as_text=True)
    value: dict[str, Any] = answer.get_json()
    return value


def path_of(text: str) -> str:
    """The path of the one link in a text."""
    (path,) = LINK.findall(text)
    return str(path)


def holder(world: World) -> FlaskClient:
    """A browser of somebody's, with cookies of its own."""
    return world.app.test_client()


def sent(world: World, messenger: Messenger | None = None) -> Round:
    """One round of work by the channels of the settings."""
    own = Messenger(world.ports, open_channels(world.ports))
    try:
        return (messenger or own).deliver()
    finally:
        own.close()


def notices(world: World) -> list[Notice]:
    with Session(world.ports.database.read) as session:
        return list(session.scalars(select(Notice).order_by(Notice.created_at, Notice.id)))


def use_body(printout: Printout, **changes: Any) -> dict[str, Any]:
    body = {
        "lookup_code": printout.lookup_code,
        "matter_code": "000131001000",
        "case_number": "2026-0042",
        "reason": "办理变更登记，代替纸质证照",
        "legal_basis": "安徽省政务服务电子文件归档管理办法(样本) 第八条",
        **OPERATOR,
    }
    return body | changes


def use(world: World, printout: Printout, *, client: str = "other-system", **changes: Any) -> TestResponse:
    key = changes.pop("key", None)
    path = f"/api/v1/licences/{printout.record.identifier}/uses"
    return world.post(path, use_body(printout, **changes), client, **keyed(key))


def log(world: World) -> list[LicenceUse]:
    with Session(world.ports.database.read) as session:
        return list(session.scalars(select(LicenceUse).order_by(LicenceUse.used_at, LicenceUse.id)))
