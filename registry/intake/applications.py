"""What an applicant says, as it is kept: canonical JSON, encrypted, for one case alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keys.canonical import canonical_json, strict_json
from registry.vault import Use, Vault

MAX_APPLICATION = 1024 * 1024  # bytes: a photo in base64 and the rest
_DEPTH = 6


@dataclass(frozen=True, slots=True)
class Contact:
    """How the applicant is told: `channel` is one of `registry.notices.kinds.Channel`, or "none"; `receiver`
    as a notice has it.
    """

    channel: str = "none"
    receiver: str = ""
    to: str = ""
    language: str = "zh"


@dataclass(frozen=True, slots=True)
class Application:
    """Who applies, and the values of the matter's form, as JSON."""

    name: str
    id_type: str  # holder code type of GB/T 36903
    id_code: str
    contact: Contact
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """Something that is to be corrected: a material or field of the matter, and what is wanted."""

    code: str
    why: str


@dataclass(frozen=True, slots=True)
class Said:
    """What a step tells the applicant in words."""

    words: str = ""
    items: tuple[Item, ...] = ()


def close_application(vault: Vault, case_id: str, application: Application) -> bytes:
    """For keeping. Raises VermilionError(UNAVAILABLE)."""
    contact = application.contact
    value = {
        "name": application.name,
        "id_type": application.id_type,
        "id_code": application.id_code,
        "contact": [contact.channel, contact.receiver, contact.to, contact.language],
        "fields": dict(application.fields),
    }
    return vault.encrypt(Use.RECORD, canonical_json(value), f"case:{case_id}")


def open_application(vault: Vault, case_id: str, kept: bytes) -> Application:
    """Raises VermilionError: UNAUTHENTICATED (`record_damaged`) for what is not this case's; UNAVAILABLE."""
    text = vault.decrypt(Use.RECORD, kept, f"case:{case_id}")
    value = strict_json(text, max_bytes=2 * MAX_APPLICATION, max_depth=_DEPTH)
    return Application(
        value["name"], value["id_type"], value["id_code"], Contact(*value["contact"]), value["fields"]
    )


def close_said(vault: Vault, case_id: str, number: int, said: Said) -> bytes | None:
    """As `close_application`; None where nothing is said."""
    if not (said.words or said.items):
        return None
    value = {"words": said.words, "items": [[one.code, one.why] for one in said.items]}
    return vault.encrypt(Use.RECORD, canonical_json(value), f"case:{case_id}:{number}")


def open_said(vault: Vault, case_id: str, number: int, kept: bytes | None) -> Said:
    """As `open_application`."""
    if kept is None:
        return Said()
    text = vault.decrypt(Use.RECORD, kept, f"case:{case_id}:{number}")
    value = strict_json(text, max_bytes=2 * MAX_APPLICATION, max_depth=_DEPTH)
    return Said(value["words"], tuple(Item(*one) for one in value["items"]))
