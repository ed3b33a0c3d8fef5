"""What every blueprint of the agency API uses: bounded strict input, the actor, and the one way out.

A view parses, calls one rule, serialises. Whatever it raises becomes a problem document here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import partial
from hashlib import sha256
from typing import Annotated, Any, BinaryIO, TypeVar, cast

import structlog
from flask import Flask, Request, Response, current_app, g, request
from flask.globals import app_ctx, request_ctx
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError, to_json
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.routing import BaseConverter

from keys.canonical import strict_json
from keys.errors import Fault, Kind, VermilionError
from registry.actor import Actor, Administrator
from registry.body_slots import BATCH_SLOTS, PUBLIC_UPLOAD_SLOTS, UPLOAD_SLOTS, BodySlots
from registry.buckets import Buckets, Counted
from registry.defects import Defects
from registry.framework import Answer
from registry.licences.outage import database_code, database_out, is_outage
from registry.log.refusals import OncePerMinute, Refusal, record_refusal
from registry.networks import network_of
from registry.ports import Ports
from registry.problems import METHOD_NOT_ALLOWED, PROBLEM_JSON, TABLE, defect, plain, problem

MAX_BODY_BYTES = 64 * 1024
MAX_DEPTH = 12
MAX_FAULTS = 20
MAX_POINTER = 120
EXTENSION = "vermilion"
_IDEMPOTENCY_KEY = re.compile(r"[\x21-\x7e]{1,255}")
AUDIT = "audit"  # the blueprint that auditors read, and that nobody else does
CONSOLE = "console"  # the blueprint of pages, where a session stands for a token
HOLDER = "holder"  # the blueprint of pages for holders, who are asked for no token
APPLICANT = "applicant"  # that of the pages for applicants, as well
FORM = "application/x-www-form-urlencoded"

_log = structlog.get_logger("registry.api")

M = TypeVar("M", bound=BaseModel)
E = TypeVar("E", bound=StrEnum)
Found = TypeVar("Found")


class Body(BaseModel):
    """Base of all request bodies: no coercion, no unknown members."""

    model_config = ConfigDict(
        ser_json_bytes="base64", strict=True, extra="forbid", frozen=True, regex_engine="python-re"
    )


def civil_day(text: str) -> date | None:
    """A civil day that is written YYYY-MM-DD; None for anything else."""
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _iso_day(value: object) -> object:
    day = civil_day(value) if isinstance(value, str) else None
    if day is None:
        raise PydanticCustomError("date", "a date is written YYYY-MM-DD")
    return day


def _instant(value: object) -> object:
    if isinstance(value, str) and re.fullmatch(
        r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", value
    ):
        try:
            return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        except ValueError:
            pass
    raise PydanticCustomError("instant", "an instant is written YYYY-MM-DDThh:mm:ssZ")


def _plain(value: str) -> str:
    if not value.isprintable() or value != value.strip():
        raise PydanticCustomError("plain_text", "no control characters, no white space at the ends")
    return value


Day = Annotated[date, BeforeValidator(_iso_day)]
"""A civil day, ISO 8601."""

Instant = Annotated[datetime, BeforeValidator(_instant)]
"""An instant in UTC, whole seconds, RFC 3339."""

Line = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_plain)]
"""One line of printable text."""

Basis = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain)]
ReasonCode = Annotated[str, Field(min_length=1, max_length=40, pattern=r"^[a-z0-9_.-]+\Z")]
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{32}\Z")]
Hex64 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}\Z")]
TypeCode = Annotated[str, Field(pattern=r"^[0-9A-Z]{21}\Z")]
"""The shape alone, as of all patterns here; `$` would overlook a line feed at the end."""


@dataclass(frozen=True)
class AppState:
    """What a running application carries beside Flask's own."""

    ports: Ports
    defects: Defects
    authenticate: Callable[[Request], Actor | Administrator]
    public: frozenset[str]  # endpoints answered without a token
    strangers: BodySlots  # for bodies of those who have not said who they are
    refusals: OncePerMinute = field(default_factory=OncePerMinute)
    batches: BodySlots = field(default_factory=lambda: BodySlots(BATCH_SLOTS))  # for long bodies, each way
    uploads: BodySlots = field(default_factory=lambda: BodySlots(UPLOAD_SLOTS))  # for agencies' files
    public_uploads: BodySlots = field(default_factory=lambda: BodySlots(PUBLIC_UPLOAD_SLOTS))
    limits: Buckets | None = None  # of each client, and of each auditor
    per_minute: int = 0  # what the limits come to, over all processes


