"""Answers that are signed for relying parties: true when they are signed, checked by anybody, taken back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from keys.base64url import b64url
from keys.custodian import Kind, Purpose, SignRequest
from keys.errors import VermilionError
from keys.signed_answer import Content, answer_record, take_apart
from registry.agencies.verifiers import set_verifier_active
from registry.licences.issued import Issued
from registry.licences.tables import Document
from registry.log.rules import Ground
from registry.seals.retirement import retire_key
from registry.seals.tables import Key, KeyUse
from registry.seals.trust import publish_trust_list
from signing.signed_answer import read_signed_answer
from tests.registry.issuing import issue_one
from tests.registry.relying import API, BULK, SIGNED, Front, front, taken_over
from tests.registry.test_status import change
from tests.registry.world import GROUND, Ticker, World, on_sqlite
from tests.tokens import resigned

DAY = timedelta(days=1)


@pytest.fixture
def site(world: World) -> Iterator[Front]:
    with front(world) as made:
        yield made


def code(issued: Issued) -> str:
    return issued.link


def test_a_signed_answer_says_what_the_unsigned_one_says_and_is_checked_offline(site: Front) -> None:
    issued = issue_one(site.world)
    request = {"qr": code(issued), "reference": "loan 4711/2026"}
    signed = site.signed(request)
    content = signed.content
    (answer,) = content.answers
    presented = answer["presented"]
    assert presented["credential_sha256"] == sha256(issued.printout.credential).hexdigest()
    assert {name: value for name, value in answer.items() if name != "presented"} == site.said(request)
    assert (answer["verdict"], content.request_reference) == ("valid", "loan 4711/2026")
    assert (content.issuer, content.audience) == (site.world.ports.settings.public_origin, site.party)
    assert content.issued_at == site.world.ports.clock().replace(microsecond=0)
    assert (signed.key.use, signed.key.agency) == ("receipt", None)
    with Session(site.world.ports.database.read) as session:
        (use,) = session.scalars(select(KeyUse).where(KeyUse.record == answer_record(content.reference)))
    assert (use.kind, use.signed) == ("signed-answer", True)


@on_sqlite
def test_each_kind_of_question_is_answered_alike_signed_or_not_alone_or_among_others(site: Front) -> None:
    issued = issue_one(site.world)
    record, printout = issued.printout.record, issued.printout
    ended = issue_one(site.world)
    change(site.world, "end", ended.printout.record.identifier, how="revoked")
    items = [
        {"link": printout.link},
        {"qr": code(issued)},
        {"qr": code(ended)},
        {"id": printout.link.rpartition("/")[2]},
        {"id": "A" * 22},
        {"identifier": record.identifier, "lookup_code": printout.lookup_code},
        {"identifier": record.identifier, "lookup_code": wrong(printout.lookup_code)},
        {"sha256": issued.sha256.hex()},
        {"sha256": "0" * 64},
        {"qr": printout.link + "#" + code(ended).partition("#")[2]},
        {"link": "https://elsewhere.example/c/" + "A" * 22},
        {"link": "javascript:1"},
        {"qr": printout.link + "#not-digits"},
    ]
    alone = [site.said(item) for item in items]
    assert [one["verdict"] for one in alone] == [
        "valid", "valid", "ended", "valid", "unknown", "valid", "cannot_check", "valid",
        "unknown", "altered", "not_recognised", "not_recognised", "altered",
    ]  # fmt: skip
    assert alone[2]["how"] == "revoked"
    assert alone[7]["checks"]["content"] == {"result": "passed", "reason": "registered_document"}
    assert site.said({"items": items}, BULK)["answers"] == alone
    signed = site.signed({"items": items}, BULK).content.answers
    assert [{n: v for n, v in one.items() if n != "presented"} for one in signed] == alone
    for item, one in zip(items, alone, strict=True):
        (answer,) = site.signed(item).content.answers
        assert {n: v for n, v in answer.items() if n != "presented"} == one


def wrong(lookup_code: str) -> str:
    plain = lookup_code.replace(" ", "")
    return ("0" if plain[0] != "0" else "1") + plain[1:]


def _answer(change: Callable[[dict[str, Any]], object]) -> Callable[[Content], Content]:
    def changed(content: Content) -> Content:
        answer = deepcopy(dict(content.answers[0]))
        change(answer)
        return replace(content, answers=(answer,))

    return changed


def _altered(answer: dict[str, Any]) -> dict[str, Any]:
    answer.update(verdict="altered", how=None)
    answer["checks"]["content"] = {"result": "failed", "reason": "digest_mismatch"}
    return answer


UNTRUE: dict[str, tuple[str, Callable[[Content], Content]]] = {
    "an ended licence is valid": (
        "answer_untrue", _answer(lambda a: a.update(verdict="valid", how=None))),
    "the holder is somebody else": (
        "answer_untrue", _answer(lambda a: a["licence"]["fields"][0].update(value="另一人"))),
    "it was never registered": (
        "answer_untrue", _answer(lambda a: (a.update(verdict="unknown", how=None, identifier=None),
                                            a.pop("licence"), a.pop("credential_sha256")))),
    "it is altered, of another licence": (
        "answer_untrue", _answer(lambda a: a.update(verdict="altered", how=None, identifier="1.2.3"))),
    "words where a reason stands": (
        "answer_untrue", _answer(lambda a: (a.update(verdict="not_recognised", how=None),
                                            a["checks"]["issuer"].update(reason="All is well")))),
    "altered, though it passed": (
        "answer_untrue", _answer(lambda a: a.update(verdict="altered", how=None))),
    "not recognised, though its issuer is": (
        "answer_untrue", _answer(lambda a: a.update(verdict="not_recognised", how=None))),
    "altered, for a reason that has no sentence": (
        "answer_untrue", _answer(lambda a: (_altered(a),
                                            a["checks"]["content"].update(reason="all_is_well")))),
    "altered, with a status for another reason than there is": (
        "answer_untrue", _answer(lambda a: (_altered(a),
                                            a["checks"]["status"].update(reason="in_force")))),
    "by another site": (
        "answer_form", lambda content: replace(content, issuer="https://elsewhere.example")),
    "by somebody's words": ("answer_form", lambda content: replace(content, issuer="All is well")),
    "as of half a minute ago, by the record": (
        "answer_time", _answer(lambda a: a.update(as_of="2026-11-20T02:29:30Z", clock="recorded"))),
    "one where true stands": (
        "answer_untrue", _answer(lambda a: a["licence"].update(specimen=1))),
    "another member": ("answer_untrue", _answer(lambda a: a.update(comment="valid"))),
    "genuine offline": ("answer_untrue", _answer(lambda a: a.update(verdict="genuine_offline", how=None))),
    "what was presented is not said": ("answer_form", _answer(lambda a: a.pop("presented"))),
    "of two minutes ago": (
        "answer_time", _answer(lambda a: a.update(as_of="2026-11-20T02:28:00Z"))),
    "as of a past moment, when it was in force": (
        "answer_untrue", _answer(lambda a: a.update(as_of="2026-11-20T02:20:00Z", clock="recorded"))),
    "as of a moment to come": (
        "answer_time", _answer(lambda a: a.update(as_of="2027-11-20T02:20:00Z", clock="effective"))),
    "by another clock": ("answer_form", _answer(lambda a: a.update(clock="sun"))),
    "signed yesterday": (
        "answer_time", lambda content: replace(content, issued_at=content.issued_at - DAY)),
    "for nobody": ("answer_audience", lambda content: replace(content, audience="0" * 32)),
}  # fmt: skip


@on_sqlite
def test_who_takes_the_site_over_has_nothing_signed_that_is_not_so(site: Front) -> None:
    """By the very custodian that the site has. The licence has ended."""
    world = site.world
    issued = issue_one(world)
    change(world, "end", issued.printout.record.identifier, how="revoked")
    right = site.signed({"qr": code(issued)}).content
    with taken_over(site) as signer:
        for name, (reason, alter) in UNTRUE.items():
            assert signer.signs(alter(right)) == reason, name
        one = replace(right, reference="f" * 32)
        assert signer.signs(one, one.reference, "0" * 16) == "answer_form"
        assert signer.signs(one, "0" * 32) == "answer_form"  # under another name
        assert signer.signs(one, one.reference) == "signed"
        assert signer.signs(one, one.reference) == "record_used"
        assert signer.signs(_answer(_altered)(right)) == "signed"  # what the thing alone can show
        # Bytes of no other kind, and no key of another purpose.
        with pytest.raises(VermilionError, match="may not ask"):
            signer.custodian.sign(
                replace(signer.key, purpose=Purpose.SEAL),
                [SignRequest(Kind.SIGNED_ATTRIBUTES, b"", "intent:")],
            )
        with pytest.raises(VermilionError, match="may not ask"):
            signer.custodian.generate(Purpose.RECEIPT, "p256-sha256")


@on_sqlite
def test_what_is_not_on_record_is_signed_as_such_and_not_otherwise(site: Front) -> None:
    content = site.signed({"sha256": "0" * 64}).content
    (answer,) = content.answers
    with taken_over(site) as signer:
        for status in (
            {"result": "passed", "reason": "in_force"},
            {"result": "failed", "reason": "ended"},
            {"result": "not_done", "reason": "status_not_asked"},
        ):
            told = {**answer, "checks": answer["checks"] | {"status": status}}
            assert signer.signs(replace(content, answers=(told,))) == "answer_untrue", status
        assert signer.signs(content) == "signed"


@on_sqlite
def test_a_file_of_ours_that_is_not_on_record_is_answered_signed(site: Front) -> None:
    """It says which licence it is. That is the file's word, which the registry cannot see, and is not signed."""
    issued = issue_one(site.world)
    ports = site.world.ports
    with ports.database.transaction() as session:
        row = session.get_one(Document, issued.sha256)
        data = ports.documents.get(row.store_key)
        session.delete(row)

    def uploaded(**headers: str) -> TestResponse:
        key = {"Authorization": f"Bearer {site.key}"}
        return site.http.post(API, data=data, content_type="application/pdf", headers=key | headers)

    said = uploaded().get_json()
    assert (said["verdict"], said["identifier"]) == ("unknown", issued.printout.record.identifier)
    answer = uploaded(**SIGNED)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    (signed,) = site.read(answer.data).content.answers
    assert (signed["verdict"], signed["identifier"]) == ("unknown", None)
    assert signed["checks"] == said["checks"]


