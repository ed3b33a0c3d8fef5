"""Is the request right? Everything that can be known before anything is reserved (design, section 4.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from keys.errors import Fault, Kind, VermilionError, field_fault
from registry.actor import Actor
from registry.agencies.tables import Agency, Client, ClientType
from registry.driver_select import Prepared
from registry.licences.types import LoadedType, current_type
from signing.draw import printed
from signing.fonts import Fonts
from signing.licence_type import FieldKind, LicenceType, Role
from signing.record import FieldValue, parse_submission

if TYPE_CHECKING:
    from registry.licences.copying import Copied, Copying
    from registry.licences.succession import Previous, Succeeding


@dataclass(frozen=True, slots=True)
class IssueRequest:
    """What an agency asks for. `fields` and `number` are JSON values, checked against the licence type."""

    type_code: str
    seal_code: str
    fields: Mapping[str, object]
    matter_code: str
    case_number: str
    operator: str  # the agency's own account name; never trusted
    number: object = None  # None where `fields` has it, or where the registry gives it
    valid_from: date | None = None  # None: the day that `fields` has, else the issue date
    co_seals: tuple[str, ...] = ()  # seal codes of the further places of a joint licence, in order
    succeeding: Succeeding | None = None  # asked for a next edition: what is to be done to which
    previous: Previous | None = None  # as that one was found
    copying: Copying | None = None  # asked for an annotated copy: of which edition, and for what


@dataclass(frozen=True, slots=True)
class Examined:
    """A request that fits its type, asked by a client that may issue it."""

    loaded: LoadedType
    fields: Mapping[str, FieldValue]  # canonical, the issuer's name included
    number: str | None  # None: the registry gives it
    photo: bytes | None
    issue_date: date
    valid_from: date
    valid_to: date | None
    previous: Previous | None = None
    copied: Copied | None = None  # an annotated copy, and no edition


def civil_day(moment: datetime, zone: ZoneInfo) -> date:
    """The registry's civil day."""
    return moment.astimezone(zone).date()


def examine(
    session: Session, actor: Actor, requests: Sequence[IssueRequest], day: date, fonts: Fonts
) -> list[Examined | VermilionError]:
    """Check requests: what each asks for, or why it may not, in order. What several share is read once.

    The failures: FORBIDDEN (`type_not_entitled`) before the values are looked at; INVALID with every fault of
    the values, `type_unknown`, or `glyph_missing`.
    """
    types = {code: _issuable(session, actor, code) for code in {one.type_code for one in requests}}
    issuer_name: str = _NAME.value(session, code=actor.agency_code)
    outcomes: list[Examined | VermilionError] = []
    for request in requests:
        loaded = types[request.type_code]
        if isinstance(loaded, VermilionError):
            outcomes.append(loaded)
            continue
        try:
            outcomes.append(_examined(loaded, request, issuer_name, day, fonts))
        except VermilionError as error:
            outcomes.append(error)
    return outcomes


def _issuable(session: Session, actor: Actor, type_code: str) -> LoadedType | VermilionError:
    if not may_issue(session, actor.client_id, actor.agency_code, type_code):
        return not_entitled()
    loaded = current_type(session, type_code)
    return loaded or field_fault("/type", "type_unknown", "no such licence type is published")


def _examined(
    loaded: LoadedType, request: IssueRequest, issuer_name: str, day: date, fonts: Fonts
) -> Examined:
    licence_type, previous = loaded.type, request.previous
    check_seals(loaded, request)
    submission = parse_submission(
        licence_type,
        request.fields,
        day,
        number=request.number,
        kept_photo=None if previous is None else previous.photo,
    )
    values = dict(submission.fields)
    values[_required(licence_type, Role.ISSUER_NAME)] = issuer_name
    issue_date = date.fromisoformat(str(values[_required(licence_type, Role.ISSUE_DATE)]))
    until = licence_type.field(Role.VALID_TO)
    valid_to = date.fromisoformat(str(values[until.name])) if until and until.name in values else None
    start = licence_type.field(Role.VALID_FROM)
    printed_from = date.fromisoformat(str(values[start.name])) if start else None
    if printed_from and request.valid_from not in {None, printed_from}:
        raise field_fault("/valid_from", "given_twice", "it is another day than the one to be printed")
    first_day = issue_date if previous is None else previous.ground.effective_from
    valid_from = printed_from or request.valid_from or first_day
    if previous is None:
        _check_period(issue_date, valid_from, valid_to)
    else:
        previous.check_period(issue_date, valid_from, valid_to)
        previous.check_holder(licence_type, values)
    _check_range(licence_type, request, valid_from, valid_to)
    _check_glyphs(licence_type, values, fonts)
    number = values.get(_required(licence_type, Role.NUMBER)) if previous is None else previous.number
    return Examined(
        loaded=loaded,
        fields=values,
        number=None if number is None else str(number),
        photo=submission.photo,
        issue_date=issue_date,
        valid_from=valid_from,
        valid_to=valid_to,
        previous=previous,
    )