class Hex32Converter(BaseConverter):
    regex = r"[0-9a-f]{32}"


class SealCodeConverter(BaseConverter):
    regex = r"[0-9]{14}"


class EditionNumberConverter(BaseConverter):
    regex = r"[1-9][0-9]{0,3}"

    def to_python(self, value: str) -> int:
        return int(value)


def state() -> AppState:
    return cast(AppState, current_app.extensions[EXTENSION])


def ports() -> Ports:
    return state().ports


def actor() -> Actor:
    """The client, or the person through it, who calls. Set before any view that is not public."""
    return cast(Actor, g.actor)


def auditor() -> Administrator:
    """The auditor who calls. Set before any view of the audit."""
    return cast(Administrator, g.actor)


def convert(app: Flask) -> None:
    """Let the application's addresses have the variables of this API."""
    app.url_map.converters["hex32"] = Hex32Converter
    app.url_map.converters["seal_code"] = SealCodeConverter
    app.url_map.converters["edition_number"] = EditionNumberConverter


def install(app: Flask, carried: AppState) -> None:
    """Hang state, authentication and error handlers on the application."""
    app.extensions[EXTENSION] = carried
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY_BYTES
    app.config["MAX_FORM_MEMORY_SIZE"] = MAX_BODY_BYTES
    app.config["MAX_FORM_PARTS"] = 20
    app.before_request(partial(_require_actor, carried))
    app.after_request(partial(_tell_limit, carried))
    app.register_error_handler(VermilionError, _expected)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(SQLAlchemyError, _database_failed)


def _require_actor(carried: AppState) -> None:
    asked, held = request_ctx.request, app_ctx.g
    endpoint, blueprint = asked.endpoint, asked.blueprint
    if endpoint is None or endpoint in carried.public or blueprint == CONSOLE:
        return
    held.actor = caller = carried.authenticate(asked)
    if carried.limits is not None:
        held.counted = counted = carried.limits.enter(caller.client_id or f"person {caller.person_id}")
        _require_room(counted)
    if isinstance(caller, Administrator) != (blueprint == AUDIT):
        detail = "an auditor reads the audit, and nobody else does"
        raise VermilionError(Kind.FORBIDDEN, detail, reason="duty")


def _require_room(counted: Counted) -> None:
    """Raises VermilionError(TOO_MANY) for a request that is one too many of the client's."""
    if counted.wait:
        raise VermilionError(
            Kind.TOO_MANY, "too many requests of one client", reason="rate", retry_after=counted.wait
        )


def _tell_limit(carried: AppState, response: Response) -> Response:
    """draft-ietf-httpapi-ratelimit-headers: the policy, and what is left of it for certain."""
    counted: Counted | None = app_ctx.g.get("counted")
    if counted is not None:
        response.headers.add("RateLimit-Policy", f'"client";q={carried.per_minute};w=60')
        response.headers.add("RateLimit", f'"client";r={counted.left};t={counted.drained_in}')
    return response


# --- input ---------------------------------------------------------------------------------------------


def read_body(*, media_type: str = "application/json", max_bytes: int = MAX_BODY_BYTES) -> bytes:
    """The body. Raises VermilionError(UNSUPPORTED_MEDIA, TOO_LARGE, MALFORMED)."""
    if request.mimetype != media_type:
        raise VermilionError(Kind.UNSUPPORTED_MEDIA, f"send {media_type}")
    _no_encoding()
    request.max_content_length = max_bytes
    return request.get_data(cache=False)  # a longer one raises werkzeug's 413


