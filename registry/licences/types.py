"""Licence types as published: the files they are made of, versioned, never changed."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.licences.tables import TypeVersion
from signing.face import Face
from signing.face_form import read_face
from signing.licence_type import LicenceType, load_licence_type

FILES = ("type.toml", "face.pdf")
PUBLISHED, WITHDRAWN = "published", "withdrawn"


@dataclass(frozen=True, slots=True)
class LoadedType:
    """A type version and its face, parsed."""

    type: LicenceType
    face: Face


_loaded: dict[tuple[str, str, bytes], LoadedType] = {}
_lock = threading.Lock()


def current_type(session: Session, code: str) -> LoadedType | None:
    """The newest version of a type, or None unless that version is published."""
    newest = session.scalars(
        select(TypeVersion).where(TypeVersion.code == code).order_by(TypeVersion.version.desc()).limit(1)
    ).first()
    return None if newest is None or newest.state != PUBLISHED else _parsed(newest)


def newest_version(session: Session, code: str) -> LoadedType:
    """The newest version on record, whatever its state."""
    newest = select(TypeVersion).where(TypeVersion.code == code).order_by(TypeVersion.version.desc()).limit(1)
    return _parsed(session.scalars(newest).one())


def type_version(session: Session, code: str, version: int) -> LoadedType:
    """A version on record, whatever its state."""
    return _parsed(session.get_one(TypeVersion, (code, version)))


def published_version(session: Session, code: str, version: int) -> LoadedType | None:
    """The version if it may be issued; its row stays locked until the transaction ends."""
    row = session.get(TypeVersion, (code, version), with_for_update={"read": True})
    return None if row is None or row.state != PUBLISHED else _parsed(row)


def still_published(session: Session, code: str, version: int) -> bool:
    return published_version(session, code, version) is not None


@lru_cache(maxsize=1000)
def parse_licence_type(slug: str, type_toml: str) -> LicenceType:
    """A stored text, parsed. Raises VermilionError as `load_licence_type` does."""
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory) / slug  # the folder's name is the slug
        folder.mkdir()
        (folder / FILES[0]).write_text(type_toml, encoding="utf-8", newline="")
        return load_licence_type(folder)


def _parsed(row: TypeVersion) -> LoadedType:
    """A row, parsed; kept for the life of the process, since files under a digest do not change. The face is
    read from the database once.
    """
    key = (row.slug, row.type_toml, row.face_sha256)
    with _lock:
        if key not in _loaded:
            if sha256(row.face_pdf).digest() != row.face_sha256:
                raise VermilionError(Kind.INVALID, "a face is another than its digest", reason="face_altered")
            licence_type = parse_licence_type(row.slug, row.type_toml)
            _loaded[key] = LoadedType(licence_type, read_face(row.face_pdf, licence_type))
        return _loaded[key]
