"""Clients that are broken, each in one way: `python broken.py WAY` is our integrator with that fault planted."""

from __future__ import annotations

import contextlib
import json
import sys
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "clients" / "python"))

import integrator
import vermilion_agency_client as api
from integrator import Inbox, Integrator, Told, main

once = api.Client._once
bearer = api.Client._bearer


class Careless(Integrator):
    """It retries under another key each time."""

    def on_connect(self, **given: str) -> Told:
        def other_key(self: Any, method: str, url: str, headers: Any, body: Any) -> Any:
            if "Idempotency-Key" in headers:
                headers = {**headers, "Idempotency-Key": api.new_key()}
            return once(self, method, url, headers, body)

        api.Client._once = other_key
        return super().on_connect(**given)


class Hasty(Integrator):
    """It does not wait."""

    def on_connect(self, **given: str) -> Told:
        told = super().on_connect(**given)
        self.client._sleep = lambda _seconds: None
        return told


class Credulous(Integrator):
    """It believes whatever looks like a webhook of now."""

    def on_connect(self, **given: str) -> Told:
        def take(self: Inbox, headers: Any, body: bytes) -> int:
            import time

            found = {name.lower(): value for name, value in headers.items()}
            if abs(int(found["webhook-timestamp"]) - time.time()) > 300:
                return 401
            self.count(json.loads(body))
            return 204

        Inbox.take = take
        return super().on_connect(**given)


class Forgetful(Integrator):
    """It counts an event each time that it comes."""

    def on_connect(self, **given: str) -> Told:
        count, heard, again = Inbox.count, Inbox.heard, []

        def count_all(self: Inbox, news: Told) -> None:
            if news["data"]["event"] in self.events:
                again.append({"event": news["data"]["event"], "type": news["type"]})
            count(self, news)

        Inbox.count = count_all
        Inbox.heard = lambda self: {**heard(self), "events": [*self.events.values(), *again]}
        return super().on_connect(**given)


class Disorderly(Integrator):
    """It takes what came last for what is."""

    def on_connect(self, **given: str) -> Told:
        count = Inbox.count

        def last_counts(self: Inbox, news: Told) -> None:
            new = news["data"]["event"] not in self.events
            count(self, news)
            if new and "status" in news["data"]:
                self.statuses[news["data"]["identifier"]] = news["data"]

        Inbox.count = last_counts
        return super().on_connect(**given)


class Hopeful(Integrator):
    """202 is good enough for it."""

    def _changed(self, answer: Any) -> Told:
        return {"status": answer.body.get("status", "suspended")}


class Quick(Integrator):
    """A request that is being served is as good as served."""

    def on_connect(self, **given: str) -> Told:
        api._passes = lambda error: error.status in (502, 503, 504)
        return super().on_connect(**given)

    def on_issue(self, request: Any) -> Told:
        try:
            return super().on_issue(request)
        except api.InProgressError:
            return {"identifier": None}


class Talkative(Integrator):
    """It writes its token into an address."""

    def on_who(self) -> Told:
        told = super().on_who()
        query = urllib.parse.urlencode({"access_token": self.client._token})
        with contextlib.suppress(api.NoAnswerError):
            self.client._once("GET", f"{self.client._origin}/api/v1/agencies/self?{query}", {}, None)
        return told


class Narrow(Integrator):
    """It takes offence at members that it does not know."""

    def on_read(self, identifier: str) -> Told:
        licence = self.client.read_licence(identifier).body
        if set(licence) - set(api.LicenceShown.__annotations__) - set(api.LicenceStatusShown.__annotations__):
            return {"outcome": "failed"}
        return {"status": licence["status"]}


class Follower(Integrator):
    """It goes wherever it is sent, and shows its token there."""

    def on_connect(self, **given: str) -> Told:
        def follow(self: Any, method: str, url: str, headers: Any, body: Any) -> Any:
            answer = once(self, method, url, headers, body)
            return once(self, method, answer[1]["location"], headers, body) if answer[0] == 307 else answer

        api.Client._once = follow
        return super().on_connect(**given)


class Contented(Integrator):
    """Half a document is a document."""

    def on_connect(self, **given: str) -> Told:
        def some(self: Any, method: str, url: str, headers: Any, body: Any) -> Any:
            if not url.endswith("/document"):
                return once(self, method, url, headers, body)
            with self._opener.open(urllib.request.Request(url, headers=headers), timeout=30) as response:
                return response.status, {}, response.read(api.MAX_ANSWER)

        api.Client._once = some
        return super().on_connect(**given)


class Impatient(Integrator):
    """It looks all the time."""

    def on_connect(self, **given: str) -> Told:
        integrator.POLL_SECONDS = 0
        return super().on_connect(**given)


class Wasteful(Integrator):
    """It asks for a token each time."""

    def on_connect(self, **given: str) -> Told:
        def fresh(self: Any) -> Any:
            self._until = 0.0
            return bearer(self)

        api.Client._bearer = fresh
        return super().on_connect(**given)


class Stubborn(Integrator):
    """It does not take no for an answer."""

    def on_connect(self, **given: str) -> Told:
        api._passes = lambda error: error.status in (409, 422, 502, 503, 504)
        return super().on_connect(**given)


class Keyless(Integrator):
    """It thinks that keys are for others."""

    def on_connect(self, **given: str) -> Told:
        def no_key(self: Any, method: str, url: str, headers: Any, body: Any) -> Any:
            if url.endswith("/inspection"):
                headers = {name: value for name, value in headers.items() if name != "Idempotency-Key"}
            return once(self, method, url, headers, body)

        api.Client._once = no_key
        return super().on_connect(**given)


BROKEN: dict[str, tuple[type[Integrator], str]] = {
    "new-key": (Careless, "client.retry"),
    "hasty": (Hasty, "client.retry-after"),
    "credulous": (Credulous, "client.hook-signature"),
    "forgetful": (Forgetful, "client.hook-once"),
    "disorderly": (Disorderly, "client.hook-order"),
    "hopeful": (Hopeful, "client.waits"),
    "quick": (Quick, "client.in-progress"),
    "talkative": (Talkative, "client.secret-place"),
    "narrow": (Narrow, "client.lenient"),
    "follower": (Follower, "client.redirect"),
    "contented": (Contented, "client.document"),
    "impatient": (Impatient, "client.poll"),
    "wasteful": (Wasteful, "client.token-kept"),
    "stubborn": (Stubborn, "client.refusal"),
    "keyless": (Keyless, "client.keys"),
}
"""Way -> the client, and the one check that it fails."""

if __name__ == "__main__":
    main(BROKEN[sys.argv[1]][0]())
