"""The secrets of endpoints as they are kept: encrypted, each opening for its own row alone."""

from __future__ import annotations

from registry.ports import Random
from registry.vault import Use, Vault
from registry.webhooks.signature import SECRET_BYTES


def new_secret(random: Random) -> bytes:
    return random(SECRET_BYTES)


def close_secret(vault: Vault, endpoint_id: str, number: int, secret: bytes) -> bytes:
    """For keeping. Raises VermilionError(UNAVAILABLE)."""
    return vault.encrypt(Use.RECORD, secret, _owner(endpoint_id, number))


def open_secret(vault: Vault, endpoint_id: str, number: int, kept: bytes) -> bytes:
    """Raises VermilionError: UNAUTHENTICATED (`record_damaged`) for what is not this row's; UNAVAILABLE."""
    return vault.decrypt(Use.RECORD, kept, _owner(endpoint_id, number))


def _owner(endpoint_id: str, number: int) -> str:
    return f"webhook:{endpoint_id}:{number}"
