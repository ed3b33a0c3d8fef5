"""A register in memory, a trust list and signed codes for the tests of checks; every key is fixed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from hashlib import sha256
from typing import Any, TypeVar

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from keys.errors import Kind, VermilionError
from keys.suite import P256
from keys.trust_list import TrustedKey, TrustList
from registry.samples import sample_requests, sample_types
from signing.codes import make_identifier
from signing.credential import (
    assemble,
    claims_of,
    encode_claims,
    link_text,
    qr_text,
    raw_signature,
    sig_structure,
)
from signing.disclosure import public_record
from signing.licence_type import LicenceType, Role, load_licence_type
from signing.live import LiveLicence, LiveShowing
from signing.record import Record, parse_submission

NOW = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
ORIGIN = "http://localhost:8801"
SUITE = P256
Answer = TypeVar("Answer")


def key(number: int) -> ec.EllipticCurvePrivateKey:
    """A fixed key: whoever reads this has it."""
    return ec.derive_private_key(
        int.from_bytes(sha256(b"vermilion test %d" % number).digest(), "big") >> 1, SUITE.curve
    )


def spki(private: ec.EllipticCurvePrivateKey) -> bytes:
    return private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


def kid(private: ec.EllipticCurvePrivateKey) -> bytes:
    return sha256(spki(private)).digest()[:8]


@cache
def types() -> dict[str, LicenceType]:
    loaded = [load_licence_type(folder) for folder in sample_types()]
    return {one.code: one for one in loaded}


@cache
def records() -> tuple[Record, ...]:
    """The record of every sample request, as the registry would make it."""
    made = []
    for place, request in enumerate(sample_requests()):
        kind = types()[request["type"]]
        values: dict[str, Any] = dict(
            parse_submission(kind, request["fields"], date(2026, 11, 20), number=request["number"]).fields
        )
        issued = date.fromisoformat(request["fields"]["issue_date"])
        until = kind.field(Role.VALID_TO)
        made.append(
            Record(
                identifier=make_identifier(kind.code, request["issuer"], request["number"], 1),
                type_code=kind.code,
                type_version=kind.version,
                issuer_code=request["issuer"],
                number=request["number"],
                edition=1,
                fields=values,
                issue_date=issued,
                valid_from=issued,
                valid_to=date.fromisoformat(values[until.name]) if until else None,
                status_list=0,
                status_index=4711 + place,
                specimen=True,
            )
        )
    return tuple(made)


def food() -> Record:
    return next(r for r in records() if types()[r.type_code].expires)


def teacher() -> Record:
    return next(r for r in records() if not types()[r.type_code].expires)


QR_KEY = key(1)
LINK_ID = bytes(range(16))


def sign(
    record: Record,
    *,
    private: ec.EllipticCurvePrivateKey = QR_KEY,
    link_id: bytes = LINK_ID,
    origin: str = ORIGIN,
    alg: int = SUITE.cose_alg,
    kid_bytes: bytes | None = None,
) -> bytes:
    """The COSE_Sign1 of a record, with a signature that is always the same (RFC 6979)."""
    claims = claims_of(record, types()[record.type_code])
    structure, protected = sig_structure(claims, kid_bytes or kid(private), alg, origin, link_id)
    signature = private.sign(structure, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    return assemble(protected, encode_claims(claims), raw_signature(signature, SUITE))


def scanned(record: Record, **how: Any) -> str:
    """What a scanner reads from a record's code."""
    return qr_text(link_text(how.get("origin", ORIGIN), how.get("link_id", LINK_ID)), sign(record, **how))


def trusted(private: ec.EllipticCurvePrivateKey, record: Record, **other: Any) -> TrustedKey:
    values: dict[str, Any] = {
        "kid": kid(private).hex(),
        "use": "qr",
        "suite": SUITE.name,
        "public_key": spki(private),
        "certificate": None,
        "agency": record.issuer_code,
        "types": (record.type_code,),
        "sign_from": NOW - timedelta(days=30),
        "sign_to": NOW + timedelta(days=300),
        "state": "active",
        "since": None,
    }
    return TrustedKey(**{**values, **other})


