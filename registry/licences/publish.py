"""Putting versions of licence types into service and taking them out, by the registry's administrator."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.licences.numbers import check_registry_rule
from registry.licences.tables import TypeVersion
from registry.licences.types import FILES, PUBLISHED, WITHDRAWN
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings
from registry.seals.keys import civil_ground
from signing.face_form import MAX_FORM_BYTES, read_face
from signing.licence_type import LicenceType, load_licence_type
from signing.toml_table import MAX_BYTES

LEGAL_BASIS = "State Council Order 716, Art. 10"
"""What publishing rests on: electronic licences are made to the standards, in a fixed-layout format."""


def publish_type(session: Session, ports: Surroundings, admin: Administrator, folder: Path) -> LicenceType:
    """Publish the type version in `folder`, after checking type and face. The event binds both files.

    The same files again change nothing, but that a withdrawn version is published once more. Raises
    VermilionError: FORBIDDEN; what the loaders raise; CONFLICT with `version_exists` for other files under a
    version.
    """
    in_office(session, admin, Duty.SYSTEM)
    type_text, face_pdf = _text(_read(folder / FILES[0], MAX_BYTES)), _read(folder / FILES[1], MAX_FORM_BYTES)
    licence_type = load_licence_type(folder)
    read_face(face_pdf, licence_type)
    check_registry_rule(licence_type.number)
    version = session.get(TypeVersion, (licence_type.code, licence_type.version), with_for_update=True)
    if version is None:
        version = TypeVersion(
            code=licence_type.code,
            version=licence_type.version,
            slug=licence_type.slug,
            type_toml=type_text,
            face_pdf=face_pdf,
            face_sha256=sha256(face_pdf).digest(),
            state=PUBLISHED,
            created_at=ports.clock(),
        )
        try:
            with session.begin_nested():
                session.add(version)
        except IntegrityError:
            raise VermilionError(
                Kind.CONFLICT, "somebody else publishes this version at this moment", reason="version_exists"
            ) from None
    elif (version.slug, version.type_toml, version.face_pdf) != (licence_type.slug, type_text, face_pdf):
        raise VermilionError(
            Kind.CONFLICT, "this version is published with other files", reason="version_exists"
        )
    elif version.state == PUBLISHED:
        return licence_type
    ground = civil_ground(ports.clock(), ports.settings.tz, PUBLISHED, LEGAL_BASIS)
    detail = {
        "slug": version.slug,
        "type_sha256": sha256(type_text.encode()).hexdigest(),
        "face_sha256": sha256(face_pdf).hexdigest(),
    }
    _change(session, ports, admin, version, PUBLISHED, ground, **detail)
    return licence_type


def withdraw_type(
    session: Session, ports: Surroundings, admin: Administrator, *, code: str, version: int, ground: Ground
) -> None:
    """Let nothing more be issued under a version; what was issued stays. A newer version may take its place,
    an older one does not. The same again changes nothing. Raises VermilionError(FORBIDDEN, NOT_FOUND).
    """
    in_office(session, admin, Duty.SYSTEM)
    row = session.get(TypeVersion, (code, version), with_for_update=True)
    if row is None:
        raise VermilionError(Kind.NOT_FOUND, "no such version of a licence type", reason="type_unknown")
    if row.state != WITHDRAWN:
        _change(session, ports, admin, row, WITHDRAWN, ground)


def _change(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    version: TypeVersion,
    state: str,
    ground: Ground,
    **detail: str,
) -> None:
    version.state = state
    record_event(
        session,
        kind=f"type.{state}",
        subject_kind="type",
        subject=version.code,
        ground=ground,
        actor=admin,
        now=ports.clock(),
        random=ports.random,
        detail={"version": version.version, **detail},
    )


def _read(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError:
        raise VermilionError(Kind.NOT_FOUND, f"{path.name} is missing", reason="type_file") from None
    if len(data) > limit:
        raise VermilionError(Kind.TOO_LARGE, f"{path.name} is larger than {limit} bytes", reason="type_file")
    return data


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise VermilionError(Kind.MALFORMED, "type.toml is not UTF-8", reason="type_file") from None
