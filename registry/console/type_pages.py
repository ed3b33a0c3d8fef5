"""Licence types: those that an agency may issue, all for administrators; each version as it is and looks."""

from __future__ import annotations

import re
from typing import Any

from flask import Response, request
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry import web
from registry.actor import Actor
from registry.agencies.overview import types_of_agency
from registry.console.browser import at, blueprint, console, live, page, words
from registry.console.rendering import language_of
from registry.licences.outage import database_errors
from registry.licences.previews import digest_of
from registry.licences.types import DRAFT, PUBLISHED, Version, codes_on_record, face_of, versions
from signing.licence_type import Disclosure, Field

SHOWN = 25
_TONES = {PUBLISHED: "in_force", DRAFT: "active"}


@blueprint.get("/types")
def types() -> Response:
    after = request.args.get("after", "")
    if not re.fullmatch(r"[0-9A-Z]{0,21}", after):
        raise VermilionError(Kind.MALFORMED, "after is a type's code", reason="cursor")
    with database_errors(), Session(web.ports().database.read) as session:
        codes = _codes(session, after, SHOWN + 1)
        shown = codes[:SHOWN]
        found = versions(session, shown)
    lang = language_of(request)
    rows = []
    for code in shown:
        mine = [one for one in found if one.type.code == code]
        if mine:
            rows.append(
                {"code": code, "name": mine[0].type.name[lang], "versions": [_version(one) for one in mine]}
            )
    return page("types.html", rows=rows, after=shown[-1] if len(codes) > SHOWN else None)


def _codes(session: Session, after: str, size: int) -> list[str]:
    """Of the types that whoever is signed in may look at."""
    actor = live().actor
    if isinstance(actor, Actor):
        return [code for code in types_of_agency(session, actor.agency_code) if code > after][:size]
    return list(codes_on_record(session, after, size))


def _version(one: Version) -> dict[str, Any]:
    return {
        "number": one.type.version,
        "state": words()[f"type_{one.state}"],
        "tone": _TONES.get(one.state, "suspended"),
        "at": at(one.created_at),
    }


@blueprint.get("/types/<code>/<edition_number:number>")
def type_version(code: str, number: int) -> Response:
    found = _found(code, number)
    lang, told, made = language_of(request), words(), found.type
    kinds = (made.seal_kind, *made.co_seal_kinds)
    return page(
        "type_version.html",
        code=made.code,
        name=made.name[lang],
        version=_version(found),
        rows=[
            (told["type_code"], made.code),
            (told["type_authority"], made.define_authority[lang]),
            (told["type_level"], told[f"level_{made.define_authority_level}"]),
            (told["field_legal_basis"], made.legal_basis),
            (told["type_holders"], told[f"holders_{made.holder_category}"]),
            (
                told["type_validity"],
                told["comma"].join(map(str, made.validity_range.terms)) if made.expires else told["no_end"],
            ),
            (told["type_one"], told["yes"] if made.one_per_holder else told["no"]),
            (told["type_number"], told[f"number_{made.number.given_by}"]),
            (told["type_seals"], told["comma"].join(told[f"kind_{kind}"] for kind in kinds)),
            (told["type_face"], found.face_sha256.hex()),
        ],
        fields=[_field(one) for one in made.fields],
    )


def _field(field: Field) -> dict[str, Any]:
    told = words()

    def shown(rule: Disclosure) -> str:
        masked = "" if rule is not Disclosure.MASKED else f" ({told[f'mask_{field.mask}']})"
        return told[f"disclosure_{rule.value}"] + masked

    return {
        "label": field.label[language_of(request)],
        "name": field.name,
        "kind": told[f"kind_of_{field.kind.value}"],
        "required": told["field_required"] if field.required else told["field_may_lack"],
        "longest": field.max_length if field.kind.value in {"text", "list", "phone"} else None,
        "public": shown(field.public),
        "qr": shown(field.qr),
    }


@blueprint.get("/types/<code>/<edition_number:number>/face")
def type_face(code: str, number: int) -> Response:
    """A specimen of the version, as a PNG."""
    ports, found = web.ports(), _found(code, number)

    def face() -> bytes:
        with database_errors(), Session(ports.database.read) as session:
            return face_of(session, code, number)

    data = console().previews.picture(found, face, ports.fonts, ports.settings.public_origin)
    response = Response(data, content_type="image/png")
    response.headers["Cache-Control"] = "private, no-cache"
    response.set_etag(digest_of(found).hex()[:32])
    response.make_conditional(request)
    return response


def _found(code: str, number: int) -> Version:
    """Raises VermilionError(NOT_FOUND), for what they may not look at as well."""
    if re.fullmatch(r"[0-9A-Z]{21}", code):
        with database_errors(), Session(web.ports().database.read) as session:
            actor = live().actor
            if not isinstance(actor, Actor) or code in types_of_agency(session, actor.agency_code):
                for one in versions(session, [code], number):
                    return one
    raise VermilionError(Kind.NOT_FOUND, "no such version of a licence type", reason="type_unknown")
