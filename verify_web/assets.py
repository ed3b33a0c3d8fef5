"""Templates, words and static files, read once when this module is imported.

Afterwards nothing is read from disk: the process may become a user who could not.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from flask import Request, Response
from jinja2 import DictLoader

from verify_web.language import LANGUAGES

_HERE = Path(__file__).parent
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file in memory."""

    data: bytes
    media_type: str
    etag: str


def _asset(path: Path) -> Asset:
    data = path.read_bytes()
    return Asset(data, _MEDIA_TYPES[path.suffix], hashlib.sha256(data).hexdigest()[:32])


STATIC = {
    path.name: _asset(path) for path in sorted((_HERE / "static").iterdir()) if path.suffix in _MEDIA_TYPES
}
VERSION = hashlib.sha256(
    b"".join(name.encode() + b"\0" + asset.etag.encode() for name, asset in STATIC.items())
).hexdigest()[:12]
"""One name for the whole set, so that scripts may import one another by relative addresses."""

TEMPLATES = DictLoader(
    {path.name: path.read_text("utf-8") for path in sorted((_HERE / "templates").iterdir())}
)
WORDS: dict[str, dict[str, str]] = {
    lang: tomllib.loads((_HERE / "words" / f"{lang}.toml").read_text("utf-8")) for lang in LANGUAGES
}


def serve(request: Request, version: str, name: str) -> Response | None:
    """A static file, or None. Under the present version it never changes; under another one (a page
    from before an update) the present file is given and not kept.
    """
    asset = STATIC.get(name)
    if asset is None:
        return None
    response = Response(asset.data, content_type=asset.media_type)
    response.set_etag(asset.etag)
    lasting = "public, max-age=31536000, immutable"
    response.headers["Cache-Control"] = lasting if version == VERSION else "no-cache"
    response.make_conditional(request)
    return response
