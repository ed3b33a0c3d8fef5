"""Passkeys: set by an invited person, added and removed by their owner, and signed in with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import structlog
from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from keys.canonical import strict_json
from keys.errors import Kind, VermilionError
from registry.agencies.tables import Person
from registry.console import invitations, local, webauthn
from registry.console.challenges import LIFE, make_challenge, read_challenge, use_up
from registry.console.sessions import Half, Live, begin, csrf_of, ground, principal, prove_again
from registry.console.tables import LocalAccount, Passkey
from registry.console.webauthn import RelyingParty, b64url, to_b64url
from registry.log.rules import record_of_person
from registry.ports import Ports
from registry.rows import changed_rows, unless_known
from registry.vault import Vault

MOST = 10  # of one person
MAX_LABEL = 60
SIGN_IN, REGISTER, PROVE = "sign in", "register", "prove again"  # what challenges are for
NAME = "Vermilion"
_TIMEOUT = int(LIFE.total_seconds() * 1000)
_log = structlog.get_logger("registry.console")


@dataclass(frozen=True, slots=True)
class Shown:
    """A passkey, as its owner sees it."""

    id: str
    label: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a browser sends of `navigator.credentials.get`, decoded."""

    credential_id: bytes
    client_data: bytes
    authenticator_data: bytes
    signature: bytes
    user_handle: bytes | None

    @classmethod
    def read(cls, value: object) -> Answer:
        """Raises VermilionError(INVALID, `passkey`)."""
        found = _object(value)
        handle = found.get("userHandle")
        return cls(
            b64url(found.get("id"), webauthn.MAX_CREDENTIAL_ID),
            b64url(found.get("clientDataJSON"), webauthn.MAX_CLIENT_DATA),
            b64url(found.get("authenticatorData"), webauthn.MAX_AUTHENTICATOR_DATA),
            b64url(found.get("signature"), 1024),
            None if handle is None else b64url(handle, 64),
        )


@dataclass(frozen=True, slots=True)
class NewAnswer:
    """What a browser sends of `navigator.credentials.create`, and the name that its owner gave."""

    client_data: bytes
    attestation: bytes
    label: str

    @classmethod
    def read(cls, value: object) -> NewAnswer:
        """Raises VermilionError(INVALID, `passkey` or `label`)."""
        found = _object(value)
        label = found.get("label")
        if not isinstance(label, str) or not label.isprintable() or not 1 <= len(label.strip()) <= MAX_LABEL:
            raise VermilionError(Kind.INVALID, f"a name of 1 to {MAX_LABEL} characters", reason="label")
        return cls(
            b64url(found.get("clientDataJSON"), webauthn.MAX_CLIENT_DATA),
            b64url(found.get("attestationObject"), webauthn.MAX_ATTESTATION),
            label.strip(),
        )


def party(ports: Ports) -> RelyingParty:
    origin = ports.settings.console
    return RelyingParty(urlsplit(origin).hostname or "", origin)


# --- what a browser is asked for -----------------------------------------------------------------------


def sign_in_options(ports: Ports, account: str) -> dict[str, Any]:
    """For `navigator.credentials.get`. With an account's name the passkeys it may be; where nobody has the
    name, or no passkey, an id that no authenticator knows, always the same one.
    """
    name = local.plain_account(account)
    allowed: list[bytes] = []
    if name:
        with Session(ports.database.read) as session:
            held = (
                select(Passkey.credential_id)
                .join(LocalAccount, LocalAccount.person_id == Passkey.person_id)
                .where(LocalAccount.name == name)
            )
            allowed = sorted(session.scalars(held)) or [ports.vault.blind("no passkey", name)]
    challenge = make_challenge(ports.vault, ports.random, ports.clock(), SIGN_IN)
    return _asking(ports, challenge, allowed)


def prove_options(ports: Ports, live: Live) -> dict[str, Any]:
    """As `sign_in_options`, for somebody who is signed in."""
    with Session(ports.database.read) as session:
        allowed = sorted(
            session.scalars(select(Passkey.credential_id).where(Passkey.person_id == live.person_id))
        )
    challenge = make_challenge(ports.vault, ports.random, ports.clock(), PROVE, csrf_of(live.token))
    return _asking(ports, challenge, allowed)


