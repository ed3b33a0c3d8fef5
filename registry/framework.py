"""Flask as the applications here use it: quiet, and without what none of them has.

At each request Flask looks whether functions are coroutines, opens a session kept in a cookie, prepares
host names and websockets for the look-up of a route, and copies an answer's headers to put right what may be
wrong with them. That costs as much as an answer that is read by a key. What is left out here is what cannot
matter; whatever is not as simple goes Flask's way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface
from werkzeug.exceptions import BadHost
from werkzeug.routing import MapAdapter
from werkzeug.sansio.utils import get_host

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_Called = TypeVar("_Called", bound=Callable[..., Any])
_PUT_RIGHT = frozenset({"location", "content-location"})
"""Headers that Werkzeug makes addresses of."""


class _NoSessions(SessionInterface):
    """Who has signed in is a matter of `registry.console`; nothing of ours is kept in Flask's cookie."""

    _none = NullSession()  # refuses to be written

    def open_session(self, app: Flask, request: Request) -> NullSession:  # noqa: ARG002
        return self._none


class Answer(Response):
    """A response; every view's becomes one on its way out."""

    unless_said: Sequence[tuple[str, str, str]] = ()
    """Headers of an answer that does not say otherwise: name, the same in small letters, value."""

    def get_wsgi_response(
        self, environ: WSGIEnvironment
    ) -> tuple[Iterable[bytes], str, list[tuple[str, str]]]:
        """A whole body of known length goes out as it is, in one piece; it has nothing to be put right."""
        body: Any = self.response
        names = {name.lower() for name, _ in self.headers}
        more = [(name, value) for name, small, value in self.unless_said if small not in names]
        plain = (
            type(body) is list
            and len(body) == 1
            and type(body[0]) is bytes
            and not self._on_close
            and "content-length" in names
            and names.isdisjoint(_PUT_RIGHT)
            and self.status_code not in {204, 304}
            and environ["REQUEST_METHOD"] != "HEAD"
        )
        if plain:
            return body, self.status, [*self.headers, *more]
        self.headers.extend(more)
        return super().get_wsgi_response(environ)


class QuietFlask(Flask):
    """A Flask that writes no traceback, whose messages may hold a record: defects are counted and logged by
    kind and place where it signals them.
    """

    response_class = Answer
    session_interface = _NoSessions()

    def log_exception(self, *_exc_info: Any) -> None:
        pass

    def ensure_sync(self, func: _Called) -> _Called:
        """Nothing here is a coroutine: a test holds that."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """As Flask's, for an application that answers by whatever host and has no websockets."""
        if (
            request is None
            or "HTTP_UPGRADE" in request.environ
            or not request.environ.get("PATH_INFO")
            or any(self.config[name] is not None for name in _HOSTS)
        ):
            return super().create_url_adapter(request)
        environ, scheme = request.environ, request.scheme
        request.host, ascii_host = _host(scheme, environ.get("HTTP_HOST"), request.server)
        return MapAdapter(
            self.url_map,
            ascii_host,
            request.root_path,
            "",
            scheme,
            request.path,
            request.method,
            request.query_string.decode(errors="replace"),
        )


_HOSTS = ("SERVER_NAME", "TRUSTED_HOSTS")
"""What would bind an application to hosts."""


@lru_cache(maxsize=64)
def _host(scheme: str, header: str | None, server: tuple[str, int | None] | None) -> tuple[str, str]:
    """The host that was asked for, checked, and as the look-up of a route takes it; a service has few."""
    host = get_host(scheme, header, server)
    name, colon, port = host.lower().partition(":")  # as Map.bind does it
    try:
        return host, f"{name.encode('idna').decode('ascii')}{colon}{port}"
    except UnicodeError as error:
        raise BadHost from error
