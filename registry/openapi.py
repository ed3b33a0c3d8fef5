"""The agency API's description: `python -m registry.openapi > docs/agency-openapi.json`."""

from __future__ import annotations

from functools import cache

from flask import Flask

from registry.app import routes
from registry.description import DESCRIPTION
from registry.openapi_document import text_of


@cache
def text() -> str:
    """The document as it is served, and kept in `docs/agency-openapi.json`."""
    app = Flask("agency-api", static_folder=None)
    routes(app)
    return text_of(DESCRIPTION, app)


if __name__ == "__main__":
    print(text(), end="")  # noqa: T201