def registration_options(ports: Ports, browser: Half | Live) -> dict[str, Any]:
    """For `navigator.credentials.create`: discoverable, its user verified, without attestation."""
    with Session(ports.database.read) as session:
        person = session.get_one(Person, browser.person_id)
        account = session.get(LocalAccount, person.id)
        held = sorted(session.scalars(select(Passkey.credential_id).where(Passkey.person_id == person.id)))
        name = account.name if account is not None else person.name
    if isinstance(browser, Half):
        held = []  # they will be gone
    challenge = make_challenge(ports.vault, ports.random, ports.clock(), REGISTER, csrf_of(browser.token))
    return {
        "rp": {"id": party(ports).id, "name": NAME},
        "user": {
            "id": to_b64url(_handle(ports.vault, person.id)),
            "name": name,
            "displayName": person.name,
        },
        "challenge": to_b64url(challenge),
        "pubKeyCredParams": [{"type": "public-key", "alg": alg} for alg in webauthn.ALGORITHMS],
        "timeout": _TIMEOUT,
        "excludeCredentials": _descriptors(held),
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": True,
            "userVerification": "required",
        },
        "attestation": "none",
    }


# --- what comes back -----------------------------------------------------------------------------------


def sign_in(ports: Ports, answer: Answer) -> str:
    """The token of a new session. Raises VermilionError(UNAUTHENTICATED, INVALID), of which the page says one
    thing.
    """
    proven = _judge(ports, answer, SIGN_IN, "")
    with ports.database.transaction() as session:
        _use(session, ports, proven)
        return begin(session, ports, proven.person_id, "passkey")


def show_again(ports: Ports, live: Live, answer: Answer) -> str:
    """The token under which the session goes on. Raises VermilionError(UNAUTHENTICATED, INVALID)."""
    proven = _judge(ports, answer, PROVE, csrf_of(live.token))
    if proven.person_id != live.person_id:
        raise VermilionError(Kind.UNAUTHENTICATED, "somebody else's passkey", reason="passkey")
    with ports.database.transaction() as session:
        _use(session, ports, proven)
        return prove_again(session, ports, live, "passkey")


def set_passkey(ports: Ports, half: Half, answer: NewAnswer) -> None:
    """What an invited person sets. Raises VermilionError(UNAUTHENTICATED, INVALID, CONFLICT)."""
    with ports.database.transaction() as session:
        credential = _registered(session, ports, half.token, answer)
        row = invitations.use(session, ports, half.invitation_id or "")
        _keep(session, ports, row.person_id, credential, answer.label)
        invitations.note_use(session, ports, row, "passkey")


def add_passkey(ports: Ports, live: Live, answer: NewAnswer) -> None:
    """One more, of somebody who has just shown a factor. Raises VermilionError(UNAUTHENTICATED, INVALID;
    CONFLICT, `passkey_known`, `too_many`).
    """
    with ports.database.transaction() as session:
        credential = _registered(session, ports, live.token, answer)
        _lock(session, live.person_id)
        held = select(func.count()).select_from(Passkey).where(Passkey.person_id == live.person_id)
        if session.scalars(held).one() >= MOST:
            raise VermilionError(Kind.CONFLICT, f"a person has at most {MOST} passkeys", reason="too_many")
        passkey_id = _keep(session, ports, live.person_id, credential, answer.label)
        _tell(session, ports, "passkey.added", live, passkey_id)


def remove_passkey(ports: Ports, live: Live, passkey_id: str) -> None:
    """Raises VermilionError(NOT_FOUND; CONFLICT, `last_authenticator`)."""
    with ports.database.transaction() as session:
        _lock(session, live.person_id)
        mine = select(Passkey.id).where(Passkey.person_id == live.person_id)
        held = set(session.scalars(mine))
        if passkey_id not in held:
            raise VermilionError(Kind.NOT_FOUND, "no such passkey", reason="passkey_unknown")
        if held == {passkey_id} and not local.has_code(session, live.person_id):
            raise VermilionError(
                Kind.CONFLICT, "this is all that you can sign in with", reason="last_authenticator"
            )
        session.execute(delete(Passkey).where(Passkey.id == passkey_id))
        _tell(session, ports, "passkey.removed", live, passkey_id)


def of_person(session: Session, person_id: str) -> list[Shown]:
    rows = session.scalars(
        select(Passkey).where(Passkey.person_id == person_id).order_by(Passkey.created_at, Passkey.id)
    )
    return [Shown(row.id, row.label, row.created_at, row.last_used_at) for row in rows]


@dataclass(frozen=True, slots=True)
class _Proven:
    """A passkey that signed a challenge rightly, which is not used up yet."""

    passkey_id: str
    person_id: str
    counted: int
    challenge: bytes
    end: datetime


