"""Using another agency's licence by what its holder has shown, and the log of uses that the holder sees: what is told
to whom, and what is not to anybody.
"""

from __future__ import annotations

import html
import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event, func, select, update
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from registry.attempts.tables import AttemptBucket
from registry.batches.work import work
from registry.licences.fsck import fsck
from registry.licences.tables import Edition, KeptAnswer
from registry.log.tables import Event
from registry.schema import PUBLIC_COLUMNS, PUBLIC_TABLES
from registry.typed_limits import IDENTIFIER, NETWORK, PAIR
from registry.uses import rules
from registry.uses.rules import Purpose, Used, UseKind, record, sweep
from registry.uses.tables import LicenceUse
from registry.vault import Vault
from signing.record import Printout
from tests.registry.batching import sent as batch_sent
from tests.registry.delivering import holder, log, path_of, pick_up, use, use_body
from tests.registry.issuing import issue_one
from tests.registry.next_editions import next_edition
from tests.registry.test_answers import wrong
from tests.registry.test_bodies import LICENCE_GROUND
from tests.registry.test_pick_ups import everything
from tests.registry.test_unmatched import nobody_s, statements
from tests.registry.world import Ticker, World, on_sqlite

USES = "/holder/uses"
REASON = "办理变更登记，代替纸质证照"


def made(world: World) -> Printout:
    return issue_one(world).printout


def look(
    world: World, printout: Printout, *, address: str = "203.0.113.1", lang: str = "en", **changes: Any
) -> TestResponse:
    typed = {"licence": printout.record.identifier, "code": printout.lookup_code} | changes
    return holder(world).post(f"{USES}?lang={lang}", data=typed, environ_overrides={"REMOTE_ADDR": address})


def shown(answer: TestResponse) -> str:
    """The words of the page's main part, in one line."""
    main = answer.get_data(as_text=True).partition("<main")[2].partition("</main>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", f"<main{main}")).split())


# --- an agency uses a licence --------------------------------------------------------------------------


def test_another_agency_uses_a_licence_by_what_its_holder_has_shown(world: World, clock: Ticker) -> None:
    """And is told what the public may see of it, by its type's own rule."""
    printout = made(world)
    answer = use(world, printout)
    assert answer.status_code == 201
    told = answer.get_json()
    assert (told["identifier"], told["status"], told["valid"]) == (
        printout.record.identifier,
        "in_force",
        True,
    )
    assert told["issuer"]["code"] == world.codes["own"]
    values = {one["name"]: (one["value"], one["masked"]) for one in told["fields"]}
    assert values["operator_name"] == (printout.record.fields["operator_name"], False)
    with Session(world.ports.database.read) as session:
        public = json.loads(session.scalars(select(Edition.public_record)).one())
    assert {name: value for name, (value, _) in values.items()} == public["fields"]
    assert set(values) < set(printout.record.fields) | {"number"}
    for secret in (printout.lookup_code, printout.link):
        assert secret not in answer.get_data(as_text=True)
    (kept,) = log(world)
    assert (kept.id, kept.kind, kept.agency_code) == (told["use"], "used", world.codes["other"])
    assert (kept.client_id, kept.operator) == (world.clients["other-system"].id, "window-03")
    assert (kept.matter_code, kept.case_number) == ("000131001000", "2026-0042")
    assert kept.told is not None
    assert REASON.encode() not in kept.told, "words may name people"
    clock.advance(timedelta(seconds=1))
    world.post(
        f"/api/v1/licences/{printout.record.identifier}/suspension", LICENCE_GROUND | {"ground": "penalty"}
    )
    after = use(world, printout).get_json()
    assert (after["status"], after["ground"], after["valid"]) == ("suspended", "penalty", False)
    assert fsck(world.ports) == []


def test_without_the_code_nothing_is_told_and_nothing_recorded(world: World) -> None:
    """An unknown licence, a wrong code and one attempt too many are answered alike, by the same work."""
    printout = made(world)
    identifier, code = printout.record.identifier, printout.lookup_code
    answers, asked = [], []
    world.token("other-system")
    for number, (name, typed) in enumerate([(identifier, wrong(code)), (nobody_s(identifier), code)]):
        body = use_body(printout, lookup_code=typed)
        with statements() as seen:
            headers = {"Idempotency-Key": f"wrong-{number}"}
            answers.append(world.post(f"/api/v1/licences/{name}/uses", body, "other-system", **headers))
        asked.append(Counter(seen))
    assert asked[0] == asked[1], "unknown and wrong do the same work"
    malformed = world.post(
        "/api/v1/licences/1.2.3/uses", use_body(printout), "other-system", **{"Idempotency-Key": "m"}
    )
    for answer in (*answers, malformed):
        assert (answer.status_code, answer.get_json()["reason"]) == (404, "unmatched")
    for number in range(PAIR.burst):
        use(world, printout, lookup_code=wrong(code), key=f"more-{number}")
    late = use(world, printout)
    assert (late.status_code, late.get_json()["reason"]) == (404, "unmatched")
    known = {
        json.dumps({**one.get_json(), "request_id": ""}, sort_keys=True)
        for one in (*answers, malformed, late)
    }
    assert len(known) == 1
    assert log(world) == []
    with Session(world.ports.database.read) as session:
        assert session.scalars(select(KeptAnswer)).all() == []
    own = use(world, printout, client="system")
    assert own.status_code == 201, "another client's attempts are its own"


