"""A connector that asks over HTTP: signed both ways, bounded in size and time, one attempt at a time.

When it is tried again is the caller's to say. Whatever is not a signed answer of status 200 is an outage: a
404 of some proxy says nothing of a holder.
"""

from __future__ import annotations

import http.client
import ssl
from urllib.parse import urlsplit

from keys.clock import Clock
from keys.errors import Kind, VermilionError
from registry.intake.connectors import Acknowledged, Answer, Query, Wrong
from registry.intake.exchanged import MAX_ANSWER, query_json, read_acknowledgement, read_answer, wrong_json
from registry.intake.signed_messages import Secret, sign_request, verify_answer
from registry.outside_addresses import Networks, Resolve, reacher, resolve
from registry.outside_http import Line, Reply, UnreachedError

TIMEOUT = 10.0  # seconds to connect, and again for the exchange
JSON = "application/json"
USER_AGENT = "Vermilion-Exchange/1"
SIGNED = ("content-digest", "content-type", "signature", "signature-input")


class HttpConnector:
    """Posts to `<url>/queries` and `<url>/corrections`. Safe between threads: it keeps no connection."""

    def __init__(
        self,
        url: str,
        secret: Secret,
        permitted: Networks,
        clock: Clock,
        *,
        timeout: float = TIMEOUT,
        lookup: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._url, self._secret, self._permitted, self._clock = url.rstrip("/"), secret, permitted, clock
        self._timeout, self._lookup, self._tls = timeout, lookup, tls

    def retrieve(self, query: Query) -> Answer | None:
        """As `Connector`. Raises VermilionError: UNAVAILABLE, FORBIDDEN (`address_refused`)."""
        return read_answer(self._ask("queries", query_json(query)), query, reference=query.reference)

    def report(self, wrong: Wrong) -> Acknowledged | None:
        """As `Connector`. Raises VermilionError: UNAVAILABLE, FORBIDDEN (`address_refused`)."""
        return read_acknowledgement(self._ask("corrections", wrong_json(wrong)), wrong)

    def _ask(self, what: str, body: bytes) -> bytes:
        url = f"{self._url}/{what}"
        signed = sign_request(self._secret, url, body, JSON, self._clock())
        headers = {"Accept": JSON, "User-Agent": USER_AGENT, **signed}
        reply = self._exchange(url, body, headers)
        if not reply.whole:
            raise _out("answer_size", "the source answers at too great a length")
        if reply.status != 200:
            raise _out("answer_status", "the source answers with another status")
        told = {
            name: values[0]
            for name in SIGNED
            if len(values := [str(one) for one in reply.headers.get_all(name, [])]) == 1
        }
        if told.get("content-type") != JSON:
            raise _out("answer_form", "the source answers with another content type")
        request_digest = signed["Content-Digest"]
        verify_answer(self._secret, reply.status, told, reply.body, request_digest, self._clock())
        return reply.body

    def _exchange(self, url: str, body: bytes, headers: dict[str, str]) -> Reply:
        parts = urlsplit(url)
        reach = reacher(self._permitted, secure=parts.scheme == "https", lookup=self._lookup)
        line = Line(parts, reach=reach, tls=self._tls)
        try:
            line.open(self._timeout)
            return line.ask(url, body, headers, max_bytes=MAX_ANSWER, timeout=self._timeout)
        except (OSError, http.client.HTTPException) as error:
            detail = "the source cannot be reached, or does not answer in time"
            raise UnreachedError(Kind.UNAVAILABLE, detail, reason="no_answer") from error
        finally:
            line.close()


def _out(reason: str, detail: str) -> VermilionError:
    return VermilionError(Kind.UNAVAILABLE, detail, reason=reason)