def trust_list(*keys: TrustedKey, **other: Any) -> TrustList:
    values: dict[str, Any] = {
        "sequence": 1,
        "issued_at": NOW - timedelta(hours=1),
        "next_update": NOW + timedelta(days=1),
        "expires_at": NOW + timedelta(days=7),
        "zone": "Asia/Shanghai",
        "origins": (ORIGIN,),
        "roots": (),
        "issuing": (),
        "agencies": {},
        "types": {},
        "keys": keys,
        "status_lists": f"{ORIGIN}/status/",
    }
    return TrustList(**{**values, **other})


def licence(record: Record, cose: bytes = b"", **other: Any) -> LiveLicence:
    values: dict[str, Any] = {
        "record": public_record(record, types()[record.type_code]),
        "origin": ORIGIN,
        "status": "in_force",
        "ground": None,
        "how": None,
        "since": None,
        "credential_sha256": sha256(cose).digest(),
        "sealed_at": NOW - timedelta(days=2),
        "seal_state": "active",
        "seal_state_at_sealing": "active",
        "seal_compromised_since": None,
        "entitled": True,
        "documents": (),
        "issuer_name": {"zh": "样本市市场监督管理局", "en": "Yangben Administration"},
        "type_name": {"zh": "食品经营许可证", "en": "Food Business Licence"},
        "as_of": NOW,
    }
    return LiveLicence(**{**values, **other})


@dataclass
class Register:
    """`LiveRegistry` over dictionaries; `out` makes it unreachable, `fails_after` so many questions later."""

    links: dict[bytes, LiveLicence] = field(default_factory=dict)
    documents: dict[bytes, LiveLicence] = field(default_factory=dict)
    codes: dict[tuple[str, str], LiveLicence] = field(default_factory=dict)
    showings: dict[bytes, LiveShowing] = field(default_factory=dict)
    uses: set[bytes] = field(default_factory=set)  # SHA-256 of what the seals' keys signed
    out: bool = False
    fails_after: int | None = None  # questions that are still answered

    def _ask(self, answer: Callable[[], Answer]) -> Answer:
        if self.out or self.fails_after == 0:
            raise VermilionError(Kind.UNAVAILABLE, "out of reach")
        if self.fails_after is not None:
            self.fails_after -= 1
        return answer()

    def by_link_id(self, id_sha256: bytes) -> LiveLicence | None:
        return self._ask(lambda: self.links.get(id_sha256))

    def by_document(self, sha256: bytes) -> LiveLicence | None:
        return self._ask(lambda: self.documents.get(sha256))

    def by_identifier_and_code(self, identifier: str, lookup_code: str) -> LiveLicence | None:
        return self._ask(lambda: self.codes.get((identifier, lookup_code)))

    def by_identifier(self, identifier: str) -> LiveLicence | None:
        return self._ask(lambda: None)

    def by_showing(self, id_sha256: bytes) -> LiveShowing | None:
        return self._ask(lambda: self.showings.get(id_sha256))

    def seal_use_recorded(self, signed_sha256: bytes) -> bool:
        return self._ask(lambda: signed_sha256 in self.uses)


def register(found: LiveLicence, link_id: bytes = LINK_ID) -> Register:
    return Register(links={sha256(link_id).digest(): found})


@dataclass
class Alarms:
    raised: list[tuple[str, str, str | None, bytes]] = field(default_factory=list)

    def raise_alarm(self, reason: str, key_id: str, identifier: str | None, digest: bytes) -> None:
        self.raised.append((reason, key_id, identifier, digest))


def changed(record: Record, **fields: str) -> Record:
    """The same record with other values on it."""
    return replace(record, fields={**record.fields, **fields})
