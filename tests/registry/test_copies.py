"""Annotated copies: made like a licence, sealed and checked by themselves, valid only while their licence is."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pikepdf
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.licences.copies import copies_of, copy_of
from registry.licences.copying import LONGEST
from registry.licences.digests import link_digest
from registry.licences.fsck import fsck
from registry.licences.lookup import SqlLiveRegistry
from registry.licences.publish import own_files, put_into_service
from registry.licences.recovery import recover
from registry.licences.status_changes import changes_of, derived, lists_that_wait
from registry.licences.tables import (
    AnnotatedCopy,
    CopyOrder,
    Document,
    Edition,
    IdempotencyKey,
    Intent,
    Number,
    StatusIndex,
)
from registry.log.tables import Event
from registry.seals.tables import SealUse
from registry.seals.trust import publish_trust_list
from registry.uses.rules import UseKind
from signing.annotation import Annotation
from signing.check import check_file, check_id, check_scan, check_typed
from signing.credential import decode_credential, parse_link
from signing.live import Past, Wanted
from signing.record import printout_from_json
from signing.status_list import Value, value_at
from signing.strict_check import strict_check
from tests.registry.copying import PURPOSE, RECIPIENT, copy_body, make_copy, used_as
from tests.registry.faults import Faults, by_turns, fail, faulty, points_of
from tests.registry.issuing import LEASE, Died, Store, issue_one, request_body
from tests.registry.jointly import joint_body, make_joint
from tests.registry.next_editions import next_edition
from tests.registry.test_status import change
from tests.registry.world import BASIS, Ticker, World, on_sqlite
from tests.signing.forms import FOOD

UNTIL = date(2026, 12, 31)


def registry(world: World) -> SqlLiveRegistry:
    return SqlLiveRegistry(world.ports.database.read, world.ports.clock)


def trust_of(world: World) -> Any:
    from registry.licences.trust import trust_now

    return trust_now(world.ports)


def pdf_of(world: World, intent_id: str) -> bytes:
    data = world.ports.documents.get(f"{intent_id[:2]}/{intent_id}.enc")
    assert data is not None
    return data


def refused(world: World, identifier: str, **changes: Any) -> VermilionError:
    with pytest.raises(VermilionError) as caught:
        make_copy(world, identifier, **changes)
    return caught.value


def faults_of(error: VermilionError) -> set[tuple[str, str]]:
    return {(fault.field, fault.reason) for fault in error.faults}


def count_of(world: World, table: Any) -> int:
    with Session(world.ports.database.read) as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_a_copy_says_what_its_licence_says_and_for_what_it_was_made(world: World) -> None:
    original = issue_one(world)
    made = make_copy(world, original.printout.record.identifier)
    first, copy = original.printout.record, made.printout.record
    assert copy.copy == Annotation(PURPOSE, RECIPIENT, UNTIL, world.today, 2)
    assert (copy.status_list, copy.status_index) != (first.status_list, first.status_index)
    assert replace(copy, copy=None, status_list=first.status_list, status_index=first.status_index) == first
    assert made.printout.link != original.printout.link
    assert made.printout.lookup_code != original.printout.lookup_code
    evidence = strict_check(pdf_of(world, made.edition_id), trust_of(world), at=world.ports.clock())
    assert printout_from_json(evidence.printout_json).record == copy
    assert evidence.level == made.level
    claims = decode_credential(made.printout.credential).claims
    assert claims.copy == Annotation(PURPOSE, RECIPIENT, UNTIL)
    assert decode_credential(original.printout.credential).claims.copy is None
    with Session(world.ports.database.read) as session:
        use = session.scalars(select(SealUse).where(SealUse.intent_id == made.edition_id)).one()
        assert (use.state, use.document_sha256, use.authorisation_id) == (
            "applied",
            made.sha256,
            world.authorisation_id,
        )
        assert session.scalar(select(func.count()).select_from(Edition)) == 1
        assert session.scalar(select(func.count()).select_from(Document)) == 1
        assert session.scalar(select(func.count()).select_from(Number)) == 1
        told = session.scalars(select(Event).where(Event.kind == "licence.copied")).one()
        assert (told.subject, told.operator, told.client_id) == (
            original.edition_id,
            "window-03",
            world.clients["system"].id,
        )
        assert told.detail["copy"] == made.edition_id
        assert told.detail["holder_wish"] == "online"
        assert PURPOSE not in str(told.detail)
        assert RECIPIENT not in str(told.detail)
    assert fsck(world.ports) == []


def test_each_page_names_purpose_recipient_and_last_day_and_is_the_face_beside_it(world: World) -> None:
    original = issue_one(world)
    made = make_copy(world, original.printout.record.identifier)
    with (
        pikepdf.open(io.BytesIO(pdf_of(world, made.edition_id))) as pdf,
        pikepdf.open(io.BytesIO(pdf_of(world, original.edition_id))) as face,
    ):
        assert len(pdf.pages) == len(face.pages)
        for page, plain in zip(pdf.pages, face.pages, strict=True):
            left, bottom, right, top = map(float, page.mediabox)
            assert (left, right, top) == (0, *map(float, plain.mediabox[2:]))
            assert bottom < 0  # the annotation stands under the face, and covers none of it
    import pypdfium2

    document = pypdfium2.PdfDocument(pdf_of(world, made.edition_id))
    try:
        for page in document:
            text = "".join(page.get_textpage().get_text_range().split())
            # Across the face, and under it.
            for words in (PURPOSE, RECIPIENT, "2026年12月31日"):
                assert text.count(words) >= 4, (words, text)
    finally:
        document.close()


def test_every_way_to_check_says_that_it_is_a_copy(world: World) -> None:
    original = issue_one(world)
    identifier = original.printout.record.identifier
    made = make_copy(world, identifier)
    live, trust, now = registry(world), trust_of(world), world.ports.clock()
    pdf = pdf_of(world, made.edition_id)
    whole = Annotation(PURPOSE, RECIPIENT, UNTIL, world.today, 2)
    for outcome in (
        check_scan(made.link, trust, live, None, now),
        check_id(made.printout.link.rpartition("/")[2], trust, live, now),
        check_file(pdf, trust, live, None, now),
        check_typed(identifier, made.printout.lookup_code, live, now, trust),
    ):
        found = outcome.verification
        assert (found.verdict, found.identifier, found.copy) == ("valid", identifier, whole)
        assert found.heading.startswith("copy_valid")
    offline = check_scan(made.link, trust, None, None, now).verification
    assert (offline.verdict, offline.heading) == ("genuine_offline", "copy_genuine_offline")
    assert offline.copy == Annotation(PURPOSE, RECIPIENT, UNTIL)
    file = check_file(pdf, trust, None, None, now).verification
    assert (file.verdict, file.copy) == ("genuine_offline", whole)
    for outcome in (
        check_scan(original.link, trust, live, None, now),
        check_file(pdf_of(world, original.edition_id), trust, live, None, now),
        check_typed(identifier, original.printout.lookup_code, live, now, trust),
        check_scan(original.link, trust, None, None, now),
    ):
        assert outcome.verification.copy is None
        assert outcome.verification.verdict in {"valid", "genuine_offline"}


def test_a_copy_is_asked_for_among_many_by_link_digest_and_code(world: World) -> None:
    original = issue_one(world)
    identifier = original.printout.record.identifier
    made = make_copy(world, identifier)
    links = {one.sha256: link_digest(parse_link(one.link).id_bytes) for one in (original, made)}
    codes = {one.sha256: (identifier, one.printout.lookup_code) for one in (original, made)}
    wanted = Wanted(
        links=frozenset(links.values()),
        documents=frozenset((original.sha256, made.sha256)),
        typed=frozenset(codes.values()),
    )
    found = registry(world).gather(wanted)
    for one, is_copy in ((original, False), (made, True)):
        licences = (
            found.by_link_id(links[one.sha256]),
            found.by_document(one.sha256),
            found.by_identifier_and_code(*codes[one.sha256]),
        )
        for licence in licences:
            assert licence is not None
            assert (licence.copy is not None) is is_copy
            assert licence.documents == (one.sha256,)
    only = registry(world).gather(Wanted(typed=frozenset({codes[made.sha256]})))
    assert only.by_identifier(identifier) is None  # a copy's code opens the copy alone
    assert only.by_identifier_and_code(identifier, original.printout.lookup_code) is None


def test_no_code_of_one_copy_opens_another(world: World) -> None:
    identifiers = [issue_one(world).printout.record.identifier for _ in range(2)]
    made = [make_copy(world, one) for one in identifiers]
    live = registry(world)
    assert live.by_identifier_and_code(identifiers[0], made[1].printout.lookup_code) is None
    assert live.by_identifier_and_code(identifiers[1], made[0].printout.lookup_code) is None


def verdict(world: World, link: str) -> tuple[str, str | None, str]:
    found = check_scan(link, trust_of(world), registry(world), None, world.ports.clock()).verification
    return found.verdict.value, found.how, found.status.reason


def test_a_copy_follows_its_licence_at_once(world: World) -> None:
    identifiers = [issue_one(world).printout.record.identifier for _ in range(3)]
    made = [make_copy(world, one) for one in identifiers]
    change(world, "suspend", identifiers[0], suspension="penalty")
    change(world, "end", identifiers[1], how="revoked")
    next_edition(world, "replace", identifiers[2])
    assert verdict(world, made[0].link) == ("suspended", None, "suspended")
    assert verdict(world, made[1].link) == ("ended", "revoked", "ended")
    assert verdict(world, made[2].link) == ("replaced", None, "replaced")
    records = [one.printout.record for one in made]
    with Session(world.ports.database.read) as session:
        (number,) = lists_that_wait(session)
        _, values = changes_of(session, number, 100)
        packed = derived(session, number)
    wanted = [Value.SUSPENDED, Value.INVALID, Value.REPLACED]
    assert [values[one.status_index] for one in records] == wanted
    assert [value_at(packed, one.status_index) for one in records] == wanted
    change(world, "resume", identifiers[0])
    assert verdict(world, made[0].link) == ("valid", None, "in_force")
    assert fsck(world.ports) == []


def test_a_copy_expires_by_itself(world: World, clock: Ticker) -> None:
    original = issue_one(world)
    made = make_copy(world, original.printout.record.identifier, valid_to=world.today.isoformat())
    assert verdict(world, made.link)[0] == "valid"  # the last day is included
    clock.advance(timedelta(days=1))
    publish_trust_list(world.ports)
    assert verdict(world, made.link) == ("expired", None, "copy_expired")
    assert verdict(world, original.link)[0] == "valid"
    now, trust = world.ports.clock(), trust_of(world)
    for outcome in (
        check_scan(made.link, trust, None, None, now),
        check_file(pdf_of(world, made.edition_id), trust, None, None, now),
    ):
        found = outcome.verification
        assert (found.verdict, found.status.reason, found.heading) == (
            "expired",
            "copy_expired",
            "copy_expired",
        )


def test_a_copy_is_withdrawn_and_its_licence_is_not(world: World, clock: Ticker) -> None:
    original = issue_one(world)
    identifier = original.printout.record.identifier
    made, other = make_copy(world, identifier), make_copy(world, identifier)
    before = clock()
    clock.advance(timedelta(hours=1))
    path = f"/api/v1/licences/{identifier}/copies/{made.edition_id}/withdrawal"
    body = {"legal_basis": "行政许可法 第六十九条", "reason_code": "asked_by_holder", "operator": "window-03"}
    answer = world.post(path, body, **{"Idempotency-Key": "withdraw-1"})
    assert answer.status_code == 200, answer.text
    assert answer.get_json()["withdrawn_on"] == world.today.isoformat()
    again = world.post(path, body, **{"Idempotency-Key": "withdraw-1"})
    assert (again.status_code, again.get_json()) == (200, answer.get_json())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (twice := world.post(path, body)).status_code == 409
    assert twice.get_json()["reason"] == "copy_withdrawn"
    assert verdict(world, made.link) == ("ended", "copy_withdrawn", "copy_withdrawn")
    assert verdict(world, other.link)[0] == verdict(world, original.link)[0] == "valid"
    with Session(world.ports.database.read) as session:
        (number,) = lists_that_wait(session)
        values = changes_of(session, number, 100)[1]
        assert values == {made.printout.record.status_index: Value.INVALID}
    change(world, "suspend", identifier, suspension="penalty")
    assert verdict(world, made.link)[0] == "suspended"  # of both the licence's own comes first
    change(world, "resume", identifier)
    digest = link_digest(parse_link(made.link).id_bytes)
    for clock_meant, at, withdrawn in (
        ("recorded", before, False),
        ("recorded", clock(), True),
        ("effective", before, True),  # of the same day
        ("effective", before - timedelta(days=1), False),
    ):
        past = Past(at, clock_meant, at.astimezone(world.ports.settings.tz).date())  # type: ignore[arg-type]
        found = registry(world).gather(Wanted(links=frozenset({digest})), past).by_link_id(digest)
        assert found is not None
        assert found.copy is not None
        assert (found.copy.withdrawn_on is not None) is withdrawn
    past = Past(before - timedelta(days=1), "recorded", world.today - timedelta(days=1))
    assert registry(world).gather(Wanted(links=frozenset({digest})), past).by_link_id(digest) is None
    assert fsck(world.ports) == []


def test_only_what_is_valid_is_copied(world: World) -> None:
    suspended, ended, replaced = (issue_one(world).printout.record.identifier for _ in range(3))
    change(world, "suspend", suspended, suspension="penalty")
    change(world, "end", ended, how="revoked")
    next_edition(world, "replace", replaced)
    for identifier in (suspended, ended, replaced):
        error = refused(world, identifier)
        assert (error.kind, error.reason) == (Kind.CONFLICT, "copy_status")


def test_an_annotation_has_its_bounds(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    yesterday, far = world.today - timedelta(days=1), world.today + LONGEST + timedelta(days=1)
    assert faults_of(refused(world, identifier, valid_to=yesterday.isoformat())) == {("/valid_to", "in_past")}
    assert faults_of(refused(world, identifier, valid_to=far.isoformat())) == {("/valid_to", "too_late")}
    assert faults_of(refused(world, identifier, purpose="\U00013000", recipient="ok")) == {
        ("/purpose", "glyph_missing")
    }
    for name, value in (
        ("purpose", ""), ("purpose", "办" * 201), ("recipient", "行" * 101), ("purpose", "a\nb"), ("count", 0),
        ("count", 100), ("holder_wish", "none"), ("valid_to", "soon"), ("recipient", " x"), ("purpose", "e\u0301"),
    ):  # fmt: skip
        assert faults_of(refused(world, identifier, **{name: value})).pop()[0] == f"/{name}", (name, value)
    make_copy(world, identifier, purpose="办" * 200, recipient="行" * 100, count=99)
    assert fsck(world.ports) == []


def test_a_copy_takes_nobody_s_licence_and_nobody_s_seal(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    path = f"/api/v1/licences/{identifier}/copies"
    foreign = world.post(path, copy_body(world), "other-system", **{"Idempotency-Key": "foreign"})
    assert (foreign.status_code, foreign.get_json()["reason"]) == (404, "licence_unknown")
    unknown = refused(world, identifier, seal="1" * 14)
    assert unknown.reason == "seal_unknown"
    world.act("keeper", f"/api/v1/seals/{world.seal_code}/suspension", BASIS)
    assert refused(world, identifier).reason == "seal_not_active"


def test_a_licence_is_copied_that_was_issued_by_an_older_version_of_its_type(
    world: World, tmp_path: Any
) -> None:
    identifier = issue_one(world).printout.record.identifier
    folder = tmp_path / FOOD.name
    folder.mkdir()
    for name in ("type.toml", "face.pdf"):
        (folder / name).write_bytes(
            (FOOD / name).read_bytes().replace(b"version = 1\n", b"version = 2\n") if name == "type.toml"
            else (FOOD / name).read_bytes()
        )  # fmt: skip
    with world.ports.database.transaction() as session:
        put_into_service(session, world.ports, world.system, own_files(folder))
    assert make_copy(world, identifier).printout.record.type_version == 1
    assert fsck(world.ports) == []


def test_a_joint_licence_is_copied_under_all_its_seals(world: World) -> None:
    make_joint(world)
    original = issue_one(world, joint_body(world))
    assert world.beside is not None
    identifier = original.printout.record.identifier
    assert faults_of(refused(world, identifier)) == {("/co_seals", "seal_count")}
    made = make_copy(world, identifier, co_seals=list(world.beside.seals))
    assert made.printout.record.seals == original.printout.record.seals
    assert verdict(world, made.link)[0] == "valid"
    assert fsck(world.ports) == []


def test_the_same_key_gives_the_very_same_copy_and_two_at_once_make_one(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    first = make_copy(world, identifier, key="once")
    again = make_copy(world, identifier, key="once")
    assert again.replayed
    assert (again.edition_id, again.link, again.sha256) == (first.edition_id, first.link, first.sha256)
    with pytest.raises(VermilionError) as caught:
        make_copy(world, identifier, key="once", purpose="其他用途")
    assert caught.value.kind is Kind.IDEMPOTENCY_REUSED
    outcomes: list[Any] = []
    start = threading.Barrier(2)

    def make() -> None:
        start.wait()
        try:
            outcomes.append(make_copy(world, identifier, key="together").edition_id)
        except VermilionError as error:
            outcomes.append(error.kind)

    threads = [threading.Thread(target=make) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    made = {one for one in outcomes if isinstance(one, str) and len(one) == 32}
    assert len(made) == 1, outcomes
    assert set(outcomes) - made <= {Kind.IN_PROGRESS}
    assert count_of(world, AnnotatedCopy) == 2
    assert fsck(world.ports) == []


def test_a_licence_that_changes_while_its_copy_is_made_is_not_copied(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier

    def suspended(data: bytes) -> bytes:
        change(world, "suspend", identifier, suspension="penalty")
        return data

    ports = replace(world.ports, documents=_Changing(world.ports.documents, suspended))
    error = refused(world, identifier, ports=ports)
    assert (error.kind, error.reason) == (Kind.CONFLICT, "copy_status")
    assert count_of(world, AnnotatedCopy) == 0
    with Session(world.ports.database.read) as session:
        order = session.scalars(select(CopyOrder)).one()
        assert session.get_one(Intent, order.intent_id).state == "abandoned"
        slot = session.scalars(select(StatusIndex).where(StatusIndex.intent_id == order.intent_id)).one()
        assert slot.invalid
        told = session.scalars(select(Event).where(Event.kind == "licence.copy_abandoned")).one()
        assert told.detail["copy"] == order.intent_id
        # The licence keeps what is its own.
        assert session.scalar(select(func.count()).select_from(Number)) == 1
    assert fsck(world.ports) == []


class _Changing(Store):
    """The real store, in the midst of which something happens."""

    def put_many(self, documents: Any) -> list[VermilionError | None]:
        for _, data in documents:
            self.change(data)
        return self.inner.put_many(documents)


def test_what_a_dead_process_left_is_adopted_if_whole_and_else_abandoned(world: World, clock: Ticker) -> None:
    identifier = issue_one(world).printout.record.identifier
    cases: list[tuple[Callable[[bytes], bytes | None], str]] = [
        (lambda data: data, "done"),
        (lambda _data: None, "abandoned"),
        (lambda data: data + b"\n", "abandoned"),
    ]
    for keep, state in cases:
        key = f"died-{state}-{count_of(world, CopyOrder)}"
        ports = replace(world.ports, documents=Store(world.ports.documents, keep))
        with pytest.raises(Died):
            make_copy(world, identifier, ports=ports, key=key)
        with Session(world.ports.database.read) as session:
            intent_id = session.scalars(
                select(IdempotencyKey.intent_id).where(IdempotencyKey.key == key)
            ).one()
        clock.advance(LEASE)
        report = recover(world.ports)
        assert not report.defects
        with Session(world.ports.database.read) as session:
            assert session.get_one(Intent, intent_id).state == state
        if state == "done":
            again = make_copy(world, identifier, key=key)
            assert (again.replayed, again.edition_id) == (True, intent_id)
            assert verdict(world, again.link)[0] == "valid"
    assert count_of(world, AnnotatedCopy) == 1
    assert count_of(world, Number) == 1
    assert fsck(world.ports) == []


def test_nobody_adopts_a_copy_of_a_licence_that_ended_meanwhile(world: World, clock: Ticker) -> None:
    identifier = issue_one(world).printout.record.identifier
    ports = replace(world.ports, documents=Store(world.ports.documents))
    with pytest.raises(Died):
        make_copy(world, identifier, ports=ports)
    change(world, "end", identifier, how="revoked")
    clock.advance(LEASE)
    assert len(recover(world.ports).abandoned) == 1
    assert count_of(world, AnnotatedCopy) == 0
    assert fsck(world.ports) == []


def test_every_call_that_making_a_copy_makes_fails_once(
    worlds: dict[Any, World], clock: Ticker, tell: Callable[[str], None]
) -> None:
    """For each call one failure, on one database or the other, before it or after, by turns: then there is a
    copy or there is none, and the licence is as it was.
    """
    identifiers = {backend: issue_one(world).printout.record.identifier for backend, world in worlds.items()}
    calls = {}
    for backend, world in worlds.items():
        make_copy(world, identifiers[backend])
        faults = Faults()
        with faulty(world.ports, faults) as watched:
            make_copy(world, identifiers[backend], ports=watched)
        calls[backend] = faults.calls
    for backend, points in by_turns(calls).items():
        world, outcomes = worlds[backend], []
        for at, when in points:
            before = count_of(world, AnnotatedCopy)
            faults = Faults(at=at, when=when, strike=fail)
            with faulty(world.ports, faults) as watched:
                try:
                    answer: Any = make_copy(world, identifiers[backend], ports=watched)
                except VermilionError as error:
                    answer = error
            assert faults.struck
            clock.advance(LEASE)
            assert not recover(world.ports).defects
            made = count_of(world, AnnotatedCopy) - before
            where = f"{when} {calls[backend][at - 1]} ({at})"
            if isinstance(answer, VermilionError):
                assert answer.kind is Kind.UNAVAILABLE, (where, answer.detail)
                assert made in (0, 1), where
            else:
                assert made == 1, where
            outcomes.append(made)
        assert 0 < sum(outcomes) < len(outcomes)
        assert fsck(world.ports) == []
        tell(f"{backend}: {len(points)} of {len(calls[backend])} calls failed, {sum(outcomes)} copies made")
    assert all(points_of(calls[backend], "before") for backend in calls)


@on_sqlite
def test_by_the_agency_s_api(world: World) -> None:
    identifier = issue_one(world).printout.record.identifier
    path = f"/api/v1/licences/{identifier}/copies"
    preview = world.post(f"{path}?dry_run=1", copy_body(world))
    assert preview.status_code == 200, preview.text
    assert preview.get_json() == {
        "dry_run": True,
        "seal": world.seal_code,
        "licence": identifier,
        "purpose": PURPOSE,
        "recipient": RECIPIENT,
        "valid_to": "2026-12-31",
        "made_on": world.today.isoformat(),
        "count": 2,
    }
    assert count_of(world, CopyOrder) == 0
    assert world.post(path, copy_body(world)).status_code == 400  # no key
    made = world.post(path, copy_body(world), **{"Idempotency-Key": "copy-a"})
    assert made.status_code == 201, made.text
    copy = made.get_json()
    assert made.headers["Location"] == f"{path}/{copy['id']}"
    again = world.post(path, copy_body(world), **{"Idempotency-Key": "copy-a"})
    assert (again.status_code, again.headers["Idempotency-Replayed"]) == (201, "true")
    assert again.get_json() == copy
    read = world.get(f"{path}/{copy['id']}")
    assert read.status_code == 200
    shown = read.get_json()
    assert not {"link", "lookup_code"} & set(shown)
    assert {name: shown[name] for name in ("purpose", "recipient", "count", "withdrawn_on", "holder_wish")} == {
        "purpose": PURPOSE, "recipient": RECIPIENT, "count": 2, "withdrawn_on": None, "holder_wish": "online",
    }  # fmt: skip
    document = world.get(copy["document"]["href"])
    assert (document.status_code, document.mimetype) == (200, "application/pdf")
    assert document.headers["ETag"].strip('"') == copy["document"]["sha256"]
    listed = world.get(path).get_json()
    assert listed == {"copies": [shown], "next": None}
    other = issue_one(world, request_body(world)).printout.record.identifier
    for client, where in (("other-system", path), ("system", f"/api/v1/licences/{other}/copies")):
        assert world.get(f"{where}/{copy['id']}", client).status_code == 404
        assert world.get(f"{where}/{copy['id']}/document", client).status_code == 404
    history = world.get(f"/api/v1/licences/{identifier}/history").get_json()
    assert {event["kind"] for event in history["events"]} == {"licence.issued", "licence.copied"}
    entry = used_as(world, identifier)
    assert entry.kind is UseKind.COPIED  # for its holder to see
    assert (entry.purpose.reason, entry.purpose.recipient) == (PURPOSE, RECIPIENT)
    uses = world.get(f"/api/v1/seals/{world.seal_code}/uses", world.system_of("keeper"), "keeper").get_json()
    assert {(one["licence"], one["copy"]) for one in uses["uses"]} == {
        (identifier, None), (identifier, copy["id"]), (other, None),
    }  # fmt: skip


@on_sqlite
def test_copies_are_listed_by_pages(world: World, clock: Ticker, monkeypatch: pytest.MonkeyPatch) -> None:
    identifier = issue_one(world).printout.record.identifier
    made = []
    for _ in range(3):
        made.append(make_copy(world, identifier).edition_id)
        clock.advance(timedelta(seconds=1))
    monkeypatch.setattr("registry.licences.copies.PAGE", 2)
    with Session(world.ports.database.read) as session:
        actor = world.actor()
        found, more = copies_of(session, actor, identifier)
        assert ([one.copy.id for one in found], more) == (made[:0:-1], True)
        rest, more = copies_of(session, actor, identifier, found[-1].copy.id)
        assert ([one.copy.id for one in rest], more) == (made[:1], False)
        with pytest.raises(VermilionError):
            copy_of(session, actor, identifier, "0" * 32)
    answer = world.get(f"/api/v1/licences/{identifier}/copies")
    following = answer.get_json()["next"]
    assert [one["id"] for one in world.get(following).get_json()["copies"]] == made[:1]
    assert world.get(f"/api/v1/licences/{identifier}/copies?after={'0' * 32}").status_code == 422


@on_sqlite
def test_an_edition_has_so_many_copies_at_most(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("registry.licences.copying.MOST", 2)
    identifier = issue_one(world).printout.record.identifier
    make_copy(world, identifier)
    make_copy(world, identifier)
    assert refused(world, identifier).reason == "copies_used_up"
