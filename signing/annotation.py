"""Annotated copies (加注件): for which purpose, for whom and until when a copy of a licence was made.

The original of a licence is never handed to a third party; a copy bears its reason, its maker and the day it
was made, and its last day (the instance metadata JZJZZSY, JZJZZZ, JZJZZSJ and JZJYXQJZSJ of GB/T 36903; its
maker is the record's issuer). The annotation is part of the sealed record and of the QR credential, so that
no check, with or without the registry, takes a copy for the original.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from signing.json_object import JsonObject, bad_record

MAX_PURPOSE = 200
MAX_RECIPIENT = 100
MAX_COUNT = 99


@dataclass(frozen=True, slots=True)
class Annotation:
    """What a copy was made for. A QR credential carries neither the day it was made nor the count, and of
    long texts the beginning, with "…".
    """

    purpose: str
    recipient: str
    valid_to: date  # inclusive
    made_on: date | None = None
    count: int | None = None  # 份数: how many times it is to be handed over


def annotation_to_json(annotation: Annotation) -> dict[str, Any]:
    """As records keep it, and as answers to checks tell it."""
    return {
        "purpose": annotation.purpose,
        "recipient": annotation.recipient,
        "valid_to": annotation.valid_to.isoformat(),
        "made_on": None if annotation.made_on is None else annotation.made_on.isoformat(),
        "count": annotation.count,
    }


def annotation_from_json(data: object) -> Annotation:
    """The annotation of a record, which is whole. Raises VermilionError(MALFORMED)."""
    members = JsonObject(data)
    annotation = Annotation(
        purpose=members.text("purpose", MAX_PURPOSE),
        recipient=members.text("recipient", MAX_RECIPIENT),
        valid_to=members.day("valid_to"),
        made_on=members.day("made_on"),
        count=members.integer("count", MAX_COUNT),
    )
    members.finish()
    if annotation.count == 0 or annotation.made_on is None or annotation.valid_to < annotation.made_on:
        raise bad_record("the annotation of the copy cannot be")
    return annotation
