"""The site on a free loopback port, for a browser to open; every request is written down as it arrived."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server


@dataclass
class Served:
    """`seen` holds request lines and headers of all requests."""

    origin: str
    app: Flask
    seen: list[str] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None
    """Ends the server before its time, and its connections with it; more than once does nothing more."""


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_arguments: Any) -> None:
        """Nothing: the site has its own log."""


@contextmanager
def serve(make: Callable[[int], Flask]) -> Iterator[Served]:
    """`make` gets the port and returns the application."""
    served: Served

    def recorded(environ: dict[str, Any], start_response: Any) -> Any:
        told = [f"{environ['REQUEST_METHOD']} {environ.get('REQUEST_URI', '')}"]
        told += [f"{name}: {value}" for name, value in environ.items() if name.startswith("HTTP_")]
        served.seen.append("\n".join(told))
        return served.app.wsgi_app(environ, start_response)

    server = make_server("127.0.0.1", 0, recorded, threaded=True, request_handler=_Quiet)
    served = Served(f"http://localhost:{server.server_port}", make(server.server_port))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()

    def stop() -> None:
        if thread.is_alive():
            server.shutdown()
            thread.join()
            server.server_close()

    served.stop = stop
    try:
        yield served
    finally:
        stop()
