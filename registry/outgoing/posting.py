"""POSTs to addresses that somebody else has named, over connections that are kept for the next one."""

from __future__ import annotations

import http.client
import ssl
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from urllib.parse import SplitResult, urlsplit

from keys.clock import Clock
from keys.errors import VermilionError
from registry.outgoing.attempts import Outcome
from registry.outgoing.retries import retry_after
from registry.outside_addresses import Networks, Resolve, reacher, resolve
from registry.outside_http import Line, Reply

TIMEOUT = 15.0  # seconds to connect, and again for the exchange
MAX_REPLY = 16 * 1024  # bytes that are read of an answer, which nobody looks at
MAX_IDLE = 64  # connections
IDLE_SECONDS = 20.0
USER_AGENT = "Vermilion-Webhooks/1"


class Poster:
    """Posts JSON. Safe between threads."""

    def __init__(
        self,
        permitted: Networks,
        clock: Clock,
        *,
        timeout: float = TIMEOUT,
        lookup: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._permitted, self._clock, self._lookup, self._tls = permitted, clock, lookup, tls
        self._timeout, self._monotonic = timeout, monotonic
        self._idle: OrderedDict[Line, tuple[str, float]] = OrderedDict()  # origin, since when
        self._lock = threading.Lock()

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """One attempt. Raises nothing that a receiver can bring about."""
        sent = {"Content-Type": "application/json", "User-Agent": USER_AGENT, **headers}
        try:
            reply = self._post(url, body, sent)
        except VermilionError as error:
            return Outcome(None, error.reason)
        except ssl.SSLError:
            return Outcome(None, "tls")
        except TimeoutError:
            return Outcome(None, "timeout")
        except OSError:
            return Outcome(None, "unreachable")
        except http.client.HTTPException:
            return Outcome(None, "no_http")
        if 200 <= reply.status < 300:
            return Outcome(reply.status, None)
        asked = retry_after(reply.headers.get("Retry-After"), self._clock())
        return Outcome(reply.status, "status", asked)

    def close(self) -> None:
        with self._lock:
            for line in self._idle:
                line.close()
            self._idle.clear()

    def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"

        def ask(line: Line) -> Reply:
            reply = line.ask(url, body, headers, max_bytes=MAX_REPLY, timeout=self._timeout)
            self._keep(line, origin, reply)
            return reply

        if (line := self._kept(origin)) is not None:
            try:
                return ask(line)
            except (ConnectionError, http.client.HTTPException, ssl.SSLError):
                line.close()  # closed at its other end, most likely; else it comes twice, under one id
            except BaseException:
                line.close()
                raise
        line = self._opened(parts)
        try:
            return ask(line)
        except BaseException:
            line.close()
            raise

    def _opened(self, parts: SplitResult) -> Line:
        reach = reacher(self._permitted, secure=parts.scheme == "https", lookup=self._lookup)
        line = Line(parts, reach=reach, tls=self._tls)
        line.open(self._timeout)
        return line

    def _keep(self, line: Line, origin: str, reply: Reply) -> None:
        if not (reply.whole and line.usable):
            line.close()
            return
        with self._lock:
            self._idle[line] = (origin, self._monotonic())
            while len(self._idle) > MAX_IDLE:
                self._idle.popitem(last=False)[0].close()

    def _kept(self, origin: str) -> Line | None:
        """The connection that was idle for the shortest time; those that were for too long are closed."""
        with self._lock:
            long_ago = self._monotonic() - IDLE_SECONDS
            for line, (_, since) in list(self._idle.items()):
                if since >= long_ago:
                    break
                del self._idle[line]
                line.close()
            for line, (kept_for, _) in reversed(self._idle.items()):
                if kept_for == origin:
                    del self._idle[line]
                    return line
        return None
