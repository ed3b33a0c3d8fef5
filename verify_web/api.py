"""The API for programs (`/api/v1/openapi.json`): single checks for anybody, the rest for relying parties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, g, jsonify, request
from pydantic_core import to_json

from keys.errors import Fault, Kind, VermilionError
from keys.signed_answer import MAX_BYTES, MAX_REQUEST_REFERENCE, MEDIA_TYPE
from registry.agencies.parties import Party
from registry.described import BINARY, EVERYBODY, IF_NONE_MATCH, Access, Answer, Parameter, described, told
from registry.problems import problem
from signing import answer_page
from signing.check import Outcome, check_presented
from signing.live import Past
from signing.report_words import report_json
from signing.signed_answer import (
    Presented,
    SignedAnswer,
    presented_of,
    read_signed_answer,
    to_be_signed,
    wanted,
)
from signing.signed_answer import (
    told as receipt_told,
)
from verify_web import checks, forms, relying, results
from verify_web.answers import answer as answer_of
from verify_web.answers import status_code
from verify_web.asked import (
    Details,
    Digest,
    Item,
    Named,
    Options,
    Scanned,
    Uploaded,
    Wrong,
    read_many,
    read_one,
)
from verify_web.files import published
from verify_web.intake import read_body
from verify_web.language import negotiate
from verify_web.report import file_report
from verify_web.site import Site, site
from verify_web.source import Relying

api = Blueprint("api", __name__)
_JSON = "application/json"
_PDF = answer_page.MEDIA_TYPE
KEY = "key"
EITHER_WAY = Access(({}, {KEY: ()}))
WITH_KEY = Access(({KEY: ()},))
TOKEN: Mapping[str, Any] = {"type": "string", "description": "A compact JWS (RFC 7515)."}
FILE_REFERENCE: Mapping[str, Any] = {
    "type": "string",
    "maxLength": MAX_REQUEST_REFERENCE,
    "description": "What the request is called in a signed answer or its page.",
}
SENT_FILE: Mapping[str, Any] = {
    "type": "object",
    "properties": {"file": BINARY, "reference": FILE_REFERENCE},
    "required": ["file"],
    "additionalProperties": False,
}
_REFUSED = (
    Kind.UNAUTHENTICATED, Kind.TOO_LARGE, Kind.UNSUPPORTED_MEDIA, Kind.INVALID, Kind.TOO_MANY,
)  # fmt: skip
_JOSE = ("application/jwt", "application/jose")
_SIGNED = (*_JOSE, answer_page.MEDIA_TYPE)
MAX_RECEIPT = 64 * 1024
"""Of a signed answer that a stranger has checked: one answer."""
PAGE_CHECKS = 10
"""What a page counts for in a quota: drawing one takes as long as so many checks."""


@api.post("/api/v1/verifications")
@described(
    "verify", "One check",
    access=EITHER_WAY,
    description=(
        "A link, the text of a scanned code, an id, typed details, a file or its SHA-256. Anybody "
        "may ask, and reads JSON. Relying parties that are on record send their key and may ask for "
        "a past moment (`as_of` with its `clock`) and, by `Accept: application/jwt`, for a signed "
        "answer; by `Accept: application/pdf` for its page, to be filed: a signed PDF in the language "
        "of `Accept-Language`, with the signed answer attached, that counts as ten checks.\n\n"
        "An unknown identifier, a wrong look-up code and too many attempts get one answer, "
        "`cannot_check`."
    ),
    sends={_JSON: forms.SINGLE, _PDF: BINARY, "multipart/form-data": SENT_FILE},
    answers={
        200: Answer("The answer.", {_JSON: forms.Answer, MEDIA_TYPE: TOKEN, _PDF: BINARY}),
        503: told("The check cannot be made now, which says nothing about the licence.", forms.Answer),
    },
    refuses=(*_REFUSED, Kind.MALFORMED, Kind.UNAVAILABLE),
)  # fmt: skip
def verifications() -> Response:
    """One check. A signed answer for `Accept: application/jwt`, and as a page for `application/pdf`."""
    here = site()
    party = relying.party_of(here, request)
    with here.bodies.one():
        asked, options = read_one(request, here.settings.tz, here.clock())
    form = _wanted_form(_SIGNED)
    signed = form in _SIGNED
    if signed and isinstance(asked, Scanned) and checks.is_showing(asked.text):
        fault = Fault("/link", "not_accepted", "what a presentation code shows is soon over, and not signed")
        raise VermilionError(Kind.INVALID, fault.detail, reason=fault.reason, faults=(fault,))
    if signed or options.past is not None or options.reference is not None:
        relying.required(party)
    if party is not None:
        relying.charge(here.store, party, PAGE_CHECKS if form == answer_page.MEDIA_TYPE else 1)
    answer, last = None, False
    while answer is None:
        outcome = _one(here, asked, options.past, party)
        status = status_code(outcome.verification)
        if not signed or status != 200:
            return _vary(_json(_explained(here, asked, outcome, options.past), status))
        page = form == answer_page.MEDIA_TYPE
        answer = _signed(here, relying.required(party), [(asked, outcome)], options, last=last, page=page)
        last = True
    return answer


@api.post("/api/v1/verifications/bulk")
@described(
    "verifyMany", "Up to a thousand checks",
    access=WITH_KEY,
    description=(
        "Answered in order, all as of one moment. An item that cannot be checked as it stands has "
        "its faults in place of an answer; a signed answer is refused whole then. Each item counts "
        "as one check of the quota, and the limits on typed details are each licence's own."
    ),
    sends=forms.BulkRequest,
    answers={200: Answer("The answer.", {_JSON: forms.BulkAnswer, MEDIA_TYPE: TOKEN})},
    refuses=(*_REFUSED, Kind.MALFORMED, Kind.UNAVAILABLE),
)  # fmt: skip
def bulk() -> Response:
    """Up to a thousand checks, answered in order."""
    here = site()
    party = relying.required(relying.party_of(here, request))
    with here.bodies.one():
        items, options = read_many(request, here.settings.tz, here.clock())
    right: list[Item] = [item for item in items if not isinstance(item, tuple)]
    wrong = [fault for item in items if isinstance(item, tuple) for fault in item]
    signed = _wanted_form(_JOSE) in _JOSE
    if signed and wrong:
        raise VermilionError(
            Kind.INVALID, "what is signed is answered whole: put these right", faults=tuple(wrong[:20])
        )
    relying.charge(here.store, party, max(1, len(right)))
    known = _known(here)
    for last in (False, True):
        outcomes = _many(here, known, right, options.past, party)
        if not signed:
            break
        answer = _signed(here, party, list(zip(right, outcomes, strict=True)), options, last=last)
        if answer is not None:
            return answer
    found = iter(outcomes)
    answers = [
        _fault_json(item) if isinstance(item, tuple) else answer_of(here, next(found), options.past)
        for item in items
    ]
    return _vary(_json({"answers": answers}, 200))


@api.post("/api/v1/receipts/verify")
@described(
    "verifyReceipt", "A signed answer taken back",
    access=EITHER_WAY,
    description=(
        "A token or its page. Whether this site gave it, when, by which key, and what the registry says "
        "to the same now. Answers to many checks are taken back from relying parties alone, and count as "
        "so many checks."
    ),
    sends={MEDIA_TYPE: TOKEN, _PDF: BINARY},
    answers={200: told("The answer.", forms.ReceiptAnswer)},
    refuses=(*_REFUSED, Kind.MALFORMED, Kind.UNAVAILABLE),
)  # fmt: skip
def receipts() -> Response:
    """A signed answer taken back: who gave it when, and what the registry says to the same now."""
    here = site()
    party = relying.party_of(here, request)
    if request.mimetype not in _SIGNED:
        raise VermilionError(
            Kind.UNSUPPORTED_MEDIA, f"send {MEDIA_TYPE}, or its page as {answer_page.MEDIA_TYPE}"
        )
    is_page = request.mimetype == answer_page.MEDIA_TYPE
    most = MAX_RECEIPT if party is None else MAX_BYTES
    with here.bodies.one():
        data = read_body(request, answer_page.MAX_BYTES if is_page else most)
    trust = here.trust.current()
    if trust is None:
        raise VermilionError(
            Kind.UNAVAILABLE, "there is no trust list to check it by", reason="trust_list_missing"
        )
    now = here.clock()
    try:
        read = answer_page.read_page if is_page else read_signed_answer
        found = read(data, trust=trust, at=now)
    except VermilionError as error:
        return _json({"genuine": False, "reason": error.reason}, 200)
    if len(found.content.answers) > 1:
        relying.required(party)
    if party is not None:
        relying.charge(here.store, party, len(found.content.answers))
    return _json(_taken_back(here, found, now), 200)


AFTER = Parameter("after", "What the page before ended with.")


@api.get("/api/v1/results")
@described(
    "listResultMatters", "Matters whose results are published",
    access=EVERYBODY,
    parameters=(AFTER, IF_NONE_MATCH),
    answers={200: told("A page.", forms.ResultMatters)},
    refuses=(Kind.INVALID, Kind.UNAVAILABLE),
)  # fmt: skip
def result_matters() -> Response:
    """Those of which cases were decided, by their codes, in pages of 100; with the law and the number of what
    is not published.
    """
    return _listed(results.matters_json(results.after(request), "/api/v1/results"))


@api.get("/api/v1/results/<matter_code>")
@described(
    "listResults", "Results of a matter's cases",
    access=EVERYBODY,
    parameters=(AFTER, IF_NONE_MATCH),
    answers={200: told("A page.", forms.MatterResults)},
    refuses=(Kind.INVALID, Kind.NOT_FOUND, Kind.UNAVAILABLE),
)  # fmt: skip
def matter_results(matter_code: str) -> Response:
    """What was decided, and how the licence that was issued stands now. It is no check: a licence is checked
    by its code.
    """
    return _listed(results.results_json(matter_code, results.after(request), "/api/v1/results"))


def _listed(body: dict[str, Any]) -> Response:
    return published(to_json(body) + b"\n", _JSON, results.MAX_AGE)


def _taken_back(here: Site, found: SignedAnswer, now: datetime) -> dict[str, Any]:
    content = found.content
    presented = [presented_of(answer) for answer in content.answers]
    live = _known(here).many.gather(wanted(presented))
    zone = here.settings.zone
    today = [check_presented(one, zone, live, now) for one in presented]
    answers = [
        {"said": dict(said), "now": answer_of(here, outcome)}
        for said, outcome in zip(content.answers, today, strict=True)
    ]
    return receipt_told(found) | {"answers": answers}


def _one(here: Site, asked: Item | Uploaded, past: Past | None, party: Party | None) -> Outcome:
    """Without a key, and for files, as everybody's check; by a relying party, as one of many."""
    if isinstance(asked, Uploaded):
        return checks.file(here, asked.data)
    if party is not None and (past is not None or isinstance(asked, Details)):
        (outcome,) = _many(here, _known(here), [asked], past, party)
        g.verdict = outcome.verification.verdict.value
        return outcome
    if isinstance(asked, Scanned):
        return checks.scan(here, asked.text)
    if isinstance(asked, Named):
        return checks.link(here, asked.link_id)
    if isinstance(asked, Digest):
        return checks.digest(here, asked.sha256)
    return checks.typed(here, asked.typed.identifier, asked.typed.lookup_code, request.remote_addr)


