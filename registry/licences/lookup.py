"""What a check may ask of the registry: `signing.live.LiveRegistry` over a read-only engine.

Core selects built once, each by an indexed key, each one statement: an answer is one moment's. Neither rules
nor anything that signs is imported here: the public site and the command line read, and nothing else.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, ColumnElement, Engine, Row, Select, and_, bindparam, select
from sqlalchemy.orm import aliased

from keys.clock import Clock
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from registry.agencies.tables import Agency
from registry.driver_select import Kept, Prepared
from registry.licences.digests import lookup_digest
from registry.licences.gathered import HISTORY, Gathered, as_of
from registry.licences.outage import database_errors
from registry.licences.public_records import stored_public
from registry.licences.tables import (
    AnnotatedCopy,
    CoSeal,
    Document,
    Edition,
    Licence,
    Presentation,
    TypeVersion,
)
from registry.seals.tables import (
    KeyUse,
    PublishedTrustList,
    Seal,
    SealEdition,
    SealState,
    SealUse,
    StandingAuthorisation,
)
from signing.annotation import Annotation
from signing.codes import normalise_lookup_code, parse_identifier
from signing.live import LiveCopy, LiveLicence, LiveSeal, LiveShowing, Past, Wanted
from signing.showing import Showing

_CoEdition, _CoSealRow, _CoState = aliased(SealEdition), aliased(Seal), aliased(SealState)
_CoUse, _CoAuthorisation = aliased(SealUse), aliased(StandingAuthorisation)


def _licence_where(condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """One row for each registered document of the edition that `condition` names; of a joint licence, for
    each of them and each further seal.
    """
    return _rows_of(Edition, Document, ()).join(Document, Document.edition_id == Edition.id).where(condition)


def _copy_where(condition: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """As that, of an annotated copy: its own sealing and document, and its edition's record and status."""
    own = (
        AnnotatedCopy.purpose,
        AnnotatedCopy.recipient,
        AnnotatedCopy.valid_to.label("copy_valid_to"),
        AnnotatedCopy.made_on,
        AnnotatedCopy.count.label("copy_count"),
        AnnotatedCopy.withdrawn_on,
        AnnotatedCopy.withdrawn_at,
    )
    return _rows_of(AnnotatedCopy, AnnotatedCopy, own).where(condition)


def _rows_of(
    sealed: type[Edition | AnnotatedCopy], document: type[Document | AnnotatedCopy], own: Sequence[Any]
) -> Select[*tuple[Any, ...]]:
    history = and_(
        SealState.seal_code == SealEdition.seal_code, SealState.version == sealed.seal_state_version
    )
    used = and_(SealUse.intent_id == sealed.id, SealUse.place == 1, SealUse.state == "applied")
    co_history = and_(
        _CoState.seal_code == _CoEdition.seal_code, _CoState.version == CoSeal.seal_state_version
    )
    co_used = and_(
        _CoUse.intent_id == CoSeal.intent_id, _CoUse.place == CoSeal.place, _CoUse.state == "applied"
    )
    selected = select(
        sealed.id.label("sealed_id"),
        Edition.id.label("edition_id"),
        Edition.identifier,
        sealed.link_id_sha256,
        sealed.lookup_sha256,
        Edition.public_record,
        sealed.origin,
        Edition.status,
        Edition.ground,
        Edition.how,
        Edition.since,
        Edition.suspended_until,
        sealed.credential_sha256,
        sealed.sealed_at,
        Licence.type_code,
        Licence.issuer_code,
        Agency.name_zh,
        Agency.name_en,
        Seal.code.label("seal_code"),
        Seal.agency_code.label("seal_agency"),
        Seal.state.label("seal_state"),
        Seal.compromised_since,
        SealState.state.label("seal_state_then"),
        StandingAuthorisation.seal_code.label("authorised_seal"),
        StandingAuthorisation.type_code.label("authorised_type"),
        document.sha256,
        document.level,
        document.registered_at,
        CoSeal.place.label("co_place"),
        CoSeal.sealed_at.label("co_sealed_at"),
        _CoSealRow.code.label("co_seal_code"),
        _CoSealRow.state.label("co_seal_state"),
        _CoSealRow.compromised_since.label("co_compromised_since"),
        _CoState.state.label("co_seal_state_then"),
        _CoAuthorisation.seal_code.label("co_authorised_seal"),
        _CoAuthorisation.type_code.label("co_authorised_type"),
        *own,
    ).select_from(sealed)
    if sealed is AnnotatedCopy:
        selected = selected.join(Edition, Edition.id == AnnotatedCopy.edition_id)
    return (
        selected.join(Licence, Licence.id == Edition.licence_id)
        .join(Agency, Agency.code == Licence.issuer_code)
        .join(SealEdition, SealEdition.id == sealed.seal_edition_id)
        .join(Seal, Seal.code == SealEdition.seal_code)
        .outerjoin(SealState, history)
        .outerjoin(SealUse, used)
        .outerjoin(StandingAuthorisation, StandingAuthorisation.id == SealUse.authorisation_id)
        .outerjoin(CoSeal, CoSeal.intent_id == sealed.id)
        .outerjoin(_CoEdition, _CoEdition.id == CoSeal.seal_edition_id)
        .outerjoin(_CoSealRow, _CoSealRow.code == _CoEdition.seal_code)
        .outerjoin(_CoState, co_history)
        .outerjoin(_CoUse, co_used)
        .outerjoin(_CoAuthorisation, _CoAuthorisation.id == _CoUse.authorisation_id)
    )


