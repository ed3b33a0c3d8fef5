"""The three ways to check, as the site runs them."""

from __future__ import annotations

from flask import g

from keys.errors import VermilionError
from signing.check import Outcome, check_file, check_id, check_scan, check_typed, unmatched
from signing.credential import normal_origin, split_link
from signing.verdict import Facts, decide
from verify_web.site import Site


def _noted(site: Site, way: str, outcome: Outcome) -> Outcome:
    g.verdict = outcome.verification.verdict.value
    site.metrics.verdicts.labels(way, g.verdict).inc()
    return outcome


def link(site: Site, link_id: str) -> Outcome:
    """The address of a licence, without the fragment, which never comes here. A text that cannot be an id
    takes the path of an unknown one. Never limited, and counted where a licence was found.
    """
    outcome = check_id(link_id, site.trust.current(), site.live, site.clock())
    if outcome.licence is not None:
        site.scans.count(site.store.keyed_hash("link", link_id), outcome.licence)
    return _noted(site, "link", outcome)


def unanswered(site: Site, reason: str) -> Outcome:
    """The check could not be made, which says nothing about any licence."""
    facts = Facts(status_reason=reason)
    return _noted(site, "failed", Outcome(decide(facts, as_of=site.clock()), facts=facts))


def scan(site: Site, scanned: str) -> Outcome:
    """A scanned code with its fragment, where a program sends it. Never limited.

    The trust list says whose links are ours. Without one only the site's own are known to be: a genuine code
    copied under another address must not be called valid because the list is out.
    """
    trust = site.trust.current()
    if trust is None and _leads_elsewhere(scanned, site.settings.public_origin):
        facts = Facts(issuer_reason="trust_list_missing")
        return _noted(site, "scan", Outcome(decide(facts, as_of=site.clock()), facts=facts))
    return _noted(site, "scan", check_scan(scanned, trust, site.live, site.alarm, site.clock()))


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