def _many(
    here: Site, known: Relying, items: Sequence[Item], past: Past | None, party: Party
) -> list[Outcome]:
    """By a few statements however many they are. Typed details are limited for each licence as ever, and what
    is one too many is not asked for.
    """
    typed = [item for item in items if isinstance(item, Details)]
    entered = here.limits.enter_each(party.id, [item.typed.identifier for item in typed])
    free = {id(item) for item, may in zip(typed, entered, strict=True) if may}
    asked = [item for item in items if not isinstance(item, Details) or id(item) in free]
    codes = {(item.typed.identifier, item.typed.lookup_code) for item in asked if isinstance(item, Details)}
    others = wanted(item.presented() for item in asked if not isinstance(item, Details))
    live = known.many.gather(replace(others, typed=frozenset(codes)), past)
    outcomes = []
    for item in items:
        if isinstance(item, Details) and id(item) not in free:
            here.metrics.limited.inc()
            outcomes.append(checks.too_many(here, past))
        elif isinstance(item, Scanned):
            outcomes.append(checks.scan(here, item.text, live=live, past=past))
        elif isinstance(item, Named):
            outcomes.append(checks.link(here, item.link_id, live=live, past=past))
        elif isinstance(item, Digest):
            outcomes.append(checks.digest(here, item.sha256, live=live, past=past))
        else:
            outcomes.append(checks.matched(here, item.typed, live=live, past=past))
    hits = [
        item.typed.identifier
        for item, outcome in zip(items, outcomes, strict=True)
        if isinstance(item, Details) and outcome.licence is not None
    ]
    here.limits.matched_each(party.id, hits)
    return outcomes