def _judge(ports: Ports, answer: Answer, purpose: str, whose: str) -> _Proven:
    """Reading alone: whoever proves nothing never takes the writer's lock."""
    challenge = _challenge_in(answer.client_data)
    end = read_challenge(ports.vault, challenge, ports.clock(), purpose, whose)
    with Session(ports.database.read) as session:
        row = session.scalar(select(Passkey).where(Passkey.credential_id == answer.credential_id))
    if row is None:
        raise VermilionError(Kind.UNAUTHENTICATED, "the passkey is not known", reason="passkey")
    if answer.user_handle not in {None, _handle(ports.vault, row.person_id)}:
        raise VermilionError(Kind.UNAUTHENTICATED, "the passkey is somebody else's", reason="passkey")
    counted = webauthn.verify_assertion(
        party(ports),
        challenge,
        row.public_key,
        client_data=answer.client_data,
        authenticator_data=answer.authenticator_data,
        signature=answer.signature,
    )
    return _Proven(row.id, row.person_id, counted, challenge, end)


def _use(session: Session, ports: Ports, proven: _Proven) -> None:
    """Use the challenge up. A counter that does not go up may be a copy's: it is refused, and said in the
    log. Raises VermilionError(UNAUTHENTICATED).
    """
    now = ports.clock()
    use_up(session, proven.challenge, proven.end, now)
    counted = proven.counted
    goes_up = or_(Passkey.sign_count < counted, and_(Passkey.sign_count == 0, Passkey.sign_count == counted))
    noted = update(Passkey).where(Passkey.id == proven.passkey_id, goes_up)
    if changed_rows(session, noted.values(sign_count=counted, last_used_at=now)) != 1:
        _log.error("passkey_counter_went_back", person=proven.person_id, passkey=proven.passkey_id)
        raise VermilionError(
            Kind.UNAUTHENTICATED, "the passkey may have been copied", reason="passkey_copied"
        )


def _registered(session: Session, ports: Ports, token: str, answer: NewAnswer) -> webauthn.NewCredential:
    now = ports.clock()
    challenge = _challenge_in(answer.client_data)
    end = read_challenge(ports.vault, challenge, now, REGISTER, csrf_of(token))
    credential = webauthn.read_registration(party(ports), challenge, answer.client_data, answer.attestation)
    use_up(session, challenge, end, now)
    return credential


def _keep(
    session: Session, ports: Ports, person_id: str, credential: webauthn.NewCredential, label: str
) -> str:
    row = Passkey(
        id=ports.random(16).hex(),
        person_id=person_id,
        credential_id=credential.id,
        public_key=credential.public_key,
        sign_count=credential.sign_count,
        label=label,
        created_at=ports.clock(),
    )
    known = VermilionError(Kind.CONFLICT, "the passkey is on record already", reason="passkey_known")
    with unless_known(session, known):
        session.add(row)
    return row.id


def _lock(session: Session, person_id: str) -> None:
    """One change of a person's authenticators at a time."""
    principal(session, session.get_one(Person, person_id, with_for_update=True))


def _challenge_in(client_data: bytes) -> bytes:
    """The challenge that a browser says it answers: it is judged by its own MAC, then compared."""
    value = strict_json(client_data, max_bytes=webauthn.MAX_CLIENT_DATA, max_depth=4)
    return b64url(value.get("challenge") if isinstance(value, dict) else None, 128)


def _asking(ports: Ports, challenge: bytes, allowed: list[bytes]) -> dict[str, Any]:
    return {
        "challenge": to_b64url(challenge),
        "timeout": _TIMEOUT,
        "rpId": party(ports).id,
        "allowCredentials": _descriptors(allowed),
        "userVerification": "required",
    }


def _descriptors(ids: list[bytes]) -> list[dict[str, str]]:
    return [{"type": "public-key", "id": to_b64url(one)} for one in ids]


def _handle(vault: Vault, person_id: str) -> bytes:
    """By which an authenticator names its user (WebAuthn, 14.6.1): nothing of theirs can be read from it."""
    return vault.blind("passkey user", person_id)


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise VermilionError(Kind.INVALID, "not what a passkey answers", reason="passkey")
    return value


def _tell(session: Session, ports: Ports, kind: str, live: Live, passkey_id: str) -> None:
    why, detail = ground(ports, "own_authenticators"), {"passkey": passkey_id}
    record_of_person(session, ports, kind, live.person_id, why, live.actor, detail)
