"""Licence types by code and version, for whoever only reads."""

from __future__ import annotations

from functools import lru_cache

from sqlalchemy import Engine, select

from registry.licences.outage import database_errors
from registry.licences.tables import TypeVersion
from registry.licences.types import DRAFT, parse_licence_type
from signing.licence_type import LicenceType


class PublishedTypes:
    """Licence types as the registry published them. A version never changes, so each is read once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._load = lru_cache(maxsize=1000)(self._read)

    def __call__(self, code: str, version: int) -> LicenceType | None:
        try:
            return self._load(code, version)
        except KeyError:
            return None

    def _read(self, code: str, version: int) -> LicenceType:
        query = select(TypeVersion.slug, TypeVersion.type_toml).where(
            TypeVersion.code == code, TypeVersion.version == version, TypeVersion.state != DRAFT
        )
        with database_errors(), self._engine.connect() as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise KeyError(code)  # not kept: it may be published later
        return parse_licence_type(row.slug, row.type_toml)
