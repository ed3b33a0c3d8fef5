"""Statements between archives: what one hands over to another, and what became of each piece there.

Compact JWS (RFC 7515) of the form of `keys.jws`: the signer's certificates stand in the header, the payload
is canonical JSON, and there is one encoding of each. The list itself is as long as it is: what is signed of
it is its digest, and how many it names. A receipt names each piece with its number and digest, and says of
each whether it was accepted, or why not.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, NoReturn

from cryptography import x509

from keys import jws
from keys.base64url import unb64url
from keys.canonical import canonical_json
from keys.custodian import Custodian, KeyRef, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.suite import SUITES, Suite

LIST_TYPE = "archive-handover+jwt"
RECEIPT_TYPE = "archive-receipt+jwt"
MAX_PIECES = 5000
MAX_BYTES = 4 * 1024 * 1024
MAX_REASON = 80
Signers = Mapping[bytes, Collection[str]]
"""Certificates (DER), and the codes of the archives that each may speak for."""
SKEW = timedelta(minutes=5)
"""By so much may another archive's clock be ahead of ours."""

_HEX32 = re.compile(r"[0-9a-f]{32}")
_HEX64 = re.compile(r"[0-9a-f]{64}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


@dataclass(frozen=True, slots=True)
class Archive:
    """Whoever hands over or receives: code (of an agency the unified social credit code) and name."""

    code: str
    name: str


@dataclass(frozen=True, slots=True)
class Listed:
    """What is signed of a handover's list. Instants are UTC, whole seconds."""

    handover: str  # 32 hex digits
    sender: Archive
    receiver: Archive
    made_at: datetime
    packages: int
    list_sha256: str


@dataclass(frozen=True, slots=True)
class Piece:
    """A package in a receipt: `reason` says why it was refused; None: it was accepted."""

    number: str
    package: str  # 32 hex digits: as the sender calls it
    sha256: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the receiver says of each piece of a list."""

    handover: str
    list_sha256: str
    receiver: Archive
    received_at: datetime
    pieces: tuple[Piece, ...]


def statement_record(statement_id: str) -> str:
    """The record that a statement's signature serves."""
    return f"archive-statement:{statement_id}"


def list_input(listed: Listed, suite: Suite, chain: Sequence[bytes]) -> bytes:
    """The JWS signing input. Raises ValueError for what is no list."""
    return jws.signing_input(LIST_TYPE, suite, chain, _list_body(listed))


def receipt_input(receipt: Receipt, suite: Suite, chain: Sequence[bytes]) -> bytes:
    """The JWS signing input. Raises ValueError for what is no receipt."""
    return jws.signing_input(RECEIPT_TYPE, suite, chain, _receipt_body(receipt))


def sign_statement(custodian: Custodian, key: KeyRef, signing_input: bytes, statement_id: str) -> str:
    """The compact JWS. Raises VermilionError from the custodian."""
    request = SignRequest(SignKind.ARCHIVE_STATEMENT, signing_input, statement_record(statement_id))
    (signature,) = custodian.sign(key, [request])
    return jws.compact(signing_input, SUITES[key.suite], signature)


def read_list(data: bytes, signers: Signers) -> Listed:
    """A list that was signed by a certificate that may speak for its sender, while it was valid.

    Raises VermilionError(INVALID): `malformed` for any other form, `signer_unknown`, `signer_of_another`,
    `bad_signature`, `certificate_expired`.
    """
    statement = _taken_apart(data, LIST_TYPE)
    listed = _list_of(_strict(statement.payload))
    _require_signed(statement, signers, listed.sender, listed.made_at)
    return listed


def read_receipt(data: bytes, signers: Signers) -> Receipt:
    """As `read_list`, of a receipt and its receiver."""
    statement = _taken_apart(data, RECEIPT_TYPE)
    receipt = _receipt_of(_strict(statement.payload))
    _require_signed(statement, signers, receipt.receiver, receipt.received_at)
    return receipt


def read_input(data: bytes, suite: Suite) -> Listed | Receipt:
    """What `list_input` or `receipt_input` made, without a signature, for a key of the suite.

    Raises VermilionError(INVALID) for anything else.
    """
    header, dot, payload = data.partition(b".")
    if len(data) > MAX_BYTES or not dot:
        _refuse("not a JWS signing input")
    try:
        shown = _strict(unb64url(header))
        body = _strict(unb64url(payload))
    except ValueError:
        _refuse("not base64url")
    typ = shown.get("typ") if isinstance(shown, dict) else None
    if typ not in (LIST_TYPE, RECEIPT_TYPE):
        _refuse("of another type")
    found = jws.read_header(unb64url(header), typ)
    statement: Listed | Receipt = _list_of(body) if typ == LIST_TYPE else _receipt_of(body)
    if isinstance(statement, Listed):
        again = list_input(statement, suite, found.chain)
    else:
        again = receipt_input(statement, suite, found.chain)
    if again != data:
        _refuse("it is not in its one form, or names another algorithm")
    return statement


def _taken_apart(data: bytes, typ: str) -> jws.Compact:
    if len(data) > MAX_BYTES:
        _refuse("it is too long")
    return jws.take_apart(data, typ)


def _require_signed(statement: jws.Compact, signers: Signers, archive: Archive, at: datetime) -> None:
    """The signer's own certificate is known here: what stands beside it in the header proves nothing. And it
    is known as this archive's: nobody speaks for another.
    """
    certificate = statement.header.chain[0]
    if certificate not in signers:
        raise VermilionError(
            Kind.INVALID,
            f"signed by a certificate that is not known here: SHA-256 {sha256(certificate).hexdigest()}",
            reason="signer_unknown",
        )
    if archive.code not in signers[certificate]:
        raise VermilionError(
            Kind.INVALID,
            f"whoever signed is not known here as {archive.code}: SHA-256 {sha256(certificate).hexdigest()}",
            reason="signer_of_another",
        )
    jws.verify(statement)
    found = x509.load_der_x509_certificate(certificate)
    if not found.not_valid_before_utc - SKEW <= at <= found.not_valid_after_utc:
        raise VermilionError(
            Kind.INVALID, "the signer's certificate was not valid then", reason="certificate_expired"
        )


def _list_body(listed: Listed) -> dict[str, Any]:
    return {
        "v": 1,
        "handover": listed.handover,
        "from": _archive(listed.sender),
        "to": _archive(listed.receiver),
        "made_at": _instant(listed.made_at),
        "packages": listed.packages,
        "list_sha256": listed.list_sha256,
    }


def _receipt_body(receipt: Receipt) -> dict[str, Any]:
    return {
        "v": 1,
        "handover": receipt.handover,
        "list_sha256": receipt.list_sha256,
        "to": _archive(receipt.receiver),
        "received_at": _instant(receipt.received_at),
        "packages": [_piece(one) for one in receipt.pieces],
    }


def _archive(archive: Archive) -> dict[str, str]:
    return {"code": archive.code, "name": archive.name}


def _piece(piece: Piece) -> dict[str, str]:
    said = {"number": piece.number, "package": piece.package, "sha256": piece.sha256}
    if piece.reason is None:
        return said | {"outcome": "accepted"}
    return said | {"outcome": "refused", "reason": piece.reason}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _list_of(body: Any) -> Listed:
    _members(body, {"v", "handover", "from", "to", "made_at", "packages", "list_sha256"})
    if type(body["packages"]) is not int or not 1 <= body["packages"] <= MAX_PIECES:
        _refuse(f"it names no package, or more than {MAX_PIECES}")
    return Listed(
        handover=_hex(body["handover"], _HEX32),
        sender=_archive_of(body["from"]),
        receiver=_archive_of(body["to"]),
        made_at=_instant_of(body["made_at"]),
        packages=body["packages"],
        list_sha256=_hex(body["list_sha256"], _HEX64),
    )


def _receipt_of(body: Any) -> Receipt:
    _members(body, {"v", "handover", "list_sha256", "to", "received_at", "packages"})
    pieces = body["packages"]
    if not isinstance(pieces, list) or not 1 <= len(pieces) <= MAX_PIECES:
        _refuse(f"it names no package, or more than {MAX_PIECES}")
    return Receipt(
        handover=_hex(body["handover"], _HEX32),
        list_sha256=_hex(body["list_sha256"], _HEX64),
        receiver=_archive_of(body["to"]),
        received_at=_instant_of(body["received_at"]),
        pieces=tuple(_piece_of(one) for one in pieces),
    )


def _piece_of(value: Any) -> Piece:
    refused = isinstance(value, dict) and value.get("outcome") == "refused"
    named = {"number", "package", "sha256", "outcome"}
    if not isinstance(value, dict) or set(value) != (named | {"reason"} if refused else named):
        _refuse("a package has other members")
    if value["outcome"] not in ("accepted", "refused"):
        _refuse("a package was neither accepted nor refused")
    reason = _line(value["reason"], MAX_REASON) if refused else None
    return Piece(
        _line(value["number"], 100), _hex(value["package"], _HEX32), _hex(value["sha256"], _HEX64), reason
    )


def _archive_of(value: Any) -> Archive:
    if not isinstance(value, dict) or set(value) != {"code", "name"}:
        _refuse("it does not say who hands over, or to whom")
    return Archive(_line(value["code"], 40), _line(value["name"], 120))


def _members(body: Any, names: set[str]) -> None:
    if not isinstance(body, dict) or set(body) != names or type(body["v"]) is not int or body["v"] != 1:
        _refuse("it has other members")


def _hex(value: Any, pattern: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        _refuse("an id or a digest is none")
    return value


def _line(value: Any, longest: int) -> str:
    if (
        not isinstance(value, str)
        or not 1 <= len(value) <= longest
        or not value.isprintable()
        or value != value.strip()
    ):
        _refuse("a text is no printable line, or too long")
    return value


def _instant_of(value: Any) -> datetime:
    if not isinstance(value, str) or not _INSTANT.fullmatch(value):
        _refuse("an instant is written YYYY-MM-DDThh:mm:ssZ")
    try:
        return datetime.strptime(value, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        _refuse("an instant is none")


def _strict(data: bytes) -> Any:
    value = jws.strict(data, MAX_BYTES)
    if canonical_json(value) != data:
        _refuse("it is not in its one form")
    return value


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, f"not a statement between archives: {detail}", reason="malformed")
