"""By which ways messages leave, and the states they are in."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

NOTICE = "notice"
"""Among the kinds of a webhook endpoint: it takes messages, to pass them on to people."""

Language = Literal["zh", "en", "es"]
SMTP = "smtp"
"""The receiver of all e-mail."""


class Channel(StrEnum):
    SMTP = SMTP
    WEBHOOK = "webhook"


class NoticeState(StrEnum):
    WAITING = "waiting"
    DELIVERED = "delivered"  # handed over: to the mail server, or to the agency's receiver
    DEAD = "dead"  # given up; sent again only where somebody asks for it, and never once it expired
