"""The page of a signed answer, drawn and signed where the key is.

What it shows stands in an answer that the same key has signed before, so that the policy of answers has
found it to be so (`registry.seals.answer_policy`). Nobody else can have a page signed
(`registry.seals.drawn_pages`).
"""

from __future__ import annotations

from collections.abc import Callable
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
from registry.licences.trust import current_list
from registry.seals.drawn_pages import drawn
from registry.seals.tables import Certificate
from registry.settings import Settings
from signing.document import NO_PICTURE, SealMaterial
from signing.fonts import Fonts
from signing.signed_answer import read_signed_answer


class AnswerPages:
    """Makes pages, for `keys.signer.Signer`. Safe between threads; opens fonts when it is first asked."""

    def __init__(
        self,
        database: Database,
        custodian: Custodian,
        settings: Settings,
        *,
        clock: Clock,
        random: Callable[[int], bytes],
    ) -> None:
        self._database = database
        self._custodian = custodian
        self._settings = settings
        self._clock = clock
        self._random = random

    def __call__(self, request: AnswerPage) -> bytes:
        """A PDF, signed (PAdES B-B, EN 319 142-1) by the key that signed the answer.

        Raises VermilionError: KEY_REFUSED for another key than that, INVALID or MALFORMED for what is no
        answer of ours to one check, UNAVAILABLE.
        """
        from signing.answer_drawing import draw_page, lay_out_page
        from signing.answer_page import MAX_BYTES
        from signing.laid_out import checked_signature, splice

        now = self._clock()
        if request.ref.purpose is not Purpose.RECEIPT:
            _refuse("pages are signed by the keys of answers")
        trust = current_list(self._database.read, now)
        found = read_signed_answer(request.answer, trust=trust, at=now)
        material = self._material(request.ref)
        if found.key.certificate != material.certificate:
            _refuse("the answer was signed by another key")
        page = draw_page(found, request.answer, request.language, fonts=self._fonts, zone=self._settings.tz)
        laid_out = lay_out_page(page, material, now)
        record = f"answer-page:{found.content.reference}:{self._random(4).hex()}"
        with drawn(laid_out.attributes):
            asked = SignRequest(SignKind.PAGE_ATTRIBUTES, laid_out.attributes, record)
            (signature,) = self._custodian.sign(request.ref, [asked])
        data = splice(laid_out, checked_signature(laid_out, signature), None).data
        if len(data) > MAX_BYTES:
            raise VermilionError(Kind.INVALID, "the answer is too long for a page", reason="page")
        return data

    @cached_property
    def _fonts(self) -> Fonts:
        return Fonts.find(self._settings.data / "fonts")

    def _material(self, ref: KeyRef) -> SealMaterial:
        """The key with its certificate and that of its issuer."""
        issuer = aliased(Certificate)
        with Session(self._database.read) as session:
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
