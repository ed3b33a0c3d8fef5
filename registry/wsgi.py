"""The agency API by name, for a WSGI server: `registry.wsgi:application`."""

from __future__ import annotations

import threading

from registry.app import create_app
from registry.composition import open_ports
from registry.licences.recovery import recovery_loop
from registry.settings import Settings


def application() -> object:
    """The WSGI application, set up from `VERMILION_*`; recovery runs at start and beside it."""
    ports = open_ports(Settings())
    stop = threading.Event()
    threading.Thread(target=recovery_loop, args=(ports, stop), name="recovery", daemon=True).start()
    return create_app(ports)
