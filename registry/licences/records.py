"""Records as intents and editions keep them: canonical JSON."""

from __future__ import annotations

from keys.canonical import canonical_json, strict_json
from signing.record import Record, record_from_json, record_to_json

MAX_RECORD = 256 * 1024


def record_text(record: Record) -> str:
    return canonical_json(record_to_json(record)).decode("utf-8")


def stored_record(text: str) -> Record:
    """Raises VermilionError for a text that no `record_text` made."""
    return record_from_json(strict_json(text.encode("utf-8"), max_bytes=MAX_RECORD, max_depth=8))
