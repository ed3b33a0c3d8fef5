"""The trust list: what its root signed comes back equal; anything else is refused with a reason."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as jose
from joserfc.jwk import ECKey

from keys.canonical import canonical_json
from keys.certificates import (
    Issuer,
    Subject,
    assemble_signed,
    certificate_key,
    certificate_validity,
    fingerprint,
    new_serial,
)
from keys.custodian import KeyRef, Kind, Purpose, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.jws import compact, signing_input
from keys.ledger import MemoryLedger
from keys.path import verify_chain
from keys.profiles import POLICY_QR, POLICY_TRUST_LIST, PROFILES, ProfileName
from keys.software import SoftwareCustodian
from keys.suite import SUITES, sign_with
from keys.trust_list import TrustList, _payload, jwk_of, kid_of, read_trust_list
from tests.authority import CHEAP, TestAuthority, issue_certificate, issue_trust_list, make_authority


def test_types_that_a_seal_seals_beside_others_come_back(authority: TestAuthority) -> None:
    seal, *others = authority.trust().keys
    keys = (replace(seal, co_types=("11100000MB0306534Y001",)), *others)
    found = read_trust_list(authority.jws(sequence=8, keys=keys), at=authority.now)
    assert found == authority.trust(sequence=8, keys=keys)


@pytest.fixture(scope="session")  # its number is signed once for the session's authority
def published(authority: TestAuthority) -> str:
    return authority.jws(sequence=7)


def refusal(authority: TestAuthority, text: str | bytes, **asked: Any) -> str:
    with pytest.raises(VermilionError) as caught:
        read_trust_list(text, at=asked.pop("at", authority.now), **asked)
    assert caught.value.kind is ErrorKind.INVALID
    return caught.value.reason


def test_what_was_signed_comes_back(authority: TestAuthority, published: str) -> None:
    pinned = fingerprint(authority.root)
    for text in (published, published.encode(), published + "\n"):
        for pin in (None, pinned, pinned.upper()):
            found = read_trust_list(text, at=authority.now, root_sha256=pin, min_sequence=7)
            assert found == authority.trust(sequence=7)


def test_an_independent_jose_library_verifies_it(authority: TestAuthority, published: str) -> None:
    key = ECKey.import_key(dict(jwk_of(certificate_key(authority.delegate), SUITES["p256-sha256"])))
    registry = jose.JWSRegistry(algorithms=["ES256"])
    registry.max_header_length = registry.max_payload_length = 16 * 1024  # x5c makes headers long
    found = jose.deserialize_compact(published, key, registry=registry)
    assert found.headers()["typ"] == "trust-list+jwt"
    thumbprint = base64.urlsafe_b64encode(sha256(authority.delegate).digest()).rstrip(b"=").decode()
    assert found.headers()["x5c"] == [
        base64.b64encode(certificate).decode() for certificate in (authority.delegate, authority.root)
    ]
    assert found.headers()["x5t#S256"] == thumbprint
    assert json.loads(found.payload)["seq"] == 7
    assert canonical_json(json.loads(found.payload)) == found.payload


def test_kid_is_eight_bytes_of_the_key_s_digest(authority: TestAuthority) -> None:
    spki = certificate_key(authority.qr)
    assert kid_of(spki) == sha256(spki).hexdigest()[:16]


def test_times_are_judged_and_named(authority: TestAuthority, published: str) -> None:
    trust = authority.trust()
    read_trust_list(published, at=trust.expires_at - timedelta(seconds=1))
    read_trust_list(published, at=trust.issued_at - timedelta(minutes=5))
    assert refusal(authority, published, at=trust.expires_at) == "expired"
    assert (
        refusal(authority, published, at=trust.issued_at - timedelta(minutes=5, seconds=1))
        == "not_yet_issued"
    )


def test_an_older_list_and_another_root_are_refused(authority: TestAuthority, published: str) -> None:
    assert refusal(authority, published, min_sequence=8) == "rollback"
    assert refusal(authority, published, root_sha256="0" * 64) == "wrong_root"
    assert refusal(authority, published, root_sha256="") == "wrong_root"


def test_a_stranger_s_list_is_sound_but_not_under_our_pin(authority: TestAuthority, tmp_path: Path) -> None:
    stranger = make_authority(tmp_path)
    text = stranger.jws()
    read_trust_list(text, at=stranger.now)
    assert refusal(authority, text, root_sha256=fingerprint(authority.root)) == "wrong_root"
    mixed = replace(authority.trust(sequence=20), roots=(stranger.root,))
    by_stranger = issue_trust_list(
        mixed, stranger.custodian, stranger.delegate_key, stranger.delegate, stranger.root
    )
    assert refusal(authority, by_stranger) == "malformed"


def test_an_altered_list_has_a_wrong_signature(authority: TestAuthority, published: str) -> None:
    header, payload, signature = published.split(".")
    body = base64.urlsafe_b64decode(payload + "==")
    other = body.replace(b'"state":"active"', b'"state":"retired"')
    assert other != body
    text = f"{header}.{base64.urlsafe_b64encode(other).rstrip(b'=').decode()}.{signature}"
    assert refusal(authority, text) == "bad_signature"
    assert refusal(authority, f"{header}.{payload}.{'A' * len(signature)}") == "bad_signature"
    assert refusal(authority, f"{header}.{payload}.") == "bad_signature"


def signed(authority: TestAuthority, change: Callable[[dict[str, Any]], Any]) -> str:
    """The list with its payload changed and signed in earnest by the delegate."""
    text = authority.jws(sequence=int.from_bytes(authority.random(4), "big"))
    header, payload, _ = text.split(".")
    body = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = change(body)
    encoded = json.dumps(body if changed is None else changed).encode()
    signing_input = f"{header}.{base64.urlsafe_b64encode(encoded).rstrip(b'=').decode()}"
    request = SignRequest(Kind.TRUST_LIST, signing_input.encode(), f"test:{authority.random(8).hex()}")
    (der,) = authority.custodian.sign(authority.delegate_key, [request])
    r, s = decode_dss_signature(der)
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return f"{signing_input}.{base64.urlsafe_b64encode(raw).rstrip(b'=').decode()}"


def seal_entry(body: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = body["keys"][0]
    assert entry["use"] == "seal"
    return entry


def _set(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda body: body.update({name: value})


def _set_key(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda body: seal_entry(body).update({name: value})


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "an unknown member": _set("extra", 1),
    "a missing member": lambda body: {name: value for name, value in body.items() if name != "zone"},
    "a negative sequence": _set("seq", -1),
    "a time as text": _set("iat", "2026-11-20"),
    "a time beyond the calendar": _set("exp", 2**52),
    "updates after the end": lambda body: body.update(next_update=body["exp"] + 1),
    "issued after its end": lambda body: body.update(iat=body["exp"] + 1),
    "origins as text": _set("origins", "http://localhost"),
    "an origin as a number": _set("origins", [1]),
    "agencies as a list": _set("agencies", []),
    "names as text": _set("agencies", {"1": "a"}),
    "issuing that is no certificate": _set("issuing", ["AAAA"]),
    "no issuing authority": _set("issuing", []),
    "an issuing authority twice": lambda body: body["issuing"].append(body["issuing"][0]),
    "an unknown key member": _set_key("note", "x"),
    "an unknown use": _set_key("use", "tls"),
    "a use that is a list": _set_key("use", []),
    "an unknown state": _set_key("state", "fine"),
    "an unknown algorithm": _set_key("alg", "none"),
    "another key's id": _set_key("kid", "0" * 16),
    "another curve": _set_key("alg", "ES384"),
    "no point": lambda body: seal_entry(body)["jwk"].update(x="A" * 43),
    "a private key": lambda body: seal_entry(body)["jwk"].update(d="A" * 43),
    "another key's certificate": lambda body: seal_entry(body).update(x5c=body["keys"][1]["x5c"]),
    "no types of other agencies": _set_key("co_types", []),
    "types of other agencies that are no list": _set_key("co_types", "11100000MB0306534Y001"),
    "types of other agencies for no seal": lambda body: body["keys"][1].update(co_types=["x"]),
    "no certificate": lambda body: seal_entry(body).pop("x5c") and None,
    "two certificates": lambda body: seal_entry(body).update(x5c=seal_entry(body)["x5c"] * 2),
    "a certificate that is none": _set_key("x5c", ["AAAA"]),
    "no agency": _set_key("agency", None),
    "before its certificate": _set_key("from", 1),
    "after its certificate": _set_key("to", 2**32),
    "signing that ends before it begins": lambda body: seal_entry(body).update(
        to=seal_entry(body)["from"] - 1
    ),
    "one key twice": lambda body: body["keys"].append(body["keys"][0]),
    "an agency for the time-stamps": lambda body: body["keys"][2].update(agency="1"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_list_that_the_delegate_signed_by_mistake_is_refused(authority: TestAuthority, what: str) -> None:
    assert refusal(authority, signed(authority, WRONG[what])) == "malformed"


def test_the_change_alone_is_what_was_refused(authority: TestAuthority) -> None:
    read_trust_list(signed(authority, lambda _body: None), at=authority.now)


def test_a_root_that_is_no_authority_is_refused(authority: TestAuthority) -> None:
    """Anybody can sign with the key of some certificate: it must be a root's delegate, and the root a root."""
    held = authority.custodian._unlock(authority.delegate_key)
    assert isinstance(held, ec.EllipticCurvePrivateKey)
    for certificate in (authority.issuing, authority.seal, b"", b"0\x00", authority.root + b"\x00"):
        for chain in ((certificate, authority.root), (authority.delegate, certificate)):
            text = by_hand(authority, chain, held, authority.trust())
            assert refusal(authority, text) in {"malformed", "bad_signature", "not_delegated"}


