"""Encryption at rest: records, documents and digests of what can be guessed, under data keys.

A data key lies in the database, wrapped under a key of the custodian's, and is unwrapped once a process. Its
generations follow one another: the newest encrypts, all decrypt. What is encrypted says its generation, and
opens only for the use and the owner it was made for:

    0x01 | generation (4 octets) | nonce (12) | AES-256-GCM ciphertext and tag

The public site has no vault.
"""

from __future__ import annotations

import contextlib
import hmac
import threading
from collections.abc import Callable, Sequence
from enum import StrEnum

import structlog
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.clock import Clock
from keys.errors import Kind, VermilionError
from keys.wrapping import KEY_BYTES, KeyWrapper
from registry.database import Database
from registry.licences.outage import database_errors
from registry.rows import changed_rows
from registry.seals.tables import DataKey

_log = structlog.get_logger("registry.keys")
VERSION = 1
NONCE_BYTES = 12
HEADER_BYTES = 1 + 4
FIRST = 1  # generation
_Row = Row[str, int, str, bytes]


DISPOSED = b""
"""What stands in the place of encrypted content that was disposed of (`registry.archive.content`)."""


class Use(StrEnum):
    """What a data key is for."""

    RECORD = "record"  # canonical records of intents, TOTP secrets
    DOCUMENT = "document"  # sealed documents in their store
    INDEX = "index"  # digests by which what can be guessed is found again: one generation for ever


