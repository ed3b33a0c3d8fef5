"""Templates, words and static files, read once when this module is imported.

Afterwards nothing is read from disk: the process may become a user who could not.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

from flask import Request, Response
from jinja2 import DictLoader

from registry.api_docs import PAGES
from signing import sentences, verdict
from verify_web.language import LANGUAGES

_HERE = Path(__file__).parent
_MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A static file in memory; `packed` is its gzip form, None where that saves nothing."""

    data: bytes
    media_type: str
    etag: str
    packed: bytes | None

    @property
    def integrity(self) -> str:
        """As subresource integrity has it (W3C SRI, 3.1)."""
        return f"sha256-{base64.b64encode(hashlib.sha256(self.data).digest()).decode('ascii')}"


def _asset(path: Path) -> Asset:
    data = path.read_bytes()
    packed = gzip.compress(data, 9, mtime=0)
    return Asset(
        data,
        _MEDIA_TYPES[path.suffix],
        hashlib.sha256(data).hexdigest()[:32],
        packed if len(packed) < len(data) * 0.9 else None,
    )


def _folder(path: Path) -> dict[str, Asset]:
    return {path.name: _asset(path) for path in sorted(path.iterdir()) if path.suffix in _MEDIA_TYPES}


ON_DEMAND = _folder(_HERE / "vendor" / "zxing-wasm")
"""The reader of codes, another project's: half a megabyte that only who scans in the page is given."""
STATIC = _folder(_HERE / "static") | ON_DEMAND
VERSION = hashlib.sha256(
    b"".join(name.encode() + b"\0" + asset.etag.encode() for name, asset in STATIC.items())
).hexdigest()[:12]
"""One name for the whole set, so that scripts may import one another by relative addresses."""

TEMPLATES = DictLoader(
    {name: text for name, text in PAGES.items() if name.startswith("_")}
    | {path.name: path.read_text("utf-8") for path in sorted((_HERE / "templates").iterdir())}
)
"""Its own, and the parts of pages that the agency API has too."""
WORDS: dict[str, dict[str, str]] = {
    lang: tomllib.loads((_HERE / "words" / f"{lang}.toml").read_text("utf-8")) for lang in LANGUAGES
}
SCRIPT_WORDS: dict[str, dict[str, dict[str, str]]] = tomllib.loads(
    (_HERE / "words" / "scripts.toml").read_text("utf-8")
)
"""What the scripts of a page say: by page, then by language."""


def _digest_of(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]


SET_VERSION = _digest_of(
    VERSION, TEMPLATES.mapping, WORDS, SCRIPT_WORDS, sentences.table(), dict(verdict.table()), LANGUAGES
)
"""Names scripts, pages and words together, as a device keeps them for use without a network."""
SHELLS = tuple(f"/{page}?lang={lang}" for page in ("offline", "scan") for lang in LANGUAGES)
"""The pages that a device keeps."""


def _digests(files: dict[str, Asset]) -> dict[str, str]:
    return {f"/static/{VERSION}/{name}": asset.integrity for name, asset in files.items()}


def _worker() -> bytes:
    """The service worker with the set that it keeps: each file by its digest, so no mixture is ever kept."""
    files = {name: asset for name, asset in STATIC.items() if name not in ON_DEMAND and name != "worker.js"}
    kept = {
        "version": SET_VERSION,
        "assets": _digests(files),
        "shells": SHELLS,
        "onDemand": _digests(ON_DEMAND),
    }
    return f"const SET = {json.dumps(kept)};\n".encode() + STATIC["worker.js"].data


WORKER = _worker()


def serve(request: Request, version: str, name: str) -> Response | None:
    """A static file, or None. Under the present version it never changes; under another one (a page
    from before an update) the present file is given and not kept.
    """
    asset = STATIC.get(name)
    if asset is None:
        return None
    packed = asset.packed if request.accept_encodings["gzip"] > 0 else None
    response = Response(packed or asset.data, content_type=asset.media_type)
    response.set_etag(f"{asset.etag}-gzip" if packed else asset.etag)
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    if asset.packed:
        response.vary.add("Accept-Encoding")
    lasting = "public, max-age=31536000, immutable"
    response.headers["Cache-Control"] = lasting if version == VERSION else "no-cache"
    response.make_conditional(request)
    return response
