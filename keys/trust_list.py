"""The signed trust list: which key may sign which licence types for which agency, and when.

A compact JWS (RFC 7515), the only thing an offline verifier needs. The root's delegate signs it, whose
certificate stands before the root's in the header: the root's own key is far away, and signs no list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any, Literal, NoReturn, get_args

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from keys import jws
from keys.base64url import b64url
from keys.custodian import PURPOSE_SUITES, Custodian, KeyRef, Purpose, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.outside_chain import MAX_CERTIFICATES, linked_key
from keys.path import (
    certificate_end,
    issued_by,
    issuer_among,
    parse_certificate,
    require_root,
    verify_delegate,
    verify_issuing,
)
from keys.suite import (
    RSA_EXPONENT,
    SUITES,
    Ecdsa,
    PublicKey,
    Rsa,
    Suite,
    SuiteName,
)
from keys.tbs import TRUST_LIST_TYPE

MAX_BYTES = 4 * 1024 * 1024
CLOCK_SKEW = timedelta(minutes=5)
LIFE = timedelta(days=7)
MAX_FORMER_ROOTS = 16
RENEW_AFTER = LIFE / 3  # a verifier asks for the next list by then

KeyUse = Literal["qr", "seal", "tsa", "status-list", "receipt"]
REGISTRY_USES: frozenset[KeyUse] = frozenset({"tsa", "status-list", "receipt"})
"""Keys of the registry's own: of no agency and for no type."""
KeyState = Literal["active", "retired", "compromised"]


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """One entry. `kid` is the first 8 bytes of SHA-256 over the SubjectPublicKeyInfo, in hex."""

    kid: str
    use: KeyUse
    suite: SuiteName
    public_key: bytes  # SubjectPublicKeyInfo, DER
    certificate: bytes | None  # DER; present but for "qr"
    agency: str | None  # USCC; None for the registry's own
    types: tuple[str, ...]  # licence type codes; empty for the registry's own
    sign_from: datetime
    sign_to: datetime
    state: KeyState
    since: datetime | None  # when the state was entered; for "compromised" the invalidity date
    issuers: tuple[bytes, ...] = ()
    """Of a seal that an authority outside certified: the certificates (DER) that go with its own, each the
    issuer of the one before. The list itself vouches for them, and for no others of that authority's.
    """
    co_types: tuple[str, ...] = ()
    """Of a seal: types of which it may seal other agencies' licences, beside the issuer's seal."""


@dataclass(frozen=True, slots=True)
class TrustList:
    """A verified list. Instants are UTC."""

    sequence: int
    issued_at: datetime
    next_update: datetime
    expires_at: datetime
    zone: str  # IANA name; civil days of validity are reckoned in it
    origins: tuple[str, ...]  # e.g. "http://localhost:8801"
    roots: tuple[bytes, ...]
    """DER; the first is the one that the list is signed under, which a verifier may pin. After it those that
    were in service before and certified one of `issuing`: the list itself vouches for them, and for nothing
    of theirs that it does not name.
    """
    issuing: tuple[bytes, ...]  # DER of issuing CAs
    agencies: Mapping[str, Mapping[str, str]]  # USCC -> language -> name
    types: Mapping[str, Mapping[str, str]]  # type code -> language -> name
    keys: tuple[TrustedKey, ...]
    status_lists: str  # base URI


def kid_of(public_key: bytes) -> str:
    """Key id of a SubjectPublicKeyInfo (DER): the first 8 bytes of its SHA-256, lower-case hex."""
    return sha256(public_key).digest()[:8].hex()


def trust_list_record(sequence: int) -> str:
    """The record that a trust list's signature serves."""
    return f"trust-list:{sequence}"


def trust_list_input(trust: TrustList, suite: Suite, delegate: bytes, root: bytes) -> bytes:
    """The JWS signing input (RFC 7515, 5.1) for the key of `delegate`, of this suite, which `root` certified.

    Both are certificates in DER; x5c has them in the order of RFC 7515, 4.1.6.
    """
    return jws.signing_input(TRUST_LIST_TYPE, suite, (delegate, root), _payload(trust))


def sign_trust_list(custodian: Custodian, key: KeyRef, signing_input: bytes, sequence: int) -> str:
    """The compact JWS of what `trust_list_input` made. Its signature serves the record of that sequence.

    Raises VermilionError(KEY_REFUSED) from the custodian.
    """
    request = SignRequest(SignKind.TRUST_LIST, signing_input, trust_list_record(sequence))
    (signature,) = custodian.sign(key, [request])
    return jws.compact(signing_input, SUITES[key.suite], signature)