def test_an_expired_issuing_authority_goes_on_vouching_for_its_time(authority: TestAuthority) -> None:
    """A certificate without expiry outlives the authority that certified its seal by decades."""
    later = authority.now + timedelta(days=11 * 365)
    times = {"issued_at": later, "next_update": later, "expires_at": later + timedelta(days=7)}
    key = authority.custodian.generate(Purpose.TRUST_LIST, "p256-sha256")
    delegate = certify_by_root(authority, ProfileName.TRUST_LIST, key, at=later)
    listed = authority.trust(sequence=4711, **times)
    trust = read_trust_list(
        issue_trust_list(listed, authority.custodian, key, delegate, authority.root), at=later
    )
    verify_chain(authority.seal, trust=trust, at=authority.now)
    with pytest.raises(VermilionError):
        verify_chain(authority.seal, trust=trust, at=later)


def test_the_issuing_authority_cannot_sign_a_list(authority: TestAuthority) -> None:
    with pytest.raises(VermilionError) as caught:
        issue_trust_list(
            authority.trust(sequence=30), authority.custodian, authority.issuing_key, authority.issuing,
            authority.root,
        )  # fmt: skip
    assert caught.value.kind is ErrorKind.KEY_REFUSED
    with pytest.raises(VermilionError) as caught:
        issue_trust_list(
            authority.trust(sequence=30), authority.custodian, authority.root_key, authority.root,
            authority.root,
        )  # fmt: skip
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.KEY_REFUSED, "purpose")


