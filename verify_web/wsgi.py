"""The site by name, for a WSGI server: `verify_web.wsgi:application`.

Loading this module reads every file the site needs. `application` may then be called in a process that has
become another user.
"""

from __future__ import annotations

import gc

from registry.settings import Settings
from signing.licensed import read_licensed
from signing.validator import start_validator
from verify_web import access_log
from verify_web.app import create_app
from verify_web.preload import preload

__all__ = ["application", "preload"]


def application() -> object:
    """The WSGI application, set up from `VERMILION_*` in the environment."""
    settings = Settings()
    validator = start_validator(read_licensed(settings.licensed_roots))  # forks: before there are threads
    access_log.to_stderr()
    app = create_app(settings, trusted_proxies=settings.trusted_proxies, validator=validator)
    tune()
    return app


def tune() -> None:
    """Spare the requests a full collection over all that a start made, which stays: a tenth of a second."""
    gc.collect()
    gc.freeze()
