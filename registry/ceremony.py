"""A ceremony: root, issuing CA and the trust list's delegate, from one file, before witnesses; or what
follows them later, a root in the place of another included.

The root's passphrase exists in shares alone (SLIP-39): any `threshold` of them open the root's directory,
which is carried away afterwards. What was done stands in a transcript that the root signs. Interrupted, it is
begun again with the same file: what is there already is kept, and the shares are given.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from asn1crypto import x509
from sqlalchemy import update
from sqlalchemy.orm import Session

from keys.apart import RootApart
from keys.ceremony import EXPECTED, sign_transcript, tbs_digest, transcript_input, transcript_record
from keys.certificates import Subject
from keys.clock import Clock
from keys.crl import RevocationReason
from keys.custodian import Custodian, KeyRef
from keys.envelope import ScryptCost
from keys.errors import Kind, VermilionError
from keys.files import write_once
from keys.profiles import ProfileName
from keys.shares import SECRET_BYTES, join_shares, split_secret
from keys.suite import SuiteName
from keys.transcript import (
    RETIRED,
    Certified,
    Revoked,
    Shares,
    Transcript,
)
from registry.ceremony_file import ESTABLISH, ISSUING, SUCCESSOR, Plan
from registry.composition import Foundation, prepare_place, private_directory
from registry.custodians import Random, root_custodian
from registry.database import Database
from registry.log.rules import Ground
from registry.rows import changed_rows
from registry.schema import require_current
from registry.seals.authority import (
    ISSUING_SUITE,
    AuthorityNames,
    establish,
    give_delegate_key,
    give_issuing_key,
    has_root,
    root_authority,
)
from registry.seals.keys import subject_name
from registry.seals.retirement import end_former_authorities
from registry.seals.revocation_list import ROOT_LIFE, publish_crl, publish_due, publish_root_crl
from registry.seals.serving import signed_certificates
from registry.seals.succession import complete_succession, former_root, succeed_root
from registry.seals.tables import Ceremony, Certificate, Key
from registry.seals.trust import publish_trust_list
from registry.settings import Settings

MAX_SHARE_BYTES = 2048


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a ceremony made. `shares`: the files that its holders take with them."""

    transcript: Transcript
    signed: str  # compact JWS
    root_sha256: str
    shares: tuple[Path, ...]


def read_share(path: Path) -> str:
    """A share from its file. Raises VermilionError(NOT_FOUND, INVALID)."""
    try:
        data = path.read_bytes()[: MAX_SHARE_BYTES + 1]
        return data.decode("ascii")
    except OSError as error:
        raise VermilionError(Kind.NOT_FOUND, f"{path.name} cannot be read") from error
    except UnicodeDecodeError:
        raise VermilionError(Kind.INVALID, f"{path.name} is no share", reason="share_wrong") from None


def rehearse(plan: Plan, settings: Settings, *, clock: Clock, random: Random, cost: ScryptCost) -> Transcript:
    """Everything with throwaway keys in a temporary directory; what would be told. Nothing else is touched.

    Where the operation needs a root that is there, one is made up. Raises VermilionError: what a lint finds.
    """
    with tempfile.TemporaryDirectory(prefix="vermilion-rehearsal-") as name:
        place = Path(name)
        elsewhere = Settings(
            data=place / "var", database_url="", public_database_url="", passphrase_file=None,
            root_directory=place / "root", signer_socket=None, pkcs11_module=None, zone=settings.zone,
            authority_origin=settings.authority_origin, authority_port=settings.authority_port,
        )  # fmt: skip
        moved = replace(plan, root_directory=place / "root", shares_directory=place / "shares")
        shares: list[str] = []
        former: list[str] = []
        if plan.operation != ESTABLISH:
            first = replace(
                moved, operation=ESTABLISH, threshold=2, total=2, shares_directory=place / "first-shares",
                file_sha256=sha256(b"rehearsal").hexdigest(), names=AuthorityNames("Rehearsal"),
            )  # fmt: skip
            made = perform(first, elsewhere, [], clock=clock, random=random, cost=cost)
            shares = [read_share(path) for path in made.shares]
        if plan.operation == SUCCESSOR:
            former, shares = (shares if plan.former_root == RETIRED else []), []
            moved = replace(
                moved, root_directory=place / "successor",
                former_directory=place / "root" if plan.former_root == RETIRED else None,
            )  # fmt: skip
        held = perform(moved, elsewhere, shares, former, clock=clock, random=random, cost=cost)
        return held.transcript


