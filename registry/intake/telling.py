"""The applicant is told of each step that concerns them, in the step's transaction (Measures, Art. 14)."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from sqlalchemy.orm import Session

from registry.agencies.tables import Agency
from registry.intake.applications import Application, Said
from registry.intake.matters import Matter
from registry.intake.moves import Action
from registry.intake.tables import Case
from registry.notices import rules as notices
from registry.notices.addresses import is_address
from registry.notices.kinds import Channel
from registry.notices.messages import Message
from registry.notices.rules import Subject, Way
from registry.ports import Ports

SUBJECT = "case"
NO_CHANNEL = "none"
LIFE = timedelta(days=30)
PROGRESS = "/holder/applications/"
"""Where an applicant follows a case, by its number and code, which stand in no address."""
WORDS: Mapping[str, Mapping[str, str]] = tomllib.loads(
    Path(__file__).with_name("words.toml").read_text("utf-8")
)
"""What each step is called to the applicant, by action and language."""
_DAYS = {"zh": "期限：{days}个工作日。", "en": "Days: {days}.", "es": "Días: {days}."}
_GROUND = {"zh": "依据：", "en": "Ground: ", "es": "Fundamento: "}


def tell(
    session: Session,
    ports: Ports,
    case: Case,
    matter: Matter,
    application: Application,
    action: Action,
    said: Said,
    *,
    legal_basis: str,
    days: int,
    opinions: Sequence[str] = (),
) -> str | None:
    """Put the message of a step in the queue; its id, or None for an applicant who named no channel and sees
    the step on the progress page alone. The vault is ready. Raises VermilionError(UNAVAILABLE).
    """
    contact = application.contact
    if contact.channel == NO_CHANNEL or (
        contact.channel == Channel.SMTP and not (ports.settings.smtp_host and is_address(contact.to))
    ):  # of a draft nobody has checked how its applicant is reached
        return None
    language = contact.language
    agency = session.get_one(Agency, case.agency_code)
    names = {
        **{one.code: one.name for one in matter.materials},
        **{one.name: one.label for one in matter.fields},
    }
    lines = [said.words] if said.words else []
    lines += [f"- {_in(names[item.code], language)}: {item.why}" for item in said.items]
    lines += opinions
    lines += [_DAYS[language].format(days=days)] if days else []
    lines += [_GROUND[language] + legal_basis]
    values = {
        "agency": agency.name_zh if language == "zh" else agency.name_en,
        "matter": _in(matter.name, language),
        "number": case.number or "",
        "step": WORDS[action.value][language],
        "progress": f"{ports.settings.holder}{PROGRESS}?lang={language}",
        "reason": "\n".join(lines),
    }
    about = Subject(SUBJECT, case.id, case.agency_code)
    way = Way(Channel(contact.channel), contact.receiver, contact.to)
    message = Message(contact.to, language, values)
    return notices.write(session, ports, SUBJECT, about, way, message, ports.clock() + LIFE).id


def _in(names: Mapping[str, str], language: str) -> str:
    return names.get(language) or names["en"]