def _signed(
    here: Site,
    party: Party,
    answered: Sequence[tuple[Item | Uploaded, Outcome]],
    options: Options,
    *,
    last: bool,
    page: bool = False,
) -> Response | None:
    """The signed answer or its page, or a problem document where it cannot be had; None where it should be
    tried again: a licence may change between a check and its signature.
    """
    said = [
        (_presented(item, outcome), to_be_signed(answer_of(here, outcome, options.past)))
        for item, outcome in answered
    ]
    try:
        lang = negotiate(request) if page else None
        made = relying.sign(
            here, _known(here), party, said, options.reference, here.clock(), page_language=lang
        )
    except VermilionError as error:
        changed = error.kind is Kind.KEY_REFUSED and error.reason == "answer_untrue"
        if changed and not last:
            return None
        if error.kind is not Kind.UNAVAILABLE:  # what was asked was right: it is answered, but not signed
            error = VermilionError(
                Kind.UNAVAILABLE, "the answer was not signed", reason=error.reason, retry_after=2
            )
        body, status, headers = problem(error, g.get("request_id"))
        response = jsonify(body)
        response.status_code = status
        response.headers.update(headers)
        return _vary(response)
    return _vary(Response(made, content_type=answer_page.MEDIA_TYPE if page else MEDIA_TYPE))