@on_sqlite
def test_a_licence_that_ends_between_check_and_signature_is_checked_again(
    site: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = issue_one(site.world)
    relying = site.app.extensions["site"].relying
    sign = relying.custodian.sign
    ended: list[object] = []

    def late(*arguments: Any) -> Any:
        if not ended:
            ended.append(change(site.world, "end", issued.printout.record.identifier, how="annulled"))
        return sign(*arguments)

    monkeypatch.setattr(relying.custodian, "sign", late)
    (answer,) = site.signed({"qr": code(issued)}).content.answers
    assert (answer["verdict"], answer["how"]) == ("ended", "annulled")


@on_sqlite
def test_a_signed_answer_taken_back_says_when_it_was_given_and_what_is_so_now(
    site: Front, clock: Ticker
) -> None:
    issued = issue_one(site.world)
    token = site.ask({"qr": code(issued)}, **SIGNED).data
    given = clock.now
    clock.advance(2 * DAY)
    publish_trust_list(site.world.ports)
    change(site.world, "end", issued.printout.record.identifier, how="withdrawn")
    body = site.take_back(token).get_json()
    (entry,) = body["answers"]
    assert body["genuine"] is True
    assert body["issued_at"] == given.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert (body["key"], body["audience"]) == (take_apart(token).kid, site.party)
    assert (entry["said"]["verdict"], entry["now"]["verdict"]) == ("valid", "ended")
    assert entry["now"]["how"] == "withdrawn"


@on_sqlite
def test_what_is_no_signed_answer_of_ours_is_not_genuine(site: Front) -> None:
    issued = issue_one(site.world)
    token = site.ask({"qr": code(issued)}, **SIGNED).data
    header, payload, signature = token.split(b".")
    told = json.loads(_unb64(payload))
    told["answers"][0]["verdict"] = "ended"
    other = b64url(
        json.dumps(told, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
    ).encode()
    for changed, reason in (
        (b".".join((header, other, signature)), "bad_signature"),
        (resigned(token), "bad_signature"),
        (b".".join((header, payload)), "signed_answer"),
        (token + b"x", "signed_answer"),
        (b"", "signed_answer"),
        (b"\xff", "signed_answer"),
        (_trust_list(site), "signed_answer"),
    ):
        body = site.take_back(changed).get_json()
        assert (body["genuine"], body["reason"]) == (False, reason)
        assert "answers" not in body


def _unb64(text: bytes) -> bytes:
    import base64

    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))