def perform(
    plan: Plan,
    settings: Settings,
    shares: Sequence[str],
    former_shares: Sequence[str] = (),
    *,
    clock: Clock,
    random: Random,
    cost: ScryptCost,
) -> Outcome:
    """Hold the ceremony. `shares` open a root that is there already, `former_shares` one that is retired.

    Raises VermilionError: CONFLICT (`root_exists`, `root_replaced`, `ceremony_over`), NOT_FOUND (`no_root`),
    INVALID (shares that do not open the root, or open nothing; a certificate that a lint refuses) and what
    the custodian raises.
    """
    base = prepare_place(settings, clock=clock, random=random, cost=cost)
    try:
        return _hold(base, plan, shares, former_shares, cost)
    finally:
        base.database.dispose()


def _hold(
    base: Foundation, plan: Plan, given: Sequence[str], given_former: Sequence[str], cost: ScryptCost
) -> Outcome:
    begun = _begin(base.database, plan, base.clock().replace(microsecond=0))
    former = _open_former(base, plan, begun, given_former, cost)
    private_directory(plan.root_directory, mode=0o700)
    secret, scheme, files = _passphrase(plan, given, base.random)
    root = _open_root(base, plan.root_directory, secret, cost)
    pieces = replace(base, custodian=RootApart(root, base.custodian, former))
    if plan.operation == ESTABLISH:
        establish(pieces, plan.names, test=plan.test)
    elif plan.operation == SUCCESSOR:
        _succeed(pieces, plan, begun, lambda ref: _prove(base, plan, files, ref, cost))
    elif plan.operation == ISSUING:
        give_issuing_key(pieces, ISSUING_SUITE, _subject(plan, plan.names.issuing))
    else:
        give_delegate_key(pieces)
    revoked = _end_former(base, plan, begun.begun_at) if plan.compromised else ()
    with Session(base.database.read) as session:
        authority = root_authority(session)
        certificates = tuple(
            _newest(session, profile, authority.key.id) for profile in EXPECTED[plan.operation]
        )
        replaced = former_root(session, begun.former_key_id) if begun.former_key_id else None
    assert authority.certificate is not None
    _prove(base, plan, files, authority.key, cost)
    if revoked:  # at once, however new the last one is
        publish_crl(pieces, authority, ROOT_LIFE)
    publish_root_crl(pieces)
    publish_due(base)
    publish_trust_list(base)
    transcript = Transcript(
        operation=plan.operation,
        title=plan.title,
        file_sha256=plan.file_sha256,
        software=f"vermilion {version('vermilion')}",
        attempt=begun.attempt,
        begun_at=begun.begun_at,
        signed_at=base.clock().replace(microsecond=0),
        present=plan.present,
        shares=scheme,
        certificates=certificates,
        revoked=revoked,
        former_root=replaced,
    )
    signed = _sign(base, root, transcript, authority.key.suite, authority.certificate)
    return Outcome(transcript, signed, sha256(authority.certificate).hexdigest(), files)


@dataclass(frozen=True, slots=True)
class _Begun:
    """A ceremony as an attempt of it finds it."""

    begun_at: datetime
    attempt: int
    former_key_id: str | None  # of a successor: the root that ends
    root_key_id: str | None  # of a successor that an earlier attempt put into service


def _subject(plan: Plan, name: str) -> Subject:
    prefix = "TEST " if plan.test else ""
    return subject_name(prefix + name, None, prefix + plan.names.organisation)


def _ground(base: Foundation, plan: Plan, reason_code: str) -> Ground:
    return Ground(plan.title, reason_code, base.clock().astimezone(base.settings.tz).date())


def _prove(base: Foundation, plan: Plan, files: Sequence[Path], ref: KeyRef, cost: ScryptCost) -> None:
    """What the holders of new shares take away does open the root's key. Raises VermilionError."""
    if files:
        again = join_shares([read_share(path) for path in files[-plan.threshold :]]).secret
        _open_root(base, plan.root_directory, again, cost).public_key(ref)


