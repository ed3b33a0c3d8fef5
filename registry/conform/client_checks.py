"""What a client must keep to, judged by what it said, what it asked, and what the sandbox has on record."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, unquote

from registry.conform.checks import CLIENT, Look, UnmetError, check, want
from registry.conform.play import Play, Posted, Step, heard
from registry.conform.proxy import Exchange
from registry.conform.sandbox import LICENCES

KEYS = "draft-ietf-httpapi-idempotency-key-header"
HOOKS = "Standard Webhooks 1.0.0"
API = "OpenAPI"  # docs/agency-openapi.json
TOKENS = "/oauth2/token"
EARLY = 0.1  # seconds by which two clocks may differ
POLL = 0.2  # seconds between two looks at one batch, at least
MOST_TOKENS = 3
LONGEST_ASSERTION = 300


def theirs(name: str, says: str, clause: str) -> Callable[[Look], Look]:
    return check(CLIENT, f"client.{name}", says, clause)


def _step(play: Play, name: str) -> Step:
    """Raises UnmetError for a step that the client was not told, or does not know."""
    step = play.steps.get(name)
    if step is None or step.outcome == "not_reached":
        raise UnmetError("it did not come so far")
    if step.outcome == "not_supported":
        raise UnmetError("the client does not do this")
    return step


def _done(play: Play, name: str) -> Step:
    step = _step(play, name)
    want(step.outcome == "done", f"{name}: {_outcome(step)}")
    return step


def _outcome(step: Step) -> str:
    if step.outcome == "silent":
        return "no answer in time, or none that is one"
    said = " ".join(str(step.told[one])[:40] for one in ("status", "reason") if step.told.get(one))
    return f"{step.outcome} {said}".strip()


# --- a licence's life, undisturbed -----------------------------------------------------------------------


@theirs("connect", "It gets a token and is who it should be.", "RFC 7523, 2.2")
def connect(play: Play) -> str:
    _done(play, "connect")
    _done(play, "who")
    return "connected"


@theirs("preview", "A dry run issues nothing.", f"{API}, dry_run")
def preview(play: Play) -> str:
    _done(play, "preview")
    want(play.facts["previewed"] == [], "a licence was issued")
    return "previewed"


@theirs("issue", "It issues a licence, and knows which.", f"{API}, issueLicence")
def issue(play: Play) -> str:
    return _is_told(play, _done(play, "issue"), "issued")


def _is_told(play: Play, step: Step, fact: str) -> str:
    found: list[str] = play.facts[fact]
    want(len(found) == 1, f"{step.name}: {len(found)} licences on record")
    want(step.told.get("identifier") == found[0], f"{step.name}: it tells another identifier")
    return found[0]


@theirs("read", "It reads a licence's status.", f"{API}, readLicence")
def read(play: Play) -> str:
    step = _done(play, "read")
    want(step.told.get("status") == "in_force", "it tells another status")
    return "in_force"


@theirs("search", "It finds a licence by its number.", f"{API}, findLicences")
def search(play: Play) -> str:
    step = _done(play, "search")
    want(set(play.facts["issued"]) <= set(step.told.get("identifiers", ())), "it does not find the licence")
    return "found"


def _life(name: str, says: str, clause: str) -> None:
    @theirs(name, says, f"{API}, {clause}")
    def look(play: Play) -> str:
        step = _done(play, name)
        fact = play.facts[name]
        want(fact is not None and step.told.get("identifier") == fact, f"{name}: it tells another edition")
        return str(fact)


for _name, _says in (
    ("amend", "amends"),
    ("correct", "corrects"),
    ("replace", "replaces"),
    ("renew", "renews"),
):
    _life(_name, f"It {_says} a licence, and knows the next edition.", f"{_name}Licence")


def _status(name: str, says: str, status: str) -> None:
    @theirs(name, says, f"{API}, {name}Licence")
    def look(play: Play) -> str:
        step = _done(play, name)
        want(play.facts[name]["status"] == status, f"{name}: on record it is {play.facts[name]['status']}")
        want(step.told.get("status") == status, f"{name}: it tells another status")
        return status


_status("inspect", "It records an annual inspection.", "in_force")
_status("suspend", "It suspends, with a last day.", "suspended")
_status("resume", "It resumes.", "in_force")


@theirs("withdraw", "It takes a scheduled change back.", f"{API}, withdrawScheduled")
def withdraw(play: Play) -> str:
    _done(play, "withdraw")
    want(play.facts["withdraw"] == 0, "it still waits")
    return "taken back"


@theirs("remove", "It records a later formal removal.", f"{API}, endLicence")
def remove(play: Play) -> str:
    _done(play, "remove")
    shown = play.facts["remove"]
    want(shown["removed_on"] and shown["how"] == "revoked", f"how is {shown['how']}")
    return f"removed on {shown['removed_on']}"


@theirs("history", "It reads a licence's history.", f"{API}, readHistory")
def history(play: Play) -> str:
    step = _done(play, "history")
    want(step.told.get("kinds") == play.facts["history"], "it tells other events")
    return f"{len(play.facts['history'])} events"


@theirs("past", "It asks what a status was.", f"{API}, readPastStatus")
def past(play: Play) -> str:
    step = _done(play, "past")
    want(step.told.get("status") == "suspended", "it tells another status")
    return "suspended"


# --- retrying --------------------------------------------------------------------------------------------


@theirs(
    "retry", "What it asks again comes under the same Idempotency-Key: nothing is done twice.", f"{KEYS}, 2.5"
)
def retry(play: Play) -> str:
    lost = {"issue-lost": LICENCES, "end": "/ending"}
    repeated = {**lost, "issue-busy": LICENCES, "issue-in-progress": LICENCES}
    for name, end in repeated.items():
        sent = _real(_step(play, name).sent("POST", end))
        keys = {one.key for one in sent}
        want("" not in keys, f"{name}: a request without a key")
        want(len(keys) <= 1, f"{name}: {len(keys)} keys for one act")
        want(name not in lost or len(sent) > 1, f"{name}: the answer was lost, and it did not ask again")
    _is_told(play, _done(play, "issue-lost"), "issue-lost")
    _done(play, "end")
    want(play.facts["end"]["status"] == "ended", f"on record it is {play.facts['end']['status']}")
    return "one key, one licence, where the answer was lost"


def _real(sent: list[Exchange]) -> list[Exchange]:
    return [one for one in sent if "dry_run=1" not in one.target]


@theirs("in-progress", "409 `in-progress` is neither done nor refused: it is asked again.", f"{KEYS}, 2.7")
def in_progress(play: Play) -> str:
    return _is_told(play, _done(play, "issue-in-progress"), "issue-in-progress")


@theirs(
    "busy", "After 503 and 429 it asks again, and gets done what it should.", "RFC 9110, 15.6.4; RFC 6585, 4"
)
def busy(play: Play) -> str:
    _is_told(play, _done(play, "issue-busy"), "issue-busy")
    _done(play, "read-limited")
    return "done"


@theirs("retry-after", "It does not ask again sooner than it was told to.", "RFC 9110, 10.2.3")
def retry_after(play: Play) -> str:
    waits: list[float] = []
    for name in ("issue-busy", "issue-in-progress", "read-limited"):
        exchanges = _step(play, name).exchanges
        for place, one in enumerate(exchanges):
            asked = float(one.answer_headers.get("retry-after", 0)) if one.status >= 400 else 0
            same = [later for later in exchanges[place + 1 :] if (later.method, later.path) == _what(one)]
            if asked and same:
                waits.append(same[0].at - one.ended)
                want(
                    waits[-1] >= asked - EARLY,
                    f"{name}: after {waits[-1]:.1f} s, where {asked:.0f} were asked for",
                )
    if not waits:
        raise UnmetError("it never asked again")
    return f"it waited for {', '.join(f'{one:.1f}' for one in waits)} s"


def _what(one: Exchange) -> tuple[str, str]:
    return one.method, one.path


@theirs(
    "refusal", "What is refused for good it does not send again, and tells as refused.", f"{API}, 422 and 409"
)
def refusal(play: Play) -> str:
    for name, status, end in (("issue-wrong", 422, LICENCES), ("resume-ended", 409, "/resumption")):
        step = _step(play, name)
        want(step.outcome == "refused" and step.told.get("status") == status, f"{name}: {_outcome(step)}")
        want(len(_real(step.sent("POST", end))) <= 1, f"{name}: it was sent again")
    want(play.facts["resume-ended"]["status"] == "ended", "the licence has not stayed ended")
    return "422 and 409 told as refused"


@theirs("waits", "202 is not done: a change for a later day waits.", f"{API}, 202 Scheduled")
def waits(play: Play) -> str:
    step = _step(play, "suspend-later")
    want(step.outcome == "waits", f"it says {_outcome(step)}")
    want([step.told.get("scheduled")] == play.facts["suspend-later"], "it tells another change")
    return "waits"


@theirs("lapsed", "A token that is refused is replaced, and the request repeated.", "RFC 6750, 3.1")
def lapsed(play: Play) -> str:
    step = _done(play, "read-lapsed")
    want(step.sent("POST", TOKENS), "it asked for no new token")
    return "a new token, and the answer"


@theirs("lenient", "Members that it does not know are no offence.", f"{API}, info")
def lenient(play: Play) -> str:
    step = _done(play, "read-more")
    want(step.told.get("status") == "in_force", "it tells another status")
    return "read"


@theirs("document", "A document that came in part is none.", "RFC 9112, 8")
def document(play: Play) -> str:
    step = _done(play, "document")
    want(step.told.get("sha256") == play.facts["document"], "it tells the SHA-256 of another file")
    return "fetched again, whole"


# --- batches ---------------------------------------------------------------------------------------------


@theirs(
    "batch", "A batch is done when it has ended; what became of each line is known.", f"{API}, sendBatch 202"
)
def batch(play: Play) -> str:
    step = _step(play, "batch")
    want(len(play.facts["batches"]) == 1, f"{len(play.facts['batches'])} batches on record")
    want(step.outcome == "done", f"it says {_outcome(step)}")
    told = [(one.get("line"), one.get("state"), one.get("identifier")) for one in step.told.get("items", ())]
    found = [(one["line"], one["state"], one.get("identifier")) for one in play.facts["batch-items"]]
    want(told == found, "it tells other lines than are on record")
    return f"{len(found)} lines"


@theirs("poll", "It looks at a batch at most five times a second.", "docs/conformance.md")
def poll(play: Play) -> str:
    looks = [one for one in _step(play, "batch").sent("GET") if one.path.startswith("/api/v1/batches/")]
    looks = [one for one in looks if not one.path.endswith("/items")]
    gaps = [later.at - one.ended for one, later in pairwise(looks)]
    want(all(gap >= POLL - EARLY / 2 for gap in gaps), f"{min(gaps, default=0):.2f} s between two looks")
    return f"{len(looks)} looks"


@theirs("documents", "It fetches the documents of a batch.", f"{API}, readBatchDocuments")
def documents(play: Play) -> str:
    step = _done(play, "documents")
    sizes = [one.answer_headers.get("content-length") for one in step.sent("GET", "/documents")]
    want(str(step.told.get("size")) in sizes, "it tells another size")
    return f"{step.told['size']} bytes"


# --- secrets and keys ------------------------------------------------------------------------------------


@theirs("secret-place", "No token, key or secret stands in an address.", "RFC 6750, 5.3")
def secret_place(play: Play) -> str:
    if not play.proxy.exchanges:
        raise UnmetError("it asked for nothing")
    hidden = set(_secrets(play))
    for one in play.proxy.exchanges:
        target = unquote(one.target)
        want("access_token=" not in target, f"{one.method} {one.path}: access_token in the query")
        want(not any(secret in target for secret in hidden), f"{one.method}: a secret in the address")
    return f"{len(play.proxy.exchanges)} addresses"


def _secrets(play: Play) -> Iterator[str]:
    for one in play.proxy.exchanges:
        told = one.told()
        for name in ("access_token", "secret"):
            if isinstance(told.get(name), str):
                yield told[name]
        if one.path == TOKENS:
            form = parse_qs(one.body.decode("utf-8", "replace"))
            for name in ("client_secret", "client_assertion", "assertion"):
                yield from form.get(name, ())


@theirs("redirect", "A token goes to no other origin, whatever a redirect says.", "RFC 9110, 15.4")
def redirect(play: Play) -> str:
    _step(play, "read-redirected")
    carried = [one for one in play.proxy.trapped if "authorization" in one]
    want(not carried, "it followed to another origin with its token")
    return "nothing came there" if not play.proxy.trapped else "it followed without its token"


@theirs("keys", "Each change has a key of its own.", f"{KEYS}, 2.2")
def keys(play: Play) -> str:
    used: dict[str, tuple[str, str, bytes]] = {}
    asked = [one for one in play.proxy.exchanges if one.method == "POST" and one.path.startswith(LICENCES)]
    for one in _real(asked):
        want(one.key, f"{one.path.rpartition('/')[2]}: a change without a key")
        what = (one.method, one.target, one.body)
        want(used.setdefault(one.key, what) == what, "one key for two requests")
    if not used:
        raise UnmetError("it changed nothing")
    return f"{len(used)} keys"


@theirs("token-once", "An assertion serves once, and not for long.", "RFC 7523, 3")
def token_once(play: Play) -> str:
    found = [_claims(one) for one in play.proxy.exchanges if one.path == TOKENS]
    claims = [one for one in found if one]
    if not claims:
        raise UnmetError("it authenticates by no assertion")
    once = Counter(str(one.get("jti")) for one in claims)
    want(max(once.values()) == 1, "the same assertion twice")
    for one in claims:
        want(int(one["exp"]) - int(one["iat"]) <= LONGEST_ASSERTION, "an assertion for more than 5 min")
    return f"{len(claims)} assertions"


def _claims(one: Exchange) -> dict[str, Any]:
    given = parse_qs(one.body.decode("utf-8", "replace")).get("client_assertion", [""])[0]
    part = given.split(".")[1] if given.count(".") == 2 else ""
    if not part:
        return {}
    value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return value if isinstance(value, dict) else {}


@theirs("token-kept", "A token is used for as long as it lives.", "RFC 6749, 5.1 (expires_in)")
def token_kept(play: Play) -> str:
    given = sum(one.path == TOKENS and one.status == 200 for one in play.proxy.exchanges)
    want(given, "it asked for no token")
    want(given <= MOST_TOKENS, f"{given} tokens for {len(play.proxy.exchanges)} requests")
    return f"{given} tokens"


# --- webhooks --------------------------------------------------------------------------------------------


def _posted(play: Play, name: str) -> Posted:
    if play.why_no_hooks:
        raise UnmetError(play.why_no_hooks)
    if name not in play.posted:
        raise UnmetError("it did not come so far")
    return play.posted[name]


def _events(play: Play) -> Counter[str]:
    """How often the client counts each event."""
    told = heard(play)
    if "events" not in told:
        raise UnmetError("the client does not tell what it heard")
    return Counter(str(one.get("event")) for one in told["events"])


@theirs("hook", "A delivery of the sandbox's is taken, and counted.", f"{HOOKS}, verifying")
def hook(play: Play) -> str:
    one = _posted(play, "genuine")
    want(200 <= one.status < 300, f"it answered {one.status}")
    missing = [event for event in play.facts["genuine"] if not _events(play)[event]]
    want(not missing, f"{len(missing)} of {len(play.facts['genuine'])} events are not counted")
    return f"{len(play.facts['genuine'])} events"


@theirs(
    "hook-signature", "What is not signed by the secret is refused, and not counted.", f"{HOOKS}, verifying"
)
def hook_signature(play: Play) -> str:
    for name, what in (("forged", "signed by another secret"), ("altered", "altered after it was signed")):
        one = _posted(play, name)
        want(not 200 <= one.status < 300, f"{what}: it answered {one.status}")
        want(not _events(play)[one.event], f"{what}: it was counted")
    return "another's signature and an altered body are refused"


@theirs("hook-time", "What was signed long ago is refused.", f"{HOOKS}, timestamps")
def hook_time(play: Play) -> str:
    one = _posted(play, "old")
    want(not 200 <= one.status < 300, f"of an hour ago: it answered {one.status}")
    want(not _events(play)[one.event], "of an hour ago: it was counted")
    return "of an hour ago: refused"


@theirs("hook-once", "An event that comes again is taken, and not counted again.", f"{HOOKS}, idempotency")
def hook_once(play: Play) -> str:
    one = _posted(play, "again")
    want(200 <= one.status < 300, f"the second time it answered {one.status}, and would be sent it again")
    want(_events(play)[one.event] <= 1, f"it is counted {_events(play)[one.event]} times")
    return "counted once"


@theirs(
    "hook-order", "The later status holds, in whatever order it came.", f"{API}, LicenceNews.status_version"
)
def hook_order(play: Play) -> str:
    _posted(play, "earlier")
    known = heard(play).get("statuses", {}).get(play.facts["hooked"])
    if known is None:
        raise UnmetError("the client keeps no status")
    want(known.get("status") == "in_force", f"it takes the licence for {known.get('status')}")
    return "in_force, although the suspension came last"


@theirs("hook-rotation", "After a rotation both secrets are good, for a while.", f"{HOOKS}, rotation")
def hook_rotation(play: Play) -> str:
    for name, what in (("rotated", "the new secret"), ("overlap", "the old one")):
        one = _posted(play, name)
        want(200 <= one.status < 300, f"signed by {what}: it answered {one.status}")
    return "both"


@theirs("hook-off", "It switches its endpoint off.", f"{API}, deactivateWebhook")
def hook_off(play: Play) -> str:
    if play.why_no_hooks:
        raise UnmetError(play.why_no_hooks)
    _done(play, "webhook_off")
    want(play.facts["webhook-off"] == "disabled", f"on record it is {play.facts['webhook-off']}")
    return "disabled"
