"""The maker's signature: nothing is signed but what was approved, and no altered edition seals anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.custodian import KeyRef, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.seal_data import SealData, edition_record, read_seal_info, seal_info
from registry.licences.fsck import fsck
from registry.licences.tables import Intent
from registry.seals.custody import registry_policy
from registry.seals.keys import key_ref
from registry.seals.making import make
from registry.seals.tables import Approval, Certificate, Key, KeyUse, SealEdition, SealEditionDraft
from tests.registry.issuing import issue_one
from tests.registry.world import World, on_sqlite


def shown(world: World, code: str = "") -> dict[str, Any]:
    answer: dict[str, Any] = world.get(f"/api/v1/seals/{code or world.seal_code}").get_json()
    return answer


def alter(world: World, **changes: object) -> None:
    with world.ports.database.transaction() as session:
        session.execute(update(SealEdition).where(SealEdition.seal_code == world.seal_code).values(**changes))


def test_an_edition_is_signed_by_its_maker_and_says_so(world: World) -> None:
    (edition,) = shown(world)["editions"]
    assert edition["maker"]["signature"] == "right"
    assert edition["maker"]["name"] == f"{world.codes['authority']}云溪省电子印章管理中心"
    with Session(world.ports.database.read) as session:
        use = session.scalars(select(KeyUse).where(KeyUse.kind == SignKind.SEAL_EDITION.value)).one()
        assert (use.record, use.signed) == (edition_record(edition["id"]), True)
        draft = session.get_one(SealEditionDraft, edition["id"])
        assert use.digest == draft.info_sha256
    assert fsck(world.ports) == []


def test_a_makers_key_serves_its_authority_for_every_seal(world: World) -> None:
    world.made_seal()
    with Session(world.ports.database.read) as session:
        key = session.scalars(select(Key).where(Key.purpose == "seal-maker")).one()
        assert (key.agency_code, key.state) == (world.codes["authority"], "active")
        end = session.scalars(select(Certificate.not_after).where(Certificate.key_id == key.id)).one()
    assert end > world.ports.clock() + timedelta(days=1000)


def test_an_expired_makers_key_has_a_successor(world: World, clock: Any) -> None:
    with Session(world.ports.database.read) as session:
        certificate = select(Certificate.not_after).where(Certificate.profile == "seal-maker")
        clock.now = session.scalars(certificate).one() + timedelta(seconds=1)
    code = world.made_seal()
    assert shown(world, code)["editions"][0]["maker"]["signature"] == "right"
    assert shown(world)["editions"][0]["maker"]["signature"] == "right"  # judged at its creation
    with Session(world.ports.database.read) as session:
        assert len(session.scalars(select(Key).where(Key.purpose == "seal-maker")).all()) == 2


ALTERED: dict[str, Any] = {
    "picture": b"%PDF-1.7 another picture",
    "name": "样本市另一局",
    "number": 7,
    "picture_type": "png",
    "width_mm": 42.0,
    "height_mm": 38.5,
    "valid_to": "later",
    "created_at": "later",
    "certificate_serial": "another seal's",
    "maker_seal": b"\x30\x00",
}


@pytest.mark.parametrize("member", ALTERED)
def test_an_altered_edition_seals_nothing(world: World, member: str) -> None:
    value = ALTERED[member]
    if value == "later":
        with Session(world.ports.database.read) as session:
            column = getattr(SealEdition, member)
            value = session.scalars(select(column)).one() + timedelta(milliseconds=1)
    if member == "certificate_serial":
        (other,) = shown(world, world.made_seal())["editions"]
        value = other["certificate_serial"]
    alter(world, **{member: value})
    with pytest.raises(VermilionError) as refused:
        issue_one(world)
    assert (refused.value.kind, refused.value.reason) == (Kind.UNAVAILABLE, "seal_edition_altered")
    (edition,) = shown(world)["editions"]
    assert edition["maker"] == {"signature": "wrong"}
    findings = fsck(world.ports)
    assert [f.split(":")[0] for f in findings] == [f"seal edition {edition['id']}"]
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(Intent)).all() == []


# --- what a maker's key signs ---------------------------------------------------------------------------


class Watched:
    """The custodian's policy, asked at each signature of a maker, before and after what is on record then is
    altered.
    """

    def __init__(self, world: World) -> None:
        self.world = world
        self.inner = world.ports.custodian
        self.requests: list[tuple[KeyRef, SignRequest]] = []
        self.told: list[str] = []

    def generate(self, *arguments: Any) -> KeyRef:
        return self.inner.generate(*arguments)

    def public_key(self, ref: KeyRef) -> Any:
        return self.inner.public_key(ref)

    def sign(self, ref: KeyRef, requests: Any) -> list[bytes]:
        for request in requests:
            if request.kind is SignKind.SEAL_EDITION:
                self.requests.append((ref, request))
                self.told += [self.ask(ref, other) for other in forged(request)]
        return self.inner.sign(ref, requests)

    def ask(self, ref: KeyRef, request: SignRequest) -> str:
        ports = self.world.ports
        policy = registry_policy(ports.database, ports.clock, ports.settings.tz, ports.vault)
        try:
            policy(ref, [request])
        except VermilionError as error:
            assert error.kind is Kind.KEY_REFUSED
            return error.reason
        return "permitted"


def forged(request: SignRequest) -> list[SignRequest]:
    said = read_seal_info(request.data)
    others: list[SealData] = [
        replace(said, picture=said.picture + b" "),
        replace(said, name="样本市另一局"),
        replace(said, code="99010000000000"),
        replace(said, edition=said.edition + 1),
    ]
    return [replace(request, data=seal_info(other)) for other in others] + [
        replace(request, record=edition_record("0" * 32))
    ]


def test_a_maker_signs_the_announced_edition_and_nothing_else(world: World) -> None:
    code = world.approved_seal()
    watched = Watched(world)
    make(replace(world.ports, custodian=watched), world.actor("authority-system", "maker"), code)
    assert watched.told == ["seal_edition"] * 5
    (asked,) = watched.requests
    assert watched.ask(*asked) == "seal_edition"  # made: never again
    with Session(world.ports.database.read) as session:
        seal_key = session.scalars(select(Key).where(Key.purpose == "seal").limit(1)).one()
        assert watched.ask(key_ref(seal_key), asked[1]) in {"seal_edition", "key_expired"}


@on_sqlite
@pytest.mark.parametrize("what", ["name", "picture", "state", "kind"])
def test_a_draft_of_something_else_than_was_approved_is_not_signed(world: World, what: str) -> None:
    """Who can write drafts, but not the decision of the approver, gets nothing signed."""
    code = world.approved_seal()
    watched = Watched(world)
    make(replace(world.ports, custodian=watched), world.actor("authority-system", "maker"), code)
    ((ref, request),) = watched.requests
    edition_id = request.record.partition(":")[2]
    with world.ports.database.transaction() as session:
        edition = session.get_one(SealEdition, edition_id)
        approval = session.get_one(Approval, edition.approval_id)
        said = dict(approval.payload)
        if what == "state":
            approval.state = "open"
        elif what == "picture":
            said["picture"] = {**said["picture"], "sha256": sha256(b"").hexdigest()}
        else:
            said[what] = {"name": "样本市另一局", "kind": "name"}[what]
        approval.payload = said
        session.delete(edition)
    assert watched.ask(ref, request) == "seal_edition"


@on_sqlite
def test_a_draft_that_was_announced_is_permitted(world: World) -> None:
    """So that the refusals above are not for some other reason."""
    code = world.approved_seal()
    watched = Watched(world)
    make(replace(world.ports, custodian=watched), world.actor("authority-system", "maker"), code)
    ((ref, request),) = watched.requests
    with world.ports.database.transaction() as session:
        session.delete(session.get_one(SealEdition, request.record.partition(":")[2]))
    assert watched.ask(ref, request) == "permitted"
