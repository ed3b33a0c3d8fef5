"""The console as part of the agency API's application."""

from __future__ import annotations

from flask import Flask

from registry.console import (
    account_pages,
    admission_pages,
    approval_pages,
    archive_pages,
    batch_pages,
    enrolment_pages,
    event_pages,
    licence_pages,
    oversight_pages,
    people_pages,
    seal_pages,
    sign_in_pages,
    type_pages,
)
from registry.console.browser import EXTENSION, Console, blueprint
from registry.console.oidc import OpenId
from registry.ports import Ports

PAGES = (
    sign_in_pages,
    enrolment_pages,
    account_pages,
    approval_pages,
    licence_pages,
    batch_pages,
    seal_pages,
    type_pages,
    people_pages,
    admission_pages,
    event_pages,
    oversight_pages,
    archive_pages,
)
"""Modules that hang their routes on the console's blueprint when they are imported."""


def install(app: Flask, ports: Ports) -> None:
    """Hang the console on the application."""
    app.extensions[EXTENSION] = Console(OpenId(ports.settings, ports.clock))
    app.register_blueprint(blueprint)
