"""Licence types as published: the texts of their files, versioned, never changed."""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.licences.numbers import check_registry_rule
from registry.licences.tables import TypeVersion
from signing.face import Face, load_face
from signing.licence_type import LicenceType, load_licence_type

FILES = ("type.toml", "face.toml")
PUBLISHED = "published"


@dataclass(frozen=True, slots=True)
class LoadedType:
    """A type version and its face, parsed."""

    type: LicenceType
    face: Face


_loaded: dict[tuple[str, str], LoadedType] = {}
_lock = threading.Lock()


def publish_type(session: Session, folder: Path, now: datetime) -> LicenceType:
    """Publish the type version in `folder`, after checking type and face.

    The same files again change nothing. Raises VermilionError: what the loaders raise; CONFLICT with
    `version_exists` for other files under a published version.
    """
    type_text, face_text = (_read(folder / name) for name in FILES)
    licence_type = load_licence_type(folder)
    load_face(folder)
    check_registry_rule(licence_type.number)
    existing = session.get(TypeVersion, (licence_type.code, licence_type.version))
    if existing is None:
        session.add(
            TypeVersion(
                code=licence_type.code,
                version=licence_type.version,
                slug=licence_type.slug,
                type_toml=type_text,
                face_toml=face_text,
                state=PUBLISHED,
                created_at=now,
            )
        )
        session.flush()
    elif (existing.slug, existing.type_toml, existing.face_toml) != (licence_type.slug, type_text, face_text):
        raise VermilionError(
            Kind.CONFLICT, "this version is published with other files", reason="version_exists"
        )
    return licence_type


def current_type(session: Session, code: str) -> LoadedType | None:
    """The newest version of a type, or None unless that version is published."""
    newest = session.scalars(
        select(TypeVersion).where(TypeVersion.code == code).order_by(TypeVersion.version.desc()).limit(1)
    ).first()
    return None if newest is None or newest.state != PUBLISHED else _parsed(newest)


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


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except OSError:
        raise VermilionError(Kind.NOT_FOUND, f"{path.name} is missing", reason="type_file") from None
    except UnicodeDecodeError:
        raise VermilionError(Kind.MALFORMED, f"{path.name} is not UTF-8", reason="type_file") from None