_BY_LINK = Prepared(_licence_where(Edition.link_id_sha256 == bindparam("key")))
_BY_IDENTIFIER = _licence_where(Edition.identifier == bindparam("key"))
_BY_EDITION = _licence_where(Edition.id == bindparam("key"))
_SHOWING = select(Presentation.edition_id, Presentation.shown_at, Presentation.until).where(
    Presentation.id_sha256 == bindparam("key")
)
# By the digest of number and code together, never by a number whose code is not proven: with a wrong code a
# number that somebody has is not on record any more than one that nobody has, and costs as much to look for.
_BY_LOOKUP = _licence_where(Edition.lookup_sha256 == bindparam("key"))
_BY_DOCUMENT = _licence_where(
    Edition.id == select(Document.edition_id).where(Document.sha256 == bindparam("key")).scalar_subquery()
)
# A copy is looked for where no edition was found: by far the most checks are of licences.
_COPY_BY_LINK = _copy_where(AnnotatedCopy.link_id_sha256 == bindparam("key"))
_COPY_BY_DOCUMENT = _copy_where(AnnotatedCopy.sha256 == bindparam("key"))
_COPY_BY_LOOKUP = _copy_where(AnnotatedCopy.lookup_sha256 == bindparam("key"))
# Many at once: one statement a kind of key, since an index serves each, and none serves them all.
_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
_MANY_LINKS = _licence_where(Edition.link_id_sha256.in_(_KEYS))
_MANY_IDENTIFIERS = _licence_where(Edition.identifier.in_(_KEYS))
_MANY_DOCUMENTS = _licence_where(
    Edition.id.in_(select(Document.edition_id).where(Document.sha256.in_(_KEYS)))
)
_MANY_CODES = _licence_where(Edition.lookup_sha256.in_(_KEYS))
_MANY_COPY_LINKS = _copy_where(AnnotatedCopy.link_id_sha256.in_(_KEYS))
_MANY_COPY_DOCUMENTS = _copy_where(AnnotatedCopy.sha256.in_(_KEYS))
_MANY_COPY_CODES = _copy_where(AnnotatedCopy.lookup_sha256.in_(_KEYS))
_SEAL_USE = (
    select(KeyUse.signed)
    .where(
        KeyUse.digest == bindparam("key"),
        KeyUse.kind == SignKind.SIGNED_ATTRIBUTES.value,
        KeyUse.signed.is_(True),
    )
    .limit(1)
)
_TYPE = select(TypeVersion.type_toml).where(
    TypeVersion.code == bindparam("code"), TypeVersion.version == bindparam("version")
)
_TRUST_LIST = select(PublishedTrustList.jws).order_by(PublishedTrustList.sequence.desc()).limit(1)


def current_trust_list(engine: Engine) -> str:
    """The newest published trust list, a compact JWS. Raises VermilionError(UNAVAILABLE)."""
    with database_errors(), engine.connect() as connection:
        jws = connection.execute(_TRUST_LIST).scalar_one_or_none()
    if jws is None:
        raise VermilionError(Kind.UNAVAILABLE, "no trust list is published yet", reason="no_trust_list")
    return str(jws)