def test_right_ones_do_not_count(world: World) -> None:
    printout = made(world)
    for _ in range(2 * PAIR.burst):
        assert use(world, printout).status_code == 201
    with Session(world.ports.database.read) as session:
        full = session.scalar(select(func.max(AttemptBucket.empty_at)))
    assert full is None or full <= world.ports.clock().timestamp() + 1


def test_the_same_request_uses_it_once(world: World) -> None:
    printout = made(world)
    first = use(world, printout, key="the-same")
    again = use(world, printout, key="the-same")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.get_json() == first.get_json()
    assert len(log(world)) == 1
    other = use(world, printout, key="the-same", reason="another")
    assert (other.status_code, other.get_json()["reason"]) == (422, "key_reused")
    with Session(world.ports.database.read) as session:
        (kept,) = session.scalars(select(KeptAnswer))
    assert set(kept.body) == {"use", "used_at", "edition"}, "what may be seen of it is read anew"


def test_what_is_not_said_rightly_is_refused(world: World) -> None:
    printout = made(world)
    for changes, field in (
        ({"reason": ""}, "/reason"), ({"reason": "x" * 201}, "/reason"), ({"reason": "a\nb"}, "/reason"),
        ({"matter_code": ""}, "/matter_code"), ({"legal_basis": " "}, "/legal_basis"), ({"lookup_code": "1234"}, "/lookup_code"),
        ({"lookup_code": "12345678-9"}, "/lookup_code"), ({"lookup_code": "UUUUUUUU"}, "/lookup_code"),
    ):  # fmt: skip
        answer = use(world, printout, **changes)
        assert answer.status_code == 422, changes
        assert answer.get_json()["errors"][0]["pointer"] == field
    scope = world.ask_token("other-system", scope="licence").get_json()["access_token"]
    answer = world.http.post(
        f"/api/v1/licences/{printout.record.identifier}/uses",
        json=use_body(printout),
        headers={"Authorization": f"Bearer {scope}", "Idempotency-Key": "x"},
    )
    assert (answer.status_code, answer.get_json()["reason"]) == (403, "scope")
    assert log(world) == []


# --- what else is a use --------------------------------------------------------------------------------


def test_each_way_to_a_document_is_a_use(world: World) -> None:
    """Not a look that has it already, nor one that was refused."""
    printout = made(world)
    path = f"/api/v1/licences/{printout.record.identifier}/document"
    read = world.get(path)
    tag = {"If-None-Match": read.headers["ETag"]}
    assert world.http.get(path, headers={**world.headers("system"), **tag}).status_code == 304
    assert world.http.head(path, headers=world.headers("system")).status_code == 200
    assert world.get(path, "other-system").status_code == 404
    assert holder(world).post(path_of(pick_up(world, printout.record.identifier)["link"])).status_code == 200
    kinds = [(one.kind, one.agency_code) for one in log(world)]
    assert sorted(kinds) == [("downloaded", world.codes["own"]), ("picked_up", None)]


def test_a_batch_s_documents_are_each_a_use(world: World) -> None:
    batch_id = batch_sent(world, 3)
    while world.get(f"/api/v1/batches/{batch_id}").get_json()["state"] != "done":
        work(world.ports)
    archive = world.get(f"/api/v1/batches/{batch_id}/documents")
    assert archive.status_code == 200
    assert len(archive.get_data()) > 1000
    kept = log(world)
    assert {one.kind for one in kept} == {"downloaded"}
    assert len({one.edition_id for one in kept}) == 3


# --- the holder sees it --------------------------------------------------------------------------------


