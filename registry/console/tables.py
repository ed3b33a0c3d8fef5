"""How people sign in to the operator console with a browser, and the sessions they have then.

No secret is kept that opens anything by itself: tokens, links and codes as SHA-256, passwords stretched, TOTP
secrets encrypted under the vault.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from registry.database import Base


class LocalAccount(Base):
    """The name that a person types to sign in, and their password with TOTP where they have these."""

    __tablename__ = "local_account"
    __table_args__ = (CheckConstraint("(password IS NULL) = (totp_secret IS NULL)", name="both_factors"),)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    password: Mapped[bytes | None]  # `registry.console.passwords`: cost, salt, scrypt
    totp_secret: Mapped[bytes | None]  # under the vault
    totp_step: Mapped[int | None] = mapped_column(BigInteger)  # of the last code that served
    created_at: Mapped[datetime]


class Passkey(Base):
    """A WebAuthn credential of a person's."""

    __tablename__ = "passkey"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    credential_id: Mapped[bytes] = mapped_column(unique=True)  # at most 1023 octets
    public_key: Mapped[bytes]  # COSE_Key (RFC 9052), as its authenticator wrote it
    sign_count: Mapped[int] = mapped_column(BigInteger)  # 0 of those that do not count
    label: Mapped[str] = mapped_column(String(60))  # its owner's name for it
    created_at: Mapped[datetime]
    last_used_at: Mapped[datetime | None]


class OutsideIdentity(Base):
    """A person as an OpenID provider knows them: bound before they sign in, never made by signing in."""

    __tablename__ = "outside_identity"
    __table_args__ = (UniqueConstraint("issuer", "subject"),)
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    issuer: Mapped[str] = mapped_column(String(200))
    subject: Mapped[str] = mapped_column(String(255))
    active: Mapped[bool]  # not before security administration approved it
    created_at: Mapped[datetime]


class Invitation(Base):
    """Lets a person set how they sign in, once: by a link that system administration hands over and a code
    that security administration does. Whoever has one of the two can do nothing with it.
    """

    __tablename__ = "invitation"
    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    account: Mapped[str] = mapped_column(String(64))  # the name they will sign in by
    token_sha256: Mapped[bytes] = mapped_column(unique=True)  # of what the link carries, 256 random bits
    code_sha256: Mapped[bytes | None]  # of the code, 80 random bits; None until it is released
    state: Mapped[str] = mapped_column(String(10))  # open, released, used, withdrawn
    invited_by: Mapped[str] = mapped_column(ForeignKey("person.id"))
    invited_at: Mapped[datetime]
    released_by: Mapped[str | None] = mapped_column(ForeignKey("person.id"))
    expires_at: Mapped[datetime]


class ConsoleSession(Base):
    """Somebody's browser, known by a cookie. Only `open` ones let anybody do anything."""

    __tablename__ = "console_session"
    token_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    person_id: Mapped[str] = mapped_column(ForeignKey("person.id"), index=True)
    client_id: Mapped[str | None] = mapped_column(ForeignKey("client.id"))  # None: an administrator's
    stage: Mapped[str] = mapped_column(String(10))  # password (was right), enrolling, open
    means: Mapped[str] = mapped_column(String(10))  # password, passkey, oidc; of one enrolling: none
    begun_at: Mapped[datetime]
    seen_at: Mapped[datetime]  # to the minute
    proved_at: Mapped[datetime]  # when they last showed a factor that is not lying about in a browser
    expires_at: Mapped[datetime] = mapped_column(index=True)
    invitation_id: Mapped[str | None] = mapped_column(ForeignKey("invitation.id"))
    totp_draft: Mapped[bytes | None]  # a secret that is being set up, under the vault


class UsedChallenge(Base):
    """What signs somebody in once: a WebAuthn challenge that was answered, an OpenID flow that came back."""

    __tablename__ = "used_challenge"
    challenge_sha256: Mapped[bytes] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
