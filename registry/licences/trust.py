"""The trust list as relying parties have it now: what the registry checks its own work against."""

from __future__ import annotations

from keys.errors import Kind, VermilionError
from keys.trust_list import TrustList, read_trust_list
from registry.licences.lookup import current_trust_list
from registry.ports import Ports

_read: dict[str, TrustList] = {}  # the list read last, by its text: verifying one takes milliseconds


def trust_now(ports: Ports) -> TrustList:
    """The current list. Raises VermilionError(UNAVAILABLE) without one that serves."""
    now = ports.clock()
    try:
        jws = current_trust_list(ports.database.read)
        kept = _read.get(jws)
        if kept is None or not kept.issued_at <= now < kept.expires_at:
            kept = read_trust_list(jws, at=now)
            _read.clear()
            _read[jws] = kept
    except VermilionError as error:
        raise VermilionError(Kind.UNAVAILABLE, "no current trust list", reason=error.reason) from None
    return kept
