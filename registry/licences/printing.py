"""From a reserved record to sealed bytes, holding no connection (design, section 4.3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from keys.custodian import KeyRef, SignRequest, sign_each
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.suite import SUITES, SuiteName, ecdsa
from keys.trust_list import TrustList
from registry.licences.outcomes import each, together
from registry.licences.reserve import Reserved
from registry.licences.trust import require_recognised, trust_now
from registry.ports import Ports
from signing.claims import claims_of, encode_claims
from signing.credential import assemble, link_text, protected_header, raw_signature, sig_structure
from signing.document import SealedDocument, ValidationData
from signing.joint import lay_out_next
from signing.laid_out import LaidOut, checked_signature, splice, stamped_digest
from signing.licence_type import LicenceType
from signing.prefix import Prefix
from signing.record import Printout, Record
from signing.strict_check import FileEvidence, strict_check
from signing.tail import lay_out

HELD = 32
"""Whole documents in memory, of a third of a megabyte and more each."""
_Kept = TypeVar("_Kept")


def record_name(intent_id: str, place: int = 1) -> str:
    """How key uses name the intent they serve, and the place of a further seal on it; each key serves it
    once, and the time-stamp authority's once for each seal.
    """
    return f"intent:{intent_id}" if place == 1 else f"intent:{intent_id}:{place}"


@dataclass(frozen=True, slots=True)
class Printed:
    """A reserved licence as it was sealed, and what our own check found in it."""

    reserved: Reserved
    printout: Printout
    document: SealedDocument
    evidence: FileEvidence


def print_and_seal_many(
    ports: Ports, reserved: Sequence[Reserved], keep: Callable[[Sequence[Printed]], Sequence[_Kept]]
) -> list[_Kept | Exception]:
    """Draw and seal, with one call to the custodian for the credentials, one for each seal's signatures and
    one for the time-stamps: what came of each, in order. Then the further seals of joint licences in the same
    way, place by place. Some at a time are given to `keep`, so that few whole documents are held at once.

    The failures: VermilionError (INVALID for values that cannot be printed faithfully, KEY_REFUSED,
    UNAVAILABLE); anything else is our defect. An outage of time-stamps only costs a level.
    """
    with_credentials = together(reserved, partial(_sign_credentials, ports))
    laid_out = together(with_credentials, partial(_lay_out, ports))
    signed = together(laid_out, partial(_sign, ports))
    stamped = together(signed, partial(_stamp, ports))
    for place in range(2, 1 + max((len(one.materials) for one in reserved), default=1)):
        further = together(stamped, partial(_seal_further, ports, place))
        stamped = further
    return together(stamped, partial(_finish, ports, keep))


@dataclass(frozen=True, slots=True)
class _LaidOut:
    reserved: Reserved
    printout: Printout
    file: LaidOut
    place: int = 1  # of the seal that is to come


@dataclass(frozen=True, slots=True)
class _Signed:
    laid_out: _LaidOut
    signature: bytes


@dataclass(frozen=True, slots=True)
class _Stamped:
    signed: _Signed
    answer: bytes | VermilionError


def _sign_credentials(
    ports: Ports, reserved: Sequence[Reserved]
) -> list[tuple[Reserved, Printout] | Exception]:
    """Printouts with their QR credentials (COSE_Sign1) by their agencies' keys."""
    prepared = [
        sig_structure(one.claims, one.qr_kid, ecdsa(SUITES[one.qr.suite]).cose_alg, one.origin, one.link_id)
        for one in reserved
    ]
    wanted = [
        (one.qr, SignRequest(SignKind.SIG_STRUCTURE, structure, record_name(one.intent_id)))
        for one, (structure, _) in zip(reserved, prepared, strict=True)
    ]
    signed = _signed_by_key(ports, wanted)

    def assembled(at: int) -> tuple[Reserved, Printout] | Exception:
        one, signature = reserved[at], signed[at]
        if isinstance(signature, VermilionError):
            return signature
        raw = raw_signature(signature, ecdsa(SUITES[one.qr.suite]))
        return one, printout_of(one, assemble(prepared[at][1], encode_claims(one.claims), raw))

    return [assembled(at) for at in range(len(reserved))]


def _lay_out(ports: Ports, wanted: Sequence[tuple[Reserved, Printout]]) -> list[_LaidOut | Exception]:
    """The drawn documents with room for their seals, all of a seal with the same proofs, taken now."""
    proofs: dict[tuple[bytes, ...], ValidationData | None] = {}
    prefixes: dict[tuple[tuple[bytes, ...], str, int, bool, bool, bool], Prefix] = {}

    def laid_out(one: tuple[Reserved, Printout]) -> _LaidOut:
        reserved, printout = one
        loaded, materials = reserved.examined.loaded, reserved.materials
        seals = tuple(material.certificate for material in materials)
        if seals not in proofs:
            proofs[seals] = ports.validation.of(*materials)
        record, photo = reserved.record, printout.photo is not None
        specimen, copied = record.specimen, record.copy is not None
        look = seals, loaded.type.code, loaded.type.version, specimen, photo, copied
        if look not in prefixes:
            prefixes[look] = ports.prefixes.of(
                ports.documents,
                loaded,
                materials,
                specimen=specimen,
                photo=photo,
                copied=copied,
                validation=proofs[seals],
            )
        return _LaidOut(reserved, printout, _drawn(ports, reserved, printout, prefixes[look]))

    return each(wanted, laid_out)


def _drawn(ports: Ports, reserved: Reserved, printout: Printout, prefix: Prefix) -> LaidOut:
    """Raises VermilionError(INVALID) for values that cannot be printed faithfully."""
    return lay_out(
        prefix,
        printout,
        material=reserved.material,
        at=ports.clock(),
        reason_text=reserved.examined.loaded.type.name["zh"],
    )


