"""What the public may see of a record, as editions keep it: canonical JSON, in clear."""

from __future__ import annotations

from keys.canonical import canonical_json, strict_json
from signing.disclosure import PublicRecord, public_record_from_json, public_record_to_json

MAX_RECORD = 256 * 1024


def public_text(public: PublicRecord) -> str:
    return canonical_json(public_record_to_json(public)).decode("utf-8")


def stored_public(text: str) -> PublicRecord:
    """Raises VermilionError(MALFORMED) for a text that no `public_text` made."""
    return public_record_from_json(strict_json(text.encode("utf-8"), max_bytes=MAX_RECORD, max_depth=4))
