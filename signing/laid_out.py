"""A whole file with room for its seal, and the steps from there: sign, stamp, splice.

How the file was made does not matter here: the reference path (`signing.seal`) and prefix and tail
(`signing.tail`) both end in a `LaidOut`. The steps are apart, so that many can be signed in one call.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from keys.custodian import Custodian, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.suite import SUITES
from signing import cms
from signing.document import SealedDocument, SealMaterial, ValidationData

RESERVED_BYTES = 8192
"""Room for the CMS, fixed so that its length never depends on what is signed. Measured: 1.4 kB without a
token, about 3 kB with one of ours; outside authorities send their whole chain.
"""


@dataclass(frozen=True, slots=True)
class LaidOut:
    """A whole file with room for its CMS, in two parts: what many files begin with is held once."""

    prefix: bytes
    tail: bytes
    start: int  # of the CMS's hex string within the file, delimiters included
    end: int
    moment: datetime  # /M
    material: SealMaterial
    attributes: bytes  # what the seal's key is to sign (`Kind.SIGNED_ATTRIBUTES`)
    validation: ValidationData | None = None  # as the document carries it


Stamping = Callable[[Sequence[tuple[bytes, str]]], Sequence[bytes | VermilionError]]
"""SHA-256 digests and the records they are for: a token for each, or why there is none, in order."""


def seal_laid_out(
    waiting: Sequence[tuple[LaidOut, str]], *, custodian: Custodian, stamp: Stamping | None
) -> list[SealedDocument]:
    """Seal files, each for the record that is beside it, all by one seal; the same order.

    Without time-stamps, where they are out, or where what comes is no token of these bytes, the level is
    "B-B". Raises VermilionError: KEY_REFUSED or UNAVAILABLE from the custodian; INVALID.
    """
    if not waiting:
        return []
    key = waiting[0][0].material.key
    requests = [SignRequest(SignKind.SIGNED_ATTRIBUTES, one.attributes, record) for one, record in waiting]
    raw = custodian.sign(key, requests)
    signatures = [checked_signature(one, made) for (one, _), made in zip(waiting, raw, strict=True)]
    answers: Sequence[bytes | VermilionError | None] = [None] * len(waiting)
    if stamp is not None:
        digests = [stamped_digest(signature) for signature in signatures]
        answers = stamp([(digest, record) for digest, (_, record) in zip(digests, waiting, strict=True)])
    return [
        splice(one, signature, answer)
        for (one, _), signature, answer in zip(waiting, signatures, answers, strict=True)
    ]


def checked_signature(laid_out: LaidOut, raw: bytes) -> bytes:
    """The custodian's signature as it stands in a document, verified: none leaves with a wrong one.

    Raises VermilionError(INVALID, reason "key_mismatch").
    """
    material = laid_out.material
    suite = SUITES[material.key.suite]
    signature = cms.canonical_signature(raw, suite)
    if not cms.made_by(material.certificate, suite.name, signature, laid_out.attributes):
        raise VermilionError(
            Kind.INVALID, "the seal's key and certificate do not belong together", reason="key_mismatch"
        )
    return signature


def stamped_digest(signature: bytes) -> bytes:
    """What the time-stamp is over: the signature value (ETSI EN 319 122-1, 5.3)."""
    return sha256(signature).digest()


def splice(laid_out: LaidOut, signature: bytes, answer: bytes | VermilionError | None) -> SealedDocument:
    """The last step of `seal`. `answer`: the time-stamper's token or its failure; None: it was not asked."""
    material = laid_out.material
    suite = SUITES[material.key.suite]
    token, stamped_at = _token(signature, material.chain, answer)

    def built(token: bytes | None) -> bytes:
        return cms.build_seal(
            material.certificate, material.chain, laid_out.attributes, signature, token, suite
        )

    der = built(token)
    if token is not None and len(der) > RESERVED_BYTES:
        token, stamped_at = None, None
        der = built(None)
    if len(der) > RESERVED_BYTES:
        raise VermilionError(
            Kind.INVALID, "the seal's certificates do not fit", reason="certificates_too_long"
        )
    digits = der.hex().encode("ascii")
    tail, begin = memoryview(laid_out.tail), laid_out.start + 1 - len(laid_out.prefix)
    data = b"".join((laid_out.prefix, tail[:begin], digits, tail[begin + len(digits) :]))
    return SealedDocument(
        data=data, level=_level(laid_out, token, stamped_at), sealed_at=stamped_at or laid_out.moment
    )


def _token(
    signature: bytes, chain: tuple[bytes, ...], answer: bytes | VermilionError | None
) -> tuple[bytes, datetime] | tuple[None, None]:
    """The token over the signature value and its time; nothing in an outage."""
    if answer is None:
        return None, None
    try:
        if isinstance(answer, VermilionError):
            raise answer
        # An outside authority's issuer is none of ours: it comes with the token.
        token = cms.canonical_token(answer, (*chain, *cms.token_certificates(answer)))
        return token, cms.token_time(token, stamped_digest(signature))
    except VermilionError as error:
        if error.kind in {Kind.UNAVAILABLE, Kind.INVALID, Kind.MALFORMED}:
            return None, None
        raise


def _level(laid_out: LaidOut, token: bytes | None, stamped_at: datetime | None) -> str:
    """The PAdES baseline level (EN 319 142-1, clause 6)."""
    if token is None or stamped_at is None:
        return "B-B"
    validation = laid_out.validation
    if validation is None or not validation.covers(stamped_at):
        return "B-T"
    return "B-LT" if set(cms.token_certificates(token)) <= set(validation.certificates) else "B-T"
