"""Codes checked without the registry, by a trust list and status lists as they were published: run by Python and, as
`offline.json`, by the page's scripts. All signatures are of this run; only the answers are fixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from asn1crypto import x509
from cryptography.hazmat.primitives.asymmetric import ec

from keys.certificates import assemble_signed
from keys.profiles import POLICY_QR, POLICY_STATUS_LIST, POLICY_TRUST_LIST, ProfileName
from keys.status_list import LIFE, TTL
from keys.suite import SUITES, SuiteName, sign_with
from keys.trust_list import TrustedKey, TrustList
from tests.authority import TestAuthority, make_authority
from tests.keys.test_trust_list import by_hand, certify_by_root
from tests.signing.checking import QR_KEY, food, key, scanned, teacher, trusted
from tests.signing.listing import Lister
from tests.tokens import resigned

SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
Answer = tuple[str, str, str, str]
"""Verdict, then the reasons of content, issuer and status."""


@dataclass(frozen=True)
class OfflineCase:
    """`trust`: the list's JWS; `refused`: why it is not believed, or None. `lists`: tokens by number. `as_of`: the
    moment the status is known for. A reader that keeps its pin to itself (`root_sha256`) and has seen `min_sequence`.
    """

    name: str
    text: str
    trust: str
    root_sha256: str
    min_sequence: int
    at: datetime
    lists: Mapping[int, bytes]
    refused: str | None
    want: Answer
    as_of: datetime


class Publisher:
    """An authority, its status lists, and lists of trust under sequences of their own."""

    def __init__(self, authority: TestAuthority) -> None:
        self.authority = authority
        self.lister = Lister(authority)
        self.now = authority.now
        self.record = food()
        self.pin = sha256(authority.root).hexdigest()
        held = authority.custodian._unlock(authority.delegate_key)
        assert isinstance(held, ec.EllipticCurvePrivateKey)
        self.private = held

    def trust(self, *keys: TrustedKey, **other: object) -> TrustList:
        keys = keys or (trusted(QR_KEY, self.record), self.lister.trust().keys[-1])
        return self.authority.trust(keys=keys, **{"sequence": 7, **other})

    def jws(self, *keys: TrustedKey, **other: object) -> str:
        """Signed in earnest, and more than once for a sequence, which a custodian would not do."""
        chain = (self.authority.delegate, self.authority.root)
        return by_hand(self.authority, chain, self.private, self.trust(*keys, **other))

    def token(self, value: int, at: datetime | None = None, **other: object) -> bytes:
        content = self.lister.content({self.record.status_index: value}, self.record.status_list, at)
        return self.lister.sign(replace(content, **other))[0]  # type: ignore[arg-type]


OK = "issuer_recognised"
RIGHT = "signature_correct"
IN_FORCE: Answer = ("valid", RIGHT, OK, "in_force_by_list")
MISSING: Answer = ("cannot_check", "content_not_proven", "trust_list_missing", "status_not_asked")


def genuine(reason: str) -> Answer:
    return ("genuine_offline", RIGHT, OK, reason)


def offline_cases(folder: Path) -> Iterator[OfflineCase]:
    ours = Publisher(make_authority(folder / "ours"))
    record, now, number = ours.record, ours.now, ours.record.status_list
    code, jws, in_force = scanned(record), ours.jws(), ours.token(0)

    def case(name: str, want: Answer, **other: object) -> OfflineCase:
        values: dict[str, object] = {
            "text": code,
            "trust": jws,
            "root_sha256": ours.pin,
            "min_sequence": 7,
            "at": now,
            "lists": {number: in_force},
            "refused": None,
        }
        values |= other
        values.setdefault("as_of", values["at"])
        return OfflineCase(name=name, want=want, **values)  # type: ignore[arg-type]

    # Each age, and what each value comes to at it.
    yield case("in force, a fresh list", IN_FORCE, as_of=now)
    yield case("in force, at the end of the list's ttl", IN_FORCE, at=now + TTL, as_of=now)
    yield case("in force, a second after", genuine("status_list_old"), at=now + TTL + SECOND, as_of=now)
    yield case("in force, a day old", genuine("status_list_old"), at=now + DAY + SECOND, as_of=now)
    yield case(
        "in force, a second before it expires", genuine("status_list_old"), at=now + LIFE - SECOND, as_of=now
    )
    yield case("in force, expired", genuine("status_list_expired"), at=now + LIFE)
    yield case(
        "a list from the future", genuine("status_list_future"),
        lists={number: ours.token(0, now + timedelta(minutes=5, seconds=1))},
    )  # fmt: skip
    for value, verdict, reason in (
        (1, "ended", "ended"),
        (2, "suspended", "suspended"),
        (3, "replaced", "replaced"),
    ):
        said = {number: ours.token(value)}
        yield case(f"{verdict}, a fresh list", (verdict, RIGHT, OK, reason), lists=said, as_of=now)
        yield case(
            f"{verdict}, a day old",
            (verdict, RIGHT, OK, reason),
            lists=said,
            at=now + DAY + SECOND,
            as_of=now,
        )
        yield case(f"{verdict}, expired", genuine("status_list_expired"), lists=said, at=now + LIFE)

    # What lies there and is not believed.
    refused = genuine("status_list_refused")
    yield case("no status list", genuine("status_list_missing"), lists={})
    yield case(
        "another list's token",
        refused,
        lists={number: ours.lister.sign(ours.lister.content({}, number + 1))[0]},
    )
    yield case("a token cut short", refused, lists={number: in_force[:-1]})
    yield case("a token with another signature", refused, lists={number: resigned(in_force)})
    yield case("no token at all", refused, lists={number: b"<!doctype html>"})
    yield case("a line after the token", IN_FORCE, lists={number: in_force + b"\n"}, as_of=now)
    strange = Publisher(make_authority(folder / "strange"))
    yield case("a token of a stranger's key", refused, lists={number: strange.token(0)})
    header, _, signature = in_force.split(b".")
    yield case("the claims of one token under another's signature", refused, lists={
        number: b".".join((header, ours.token(1).split(b".")[1], signature)),
    })  # fmt: skip
    qr, lister = trusted(QR_KEY, record), ours.lister.trust().keys[-1]
    for name, entry in (
        ("compromised", replace(lister, state="compromised", since=now + LIFE)),
        ("not yet in use", replace(lister, sign_from=now + SECOND)),
        ("no longer in use", replace(lister, state="retired", since=now - SECOND, sign_to=now - SECOND)),
    ):
        yield case(f"the list's key is {name}", refused, trust=ours.jws(qr, entry))
    yield case("the list's key is not named", refused, trust=ours.jws(qr))
    for policy, said_of in ((POLICY_STATUS_LIST, IN_FORCE), (POLICY_QR, refused), (None, refused)):
        other_certificate = _again(
            ours.lister.certificate, policy, "p256-sha256", _held(ours.authority, ours.authority.issuing_key)
        )
        yield case(
            f"the list's key is certified under {policy}", said_of,
            trust=ours.jws(qr, replace(lister, certificate=other_certificate)), as_of=now,
        )  # fmt: skip
    yield case(
        "the list's key retired after it", IN_FORCE,
        trust=ours.jws(qr, replace(lister, state="retired", since=now, sign_to=now)), as_of=now,
    )  # fmt: skip

    # The code itself, the key, the day.
    last = str((int(code[-1]) + 1) % 10)
    unasked = "status_not_asked"
    unchecked = "issuer_not_checked"
    yield case("one digit altered", ("altered", "signature_wrong", unchecked, unasked), text=code[:-1] + last)
    yield case(
        "no fragment",
        ("cannot_check", "content_not_compared", unchecked, unasked),
        text=code.partition("#")[0],
    )
    yield case(
        "another site", ("not_recognised", "content_not_compared", "origin_unknown", unasked),
        text=code.replace("localhost", "example.org"),
    )  # fmt: skip
    yield case("no link", ("not_recognised", "content_not_compared", "not_a_link", unasked), text="hello")
    yield case(
        "signed by a stranger", ("not_recognised", "content_not_proven", "key_unknown", unasked),
        text=scanned(record, private=key(2)),
    )  # fmt: skip
    for name, entry, reason, verdict in (
        ("another agency's key", replace(qr, agency=teacher().issuer_code), "not_entitled", "not_recognised"),
        (
            "a key for other types",
            replace(qr, types=(teacher().type_code,)),
            "not_entitled",
            "not_recognised",
        ),
        ("a compromised key", replace(qr, state="compromised", since=now), "key_compromised", "cannot_check"),
    ):
        yield case(name, (verdict, RIGHT, reason, unasked), trust=ours.jws(entry, lister))
    # Civil days of Shanghai, eight hours ahead: midnight there is 16:00 UTC.
    midnight = datetime(2026, 11, 20, 16, tzinfo=UTC)
    ending = scanned(replace(record, valid_to=date(2026, 11, 20)))
    yield case("in its last second", IN_FORCE, text=ending, at=midnight - SECOND, lists={
        number: ours.token(0, midnight - SECOND),
    }, as_of=midnight - SECOND)  # fmt: skip
    yield case(
        "a second after its last day", ("expired", RIGHT, OK, "expired"), text=ending, at=midnight, as_of=now
    )
    coming = scanned(replace(record, valid_from=date(2026, 11, 21)))
    early: Answer = ("not_yet_valid", RIGHT, OK, "not_yet_valid")
    yield case("a second before its first day", early, text=coming, at=midnight - SECOND, as_of=now)
    yield case(
        "in its first second",
        IN_FORCE,
        text=coming,
        at=midnight,
        lists={number: ours.token(0, midnight)},
        as_of=midnight,
    )
    yield case(
        "an unknown zone",
        ("cannot_check", RIGHT, "zone_rules_missing", unasked),
        trust=ours.jws(zone="No/Where"),
    )

    # The trust list.
    def no_trust(name: str, reason: str, **other: object) -> OfflineCase:
        return case(f"the trust list {name}", MISSING, refused=reason, **other)

    expires = now + 7 * DAY
    fresh = {number: ours.token(0, expires - SECOND)}
    yield case("the trust list a second before it expires", IN_FORCE, at=expires - SECOND, lists=fresh)
    yield no_trust("has expired", "expired", at=expires, lists=fresh)
    yield no_trust("is from the future", "not_yet_issued", at=now - timedelta(minutes=5, seconds=1))
    yield no_trust("is older than one seen before", "rollback", min_sequence=8)
    yield no_trust("is under another root", "wrong_root", trust=strange.jws(qr, lister))
    yield no_trust("is a page", "malformed", trust="<!doctype html>")
    head, body, mark = jws.split(".")
    yield no_trust(
        "has another signature", "bad_signature", trust=f"{head}.{body}.{ours.jws(sequence=9).split('.')[2]}"
    )
    yield no_trust(
        "has another content", "bad_signature", trust=f"{head}.{ours.jws(sequence=9).split('.')[1]}.{mark}"
    )
    yield no_trust(
        "has a key twice, once compromised", "malformed",
        trust=ours.jws(replace(qr, state="compromised", since=now), qr, lister),
    )  # fmt: skip
    yield no_trust("names another key's id", "malformed", trust=ours.jws(replace(qr, kid="0" * 16), lister))
    authority, trust = ours.authority, ours.trust()
    yield no_trust(
        "is signed by the root itself", "not_delegated",
        trust=by_hand(authority, (authority.root, authority.root), _held(authority, authority.root_key), trust),
    )  # fmt: skip
    yield no_trust(
        "is signed by an agency's key", "not_delegated",
        trust=by_hand(authority, (authority.qr, authority.root), _held(authority, authority.qr_key), trust),
    )  # fmt: skip
    yield no_trust(
        "is signed without a chain", "not_delegated",
        trust=by_hand(authority, (authority.delegate,), ours.private, trust),
    )  # fmt: skip
    short = certify_by_root(
        authority, ProfileName.TRUST_LIST, authority.delegate_key, at=now, life=timedelta(days=3)
    )
    yield no_trust(
        "outlives its delegate", "not_delegated",
        trust=by_hand(authority, (short, authority.root), ours.private, trust),
    )  # fmt: skip
    root = _held(authority, authority.root_key)
    issuing = x509.Certificate.load(authority.issuing).subject
    for name, policy, issuer in (
        ("of another policy", POLICY_QR, None),
        ("without a policy", None, None),
        ("of another issuer's name", POLICY_TRUST_LIST, issuing),
    ):
        chain = (_again(authority.delegate, policy, "p384-sha384", root, issuer), authority.root)
        yield no_trust(
            f"is signed by a delegate {name}",
            "not_delegated",
            trust=by_hand(authority, chain, ours.private, trust),
        )
    by_strange = by_hand(authority, (authority.delegate, authority.root), strange.private, trust)
    yield no_trust("is signed by another key", "bad_signature", trust=by_strange)
    tampered = authority.delegate[:-1] + bytes([authority.delegate[-1] ^ 1])
    yield no_trust(
        "has a delegate that the root did not sign", "not_delegated",
        trust=by_hand(authority, (tampered, authority.root), ours.private, trust),
    )  # fmt: skip

    # Other algorithms of ours: an RSA root and delegate, lists by P-384.
    other = Lister(make_authority(folder / "other", root_suite="rsa3072-sha256"), "p384-sha384")
    signed = other.authority.jws(keys=(qr, other.trust().keys[-1]), sequence=1)
    token = other.sign(other.content({record.status_index: 0}, number))[0]
    pin = sha256(other.authority.root).hexdigest()
    yield case(
        "an RSA root, and lists by P-384", IN_FORCE, trust=signed, root_sha256=pin, min_sequence=1, lists={number: token},
    )  # fmt: skip


def _held(authority: TestAuthority, ref: object) -> ec.EllipticCurvePrivateKey:
    held = authority.custodian._unlock(ref)  # type: ignore[arg-type]
    assert isinstance(held, ec.EllipticCurvePrivateKey)
    return held


def _again(
    certificate: bytes,
    policy: str | None,
    suite: SuiteName,
    by: ec.EllipticCurvePrivateKey,
    issuer: x509.Name | None = None,
) -> bytes:
    """A certificate signed once more, with another policy or none, and perhaps another issuer's name."""
    body = x509.Certificate.load(certificate)["tbs_certificate"].copy()
    kept = [one for one in body["extensions"] if one["extn_id"].native != "certificate_policies"]
    body["extensions"] = kept if policy is None else [
        *kept, {"extn_id": "certificate_policies", "extn_value": [{"policy_identifier": policy}]},
    ]  # fmt: skip
    if issuer is not None:
        body["issuer"] = issuer
    data = body.dump(force=True)
    return assemble_signed(data, suite, sign_with(by, SUITES[suite], data))