def read_trust_list(
    text: str | bytes, *, at: datetime, root_sha256: str | None = None, min_sequence: int = 0
) -> TrustList:
    """Verify and parse a list at the instant `at`.

    With `root_sha256` the root must have that fingerprint (hex); without it, whoever gave the list is
    trusted for its root. A former root of the registry's is another root. The delegate must be valid for as
    long as the list is. Raises VermilionError(INVALID) with `reason` "malformed", "wrong_root",
    "not_delegated", "bad_signature", "rollback" (a sequence below `min_sequence`), "expired" or
    "not_yet_issued".
    """
    data = text.encode("utf-8", "replace") if isinstance(text, str) else text
    if len(data) > MAX_BYTES:
        _refuse("the trust list is too long", "malformed")
    signed = jws.take_apart(data, TRUST_LIST_TYPE)
    delegate, root = _signers(signed.header)
    if root_sha256 is not None and sha256(root).hexdigest() != root_sha256.lower().replace(":", ""):
        _refuse(
            "the trust list is another root's; if the registry has a new one, learn its fingerprint by some "
            "other way than this list",
            "wrong_root",
        )
    try:
        jws.verify(signed)
        trust = _parse(jws.strict(signed.payload, MAX_BYTES), root)
        require_root(root, at)
        _check_delegate(delegate, root, trust)
        _check_authorities(trust, at)
        for entry in trust.keys:
            _check_entry(entry, trust.issuing)
        _check_whole(trust)
    except VermilionError as error:
        if error.reason in ("bad_signature", "malformed", "not_delegated"):
            raise
        _refuse(error.detail, "malformed")
    if trust.sequence < min_sequence:
        _refuse("an older trust list than one seen before", "rollback")
    if at + CLOCK_SKEW < trust.issued_at:
        _refuse("the trust list is from the future: check the clock", "not_yet_issued")
    if at >= trust.expires_at:
        _refuse("the trust list has expired: fetch a newer one", "expired")
    return trust


def _payload(trust: TrustList) -> dict[str, Any]:
    payload = {
        "seq": trust.sequence,
        "iat": _seconds(trust.issued_at),
        "next_update": _seconds(trust.next_update),
        "exp": _seconds(trust.expires_at),
        "zone": trust.zone,
        "origins": list(trust.origins),
        "issuing": [jws.b64(c) for c in trust.issuing],
        "agencies": {code: dict(names) for code, names in trust.agencies.items()},
        "types": {code: dict(names) for code, names in trust.types.items()},
        "keys": [_entry(key) for key in trust.keys],
        "status_lists": trust.status_lists,
    }
    if trust.roots[1:]:
        payload["former_roots"] = [jws.b64(c) for c in trust.roots[1:]]
    return payload


def jwk_of(public_key: bytes, suite: Suite) -> dict[str, str]:
    """Public JWK (RFC 7518, 6.2 and 6.3) of a SubjectPublicKeyInfo (DER)."""
    public = serialization.load_der_public_key(public_key)
    if isinstance(public, rsa.RSAPublicKey):
        rsa_numbers = public.public_numbers()
        return {
            "kty": "RSA",
            "n": b64url(_unsigned(rsa_numbers.n)),
            "e": b64url(_unsigned(rsa_numbers.e)),
        }
    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert isinstance(suite, Ecdsa)
    numbers = public.public_numbers()
    return {
        "kty": "EC",
        "crv": suite.jose_crv,
        "x": b64url(numbers.x.to_bytes(suite.field_bytes, "big")),
        "y": b64url(numbers.y.to_bytes(suite.field_bytes, "big")),
    }


def _entry(key: TrustedKey) -> dict[str, Any]:
    suite = SUITES[key.suite]
    entry: dict[str, Any] = {
        "kid": key.kid,
        "use": key.use,
        "alg": suite.jose_alg,
        "jwk": jwk_of(key.public_key, suite),
        "agency": key.agency,
        "types": list(key.types),
        "from": _seconds(key.sign_from),
        "to": _seconds(key.sign_to),
        "state": key.state,
        "since": None if key.since is None else _seconds(key.since),
    }
    if key.co_types:
        entry["co_types"] = list(key.co_types)
    if key.certificate is not None:
        entry["x5c"] = [jws.b64(certificate) for certificate in (key.certificate, *key.issuers)]
    return entry


_LIST_MEMBERS = {
    "seq", "iat", "next_update", "exp", "zone", "origins", "issuing", "agencies", "types", "keys",
    "status_lists",
}  # fmt: skip
_ENTRY_MEMBERS = {"kid", "use", "alg", "jwk", "agency", "types", "from", "to", "state", "since"}


