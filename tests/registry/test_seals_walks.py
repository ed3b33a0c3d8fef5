"""Whatever order the acts on a seal come in: the trust list can be published, the record holds together, and
what was sealed stays recognised.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from keys.trust_list import read_trust_list
from registry.licences.fsck import fsck
from registry.licences.lookup import current_trust_list
from registry.seals import impact
from registry.seals.tables import Key, Seal, SealEdition, SealState
from registry.seals.trust import publish_trust_list
from signing.issuer import RECOGNISED, judge_seals
from signing.record import printout_from_json
from signing.strict_check import strict_check
from tests.registry.issuing import issue_one
from tests.registry.world import BASIS, Ticker, World, on_sqlite

FACE = {"kind": "special", "name": "云溪省样本局", "bottom_text": "许可专用章"}
STEPS = 60


class Walk:
    """One seal, its people, and what they try; a refusal is an answer, a defect is not."""

    def __init__(self, world: World, clock: Ticker, random: Random) -> None:
        self.world, self.clock, self.random = world, clock, random
        self.requests: list[dict[str, Any]] = []
        self.issued: list[str] = []
        self.done: dict[str, int] = {}
        self.acts: dict[str, tuple[float, Callable[[], bool]]] = {  # how often, and what
            "renew": (2, lambda: self.post("applicant", "renewal-application", {})),
            "change": (1, lambda: self.post("applicant", "change-application", FACE)),
            "decide": (6, self.decide),
            "make": (3, lambda: self.post("maker", "making", {})),
            "file": (3, lambda: self.post("maker", "filing", {})),
            "activate": (3, lambda: self.post("keeper", "activation", {})),
            "suspend": (0.5, lambda: self.post("keeper", "suspension", BASIS)),
            "lose": (0.3, lambda: self.post("approver", "loss-report", {"legal_basis": "x"})),
            "resume": (2, lambda: self.post("keeper", "resumption-request", BASIS)),
            "authorise": (1, self.authorise),
            "seal away": (
                1,
                lambda: self.post("maker", f"editions/{random.randint(1, 4)}/sealing-away", BASIS),
            ),
            "issue": (2, self.issue),
            "wait": (3, self.wait),
        }

    def post(self, person: str, path: str, body: Any) -> bool:
        answer = self.world.post(
            f"/api/v1/seals/{self.world.seal_code}/{path}", body, self.world.system_of(person), person
        )
        assert answer.status_code < 500, answer.get_json()
        if answer.status_code in {201, 202} and "payload_sha256" in answer.get_json():
            self.requests.append(answer.get_json())
        return answer.status_code < 400

    def decide(self) -> bool:
        if not self.requests:
            return False
        asked = self.requests.pop()
        applied = asked["action"] in {"renew", "change"}
        path = f"seal-applications/{asked['id']}/approval" if applied else f"approvals/{asked['id']}/decision"
        body = {"decision": "approve", "payload_sha256": asked["payload_sha256"]}
        answer = self.world.post(f"/api/v1/{path}", body, "authority-system", "approver2")
        assert answer.status_code < 500, answer.get_json()
        return answer.status_code < 400

    def authorise(self) -> bool:
        with suppress(AssertionError):  # the helper wants it done
            return bool(self.world.authorise(self.world.seal_code))
        return False

    def issue(self) -> bool:
        with suppress(VermilionError):
            self.issued.append(issue_one(self.world).edition_id)
            return True
        return False

    def wait(self) -> bool:
        self.clock.advance(timedelta(hours=self.random.choice([0, 1, 40, 60])))
        return True

    def step(self) -> None:
        (name,) = self.random.choices(list(self.acts), [often for often, _act in self.acts.values()])
        if self.acts[name][1]():
            self.done[name] = self.done.get(name, 0) + 1
        self.clock.advance(timedelta(seconds=self.random.choice([0, 1, 600])))
        publish_trust_list(self.world.ports)


@on_sqlite
@pytest.mark.parametrize("seed", range(5))
def test_no_order_of_acts_breaks_the_record(world: World, clock: Ticker, seed: int) -> None:
    walk = Walk(world, clock, Random(seed))
    for _ in range(STEPS):
        walk.step()
    if seed % 2:
        walk.post("keeper", "cancellation-request", BASIS)
        assert walk.decide()
        publish_trust_list(world.ports)
    assert len(walk.done) >= 7, walk.done

    trust = read_trust_list(current_trust_list(world.ports.database.read), at=clock.now)
    for edition_id in walk.issued:
        data = world.ports.documents.get(f"{edition_id[:2]}/{edition_id}.enc")
        assert data is not None
        evidence = strict_check(data, trust, at=clock.now)
        judged = judge_seals(evidence, printout_from_json(evidence.printout_json).record, trust, clock.now)
        assert judged == RECOGNISED
    assert fsck(world.ports) == []
    with Session(world.ports.database.read) as session:
        seal = session.get_one(Seal, world.seal_code)
        history = session.scalars(select(SealState.version).order_by(SealState.version)).all()
        assert list(history) == list(range(1, seal.state_version + 1))
        in_use = select(func.count()).select_from(SealEdition).where(SealEdition.state == "in_use")
        assert (session.scalar(in_use) or 0) <= 1
        serving = (
            select(SealEdition.state).join(Key, Key.id == SealEdition.key_id).where(Key.state == "active")
        )
        over = {"ended", "dropped"}
        assert not over & set(session.scalars(serving))
        sealed = impact.page(session, seal, impact.limit_of(session, seal, clock.now)).sealings
        assert {sealing.edition_id for sealing in sealed} == set(walk.issued)
