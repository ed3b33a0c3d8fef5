"""A root takes the place of another, in one act of a ceremony: a registry has one root in service.

A root that is retired certifies its successor before it goes, so that whoever trusts the one can follow to
the other, and makes its last CRL. One that is compromised is asked for nothing. The issuing CAs that a former
root certified stay in service for what they issued: the trust list names each of their keys by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from keys.certificates import Issuer, Subject, certificate_validity
from keys.custodian import KeyRef, Purpose
from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from keys.transcript import RETIRED, FormerRoot
from registry.log.rules import Ground, record_event
from registry.rows import changed_rows
from registry.seals.authority import (
    ISSUING_SUITE,
    ROOT_SUITE,
    give_delegate_key,
    give_issuing_key,
    root_authority,
)
from registry.seals.keys import Pieces, activate_key, draft_certificate, sign_draft
from registry.seals.revocation_list import publish_crl
from registry.seals.serving import signed_certificates
from registry.seals.tables import Ceremony, Certificate, Key

_BY_ROOT = (ProfileName.TRUST_LIST, ProfileName.ISSUING)


def succeed_root(
    pieces: Pieces,
    name: Subject,
    former: Issuer,
    state: str,
    ground: Ground,
    *,
    ceremony: str,
    attempt: int,
    prove: Callable[[KeyRef], None],
) -> None:
    """Make a root of this name and put it into service in the place of `former`, whose key is among the
    custodian's where its state is to be `retired`. The row of the ceremony (its file's SHA-256) and attempt
    says from then on that it is done. `prove` is asked before that whether the new root's key can be opened.

    A step that fails leaves the former root in service, and reserved keys that nothing can use. Raises
    VermilionError: CONFLICT (`root_replaced`, `ceremony_attempt`) where somebody else was faster, and what
    the custodian raises.
    """
    now = pieces.clock()
    ref = pieces.custodian.generate(Purpose.ROOT_CA, ROOT_SUITE)
    draft = draft_certificate(pieces, ProfileName.ROOT, ref, name, None, now)
    if state == RETIRED:
        link = draft_certificate(pieces, ProfileName.ROOT_LINK, ref, name, former, now, known=True)
        sign_draft(pieces, link, now, enter=None)
        assert former.certificate is not None
        _begin, end = certificate_validity(former.certificate)
        publish_crl(pieces, former, end - now.replace(microsecond=0))  # its last one, good to its end

    prove(ref)

    def enter(session: Session, key_id: str, at: datetime) -> None:
        ended = update(Key).where(Key.id == former.key.id, Key.state == "active")
        if changed_rows(session, ended.values(state=state, since=at)) != 1:
            raise VermilionError(
                Kind.CONFLICT, "another root took the place of this one", reason="root_replaced"
            )
        activate_key(session, key_id, at)
        done = update(Ceremony).where(
            Ceremony.file_sha256 == ceremony,
            Ceremony.attempt == attempt,
            Ceremony.root_key_id.is_(None),
        )
        if changed_rows(session, done.values(root_key_id=key_id)) != 1:
            raise VermilionError(
                Kind.CONFLICT, "somebody else holds this ceremony now", reason="ceremony_attempt"
            )
        _record_end(session, pieces, former.key.id, Purpose.ROOT_CA, state, ground, at)

    sign_draft(pieces, draft, now, enter=enter)


def complete_succession(pieces: Pieces, trust_list: Subject, issuing: Subject, ground: Ground) -> None:
    """What the root in service lacks of a delegate for the trust list and an issuing CA, in this order: no CA
    of its own issues before lists are signed under it. The former root's delegates then sign no list more.

    Raises VermilionError: what the custodian raises.
    """
    with Session(pieces.database.read) as session:
        root = root_authority(session).key.id
        has = {profile: _certified_by(session, root, profile) for profile in _BY_ROOT}
    if not has[ProfileName.TRUST_LIST]:
        give_delegate_key(pieces, trust_list)
    if not has[ProfileName.ISSUING]:
        give_issuing_key(pieces, ISSUING_SUITE, issuing)
    now = pieces.clock()
    with pieces.database.transaction() as session:
        others = (
            select(Key.id)
            .join(Certificate, Certificate.key_id == Key.id)
            .where(Key.purpose == Purpose.TRUST_LIST, Key.state == "active")
            .where(Certificate.issuer_key_id != root)
        )
        for key_id in session.scalars(others).all():
            ended = update(Key).where(Key.id == key_id, Key.state == "active")
            if changed_rows(session, ended.values(state=RETIRED, since=now)) == 1:
                _record_end(session, pieces, key_id, Purpose.TRUST_LIST, RETIRED, ground, now)


def former_root(session: Session, key_id: str) -> FormerRoot:
    """What a transcript tells of the root that went out of service for the one that serves."""
    key = session.get_one(Key, key_id)
    of = select(Certificate.der).where(Certificate.der.is_not(None))
    own = of.where(Certificate.key_id == key_id, Certificate.profile == ProfileName.ROOT)
    link = of.where(
        Certificate.key_id == root_authority(session).key.id,
        Certificate.issuer_key_id == key_id,
        Certificate.profile == ProfileName.ROOT_LINK,
    )
    return FormerRoot(key.state, session.scalars(own).one() or b"", session.scalars(link).one_or_none())


def _certified_by(session: Session, root: str, profile: ProfileName) -> bool:
    certified = signed_certificates(profile).where(Key.state == "active", Certificate.issuer_key_id == root)
    return session.execute(certified.limit(1)).first() is not None


def _record_end(
    session: Session, pieces: Pieces, key_id: str, purpose: Purpose, state: str, ground: Ground, now: datetime
) -> None:
    record_event(
        session,
        kind=f"key.{state}",
        subject_kind="key",
        subject=key_id,
        ground=ground,
        actor=None,
        now=now,
        random=pieces.random,
        detail={"agency": None, "purpose": purpose.value},
    )