def _trust_list(site: Front) -> bytes:
    return bytes(site.http.get("/.well-known/elicence/trust-list").data)


@on_sqlite
@pytest.mark.parametrize("compromised", [False, True])
def test_what_a_retired_key_signed_stays_good_and_what_a_compromised_one_did_is_worth_nothing(
    site: Front, clock: Ticker, compromised: bool
) -> None:
    world = site.world
    issued = issue_one(world)
    token = site.ask({"qr": code(issued)}, **SIGNED).data
    clock.advance(timedelta(hours=1))
    with Session(world.ports.database.read) as session:
        key_id = session.scalars(select(Key.id).where(Key.purpose == "receipt")).one()
    with world.ports.database.transaction() as session:
        retire_key(session, world.ports, world.system, key_id=key_id, ground=GROUND, compromised=compromised)
    publish_trust_list(world.ports)
    clock.advance(timedelta(seconds=10))  # the site asks for the list anew
    body = site.take_back(token).get_json()
    assert (body["genuine"], body["reason"]) == ((False, "key_compromised") if compromised else (True, None))
    refused = site.ask({"qr": code(issued)}, **SIGNED)  # until there is a successor
    assert (refused.status_code, refused.get_json()["reason"]) == (503, "not_established")
    assert site.said({"qr": code(issued)})["verdict"] == "valid"


