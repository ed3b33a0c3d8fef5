"""Where the public site has its answers signed, while the API's own process holds the keys.

The site opens no key and cannot write the record. With `vermilion signer` in service it asks that; without,
the API serves a socket of its own by the same protocol, for the site's user alone and for receipts alone.
Whatever is asked, the custodian's policy signs nothing that is not so (`registry.seals.answer_policy`).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import NoReturn

import structlog

from keys.custodian import Custodian, KeyRef, Purpose, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError, places
from keys.signer import Entitlement, Signer, entitled_to
from keys.suite import PublicKey, SuiteName
from registry.licences.outage import database_errors
from registry.ports import Ports
from registry.processes import account
from registry.seals.answer_pages import AnswerPages
from registry.settings import Settings
from registry.signer import TAKEN, listening

_log = structlog.get_logger("registry.receipts")


def serve_receipts(ports: Ports, stop: threading.Event) -> None:
    """Serve the socket until `stop` is set; or, where another process of the API serves it, return at once.

    Raises VermilionError: UNAVAILABLE where it cannot be made, INVALID for a directory that others could put
    a socket into, or where there is no such user as the site's.
    """
    callers = site_users(ports.settings)
    try:
        with listening(ports.settings.receipts_at.absolute()) as listener:
            custodian = ReceiptsAlone(ports.custodian)
            pages = AnswerPages(ports.database, custodian, ports.settings, clock=ports.clock)
            signer = Signer(custodian, callers, pages=pages, on_refused=_refused, on_defect=_defect)
            end = threading.Thread(target=_stop_with, args=(signer, stop), name="receipts-end", daemon=True)
            end.start()
            signer.serve(listener)
    except VermilionError as error:
        if error.reason != TAKEN:
            raise


def site_users(settings: Settings) -> dict[int, Entitlement]:
    """Who the public site runs as, by user id: the user of the settings, and our own where we are not root,
    since only root can start it as another. Each may have receipts signed.

    Raises VermilionError(INVALID) where we are root and there is no such user.
    """
    every = entitled_to(frozenset({Purpose.RECEIPT}), generate=False)
    receipts = replace(every, uses=every.uses - {(Purpose.RECEIPT, SignKind.ARCHIVE_STATEMENT)})
    if os.geteuid() == 0:
        return {account(settings.public_user).uid: receipts}
    users = {os.geteuid()}
    with contextlib.suppress(VermilionError):
        users.add(account(settings.public_user).uid)
    return dict.fromkeys(users, receipts)


def _stop_with(signer: Signer, stop: threading.Event) -> None:
    stop.wait()
    signer.stop()


class ReceiptsAlone:
    """A custodian of which receipts can be had and nothing else; outages of its database are told as such."""

    def __init__(self, custodian: Custodian) -> None:
        self._custodian = custodian

    def public_key(self, ref: KeyRef) -> PublicKey:
        if ref.purpose is not Purpose.RECEIPT:
            _refuse()
        return self._custodian.public_key(ref)

    def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        if ref.purpose is not Purpose.RECEIPT:
            _refuse()
        with database_errors():
            return self._custodian.sign(ref, requests)

    def generate(self, purpose: Purpose, suite: SuiteName) -> KeyRef:  # noqa: ARG002
        _refuse()

    def make_wrapping_key(self) -> str:
        _refuse()

    def wrap(self, key_id: str, data_key: bytes, record: str) -> bytes:  # noqa: ARG002
        _refuse()

    def unwrap(self, key_id: str, wrapped: bytes, record: str) -> bytes:  # noqa: ARG002
        _refuse()


def _refuse() -> NoReturn:
    raise VermilionError(Kind.KEY_REFUSED, "receipts are signed here, and nothing else", reason="caller")


def _refused(uid: int, error: VermilionError) -> None:
    _log.warning("receipt_refused", uid=uid, reason=error.reason, detail=error.detail)


def _defect(error: Exception) -> None:
    _log.error("receipts_defect", error=type(error).__name__, places=places(error))
