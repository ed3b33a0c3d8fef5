"""To whom a message goes and what is filled in: personal data, which lies encrypted and is erased."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from keys.canonical import canonical_json, strict_json
from registry.vault import Use, Vault

MAX_MESSAGE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Message:
    """`to` is an e-mail address, or what the agency's receiver knows the person by, such as a telephone
    number.
    """

    to: str
    language: str
    values: Mapping[str, str]


def close_message(vault: Vault, notice_id: str, message: Message) -> bytes:
    """For keeping. Raises VermilionError(UNAVAILABLE)."""
    told = {"to": message.to, "language": message.language, "values": dict(message.values)}
    return vault.encrypt(Use.RECORD, canonical_json(told), _owner(notice_id))


def open_message(vault: Vault, notice_id: str, kept: bytes) -> Message:
    """Raises VermilionError: UNAUTHENTICATED (`record_damaged`) for what is not this row's; UNAVAILABLE."""
    told = strict_json(vault.decrypt(Use.RECORD, kept, _owner(notice_id)), max_bytes=MAX_MESSAGE, max_depth=4)
    return Message(told["to"], told["language"], told["values"])


def _owner(notice_id: str) -> str:
    return f"notice:{notice_id}"
