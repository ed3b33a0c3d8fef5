"""The site by name, for a WSGI server: `verify_web.wsgi:application`.

Loading this module reads every file the site needs. `application` may then be called in a process that has
become another user.
"""

from __future__ import annotations

from pydantic import Field

from registry.settings import Settings
from verify_web import access_log
from verify_web.app import create_app
from verify_web.preload import preload

__all__ = ["SiteSettings", "application", "preload"]


class SiteSettings(Settings):
    """Settings of the public site alone."""

    trusted_proxies: int = Field(
        default=0, ge=0, le=5, description="Proxies in front of the public site that set X-Forwarded-For."
    )


def application() -> object:
    """The WSGI application, set up from `VERMILION_*` in the environment."""
    settings = SiteSettings()
    access_log.to_stderr()
    return create_app(settings, trusted_proxies=settings.trusted_proxies)
