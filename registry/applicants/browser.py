"""What every page for applicants uses: service guides, the form, the progress of a case.

They are served beside the pages for holders, under the same origin (`holder_origin`, `/holder/`), with their
headers and without a session or a cookie: an application is known by the link that opens it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

from flask import Blueprint, Response, current_app, redirect, request

from keys.errors import Kind, VermilionError
from registry import web
from registry.applicants.rendering import PAGES
from registry.buckets import Buckets, per_minute
from registry.holders.browser import dress, require_own_page, require_room, tell_failures
from registry.holders.browser import page as page_of
from registry.holders.rendering import HTML_LANG, language_of

Asked = TypeVar("Asked")

blueprint = Blueprint(web.APPLICANT, __name__, url_prefix="/holder")

EXTENSION = "vermilion-applicants"
GUIDES, APPLICATIONS = "/holder/services", "/holder/applications"
MAX_FORM_BYTES = 128 * 1024
MAX_PHOTO_FORM = 480 * 1024  # bytes; what is longer Werkzeug would put on a disk
OPEN_TO_ROBOTS = frozenset({f"{web.APPLICANT}.guides", f"{web.APPLICANT}.guide"})
MAX_DRAINED = 64 * 1024 * 1024
READ_PER_MINUTE = 300  # guides, by one network, to a process
REQUESTS_PER_MINUTE = 120  # as well, of the rest


@dataclass(frozen=True)
class Applicants:
    """What these pages carry beside the API's state."""

    guides: Buckets = field(
        default_factory=lambda: Buckets(per_minute(READ_PER_MINUTE), monotonic=time.monotonic)
    )
    networks: Buckets = field(
        default_factory=lambda: Buckets(per_minute(REQUESTS_PER_MINUTE), monotonic=time.monotonic)
    )


@blueprint.before_request
def _enter() -> None:
    applicants = cast(Applicants, current_app.extensions[EXTENSION])
    reads = request.method in {"GET", "HEAD"} and request.path.startswith(GUIDES)
    require_room(applicants.guides if reads else applicants.networks)
    require_own_page()


@blueprint.after_request
def _dress(response: Response) -> Response:
    dress(response)
    if request.endpoint in OPEN_TO_ROBOTS:
        del response.headers["X-Robots-Tag"]
    return response


tell_failures(blueprint, PAGES)


def page(template: str, status: int = 200, **context: Any) -> Response:
    return page_of(template, status, of=PAGES, **context)


def message(status: int, title: str, *texts: str) -> Response:
    """A page that says something and asks for nothing; all by the names of their words."""
    told = words()
    return page("message.html", status, title=told[title], texts=[told[text] for text in texts])


def words() -> dict[str, str]:
    """In the reader's language."""
    return PAGES.words[lang()]


def lang() -> str:
    return language_of(request)


def chinese() -> str | None:
    """The language of what agencies write, where the page is in another."""
    return None if lang() == "zh" else HTML_LANG["zh"]


def go(path: str) -> Response:
    """On to another page, in the language of this one."""
    response = cast(Response, redirect(f"{path}?lang={lang()}", 303))
    response.headers["Cache-Control"] = "no-store"
    return response


def form() -> dict[str, str]:
    """Raises VermilionError as `web.read_form`."""
    return web.read_form(max_bytes=MAX_FORM_BYTES)


def form_with_photos() -> tuple[dict[str, str], dict[str, bytes]]:
    """The fields, and the files that were chosen, of a form with photos; none of it touches a disk.

    Raises VermilionError(UNSUPPORTED_MEDIA, TOO_LARGE, MALFORMED, UNAVAILABLE).
    """
    if request.mimetype == web.FORM:
        return form(), {}
    if request.mimetype != "multipart/form-data":
        raise VermilionError(Kind.UNSUPPORTED_MEDIA, "send a form")
    if request.content_length is None or request.content_length > MAX_PHOTO_FORM:
        with web.state().public_uploads.one():
            drain()
        raise VermilionError(Kind.TOO_LARGE, "the form is too large", reason="photo_too_large")
    request.max_content_length = request.max_form_memory_size = MAX_PHOTO_FORM
    request.max_form_parts = 200
    with web.state().strangers.one():
        lists = list(request.form.lists())
        files = {name: one.read() for name, one in request.files.items()}
    if any(len(values) != 1 for _, values in lists):
        raise VermilionError(Kind.MALFORMED, "a field is repeated")
    return {name: values[0] for name, values in lists}, {name: data for name, data in files.items() if data}


def drain() -> None:
    """Read what is sent and not taken, if that is not far too much: who is still sending reads no answer. The
    caller has one of the slots for the public's uploads.
    """
    if (request.content_length or 0) > MAX_DRAINED:
        return
    request.max_content_length = MAX_DRAINED
    while request.stream.read(1 << 20):
        pass


def before_the_file(ask: Callable[[], Asked]) -> Asked:
    """What is asked before a file is read. Raises what `ask` raises, once what is sent was read anyhow; who
    has no application, or asks too often, is cut off.
    """
    try:
        return ask()
    except VermilionError as error:
        if error.kind not in {Kind.NOT_FOUND, Kind.TOO_MANY}:
            with web.state().public_uploads.one():
                drain()
        raise
