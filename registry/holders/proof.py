"""How a holder proves who they are: by what only the paper carries.

Nothing more is known of holders. They name the licence, by its identifier or the 128-bit id of its printed
link, and its look-up code. Whoever holds the paper, or a copy of it, can do the same: what is shown for it
must be fit for that.

An unknown licence, a wrong code and one attempt too many get one answer. Attempts are counted as the public
site counts typed look-ups (`registry.typed_limits`), whatever became of them, before anything is asked; a
right one is given back. What they have counted there is not known here, nor the other way round.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError, field_fault
from registry import typed_limits
from registry.attempts.rules import Attempt, enter, succeeded
from registry.licences.digests import link_digest, lookup_digest
from registry.licences.tables import Edition
from registry.ports import Ports
from signing.codes import normalise_lookup_code, parse_identifier

LINK_ID = re.compile(r"[A-Za-z0-9_-]{21}[AQgw]")
MAX_NAMED = 4096  # characters: a scanned code has about 800


@dataclass(frozen=True, slots=True)
class Shown:
    """What somebody brings: the licence, by one of the two, and its code."""

    code: str
    identifier: str | None = None
    link_id: bytes | None = None

    @property
    def named(self) -> str:
        return self.identifier or (self.link_id or b"").hex()


@dataclass(frozen=True, slots=True)
class Proven:
    """The edition whose paper somebody has."""

    edition_id: str
    licence_id: str
    identifier: str


def read_shown(licence: str, code: str) -> Shown:
    """What somebody typed: an identifier, or a link with or without what follows `#`.

    Raises VermilionError(INVALID, MALFORMED) for what can be neither, by public arithmetic: nothing of what
    the registry holds shows in it.
    """
    right = normalise_lookup_code(code)
    text = "".join(licence.split())
    if len(text) > MAX_NAMED:
        raise VermilionError(Kind.MALFORMED, "it is too long")
    last = text.partition("#")[0].rpartition("/c/")[2]
    if LINK_ID.fullmatch(last):
        return Shown(right, link_id=base64.urlsafe_b64decode(last + "=="))
    identifier = text.upper()
    parse_identifier(identifier)
    return Shown(right, identifier=identifier)


def read_exact(identifier: str, code: str) -> Shown:
    """As a program writes them, for one of whom the identifier stands in the address.

    Raises VermilionError: NOT_FOUND (`unmatched`) for what can be no identifier; INVALID for no code.
    """
    try:
        right = normalise_lookup_code(code)
    except VermilionError as error:
        raise field_fault("/lookup_code", error.reason, error.detail) from None
    try:
        parse_identifier(identifier)
    except VermilionError:
        raise unmatched() from None
    return Shown(right, identifier=identifier)


def stranger(ports: Ports, network: str, shown: Shown) -> Attempt:
    """An attempt by somebody in `network`. Raises VermilionError(UNAVAILABLE)."""
    return attempt(ports, network, shown.named)


def attempt(ports: Ports, network: str, named: str) -> Attempt:
    """As `stranger`, at whatever has a name and a code like a licence's."""
    blind = ports.vault.blind
    return Attempt(
        (
            (blind("typed", "network", network), typed_limits.NETWORK),
            (blind("typed", "pair", network, named), typed_limits.PAIR),
            (blind("typed", "licence", named), typed_limits.IDENTIFIER),
        )
    )


def known_client(ports: Ports, client_id: str, shown: Shown) -> Attempt:
    """An attempt by a client of the agency API, whose own limit stands for its network's. Raises
    VermilionError(UNAVAILABLE).
    """
    blind = ports.vault.blind
    return Attempt(
        (
            (blind("typed", "pair", f"client {client_id}", shown.named), typed_limits.PAIR),
            (blind("typed", "licence", shown.named), typed_limits.IDENTIFIER),
        )
    )


def count(ports: Ports, attempt: Attempt) -> None:
    """Count an attempt, in a transaction of its own. Raises VermilionError(NOT_FOUND, `unmatched`) for one
    too many, as for a wrong one.
    """
    with ports.database.transaction() as session:
        wait = enter(session, attempt, ports.clock())
    if wait:
        raise unmatched()


def prove(session: Session, shown: Shown) -> Proven:
    """The edition, for an attempt that was counted. Unknown and wrong do the same work.

    Raises VermilionError(NOT_FOUND, `unmatched`).
    """
    which = (
        Edition.lookup_sha256 == lookup_digest(shown.identifier or "", shown.code)
        if shown.link_id is None
        else Edition.link_id_sha256 == link_digest(shown.link_id)
    )
    row = session.execute(
        select(Edition.id, Edition.licence_id, Edition.identifier, Edition.lookup_sha256).where(which)
    ).one_or_none()
    identifier = (shown.identifier or "") if row is None else row.identifier
    kept = bytes(32) if row is None else row.lookup_sha256
    if not hmac.compare_digest(kept, lookup_digest(identifier, shown.code)) or row is None:
        raise unmatched()
    return Proven(row.id, row.licence_id, row.identifier)


def was_right(session: Session, attempt: Attempt) -> None:
    """It does not count."""
    succeeded(session, attempt)


def unmatched() -> VermilionError:
    """The one answer to whoever proved nothing."""
    return VermilionError(
        Kind.NOT_FOUND,
        "these details could not be matched, or there were too many attempts",
        reason="unmatched",
    )
