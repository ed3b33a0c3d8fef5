"""An agency with everybody and everything that acts for it: what its administrator looks ids up in."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.profiles import ProfileName
from registry.agencies.rules import known_agency
from registry.agencies.tables import Client, ClientType, Person
from registry.seals.serving import signed_certificates
from registry.seals.tables import Key


def overview(session: Session, code: str) -> dict[str, Any]:
    """Members of a JSON object. Raises VermilionError(NOT_FOUND)."""
    agency = known_agency(session, code)
    types: dict[str, list[str]] = {}
    for client_id, type_code in session.execute(
        select(ClientType.client_id, ClientType.type_code)
        .join(Client, Client.id == ClientType.client_id)
        .where(Client.agency_code == code)
        .order_by(ClientType.type_code)
    ):
        types.setdefault(client_id, []).append(type_code)
    clients = session.scalars(select(Client).where(Client.agency_code == code).order_by(Client.created_at))
    people = session.scalars(select(Person).where(Person.agency_code == code).order_by(Person.created_at))
    qr_keys = session.execute(signed_certificates(ProfileName.QR).where(Key.agency_code == code))
    return {
        "agency": code,
        "name": {"zh": agency.name_zh, "en": agency.name_en},
        "division": agency.division,
        "seal_authority": agency.seal_authority,
        "clients": [
            {
                "id": row.id,
                "name": row.name,
                "active": row.active,
                "scopes": row.scopes,
                "types": types.get(row.id, []),
            }
            for row in clients
        ],
        "people": [
            {"id": row.id, "name": row.name, "active": row.active, "roles": row.roles} for row in people
        ],
        "qr_keys": [
            {"id": key.id, "state": key.state, "not_after": certificate.not_after.isoformat()}
            for key, certificate in qr_keys
        ],
    }