class Vault:
    """Encrypts and decrypts under the data keys in `database`. Safe between threads."""

    def __init__(self, database: Database, random: Callable[[int], bytes]) -> None:
        """Nothing opens before `opened_by`: a custodian's policy reads records by the vault that it opens."""
        self._database = database
        self._random = random
        self._wrapper: KeyWrapper | None = None
        self._keys: dict[tuple[Use, int], bytes] = {}
        self._ciphers: dict[tuple[Use, int], AESGCM] = {}  # of the same keys, each made ready once
        self._newest: dict[Use, int] = {}
        self._lock = threading.Lock()

    def opened_by(self, wrapper: KeyWrapper) -> Vault:
        self._wrapper = wrapper
        return self

    def ready(self) -> None:
        """Have the data keys, before a transaction that will want them: an unwrapping is written down, and
        where there is one writer it would wait for that very transaction. Raises VermilionError(UNAVAILABLE).
        """
        if not self._newest:
            self.refresh()

    def refresh(self) -> None:
        """Learn the generations that are not known yet, all or none. Raises VermilionError(UNAVAILABLE)."""
        rows = self._rows()
        with self._lock:
            keys = dict(self._keys)
            for row in rows:
                if (Use(row.use), row.generation) not in keys:
                    keys[Use(row.use), row.generation] = self._unwrapped(row)
            self._ciphers = {name: AESGCM(key) for name, key in keys.items()}
            self._keys = keys
            self._newest = {use: max(g for u, g in keys if u is use) for use in {u for u, _ in keys}}

    def encrypt(self, use: Use, plaintext: bytes, owner: str) -> bytes:
        """For keeping; only `owner` (an id, a store's key) opens it. Raises VermilionError(UNAVAILABLE)."""
        self.ready()
        generation = self._newest.get(use)
        if generation is None:
            raise _no_data_keys()
        nonce = self._random(NONCE_BYTES)
        header = bytes([VERSION]) + generation.to_bytes(4, "big")
        cipher = self._ciphers[use, generation]
        return header + nonce + cipher.encrypt(nonce, plaintext, _bound(use, header, owner))

    def decrypt(self, use: Use, kept: bytes, owner: str) -> bytes:
        """Raises VermilionError: NOT_FOUND (`record_disposed`) for what was disposed of; UNAUTHENTICATED
        (`record_damaged`, `document_damaged`) for what was not encrypted here for this owner, or was altered;
        UNAVAILABLE.
        """
        if kept == DISPOSED:
            raise disposed()
        header, nonce = kept[:HEADER_BYTES], kept[HEADER_BYTES : HEADER_BYTES + NONCE_BYTES]
        if len(nonce) != NONCE_BYTES or header[0] != VERSION:
            raise _damaged(use)
        cipher = self._cipher(use, int.from_bytes(header[1:], "big"))
        try:
            return cipher.decrypt(nonce, kept[HEADER_BYTES + NONCE_BYTES :], _bound(use, header, owner))
        except InvalidTag:
            raise _damaged(use) from None

    def blind(self, what: str, *parts: str) -> bytes:
        """HMAC-SHA-256 (RFC 2104) under the index key: equal for equal parts, and nothing that a thief of the
        database can try guesses against. Raises VermilionError(UNAVAILABLE).
        """
        message = b"".join(
            len(part).to_bytes(4, "big") + part for part in (p.encode() for p in (what, *parts))
        )
        return hmac.digest(self._key(Use.INDEX, FIRST), message, "sha256")

    def wrap_apart(self, key: bytes, record: str) -> tuple[str, bytes]:
        """A key for what lies elsewhere, wrapped as the data keys are: the wrapping key's id, and the wrapped
        key. Raises VermilionError(UNAVAILABLE).
        """
        rows = self._rows()
        if not rows:
            raise _no_data_keys()
        wrapping = rows[0].wrapping_key_id  # one has wrapped them all
        return wrapping, self._opener().wrap(wrapping, key, record)

    def establish(self, clock: Clock) -> None:
        """A wrapping key and a first data key for each use, where there are none. Of two who try, one does
        it. Raises VermilionError(UNAVAILABLE).
        """
        if self._rows():
            return
        wrapper = self._opener()
        wrapping = wrapper.make_wrapping_key()
        rows = [self._new_row(wrapper, wrapping, use, FIRST, clock) for use in Use]
        with (
            contextlib.suppress(IntegrityError),
            database_errors(),
            self._database.transaction() as session,
        ):
            session.execute(insert(DataKey), rows)

    def renew(self, clock: Clock) -> str:
        """A new wrapping key for all data keys, and new data keys for what is encrypted from now on; the
        wrapping key's id. The index key alone stays, wrapped anew: what it found must be found again.

        Raises VermilionError: UNAVAILABLE; CONFLICT (`data_key_changed`) where somebody else did so
        meanwhile.
        """
        rows = self._rows()
        if not rows:
            raise _no_data_keys()
        wrapper = self._opener()
        wrapping = wrapper.make_wrapping_key()
        wrapped = [(row, wrapper.wrap(wrapping, self._unwrapped(row), _name_of(row))) for row in rows]
        newest = {use: max(row.generation for row in rows if row.use == use) for use in Use}
        added = [
            self._new_row(wrapper, wrapping, use, newest[use] + 1, clock)
            for use in Use
            if use is not Use.INDEX
        ]
        meanwhile = VermilionError(
            Kind.CONFLICT, "the data keys were renewed by somebody else meanwhile", reason="data_key_changed"
        )
        try:
            with database_errors(), self._database.transaction() as session:
                for row, anew in wrapped:
                    as_it_was = update(DataKey).where(
                        DataKey.use == row.use,
                        DataKey.generation == row.generation,
                        DataKey.wrapping_key_id == row.wrapping_key_id,
                    )
                    values = as_it_was.values(wrapping_key_id=wrapping, wrapped=anew)
                    if changed_rows(session, values) != 1:
                        raise meanwhile
                session.execute(insert(DataKey), added)
        except IntegrityError:
            raise meanwhile from None
        self.refresh()
        return wrapping

    def _rows(self) -> Sequence[_Row]:
        with database_errors(), Session(self._database.read) as session:
            return session.execute(
                select(DataKey.use, DataKey.generation, DataKey.wrapping_key_id, DataKey.wrapped)
            ).all()

    def _new_row(
        self, wrapper: KeyWrapper, wrapping: str, use: Use, generation: int, clock: Clock
    ) -> dict[str, object]:
        data_key = self._random(KEY_BYTES)
        return {
            "use": use.value,
            "generation": generation,
            "wrapping_key_id": wrapping,
            "wrapped": wrapper.wrap(wrapping, data_key, data_key_name(use, generation)),
            "created_at": clock(),
        }

    def _cipher(self, use: Use, generation: int) -> AESGCM:
        found = self._ciphers.get((use, generation))
        if found is None:
            self._key(use, generation)  # becomes known, or is refused
            found = self._ciphers[use, generation]
        return found

    def _key(self, use: Use, generation: int) -> bytes:
        if (use, generation) not in self._keys:
            self.refresh()
        found = self._keys.get((use, generation))
        if found is None:
            raise _no_data_keys() if not self._keys else _damaged(use)
        return found

    def _unwrapped(self, row: _Row) -> bytes:
        """A data key that does not open is an outage to whoever needs it, and told to who keeps the keys."""
        try:
            with database_errors():  # of the custodian's ledger
                return self._opener().unwrap(row.wrapping_key_id, row.wrapped, _name_of(row))
        except VermilionError as error:
            if error.kind is Kind.UNAVAILABLE:
                raise
            _log.error("data_key_unusable", key=_name_of(row), reason=error.reason)
            raise VermilionError(
                Kind.UNAVAILABLE, "a data key of the registry cannot be used now", reason="data_key"
            ) from error

    def _opener(self) -> KeyWrapper:
        assert self._wrapper is not None, "a vault is opened before it is used"
        return self._wrapper


def data_key_name(use: Use, generation: int) -> str:
    """What a data key is called where it is wrapped and where its unwrapping is written down."""
    return f"data-key:{use.value}:{generation}"


def _name_of(row: _Row) -> str:
    return data_key_name(Use(row.use), row.generation)


def _bound(use: Use, header: bytes, owner: str) -> bytes:
    return b"vermilion-at-rest|" + header + b"|" + f"{use.value}|{owner}".encode()


def disposed() -> VermilionError:
    """The answer to whoever asks for content that was disposed of when its retention was over."""
    detail = "its content was disposed of when its retention period was over"
    return VermilionError(Kind.NOT_FOUND, detail, reason="record_disposed")


def _damaged(use: Use) -> VermilionError:
    return VermilionError(
        Kind.UNAUTHENTICATED, f"a {use.value} was altered where it is kept", reason=f"{use.value}_damaged"
    )


def _no_data_keys() -> VermilionError:
    return VermilionError(
        Kind.UNAVAILABLE, "the registry has no data keys yet: start it once", reason="data_key"
    )