def test_the_holder_sees_who_used_it_for_which_matter_and_why(world: World, clock: Ticker) -> None:
    printout = made(world)
    use(world, printout)
    clock.advance(timedelta(hours=1))
    world.get(f"/api/v1/licences/{printout.record.identifier}/document")
    page = look(world, printout)
    assert page.status_code == 200
    words = shown(page)
    for part in (
        printout.record.identifier, "Used for a matter", "Yangben Municipal Education Bureau", "000131001000",
        "2026-0042", REASON, "第八条", "20 November 2026, 10:30", "The issuing agency downloaded the file",
        "20 November 2026, 11:30", "erased after 1095 days",
    ):  # fmt: skip
        assert part in words, part
    assert words.index("11:30") < words.index("10:30"), "the newest first"
    assert "window-03" not in words, "whose account it was is the agency's to tell"
    spaced = look(world, printout, licence=f" {printout.record.identifier.lower()} ", code=f"{printout.lookup_code[:4]}-{printout.lookup_code[4:]}".lower())  # fmt: skip
    assert shown(spaced) == words
    by_link = look(world, printout, licence=printout.link)
    assert shown(by_link) == words
    chinese = shown(look(world, printout, lang="zh"))
    assert "云溪省样本市教育局" in chinese
    assert "用于办理事项" in chinese
    spanish = look(world, printout, lang="es").get_data(as_text=True)
    assert f'<dd lang="zh-Hans">{REASON}</dd>' in spanish
    assert '<dd lang="en">Yangben Municipal Education Bureau</dd>' in spanish


def test_the_log_is_of_the_licence_whichever_edition_somebody_holds(world: World, clock: Ticker) -> None:
    first = issue_one(world).printout
    use(world, first)
    second = next_edition(world, "replace", first.record.identifier).printout
    clock.advance(timedelta(seconds=1))
    use(world, second)
    other = made(world)
    use(world, other, reason="of another licence")
    for printout in (first, second):
        words = shown(look(world, printout))
        assert words.count("Used for a matter") == 2
        assert "001" in words
        assert "002" in words
        assert "of another licence" not in words


def test_a_log_that_is_long_is_shown_page_by_page(world: World, clock: Ticker) -> None:
    printout = made(world)
    with Session(world.ports.database.read) as session:
        edition = session.scalars(select(Edition)).one()
    used = Used(edition.id, edition.licence_id)
    world.ports.vault.ready()
    for number in range(rules.PAGE + 3):
        clock.advance(timedelta(minutes=1))
        with world.ports.database.transaction() as session:
            purpose = Purpose(f"matter-{number:03}", reason="x", recipient="某银行(样本)")
            record(session, world.ports, used, UseKind.COPIED, world.actor(), purpose)
    page = look(world, printout)
    words = shown(page)
    assert words.count("An annotated copy was made") == rules.PAGE
    assert "某银行(样本)" in words
    (after,) = re.findall(r'name="after" value="([0-9a-f]{32})"', page.get_data(as_text=True))
    rest = shown(look(world, printout, after=after))
    assert re.findall(r"matter-[0-9]{3}", rest) == ["matter-002", "matter-001", "matter-000"]
    assert 'name="after"' not in look(world, printout, after=after).get_data(as_text=True)
    stranger = made(world)
    use(world, stranger)
    (foreign,) = (one.id for one in log(world) if one.kind == "used")
    for wrong_place in (foreign, "0" * 32):
        assert "No use is on record" in shown(look(world, printout, after=wrong_place))
    assert shown(look(world, printout, after="<script>")) == words


def test_whoever_has_not_the_code_sees_one_page_whatever_the_cause(world: World) -> None:
    """The same bytes and the same statements for an unknown licence and a wrong code; and for one too many."""
    printout = made(world)
    use(world, printout)
    identifier, code = printout.record.identifier, printout.lookup_code
    pages, asked = [], []
    for number, typed in enumerate(
        [{"code": wrong(code)}, {"licence": nobody_s(identifier)}, {"licence": "A" * 21 + "A"}]
    ):
        with statements() as seen:
            pages.append(look(world, printout, address=f"198.51.{number}.1", **typed))
        asked.append([re.sub(r"\s+", " ", one).replace("link_id_sha256", "identifier") for one in seen])
    assert {len(one) for one in asked} == {len(asked[0])}
    for _ in range(PAIR.burst):
        look(world, printout, code=wrong(code))
    pages.append(look(world, printout))
    assert {page.status_code for page in pages} == {404}
    assert len({page.get_data() for page in pages}) == 1
    assert "could not be matched, or there were too many attempts" in shown(pages[0])
    assert code not in pages[0].get_data(as_text=True)
    elsewhere = look(world, printout, address="192.0.2.7")
    assert elsewhere.status_code == 200, "one network's attempts keep no other from it"


