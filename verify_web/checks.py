"""The ways to check, as the site runs them: each asks the registry, or what was gathered from it for many."""

from __future__ import annotations

from datetime import datetime

from flask import g

from keys.errors import VermilionError
from signing.check import (
    Outcome,
    check_file,
    check_id,
    check_presented,
    check_scan,
    check_showing,
    check_typed,
    unmatched,
)
from signing.credential import normal_origin, split_link, split_showing
from signing.live import LiveRegistry, Past
from signing.signed_answer import Presented
from signing.verdict import Facts, decide
from verify_web.intake import Typed
from verify_web.site import Site


def _noted(site: Site, way: str, outcome: Outcome) -> Outcome:
    g.verdict = outcome.verification.verdict.value
    site.metrics.verdict(way, g.verdict).inc()
    site.figures.count(outcome)
    return outcome


def scanned_link(site: Site, link_id: str) -> tuple[Outcome, bytes]:
    """As `link`, of an address that is opened now: the outcome, counted as a scan, and the link's keyed hash.
    Nothing of it is noted for the request's log line.
    """
    outcome = check_id(link_id, site.trust.current(), site.live, site.clock())
    site.metrics.verdict("link", outcome.verification.verdict.value).inc()
    site.figures.count(outcome)
    key = site.store.keyed_hash("link", link_id)
    if outcome.licence is not None:
        site.scans.count(key, outcome.licence)
    return outcome, key


def link(site: Site, link_id: str, *, live: LiveRegistry | None = None, past: Past | None = None) -> Outcome:
    """The address of a licence, without the fragment, which never comes here. A text that cannot be an id
    takes the path of an unknown one. Never limited. `past`: as of a moment that `live` was gathered for.
    """
    asked = live or site.live
    return _noted(site, "link", check_id(link_id, site.trust.current(), asked, _at(site, past)))


def _at(site: Site, past: Past | None) -> datetime:
    return site.clock() if past is None else past.at


def unanswered(site: Site, reason: str) -> Outcome:
    """The check could not be made, which says nothing about any licence."""
    facts = Facts(status_reason=reason)
    return _noted(site, "failed", Outcome(decide(facts, as_of=site.clock()), facts=facts))


def scan(site: Site, scanned: str, *, live: LiveRegistry | None = None, past: Past | None = None) -> Outcome:
    """A scanned code with its fragment, where a program sends it. Never limited.

    The trust list says whose links are ours. Without one only the site's own are known to be: a genuine code
    copied under another address must not be called valid because the list is out.
    """
    if live is None and past is None and is_showing(scanned):
        return showing(site, scanned)
    trust, at = site.trust.current(), _at(site, past)
    if trust is None and _leads_elsewhere(scanned, site.settings.public_origin):
        facts = Facts(issuer_reason="trust_list_missing")
        return _noted(site, "scan", Outcome(decide(facts, as_of=at), facts=facts))
    alarm = site.alarm if past is None else None  # what was not on record yet is no sign of theft
    return _noted(site, "scan", check_scan(scanned, trust, live or site.live, alarm, at))


def is_showing(scanned: str) -> bool:
    """Whether a text is a presentation code, of whichever site."""
    try:
        split_showing(scanned)
    except VermilionError:
        return False
    return True


def showing(site: Site, scanned: str) -> Outcome:
    """A presentation code, now: it is asked about by itself, and never as of a past moment. Never limited:
    its id is as long as a licence's.
    """
    trust, at = site.trust.current(), site.clock()
    own = normal_origin(site.settings.public_origin)
    if trust is None and is_showing(scanned) and split_showing(scanned)[0] != own:
        facts = Facts(issuer_reason="trust_list_missing")
        return _noted(site, "showing", Outcome(decide(facts, as_of=at), facts=facts))
    return _noted(site, "showing", check_showing(scanned, trust, site.live, at))


def digest(
    site: Site, sha256: bytes, *, live: LiveRegistry | None = None, past: Past | None = None
) -> Outcome:
    """A file by its SHA-256: registered or not. What else it is only the file itself shows."""
    outcome = check_presented(
        Presented(document=sha256), site.settings.zone, live or site.live, _at(site, past)
    )
    return _noted(site, "digest", outcome)


def _leads_elsewhere(scanned: str, origin: str) -> bool:
    """Whether a text is the link of a licence at another origin than this one."""
    try:
        return split_link(scanned)[0].origin != normal_origin(origin)
    except VermilionError:
        return False  # no link at all, which the check itself says


def file(site: Site, data: bytes) -> Outcome:
    """An uploaded file."""
    outcome = check_file(data, site.trust.current(), site.live, site.alarm, site.clock())
    return _noted(site, "file", outcome)


def matched(site: Site, details: Typed, *, live: LiveRegistry, past: Past | None = None) -> Outcome:
    """Typed details whose attempt was counted before."""
    at = _at(site, past)
    outcome = check_typed(details.identifier, details.lookup_code, live, at, site.trust.current())
    return _noted(site, "typed", outcome)


def too_many(site: Site, past: Past | None) -> Outcome:
    """The one answer to typed details that do not match, for whoever tried too often."""
    return _noted(site, "typed", unmatched(_at(site, past)))


def typed(site: Site, identifier: str, lookup_code: str, address: str | None) -> Outcome:
    """Identifier and look-up code, both of the right shape.

    An unknown identifier, a wrong code and one attempt too many give the same answer. One too many does not
    ask the registry at all: whether a code was right must not show in how long it took, and the attempts on a
    number that nobody has are counted like any other's. Raises VermilionError(UNAVAILABLE) when attempts
    cannot be counted.
    """
    if not site.limits.enter(address, identifier):
        site.metrics.limited.inc()
        return _noted(site, "typed", unmatched(site.clock()))
    outcome = check_typed(identifier, lookup_code, site.live, site.clock(), site.trust.current())
    if outcome.licence is not None:
        site.limits.matched(address, identifier)
    return _noted(site, "typed", outcome)