def certify_by_root(
    authority: TestAuthority,
    profile: ProfileName,
    key: KeyRef,
    *,
    at: datetime,
    life: timedelta | None = None,
) -> bytes:
    return issue_certificate(
        authority.custodian, Issuer(authority.root_key, authority.root), profile,
        Subject("TEST another", "TEST Vermilion"), key, serial=new_serial(authority.random), at=at, life=life,
    )  # fmt: skip


def by_hand(
    authority: TestAuthority, chain: Sequence[bytes], private: ec.EllipticCurvePrivateKey, trust: TrustList
) -> str:
    """A list signed by a key that no custodian holds back."""
    suite = SUITES["p256-sha256"] if private.key_size == 256 else SUITES["p384-sha384"]
    data = signing_input("trust-list+jwt", suite, chain, _payload(trust))
    return compact(data, suite, sign_with(private, suite, data))


def test_only_a_delegate_of_the_root_signs_a_list(authority: TestAuthority) -> None:
    """Whoever holds another key that our authorities certified makes no list of it, and neither does the
    root's own.
    """
    trust, root = authority.trust(), authority.root

    def attempt(ref: KeyRef, *chain: bytes) -> str:
        held = authority.custodian._unlock(ref)
        assert isinstance(held, ec.EllipticCurvePrivateKey)
        return by_hand(authority, chain, held, trust)

    read_trust_list(attempt(authority.delegate_key, authority.delegate, root), at=authority.now)
    for ref, certificate in (
        (authority.root_key, root),
        (authority.issuing_key, authority.issuing),
        (authority.qr_key, authority.qr),
        (authority.seal_key, authority.seal),
        (authority.tsa_key, authority.tsa),
    ):
        for chain in ((certificate,), (certificate, root), (certificate, authority.issuing, root)):
            assert refusal(authority, attempt(ref, *chain)) == "not_delegated"
    assert refusal(authority, attempt(authority.delegate_key, authority.delegate)) == "not_delegated"
    assert refusal(authority, attempt(authority.delegate_key, root, authority.delegate)) in {
        "bad_signature", "not_delegated", "malformed",
    }  # fmt: skip
    own = authority.custodian.generate(Purpose.TRUST_LIST, "p256-sha256")
    by_issuing = self_made(authority, own)
    assert refusal(authority, attempt(own, by_issuing, root)) == "not_delegated"
    assert refusal(authority, attempt(own, authority.delegate, root)) == "bad_signature"