def check_seals(loaded: LoadedType, request: IssueRequest) -> None:
    """A request names a seal for each place of the face, and none twice. Raises VermilionError(INVALID)."""
    if len(request.co_seals) != loaded.face.seal_count - 1:
        count = loaded.face.seal_count
        detail = f"this type is sealed with {count} seals: one in `seal`, {count - 1} in `co_seals`"
        raise field_fault("/co_seals", "seal_count", detail)
    if len({request.seal_code, *request.co_seals}) != loaded.face.seal_count:
        raise field_fault("/co_seals", "seal_twice", "a seal stands on a licence once")


def may_issue(session: Session, client_id: str, agency_code: str, type_code: str) -> bool:
    """Whether the client, active and of this agency, is entitled to the type."""
    asked = {"client_id": client_id, "agency_code": agency_code, "type_code": type_code}
    return _MAY_ISSUE.first(session, **asked) is not None


_MAY_ISSUE = Prepared(
    select(Client.id)
    .join(ClientType, ClientType.client_id == Client.id)
    .where(
        Client.id == bindparam("client_id"),
        Client.active,
        Client.agency_code == bindparam("agency_code"),
        ClientType.type_code == bindparam("type_code"),
    )
)
_NAME = Prepared(select(Agency.name_zh).where(Agency.code == bindparam("code")))


def not_entitled() -> VermilionError:
    """The answer to a request for a type that its client may not issue."""
    detail = "the client may not issue this licence type"
    return field_fault("/type", "type_not_entitled", detail, Kind.FORBIDDEN)


def number_field(licence_type: LicenceType) -> str:
    """The name of the field that holds the licence's own number."""
    return _required(licence_type, Role.NUMBER)


def _required(licence_type: LicenceType, role: Role) -> str:
    field = licence_type.field(role)
    assert field is not None  # the loader refuses types without it
    return field.name


def _check_period(issue_date: date, valid_from: date, valid_to: date | None) -> None:
    faults = []
    if valid_from < issue_date:
        faults.append(Fault("/valid_from", "before_issue", "it lies before the issue date"))
    if valid_to is not None and valid_to < valid_from:
        faults.append(Fault("/valid_from", "after_expiry", "it lies after the last day of validity"))
    if faults:
        raise VermilionError(
            Kind.INVALID, "the period of validity is not right", reason="invalid_fields", faults=tuple(faults)
        )


def _check_range(
    licence_type: LicenceType, request: IssueRequest, valid_from: date, valid_to: date | None
) -> None:
    """Nothing is granted for longer than the type's catalogue record says. Whether there is to be a last day
    at all, the field says: it may be left out where the record has 长期 (`signing.licence_type`).
    """
    until, previous = licence_type.field(Role.VALID_TO), request.previous
    if until is None or valid_to is None:
        return
    begin = valid_from if previous is None else previous.range_begin(valid_from, valid_to)
    if begin is not None and valid_to > (last := licence_type.validity_range.last_day(begin)):
        terms = ", ".join(map(str, licence_type.validity_range.terms))
        detail = f"a licence of this type is valid for {terms}: from {begin} until {last} at most"
        raise VermilionError(
            Kind.INVALID,
            "the period of validity is not right",
            reason="invalid_fields",
            faults=(Fault(f"/fields/{until.name}", "validity_range", detail),),
        )


def _check_glyphs(licence_type: LicenceType, values: Mapping[str, FieldValue], fonts: Fonts) -> None:
    """A character that no font draws is the request's fault, found before a serial is spent on it."""
    texts = {
        field.name: printed(field.kind, value)
        for field in licence_type.fields
        if field.kind is not FieldKind.PHOTO and (value := values.get(field.name)) is not None
    }
    if fonts.knows("".join(texts.values())):
        return
    faults = []
    for name, text in texts.items():
        try:
            fonts.require(text)
        except VermilionError as error:
            if error.kind is not Kind.INVALID:
                raise
            faults.append(Fault(f"/fields/{name}", error.reason, error.detail))
    if faults:
        raise VermilionError(
            Kind.INVALID, "a character cannot be printed", reason="glyph_missing", faults=tuple(faults)
        )
