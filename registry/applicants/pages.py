"""The pages for applicants as part of the agency API's application."""

from __future__ import annotations

from flask import Flask

from registry.applicants import form_pages, guide_pages, material_pages, progress_pages
from registry.applicants.browser import EXTENSION, Applicants, blueprint

PAGES = (guide_pages, form_pages, material_pages, progress_pages)
"""Modules that hang their routes on the blueprint when they are imported."""


def install(app: Flask) -> None:
    """Hang the pages on the application."""
    app.extensions[EXTENSION] = Applicants()
    app.register_blueprint(blueprint)
