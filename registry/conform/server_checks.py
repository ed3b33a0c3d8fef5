"""What a sandbox must keep to: the promises of the agency API, looked at in the order of a licence's life."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from registry.client import Answer, ApiClient, call, new_person_key
from registry.conform.cases import CASE, change
from registry.conform.checks import SERVER, Look, UnmetError, check, want
from registry.conform.hooks import Call, Hooks, Place
from registry.conform.sandbox import BATCHES, LICENCES, WEBHOOKS, Sandbox, new_key, reason_of, until, wanted

API = "OpenAPI"  # docs/agency-openapi.json
PROBLEMS = "RFC 9457"
KEYS = "draft-ietf-httpapi-idempotency-key-header"
HOOKS = "Standard Webhooks 1.0.0"
NOTHING = "0" * 32
SECOND = 1.0
FIRST_RETRY = 15.0  # seconds until a delivery that was refused comes again, at the latest
QUIET = 3.0  # seconds for which nothing comes, so that nothing was sent


@dataclass
class Subject:
    """The sandbox, and what was found of it so far."""

    sandbox: Sandbox
    hooks: Hooks
    found: dict[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """Raises UnmetError where an earlier check did not find it."""
        if name not in self.found:
            raise UnmetError(f"there is no {name}, see the checks before")
        return self.found[name]


def ours(name: str, says: str, clause: str) -> Callable[[Look], Look]:
    return check(SERVER, f"server.{name}", says, clause)


# --- who asks, and how it is refused ---------------------------------------------------------------------


@ours("token", "A token is not to be stored, and says how long it lives.", "RFC 6749, 5.1")
def token(at: Subject) -> str:
    answer = _token(at.sandbox, at.sandbox.api)
    wanted(answer, 200)
    told = answer.json()
    want(told.get("token_type", "").lower() == "bearer", "it is no bearer token")
    want("no-store" in answer.headers.get("cache-control", ""), "Cache-Control lacks no-store")
    want(isinstance(told.get("expires_in"), int) and told["expires_in"] > 0, "expires_in is missing")
    return f"a bearer token for {told['expires_in']} s"


@ours("token-proof", "Who signs by another key gets no token.", "RFC 6749, 5.2; RFC 7523, 3")
def token_proof(at: Subject) -> str:
    who = at.sandbox.api.credential
    if who.client_key is None:
        raise UnmetError("the client has a secret, and no key")
    other = ApiClient(replace(who, client_key=new_person_key()[0]))
    answer = _token(at.sandbox, other)
    want(answer.status == 401 and answer.json().get("error") == "invalid_client", _shown(answer))
    return "401 invalid_client"


@ours("token-once", "An assertion serves once.", "RFC 7523, 3 (jti)")
def token_once(at: Subject) -> str:
    if at.sandbox.api.credential.client_key is None:
        raise UnmetError("the client has a secret, and no key")
    form = at.sandbox.api.grant(at.sandbox.audience)
    wanted(_ask_token(at.sandbox, form), 200)
    again = _ask_token(at.sandbox, form)
    want(again.status in (400, 401), f"the same assertion again: {_shown(again)}")
    return f"the second time {again.status}"


@ours("unauthenticated", "Without a token: 401, which says how to authenticate.", "RFC 6750, 3")
def unauthenticated(at: Subject) -> str:
    answer = call("GET", f"{at.sandbox.base}/api/v1/agencies/self")
    want(answer.status == 401, _shown(answer))
    want(answer.headers.get("www-authenticate", "").startswith("Bearer"), "WWW-Authenticate is missing")
    return "401 with WWW-Authenticate: Bearer"


@ours("problem", "A refusal is a problem document whose type leads to an explanation.", f"{PROBLEMS}, 3.1.1")
def problem(at: Subject) -> str:
    answer = at.sandbox.get(f"{BATCHES}/{NOTHING}")
    want(answer.status == 404, _shown(answer))
    want(answer.headers.get("content-type", "").startswith("application/problem+json"), "another media type")
    told = answer.json()
    want(told.get("status") == 404, "status is not HTTP's")
    kind = str(told.get("type", ""))
    explained = call("GET", at.sandbox.base + kind if kind.startswith("/") else kind)
    want(explained.status == 200, f"the type {kind[:80]} leads to {explained.status}")
    return f"404 {kind}, which is explained"


@ours("request-id", "Your X-Request-Id is taken over, and repeated in a problem.", f"{API}, X-Request-Id")
def request_id(at: Subject) -> str:
    mine = hashlib.sha256(new_key().encode()).hexdigest()[:32]
    answer = at.sandbox.get(f"{BATCHES}/{NOTHING}", X_Request_Id=mine)
    want(answer.headers.get("x-request-id") == mine, "the header is another")
    want(answer.json().get("request_id") == mine, "the problem's request_id is another")
    return "the same in header and problem"


@ours(
    "limits",
    "Answers tell the client's limit, and what is left of it.",
    "draft-ietf-httpapi-ratelimit-headers",
)
def limits(at: Subject) -> str:
    answer = at.sandbox.get("/api/v1/agencies/self").expect(200)
    if "ratelimit-policy" not in answer.headers:
        raise UnmetError("this sandbox has no limit")
    want("ratelimit" in answer.headers, "RateLimit is missing")
    return f"RateLimit-Policy: {answer.headers['ratelimit-policy'][:60]}"


@ours("strict", "A member that is not described is refused by its pointer.", f"{API}, issueLicence 422")
def strict(at: Subject) -> str:
    body = {**at.sandbox.cases.request(), "conformance": True}
    answer = at.sandbox.post(f"{LICENCES}?dry_run=1", body, new_key())
    want(answer.status == 422, _shown(answer))
    pointers = [one.get("pointer") for one in answer.json().get("errors", [])]
    want("/conformance" in pointers, f"the pointers are {pointers[:5]}")
    return "422 with the pointer /conformance"


# --- issue and retry -------------------------------------------------------------------------------------


@ours("dry-run", "A dry run checks everything and issues nothing.", f"{API}, issueLicence dry_run")
def dry_run(at: Subject) -> str:
    at.found["request"] = request = at.sandbox.cases.request()
    answer = at.sandbox.post(f"{LICENCES}?dry_run=1", request, new_key())
    told = wanted(answer, 200).json()
    want(told.get("dry_run") is True, "the answer does not say that it is one")
    if "number" in request:
        want(at.sandbox.numbered(request) == [], "there is a licence of the number now")
    return "200, and no licence of that number"


@ours("issue", "201 with the licence and its address; the document is the one that is named.", f"{API}, 201")
def issue(at: Subject) -> str:
    at.found["key"] = key = new_key()
    answer = at.sandbox.post(LICENCES, at["request"], key)
    told = wanted(answer, 201).json()
    at.found["issued"], at.found["identifier"] = told, told["identifier"]
    where = answer.headers.get("location", "")
    want(where.endswith(f"{LICENCES}/{told['identifier']}"), "Location is not the licence's address")
    document = at.sandbox.get(told["document"]["href"]).expect(200)
    digest = hashlib.sha256(document.body).hexdigest()
    want(digest == told["document"]["sha256"], "the document has another SHA-256")
    want(document.body.startswith(b"%PDF-"), "the document is no PDF")
    return f"{told['identifier']}, a PDF of {len(document.body)} bytes"


@ours("replay", "The same key and body are answered with the same licence.", f"{KEYS}, 2.6")
def replay(at: Subject) -> str:
    issued = at["issued"]
    answer = at.sandbox.post(LICENCES, at["request"], at["key"])
    told = wanted(answer, 200, 201).json()
    for member in ("identifier", "number", "link", "lookup_code"):
        want(told.get(member) == issued[member], f"{member} is another than the first time")
    want(told["document"]["sha256"] == issued["document"]["sha256"], "the document is another")
    want(answer.headers.get("idempotency-replayed") == "true", "Idempotency-Replayed is missing")
    return "the same licence, Idempotency-Replayed: true"


@ours("key-reused", "Another body under a used key is refused.", f"{KEYS}, 2.7: 422")
def key_reused(at: Subject) -> str:
    body = {**at["request"], "case_number": "conformance-2"}
    answer = at.sandbox.post(LICENCES, body, at["key"])
    want(answer.status == 422 and _kind(answer) == "idempotency-key-reused", _shown(answer))
    return "422 idempotency-key-reused"


@ours("number-once", "Two licences never have one number.", f"{API}, issueLicence 409")
def number_once(at: Subject) -> str:
    if "number" not in at["request"]:
        raise UnmetError("the registry gives the numbers")
    answer = at.sandbox.post(LICENCES, at["request"], new_key())
    want(answer.status == 409, _shown(answer))
    found = at.sandbox.numbered(at["request"])
    want(found == [at["identifier"]], f"{len(found)} licences have the number")
    return f"409 {reason_of(answer)}"


@ours("together", "Of two requests under one key at once, one licence comes.", f"{KEYS}, 2.6 and 2.7")
def together(at: Subject) -> str:
    request, key = at.sandbox.cases.request(), new_key()
    answers: list[Answer] = []

    def ask() -> None:
        answers.append(at.sandbox.post(LICENCES, request, key))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer in answers:
        if answer.status == 409:
            want("retry-after" in answer.headers, "409 without Retry-After")
        else:
            wanted(answer, 200, 201)
    last = wanted(at.sandbox.post(LICENCES, request, key), 200, 201).json()
    told = {one.json()["identifier"] for one in answers if one.status != 409} | {last["identifier"]}
    want(len(told) == 1 and len(answers) == 2, f"{len(told)} licences came")
    at.found["other"] = last["identifier"]
    return " and ".join(str(one.status) for one in answers)


@ours("read", "A licence is read with its record, and is not to be stored.", f"{API}, readLicence")
def read(at: Subject) -> str:
    answer = at.sandbox.get(f"{LICENCES}/{at['identifier']}").expect(200)
    told = answer.json()
    want(told["status"] == "in_force", f"status is {told['status']}")
    want(told["specimen"] is True, "specimen is not true")
    want("no-store" in answer.headers.get("cache-control", ""), "Cache-Control lacks no-store")
    return f"in_force, status_version {told['status_version']}"


@ours("etag", "What has not changed is not told again.", "RFC 9110, 13.1.2 and 15.4.5")
def etag(at: Subject) -> str:
    path = f"{LICENCES}/{at['identifier']}"
    tag = at.sandbox.get(path).expect(200).headers.get("etag")
    want(tag, "ETag is missing")
    same = at.sandbox.get(path, If_None_Match=str(tag))
    want(same.status == 304 and not same.body, _shown(same))
    return "304 with its ETag"


@ours("search", "A licence is found by its number.", f"{API}, findLicences")
def search(at: Subject) -> str:
    found = at.sandbox.numbered(at["issued"])
    want(at["identifier"] in found, f"{len(found)} found, and not this one")
    return "found"


@ours("pages", "Pages lead to one another, and nothing is told twice.", f"{API}, LicencePage.next")
def pages(at: Subject) -> str:
    path, seen = f"{LICENCES}?type={at.sandbox.cases.type_code}&limit=1", []
    for _ in range(3):
        page = at.sandbox.get(path).expect(200).json()
        want(len(page["licences"]) <= 1, "a page holds more than was asked for")
        seen += [one["identifier"] for one in page["licences"]]
        if page.get("next") is None:
            break
        path = page["next"]
        want(path.startswith(f"{LICENCES}?"), "next leads elsewhere")
    want(len(set(seen)) == len(seen) >= 2, f"{len(seen)} entries, {len(set(seen))} licences")
    return f"{len(seen)} pages"


# --- a licence's life ------------------------------------------------------------------------------------


@ours("amend", "An amendment makes the next edition; both name each other.", f"{API}, amendLicence")
def amend(at: Subject) -> str:
    return _next(at, "amend", "amendment")


@ours("correct", "A correction makes the next edition.", f"{API}, correctLicence")
def correct(at: Subject) -> str:
    return _next(at, "correct", "correction")


@ours("replace", "A replacement makes the next edition.", f"{API}, replaceLicence")
def replace_lost(at: Subject) -> str:
    return _next(at, "replace", "replacement")


@ours("renew", "A renewal makes the next edition.", f"{API}, renewLicence")
def renew(at: Subject) -> str:
    return _next(at, "renew", "renewal")


def _next(at: Subject, operation: str, path: str) -> str:
    before = at["identifier"]
    body = at.sandbox.cases.next_edition(operation)
    told = wanted(at.sandbox.post(f"{LICENCES}/{before}/{path}", body, new_key()), 201).json()
    at.found["identifier"] = told["identifier"]
    old, new = at.sandbox.licence(before), at.sandbox.licence(told["identifier"])
    want(new["edition"] == old["edition"] + 1, f"edition {new['edition']} after {old['edition']}")
    want((old["next"], new["previous"]) == (told["identifier"], before), "they do not name each other")
    want((old["status"], old["how"]) == ("ended", "replaced"), f"the edition before is {old['status']}")
    want((new["status"], new["made_by"]) == ("in_force", operation), f"the new one is {new['status']}")
    return f"edition {new['edition']}, the one before ended as replaced"


@ours("inspect", "An inspection is put on record, and the status stays.", f"{API}, inspectLicence")
def inspect(at: Subject) -> str:
    body = change(period=str(at.sandbox.today.year), result="passed")
    answer = at.sandbox.post(f"{LICENCES}/{at['identifier']}/inspection", body, new_key())
    want(wanted(answer, 200).json()["status"] == "in_force", "the status is another")
    return "on record, in_force"


@ours("suspend", "A suspension holds at once, to its last day.", f"{API}, suspendLicence")
def suspend(at: Subject) -> str:
    until_day = (at.sandbox.today + timedelta(days=30)).isoformat()
    at.found["version"] = at.sandbox.licence(at["identifier"])["status_version"]
    told = wanted(_change(at, "suspension", ground="penalty", until=until_day), 200).json()
    shown = at.sandbox.licence(at["identifier"])
    want(shown["status"] == told["status"] == "suspended", f"status is {shown['status']}")
    want(shown["suspended_until"] == until_day, "suspended_until is another day")
    want(shown["status_version"] > at["version"], "status_version has not grown")
    at.found["suspended"] = shown
    return f"suspended until {until_day}"


@ours("stale", "A change decided on an older status is refused.", f"{API}, status_version: 409")
def stale(at: Subject) -> str:
    _ = at["suspended"]
    answer = _change(at, "ending", how="withdrawn", status_version=at["version"])
    want(answer.status == 409, _shown(answer))
    return f"409 {reason_of(answer)}"


@ours("resume", "A suspended licence is resumed.", f"{API}, resumeLicence")
def resume(at: Subject) -> str:
    _ = at["suspended"]
    time.sleep(2.2 * SECOND)  # so that a whole second lies between the two
    told = wanted(_change(at, "resumption"), 200).json()
    want(told["status"] == "in_force" and told["suspended_until"] is None, f"status is {told['status']}")
    at.found["resumed"] = told
    return "in_force"


@ours(
    "pairs", "What a status does not permit is refused.", "registry/licences/operations.py: permitted pairs"
)
def pairs(at: Subject) -> str:
    _ = at["resumed"]
    answer = _change(at, "resumption")
    want(answer.status == 409, f"resuming what is in force: {_shown(answer)}")
    return f"409 {reason_of(answer)}"


@ours("schedule", "A change for a later day waits, is shown, and can be taken back.", f"{API}, 202 Scheduled")
def schedule(at: Subject) -> str:
    day = (at.sandbox.today + timedelta(days=10)).isoformat()
    told = wanted(_change(at, "suspension", ground="other", effective_from=day), 202).json()["scheduled"]
    shown = at.sandbox.licence(at["identifier"])
    want([one["id"] for one in shown["scheduled"]] == [told["id"]], "it is not shown")
    want(shown["status"] == "in_force", f"status is {shown['status']} already")
    wanted(_change(at, f"scheduled/{told['id']}/withdrawal"), 200)
    want(at.sandbox.licence(at["identifier"])["scheduled"] == [], "it is still shown")
    return f"202 for {day}, taken back"


@ours("end", "An end holds; the same request again is answered the same.", f"{API}, endLicence; {KEYS}, 2.6")
def end(at: Subject) -> str:
    key = new_key()
    first = wanted(_change(at, "ending", key, how="revoked"), 200).json()
    again = _change(at, "ending", key, how="revoked")
    told = wanted(again, 200).json()
    want((first["status"], first["how"]) == ("ended", "revoked"), f"it is {first['status']}")
    same = {"status", "how", "status_version", "since"}
    want(all(told[name] == first[name] for name in same), "the second answer is another")
    want(again.headers.get("idempotency-replayed") == "true", "Idempotency-Replayed is missing")
    at.found["ended"] = first
    return "ended, revoked; and again under its key"


@ours("ended", "What has ended does not come back.", "registry/licences/operations.py: permitted pairs")
def ended(at: Subject) -> str:
    _ = at["ended"]
    for what, more in (("resumption", {}), ("suspension", {"ground": "other"})):
        answer = _change(at, what, **more)
        want(answer.status == 409, f"{what}: {_shown(answer)}")
    return "409 for resumption and suspension"


@ours("remove", "A later formal removal stands beside how it ended.", f"{API}, removed_on")
def remove(at: Subject) -> str:
    _ = at["ended"]
    told = wanted(_change(at, "ending", how="cancelled"), 200).json()
    want(told["how"] == "revoked", f"how became {told['how']}")
    want(told["removed_on"] is not None, "removed_on is missing")
    return f"revoked, removed on {told['removed_on']}"


@ours("history", "Each event names who, why and by what law.", f"{API}, LicenceEvent")
def history(at: Subject) -> str:
    events = at.sandbox.get(f"{LICENCES}/{at['identifier']}/history").expect(200).json()["events"]
    kinds = [one["kind"] for one in events]
    at.found["events"] = events
    for one in events:
        want(one["client"] or one["person"], f"{one['kind']} names nobody")
        want(one["legal_basis"] and one["reason_code"], f"{one['kind']} names no ground")
    wanted_kinds = {"licence.issued", "licence.suspended", "licence.resumed", "licence.ended"}
    want(wanted_kinds <= set(kinds), f"missing: {', '.join(sorted(wanted_kinds - set(kinds)))}")
    return f"{len(events)} events"


@ours("past", "A past moment's status is told, by either clock.", f"{API}, readPastStatus")
def past(at: Subject) -> str:
    recorded = [one["recorded_at"] for one in at["events"] if one["kind"] == "licence.suspended"]
    want(recorded, "there is no suspension in the history")
    moment = datetime.fromisoformat(recorded[-1]) + timedelta(seconds=1)
    path = f"{LICENCES}/{at['identifier']}/status?at={moment:%Y-%m-%dT%H:%M:%SZ}&clock="
    told = at.sandbox.get(f"{path}recorded").expect(200).json()
    want(told["status"] == "suspended", f"while it was suspended: {told['status']}")
    want(at.sandbox.get(f"{path}effective").expect(200).json()["clock"] == "effective", "the other clock")
    return "suspended, as it was"


# --- batches ---------------------------------------------------------------------------------------------


@ours(
    "batch-refused", "One wrong line, and nothing of a batch is issued.", f"{API}, sendBatch; BatchItemShown"
)
def batch_refused(at: Subject) -> str:
    good = at.sandbox.cases.request()
    batch = _sent(at.sandbox, [good, {**good, "number": "conformance", "fields": {}}], new_key())
    told = at.sandbox.ended_batch(wanted(batch, 202).json()["id"])
    want(told["state"] == "refused", f"the batch is {told['state']}")
    wrong = [one for one in at.sandbox.items(told["id"]) if one["state"] == "refused"]
    want([one["line"] for one in wrong] == [2], f"refused: lines {[one['line'] for one in wrong]}")
    want(wrong[0].get("errors"), "the line does not say what is wrong")
    if "number" in good:
        want(at.sandbox.numbered(good) == [], "the right line was issued")
    return "line 2 with its pointers, nothing issued"


@ours("batch", "A batch is issued to its end, each line under an identifier of its own.", f"{API}, sendBatch")
def batch(at: Subject) -> str:
    requests, key = [at.sandbox.cases.request() for _ in range(2)], new_key()
    first = wanted(_sent(at.sandbox, requests, key), 202).json()
    again = _sent(at.sandbox, requests, key)
    want(wanted(again, 202).json()["id"] == first["id"], "the same file under its key is another batch")
    want(again.headers.get("idempotency-replayed") == "true", "Idempotency-Replayed is missing")
    told = at.sandbox.ended_batch(first["id"])
    items = at.sandbox.items(first["id"])
    want(told["state"] == "done", f"the batch is {told['state']}")
    want([one["state"] for one in items] == ["issued"] * 2, f"lines: {[one['state'] for one in items]}")
    want(len({one["identifier"] for one in items}) == 2, "two lines have one identifier")
    at.found["batch"] = told, items
    return "2 lines issued"


@ours(
    "batch-documents", "The documents of a batch are those that its lines name.", f"{API}, readBatchDocuments"
)
def batch_documents(at: Subject) -> str:
    told, items = at["batch"]
    archive = at.sandbox.get(f"{BATCHES}/{told['id']}/documents").expect(200)
    try:
        with zipfile.ZipFile(io.BytesIO(archive.body)) as packed:
            held = {hashlib.sha256(packed.read(name)).hexdigest() for name in packed.namelist()}
    except zipfile.BadZipFile:
        held = set()
    want(held == {one["document"]["sha256"] for one in items}, "the ZIP holds other files")
    return f"a ZIP of {len(held)}"


# --- webhooks --------------------------------------------------------------------------------------------


@ours(
    "webhook",
    "An endpoint's secret is told once, and again to the very same request.",
    f"{API}, createWebhook",
)
def webhook(at: Subject) -> str:
    place, key = at.hooks.place(), new_key()
    failing = iter([503])
    place.reply = lambda _call: next(failing, 204)
    body = {"url": place.url, "operator": CASE["operator"]}
    answer = at.sandbox.post(WEBHOOKS, body, key)
    if answer.status == 422 and reason_of(answer) in {"url_scheme", "address_refused"}:
        why = "the sandbox may not call this machine"
        raise UnmetError(f"{why}: --hooks-url, or its VERMILION_WEBHOOK_NETWORKS")
    told = wanted(answer, 201).json()
    want(str(told["secret"]).startswith("whsec_"), "the secret does not begin with whsec_")
    again = wanted(at.sandbox.post(WEBHOOKS, body, key), 201).json()
    want((again["id"], again["secret"]) == (told["id"], told["secret"]), "the same request: another endpoint")
    shown = at.sandbox.get(f"{WEBHOOKS}/{told['id']}").expect(200).json()
    want("secret" not in shown or shown["secret"] is None, "whoever reads the endpoint is told its secret")
    at.found["endpoint"] = told["id"], told["secret"], place
    return "made; the secret is told by no other request"


@ours(
    "webhook-signed",
    "An event is posted, signed by the secret, and says the event's id.",
    f"{HOOKS}, signatures",
)
def webhook_signed(at: Subject) -> str:
    _, secret, place = at["endpoint"]
    one = at.sandbox.issue()
    at.found["hooked"] = one["identifier"]
    found = _delivered(at, place, "licence.issued", one["identifier"])
    want(found.signed_by(secret), "the signature is not the secret's, or not of now")
    want(found.told["data"]["event"] == found.id, "webhook-id is not the event's")
    want(
        one["lookup_code"] not in found.body.decode("utf-8", "replace"), "the payload tells the look-up code"
    )
    at.found["delivery"] = found
    return "signed (v1), its id the event's"


@ours("webhook-again", "What was refused comes again, under the same id.", f"{HOOKS}, retries")
def webhook_again(at: Subject) -> str:
    _, secret, place = at["endpoint"]
    first: Call = at["delivery"]

    def calls() -> list[Call]:
        return [one for one in place.calls if one.id == first.id]

    patience = max(FIRST_RETRY, at.sandbox.patience)
    came = until(lambda: len(calls()) > 1, patience)
    want(came, f"it was refused with 503, and not sent again in {patience:.0f} s")
    second = calls()[1]
    want(second.body == first.body, "the body is another than the first time")
    want(second.signed_by(secret), "the second attempt is not signed, or not of now")
    return f"again after {second.at - first.at:.0f} s"


@ours("webhook-rotation", "After a rotation the old secret signs beside the new one.", f"{HOOKS}, rotation")
def webhook_rotation(at: Subject) -> str:
    endpoint, old, place = at["endpoint"]
    body = {"overlap_hours": 1, "operator": CASE["operator"]}
    answer = at.sandbox.post(f"{WEBHOOKS}/{endpoint}/secret-rotation", body, new_key())
    new = wanted(answer, 200).json()["secret"]
    want(new != old, "the secret is the same")
    identifier = at["hooked"]
    suspension = change(ground="other")
    wanted(at.sandbox.post(f"{LICENCES}/{identifier}/suspension", suspension, new_key()), 200)
    found = _delivered(at, place, "licence.suspended", identifier)
    want(found.signed_by(new), "the new secret does not sign")
    want(found.signed_by(old), "the old secret does not sign beside it")
    return "signed by both"


@ours("webhook-off", "An endpoint that is switched off is told nothing more.", f"{API}, deactivateWebhook")
def webhook_off(at: Subject) -> str:
    endpoint, _, place = at["endpoint"]
    answer = at.sandbox.post(f"{WEBHOOKS}/{endpoint}/deactivation", {"operator": CASE["operator"]}, new_key())
    want(wanted(answer, 200).json()["state"] == "disabled", "it is not disabled")
    before = len(place.calls)
    ending = change(how="withdrawn")
    wanted(at.sandbox.post(f"{LICENCES}/{at['hooked']}/ending", ending, new_key()), 200)
    want(not until(lambda: len(place.calls) > before, QUIET), "it was told all the same")
    return f"nothing came in {QUIET:.0f} s"


def _delivered(at: Subject, place: Place, kind: str, identifier: str) -> Call:
    """The first attempt at the delivery of an event. Raises WrongError where none comes in time."""

    def calls() -> list[Call]:
        return [
            one
            for one in list(place.calls)
            if one.told.get("type") == kind and one.told.get("data", {}).get("identifier") == identifier
        ]

    want(until(calls, at.sandbox.patience), f"no {kind} in {at.sandbox.patience:.0f} s")
    return calls()[0]


# --- asking ----------------------------------------------------------------------------------------------


def _change(at: Subject, what: str, key: str | None = None, **more: Any) -> Answer:
    return at.sandbox.post(f"{LICENCES}/{at['identifier']}/{what}", change(**more), key or new_key())


def _sent(sandbox: Sandbox, requests: list[dict[str, Any]], key: str) -> Answer:
    body = b"".join(json.dumps(one, ensure_ascii=False).encode() + b"\n" for one in requests)
    return sandbox.post(BATCHES, body, key, **{"Content-Type": "application/x-ndjson"})


def _token(sandbox: Sandbox, who: ApiClient) -> Answer:
    return _ask_token(sandbox, who.grant(sandbox.audience))


def _ask_token(sandbox: Sandbox, form: dict[str, str]) -> Answer:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return call("POST", f"{sandbox.base}/oauth2/token", body=urlencode(form).encode(), headers=headers)


def _kind(answer: Answer) -> str:
    return str(answer.json().get("type", "")).rpartition("/")[2]


def _shown(answer: Answer) -> str:
    return f"status {answer.status} {reason_of(answer)}".strip()