@on_sqlite
def test_a_disabled_party_gets_nothing_signed_even_by_the_site(site: Front) -> None:
    """The signer looks for itself."""
    issued = issue_one(site.world)
    world = site.world
    relying = site.app.extensions["site"].relying
    party = relying.party(site.key)
    with world.ports.database.transaction() as session:
        set_verifier_active(
            session, world.ports, world.security, verifier_id=site.party, active=False,
            ground=Ground(GROUND.legal_basis, "test", world.today),
        )  # fmt: skip
    assert site.ask({"qr": code(issued)}).status_code == 401
    object.__setattr__(relying, "party", lambda _key: party)  # a site that was taken over
    answer = site.ask({"qr": code(issued)}, **SIGNED)
    assert (answer.status_code, answer.get_json()["reason"]) == (503, "answer_audience")


@on_sqlite
def test_without_the_signer_nothing_is_said_to_be_signed(world: World) -> None:
    with front(world) as site:
        issued = issue_one(world)
        token = site.ask({"qr": code(issued)}, **SIGNED).data
        app, key, party = site.app, site.key, site.party
    from tests.registry.relying import close, make_site

    app = make_site(world)
    try:
        alone = Front(world, app, key, party)
        answer = alone.ask({"qr": code(issued)}, **SIGNED)
        assert (answer.status_code, answer.mimetype) == (503, "application/problem+json")
        assert answer.get_json()["reason"] == "signer"
        assert alone.said({"qr": code(issued)})["verdict"] == "valid"
        assert alone.take_back(token).get_json()["genuine"] is True
        read_signed_answer(token, trust=alone.trust, at=world.ports.clock())
    finally:
        close(app)
