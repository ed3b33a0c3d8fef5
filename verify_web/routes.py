"""Pages for people, and the checks as JSON for programs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Request, Response, g, request
from pydantic_core import to_json
from werkzeug.datastructures import MIMEAccept
from werkzeug.http import parse_accept_header

from keys.errors import Kind, VermilionError
from signing.check import Outcome
from signing.page_data import page_json_parts
from signing.report import Report
from verify_web import checks
from verify_web.answers import answer, status_code, type_of
from verify_web.assets import WORDS
from verify_web.headers import of_header
from verify_web.intake import read_file, read_typed
from verify_web.language import HTML_LANG, LANGUAGES, chosen, negotiate
from verify_web.moulds import cast
from verify_web.page import filled, hollow, result_page
from verify_web.reference import new_reference, report_link
from verify_web.report import file_report, report_page
from verify_web.site import Site, site
from verify_web.templating import fill_in

pages = Blueprint("pages", __name__)
HTML, JSON = "text/html; charset=utf-8", "application/json"
VARY = "Accept, Accept-Language"
NOBODY_S = 22 * "A"
"""The id of a code of zeros, which nobody shows."""


def wants_json(asked: Request) -> bool:
    """By Accept (RFC 9110, 12.5.1); a page where both are as welcome or neither is."""
    return likes_json(asked.headers.get("Accept", ""))


@of_header
def likes_json(header: str) -> bool:
    welcome = parse_accept_header(header, MIMEAccept)
    return welcome.best_match(["text/html", JSON], default="text/html") == JSON


def render(template: str, lang: str, *, switch: str = "/", **context: Any) -> str:
    """`switch`: the path that shows the same thing in another language."""
    return page_text(site(), template, lang, asked=chosen(request), switch=switch, **context)


def page_text(here: Site, template: str, lang: str, *, asked: str | None, switch: str, **context: Any) -> str:
    """`asked`: the language that the address asks for, and the page's own links with it."""
    told = _every_page(here.settings.public_origin, here.trust.root_sha256(), asked)
    return fill_in(template, lang, switch=switch, **told, **context)


def _every_page(origin: str, trust_root: str, asked: str | None) -> dict[str, Any]:
    return {
        "languages": [(code, (name, HTML_LANG[code])) for code, name in LANGUAGES.items()],
        "query": f"?lang={asked}" if asked else "",
        "host": origin.partition("://")[2],
        "trust_root": trust_root,
    }


def _vary(response: Response) -> Response:
    response.headers["Vary"] = VARY
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
    reference = ""
    if outcome.licence is not None:  # else two answers that must not be told apart would differ
        reference = g.reference = new_reference()
    body = outcome_body(
        here,
        outcome,
        lang,
        asked=chosen(request),
        link_path=None if link_id is None else request.path,
        reference=reference,
        report=report,
    )
    response = Response(body, status=status, content_type=HTML)
    response.headers["Content-Language"] = HTML_LANG[lang]
    return _vary(response)


def outcome_body(
    here: Site,
    outcome: Outcome,
    lang: str,
    *,
    asked: str | None = None,
    link_path: str | None,
    reference: str,
    report: Report | None = None,
) -> bytes:
    """The page. `link_path`: the path of the licence's link, where that was opened: the page's own, so that
    no visitor's text is ever put back into an address.
    """
    known = link_path is not None and outcome.licence is not None
    address = f"{here.settings.public_origin}{link_path}" if known else ""  # for the printed page
    problem = report_link(here.settings.problem_address, reference)
    page = result_page(outcome, type_of(here, outcome), here.settings.tz, here.clock(), lang)
    own, words = ("", "") if link_path is None else page_json_parts(outcome, here.trust.current(), lang)
    about = None if report is None else report_page(report, outcome, here.settings.tz, lang)
    hollowed, texts = hollow(page)
    host, root = here.settings.public_origin, here.trust.root_sha256()
    there = bool(own), bool(address), bool(reference), bool(problem)

    def context(told: Iterator[str], markup: Iterator[str]) -> dict[str, Any]:
        return _every_page(host, root, asked) | {
            "r": filled(hollowed, told),
            "switch": next(told),
            "address": next(told) if there[1] else "",
            "reference": next(told) if there[2] else "",
            "problem": next(told) if there[3] else "",
            "live": next(markup) + words if there[0] else "",
            "words": None,
            "report": about,
        }

    texts += [link_path or "/", *filter(None, (address, reference, problem))]
    markup = [own] if own else []
    if about is not None:  # no two are alike
        return fill_in("result.html", lang, **context(iter(texts), iter(markup))).encode()
    return cast("result.html", lang, (hollowed, host, root, asked, there), texts, markup, context)


def outcome_json(here: Site, outcome: Outcome, *, status: int) -> Response:
    return _vary(Response(outcome_text(here, outcome), status=status, content_type=JSON))


def outcome_text(here: Site, outcome: Outcome) -> bytes:
    """As JSON, made in a third of the time that the framework's way takes."""
    return to_json(answer(here, outcome)) + b"\n"


@pages.get("/")
def start() -> Response:
    return start_page({})


def start_page(faults: dict[str, str], *, status: int = 200, typed: str = "") -> Response:
    lang, holders = negotiate(request), site().settings.holder_origin
    response = Response(
        render("start.html", lang, faults=faults, typed=typed, holders=holders),
        status=status,
        content_type=HTML,
    )
    response.headers["Content-Language"] = HTML_LANG[lang]
    return _vary(response)


@pages.get("/c/<link_id>")
def link(link_id: str) -> Response:
    """What a phone's camera opens. The fragment never comes here."""
    here = site()
    outcome, _key = checks.scanned_link(here, link_id)
    g.verdict = outcome.verification.verdict.value
    status = status_code(outcome.verification, look_up=True)
    if wants_json(request):
        return outcome_json(here, outcome, status=status)
    return outcome_page(here, outcome, status=status, link_id=link_id)


@pages.get("/p/<code>")
def presentation(code: str) -> Response:
    """A presentation code, as a phone's camera opens it from its holder's screen."""
    here = site()
    prefix = f"{here.settings.public_origin}/p/"
    # A text that cannot be an id takes the path of one that nobody shows.
    known = checks.is_showing(prefix + code)
    outcome = checks.showing(here, prefix + (code if known else NOBODY_S))
    status = status_code(outcome.verification, look_up=True)
    response = (
        outcome_json(here, outcome, status=status)
        if wants_json(request)
        else outcome_page(here, outcome, status=status)
    )
    response.headers["Cache-Control"] = "no-store"
    return response


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