def _succeed(pieces: Foundation, plan: Plan, begun: _Begun, prove: Callable[[KeyRef], None]) -> None:
    """Put the new root into service, unless an earlier attempt did, and give it what it lacks."""
    assert begun.former_key_id is not None
    ground = _ground(pieces, plan, f"root_{plan.former_root}")
    with Session(pieces.database.read) as session:
        serving = root_authority(session)
    if serving.key.id != (begun.root_key_id or begun.former_key_id):
        raise VermilionError(
            Kind.CONFLICT, "another root took the place of this ceremony's", reason="root_replaced"
        )
    if begun.root_key_id is None:
        succeed_root(
            pieces, _subject(plan, plan.names.root), serving, plan.former_root, ground,
            ceremony=plan.file_sha256, attempt=begun.attempt, prove=prove,
        )  # fmt: skip
    complete_succession(
        pieces, _subject(plan, plan.names.trust_list), _subject(plan, plan.names.issuing), ground
    )


def _open_former(
    base: Foundation, plan: Plan, begun: _Begun, given: Sequence[str], cost: ScryptCost
) -> dict[str, Custodian]:
    """The custodian of the root that ends, by its key's id, where that has to sign: retired, and not yet out
    of service. Raises VermilionError: INVALID where shares would open nothing or not what they should.
    """
    former_id = begun.former_key_id
    if former_id is not None and (plan.root_directory / f"{former_id}.key").exists():
        raise VermilionError(
            Kind.INVALID,
            "a successor has a directory of its own: this one is the former root's",
            reason="root_place",
        )
    if plan.former_directory is None:
        if given:
            raise VermilionError(
                Kind.INVALID,
                "no former root is asked for anything here: keep its shares",
                reason="shares_unneeded",
            )
        return {}
    if former_id is None or begun.root_key_id is not None:
        return {}
    if not (plan.former_directory / f"{former_id}.key").exists():
        raise VermilionError(
            Kind.NOT_FOUND, "the former root's key is not in its directory", reason="no_root"
        )
    return {former_id: _open_root(base, plan.former_directory, join_shares(given).secret, cost)}


def _end_former(base: Foundation, plan: Plan, begun_at: datetime) -> tuple[Revoked, ...]:
    """The issuing CAs that were there before the ceremony: none that an earlier attempt of it made."""
    ground = _ground(base, plan, "ca_compromise")
    with base.database.transaction() as session:
        serials = end_former_authorities(session, base, ground, made_before=begun_at)
    return tuple(Revoked(serial, RevocationReason.CA_COMPROMISE) for serial in serials)


def _begin(database: Database, plan: Plan, now: datetime) -> _Begun:
    """Put the attempt on record."""
    with database.transaction() as session:
        row = session.get(Ceremony, plan.file_sha256, with_for_update=True)
        if row is not None and row.transcript is not None:
            raise VermilionError(Kind.CONFLICT, "this ceremony is over", reason="ceremony_over")
        rooted = has_root(session)
        if plan.operation == ESTABLISH and rooted and row is None:
            raise VermilionError(Kind.CONFLICT, "the registry has a root already", reason="root_exists")
        if plan.operation != ESTABLISH and not rooted:
            raise VermilionError(Kind.NOT_FOUND, "the registry has no root yet", reason="no_root")
        if row is None:
            row = Ceremony(
                file_sha256=plan.file_sha256, operation=plan.operation, attempt=0, begun_at=now,
                former_key_id=root_authority(session).key.id if plan.operation == SUCCESSOR else None,
                root_key_id=None, input_sha256=None, transcript=None,
            )  # fmt: skip
            session.add(row)
        row.attempt += 1
        return _Begun(
            row.begun_at, row.attempt, row.former_key_id, row.root_key_id if row.former_key_id else None
        )


