"""The trust list: what its root signed comes back equal; anything else is refused with a reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws as jose
from joserfc.jwk import ECKey

from keys.canonical import canonical_json
from keys.certificates import certificate_key, fingerprint
from keys.custodian import Kind, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.path import verify_chain
from keys.suite import SUITES
from keys.trust_list import jwk_of, kid_of, read_trust_list
from tests.authority import TestAuthority, issue_trust_list, make_authority


@pytest.fixture(scope="module")
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
    key = ECKey.import_key(dict(jwk_of(certificate_key(authority.root), SUITES["p384-sha384"])))
    registry = jose.JWSRegistry(algorithms=["ES384"])
    registry.max_header_length = registry.max_payload_length = 16 * 1024  # x5c makes headers long
    found = jose.deserialize_compact(published, key, registry=registry)
    assert found.headers()["typ"] == "trust-list+jwt"
    thumbprint = base64.urlsafe_b64encode(sha256(authority.root).digest()).rstrip(b"=").decode()
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
    by_stranger = issue_trust_list(mixed, stranger.custodian, stranger.root_key, stranger.root)
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
    """The list with its payload changed and signed in earnest by the root."""
    text = authority.jws(sequence=int.from_bytes(authority.random(4), "big"))
    header, payload, _ = text.split(".")
    body = json.loads(base64.urlsafe_b64decode(payload + "=="))
    changed = change(body)
    encoded = json.dumps(body if changed is None else changed).encode()
    signing_input = f"{header}.{base64.urlsafe_b64encode(encoded).rstrip(b'=').decode()}"
    request = SignRequest(Kind.TRUST_LIST, signing_input.encode(), f"test:{authority.random(8).hex()}")
    (der,) = authority.custodian.sign(authority.root_key, [request])
    r, s = decode_dss_signature(der)
    raw = r.to_bytes(48, "big") + s.to_bytes(48, "big")
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
def test_a_list_that_the_root_signed_by_mistake_is_refused(authority: TestAuthority, what: str) -> None:
    assert refusal(authority, signed(authority, WRONG[what])) == "malformed"


def test_the_change_alone_is_what_was_refused(authority: TestAuthority) -> None:
    read_trust_list(signed(authority, lambda _body: None), at=authority.now)


def test_a_root_that_is_no_authority_is_refused(authority: TestAuthority, published: str) -> None:
    """Anybody can sign with the key of some certificate: it must be a root's."""
    _, payload, _ = published.split(".")
    for certificate in (authority.issuing, authority.seal, b"", b"0\x00", authority.root + b"\x00"):
        header = {
            "alg": "ES256",
            "typ": "trust-list+jwt",
            "x5c": [base64.b64encode(certificate).decode()],
            "x5t#S256": base64.urlsafe_b64encode(sha256(certificate).digest()).rstrip(b"=").decode(),
        }
        encoded = base64.urlsafe_b64encode(canonical_json(header)).rstrip(b"=").decode()
        assert refusal(authority, f"{encoded}.{payload}.{'A' * 86}") in {"malformed", "bad_signature"}


def test_an_expired_issuing_authority_goes_on_vouching_for_its_time(authority: TestAuthority) -> None:
    """A certificate without expiry outlives the authority that certified its seal by decades."""
    later = authority.now + timedelta(days=11 * 365)
    times = {"issued_at": later, "next_update": later, "expires_at": later + timedelta(days=7)}
    trust = read_trust_list(authority.jws(sequence=4711, **times), at=later)
    verify_chain(authority.seal, trust=trust, at=authority.now)
    with pytest.raises(VermilionError):
        verify_chain(authority.seal, trust=trust, at=later)


def test_the_issuing_authority_cannot_sign_a_list(authority: TestAuthority) -> None:
    with pytest.raises(VermilionError) as caught:
        issue_trust_list(
            authority.trust(sequence=30), authority.custodian, authority.issuing_key, authority.issuing
        )
    assert caught.value.kind is ErrorKind.KEY_REFUSED


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
        assert refusal(authority, altered) in {"malformed", "bad_signature"}
