"""The pages for applicants of a world, served to a browser."""

from __future__ import annotations

from tests.browser.holders.conftest import database_backend, place

__all__ = ["database_backend", "place"]
