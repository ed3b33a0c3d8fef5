"""Certification requests on record: which key may sign one, and which wait for their certificates.

A seal's key that an authority outside is to certify stays reserved until its edition is made; until then it
signs nothing but its request, whose content is on record before it is signed.
"""

from __future__ import annotations

from hashlib import sha256
from typing import NoReturn

from sqlalchemy import Select, select, update
from sqlalchemy.orm import Session

from keys.certificates import public_key_der
from keys.csr import read_request_info
from keys.errors import Kind, VermilionError
from registry.ports import Surroundings
from registry.rows import changed_rows
from registry.seals.outside_tables import CertificationRequest
from registry.seals.tables import Approval, Key, SealEdition


def waiting_requests(approval_id: str) -> Select[CertificationRequest]:
    """Signed requests of an application whose keys wait for a certificate."""
    return (
        select(CertificationRequest)
        .join(Key, Key.id == CertificationRequest.key_id)
        .where(
            CertificationRequest.approval_id == approval_id,
            CertificationRequest.der.is_not(None),
            Key.state == "reserved",
        )
    )


def retire_requests(session: Session, ports: Surroundings, approval_id: str) -> None:
    """Retire the keys that were asked certificates for and did not become the edition's."""
    asked = select(CertificationRequest.key_id).where(CertificationRequest.approval_id == approval_id)
    waiting = update(Key).where(Key.id.in_(asked), Key.state == "reserved")
    changed_rows(session, waiting.values(state="retired", since=ports.clock()))


def require_drafted_request(session: Session, key: Key, request_id: str, data: bytes) -> None:
    """The policy for seals' keys: a request is the very one on record, for this reserved key, unsigned, of an
    approved application that nothing was made for.
    """
    request = session.get(CertificationRequest, request_id)
    if request is None or request.der is not None or request.key_id != key.id or key.state != "reserved":
        _refuse("this is not a certification request that waits for its signature")
    approval = session.get_one(Approval, request.approval_id)
    made = session.scalar(select(SealEdition.id).where(SealEdition.approval_id == approval.id))
    if approval.state != "approved" or made is not None:
        _refuse("nothing that was approved waits to be made")
    if (
        sha256(data).digest() != request.info_sha256
        or public_key_der(read_request_info(data)) != key.public_key
    ):
        _refuse("the certification request is not the one on record")


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.KEY_REFUSED, detail, reason="certification_request")
