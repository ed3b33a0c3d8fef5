"""An agency's system in small, on the generated client: it does what `vermilion conform` tells it to do.

A step is a line of JSON on standard input, what came of it one on standard output (docs/conformance.md).
Whoever lets a system of their own be judged writes the same few lines round it; the duties below show what a
system has to do in each.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from vermilion_agency_client import (
    ApiError,
    Client,
    Credential,
    NoAnswerError,
    NotModified,
    WebhookRefusedError,
    read_webhook,
)

POLL_SECONDS = 0.5
MAX_HOOK = 256 * 1024
Told = dict[str, Any]


class Inbox:
    """A receiver of webhooks: each event counts once, the newer of two says what a licence's status is."""

    def __init__(self) -> None:
        self.secrets: list[str] = []
        self.events: dict[str, Told] = {}
        self.statuses: dict[str, Told] = {}
        self._lock = threading.Lock()

    def take(self, headers: Mapping[str, str], body: bytes) -> int:
        """The status to answer with."""
        try:
            news: Any = read_webhook(headers, body, self.secrets)
        except WebhookRefusedError:
            return 401
        with self._lock:
            self.count(news)
        return 204

    def count(self, news: Told) -> None:
        data = news["data"]
        if data["event"] in self.events:
            return
        self.events[data["event"]] = {"event": data["event"], "type": news["type"]}
        known = self.statuses.get(data.get("identifier"))
        version = data.get("status_version")
        if version is not None and (known is None or known["status_version"] < version):
            self.statuses[data["identifier"]] = {"status": data["status"], "status_version": version}

    def heard(self) -> Told:
        with self._lock:
            return {"events": list(self.events.values()), "statuses": dict(self.statuses)}

    def listen(self) -> str:
        """Its address, on this machine."""
        inbox = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(min(length, MAX_HOOK))
                self.send_response(inbox.take(dict(self.headers.items()), body))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_arguments: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{server.server_address[1]}/hooks"


class Integrator:
    """Each duty is a method; it answers what it is asked to tell."""

    def __init__(self) -> None:
        self.inbox = Inbox()
        self.client = Client("http://localhost")

    def do(self, step: Told) -> Told:
        """What came of a step: the outcome and what is told."""
        duty: Callable[..., Told] | None = getattr(self, f"on_{step['do']}", None)
        if duty is None:
            return {"outcome": "not_supported"}
        try:
            return {"outcome": "done", **duty(**step["with"])}
        except ApiError as error:
            return {"outcome": "refused", "status": error.status, "reason": error.reason}
        except NoAnswerError:
            return {"outcome": "failed"}
        except NotModified:
            return {"outcome": "done", "unchanged": True}

    def on_connect(self, api: str, audience: str, credential: str) -> Told:
        self.client = Client(api, Credential.load(credential), audience=audience)
        return {}

    def on_who(self) -> Told:
        return {"agency": self.client.who_am_i().body["agency"]}

    def on_preview(self, request: Any) -> Told:
        return {"number": self.client.issue_licence(request, dry_run=True).body["number"]}

    def on_issue(self, request: Any) -> Told:
        licence: Any = self.client.issue_licence(request).body
        return {"identifier": licence["identifier"], "sha256": licence["document"]["sha256"]}

    def on_read(self, identifier: str) -> Told:
        licence = self.client.read_licence(identifier).body
        return {"status": licence["status"], "status_version": licence["status_version"]}

    def on_search(self, **wanted: Any) -> Told:
        return {"identifiers": [one["identifier"] for one in self.client.find_licences_all(**wanted)]}

    def on_amend(self, identifier: str, request: Any) -> Told:
        return self._next(self.client.amend_licence(identifier, request).body)

    def on_correct(self, identifier: str, request: Any) -> Told:
        return self._next(self.client.correct_licence(identifier, request).body)

    def on_replace(self, identifier: str, request: Any) -> Told:
        return self._next(self.client.replace_licence(identifier, request).body)

    def on_renew(self, identifier: str, request: Any) -> Told:
        return self._next(self.client.renew_licence(identifier, request).body)

    def _next(self, licence: Any) -> Told:
        return {"identifier": licence["identifier"], "edition": licence["edition"]}

    def on_inspect(self, identifier: str, request: Any) -> Told:
        return {"status": self.client.inspect_licence(identifier, request).body["status"]}

    def on_suspend(self, identifier: str, request: Any) -> Told:
        return self._changed(self.client.suspend_licence(identifier, request))

    def on_resume(self, identifier: str, request: Any) -> Told:
        return self._changed(self.client.resume_licence(identifier, request))

    def on_end(self, identifier: str, request: Any) -> Told:
        return self._changed(self.client.end_licence(identifier, request))

    def _changed(self, answer: Any) -> Told:
        """200: it is done; 202: it waits for its day."""
        if answer.status == 202:
            return {"outcome": "waits", "scheduled": answer.body["scheduled"]["id"]}
        return {"status": answer.body["status"]}

    def on_withdraw(self, identifier: str, scheduled: str, request: Any) -> Told:
        self.client.withdraw_scheduled(identifier, scheduled, request)
        return {}

    def on_history(self, identifier: str) -> Told:
        return {"kinds": [one["kind"] for one in self.client.read_history(identifier).body["events"]]}

    def on_past(self, identifier: str, at: str, clock: Any) -> Told:
        return {"status": self.client.read_past_status(identifier, at=at, clock=clock).body["status"]}

    def on_document(self, identifier: str) -> Told:
        document = self.client.read_document(identifier).body
        return {"sha256": hashlib.sha256(document).hexdigest()}

    def on_batch(self, requests: list[Any]) -> Told:
        """Accepted (202) is not issued: it is asked until it has ended, and then what became of each line."""
        batch = self.client.send_batch(requests).body
        while batch["ended_at"] is None:
            time.sleep(POLL_SECONDS)
            batch = self.client.read_batch(batch["id"]).body
        items = [
            {"line": one["line"], "state": one["state"], "identifier": one.get("identifier")}
            for one in self.client.read_batch_items_all(batch["id"])
        ]
        return {"batch": batch["id"], "state": batch["state"], "items": items}

    def on_documents(self, batch: str) -> Told:
        return {"size": len(self.client.read_batch_documents(batch).body)}

    def on_listen(self) -> Told:
        return {"url": self.inbox.listen()}

    def on_webhook(self, request: Any) -> Told:
        endpoint = self.client.create_webhook(request).body
        self.inbox.secrets.append(str(endpoint["secret"]))
        return {"id": endpoint["id"]}

    def on_rotate(self, id: str, request: Any) -> Told:
        """The old secret is kept: it goes on signing for a while."""
        self.inbox.secrets.append(str(self.client.rotate_webhook_secret(id, request).body["secret"]))
        return {}

    def on_heard(self) -> Told:
        return self.inbox.heard()

    def on_webhook_off(self, id: str, request: Any) -> Told:
        return {"state": self.client.deactivate_webhook(id, request).body["state"]}


def main(integrator: Integrator) -> None:
    for line in sys.stdin:
        step = json.loads(line)
        answer = {"step": step["step"], **integrator.do(step)}
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Integrator())
