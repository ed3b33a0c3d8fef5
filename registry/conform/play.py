"""The life cycle that a client is led through: each step what it is told, how it is disturbed meanwhile, and
what came of it. What it means is judged afterwards (`client_checks`).
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from registry.conform.cases import CASE, change
from registry.conform.hooks import Call, Hooks, signed_headers
from registry.conform.program import Program
from registry.conform.proxy import Exchange, Fault, Proxy
from registry.conform.sandbox import LICENCES, WEBHOOKS, Sandbox, new_key, until, wanted

LICENCE = f"{LICENCES}/[^/]+"
BUSY_SECONDS = 2
SLOW_SECONDS = 3.0
SOON = Fault(
    "429, Retry-After: 2", "GET", LICENCE, status=429, problem="too-many-requests",
    headers={"Retry-After": str(BUSY_SECONDS)},
)  # fmt: skip
BUSY = Fault(
    "503, Retry-After: 2", "POST", LICENCES, status=503, problem="unavailable",
    headers={"Retry-After": str(BUSY_SECONDS)},
)  # fmt: skip
IN_PROGRESS = Fault(
    "409 in-progress, Retry-After: 1", "POST", LICENCES, status=409, problem="in-progress",
    headers={"Retry-After": "1"},
)  # fmt: skip
LOST = Fault("the answer is lost", "POST", LICENCES, cut="answer")
LOST_END = Fault("the answer is lost", "POST", f"{LICENCE}/ending", cut="answer")
SLOW = Fault("the answer takes 3 s", "POST", f"{LICENCE}/amendment", delay=SLOW_SECONDS)
HALF = Fault("the document is cut in its middle", "GET", f"{LICENCE}/document", cut="body")
LAPSED = Fault("401, the token has lapsed", "GET", LICENCE, status=401, problem="unauthenticated")
MORE = Fault(
    "an answer with members of a later version", "GET", LICENCE,
    alter=lambda told: {"conformance": {"of": ["a later version"]}, **told, "conformance_2": None},
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """What came of it."""

    name: str
    told: Mapping[str, Any]
    exchanges: list[Exchange]

    @property
    def outcome(self) -> str:
        return str(self.told.get("outcome"))

    def sent(self, method: str, end: str = "") -> list[Exchange]:
        """Its requests of a method, to a path that ends so."""
        return [one for one in self.exchanges if one.method == method and one.path.endswith(end)]


@dataclass
class Posted:
    """A delivery that the client was sent, and the status that it answered; 0: none."""

    event: str
    status: int


@dataclass
class Play:
    """`facts`: what the sandbox says of what the client did; `posted`: what was posted to the client."""

    sandbox: Sandbox
    hooks: Hooks
    proxy: Proxy
    program: Program
    credential: Path
    deadline: float
    steps: dict[str, Step] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    posted: dict[str, Posted] = field(default_factory=dict)
    why_no_hooks: str = ""
    silent: int = 0

    def run(self) -> None:
        """All of it, as far as the client goes. Raises VermilionError where the sandbox cannot be asked."""
        connected = {
            "api": self.proxy.url,
            "audience": self.sandbox.audience,
            "credential": str(self.credential),
        }
        if self.do("connect", connected).outcome != "done":
            return
        self.do("who", {})
        for act in (self._issue, self._change, self._end, self._batch, self._webhooks):
            act()

    def do(self, duty: str, arguments: dict[str, Any], *faults: Fault, name: str = "") -> Step:
        """Tell a step. A client that was silent three times, or whose time is over, is told no more."""
        called = name or duty
        if self.silent >= 3 or time.monotonic() > self.deadline:
            told: dict[str, Any] = {"outcome": "not_reached"}
        else:
            self.proxy.begin(called, *faults)
            told = self.program.tell(duty, arguments)
            self.silent += told["outcome"] == "silent"
        step = self.steps[called] = Step(called, told, self.proxy.during(called))
        self.proxy.begin("")
        return step

    # --- issue, retry, read

    def _issue(self) -> None:
        first = self.sandbox.cases.request()
        self.do("preview", {"request": first})
        self.facts["previewed"] = self._numbered(first)
        self.do("issue", {"request": first})
        self.facts["issued"] = self._issued("issue", first)
        for name, fault in (("issue-lost", LOST), ("issue-busy", BUSY), ("issue-in-progress", IN_PROGRESS)):
            request = self.sandbox.cases.request()
            self.do("issue", {"request": request}, fault, name=name)
            self.facts[name] = self._issued(name, request)
        wrong = {**self.sandbox.cases.request(), "fields": {}}
        self.do("issue", {"request": wrong}, name="issue-wrong")
        identifier = self._licence()
        self.do("read", {"identifier": identifier})
        self.do("read", {"identifier": identifier}, SOON, name="read-limited")
        self.do("read", {"identifier": identifier}, LAPSED, name="read-lapsed")
        self.do("read", {"identifier": identifier}, MORE, name="read-more")
        away = Fault(
            "307 to another origin", "GET", LICENCE, status=307, problem="",
            headers={"Location": f"{self.proxy.elsewhere}{LICENCES}/{identifier}"},
        )  # fmt: skip
        self.do("read", {"identifier": identifier}, away, name="read-redirected")
        if "number" in first:
            wanted_number = {"type": self.sandbox.cases.type_code, "number": first["number"]}
            self.do("search", wanted_number)
        self.do("document", {"identifier": identifier}, HALF)
        self.facts["document"] = self.sandbox.licence(identifier)["document"]["sha256"]

    def _issued(self, step: str, request: Mapping[str, Any]) -> list[str]:
        """Identifiers of the licences that came of a step: by the number, or as the sandbox answered."""
        if "number" in request:
            return self._numbered(request)
        answered = [one.told().get("identifier") for one in self.steps[step].sent("POST", LICENCES)]
        return list(dict.fromkeys(str(one) for one in answered if one))

    def _numbered(self, request: Mapping[str, Any]) -> list[str]:
        return self.sandbox.numbered(request) if "number" in request else []

    def _licence(self) -> str:
        """The one that the client is to go on with; ours, where it issued none."""
        issued: list[str] = self.facts["issued"]
        return issued[0] if issued else str(self.sandbox.issue()["identifier"])

    # --- the life of a licence

    def _change(self) -> None:
        identifier = self._licence()
        for duty in ("amend", "correct", "replace", "renew"):
            body = self.sandbox.cases.next_edition(duty)
            self.do(duty, {"identifier": identifier, "request": body}, *([SLOW] if duty == "amend" else []))
            after = self.sandbox.licence(identifier)
            self.facts[duty] = after["next"]
            identifier = after["next"] or identifier
        self.facts["life"] = identifier
        year = str(self.sandbox.today.year)
        self._status("inspect", identifier, change(period=year, result="passed"))
        last = (self.sandbox.today + timedelta(days=30)).isoformat()
        self._status("suspend", identifier, change(ground="penalty", until=last))
        time.sleep(2.2)  # so that a whole second lies between the two
        self._status("resume", identifier, change())
        day = (self.sandbox.today + timedelta(days=10)).isoformat()
        later = change(ground="other", effective_from=day)
        self.do("suspend", {"identifier": identifier, "request": later}, name="suspend-later")
        waiting = self.sandbox.licence(identifier)["scheduled"]
        self.facts["suspend-later"] = [one["id"] for one in waiting]
        for one in waiting[:1]:
            taken = {"identifier": identifier, "scheduled": one["id"], "request": change()}
            self.do("withdraw", taken)
        self.facts["withdraw"] = len(self.sandbox.licence(identifier)["scheduled"])

    def _status(
        self, duty: str, identifier: str, body: dict[str, Any], *faults: Fault, name: str = ""
    ) -> None:
        self.do(duty, {"identifier": identifier, "request": body}, *faults, name=name)
        self.facts[name or duty] = self.sandbox.licence(identifier)

    def _end(self) -> None:
        identifier = self.facts["life"]
        self._status("end", identifier, change(how="revoked"), LOST_END)
        self._status("end", identifier, change(how="cancelled"), name="remove")
        self._status("resume", identifier, change(), name="resume-ended")
        self.do("history", {"identifier": identifier})
        answer = self.sandbox.get(f"{LICENCES}/{identifier}/history").expect(200).json()
        self.facts["history"] = [one["kind"] for one in answer["events"]]
        suspended = [one["recorded_at"] for one in answer["events"] if one["kind"] == "licence.suspended"]
        if suspended:
            moment = datetime.fromisoformat(suspended[-1]) + timedelta(seconds=1)
            asked = {"identifier": identifier, "at": f"{moment:%Y-%m-%dT%H:%M:%SZ}", "clock": "recorded"}
            self.do("past", asked)

    def _batch(self) -> None:
        requests = [self.sandbox.cases.request() for _ in range(2)]
        batch = self.do("batch", {"requests": requests})
        sent = [one.told().get("id") for one in batch.sent("POST", "/batches")]
        self.facts["batches"] = sorted({str(one) for one in sent if one})
        if self.facts["batches"]:
            batch_id = self.facts["batches"][0]
            self.sandbox.ended_batch(batch_id)
            self.facts["batch-items"] = self.sandbox.items(batch_id)
            self.do("documents", {"batch": batch_id})

    # --- webhooks

    def _webhooks(self) -> None:
        listening = self.do("listen", {})
        url = listening.told.get("url")
        if listening.outcome != "done" or not _is_loopback(url):
            self.why_no_hooks = f"the client does not listen on this machine ({listening.outcome})"
            return
        place = self.hooks.place()
        request = {"url": place.url, "operator": CASE["operator"]}
        made = self.do("webhook", {"request": request})
        exchange = next((one for one in made.sent("POST", WEBHOOKS)[-1:]), None)
        told = {} if exchange is None else exchange.told()
        secret = str(told.get("secret") or "")
        if not secret:
            reason = str(told.get("reason", made.outcome))
            self.why_no_hooks = f"the client has no endpoint ({reason}): see server.webhook"
            return
        self._deliver(str(url), place.calls, str(told["id"]), secret)

    def _deliver(self, url: str, calls: list[Call], endpoint: str, secret: str) -> None:
        """Events of the sandbox, held back, and handed on in another order, again, and altered."""
        identifier = str(self.sandbox.issue()["identifier"])
        for what, body in (("suspension", change(ground="other")), ("resumption", change())):
            wanted(self.sandbox.post(f"{LICENCES}/{identifier}/{what}", body, new_key()), 200)
        kinds = ("licence.issued", "licence.suspended", "licence.resumed")

        def held() -> dict[str, Call]:
            mine = [one for one in list(calls) if one.told.get("data", {}).get("identifier") == identifier]
            return {str(one.told["type"]): one for one in mine}

        if not until(lambda: set(held()) >= set(kinds), self.sandbox.patience):
            self.why_no_hooks = "the sandbox's deliveries did not come: see server.webhook-signed"
            return
        issued, suspended, resumed = (held()[kind] for kind in kinds)
        self.facts["hooked"] = identifier
        self.facts["genuine"] = [one.id for one in (issued, suspended, resumed)]
        self._post("genuine", url, issued.id, issued.headers, issued.body)
        self._post("later", url, resumed.id, resumed.headers, resumed.body)
        self._post("earlier", url, suspended.id, suspended.headers, suspended.body)
        again = signed_headers([secret], issued.id, issued.body)
        self._post("again", url, issued.id, again, issued.body)
        self._made("forged", url, resumed, ["whsec_" + "A" * 43 + "="])
        self._made("old", url, resumed, [secret], age=3600)
        altered = json.dumps({**suspended.told, "type": "licence.ended"}).encode()
        headers = signed_headers([secret], new_key(), suspended.body)
        self._post("altered", url, headers["webhook-id"], headers, altered)
        rotation = {"overlap_hours": 1, "operator": CASE["operator"]}
        turned = self.do("rotate", {"id": endpoint, "request": rotation})
        answers = [one.told().get("secret") for one in turned.sent("POST", "/secret-rotation")]
        if turned.outcome == "done" and answers and answers[-1]:
            # In the form of the earlier status: in that of the later one they would set right what
            # `client.hook-order` is to find.
            self._made("rotated", url, suspended, [str(answers[-1])])
            self._made("overlap", url, suspended, [secret])
        self.do("heard", {})
        self.do("webhook_off", {"id": endpoint, "request": {"operator": CASE["operator"]}})
        self.facts["webhook-off"] = self.sandbox.get(f"{WEBHOOKS}/{endpoint}").expect(200).json()["state"]

    def _made(self, name: str, url: str, like: Call, keys: list[str], *, age: int = 0) -> None:
        """A delivery of an event that never was, in the form of another."""
        told = like.told
        event = new_key()
        told["data"] = {**told["data"], "event": event}
        body = json.dumps(told).encode()
        self._post(name, url, event, signed_headers(keys, event, body, age=age), body)

    def _post(self, name: str, url: str, event: str, headers: Mapping[str, str], body: bytes) -> None:
        kept = {n: v for n, v in headers.items() if n.lower().startswith(("webhook-", "content-type"))}
        request = urllib.request.Request(url, body, kept, method="POST")  # noqa: S310  (a loopback address)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=15) as response:
                status = response.status
        except urllib.error.HTTPError as error:
            status = error.code
        except (OSError, ValueError):
            status = 0
        self.posted[name] = Posted(event, status)


def _is_loopback(url: object) -> bool:
    return isinstance(url, str) and url.startswith(
        ("http://127.0.0.1:", "http://localhost:", "http://[::1]:")
    )


def heard(play: Play) -> dict[str, Any]:
    """What the client says it counted; nothing where it does not."""
    step = play.steps.get("heard")
    return dict(step.told) if step is not None and step.outcome == "done" else {}
