"""Records as intents keep them: canonical JSON, encrypted."""

from __future__ import annotations

from functools import lru_cache

from keys.canonical import canonical_json, strict_json
from keys.errors import Kind, VermilionError
from registry.licences.public_records import MAX_RECORD
from registry.vault import Use, Vault
from signing.record import Record, record_from_json, record_to_json


def record_text(record: Record) -> str:
    return canonical_json(record_to_json(record)).decode("utf-8")


def close_record(vault: Vault, intent_id: str, record: Record) -> bytes:
    """The record encrypted, as the intent keeps it. Raises VermilionError(UNAVAILABLE) without a data key."""
    return vault.encrypt(Use.RECORD, record_text(record).encode("utf-8"), intent_id)


def open_record(vault: Vault, intent_id: str, kept: bytes) -> Record:
    """The record of an intent. Raises VermilionError: UNAUTHENTICATED (`record_damaged`) for what is not its
    own; UNAVAILABLE without a data key.
    """
    return _parsed(vault.decrypt(Use.RECORD, kept, intent_id))


@lru_cache(maxsize=512)
def _parsed(text: bytes) -> Record:
    """An issue reads its record four times, and parsing costs ten times what decrypting does."""
    return record_from_json(strict_json(text, max_bytes=MAX_RECORD, max_depth=8))


def kept_record(vault: Vault, intent_id: str, kept: bytes) -> Record:
    """As `open_record`, for whoever is answered: one that was altered is out of reach (UNAVAILABLE), which is
    nobody's fault who asks. One that was disposed of is not there (NOT_FOUND).
    """
    try:
        return open_record(vault, intent_id, kept)
    except VermilionError as error:
        if error.kind in {Kind.UNAVAILABLE, Kind.NOT_FOUND}:
            raise
        raise VermilionError(
            Kind.UNAVAILABLE, "the record cannot be read from where it is kept", reason=error.reason
        ) from error
