"""What a ceremony's transcript says, and its one form. `keys.ceremony` signs and verifies it."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NoReturn

from keys.crl import RevocationReason
from keys.errors import Kind, VermilionError

OPERATIONS = ("establish", "issuing", "delegate", "successor")
RETIRED, COMPROMISED = FORMER_ROOT = ("retired", "compromised")
"""How a root goes out of service: in order, or because others may have its key, or nobody knows who has."""
SCHEME = "SLIP-39"
MAX_NAME = 64
MAX_PRESENT = 32
MAX_CERTIFICATES = 8
_HEX32, _HEX64 = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")
_SERIAL = re.compile(r"[1-9a-f][0-9a-f]{0,39}")
_LAST = 253402300799  # 9999-12-31T23:59:59Z


@dataclass(frozen=True, slots=True)
class Present:
    """Somebody who was there."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Shares:
    """How the root's passphrase is shared; never a share. `total` is None where it was not learnt."""

    threshold: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Certified:
    """A certificate of the ceremony, as it was linted and signed. Digests are SHA-256, hex."""

    profile: str
    key: str  # the custodian's id of the subject's key
    serial: str  # hex
    sha256: str  # of the certificate
    tbs_sha256: str  # of the TBSCertificate, before and after the signature
    lint: str  # the linter, whose every finding refuses
    der: bytes


@dataclass(frozen=True, slots=True)
class Revoked:
    """A certificate of the root's that the ceremony ended; its list says so."""

    serial: str  # hex
    reason: str  # CRLReason (RFC 5280, 5.3.1)