def _passphrase(plan: Plan, given: Sequence[str], random: Random) -> tuple[bytes, Shares, tuple[Path, ...]]:
    """The root's passphrase; how it is shared; the files of new shares.

    New shares are on the disk, and were read back, before there is a key that only they open.
    """
    has_key = any(plan.root_directory.glob("*.key"))
    if given and not has_key and plan.operation == SUCCESSOR:
        raise VermilionError(
            Kind.INVALID,
            "the new root has no key yet that shares open: --former-share names those of a former one",
            reason="shares_unneeded",
        )
    if given or has_key:
        joined = join_shares(given)
        return joined.secret, Shares(joined.threshold, None), ()
    if plan.shares_directory is None:
        raise VermilionError(Kind.NOT_FOUND, "the root's key is not in its directory", reason="no_root")
    secret = random(SECRET_BYTES)
    texts = split_secret(secret, plan.threshold, plan.total)
    private_directory(plan.shares_directory, mode=0o700)
    files = tuple(
        plan.shares_directory / f"share-{number}-of-{plan.total}.txt" for number in range(1, plan.total + 1)
    )
    for path, text in zip(files, texts, strict=True):
        try:
            write_once(path, f"{text}\n".encode("ascii"))
        except FileExistsError:
            raise VermilionError(
                Kind.CONFLICT,
                f"{path.name} of an earlier attempt is there: give its shares, or take them away",
                reason="shares_exist",
            ) from None
    read = [read_share(path) for path in files]
    for first in range(plan.total - plan.threshold + 1):
        if join_shares(read[first : first + plan.threshold]).secret != secret:
            raise VermilionError(Kind.UNAVAILABLE, "the shares do not open what they should", reason="shares")
    return secret, Shares(plan.threshold, plan.total), files


def _open_root(base: Foundation, directory: Path, secret: bytes, cost: ScryptCost) -> Custodian:
    """The root's custodian under this passphrase; where its key is there, it opens.

    Raises VermilionError(INVALID, reason "shares_wrong") where it does not.
    """
    settings = base.settings.model_copy(update={"root_directory": directory})
    root = root_custodian(
        settings, base.database, base.vault, secret, clock=base.clock, random=base.random, cost=cost
    )
    for ref in root.refs():
        try:
            root.public_key(ref)
        except VermilionError as error:
            raise VermilionError(
                Kind.INVALID, "these shares do not open the root in this directory", reason="shares_wrong"
            ) from error
    return root


def _newest(session: Session, profile: ProfileName, root: str) -> Certified:
    key, certificate = session.execute(
        signed_certificates(profile)
        .where(Key.state == "active", Certificate.issuer_key_id == root)
        .order_by(None)
        .order_by(Key.created_at.desc())
        .limit(1)
    ).one()
    der = certificate.der or b""
    return Certified(
        profile=profile.value,
        key=key.id,
        serial=f"{x509.Certificate.load(der).serial_number:x}",
        sha256=sha256(der).hexdigest(),
        tbs_sha256=tbs_digest(der),
        lint=f"pkilint {version('pkilint')}",
        der=der,
    )


def _sign(
    base: Foundation, root: Custodian, transcript: Transcript, suite: SuiteName, certificate: bytes
) -> str:
    """The transcript's digest is on record before the root signs it; then the transcript is."""
    data = transcript_input(transcript, suite, certificate)
    with Session(base.database.read) as session:
        ref = root_authority(session).key
    open_one = update(Ceremony).where(
        Ceremony.file_sha256 == transcript.file_sha256,
        Ceremony.attempt == transcript.attempt,
        Ceremony.transcript.is_(None),
    )
    with base.database.transaction() as session:
        if (
            changed_rows(session, open_one.values(root_key_id=ref.id, input_sha256=sha256(data).digest()))
            != 1
        ):
            raise VermilionError(
                Kind.CONFLICT, "somebody else holds this ceremony now", reason="ceremony_attempt"
            )
    record = transcript_record(transcript.file_sha256, transcript.attempt)
    signed = sign_transcript(root, ref, data, record)
    with base.database.transaction() as session:
        changed_rows(session, open_one.values(transcript=signed))
    return signed


def transcript_of(settings: Settings, plan: Plan) -> str | None:
    """The transcript (compact JWS) of a ceremony that is over; None where it is not, or there is no registry.

    Raises VermilionError(UNAVAILABLE).
    """
    try:
        require_current(settings.url)
    except VermilionError as error:
        if error.reason != "not_established":
            raise
        return None
    database = Database.open(settings.url)
    try:
        with Session(database.read) as session:
            row = session.get(Ceremony, plan.file_sha256)
            return None if row is None else row.transcript
    finally:
        database.dispose()
