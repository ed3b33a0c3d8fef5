"""The registry as the site asks it: through its read-only role, for reading alone."""

from __future__ import annotations

from keys.clock import Clock
from keys.remote import RemoteCustodian
from registry.agencies.parties import Parties
from registry.database import read_engine
from registry.intake.published_results import PublishedResults
from registry.licences.lookup import SqlLiveRegistry, current_trust_list
from registry.licences.published_types import PublishedTypes
from registry.licences.status_read import SignedLists
from registry.settings import Settings
from verify_web.source import Relying, Source


def registry_source(settings: Settings, clock: Clock) -> Source:
    """Opens nothing yet: connections are made when the first check asks."""
    engine = read_engine(settings.public_url, mapped=True)
    live, parties, types = SqlLiveRegistry(engine, clock), Parties(engine), PublishedTypes(engine)
    signer = RemoteCustodian(settings.receipts_at)
    return Source(
        live=live,
        types=types,
        trust_list=lambda: current_trust_list(engine),
        status_lists=SignedLists(engine),
        results=PublishedResults(engine, types),
        relying=Relying(
            many=live,
            party=parties.party,
            receipt_key=parties.receipt_key,
            custodian=signer,
            page=signer.answer_page,
        ),
    )
