"""A signed answer, filed by whoever asked and checked again: which key gave it, when, and to what.

Each answer in it says by digests what was presented, so that it speaks of that and of nothing else, and so
that the registry can see what it says before it is signed, and be asked the same again later.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NoReturn

from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from keys.signed_answer import Content, take_apart
from keys.trust_list import CLOCK_SKEW, TrustedKey, TrustList
from signing.codes import parse_identifier
from signing.credential import parse_digits, split_link
from signing.issuer import origin_is_trusted
from signing.listed_signer import listed_signer
from signing.live import Wanted
from signing.verdict import Verdict, instant

_HEX64 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Presented:
    """What was presented for a check, as digests (SHA-256): the 16 bytes of a link's id and, where its code
    was scanned, the credential; a file; an identifier that was typed; or a text that is no link of a licence.

    `matched`: whether the look-up code that was typed with an identifier was the licence's. Nothing may be
    asked, or said, of the licence of an unmatched one, since a look-up code guards it.
    """

    link_id: bytes | None = None
    credential: bytes | None = None  # only with `link_id`
    document: bytes | None = None
    identifier: str | None = None
    text: bytes | None = None
    matched: bool = True


@dataclass(frozen=True, slots=True)
class SignedAnswer:
    """A signed answer whose signature and signer were verified."""

    content: Content
    key: TrustedKey


def presented_by_scan(scanned: str) -> Presented:
    """Of a link, or of what was scanned. A fragment that is no credential counts by its own bytes: it is
    another than the licence's.
    """
    try:
        link, fragment = split_link(scanned)
    except VermilionError:
        return Presented(text=sha256(_utf8(scanned)).digest())
    credential = sha256(_bytes_of(fragment)).digest() if fragment else None
    return Presented(link_id=sha256(link.id_bytes).digest(), credential=credential)


def _bytes_of(fragment: str) -> bytes:
    try:
        return parse_digits(fragment)
    except VermilionError:
        return _utf8(fragment)


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def presented_to_json(presented: Presented) -> dict[str, str]:
    """The member `presented` of an answer."""
    named = {
        "link_id_sha256": presented.link_id,
        "credential_sha256": presented.credential,
        "document_sha256": presented.document,
        "text_sha256": presented.text,
    }
    found = {name: value.hex() for name, value in named.items() if value is not None}
    return found if presented.identifier is None else {"identifier": presented.identifier}


def presented_from_json(value: object) -> Presented:
    """Read what `presented_to_json` made. Raises VermilionError(MALFORMED, reason "presented")."""
    if not isinstance(value, dict) or not all(isinstance(one, str) for one in value.values()):
        _malformed()
    if set(value) == {"identifier"}:
        try:
            parse_identifier(value["identifier"])
        except VermilionError:
            _malformed()
        return Presented(identifier=value["identifier"])
    if not all(_HEX64.fullmatch(one) for one in value.values()):
        _malformed()
    digests = {name: bytes.fromhex(one) for name, one in value.items()}
    if set(digests) in ({"link_id_sha256"}, {"link_id_sha256", "credential_sha256"}):
        return Presented(link_id=digests["link_id_sha256"], credential=digests.get("credential_sha256"))
    if set(digests) == {"document_sha256"}:
        return Presented(document=digests["document_sha256"])
    if set(digests) != {"text_sha256"}:
        _malformed()
    return Presented(text=digests["text_sha256"])


def presented_of(answer: Mapping[str, Any]) -> Presented:
    """What an answer says was presented, and whether it says that typed details led to their licence.

    Raises VermilionError(MALFORMED, reason "presented").
    """
    presented = presented_from_json(answer.get("presented"))
    if presented.identifier is None:
        return presented
    return replace(presented, matched=answer.get("identifier") == presented.identifier)


def wanted(presented: Iterable[Presented]) -> Wanted:
    """What a registry is asked for, to answer all of these; nothing for unmatched details."""
    things = list(presented)
    return Wanted(
        links=frozenset(one.link_id for one in things if one.link_id is not None),
        documents=frozenset(one.document for one in things if one.document is not None),
        identifiers=frozenset(one.identifier for one in things if one.identifier is not None and one.matched),
    )


def read_signed_answer(data: bytes, *, trust: TrustList, at: datetime) -> SignedAnswer:
    """Verify a signed answer by the trust list alone, however old it is.

    Raises VermilionError: MALFORMED ("signed_answer", "presented"); INVALID with reason "key_unknown" for a
    key that the trust list does not name for receipts at that time, "key_compromised", "bad_signature",
    "origin_unknown" for an issuer that is no origin of the trust list, "not_yet_issued" for one from the
    future.
    """
    token = take_apart(data.strip(b"\r\n "))
    content = token.content
    signer = listed_signer(
        token, profile=ProfileName.RECEIPT, trust=trust, signed_at=content.issued_at, what="signed answer"
    )
    if not origin_is_trusted(content.issuer, trust):
        _refuse("the answer was given by another site than the trust list's", "origin_unknown")
    if at + CLOCK_SKEW < content.issued_at:
        _refuse("the answer is from the future: check the clock", "not_yet_issued")
    for answer in content.answers:
        presented_from_json(answer.get("presented"))
    return SignedAnswer(content, signer)


def told(found: SignedAnswer) -> dict[str, Any]:
    """What a genuine one is, as JSON members: who gave it to whom, when, and what it is called."""
    content = found.content
    return {
        "genuine": True,
        "reason": None,
        "issuer": content.issuer,
        "issued_at": instant(content.issued_at),
        "key": found.key.kid,
        "reference": content.reference,
        "audience": content.audience,
        "request_reference": content.request_reference,
    }


def parse_instant(value: object) -> datetime:
    """An instant as `signing.verdict.instant` writes it. Raises VermilionError(MALFORMED)."""
    try:
        if isinstance(value, str):
            at = datetime.fromisoformat(value)
            if at.tzinfo is not None and instant(at) == value:
                return at.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise VermilionError(Kind.MALFORMED, "not an instant of ours", reason="instant")


def to_be_signed(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer as the signer permits it. What a file calls itself that is not on record is the file's word,
    and nothing the registry could see is so.
    """
    unknown = answer["verdict"] == Verdict.UNKNOWN
    return {**answer, "identifier": None} if unknown else dict(answer)


def as_said(answer: Mapping[str, Any]) -> dict[str, Any]:
    """An answer without what says what was presented: the members that an unsigned answer has."""
    return {name: value for name, value in answer.items() if name != "presented"}


def _malformed() -> NoReturn:
    raise VermilionError(
        Kind.MALFORMED, "an answer does not say what was presented as ours do", reason="presented"
    )


def _refuse(detail: str, reason: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
