"""One who took an agency's key files and their passphrase, and asks no rule before signing."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.clock import system_clock
from keys.custodian import Kind, SignRequest
from keys.ledger import MemoryLedger, MemoryTimeStamps
from keys.software import SoftwareCustodian
from keys.suite import SUITES, ecdsa
from keys.time_source import GivenClock
from keys.trust_list import kid_of
from keys.tsa import TimeStampAuthority
from registry.custodians import passphrase_path
from registry.licences.issued import attached_printout
from registry.licences.tables import Edition
from registry.licences.types import LoadedType, current_type
from registry.seals.authority import chain, time_stamp_authority
from registry.seals.tables import Key
from registry.seals.use import qr_key, seal_material
from signing.claims import claims_of, encode_claims
from signing.credential import assemble, parse_id, qr_text, raw_signature, sig_structure
from signing.draw import draw
from signing.photo import parse_photo
from signing.record import Printout, Record
from signing.seal import seal
from tests.integration.province import Paper, Province
from tests.registry.world import CHEAP

_numbers = count(1)


class Thief:
    """Holds every key of the province. `qr_kid` and `seal_kid` name the ones that sign `paper`'s like."""

    def __init__(self, province: Province, paper: Paper) -> None:
        settings = province.world.ports.settings
        self._fonts = province.world.ports.fonts
        self._custodian = SoftwareCustodian(
            settings.keys_directory,
            passphrase_path(settings).read_bytes().strip(),
            policy=lambda _ref, _requests: None,
            ledger=MemoryLedger(),
            cost=CHEAP,
        )
        photo = paper.request["fields"].get("photo")  # drawn on the face, not in the attached record
        self.printout = replace(
            attached_printout(paper.pdf), photo=None if photo is None else parse_photo(photo)[1]
        )
        code = province.world.codes[paper.agency]
        with Session(province.world.ports.database.read) as session:
            edition = session.scalars(select(Edition).where(Edition.identifier == paper.identifier)).one()
            loaded = current_type(session, self.printout.record.type_code)
            assert loaded is not None
            self._loaded: LoadedType = loaded
            self._qr = qr_key(session, code, system_clock()).key
            self._material = seal_material(session, edition.seal_edition_id)
            self.qr_kid = kid_of(session.get_one(Key, self._qr.id).public_key)
            self.seal_kid = kid_of(session.get_one(Key, self._material.key.id).public_key)
            tsa, beside = time_stamp_authority(session, system_clock()), chain(session)
        assert tsa.certificate is not None
        self._stamps = TimeStampAuthority(
            self._custodian, tsa.key, tsa.certificate, beside, time=GivenClock(system_clock),
            register=MemoryTimeStamps(), random=os.urandom,
        )  # fmt: skip

    def record(self, **fields: Any) -> Record:
        """The paper's record, other words in some fields."""
        return replace(self.printout.record, fields={**self.printout.record.fields, **fields})

    def credential(self, record: Record, link: str | None = None) -> tuple[str, bytes]:
        """A rightly signed QR text for the paper's own link, or another; and its COSE bytes."""
        link = link or self.printout.link
        origin, _, id_text = link.rpartition("/c/")
        suite = ecdsa(SUITES[self._qr.suite])
        claims = claims_of(record, self._loaded.type)
        structure, protected = sig_structure(
            claims, bytes.fromhex(self.qr_kid), suite.cose_alg, origin, parse_id(id_text)
        )
        (der,) = self._custodian.sign(
            self._qr, [SignRequest(Kind.SIG_STRUCTURE, structure, f"theft:{next(_numbers)}")]
        )
        cose = assemble(protected, encode_claims(claims), raw_signature(der, suite))
        return qr_text(link, cose), cose

    def document(
        self, record: Record, credential: bytes, redraw: Callable[[bytes], bytes] = lambda pdf: pdf
    ) -> bytes:
        """A document drawn and sealed just as the registry does it, time-stamp included. `redraw` changes the
        drawing before it is sealed.
        """
        printout: Printout = replace(self.printout, record=record, credential=credential)
        return seal(
            redraw(draw(printout, self._loaded.type, self._loaded.face, self._fonts)),
            material=self._material,
            places=self._loaded.face.seal_places(),
            custodian=self._custodian,
            timestamper=self._stamps,
            at=system_clock()
            - timedelta(minutes=1),  # signed in the registry's own second it may be its bytes
            record=f"theft:{next(_numbers)}",
            reason_text=self._loaded.type.name["zh"],
        ).data
