"""Licence types on record: the files they are made of, versioned; what was published never changes."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from typing import Any

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.driver_select import Prepared
from registry.licences.tables import TypeVersion
from signing.face import Face
from signing.face_form import read_face
from signing.licence_type import LicenceType, read_licence_type

FILES = ("type.toml", "face.pdf")
DRAFT, PUBLISHED, WITHDRAWN = "draft", "published", "withdrawn"


@dataclass(frozen=True, slots=True)
class LoadedType:
    """A type version and its face, parsed."""

    type: LicenceType
    face: Face


_COLUMNS = select(
    TypeVersion.code,
    TypeVersion.version,
    TypeVersion.slug,
    TypeVersion.type_toml,
    TypeVersion.face_sha256,
    TypeVersion.state,
)
_NEWEST = Prepared(
    _COLUMNS.where(TypeVersion.code == bindparam("code"), TypeVersion.state != DRAFT)
    .order_by(TypeVersion.version.desc())
    .limit(1)
)
_THIS = (TypeVersion.code == bindparam("code"), TypeVersion.version == bindparam("version"))
_VERSION = Prepared(_COLUMNS.where(*_THIS))
_VERSION_LOCKED = Prepared(_COLUMNS.where(*_THIS).with_for_update(read=True))
_FACE = select(TypeVersion.face_pdf).where(*_THIS)


@dataclass(frozen=True, slots=True)
class Version:
    """A version on record, without its face."""

    type: LicenceType
    state: str
    created_at: datetime
    type_toml: str
    face_sha256: bytes


_loaded: dict[tuple[str, str, bytes], LoadedType] = {}
_lock = threading.Lock()


def current_type(session: Session, code: str) -> LoadedType | None:
    """The newest version of a type that is no draft, or None unless that one is published."""
    newest = _NEWEST.first(session, code=code)
    return None if newest is None or newest.state != PUBLISHED else _parsed(session, newest)


def newest_version(session: Session, code: str) -> LoadedType:
    """The newest version that was ever published."""
    return _parsed(session, _the_one(_NEWEST.rows(session, code=code)))


def type_version(session: Session, code: str, version: int) -> LoadedType:
    """A version on record, whatever its state."""
    return _parsed(session, _the_one(_VERSION.rows(session, code=code, version=version)))


def published_version(session: Session, code: str, version: int) -> LoadedType | None:
    """The version if it may be issued; its row stays locked until the transaction ends."""
    row = _VERSION_LOCKED.first(session, code=code, version=version)
    return None if row is None or row.state != PUBLISHED else _parsed(session, row)


def still_published(session: Session, code: str, version: int) -> bool:
    return published_version(session, code, version) is not None


def licence_type_of(session: Session, code: str, version: int) -> LicenceType:
    """Of a version on record, whatever its state, without its face."""
    row = _the_one(_VERSION.rows(session, code=code, version=version))
    return parse_licence_type(row.slug, row.type_toml)


def known_type(session: Session, code: str) -> LicenceType | None:
    """The newest version that was ever published, without its face; None before the first."""
    newest = _NEWEST.first(session, code=code)
    return None if newest is None else parse_licence_type(newest.slug, newest.type_toml)


@lru_cache(maxsize=1000)
def parse_licence_type(slug: str, type_toml: str) -> LicenceType:
    """A stored text, parsed. Raises VermilionError as `read_licence_type` does."""
    return read_licence_type(slug, type_toml.encode())


def codes_on_record(session: Session, after: str, size: int) -> Sequence[str]:
    """At most so many types' codes behind a code, in their order."""
    codes = select(TypeVersion.code).where(TypeVersion.code > after).distinct()
    return session.scalars(codes.order_by(TypeVersion.code).limit(size)).all()


def versions(session: Session, codes: Collection[str], version: int | None = None) -> list[Version]:
    """All versions of these types, whatever their state, the newest of each first; or one alone."""
    wanted = select(TypeVersion).where(TypeVersion.code.in_(codes))
    if version is not None:
        wanted = wanted.where(TypeVersion.version == version)
    rows = session.scalars(wanted.order_by(TypeVersion.code, TypeVersion.version.desc()))
    return [
        Version(
            parse_licence_type(row.slug, row.type_toml),
            row.state,
            row.created_at,
            row.type_toml,
            row.face_sha256,
        )
        for row in rows
    ]


def face_of(session: Session, code: str, version: int) -> bytes:
    """The face of a version on record, a PDF form."""
    return session.scalars(_FACE, {"code": code, "version": version}).one()


def _the_one(rows: Sequence[Any]) -> Any:
    (row,) = rows
    return row


def _parsed(session: Session, row: Any) -> LoadedType:
    """A row, parsed; kept for the life of the process, since files under a digest do not change. The face is
    read from the database once.
    """
    key = (row.slug, row.type_toml, row.face_sha256)
    with _lock:
        if key not in _loaded:
            face = session.scalars(_FACE, {"code": row.code, "version": row.version}).one()
            if sha256(face).digest() != row.face_sha256:
                raise VermilionError(Kind.INVALID, "a face is another than its digest", reason="face_altered")
            licence_type = parse_licence_type(row.slug, row.type_toml)
            _loaded[key] = LoadedType(licence_type, read_face(face, licence_type))
        return _loaded[key]
