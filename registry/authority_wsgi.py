"""The authority by name, for a WSGI server: `registry.authority_wsgi:application`."""

from __future__ import annotations

import threading
from functools import partial

from registry import background
from registry.authority_app import create_authority_app
from registry.composition import open_ports
from registry.logs import configure_logs
from registry.ports import Ports
from registry.seals.published_lint import LOOK_EVERY as LINT_EVERY
from registry.seals.published_lint import PublishedLint
from registry.seals.revocation_list import LOOK_EVERY, publish_due
from registry.settings import Settings
from signing.apart import conceal


def application() -> object:
    """The WSGI application, set up from `VERMILION_*`, with its background work beside it."""
    configure_logs()
    conceal()  # the user may be the agency API's, beside which files of strangers are examined
    ports = open_ports(Settings())
    start_background(ports, threading.Event())
    return create_authority_app(ports)


def start_background(ports: Ports, stop: threading.Event) -> tuple[threading.Thread, ...]:
    """From now on until `stop` is set: CRLs made when a status changed and before one expires, and the
    linter's look at what is given out. No list waits for the linter.
    """
    lists = {"crl_not_published": partial(publish_due, ports)}
    lint = {"not_linted": PublishedLint(ports).look}
    return background.start(
        {
            "revocation-lists": partial(background.keep, lists, stop, LOOK_EVERY),
            "published-lint": partial(background.keep, lint, stop, LINT_EVERY),
        }
    )
