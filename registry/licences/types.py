"""Licence types as published: the texts of their files, versioned, never changed."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.licences.tables import TypeVersion
from signing.face import Face, load_face
from signing.licence_type import LicenceType, load_licence_type

FILES = ("type.toml", "face.toml")
PUBLISHED, WITHDRAWN = "published", "withdrawn"


@dataclass(frozen=True, slots=True)
class LoadedType:
    """A type version and its face, parsed."""

    type: LicenceType
    face: Face


_loaded: dict[tuple[str, str], LoadedType] = {}
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


def parse_type(slug: str, type_toml: str, face_toml: str) -> LoadedType:
    """Stored texts, parsed; kept for the life of the process, since texts under a digest do not change."""
    key = (type_toml, face_toml)
    with _lock:
        if key not in _loaded:
            with tempfile.TemporaryDirectory() as directory:
                folder = Path(directory) / slug  # the folder's name is the slug
                folder.mkdir()
                for name, text in zip(FILES, key, strict=True):
                    (folder / name).write_text(text, encoding="utf-8", newline="")
                _loaded[key] = LoadedType(load_licence_type(folder), load_face(folder))
        return _loaded[key]


def _parsed(row: TypeVersion) -> LoadedType:
    return parse_type(row.slug, row.type_toml, row.face_toml)
