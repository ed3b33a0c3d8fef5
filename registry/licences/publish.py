"""Versions of licence types: imported as drafts, put into service, taken out, by system administration."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sqlalchemy.orm import Session

from keys.errors import Kind, VermilionError
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.licences.numbers import check_registry_rule
from registry.licences.tables import TypeVersion
from registry.licences.types import DRAFT, FILES, PUBLISHED, WITHDRAWN, parse_licence_type
from registry.log.rules import Ground, record_event
from registry.ports import Surroundings
from registry.rows import unless_known
from registry.seals.keys import civil_ground
from signing.face_form import MAX_FORM_BYTES, read_face
from signing.face_trial import Trial, try_face
from signing.fonts import Fonts
from signing.licence_type import LicenceType
from signing.toml_table import MAX_BYTES

LEGAL_BASIS = "State Council Order 716, Art. 10"
"""What a type rests on: electronic licences are made to the standards, in a fixed-layout format."""


@dataclass(frozen=True, slots=True)
class TypeFiles:
    """A type version as its two files, which are one another's."""

    type: LicenceType
    type_toml: str
    face_pdf: bytes


def tried_files(folder: Path, fonts: Fonts, origin: str) -> tuple[TypeFiles, Trial]:
    """A type from outside, its face tried with these fonts and links of this origin (`signing.face_trial`).

    Raises VermilionError: what the loaders raise; INVALID with a fault for each rule that the face breaks.
    """
    files = _read_type(folder)
    trial = try_face(files.type.slug, files.type_toml, files.face_pdf, fonts, origin)
    trial.require()
    return files, trial


def own_files(folder: Path) -> TypeFiles:
    """A sample type of the product, whose face the product's tests have tried."""
    files = _read_type(folder)
    read_face(files.face_pdf, files.type)
    return files


def import_type(session: Session, ports: Surroundings, admin: Administrator, files: TypeFiles) -> LicenceType:
    """Put a type version on record as a draft: nothing is issued under it. The event binds both files.

    Other files take a draft's place; the same files again change nothing, whatever the version's state.
    Raises VermilionError: FORBIDDEN; CONFLICT with `version_exists` for other files under a version that was
    published.
    """
    in_office(session, admin, Duty.SYSTEM)
    made = files.type
    version = session.get(TypeVersion, (made.code, made.version), with_for_update=True)
    if version is None:
        version = TypeVersion(
            code=made.code,
            version=made.version,
            slug=made.slug,
            type_toml=files.type_toml,
            face_pdf=files.face_pdf,
            face_sha256=sha256(files.face_pdf).digest(),
            state=DRAFT,
            created_at=ports.clock(),
        )
        race = VermilionError(
            Kind.CONFLICT, "somebody else imports this version at this moment", reason="version_exists"
        )
        with unless_known(session, race):
            session.add(version)
    elif (version.slug, version.type_toml, version.face_pdf) == (made.slug, files.type_toml, files.face_pdf):
        return made
    elif version.state != DRAFT:
        raise VermilionError(
            Kind.CONFLICT,
            "this version was published with other files: they need a higher version number",
            reason="version_exists",
        )
    else:
        version.slug, version.type_toml, version.face_pdf = made.slug, files.type_toml, files.face_pdf
        version.face_sha256, version.created_at = sha256(files.face_pdf).digest(), ports.clock()
    ground = civil_ground(ports.clock(), ports.settings.tz, "imported", LEGAL_BASIS)
    _record(session, ports, admin, version, "imported", ground, **_digests(version))
    return made


def publish_type(
    session: Session, ports: Surroundings, admin: Administrator, *, code: str, version: int
) -> None:
    """Put a draft into service, or a withdrawn version once more. The event binds both files. What is
    published already stays as it is. Raises VermilionError(FORBIDDEN, NOT_FOUND).
    """
    in_office(session, admin, Duty.SYSTEM)
    row = _on_record(session, code, version)
    if row.state != PUBLISHED:
        row.state = PUBLISHED
        ground = civil_ground(ports.clock(), ports.settings.tz, PUBLISHED, LEGAL_BASIS)
        _record(session, ports, admin, row, PUBLISHED, ground, **_digests(row))


def withdraw_type(
    session: Session, ports: Surroundings, admin: Administrator, *, code: str, version: int, ground: Ground
) -> None:
    """Let nothing more be issued under a version; what was issued stays. A newer version may take its place,
    an older one does not. The same again changes nothing. Raises VermilionError(FORBIDDEN, NOT_FOUND,
    CONFLICT for a draft).
    """
    in_office(session, admin, Duty.SYSTEM)
    row = _on_record(session, code, version)
    if row.state == DRAFT:
        raise VermilionError(
            Kind.CONFLICT, "this version is a draft: nothing is issued under it", reason="type_draft"
        )
    if row.state != WITHDRAWN:
        row.state = WITHDRAWN
        _record(session, ports, admin, row, WITHDRAWN, ground)


def put_into_service(
    session: Session, ports: Surroundings, admin: Administrator, files: TypeFiles
) -> LicenceType:
    """Import and publish at once. Raises as both do."""
    made = import_type(session, ports, admin, files)
    publish_type(session, ports, admin, code=made.code, version=made.version)
    return made


def _read_type(folder: Path) -> TypeFiles:
    """The files of a type's folder, whose name is the slug. The face is not looked at.

    Raises VermilionError(NOT_FOUND, TOO_LARGE, MALFORMED, INVALID).
    """
    type_toml, face_pdf = _text(_read(folder / FILES[0], MAX_BYTES)), _read(folder / FILES[1], MAX_FORM_BYTES)
    licence_type = parse_licence_type(folder.resolve().name, type_toml)
    check_registry_rule(licence_type.number)
    return TypeFiles(licence_type, type_toml, face_pdf)


def _on_record(session: Session, code: str, version: int) -> TypeVersion:
    row = session.get(TypeVersion, (code, version), with_for_update=True)
    if row is None:
        raise VermilionError(Kind.NOT_FOUND, "no such version of a licence type", reason="type_unknown")
    return row


def _digests(version: TypeVersion) -> dict[str, str]:
    return {
        "slug": version.slug,
        "type_sha256": sha256(version.type_toml.encode()).hexdigest(),
        "face_sha256": sha256(version.face_pdf).hexdigest(),
    }


def _record(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    version: TypeVersion,
    what: str,
    ground: Ground,
    **detail: str,
) -> None:
    record_event(
        session,
        kind=f"type.{what}",
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
