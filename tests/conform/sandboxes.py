"""Registries that the kit is let loose on: processes of their own, with the sample province, on either database."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from registry.client import call
from registry.conform.report import Report
from registry.conform.run import Wanted, conform
from tests.postgres import PostgresServer
from tests.services.places import READY, FirstStart
from tests.services.running import Place, command, copy_of, passable_folder, until

LOOPBACK = {"VERMILION_WEBHOOK_NETWORKS": "127.0.0.0/8"}


@dataclass(frozen=True)
class Sandbox:
    place: Place

    @property
    def credential(self) -> Path:
        return self.place.data / "credentials" / "agency-system.json"

    def wanted(self, **more: Any) -> Wanted:
        told: dict[str, Any] = {
            "base": self.place.api,
            "credential": self.credential,
            "audience": f"{self.place.api}/oauth2/token",
        }
        return Wanted(**told | more)

    def found(self, **more: Any) -> Report:
        return conform(self.wanted(**more))


@pytest.fixture(scope="session")
def sandbox(first_start: FirstStart) -> Iterator[Sandbox]:
    """The agency API of a registry on SQLite."""
    with passable_folder() as folder:
        place = Place(copy_of(first_start.place.data, folder))
        with command("serve-api", settings=place.settings | LOOPBACK | {"VERMILION_DEMO": "1"}):
            until(lambda: place.answers(place.api_port), "the API answers")
            yield Sandbox(place)


@contextlib.contextmanager
def on_postgresql(server: PostgresServer) -> Iterator[Sandbox]:
    with passable_folder() as folder:
        place = Place(folder / "var")
        settings = place.settings | LOOPBACK | {"VERMILION_DATABASE_URL": server.create()}
        with command("run", settings=settings) as run:
            run.said(READY)
            yield Sandbox(place)


Alter = Callable[[str, str, dict[str, Any]], None]
"""Of an answer: method, path, and `status`, `headers` (lower case), `body`, to be changed in place."""


@contextlib.contextmanager
def altered(sandbox: Sandbox, alter: Alter) -> Iterator[str]:
    """A registry that does otherwise: WSGI round ours, by its address."""

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        query = f"?{environ['QUERY_STRING']}" if environ["QUERY_STRING"] else ""
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").title(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") and name != "HTTP_HOST"
        }
        if environ.get("CONTENT_TYPE"):
            headers["Content-Type"] = environ["CONTENT_TYPE"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else None
        answer = call(method, sandbox.place.api + path + query, body=body, headers=headers)
        told: dict[str, Any] = {
            "status": answer.status, "headers": dict(answer.headers), "body": answer.body, "asked": headers,
        }  # fmt: skip
        alter(method, path + query, told)
        dropped = {"content-length", "connection", "transfer-encoding", "date", "server"}
        kept = [(name, value) for name, value in told["headers"].items() if name not in dropped]
        start_response(f"{told['status']} told", kept)
        return [told["body"]]

    server = make_server("127.0.0.1", 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
