"""Pages for people, and the checks as JSON for programs."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Request, Response, g, request
from pydantic_core import to_json
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from keys.errors import Kind, VermilionError
from signing.check import Outcome
from signing.page_data import page_json
from signing.report import Report
from verify_web import checks
from verify_web.answers import answer, status_code, type_of
from verify_web.assets import WORDS
from verify_web.headers import of_header
from verify_web.intake import read_file, read_typed
from verify_web.language import HTML_LANG, LANGUAGES, chosen, negotiate
from verify_web.page import result_page
from verify_web.reference import new_reference, report_link
from verify_web.report import file_report, report_page
from verify_web.site import Site, site
from verify_web.templating import fill_in

pages = Blueprint("pages", __name__)
_JSON = "application/json"


def wants_json(asked: Request) -> bool:
    """By Accept (RFC 9110, 12.5.1); a page where both are as welcome or neither is."""
    return _likes_json(asked.headers.get("Accept", ""))


@of_header
def _likes_json(header: str) -> bool:
    welcome = parse_accept_header(header, MIMEAccept)
    return welcome.best_match(["text/html", _JSON], default="text/html") == _JSON


def render(template: str, lang: str, *, switch: str = "/", **context: Any) -> str:
    """`switch`: the path that shows the same thing in another language."""
    asked = chosen(request)
    return fill_in(
        template,
        lang,
        languages=[(code, (name, HTML_LANG[code])) for code, name in LANGUAGES.items()],
        switch=switch,
        query=f"?lang={asked}" if asked else "",
        host=site().settings.public_origin.partition("://")[2],
        trust_root=site().trust.root_sha256(),
        **context,
    )


def _vary(response: Response) -> Response:
    response.headers["Vary"] = "Accept, Accept-Language"
    return response


def outcome_page(
    here: Site,
    outcome: Outcome,
    *,
    status: int,
    link_id: str | None = None,
    report: Report | None = None,
) -> Response:
    lang = negotiate(request)
    found = result_page(outcome, type_of(here, outcome), here.settings.tz, here.clock(), lang)
    # The path of the page itself, so that no visitor's text is ever put back into an address.
    switch = "/" if link_id is None else request.path
    live = "" if link_id is None else page_json(outcome, here.trust.current(), lang)
    known = link_id is not None and outcome.licence is not None
    address = f"{here.settings.public_origin}{request.path}" if known else ""  # for the printed page
    reference = ""
    if outcome.licence is not None:  # else two answers that must not be told apart would differ
        reference = g.reference = new_reference()
    told = None if report is None else report_page(report, outcome, here.settings.tz, lang)
    body = render(
        "result.html",
        lang,
        switch=switch,
        r=found,
        live=live,
        address=address,
        words=None,
        reference=reference,
        problem=report_link(here.settings.problem_address, reference),
        report=told,
    )
    response = Response(body, status=status, content_type="text/html; charset=utf-8")
    response.headers["Content-Language"] = HTML_LANG[lang]
    return _vary(response)


def outcome_json(here: Site, outcome: Outcome, *, status: int) -> Response:
    body = to_json(answer(here, outcome)) + b"\n"  # in a third of the time that the framework takes
    return _vary(Response(body, status=status, content_type=_JSON))


@pages.get("/")
def start() -> Response:
    return start_page({})


def start_page(faults: dict[str, str], *, status: int = 200, typed: str = "") -> Response:
    lang = negotiate(request)
    response = Response(
        render("start.html", lang, faults=faults, typed=typed),
        status=status,
        content_type="text/html; charset=utf-8",
    )
    response.headers["Content-Language"] = HTML_LANG[lang]
    return _vary(response)


@pages.get("/c/<link_id>")
def link(link_id: str) -> Response:
    """What a phone's camera opens. The fragment never comes here."""
    here = site()
    outcome = checks.link(here, link_id)
    if outcome.licence is not None:
        here.scans.count(here.store.keyed_hash("link", link_id), outcome.licence)
    status = status_code(outcome.verification, look_up=True)
    if wants_json(request):
        return outcome_json(here, outcome, status=status)
    return outcome_page(here, outcome, status=status, link_id=link_id)


@pages.post("/check")
def check() -> Response:
    here, words = site(), WORDS[negotiate(request)]
    with here.bodies.one():
        form = request.form
    identifier = form.get("identifier", "")
    try:
        typed = read_typed(identifier, form.get("lookup_code", ""))
    except VermilionError as error:
        wrong = {fault.field for fault in error.faults}
        faults = {}
        if "/identifier" in wrong:
            faults["identifier"] = words["fault_identifier"]
        if "/lookup_code" in wrong:
            faults["lookup_code"] = words["fault_code"]
        return start_page(faults, status=422, typed=identifier[:120])
    outcome = checks.typed(here, typed.identifier, typed.lookup_code, request.remote_addr)
    return outcome_page(here, outcome, status=status_code(outcome.verification))


@pages.post("/upload")
def upload() -> Response:
    here, words = site(), WORDS[negotiate(request)]
    try:
        with here.bodies.one():
            data = read_file(request)
    except VermilionError as error:
        if error.kind is Kind.TOO_LARGE:
            return start_page({"file": words["fault_large"]}, status=413)
        raise
    if not data:
        return start_page({"file": words["fault_file"]}, status=422)
    outcome = checks.file(here, data)
    report = file_report(here, data, outcome)
    return outcome_page(here, outcome, status=status_code(outcome.verification), report=report)