def _sign(ports: Ports, laid_out: Sequence[_LaidOut]) -> list[_Signed | Exception]:
    wanted = [
        (
            one.file.material.key,
            SignRequest(SignKind.SIGNED_ATTRIBUTES, one.file.attributes, _record_of(one)),
        )
        for one in laid_out
    ]
    signed = [
        raw if isinstance(raw, VermilionError) else (one, raw)
        for one, raw in zip(laid_out, _signed_by_key(ports, wanted), strict=True)
    ]
    return each(signed, lambda one: _Signed(one[0], checked_signature(one[0].file, one[1])))


def _stamp(ports: Ports, signed: Sequence[_Signed]) -> list[_Stamped | Exception]:
    asked = [(stamped_digest(one.signature), _record_of(one.laid_out)) for one in signed]
    answers = ports.timestamper.stamp_many(asked)
    return [_Stamped(one, answer) for one, answer in zip(signed, answers, strict=True)]


def _record_of(one: _LaidOut) -> str:
    return record_name(one.reserved.intent_id, one.place)


def _spliced(one: _Stamped) -> SealedDocument:
    return splice(one.signed.laid_out.file, one.signed.signature, one.answer)


def _seal_further(ports: Ports, place: int, stamped: Sequence[_Stamped]) -> list[_Stamped | Exception]:
    """The seal at a place, from 2, of all that have one there; the others as they are."""

    def wants(one: _Stamped) -> bool:
        return len(one.signed.laid_out.reserved.materials) >= place

    def laid_out(one: _Stamped) -> _LaidOut:
        before = one.signed.laid_out
        file = lay_out_next(
            _spliced(one).data,
            material=before.reserved.materials[place - 1],
            at=ports.clock(),
            reason_text=before.reserved.examined.loaded.type.name["zh"],
            validation=before.file.validation,
            beginnings=ports.prefixes.beginnings,
        )
        return replace(before, file=file, place=place)

    waiting = each([one for one in stamped if wants(one)], laid_out)
    made = iter(together(together(waiting, partial(_sign, ports)), partial(_stamp, ports)))
    return [next(made) if wants(one) else one for one in stamped]


def _finish(
    ports: Ports, keep: Callable[[Sequence[Printed]], Sequence[_Kept]], stamped: Sequence[_Stamped]
) -> list[_Kept | Exception]:
    """Splice, and check our own work, all against one trust list; and have it kept."""
    trust, now = trust_now(ports), ports.clock()

    def finished(one: _Stamped) -> Printed:
        laid_out = one.signed.laid_out
        document = _spliced(one)
        evidence = _check_own_work(ports, laid_out.printout, document, trust, now)
        return Printed(laid_out.reserved, laid_out.printout, document, evidence)

    outcomes: list[_Kept | Exception] = []
    for at in range(0, len(stamped), HELD):
        outcomes += together(each(stamped[at : at + HELD], finished), keep)
    return outcomes


def _check_own_work(
    ports: Ports, printout: Printout, sealed: SealedDocument, trust: TrustList, now: datetime
) -> FileEvidence:
    """Nothing is registered that a relying party's check of the file or of its code would refuse.

    Raises VermilionError(UNAVAILABLE) where only the trust list is behind; else that is our defect.
    """
    try:
        evidence = strict_check(sealed.data, trust, at=now, beginnings=ports.prefixes.beginnings)
    except VermilionError as error:
        if error.kind is Kind.UNAVAILABLE:
            raise
        raise RuntimeError(f"the sealed document does not pass our own check: {error.reason}") from error
    require_recognised(evidence, printout, trust, now)
    return evidence


def _signed_by_key(
    ports: Ports, wanted: Sequence[tuple[KeyRef, SignRequest]]
) -> list[bytes | VermilionError]:
    """One call to the custodian for each key: a signature or a failure for each request, in order."""
    outcomes: dict[int, bytes | VermilionError] = {}
    for ref in dict.fromkeys(ref for ref, _ in wanted):
        places = [at for at, (key, _) in enumerate(wanted) if key == ref]
        signed = sign_each(ports.custodian, ref, [wanted[at][1] for at in places])
        outcomes.update(zip(places, signed, strict=True))
    return [outcomes[at] for at in range(len(wanted))]


def unsigned_credential(record: Record, licence_type: LicenceType, suite: SuiteName = "p256-sha256") -> bytes:
    """A credential of the right length signed by nobody, to be measured or drawn and never kept."""
    algorithm = ecdsa(SUITES[suite])
    protected = protected_header(bytes(8), algorithm.cose_alg)
    payload = encode_claims(claims_of(record, licence_type))
    return assemble(protected, payload, b"\x01" * 2 * algorithm.field_bytes)


def printout_of(reserved: Reserved, credential: bytes) -> Printout:
    return Printout(
        record=reserved.record,
        link=link_text(reserved.origin, reserved.link_id),
        credential=credential,
        lookup_code=reserved.lookup_code,
        photo=reserved.examined.photo,
    )


def preview_printout(ports: Ports, reserved: Reserved, printout: Printout) -> None:
    """Draw and keep nothing; neither key nor store is touched. Raises VermilionError(INVALID) for values that
    cannot be printed faithfully.
    """
    prefix = ports.prefixes.preview(
        reserved.examined.loaded,
        reserved.materials,
        specimen=reserved.record.specimen,
        photo=printout.photo is not None,
        copied=reserved.record.copy is not None,
    )
    _drawn(ports, reserved, printout, prefix)
