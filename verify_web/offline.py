"""What a device keeps to check codes without a network: the service worker and its pages, and the manifest by
which the site is installed.
"""

from __future__ import annotations

import json

from flask import Blueprint, Response, request

from signing.check import Outcome
from signing.credential import normal_origin
from signing.page_data import page_json, trusted_origins
from signing.verdict import Facts, decide
from verify_web import assets
from verify_web.files import tagged
from verify_web.language import HTML_LANG, negotiate
from verify_web.page import result_page
from verify_web.routes import render
from verify_web.site import site

offline = Blueprint("offline", __name__)
SET_HEADER = "Vermilion-Set"
REVALIDATED = "no-cache"


@offline.get("/sw.js")
def worker() -> Response:
    """The service worker: at the root, so that its scope is the site (W3C Service Workers, 7)."""
    return tagged(assets.WORKER, "text/javascript; charset=utf-8", REVALIDATED)


@offline.get("/manifest.webmanifest")
def manifest() -> Response:
    """The web app manifest in the reader's language."""
    lang = negotiate(request)
    words, static = assets.WORDS[lang], f"/static/{assets.VERSION}"
    icons = [
        {
            "src": f"{static}/icon-{size}.png",
            "sizes": f"{size}x{size}",
            "type": "image/png",
            "purpose": purpose,
        }
        for size in (192, 512)
        for purpose in ("any", "maskable")
    ]
    value = {
        "id": "/",
        "name": f"{words['service']} – {words['province']}",
        "short_name": words["service"],
        "lang": HTML_LANG[lang],
        "start_url": "/scan",
        "scope": "/",
        "display": "standalone",
        "background_color": "#fbf9f6",
        "theme_color": "#bf2f1b",
        "icons": icons,
    }
    return tagged(json.dumps(value, ensure_ascii=False).encode(), "application/manifest+json", REVALIDATED)


def kept_page(body: str, lang: str) -> Response:
    """A page that devices keep: named by the set it belongs to, so that no mixture is kept."""
    response = Response(body, content_type="text/html; charset=utf-8")
    response.headers["Content-Language"] = HTML_LANG[lang]
    response.headers[SET_HEADER] = assets.SET_VERSION
    response.vary.add("Accept-Language")
    return response


@offline.get("/offline")
def shell() -> Response:
    """The result page with nothing in it: the service worker gives it for /c/<id> without a network, and its
    script makes the check. What stands there before is that nothing was checked.
    """
    here, lang = site(), negotiate(request)
    now = here.clock()
    facts = Facts()
    outcome = Outcome(decide(facts, as_of=now), facts=facts)
    body = render(
        "result.html",
        lang,
        switch="/offline",
        r=result_page(outcome, None, here.settings.tz, now, lang),
        live=page_json(outcome, None, lang),
        address="",
        words=assets.SCRIPT_WORDS["offline"][lang],
        reference="",  # the check is made on the device: no log has it
        problem=here.settings.problem_address,
        report=None,
    )
    return kept_page(body, lang)


@offline.get("/scan")
def scan() -> Response:
    """The page that reads codes by camera or from a photo, on the reader's own device."""
    here, lang = site(), negotiate(request)
    trust = here.trust.current()
    said: dict[str, object] = dict(assets.SCRIPT_WORDS["scan"][lang])
    said["origins"] = sorted(
        {normal_origin(here.settings.public_origin), *(trusted_origins(trust) if trust else ())}
    )
    body = render("scan.html", lang, switch="/scan", words=assets.SCRIPT_WORDS["scan_page"][lang], said=said)
    return kept_page(body, lang)