def _no_encoding() -> None:
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise VermilionError(Kind.UNSUPPORTED_MEDIA, "send no content encoding")


def body_stream(media_types: Collection[str], *, max_bytes: int) -> tuple[BinaryIO, int, str]:
    """A body that is read as it comes: stream, length and media type. Its end must be asked of the length,
    because a server shows the end of a connection as the end of the body.

    Raises VermilionError(UNSUPPORTED_MEDIA, TOO_LARGE; MALFORMED without a Content-Length).
    """
    if request.mimetype not in media_types:
        raise VermilionError(Kind.UNSUPPORTED_MEDIA, f"send {' or '.join(sorted(media_types))}")
    if request.mimetype_params.get("charset", "utf-8").lower() != "utf-8":
        raise VermilionError(Kind.UNSUPPORTED_MEDIA, "send UTF-8")
    _no_encoding()
    if request.content_length is None:
        raise VermilionError(Kind.MALFORMED, "send a Content-Length", reason="no_length")
    if request.content_length > max_bytes:
        raise VermilionError(Kind.TOO_LARGE, f"more than {max_bytes} bytes")
    request.max_content_length = max_bytes
    return cast(BinaryIO, request.stream), request.content_length, request.mimetype


def read_file(media_types: Collection[str], *, max_bytes: int) -> tuple[bytes, str]:
    """A file that is the whole body, and its media type; to be read and worked on within one of
    `state().uploads`, for it may be large. Raises VermilionError: as `body_stream`; MALFORMED where it ended
    too early.
    """
    stream, length, media = body_stream(media_types, max_bytes=max_bytes)
    data = stream.read(length)
    if len(data) != length:
        raise VermilionError(Kind.MALFORMED, "the body ended too early", reason="cut")
    return data, media


def read_json(*, max_bytes: int = MAX_BODY_BYTES) -> Any:
    """Strict JSON. Raises VermilionError(UNSUPPORTED_MEDIA, TOO_LARGE, MALFORMED)."""
    data = read_body(max_bytes=max_bytes)
    return strict_json(data, max_bytes=max_bytes, max_depth=MAX_DEPTH)


def parse(model: type[M], value: object) -> M:
    """Raises VermilionError(INVALID) with one fault for each thing wrong."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        faults = tuple(
            Fault(_pointer(e["loc"]), e["type"], e["msg"])
            for e in error.errors(include_url=False, include_context=False, include_input=False)[:MAX_FAULTS]
        )
        raise VermilionError(
            Kind.INVALID, "the request does not fit its form", reason="invalid_fields", faults=faults
        ) from None


def parse_body(model: type[M], *, max_bytes: int = MAX_BODY_BYTES, arguments: Collection[str] = ()) -> M:
    """The request's JSON body as `model`; query arguments but these are refused as well."""
    query(arguments)
    return parse(model, read_json(max_bytes=max_bytes))


def query(allowed: Collection[str] = ()) -> Mapping[str, str]:
    """The query's arguments. Raises VermilionError(INVALID) for an unknown or a repeated one."""
    if not request.query_string:
        return {}
    faults = tuple(
        Fault(f"?{name[:40]}", "unknown" if name not in allowed else "repeated", "not accepted here")
        for name, values in request.args.lists()
        if name not in allowed or len(values) != 1
    )
    if faults:
        raise VermilionError(
            Kind.INVALID, "the query has arguments that are not accepted", reason="query", faults=faults
        )
    return dict(request.args.items())


def flag(name: str, arguments: Mapping[str, str]) -> bool:
    """A query switch: `1` or absent. Raises VermilionError(INVALID)."""
    value = arguments.get(name, "0")
    if value not in {"0", "1"}:
        fault = Fault(f"?{name}", "flag", "1 or 0")
        raise VermilionError(Kind.INVALID, f"{name} is 1 or 0", reason="query", faults=(fault,))
    return value == "1"