@on_sqlite
def test_one_licence_is_tried_so_often_from_everywhere(world: World) -> None:
    printout = made(world)
    code = wrong(printout.lookup_code)
    for number in range(IDENTIFIER.burst):
        assert look(world, printout, address=f"10.{number}.0.1", code=code).status_code == 404
    assert look(world, printout, address="10.250.0.1").status_code == 404
    with Session(world.ports.database.read) as session:
        keys = session.scalars(select(AttemptBucket.key)).all()
    assert all(printout.record.identifier.encode() not in key for key in keys)
    assert NETWORK.burst > PAIR.burst


@on_sqlite
def test_what_cannot_be_right_is_told_so_and_asks_nothing(world: World) -> None:
    printout = made(world)
    for typed in (
        {"licence": "1.2.3"},
        {"code": "short"},
        {"licence": "x" * 5000},
        {"licence": ""},
        {"code": ""},
    ):
        with statements() as seen:
            page = look(world, printout, **typed)
        assert (page.status_code, seen) == (422, [])
        assert "check how the identifier and the look-up code are written" in shown(page)
        assert printout.lookup_code not in page.get_data(as_text=True)
    empty = holder(world).get(f"{USES}?lang=en")
    assert "By the identifier and the look-up code" in shown(empty)
    assert holder(world).post(USES, data="x" * 20_000, content_type="application/x-www-form-urlencoded").status_code == 413  # fmt: skip
    assert holder(world).post(USES, json={}).status_code == 415


# --- to nobody else ------------------------------------------------------------------------------------


def test_no_role_but_the_registry_s_own_reads_it() -> None:
    """Who took the public site would have everybody's uses."""
    for table in ("licence_use", "pick_up", "notice", "attempt_bucket"):
        assert table not in PUBLIC_TABLES
        assert table not in PUBLIC_COLUMNS


def test_a_use_is_no_event_and_is_erased_with_time(world: World, clock: Ticker) -> None:
    printout = made(world)
    with Session(world.ports.database.read) as session:
        before = session.scalar(select(func.count()).select_from(Event))
    use(world, printout)
    with Session(world.ports.database.read) as session:
        assert session.scalar(select(func.count()).select_from(Event)) == before
    clock.advance(timedelta(days=1095) - timedelta(seconds=1))
    assert (sweep(world.ports), len(log(world))) == (0, 1)
    clock.advance(timedelta(seconds=1))
    assert (sweep(world.ports), log(world)) == (1, [])


def test_what_was_told_lies_nowhere_in_clear(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    printout = made(world)
    use(world, printout)
    look(world, printout)
    said = capfd.readouterr()
    kept = everything(world)
    for secret in (REASON, printout.lookup_code):
        for form in (secret, secret.encode().hex(), json.dumps(secret)[1:-1]):
            assert form not in kept
            assert form not in said.out + said.err


@contextmanager
def counted() -> Iterator[list[str]]:
    found: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith("INSERT INTO licence_use"):
            found.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield found
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@on_sqlite
def test_many_are_put_down_by_one_statement(world: World) -> None:
    editions = [issue_one(world).edition_id for _ in range(3)]
    with Session(world.ports.database.read) as session:
        rows = session.execute(select(Edition.id, Edition.licence_id).where(Edition.id.in_(editions))).all()
    with counted() as found, world.ports.database.transaction() as session:
        used = [Used(row.id, row.licence_id) for row in rows]
        ids = rules.record_many(session, world.ports, used, UseKind.DOWNLOADED, world.actor())
        assert rules.record_many(session, world.ports, [], UseKind.DOWNLOADED, world.actor()) == []
    assert len(found) == 1
    assert sorted(ids) == sorted(one.id for one in log(world))


@on_sqlite
def test_what_does_not_fit_is_found(world: World) -> None:
    printout = made(world)
    made(world)
    first = use(world, printout).get_json()["use"]
    second = use(world, printout).get_json()["use"]
    with world.ports.database.transaction() as session:
        session.execute(
            update(LicenceUse).where(LicenceUse.id == first).values(told=b"\x01\x00\x00\x00\x01" + bytes(60))
        )
        foreign = select(Edition.licence_id).where(Edition.identifier != printout.record.identifier)
        session.execute(
            update(LicenceUse).where(LicenceUse.id == second).values(licence_id=foreign.scalar_subquery())
        )
    assert set(fsck(world.ports)) == {
        f"use {first} cannot be read (record_damaged)",
        f"use {second} is shown to the holder of another licence",
    }


def test_a_use_opens_for_its_own_row_alone(world: World) -> None:
    printout = made(world)
    first, second = (use(world, printout).get_json()["use"] for _ in range(2))
    rows = {one.id: one.told for one in log(world)}
    vault: Vault = world.ports.vault
    assert rows[first] is not None
    assert rules.open_told(vault, first, rows[first] or b"") == (REASON, "")
    with pytest.raises(Exception, match="altered"):
        rules.open_told(vault, second, rows[first] or b"")
