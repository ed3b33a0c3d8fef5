"""The JSON forms of applications, of steps and of decisions."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from sqlalchemy.orm import Session

from keys.errors import VermilionError, field_fault
from registry import web
from registry.actor import Actor
from registry.delivery.forms import To
from registry.intake.applications import Application, Contact, Item, Said
from registry.licences.forms import Operator, SealCode, Text40
from registry.notices.kinds import Language
from registry.notices.rules import by_mail, by_receiver
from registry.ports import Ports
from signing.codes import check_citizen_id, check_uscc
from signing.document import MAX_SEALS

MAX_BODY = 768 * 1024
MAX_WORDS, MAX_ITEMS, MAX_DAYS = 500, 30, 3660

HolderCodeType = Literal[
    "001", "099", "111", "114", "115", "118", "119", "120", "122", "411", "412", "413", "414", "511", "516",
    "999",
]  # fmt: skip
"""Of GB/T 36903."""


def _plain(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise PydanticCustomError("plain_text", "no control characters, no white space at the ends")
    return value


Words = Annotated[str, Field(min_length=1, max_length=MAX_WORDS), AfterValidator(_plain)]
MatterCode = Annotated[str, Field(pattern=r"^[0-9A-Z]{10,36}\Z")]
Values = Annotated[dict[str, Any], Field(max_length=100)]


class ApplicantBody(web.Body):
    name: Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_plain)]
    id_type: HolderCodeType
    id_code: Text40


class ContactBody(web.Body):
    """By `smtp` the applicant gets e-mail at `to`; by `webhook` messages are posted to the client's own
    endpoint of that id, which takes `notice`, for whom `to` names there; by `none` they are told by the
    progress of the case alone.
    """

    channel: Literal["smtp", "webhook", "none"] = "none"
    to: To | None = None
    webhook: web.Hex32 | None = None
    language: Language = "zh"


class CaseBody(web.Body):
    """An application as the agency's system has it from the applicant, whom it has identified. With
    `declaration`, by which the applicant says that all of it is true, it is submitted; without, it is kept as
    a draft.
    """

    matter: MatterCode
    applicant: ApplicantBody
    contact: ContactBody = ContactBody()
    fields: Values
    declaration: bool = False
    operator: Operator | None = None


class DraftBody(web.Body):
    """What takes the place of a draft's contents."""

    applicant: ApplicantBody
    contact: ContactBody = ContactBody()
    fields: Values
    operator: Operator | None = None


class ItemBody(web.Body):
    """A material or field of the matter, by its code or name, and what is wanted."""

    code: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}\Z")]
    why: Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain)]


class CaseStepBody(web.Body):
    """`submit`, `correct` and `withdraw` are the applicant's acts, passed on. What each step needs, the table
    of the answers to a refusal says (`move_needs`).
    """

    action: Literal[
        "submit", "receive", "ask_correction", "correct", "accept", "refuse_acceptance", "return", "begin",
        "resume", "withdraw",
    ]  # fmt: skip
    legal_basis: web.Basis | None = None
    reason_code: web.ReasonCode | None = None
    words: Words | None = None
    items: Annotated[list[ItemBody], Field(max_length=MAX_ITEMS)] | None = None
    declaration: bool = False
    fields: Values | None = None
    operator: Operator | None = None


class LicenceBody(web.Body):
    """What the decision says of the licence: its seal, its number, and the fields that are not the
    application's.
    """

    seal: SealCode
    co_seals: Annotated[list[SealCode], Field(max_length=MAX_SEALS - 1)] | None = None
    number: Annotated[str, Field(min_length=1, max_length=40)] | None = None
    fields: Values | None = None


class CaseDecisionBody(web.Body):
    action: Literal["suspend", "extend", "permit", "refuse", "terminate"]
    legal_basis: web.Basis
    reason_code: web.ReasonCode
    words: Words | None = None
    days: Annotated[int, Field(ge=1, le=MAX_DAYS)] | None = None
    licence: LicenceBody | None = None


class AnewBody(web.Body):
    licence: LicenceBody


def application_of(
    session: Session, ports: Ports, actor: Actor, body: CaseBody | DraftBody, today: date
) -> Application:
    """Raises VermilionError(INVALID): a code with a wrong check character; a way that is not open."""
    applicant, contact = body.applicant, body.contact
    try:
        if applicant.id_type == "001":
            check_uscc(applicant.id_code)
        elif applicant.id_type == "111":
            check_citizen_id(applicant.id_code, today)
    except VermilionError as error:
        raise field_fault("/applicant/id_code", "invalid_fields", error.detail) from None
    way = Contact(language=contact.language)
    if contact.channel != "none":
        wants = (contact.to is not None, contact.webhook is not None)
        if wants != (True, contact.channel == "webhook"):
            detail = "e-mail wants `to` alone, a webhook `to` and `webhook`"
            raise field_fault("/contact/channel", "channel", detail)
        to = contact.to or ""
        if contact.channel == "smtp":
            opened = by_mail(ports.settings, to, "/contact/to")
        else:
            opened = by_receiver(session, actor, contact.webhook or "", to, "/contact/webhook")
        way = Contact(opened.channel.value, opened.receiver, opened.to, contact.language)
    elif contact.to is not None or contact.webhook is not None:
        raise field_fault("/contact/channel", "channel", "nobody is told by `none`")
    return Application(applicant.name, applicant.id_type, applicant.id_code, way, body.fields)


def said_of(words: str | None, items: list[ItemBody] | None = None) -> Said:
    return Said(words or "", tuple(Item(one.code, one.why) for one in items or ()))