def _parse(value: Any, root: bytes) -> TrustList:
    if not isinstance(value, dict) or set(value) - {"former_roots"} != _LIST_MEMBERS:
        _refuse("the trust list has other members", "malformed")
    former = [jws.unb64(c) for c in _list(value.get("former_roots", []))]
    if ("former_roots" in value) != (0 < len(former) <= MAX_FORMER_ROOTS):
        _refuse("the trust list names former roots, and none or too many", "malformed")
    return TrustList(
        sequence=_int(value["seq"]),
        issued_at=_instant(value["iat"]),
        next_update=_instant(value["next_update"]),
        expires_at=_instant(value["exp"]),
        zone=_str(value["zone"]),
        origins=tuple(_str(o) for o in _list(value["origins"])),
        roots=(root, *former),
        issuing=tuple(jws.unb64(c) for c in _list(value["issuing"])),
        agencies=_names(value["agencies"]),
        types=_names(value["types"]),
        keys=tuple(_parse_entry(k) for k in _list(value["keys"])),
        status_lists=_str(value["status_lists"]),
    )


def _parse_entry(value: Any) -> TrustedKey:
    if not isinstance(value, dict) or set(value) - {"x5c", "co_types"} != _ENTRY_MEMBERS:
        _refuse("a key of the trust list has other members", "malformed")
    suite = next((s for s in SUITES.values() if s.jose_alg == value["alg"]), None)
    if suite is None or value["use"] not in get_args(KeyUse) or value["state"] not in get_args(KeyState):
        _refuse("a key of the trust list names what we do not know", "malformed")
    if suite.name not in PURPOSE_SUITES[Purpose(value["use"])]:
        _refuse("a key of the trust list is of a suite that its use does not have", "malformed")
    certificates = [jws.unb64(c) for c in _list(value.get("x5c", []))]
    if len(certificates) > (MAX_CERTIFICATES if value["use"] == "seal" else 1):
        _refuse("a key of the trust list has too many certificates", "malformed")
    co_types = tuple(_str(t) for t in _list(value.get("co_types", [])))
    if ("co_types" in value) != bool(co_types) or (co_types and value["use"] != "seal"):
        _refuse("a key of the trust list names types of other agencies, and none or for no seal", "malformed")
    return TrustedKey(
        kid=_str(value["kid"]),
        use=value["use"],
        suite=suite.name,
        public_key=_public_key(value["jwk"], suite),
        certificate=certificates[0] if certificates else None,
        agency=None if value["agency"] is None else _str(value["agency"]),
        types=tuple(_str(t) for t in _list(value["types"])),
        sign_from=_instant(value["from"]),
        sign_to=_instant(value["to"]),
        state=value["state"],
        since=None if value["since"] is None else _instant(value["since"]),
        issuers=tuple(certificates[1:]),
        co_types=co_types,
    )


def _check_authorities(trust: TrustList, at: datetime) -> None:
    """One of the list's roots certified each issuing CA, and each former root certified one of them."""
    root, *former = trust.roots
    needed = set()
    for issuing in trust.issuing:
        by = issuer_among(issuing, trust.roots) or root
        verify_issuing(issuing, by, at if by == root else min(at, certificate_end(by)))
        needed.add(by)
    if len(set(trust.roots)) != len(trust.roots) or not needed.issuperset(former):
        _refuse("the trust list names a root twice, or one that no authority of the list needs", "malformed")


def _check_entry(entry: TrustedKey, issuing: tuple[bytes, ...]) -> None:
    """An entry agrees with itself, and its certificate is one that the list's authorities issued, or those
    issued that stand beside it.
    """
    if entry.kid != kid_of(entry.public_key):
        _refuse("a key of the trust list has another key's id", "malformed")
    if entry.certificate is not None:
        # A list may hold thousands: names, key and signature here, the profile when the key is met.
        if entry.issuers:
            key, not_before, not_after = linked_key((entry.certificate, *entry.issuers))
        else:
            key, not_before, not_after = issued_by(entry.certificate, issuing)
        if key != entry.public_key:
            _refuse("a key of the trust list has another key's certificate", "malformed")
        if not not_before <= entry.sign_from <= entry.sign_to <= not_after:
            _refuse("a key of the trust list may sign when its certificate is not valid", "malformed")
    if entry.sign_from > entry.sign_to:
        _refuse("a key of the trust list may sign at no time", "malformed")
    if entry.use != "qr" and entry.certificate is None:
        _refuse("a key of the trust list that is for more than QR codes has no certificate", "malformed")
    if (entry.agency is None) != (entry.use in REGISTRY_USES):
        _refuse("a key of the trust list names no agency", "malformed")


