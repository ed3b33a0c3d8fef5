"""Connectors on record: imported, each version for good; their secrets; and how one is opened to be asked."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from keys.errors import Kind, VermilionError
from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.intake.connectors import Connector, ConnectorFile, ConnectorKind, read_connector
from registry.intake.exchange_tables import ConnectorSecret, ConnectorVersion
from registry.intake.folder_connector import FolderConnector
from registry.intake.http_connector import HttpConnector
from registry.intake.signed_messages import MAX_SECRET, MIN_SECRET, Secret
from registry.licences.examine import civil_day
from registry.log.rules import Ground, record_event
from registry.ports import Ports, Surroundings
from registry.rows import unless_known
from registry.vault import Use
from registry.webhooks.address import check_url

LEGAL_BASIS = "Anhui Measures, Art. 8"
"""What data of other agencies is asked for on."""
SUBJECT = "connector"
_KEY_ID = re.compile(r"[A-Za-z0-9._-]{1,60}")


@dataclass(frozen=True, slots=True)
class OnRecord:
    """A connector as it serves now; `key_id` is that of its newest secret."""

    file: ConnectorFile
    key_id: str | None


def import_connector(
    session: Session, ports: Surroundings, admin: Administrator, raw: bytes, name: str
) -> ConnectorFile:
    """Put a version of a connector on record; it serves from now on. The same file again changes nothing.

    Raises VermilionError: as `read_connector`; FORBIDDEN; CONFLICT (`version_exists`); INVALID (`url`,
    `url_scheme`, `address_refused`).
    """
    in_office(session, admin, Duty.SYSTEM)
    made = read_connector(raw, name)
    text = raw.decode("utf-8")
    known = session.get(ConnectorVersion, (made.code, made.version), with_for_update=True)
    taken = VermilionError(
        Kind.CONFLICT,
        "this version, or a later one, is on record: take a higher one",
        reason="version_exists",
    )
    if known is not None:
        if known.toml != text:
            raise taken
        return made
    newest = session.scalar(
        select(func.max(ConnectorVersion.version)).where(ConnectorVersion.code == made.code)
    )
    if newest is not None and made.version <= newest:
        raise taken
    if made.kind is ConnectorKind.HTTP:
        check_url(made.url, ports.settings.exchange_permitted)
    with unless_known(session, taken):
        session.add(
            ConnectorVersion(code=made.code, version=made.version, toml=text, created_at=ports.clock())
        )
    detail = {"version": made.version, "connector": made.kind.value, "sha256": sha256(raw).hexdigest()}
    _record(session, ports, admin, "imported", made.code, detail)
    return made


def set_secret(
    session: Session, ports: Ports, admin: Administrator, code: str, key_id: str, secret: bytes
) -> None:
    """Sign by this secret from now on. The vault is ready.

    Raises VermilionError: FORBIDDEN; NOT_FOUND (`connector_unknown`); INVALID (`secret`); UNAVAILABLE.
    """
    in_office(session, admin, Duty.SYSTEM)
    if session.scalar(select(ConnectorVersion.code).where(ConnectorVersion.code == code).limit(1)) is None:
        raise VermilionError(Kind.NOT_FOUND, "there is no such connector", reason="connector_unknown")
    if not _KEY_ID.fullmatch(key_id) or not MIN_SECRET <= len(secret) <= MAX_SECRET:
        detail = f"a name of letters, digits, . _ -, and a secret of {MIN_SECRET} to {MAX_SECRET} octets"
        raise VermilionError(Kind.INVALID, detail, reason="secret")
    of_connector = ConnectorSecret.code == code
    number = 1 + (session.scalar(select(func.max(ConnectorSecret.number)).where(of_connector)) or 0)
    session.add(
        ConnectorSecret(
            code=code,
            number=number,
            key_id=key_id,
            secret=ports.vault.encrypt(Use.RECORD, secret, _owner(code, number)),
            created_at=ports.clock(),
        )
    )
    session.flush()
    _record(session, ports, admin, "secret_set", code, {"secret": number, "key_id": key_id})


def connectors_in_service(session: Session) -> list[OnRecord]:
    """The newest version of each, by code."""
    later = aliased(ConnectorVersion)
    newest = select(func.max(later.version)).where(later.code == ConnectorVersion.code).scalar_subquery()
    rows = session.execute(
        select(ConnectorVersion.toml, ConnectorVersion.code)
        .where(ConnectorVersion.version == newest)
        .order_by(ConnectorVersion.code)
    )
    return [OnRecord(_parsed(toml), _key_id(session, code)) for toml, code in rows]


def connector_in_service(session: Session, code: str) -> OnRecord | None:
    """The newest version of one; None where there is none of this code."""
    wanted = select(ConnectorVersion.toml).where(ConnectorVersion.code == code)
    toml = session.scalar(wanted.order_by(ConnectorVersion.version.desc()).limit(1))
    return None if toml is None else OnRecord(_parsed(toml), _key_id(session, code))


def connector_version(session: Session, code: str, version: int) -> ConnectorFile:
    """As a version has it, whether it serves or not. The version is on record."""
    return _parsed(session.get_one(ConnectorVersion, (code, version)).toml)


def versions_on_record(session: Session) -> Sequence[ConnectorVersion]:
    """All versions of all connectors."""
    order = (ConnectorVersion.code, ConnectorVersion.version)
    return session.scalars(select(ConnectorVersion).order_by(*order)).all()


def open_connector(session: Session, ports: Ports, file: ConnectorFile) -> Connector:
    """The way to a source, to be gone when the transaction is over. The vault is ready.

    Raises VermilionError(UNAVAILABLE): `connector_secret` where it has none yet; `exchange_ca_file`.
    """
    if file.kind is ConnectorKind.FOLDER:
        return FolderConnector(ports.settings.exchange_directory / file.code)
    row = _newest_secret(session, file.code)
    if row is None:
        detail = "the connector has no secret to sign by: set one by `vermilion connector secret`"
        raise VermilionError(Kind.UNAVAILABLE, detail, reason="connector_secret")
    value = ports.vault.decrypt(Use.RECORD, row.secret, _owner(row.code, row.number))
    try:
        tls = _tls(ports.settings.exchange_ca_file)
    except OSError as error:  # which ssl.SSLError is, too
        detail = "the file with the authorities of sources cannot be read"
        raise VermilionError(Kind.UNAVAILABLE, detail, reason="exchange_ca_file") from error
    secret, permitted = Secret(row.key_id, value), ports.settings.exchange_permitted
    return HttpConnector(file.url, secret, permitted, ports.clock, tls=tls)


def _tls(authorities: Path | None) -> ssl.SSLContext | None:
    return None if authorities is None else ssl.create_default_context(cafile=authorities)


def _newest_secret(session: Session, code: str) -> ConnectorSecret | None:
    wanted = select(ConnectorSecret).where(ConnectorSecret.code == code)
    return session.scalars(wanted.order_by(ConnectorSecret.number.desc()).limit(1)).one_or_none()


def _key_id(session: Session, code: str) -> str | None:
    found = _newest_secret(session, code)
    return None if found is None else found.key_id


@lru_cache(maxsize=200)
def _parsed(toml: str) -> ConnectorFile:
    return read_connector(toml.encode(), "connector")


def _owner(code: str, number: int) -> str:
    return f"connector:{code}:{number}"


def _record(
    session: Session,
    ports: Surroundings,
    admin: Administrator,
    what: str,
    code: str,
    detail: Mapping[str, object],
) -> None:
    now = ports.clock()
    record_event(
        session,
        kind=f"{SUBJECT}.{what}",
        subject_kind=SUBJECT,
        subject=code,
        ground=Ground(LEGAL_BASIS, what, civil_day(now, ports.settings.tz)),
        actor=admin,
        now=now,
        random=ports.random,
        detail=detail,
    )