def self_made(authority: TestAuthority, key: KeyRef) -> bytes:
    """A delegate's certificate in all but its issuer: the issuing authority signs it."""
    tbs = x509.Certificate.load(certify_by_root(authority, ProfileName.TRUST_LIST, key, at=authority.now))
    body = tbs["tbs_certificate"].copy()
    body["issuer"] = x509.Certificate.load(authority.issuing).subject
    body["signature"] = {"algorithm": "sha256_ecdsa"}
    data = body.dump(force=True)
    held = authority.custodian._unlock(authority.issuing_key)
    return assemble_signed(data, "p256-sha256", sign_with(held, SUITES["p256-sha256"], data))


def test_a_log_s_or_an_agency_s_profile_under_the_root_is_no_delegate(authority: TestAuthority) -> None:
    """They have the same usage; the policy tells them apart."""
    key = authority.custodian.generate(Purpose.TRUST_LIST, "p256-sha256")
    body = x509.Certificate.load(certify_by_root(authority, ProfileName.TRUST_LIST, key, at=authority.now))[
        "tbs_certificate"
    ].copy()
    held, root = authority.custodian._unlock(key), authority.custodian._unlock(authority.root_key)
    assert isinstance(held, ec.EllipticCurvePrivateKey)
    for policy, right in ((POLICY_TRUST_LIST, True), (POLICY_QR, False), (None, False)):
        kept = [e for e in body["extensions"] if e["extn_id"].native != "certificate_policies"]
        made = body.copy()
        made["extensions"] = kept if policy is None else [
            *kept, {"extn_id": "certificate_policies", "extn_value": [{"policy_identifier": policy}]},
        ]  # fmt: skip
        data = made.dump(force=True)
        certificate = assemble_signed(data, "p384-sha384", sign_with(root, SUITES["p384-sha384"], data))
        text = by_hand(authority, (certificate, authority.root), held, authority.trust())
        if right:
            read_trust_list(text, at=authority.now)
        else:
            assert refusal(authority, text) == "not_delegated"


