"""Verifiers planted to see whether the story notices: one always says `valid`, one never does."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any

import verify_web.wsgi
from verify_web.wsgi import preload

__all__ = ["always_valid", "other_words", "preload"]

HEADING = "Words that no program of ours holds"

CHECKS = {name: {"result": "passed", "reason": "planted"} for name in ("content", "issuer", "status")}


def _answer(verdict: str) -> dict[str, Any]:
    return {"verdict": verdict, "how": None, "checks": CHECKS, "as_of": "", "identifier": None}


NEVER = _answer("cannot_check")


def _planted(verdict: str) -> Callable[[dict[str, Any], Any], Iterable[bytes]]:
    """The real site, but for what it says of licences."""
    site: Any = verify_web.wsgi.application()
    answer = _answer(verdict)

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.startswith("/c/") and "html" in environ.get("HTTP_ACCEPT", ""):
            body = f'<p data-verdict="{verdict}"><h1 id="heading">x</h1>'.encode()
            kind = "text/html"
        elif path.startswith(("/c/", "/api/")):
            body, kind = json.dumps(answer).encode(), "application/json"
        else:
            result: Iterable[bytes] = site(environ, start_response)
            return result
        start_response("200 OK", [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    return application


def always_valid() -> object:
    return _planted("valid")


def other_words() -> object:
    """The real site under other headings: what is printed of a page must have come from it."""
    site: Any = verify_web.wsgi.application()

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        said: dict[str, Any] = {}
        body = b"".join(
            site(environ, lambda status, headers, *_: said.update(status=status, headers=headers))
        )
        body = re.sub(rb'(<h1 id="heading">)[^<]*', rb"\1" + HEADING.encode(), body)
        headers = [(n, v) for n, v in said["headers"] if n.lower() != "content-length"]
        start_response(said["status"], [*headers, ("Content-Length", str(len(body)))])
        return [body]

    return application


def main(verdict: str, status: int) -> None:
    print(json.dumps(_answer(verdict)))
    sys.exit(status)