def chosen(name: str, arguments: Mapping[str, str], among: type[E], what: str) -> E | None:
    """A query argument that is one of an enumeration's words; None where it is missing. `what` says what else
    it would name. Raises VermilionError(INVALID).
    """
    try:
        return among(arguments[name]) if name in arguments else None
    except ValueError:
        fault = Fault(f"?{name}", "unknown", what)
        raise VermilionError(Kind.INVALID, fault.detail, reason="query", faults=(fault,)) from None


def hex_id(name: str, text: str) -> str:
    """A query argument that is an id. Raises VermilionError(INVALID)."""
    if not re.fullmatch(r"[0-9a-f]{32}", text):
        fault = Fault(name, "id", "this is no id")
        raise VermilionError(Kind.INVALID, fault.detail, reason="query", faults=(fault,))
    return text


def read_form(*, max_bytes: int) -> dict[str, str]:
    """The fields of a form that a page sends, each once; read within the slots for strangers.

    Raises VermilionError(UNSUPPORTED_MEDIA, TOO_LARGE, MALFORMED, UNAVAILABLE).
    """
    if request.mimetype != FORM:
        raise VermilionError(Kind.UNSUPPORTED_MEDIA, "send a form")
    request.max_content_length = request.max_form_memory_size = max_bytes
    with state().strangers.one():
        lists = list(request.form.lists())
    if any(len(values) != 1 for _, values in lists):
        raise VermilionError(Kind.MALFORMED, "a field is repeated")
    return {name: values[0] for name, values in lists}


def network() -> str:
    """From which network the request comes; behind proxies of ours, as the outermost of them says."""
    proxies = ports().settings.trusted_proxies
    hops = [part.strip() for part in request.headers.get("X-Forwarded-For", "").split(",") if part.strip()]
    address = hops[-proxies] if proxies and len(hops) >= proxies else request.remote_addr
    return network_of(address)


def idempotency_key(*, required: bool) -> str:
    """The header of that name; empty where it may be missing and is. Raises VermilionError(MALFORMED)."""
    key = request.headers.get("Idempotency-Key")
    if key is None and not required:
        return ""
    if key is None or not _IDEMPOTENCY_KEY.fullmatch(key):
        fault = Fault("Idempotency-Key", "missing" if key is None else "malformed", "1 to 255 visible ASCII")
        raise VermilionError(
            Kind.MALFORMED, "send an Idempotency-Key", reason="idempotency_key", faults=(fault,)
        )
    return key


def no_body() -> None:
    """For requests that carry nothing. Raises VermilionError(MALFORMED)."""
    query()
    if request.get_data(cache=False):
        raise VermilionError(Kind.MALFORMED, "no body is accepted here")


def found(value: Found | None, what: str) -> Found:
    """The value. Raises VermilionError(NOT_FOUND) for None."""
    if value is None:
        raise VermilionError(Kind.NOT_FOUND, f"no such {what}")
    return value


def _pointer(location: tuple[int | str, ...]) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    text = "".join(f"/{part}" for part in parts)
    return "".join(c if c.isprintable() else "?" for c in text[:MAX_POINTER])


# --- output --------------------------------------------------------------------------------------------