def test_a_delegate_is_valid_for_as_long_as_its_list(authority: TestAuthority) -> None:
    key = authority.custodian.generate(Purpose.TRUST_LIST, "p256-sha256")
    held = authority.custodian._unlock(key)
    assert isinstance(held, ec.EllipticCurvePrivateKey)
    delegate = certify_by_root(
        authority, ProfileName.TRUST_LIST, key, at=authority.now, life=timedelta(days=3)
    )
    begin, end = certificate_validity(delegate)

    def listed(issued: datetime, expires: datetime) -> str:
        trust = authority.trust(issued_at=issued, next_update=issued, expires_at=expires)
        return by_hand(authority, (delegate, authority.root), held, trust)

    read_trust_list(listed(begin, end), at=authority.now)
    second = timedelta(seconds=1)
    for issued, expires in ((begin - second, end), (begin, end + second)):
        assert refusal(authority, listed(issued, expires)) == "not_delegated"
    assert refusal(authority, listed(begin, end), at=end) == "expired"


def test_one_sequence_is_signed_once(tmp_path: Path) -> None:
    authority = make_authority(tmp_path)
    authority.jws()
    with pytest.raises(VermilionError) as caught:
        authority.jws(zone="UTC")
    assert caught.value.reason == "record_used"


def test_size_is_bounded(authority: TestAuthority, published: str) -> None:
    assert refusal(authority, published + "A" * (4 * 1024 * 1024)) == "malformed"
    assert refusal(authority, "." * 1_000_000) == "malformed"


@given(data=st.binary(max_size=200) | st.text(max_size=200))
def test_other_input_is_malformed(authority: TestAuthority, data: bytes | str) -> None:
    assert refusal(authority, data) == "malformed"


@given(at=st.integers(0, 10**6), character=st.characters(codec="utf-8"))
def test_no_altered_list_is_read(authority: TestAuthority, published: str, at: int, character: str) -> None:
    at %= len(published)
    altered = published[:at] + character + published[at + 1 :]
    if altered != published:
        assert refusal(authority, altered) in {"malformed", "bad_signature", "not_delegated"}


@dataclass(frozen=True)
class Succession:
    """Two roots of one registry, the former one short-lived, each with an issuing CA; the newer has a delegate."""

    custodian: SoftwareCustodian
    former: bytes
    former_issuing: bytes
    seal: bytes  # of the former root's issuing CA
    root: bytes
    issuing: bytes
    delegate_key: KeyRef
    delegate: bytes


LATER = timedelta(days=100)  # the former root has ended by then


@pytest.fixture(scope="session")
def succession(authority: TestAuthority, tmp_path_factory: pytest.TempPathFactory) -> Succession:
    custodian = SoftwareCustodian(
        tmp_path_factory.mktemp("succession"), b"a passphrase for tests only",
        policy=lambda _ref, _request: None, ledger=MemoryLedger(), cost=CHEAP,
    )  # fmt: skip

    def made(
        profile: ProfileName, by: Issuer | None, life: timedelta | None = None, of: KeyRef | None = None
    ) -> tuple[KeyRef, bytes]:
        key = of or custodian.generate(PROFILES[profile].purpose, "p256-sha256")
        certificate = issue_certificate(
            custodian, by or Issuer(key, None), profile, Subject(f"TEST {profile} {key.id}", "TEST"), key,
            serial=new_serial(os.urandom), at=authority.now, life=life,
        )  # fmt: skip
        return key, certificate

    former = Issuer(*made(ProfileName.ROOT, None, LATER - timedelta(days=1)))
    former_issuing = Issuer(*made(ProfileName.ISSUING, former))
    root = Issuer(*made(ProfileName.ROOT, None))
    issuing = Issuer(*made(ProfileName.ISSUING, root))
    delegate_key, delegate = made(ProfileName.TRUST_LIST, root)
    seal = issue_certificate(
        custodian, former_issuing, ProfileName.SEAL, Subject("TEST seal", "TEST"), authority_seal(custodian),
        serial=new_serial(os.urandom), at=authority.now,
    )  # fmt: skip
    return Succession(
        custodian, former.certificate or b"", former_issuing.certificate or b"", seal, root.certificate or b"",
        issuing.certificate or b"", delegate_key, delegate,
    )  # fmt: skip


