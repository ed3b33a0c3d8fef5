"""Taking a document by a link. Opening the link shows a page with a button and changes nothing: scanners of
mail and previews of messages open links as well. The button uses it up.
"""

from __future__ import annotations

from flask import Response, request
from sqlalchemy.orm import Session

from keys.errors import VermilionError
from registry import web
from registry.delivery import rules
from registry.delivery.rules import FETCH_AGAIN, Offered
from registry.holders.browser import blueprint, browser, know_browser, page, words
from registry.holders.rendering import HTML_LANG, language_of, minute
from registry.licences.outage import database_errors


@blueprint.get("/pick-up/<token>", endpoint="pick_up")
def pick_up(token: str) -> Response:
    """The page of a link that gives something; of all others one page."""
    ports = web.ports()
    with database_errors(), Session(ports.database.read) as session:
        offer = rules.offered(session, ports, token, browser())
    return know_browser(_nothing() if offer is None else _offer(offer))


@blueprint.post("/pick-up/<token>", endpoint="take")
def take(token: str) -> Response:
    try:
        taken = rules.take(web.ports(), token, browser())
    except VermilionError as error:
        if error.reason != "no_pick_up":
            raise
        return know_browser(_nothing())
    headers = {
        "Content-Disposition": f'attachment; filename="{taken.identifier}.pdf"',
        "Cache-Control": "no-store",
    }
    return Response(taken.pdf, 200, headers, mimetype="application/pdf")


def _offer(offer: Offered) -> Response:
    lang = language_of(request, offer.language)
    name_zh, name_en = offer.agency
    type_name, type_tag = _in(lang, offer.type_name)
    return page(
        "pick_up.html",
        own=offer.language,
        again=offer.again,
        type_name=type_name,
        type_lang=type_tag,
        agency=name_zh if lang == "zh" else name_en,
        agency_lang="en" if lang == "es" else None,
        until=minute(offer.until, web.ports().settings.tz, lang),
        minutes=FETCH_AGAIN.seconds // 60,
    )


def _in(lang: str, names: dict[str, str]) -> tuple[str, str | None]:
    """A name in the reader's language; or in English, and that it is."""
    if lang in names:
        return names[lang], None
    return names.get("en", ""), HTML_LANG["en"]


def _nothing() -> Response:
    told = words()
    return page(
        "message.html", 404, title=told["nothing_title"], texts=[told["nothing_text"], told["nothing_next"]]
    )
