"""The page of a signed answer, drawn and signed where the key is.

What it shows stands in an answer that the same key has signed before, so that the policy of answers has
found it to be so (`registry.seals.answer_policy`). Nobody else can have a page signed
(`registry.seals.drawn_pages`).
"""

from __future__ import annotations

import threading
from functools import cached_property
from typing import NoReturn

from sqlalchemy import select
from sqlalchemy.orm import Session, aliased

from keys.clock import Clock
from keys.custodian import Custodian, KeyRef, Purpose, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.wire import AnswerPage
from registry.database import Database
from registry.licences.outage import database_errors
from registry.licences.trust import current_list
from registry.seals.answer_policy import PATIENCE
from registry.seals.drawn_pages import drawn
from registry.seals.tables import Certificate
from registry.settings import Settings
from signing.document import NO_PICTURE, SealMaterial
from signing.fonts import Fonts
from signing.signed_answer import read_signed_answer

AT_ONCE = 2
"""Pages that are drawn at a time: whoever holds the keys has more to do."""


class AnswerPages:
    """Makes pages, for `keys.signer.Signer`. Safe between threads; opens fonts when it is first asked."""

    def __init__(
        self,
        database: Database,
        custodian: Custodian,
        settings: Settings,
        *,
        clock: Clock,
    ) -> None:
        self._database = database
        self._custodian = custodian
        self._settings = settings
        self._clock = clock
        self._room = threading.BoundedSemaphore(AT_ONCE)

    def __call__(self, request: AnswerPage) -> bytes:
        """A PDF, signed (PAdES B-B, EN 319 142-1) by the key that signed the answer.

        Raises VermilionError: KEY_REFUSED for another key than that, or an answer that is not of this moment
        or had its page; INVALID or MALFORMED for what is no answer of ours to one check; UNAVAILABLE.
        """
        if not self._room.acquire(blocking=False):
            raise VermilionError(
                Kind.UNAVAILABLE, "other pages are being drawn", reason="signer", retry_after=2
            )
        try:
            return self._page(request)
        finally:
            self._room.release()

    def _page(self, request: AnswerPage) -> bytes:
        from signing.answer_drawing import draw_page, lay_out_page
        from signing.answer_page import MAX_BYTES
        from signing.laid_out import checked_signature, splice

        now = self._clock()
        if request.ref.purpose is not Purpose.RECEIPT:
            _refuse("pages are signed by the keys of answers")
        trust = current_list(self._database.read, now)
        found = read_signed_answer(request.answer, trust=trust, at=now)
        issued_at = found.content.issued_at
        if abs(issued_at - now) > PATIENCE:
            _refuse("the answer is not of this moment")
        material = self._material(request.ref)
        if found.key.certificate != material.certificate:
            _refuse("the answer was signed by another key")
        page = draw_page(found, request.answer, request.language, fonts=self._fonts, zone=self._settings.tz)
        laid_out = lay_out_page(page, material, issued_at)
        if len(laid_out.prefix) + len(laid_out.tail) > MAX_BYTES:
            raise VermilionError(Kind.INVALID, "the answer is too long for a page", reason="page")
        record = f"answer-page:{found.content.reference}"  # so there is one page of an answer
        with drawn(laid_out.attributes):
            asked = SignRequest(SignKind.PAGE_ATTRIBUTES, laid_out.attributes, record)
            (signature,) = self._custodian.sign(request.ref, [asked])
        return splice(laid_out, checked_signature(laid_out, signature), None).data

    @cached_property
    def _fonts(self) -> Fonts:
        return Fonts.find(self._settings.data / "fonts")

    def _material(self, ref: KeyRef) -> SealMaterial:
        """The key with its certificate and that of its issuer."""
        issuer = aliased(Certificate)
        with database_errors(), Session(self._database.read) as session:
            row = session.execute(
                select(Certificate.der, issuer.der)
                .join(issuer, issuer.key_id == Certificate.issuer_key_id)
                .where(Certificate.key_id == ref.id, Certificate.der.is_not(None), issuer.der.is_not(None))
                .order_by(Certificate.not_before.desc(), issuer.not_before.desc())
                .limit(1)
            ).one_or_none()
        if row is None or row[0] is None or row[1] is None:
            _refuse("the key has no certificate")
        return SealMaterial(ref, row[0], (row[1],), NO_PICTURE)


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.KEY_REFUSED, detail, reason="page")
