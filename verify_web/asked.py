"""What a program asks, read strictly: one check or many, now or as of a past moment."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from flask import Request

from keys.canonical import strict_json
from keys.errors import Fault, Kind, VermilionError
from keys.signed_answer import is_reference
from signing.credential import parse_id
from signing.live import OLDEST, SETTLING, Past
from signing.signed_answer import Presented, presented_by_scan
from verify_web import forms
from verify_web.intake import MAX_FILE, MAX_JSON, Typed, invalid, read_body, read_file, read_typed

MAX_BULK = 5 * 1024 * 1024
"""Of a bulk request: a thousand of the longest codes, and more."""
_DEPTH = 4
_OPTIONS = frozenset(forms.Options.model_fields)
_FORMS = {frozenset(form.model_fields): form for form in forms.ITEMS}
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:Z|[+-][0-9]{2}:[0-9]{2})")


@dataclass(frozen=True, slots=True)
class Scanned:
    text: str

    def presented(self) -> Presented:
        return presented_by_scan(self.text)


@dataclass(frozen=True, slots=True)
class Named:
    """By the id of its link alone, which is of the right form."""

    link_id: str

    def presented(self) -> Presented:
        return Presented(link_id=sha256(parse_id(self.link_id)).digest())


@dataclass(frozen=True, slots=True)
class Details:
    typed: Typed

    def presented(self) -> Presented:
        return Presented(identifier=self.typed.identifier)


@dataclass(frozen=True, slots=True)
class Digest:
    sha256: bytes

    def presented(self) -> Presented:
        return Presented(document=self.sha256)


@dataclass(frozen=True, slots=True)
class Uploaded:
    data: bytes

    def presented(self) -> Presented:
        return Presented(document=sha256(self.data).digest())


Item = Scanned | Named | Details | Digest
Wrong = tuple[Fault, ...]
"""Why an item of a bulk request cannot be checked."""


@dataclass(frozen=True, slots=True)
class Options:
    past: Past | None = None
    reference: str | None = None


def read_one(request: Request, zone: ZoneInfo, now: datetime) -> tuple[Item | Uploaded, Options]:
    """The body of POST /api/v1/verifications. Raises VermilionError for anything it cannot be."""
    kind = request.mimetype
    if kind == "application/json":
        body = strict_json(read_body(request, MAX_JSON), max_bytes=MAX_JSON, max_depth=_DEPTH)
        if not isinstance(body, dict):
            raise invalid(Fault("", "object", "must be an object"))
        options = {name: body.pop(name) for name in _OPTIONS & set(body)}
        item = read_item(body)
        return item, read_options(forms.read(forms.Options, options), zone, now)
    named: dict[str, Any] = {}
    if kind == "application/pdf":
        data = read_body(request, MAX_FILE)
    elif kind == "multipart/form-data":
        data = read_file(request)
        if "reference" in request.form:
            named = {"reference": "\n".join(request.form.getlist("reference"))}  # one, or it is refused
    else:
        raise VermilionError(
            Kind.UNSUPPORTED_MEDIA, "send application/json, application/pdf or multipart/form-data"
        )
    if not data:
        raise invalid(Fault("/file", "empty", "there is no file in the request"))
    return Uploaded(data), read_options(forms.read(forms.Options, named), zone, now)


def read_many(request: Request, zone: ZoneInfo, now: datetime) -> tuple[list[Item | Wrong], Options]:
    """The body of POST /api/v1/verifications/bulk: items, or what is wrong with them, in order.

    Raises VermilionError for what is no bulk request.
    """
    if request.mimetype != "application/json":
        raise VermilionError(Kind.UNSUPPORTED_MEDIA, "send application/json")
    body = strict_json(read_body(request, MAX_BULK), max_bytes=MAX_BULK, max_depth=_DEPTH)
    envelope = forms.read(forms.Envelope, body)
    items: list[Item | Wrong] = []
    for number, value in enumerate(envelope.items):
        try:
            if not isinstance(value, dict):
                raise invalid(Fault("", "object", "must be an object"))
            items.append(read_item(value))
        except VermilionError as error:
            at = f"/items/{number}"
            items.append(tuple(Fault(at + one.field, one.reason, one.detail) for one in error.faults))
    return items, read_options(envelope, zone, now)


def read_item(body: dict[str, Any]) -> Item:
    """Raises VermilionError(INVALID) with the faults."""
    form = _FORMS.get(frozenset(body))
    if form is None:
        detail = "must have link, qr, id, sha256, or identifier and lookup_code, and nothing else"
        raise invalid(Fault("", "members", detail))
    read = forms.read(form, body)
    if isinstance(read, forms.ByLink):
        return Scanned(read.link)
    if isinstance(read, forms.ByQr):
        return Scanned(read.qr)
    if isinstance(read, forms.ById):
        return Named(read.id)
    if isinstance(read, forms.ByDigest):
        return Digest(bytes.fromhex(read.sha256))
    assert isinstance(read, forms.ByDetails)
    return Details(read_typed(read.identifier, read.lookup_code))


def read_options(options: forms.Options, zone: ZoneInfo, now: datetime) -> Options:
    """Raises VermilionError(INVALID)."""
    if options.reference is not None and not is_reference(options.reference):
        raise invalid(Fault("/reference", "plain_text", "must be one printable line"))
    if (options.as_of is None) != (options.clock is None):
        raise invalid(
            Fault("/clock", "clock", "as_of needs a clock, recorded or effective, and a clock as_of")
        )
    if options.as_of is None or options.clock is None:
        return Options(None, options.reference)
    at = _moment(options.as_of, options.clock, zone)
    if at is None:
        raise invalid(Fault("/as_of", "instant", "an instant such as 2026-05-03T04:00:00Z, or a day"))
    if not now - OLDEST <= at <= now:
        raise invalid(Fault("/as_of", "not_past", "the moment is not past, or too long ago"))
    if options.clock == "recorded" and at > now - SETTLING:
        raise invalid(Fault("/as_of", "not_settled", "what was recorded then is certain after a minute"))
    return Options(Past(at, options.clock, at.astimezone(zone).date()), options.reference)


def _moment(text: str, clock: str, zone: ZoneInfo) -> datetime | None:
    """A whole second; of a civil day its first, since by the effective clock the day alone counts."""
    try:
        if clock == "effective" and _DAY.fullmatch(text):
            day = date.fromisoformat(text)
            return datetime(day.year, day.month, day.day, tzinfo=zone)
        return datetime.fromisoformat(text).astimezone(zone) if _INSTANT.fullmatch(text) else None
    except (ValueError, OverflowError):
        return None
