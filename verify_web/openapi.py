"""The description of the public API, derived from what its routes declare (`verify_web.api`).
`docs/openapi.json` is its output: `python -m verify_web.openapi > docs/openapi.json`.
"""

from __future__ import annotations

from functools import cache

from flask import Flask

from registry.openapi_document import Api, text_of
from verify_web import forms
from verify_web.api import KEY, api

VERSION = "1.0.0"
_INTRODUCTION = (
    "Checks of electronic licences. A licence is good only where `verdict` is `valid` and all three "
    "checks are `passed`; whoever reads `valid` with a check that is `not_done` compares the document "
    "by eye.\n\n"
    "A signed answer is a compact JWS (ES256, `typ` verification-answer+jwt) whose claims are "
    "`SignedAnswer`. Its key is named by `kid` in the signed trust list "
    "(`/.well-known/elicence/trust-list`), under the use `receipt`; `vermilion verify-answer` checks it "
    "without a network.\n\n"
    "A refusal is a problem document (RFC 9457), whose `type` is an address here that explains the kind and "
    "its reasons."
)

DESCRIPTION = Api(
    title="Vermilion: checks of licences",
    version=VERSION,
    introduction=_INTRODUCTION,
    covers=lambda endpoint: endpoint.startswith("api."),
    security={KEY: {"type": "http", "scheme": "bearer", "description": "A relying party's key."}},
    variables={"matter_code": "The matter's code."},
    also=(forms.SignedAnswer,),
)


@cache
def text() -> str:
    """The document as it is served, and kept in `docs/openapi.json`."""
    app = Flask("public-api", static_folder=None)
    app.register_blueprint(api)
    return text_of(DESCRIPTION, app)


if __name__ == "__main__":
    print(text(), end="")  # noqa: T201
