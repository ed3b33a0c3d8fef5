"""The token endpoint, and what a client can ask about itself."""

from __future__ import annotations

from urllib.parse import unquote_plus

from flask import Blueprint, Request, Response, request
from sqlalchemy import select
from sqlalchemy.orm import Session
from werkzeug.exceptions import RequestEntityTooLarge

from keys.errors import VermilionError
from registry import web
from registry.actor import Actor, Administrator
from registry.agencies.answers import Self, Token, TokenRefusal, TokenRequest
from registry.agencies.auth import (
    PARAMETERS,
    TokenError,
    actor_of,
    authenticate_request,
    issue_token,
)
from registry.agencies.client_certificates import HEADER, certificate_digest
from registry.agencies.tables import Agency, ClientType
from registry.described import described, told
from registry.ports import Ports

blueprint = Blueprint("agencies", __name__)

TOKEN_ENDPOINT = "agencies.token"  # noqa: S105  (an endpoint's name)
MAX_FORM_BYTES = 16 * 1024
NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}  # RFC 6749, section 5.1


def authenticate(ports: Ports, incoming: Request) -> Actor | Administrator:
    """Who sends this request. Raises VermilionError(UNAUTHENTICATED)."""
    return actor_of(
        ports.database.kept,
        incoming.headers.get("Authorization"),
        ports.clock(),
        lambda: _certificate(ports, incoming),
    )


def _certificate(ports: Ports, incoming: Request) -> bytes | None:
    """SHA-256 of the client's, as a proxy of ours passes it on. Raises VermilionError(UNAUTHENTICATED)."""
    header = incoming.headers.get(HEADER)
    return certificate_digest(header, incoming.remote_addr, ports.settings.certificate_networks)


@blueprint.post("/oauth2/token")
@described(
    "getToken", "A token for a client, or for a person through it",
    description="OAuth 2.0 (RFC 6749, 4.4; RFC 7523): a bearer token (RFC 6750) that lasts 15 minutes.",
    sends={"application/x-www-form-urlencoded": TokenRequest},
    answers={
        200: told("The token.", Token),
        400: told("The request is not one, or proves nothing.", TokenRefusal),
        401: told("The client did not prove who it is.", TokenRefusal),
        413: told("The form is too large.", TokenRefusal),
    },
)  # fmt: skip
def token() -> Response:
    ports = web.ports()
    try:
        form, certificate = _form(), _passed_on(ports)
        with Session(ports.database.read) as session:
            grant = authenticate_request(
                session, form, settings=ports.settings, now=ports.clock(), certificate=certificate
            )
        with ports.database.transaction() as session:
            issued = issue_token(session, grant, clock=ports.clock, random=ports.random)
    except TokenError as error:
        return _refused(error)
    body = {
        "access_token": issued.token,
        "token_type": "Bearer",
        "expires_in": int(issued.life.total_seconds()),
        "scope": " ".join(issued.scopes),
    }
    return web.answer(body, 200, NO_STORE)


@blueprint.get("/api/v1/agencies/self")
@described(
    "whoAmI", "Whom the token stands for",
    answers={200: told("Agency, client and person.", Self)}, description="",
)  # fmt: skip
def self() -> Response:
    web.query()
    actor = web.actor()
    with Session(web.ports().database.read) as session:
        agency = session.get_one(Agency, actor.agency_code)
        types = session.scalars(
            select(ClientType.type_code)
            .where(ClientType.client_id == actor.client_id)
            .order_by(ClientType.type_code)
        ).all()
    return web.answer(
        {
            "agency": agency.code,
            "name": {"zh": agency.name_zh, "en": agency.name_en},
            "division": agency.division,
            "seal_authority": agency.seal_authority,
            "client": actor.client_id,
            "scopes": sorted(actor.scopes),
            "types": list(types),
            "person": actor.person_id,
            "roles": sorted(actor.roles),
        }
    )


def _form() -> dict[str, str]:
    """The form's parameters, each once (RFC 6749, section 3.2).

    Raises TokenError, and VermilionError(UNAVAILABLE) where too many are being received.
    """
    if request.mimetype != "application/x-www-form-urlencoded" or request.args:
        raise TokenError("invalid_request", "send a form, and nothing in the query")
    basic = _basic()
    request.max_content_length = MAX_FORM_BYTES
    request.max_form_memory_size = MAX_FORM_BYTES
    form: dict[str, str] = {}
    try:
        with web.state().strangers.one():
            lists = list(request.form.lists())
    except RequestEntityTooLarge:
        raise TokenError("invalid_request", "the form is too large", 413) from None
    for name, values in lists:
        if name not in PARAMETERS:
            continue  # RFC 6749, section 3.2: unknown parameters are ignored
        if len(values) != 1:
            raise TokenError("invalid_request", f"{name} is repeated")
        if values[0]:  # without a value: as if omitted
            form[name] = values[0]
    if basic is None:
        return form
    if "client_secret" in form or "client_assertion" in form:
        raise TokenError("invalid_request", "one way of client authentication")
    if form.get("client_id", basic[0]) != basic[0]:
        raise TokenError("invalid_client", "client_id and header name different clients", 401)
    return form | {"client_id": basic[0], "client_secret": basic[1]}


def _passed_on(ports: Ports) -> bytes | None:
    """Raises TokenError."""
    try:
        return _certificate(ports, request)
    except VermilionError as error:
        raise TokenError("invalid_request", error.detail) from None


def _basic() -> tuple[str, str] | None:
    """Id and secret of RFC 6749, 2.3.1, where a client sends them so. Raises TokenError."""
    if "Authorization" not in request.headers:
        return None
    sent = request.authorization
    if sent is None or sent.type != "basic" or not sent.username or not sent.password:
        raise TokenError("invalid_client", "authenticate the client by assertion, or by HTTP Basic", 401)
    return unquote_plus(sent.username), unquote_plus(sent.password)


def _refused(error: TokenError) -> Response:
    headers = dict(NO_STORE)
    if error.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="vermilion"'
    return web.answer({"error": error.error, "error_description": error.description}, error.status, headers)
