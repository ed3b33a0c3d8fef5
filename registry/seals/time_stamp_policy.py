"""Time-stamps on record: each before it is signed, and what a custodian asks about it.

The signed attributes carry a digest of what the token says and nothing more. So the token's content is put
on record first, and the policy reads it there: who can ask the custodian gets no time but the present one
signed, and no serial twice. What is stamped is a digest, and anybody may ask for any: nothing is asked of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import new as new_hash
from hashlib import sha256
from typing import Any, NoReturn

from sqlalchemy import bindparam, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from keys.custodian import KeyRef, SignRequest
from keys.errors import Kind, VermilionError
from keys.profiles import POLICY_TSA
from keys.suite import SUITES
from keys.tsa import Announced
from keys.tst_info import encode_policy, read_attributes, read_tst_info
from registry.database import Database
from registry.driver_select import Prepared
from registry.licences.tables import DocumentStamp
from registry.rows import insert_rows
from registry.seals.tables import Certificate, TimeStamp

_POLICY = encode_policy(POLICY_TSA)
PATIENCE = timedelta(seconds=60)  # between reading the clock and signing, and between two hosts' clocks


class DatabaseTimeStamps:
    """The register `keys.tsa.TimeStampRegister` on table `time_stamp`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def latest(self) -> datetime | None:
        """See `keys.tsa.TimeStampRegister.latest`."""
        with Session(self._database.read) as session:
            latest: datetime | None = _LATEST.value(session)
            return latest

    def announce(self, key: KeyRef, announced: Sequence[Announced]) -> None:
        """See `keys.tsa.TimeStampRegister.announce`."""
        rows = [
            {
                "serial": f"{one.serial:x}",
                "key_id": key.id,
                "record": one.record,
                "gen_time": one.gen_time,
                "info": one.info,
            }
            for one in announced
        ]
        try:
            # On the disk with the key's use, which is written down before anything is signed.
            with self._database.transaction(waits=False) as session:
                insert_rows(session, TimeStamp, rows)
        except IntegrityError:
            raise VermilionError(
                Kind.KEY_REFUSED, "the serial was given before", reason="serial_used"
            ) from None


_LATEST = Prepared(select(func.max(TimeStamp.gen_time).label("latest")))
_ON_RECORD = Prepared(
    select(TimeStamp.serial, TimeStamp.record, TimeStamp.gen_time, TimeStamp.info).where(
        TimeStamp.record.in_(bindparam("records", expanding=True)), TimeStamp.key_id == bindparam("of_key")
    )
)
_OWN = Prepared(
    select(Certificate.der).where(Certificate.key_id == bindparam("of_key"), Certificate.der.is_not(None))
)


def require_announced(
    session: Session, ref: KeyRef, asked: Sequence[tuple[SignRequest, str | None]], now: datetime
) -> list[bytes]:
    """A time-stamp says what is on record for this key and record: the present time, under our policy, naming
    the key's own certificate. Where the record names a serial (hex, beside the request), it is the token's
    own. The digests that they are over are returned, in order.
    """
    suite = SUITES[ref.suite]
    records = {request.record for request, _ in asked}
    on_record: dict[tuple[str, bytes], Any] = {}
    for row in _ON_RECORD.rows(session, records=sorted(records), of_key=ref.id):
        on_record[row.record, new_hash(suite.digest_name, row.info).digest()] = row
    own = {sha256(row.der).digest() for row in _OWN.rows(session, of_key=ref.id)}
    imprints = []
    for request, serial in asked:
        attributes = read_attributes(request.data, suite)  # the custodian has compared it whole already
        found = on_record.get((request.record, attributes.digest))
        if found is None:
            _refuse("the time-stamp is not on record")
        imprints.append(_require_as_recorded(found, serial, now))
        if attributes.certificate_sha256 not in own:
            _refuse("the time-stamp names another certificate than the key's own")
    return imprints


def _require_as_recorded(row: Any, serial: str | None, now: datetime) -> bytes:
    """The digest that the token is over."""
    try:
        info = read_tst_info(row.info)
        digest = info.digest()
    except ValueError:
        _refuse("the time-stamp on record is not one of ours")
    if (
        f"{info.serial:x}" != row.serial
        or serial not in (None, row.serial)
        or info.gen_time != row.gen_time
        or info.policy != _POLICY
        or not now - PATIENCE <= row.gen_time <= now + PATIENCE
    ):
        _refuse("the time-stamp says something else than its record, or is not of this moment")
    return digest


def require_document_stamp(
    session: Session, edition_id: str, attempt: int, imprint: bytes, now: datetime
) -> None:
    """A document's time-stamp serves the attempt that was begun last, while it lasts, and the digest that it
    has announced: there is one time-stamp an attempt, and none once its form is registered.
    """
    row = session.get(DocumentStamp, edition_id)
    if (
        row is None
        or (row.state, row.attempt, row.imprint) != ("waiting", attempt, imprint)
        or row.due_at <= now
    ):
        raise VermilionError(
            Kind.KEY_REFUSED, "no attempt to stamp a document asks for this", reason="document_stamp"
        )


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.KEY_REFUSED, detail, reason="time_stamp")
