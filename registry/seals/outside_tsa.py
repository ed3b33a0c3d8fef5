"""Time-stamps of authorities outside, listed in the order in which they are asked (RFC 3161, 3.4).

Nothing is asked unless a list is configured. What is sent is a digest and a number; what comes back is
verified against the CA certificates of the list before it is believed. One that fails rests for a while.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import structlog
from cryptography import x509

from keys.clock import Clock
from keys.der import integer
from keys.errors import Kind, VermilionError
from keys.outside_token import verify_outside_token
from keys.time_source import Monotonic
from keys.time_stamp import TimeStamp
from keys.tsp import QUERY_TYPE, REPLY_TYPE, encode_request, read_response
from keys.tst_info import encode_policy, message_imprint
from registry.outside_http import TIMEOUT, exchange
from signing.toml_table import Table

MAX_RESPONSE_BYTES = 32 * 1024
MAX_AUTHORITIES = 8
MAX_CA_BYTES = 64 * 1024
NONCE_BYTES = 8
TOLERANCE = timedelta(minutes=5)  # between the authority's clock and ours
FIRST_REST, LONGEST_REST = timedelta(seconds=30), timedelta(minutes=30)
_log = structlog.get_logger("registry.outside_tsa")


@dataclass(frozen=True, slots=True)
class OutsideTsa:
    """One authority of the list."""

    name: str
    url: str
    anchors: tuple[x509.Certificate, ...]
    policy: str | None


@dataclass(frozen=True, slots=True)
class OutsideStamp:
    """A verified token and who gave it."""

    authority: str
    token: bytes
    stamp: TimeStamp


def load_outside_tsas(path: Path) -> tuple[OutsideTsa, ...]:
    """Read a list: TOML, a table `[[tsa]]` for each with `name`, `url` (http or https, without user, query or
    fragment), `ca` (a file of PEM certificates, beside the list) and perhaps `policy` (dotted).

    Raises VermilionError(NOT_FOUND, TOO_LARGE, MALFORMED, INVALID).
    """
    table = Table.load(path)
    found = tuple(_authority(entry, path.parent) for entry in table.tables("tsa"))
    table.finish()
    if len(found) > MAX_AUTHORITIES or len({tsa.name for tsa in found}) != len(found):
        table.refuse("tsa", f"must have at most {MAX_AUTHORITIES} entries, each of its own name")
    return found


def _authority(entry: Table, directory: Path) -> OutsideTsa:
    name, url, ca = entry.text("name"), entry.text("url"), entry.text("ca")
    policy = entry.text("policy") if entry.has("policy") else None
    entry.finish()
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and (parts.port or True)
    except ValueError:
        good = False
    if not good or set(url) & set("?#@ ") or not (url.isascii() and url.isprintable()):
        entry.refuse("url", "must be an http or https address without user, query or fragment")
    if policy is not None:
        try:
            encode_policy(policy)
        except ValueError:
            entry.refuse("policy", "must be an object identifier, in dots")
    return OutsideTsa(name, url, _anchors(entry, directory / ca), policy)


def _anchors(entry: Table, path: Path) -> tuple[x509.Certificate, ...]:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_CA_BYTES + 1)
        if len(data) > MAX_CA_BYTES:
            entry.refuse("ca", f"has more than {MAX_CA_BYTES} bytes")
        return tuple(x509.load_pem_x509_certificates(data))
    except (OSError, ValueError):
        entry.refuse("ca", "must be a file of PEM certificates that can be read")


@dataclass
class _Rest:
    """How long an authority that failed is left alone; twice as long each time it fails again."""

    failures: int = 0
    until: float = 0.0


class OutsideTimeStamps:
    """Asks the authorities of a list in their order. Safe between threads."""

    def __init__(
        self,
        authorities: Sequence[OutsideTsa],
        *,
        clock: Clock,
        random: Callable[[int], bytes],
        monotonic: Monotonic = time.monotonic,
        timeout: float = TIMEOUT,
    ) -> None:
        self._authorities = tuple(authorities)
        self._clock = clock
        self._random = random
        self._monotonic = monotonic
        self._timeout = timeout
        self._lock = threading.Lock()
        self._rests = {tsa.name: _Rest() for tsa in authorities}

    def stamp(self, digest: bytes) -> OutsideStamp:
        """A token over a SHA-256 digest by the first that gives one. Raises VermilionError(UNAVAILABLE)."""
        for tsa in self._authorities:
            with self._lock:
                resting = self._monotonic() < self._rests[tsa.name].until
            if resting:
                continue
            try:
                found = self._ask(tsa, digest)
            except VermilionError as error:
                self._failed(tsa, error)
            else:
                with self._lock:
                    self._rests[tsa.name] = _Rest()
                return found
        raise VermilionError(
            Kind.UNAVAILABLE, "no time-stamp authority outside gives one now", reason="outside_tsa"
        )

    def _ask(self, tsa: OutsideTsa, digest: bytes) -> OutsideStamp:
        nonce = int.from_bytes(self._random(NONCE_BYTES), "big")
        policy = None if tsa.policy is None else encode_policy(tsa.policy)
        request = encode_request(message_imprint(digest), integer(nonce), policy)
        token = read_response(
            exchange(
                tsa.url,
                body=request,
                headers={"Content-Type": QUERY_TYPE, "Accept": REPLY_TYPE},
                content_type=REPLY_TYPE,
                max_bytes=MAX_RESPONSE_BYTES,
                timeout=self._timeout,
            )
        )
        stamp = verify_outside_token(
            token,
            digest,
            nonce=nonce,
            policy=tsa.policy,
            anchors=tsa.anchors,
            at=self._clock(),
            tolerance=TOLERANCE,
        )
        return OutsideStamp(tsa.name, token, stamp)

    def _failed(self, tsa: OutsideTsa, error: VermilionError) -> None:
        _log.warning("outside_tsa_failed", authority=tsa.name, reason=error.reason, detail=error.detail)
        with self._lock:
            rest = self._rests[tsa.name]
            rest.failures += 1
            pause = min(FIRST_REST * 2 ** min(rest.failures - 1, 10), LONGEST_REST)
            rest.until = self._monotonic() + pause.total_seconds()