def _check_whole(trust: TrustList) -> None:
    if not trust.issued_at <= trust.next_update <= trust.expires_at:
        _refuse("the times of the trust list are not in order", "malformed")
    if len({(entry.use, entry.public_key) for entry in trust.keys}) != len(trust.keys):
        _refuse("a key stands twice in the trust list", "malformed")
    issuing = [parse_certificate(certificate) for certificate in trust.issuing]
    if len({(i.subject.dump(), i.public_key.dump()) for i in issuing}) != len(issuing):
        # A document could carry the one certificate or the other, and would be two files.
        _refuse("an issuing authority stands twice in the trust list", "malformed")


def signer_of(text: str) -> bytes:
    """The certificate (DER) of the delegate that a list of ours names as its signer; nothing is verified."""
    return _signers(jws.take_apart(text.encode("ascii", "replace"), TRUST_LIST_TYPE).header)[0]


def _signers(header: jws.Header) -> tuple[bytes, bytes]:
    """Delegate and root, DER."""
    if len(header.chain) != 2:
        _refuse("the trust list is not signed by a delegate of its root", "not_delegated")
    return header.chain[0], header.chain[1]


def _check_delegate(delegate: bytes, root: bytes, trust: TrustList) -> None:
    try:
        verify_delegate(delegate, root, trust.issued_at, trust.expires_at)
    except VermilionError as error:
        _refuse(f"the trust list's signer is no delegate of its root: {error.detail}", "not_delegated")


def _public_key(jwk: Any, suite: Suite) -> bytes:
    """SubjectPublicKeyInfo (DER) of a JWK: exactly what `jwk_of` writes for a key of the suite."""
    public = _rsa_key(jwk, suite) if isinstance(suite, Rsa) else _ec_key(jwk, suite)
    return public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _rsa_key(jwk: Any, suite: Rsa) -> PublicKey:
    """RFC 7518, 6.3.1: Base64urlUInt has no leading zero octets."""
    if not isinstance(jwk, dict) or set(jwk) != {"kty", "n", "e"} or jwk["kty"] != "RSA":
        _refuse("a key of the trust list is not a public RSA key", "malformed")
    n, e = (jws.unb64url(_str(jwk[name]).encode("ascii", "replace")) for name in ("n", "e"))
    modulus = int.from_bytes(n, "big")
    if len(n) * 8 != suite.bits or modulus.bit_length() != suite.bits or e != _unsigned(RSA_EXPONENT):
        _refuse("a key of the trust list has another modulus or exponent than its suite", "malformed")
    try:
        return rsa.RSAPublicNumbers(RSA_EXPONENT, modulus).public_key()
    except ValueError:
        _refuse("a key of the trust list is not a public RSA key", "malformed")


def _ec_key(jwk: Any, suite: Suite) -> PublicKey:
    assert isinstance(suite, Ecdsa)
    if not isinstance(jwk, dict) or set(jwk) != {"kty", "crv", "x", "y"}:
        _refuse("a key of the trust list is not a public EC key", "malformed")
    if jwk["kty"] != "EC" or jwk["crv"] != suite.jose_crv:
        _refuse("a key of the trust list is on another curve", "malformed")
    x, y = (jws.unb64url(_str(jwk[name]).encode("ascii", "replace")) for name in ("x", "y"))
    if len(x) != suite.field_bytes or len(y) != suite.field_bytes:
        _refuse("a key of the trust list is not a point", "malformed")
    try:
        return ec.EllipticCurvePublicNumbers(
            int.from_bytes(x, "big"), int.from_bytes(y, "big"), suite.curve
        ).public_key()
    except ValueError:
        _refuse("a key of the trust list is not a point", "malformed")


def _names(value: Any) -> dict[str, dict[str, str]]:
    if not isinstance(value, dict) or not all(isinstance(names, dict) for names in value.values()):
        _refuse("the trust list's names are not names", "malformed")
    return {code: {lang: _str(name) for lang, name in names.items()} for code, names in value.items()}


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        _refuse("a member of the trust list is not a list", "malformed")
    return value


def _str(value: Any) -> str:
    if not isinstance(value, str):
        _refuse("a member of the trust list is not a string", "malformed")
    return value


def _int(value: Any) -> int:
    if type(value) is not int or value < 0:
        _refuse("a member of the trust list is not a number", "malformed")
    return value


def _instant(value: Any) -> datetime:
    seconds = _int(value)
    if seconds > 253402300799:  # 9999-12-31T23:59:59Z
        _refuse("a time of the trust list is out of range", "malformed")
    return datetime.fromtimestamp(seconds, UTC)


def _unsigned(number: int) -> bytes:
    """The shortest big-endian octets of a number above zero."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def _seconds(at: datetime) -> int:
    return int(at.timestamp())


def _refuse(detail: str, reason: str) -> NoReturn:
    raise VermilionError(Kind.INVALID, detail, reason=reason)
