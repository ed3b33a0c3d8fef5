"""The pages for holders as part of the agency API's application."""

from __future__ import annotations

from flask import Flask

from registry.holders import pick_up_pages, use_pages
from registry.holders.browser import EXTENSION, Holders, blueprint

PAGES = (pick_up_pages, use_pages)
"""Modules that hang their routes on the blueprint when they are imported."""


def install(app: Flask) -> None:
    """Hang the pages on the application."""
    app.extensions[EXTENSION] = Holders()
    app.register_blueprint(blueprint)