class SqlLiveRegistry:
    """Look-ups by unguessable keys, one by one or many together. Each raises VermilionError(UNAVAILABLE) if
    the database is out.
    """

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._kept = Kept(engine)
        self._type_names: dict[tuple[str, int], Mapping[str, str]] = {}

    def by_link_id(self, id_sha256: bytes) -> LiveLicence | None:
        with database_errors():
            rows = _BY_LINK.rows(self._kept, key=id_sha256)
        return self._licence(rows or self._rows(_COPY_BY_LINK, id_sha256))

    def by_document(self, sha256: bytes) -> LiveLicence | None:
        return self._licence(self._rows(_BY_DOCUMENT, sha256) or self._rows(_COPY_BY_DOCUMENT, sha256))

    def by_identifier(self, identifier: str) -> LiveLicence | None:
        if not _is_identifier(identifier):
            return None
        return self._licence(self._rows(_BY_IDENTIFIER, identifier))

    def by_showing(self, id_sha256: bytes) -> LiveShowing | None:
        """By whatever the registry has on record of the code: whether it is over, the check itself says."""
        found = self._rows(_SHOWING, id_sha256)
        if not found:
            return None
        row = found[0]
        licence = self._licence(self._rows(_BY_EDITION, row.edition_id))
        return None if licence is None else LiveShowing(Showing(row.shown_at, row.until), licence)

    def seal_use_recorded(self, signed_sha256: bytes) -> bool:
        """A void use counts as well: its document, were it ever seen, was sealed here all the same."""
        return bool(self._rows(_SEAL_USE, signed_sha256))

    def by_identifier_and_code(self, identifier: str, lookup_code: str) -> LiveLicence | None:
        """Unknown identifier and wrong code are the same question: a digest that nobody has."""
        try:
            code = normalise_lookup_code(lookup_code)
        except VermilionError:
            return None
        if not _is_identifier(identifier):
            return None
        digest = lookup_digest(identifier, code)
        return self._licence(self._rows(_BY_LOOKUP, digest) or self._rows(_COPY_BY_LOOKUP, digest))

    def gather(self, wanted: Wanted, past: Past | None = None) -> Gathered:
        """See `signing.live.ManyRegistry`: a statement for each kind of key, one for the histories of what
        was found, and for what was not, one for each kind of key that copies have.
        """
        identifiers = frozenset(filter(_is_identifier, wanted.identifiers))
        codes = _digests(wanted.typed)
        rows: list[Row[Any]] = []
        for statement, keys in (
            (_MANY_LINKS, wanted.links),
            (_MANY_IDENTIFIERS, identifiers),
            (_MANY_DOCUMENTS, wanted.documents),
            (_MANY_CODES, codes),
        ):
            rows += self._many(statement, keys)
        rows += self._many(_MANY_COPY_LINKS, wanted.links - {row.link_id_sha256 for row in rows})
        rows += self._many(_MANY_COPY_DOCUMENTS, wanted.documents - {row.sha256 for row in rows})
        rows += self._many(_MANY_COPY_CODES, codes - {row.lookup_sha256 for row in rows})
        by_sealed: dict[str, list[Row[Any]]] = {}
        for row in rows:
            by_sealed.setdefault(row.sealed_id, []).append(row)
        licences = {sealed: self._known(of_one) for sealed, of_one in by_sealed.items()}
        if past is not None and licences:
            editions = {sealed: of_one[0].edition_id for sealed, of_one in by_sealed.items()}
            with database_errors(), self._engine.connect() as connection:
                history = connection.execute(HISTORY, {"editions": sorted(set(editions.values()))}).all()
            licences = as_of(licences, editions, history, past)
        found = Gathered()
        for sealed, licence in licences.items():
            row = by_sealed[sealed][0]
            if row.link_id_sha256 in wanted.links:
                found.links[row.link_id_sha256] = licence
            found.documents |= {
                form.sha256: licence
                for form in by_sealed[sealed]
                if form.sha256 in wanted.documents and _was_known(form, past)
            }
            if row.lookup_sha256 in codes:
                found.codes[row.lookup_sha256] = licence
            if licence.copy is None and row.identifier in identifiers:
                found.identifiers[row.identifier] = licence
        return found

    def _many(
        self, statement: Select[*tuple[Any, ...]], keys: frozenset[bytes] | frozenset[str] | set[bytes]
    ) -> Sequence[Row[Any]]:
        if not keys:
            return ()
        with database_errors(), self._engine.connect() as connection:
            return connection.execute(statement, {"keys": sorted(keys)}).all()

    def _rows(self, statement: Select[*tuple[Any, ...]], key: bytes | str) -> Sequence[Row[Any]]:
        with database_errors(), self._engine.connect() as connection:
            return connection.execute(statement, {"key": key}).all()

    def _licence(self, rows: Sequence[Row[Any]]) -> LiveLicence | None:
        return self._known(rows) if rows else None

    def _known(self, rows: Sequence[Row[Any]]) -> LiveLicence:
        row = rows[0]
        record = stored_public(row.public_record)
        documents = {r.sha256: r.level for r in rows}
        return LiveLicence(
            record=record,
            origin=row.origin,
            status=row.status,
            ground=row.ground,
            how=row.how,
            since=row.since,
            credential_sha256=row.credential_sha256,
            sealed_at=row.sealed_at,
            seal_state=row.seal_state,
            seal_state_at_sealing=row.seal_state_then or "unknown",
            seal_compromised_since=row.compromised_since,
            entitled=_was_entitled(row),
            documents=tuple(documents),
            issuer_name={"zh": row.name_zh, "en": row.name_en},
            type_name=dict(self._type_name(record.type_code, record.type_version)),
            as_of=self._clock(),
            co_seals=_co_seals(rows),
            levels=tuple(documents.values()),
            suspended_until=row.suspended_until,
            copy=_copy_of(row),
        )

    def _type_name(self, code: str, version: int) -> Mapping[str, str]:
        """A published version never changes, so its name is read once."""
        key = (code, version)
        if key not in self._type_names:
            with database_errors(), self._engine.connect() as connection:
                text = connection.execute(_TYPE, {"code": code, "version": version}).scalar_one()
            self._type_names[key] = {lang: str(name) for lang, name in tomllib.loads(text)["name"].items()}
        return self._type_names[key]