def answer(body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return _json_answer(to_json(body), status, headers)


def _json_answer(text: bytes, status: int, headers: Mapping[str, str] | None) -> Response:
    return Answer(text, status, {"Content-Type": "application/json", **(headers or {})})


def tagged(response: Response, tag: str) -> Response:
    """The answer with a strong ETag (RFC 9110, 8.8.3), without content for whoever has that already."""
    response.headers["ETag"] = f'"{tag}"'
    asked = request_ctx.request
    if "HTTP_IF_NONE_MATCH" in asked.environ:  # its headers find a missing one by an exception
        response.make_conditional(asked)
    return response


def shown(body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer about one thing, tagged by what it says."""
    text = to_json(body)
    return tagged(_json_answer(text, 200, headers), sha256(text).hexdigest()[:32])


def _problem_response(error: VermilionError) -> Response:
    body, status, headers = problem(error, g.get("request_id"))
    response = answer(body, status, headers)
    if error.kind is Kind.UNAUTHENTICATED:  # RFC 6750, section 3
        shown = "" if error.reason == "no_token" else ', error="invalid_token"'
        response.headers["WWW-Authenticate"] = f'Bearer realm="vermilion"{shown}'
    elif error.kind is Kind.FORBIDDEN and error.reason == "scope":
        response.headers["WWW-Authenticate"] = 'Bearer realm="vermilion", error="insufficient_scope"'
    return response


def _named(cause: BaseException | None) -> str | None:
    """What is behind an outage, as a slug or a type's name; never its message."""
    if isinstance(cause, VermilionError):
        return cause.reason
    return database_code(cause) or (type(cause).__name__ if cause else None)


def note_refusal(error: VermilionError) -> None:
    """Put on record what was refused to somebody who had proved who they are: the same once a minute, again
    it is a line in the log. That it cannot be recorded must not make another answer of it: that is logged.
    """
    actor = g.get("actor")
    if error.kind is not Kind.FORBIDDEN or actor is None or request.endpoint is None:
        return
    refusal = Refusal(actor.person_id, actor.client_id, request.endpoint, error.reason)
    if not state().refusals.is_first(refusal, ports().clock()):
        _log.warning(
            "refused_again",
            request_id=g.get("request_id"),
            endpoint=refusal.act,
            reason=refusal.reason,
            client=refusal.client_id,
            person=refusal.person_id,
        )
        return
    try:
        with ports().database.transaction() as session:
            record_refusal(session, ports(), actor, request.endpoint, error)
    except SQLAlchemyError as failed:
        state().refusals.forget(refusal)
        if not is_outage(failed):
            raise
        _log.error("refusal_not_recorded", request_id=g.get("request_id"), endpoint=request.endpoint)


def _expected(error: VermilionError) -> Response:
    note_refusal(error)
    if error.kind is Kind.UNAVAILABLE:
        _log.error(
            "unavailable",
            request_id=g.get("request_id"),
            endpoint=request.endpoint,
            reason=error.reason,
            cause=_named(error.__cause__),
        )
    return _problem_response(error)


_HTTP_KINDS = {
    400: Kind.MALFORMED,
    404: Kind.NOT_FOUND,
    413: Kind.TOO_LARGE,
    415: Kind.UNSUPPORTED_MEDIA,
    503: Kind.UNAVAILABLE,
}


def _http(error: HTTPException) -> Response:
    """What Werkzeug refuses by itself, in the one shape of errors."""
    if isinstance(error, InternalServerError):
        return _unexpected()
    status = error.code or 500
    kind = _HTTP_KINDS.get(status)
    if kind is not None:
        return _problem_response(VermilionError(kind, (error.name or "not accepted").lower()))
    if status == TABLE[METHOD_NOT_ALLOWED].status:
        body, status, headers = plain(METHOD_NOT_ALLOWED, g.get("request_id"))
    else:  # RFC 9457, 4.2.1: nothing more is meant than the status says
        body = {"type": "about:blank", "title": error.name, "status": status}
        headers = {"Content-Type": PROBLEM_JSON, "Cache-Control": "no-store"}
    kept = {name: value for name, value in error.get_headers() if name in {"Allow", "Location"}}
    return answer(body, status, {**headers, **kept})


def _unexpected() -> Response:
    """Anything else is a defect: counted where Flask signals it, answered without detail."""
    body, status, headers = defect(g.get("request_id"))
    return answer(body, status, headers)


def _database_failed(error: SQLAlchemyError) -> Response:
    if not is_outage(error):
        raise error
    expected = database_out()
    expected.__cause__ = error
    return _expected(expected)
