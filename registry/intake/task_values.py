"""The two values of a difference as they are kept: canonical JSON, encrypted, for one task alone."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from keys.canonical import canonical_json, strict_json
from registry.intake.comparing import Value
from registry.intake.exchange_tables import VerificationTask
from registry.vault import Use, Vault

_MAX, _DEPTH = 1024 * 1024, 3


class TaskState(StrEnum):
    OPEN = "open"
    CORRECTED = "corrected"  # the applicant's value was wrong, and is changed
    CONFIRMED = "confirmed"  # the source's is wrong, and it is told so
    REFUSED = "refused"  # the applicant's is wrong, and stays


@dataclass(frozen=True, slots=True)
class Values:
    applicant: Value
    source: Value


def close_values(vault: Vault, task_id: str, values: Values) -> bytes:
    """For keeping. Raises VermilionError(UNAVAILABLE)."""
    text = canonical_json({"applicant": _json(values.applicant), "source": _json(values.source)})
    return vault.encrypt(Use.RECORD, text, _owner(task_id))


def open_values(vault: Vault, task: VerificationTask) -> Values:
    """Raises VermilionError: UNAUTHENTICATED (`record_damaged`); UNAVAILABLE."""
    text = vault.decrypt(Use.RECORD, task.values, _owner(task.id))
    value = strict_json(text, max_bytes=_MAX, max_depth=_DEPTH)
    return Values(_value(value["applicant"]), _value(value["source"]))


def close_words(vault: Vault, task_id: str, words: str) -> bytes | None:
    """As `close_values`; None where nothing is said."""
    return vault.encrypt(Use.RECORD, words.encode(), f"{_owner(task_id)}:words") if words else None


def open_words(vault: Vault, task: VerificationTask) -> str:
    """As `open_values`."""
    return (
        ""
        if task.words is None
        else vault.decrypt(Use.RECORD, task.words, f"{_owner(task.id)}:words").decode()
    )


def _json(value: Value) -> object:
    return value if isinstance(value, str) else list(value)


def _value(said: object) -> Value:
    return tuple(said) if isinstance(said, list) else str(said)


def _owner(task_id: str) -> str:
    return f"verification_task:{task_id}"