def authority_seal(custodian: SoftwareCustodian) -> KeyRef:
    return custodian.generate(Purpose.SEAL, "p256-sha256")


def listed(authority: TestAuthority, made: Succession, sequence: int, **changes: Any) -> TrustList:
    entry = replace(authority.trusted("seal", made.seal), sign_from=authority.now)
    trust = authority.trust(
        sequence=sequence, roots=(made.root, made.former), issuing=(made.issuing, made.former_issuing), keys=(entry,)
    )  # fmt: skip
    return replace(trust, **changes)


def signed_under_the_new_root(made: Succession, trust: TrustList) -> str:
    return issue_trust_list(trust, made.custodian, made.delegate_key, made.delegate, made.root)


@pytest.mark.parametrize("passed", [timedelta(0), LATER], ids=["at once", "when the former root has ended"])
def test_a_former_root_is_one_that_the_list_vouches_for(
    authority: TestAuthority, succession: Succession, passed: timedelta
) -> None:
    at = authority.now + passed
    number = 1 + passed.days
    times = {"issued_at": at, "next_update": at + timedelta(days=1), "expires_at": at + timedelta(days=7)}
    trust = listed(authority, succession, number, **times)
    text = signed_under_the_new_root(succession, trust)
    assert read_trust_list(text, at=at, root_sha256=fingerprint(succession.root)) == trust
    assert refusal(authority, text, at=at, root_sha256=fingerprint(succession.former)) == "wrong_root"
    assert verify_chain(succession.seal, trust=trust, at=authority.now) == succession.former_issuing


def test_the_roots_of_a_list_are_those_that_its_authorities_need(
    authority: TestAuthority, succession: Succession
) -> None:
    seal_s = listed(authority, succession, 1).keys
    wrong: dict[str, dict[str, Any]] = {
        "the former root is missing": {"roots": (succession.root,)},
        "one that nothing needs": {"issuing": (succession.issuing,), "keys": ()},
        "a stranger's": {"roots": (succession.root, succession.former, authority.root)},
        "twice": {"roots": (succession.root, succession.former, succession.former)},
        "the list's own root": {"roots": (succession.root, succession.former, succession.root)},
        "an authority in its place": {"roots": (succession.root, succession.former_issuing)},
        "an issuing CA of nobody's": {
            "issuing": (succession.issuing, succession.former_issuing, authority.issuing)
        },
    }
    assert seal_s
    for number, changes in enumerate(wrong.values(), 500):
        text = signed_under_the_new_root(succession, listed(authority, succession, number, **changes))
        assert refusal(authority, text) == "malformed", changes.keys()


def test_former_roots_have_one_form(authority: TestAuthority, succession: Succession) -> None:
    payload = _payload(listed(authority, succession, 600))
    assert len(payload["former_roots"]) == 1
    for number, roots in enumerate(([], payload["former_roots"] * 17, "no list", [1], ["!"]), 600):
        data = signing_input(
            "trust-list+jwt", SUITES["p256-sha256"], (succession.delegate, succession.root),
            payload | {"former_roots": roots, "seq": number},
        )  # fmt: skip
        request = SignRequest(Kind.TRUST_LIST, data, f"trust-list:{number}")
        (signature,) = succession.custodian.sign(succession.delegate_key, [request])
        assert refusal(authority, compact(data, SUITES["p256-sha256"], signature)) == "malformed"