@dataclass(frozen=True, slots=True)
class FormerRoot:
    """The root that another took the place of. A retired one certified its successor; the word of one that is
    compromised counts for nothing.
    """

    state: str  # of FORMER_ROOT
    der: bytes  # its certificate
    link: bytes | None  # the successor's name and key, certified by it (DER); None: compromised


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was done. Instants are UTC, whole seconds."""

    operation: str
    title: str
    file_sha256: str  # of the ceremony's file, hex
    software: str
    attempt: int  # 1, or more where it was interrupted
    begun_at: datetime
    signed_at: datetime
    present: tuple[Present, ...]
    shares: Shares
    certificates: tuple[Certified, ...]
    revoked: tuple[Revoked, ...] = ()
    former_root: FormerRoot | None = None  # of operation "successor" alone


def transcript_body(transcript: Transcript) -> dict[str, Any]:
    """The payload, for canonical JSON."""
    return {
        "operation": transcript.operation,
        "title": transcript.title,
        "file_sha256": transcript.file_sha256,
        "software": transcript.software,
        "attempt": transcript.attempt,
        "begun": int(transcript.begun_at.timestamp()),
        "iat": int(transcript.signed_at.timestamp()),
        "present": [{"name": one.name, "role": one.role} for one in transcript.present],
        "shares": {
            "scheme": SCHEME,
            "threshold": transcript.shares.threshold,
            "total": transcript.shares.total,
        },
        "certificates": [
            {
                "profile": one.profile,
                "key": one.key,
                "serial": one.serial,
                "sha256": one.sha256,
                "tbs_sha256": one.tbs_sha256,
                "lint": one.lint,
                "x5c": base64.b64encode(one.der).decode("ascii"),
            }
            for one in transcript.certificates
        ],
        "revoked": [{"serial": one.serial, "reason": one.reason} for one in transcript.revoked],
        "former_root": None if transcript.former_root is None else _former_body(transcript.former_root),
    }


def _former_body(former: FormerRoot) -> dict[str, Any]:
    return {
        "state": former.state,
        "x5c": base64.b64encode(former.der).decode("ascii"),
        "link": None if former.link is None else base64.b64encode(former.link).decode("ascii"),
    }


def parse_transcript(body: object) -> Transcript:
    """A payload as `transcript_body` writes it. Raises VermilionError(MALFORMED) for any other."""
    value = _members(
        body,
        {"operation", "title", "file_sha256", "software", "attempt", "begun", "iat", "present", "shares",
         "certificates", "revoked", "former_root"},
    )  # fmt: skip
    shares = _members(value["shares"], {"scheme", "threshold", "total"})
    if value["operation"] not in OPERATIONS or shares["scheme"] != SCHEME:
        _refuse("a transcript of an unknown ceremony")
    transcript = Transcript(
        operation=value["operation"],
        title=_text(value["title"], 200),
        file_sha256=_matching(value["file_sha256"], _HEX64),
        software=_text(value["software"], MAX_NAME),
        attempt=_number(value["attempt"], 1, 10**6),
        begun_at=_instant(value["begun"]),
        signed_at=_instant(value["iat"]),
        present=_list(value["present"], 1, MAX_PRESENT, _present),
        shares=Shares(
            _number(shares["threshold"], 1, 16),
            None if shares["total"] is None else _number(shares["total"], 1, 16),
        ),
        certificates=_list(value["certificates"], 1, MAX_CERTIFICATES, _certified),
        revoked=_list(value["revoked"], 0, MAX_CERTIFICATES, _revoked),
        former_root=None if value["former_root"] is None else _former_root(value["former_root"]),
    )
    if (transcript.former_root is not None) != (transcript.operation == "successor"):
        _refuse("a successor takes the place of a root, and nothing else does")
    if transcript.begun_at > transcript.signed_at:
        _refuse("a transcript signed before it began")
    return transcript


def _present(value: object) -> Present:
    found = _members(value, {"name", "role"})
    return Present(_text(found["name"], MAX_NAME), _text(found["role"], MAX_NAME))


def _certified(value: object) -> Certified:
    found = _members(value, {"profile", "key", "serial", "sha256", "tbs_sha256", "lint", "x5c"})
    return Certified(
        profile=_text(found["profile"], MAX_NAME),
        key=_matching(found["key"], _HEX32),
        serial=_matching(found["serial"], _SERIAL),
        sha256=_matching(found["sha256"], _HEX64),
        tbs_sha256=_matching(found["tbs_sha256"], _HEX64),
        lint=_text(found["lint"], MAX_NAME),
        der=_der(found["x5c"]),
    )


def _former_root(value: object) -> FormerRoot:
    found = _members(value, {"state", "x5c", "link"})
    if found["state"] not in FORMER_ROOT or (found["link"] is None) != (found["state"] == COMPROMISED):
        _refuse("a former root is retired and certified its successor, or it is compromised")
    link = None if found["link"] is None else _der(found["link"])
    return FormerRoot(found["state"], _der(found["x5c"]), link)


def _der(text: object) -> bytes:
    try:
        der = base64.b64decode(text if isinstance(text, str) else "!", validate=True)
    except (binascii.Error, ValueError):
        _refuse("not base64")
    if not der or base64.b64encode(der).decode("ascii") != text:
        _refuse("not base64")
    return der


def _revoked(value: object) -> Revoked:
    found = _members(value, {"serial", "reason"})
    if found["reason"] != RevocationReason.CA_COMPROMISE:
        _refuse("a ceremony ends authorities that are compromised, and nothing else")
    return Revoked(_matching(found["serial"], _SERIAL), found["reason"])


def _members(value: object, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != names:
        _refuse("a transcript with other members")
    return value


def _list(value: object, least: int, most: int, parse: Callable[[object], Any]) -> tuple[Any, ...]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        _refuse("a transcript with too few or too many entries")
    return tuple(map(parse, value))


def _text(value: object, most: int) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= most or not value.isprintable():
        _refuse("a text of the transcript is empty, too long or not printable")
    return value


def _matching(value: object, form: re.Pattern[str]) -> str:
    if not isinstance(value, str) or not form.fullmatch(value):
        _refuse("a digest or number of the transcript is not one")
    return value


def _number(value: object, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        _refuse("a number of the transcript is out of range")
    return value


def _instant(value: object) -> datetime:
    return datetime.fromtimestamp(_number(value, 0, _LAST), UTC)


def _refuse(detail: str) -> NoReturn:
    raise VermilionError(Kind.MALFORMED, detail)