def _presented(item: Item | Uploaded, outcome: Outcome) -> Presented:
    """What was presented, as a signed answer names it. Typed details that lead to an annotated copy are named
    by its link: its identifier is its licence's.
    """
    copy = None if outcome.licence is None else outcome.licence.copy
    if copy is not None and isinstance(item, Details):
        return Presented(link_id=copy.link_id_sha256)
    return item.presented()


def _explained(here: Site, asked: Item | Uploaded, outcome: Outcome, past: Past | None) -> dict[str, Any]:
    """The answer; of a file with its report, which explains and decides nothing and is never signed."""
    answer = answer_of(here, outcome, past)
    if isinstance(asked, Uploaded):
        answer["report"] = report_json(file_report(here, asked.data, outcome))
    return answer


def _fault_json(wrong: Wrong) -> dict[str, Any]:
    return {"errors": [{"pointer": one.field, "reason": one.reason, "detail": one.detail} for one in wrong]}


def _known(here: Site) -> Relying:
    """Raises VermilionError(UNAVAILABLE) where no relying parties are known."""
    if here.relying is None:
        raise VermilionError(Kind.UNAVAILABLE, "this site knows no relying parties", reason="no_parties")
    return here.relying


def _wanted_form(signed: Sequence[str]) -> str:
    """The media type that the asker likes best; JSON where these are no better."""
    return request.accept_mimetypes.best_match([_JSON, *signed], default=_JSON)


def _json(body: Any, status: int) -> Response:
    response = jsonify(body)
    response.status_code = status
    return response


def _vary(response: Response) -> Response:
    response.vary.update(("Accept", "Accept-Language", "Authorization"))
    return response