def _digests(typed: frozenset[tuple[str, str]]) -> set[bytes]:
    return {lookup_digest(identifier, code) for identifier, code in typed if _is_identifier(identifier)}


def _copy_of(row: Row[Any]) -> LiveCopy | None:
    if row.sealed_id == row.edition_id:
        return None
    annotation = Annotation(row.purpose, row.recipient, row.copy_valid_to, row.made_on, row.copy_count)
    return LiveCopy(annotation, row.withdrawn_on, row.withdrawn_at, row.registered_at, row.link_id_sha256)


def _was_known(form: Row[Any], past: Past | None) -> bool:
    """Whether the record then held this form of a document: one that was archived since is another file."""
    return past is None or past.clock != "recorded" or form.registered_at <= past.at


def _co_seals(rows: Sequence[Row[Any]]) -> tuple[LiveSeal, ...]:
    """The further seals of a joint licence, each applied under an authorisation for this type: by whichever
    agency, whose keeper permitted it.
    """
    if rows[0].co_place is None:  # then it is in all of them
        return ()
    places = {row.co_place: row for row in rows}
    return tuple(
        LiveSeal(
            sealed_at=row.co_sealed_at,
            state=row.co_seal_state,
            state_at_sealing=row.co_seal_state_then or "unknown",
            compromised_since=row.co_compromised_since,
            entitled=(row.co_authorised_seal, row.co_authorised_type) == (row.co_seal_code, row.type_code),
        )
        for _, row in sorted(places.items())
    )


def _was_entitled(row: Row[Any]) -> bool:
    """The issuer's own seal, applied under an authorisation for this type.

    That the authorisation held, transaction 2 proved under its lock before it called the seal use applied: a
    withdrawal came afterwards, whatever the clocks of two hosts say.
    """
    return bool(
        row.seal_agency == row.issuer_code
        and row.authorised_seal == row.seal_code
        and row.authorised_type == row.type_code
    )


def _is_identifier(text: str) -> bool:
    try:
        parse_identifier(text)
    except VermilionError:
        return False
    return True
