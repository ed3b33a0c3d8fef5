"""What an authenticator brings back: the norm's own vectors, and one fault at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import VermilionError
from registry.console import webauthn
from registry.console.webauthn import RelyingParty, b64url, read_registration, to_b64url, verify_assertion
from tests.registry.signing_in import ORIGIN, Authenticator

PARTY = RelyingParty("localhost", ORIGIN)
CHALLENGE = bytes(range(56))
VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "vectors" / "webauthn.json").read_text()
)["vectors"]
SKIPPED = {"packed-es384": "an algorithm that is not asked for", "packed-ed448": "likewise"}
EMBEDDED = {"none-es256-crossOrigin", "none-es256-topOrigin"}


def of(vector: dict[str, Any], act: str) -> dict[str, bytes]:
    return {name: bytes.fromhex(value) for name, value in vector[act].items()}


def key_in(attestation: bytes) -> bytes:
    data = cbor2.loads(attestation)["authData"]
    rest: bytes = data[55 + int.from_bytes(data[53:55], "big") :]
    return rest[: len(rest) - len(webauthn._cbor(rest)[1])]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["name"]))
def test_the_norm_s_own_vectors(vector: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """In some of them the authenticator knew nobody, which is refused here but for this test."""
    party, name = RelyingParty("example.org", "https://example.org"), vector["name"]
    made, shown = of(vector, "registration"), of(vector, "authentication")

    def register() -> webauthn.NewCredential:
        return read_registration(party, made["challenge"], made["clientDataJSON"], made["attestationObject"])

    def show(changed: bytes = b"") -> int:
        return verify_assertion(
            party, shown["challenge"], key_in(made["attestationObject"]), client_data=shown["clientDataJSON"],
            authenticator_data=shown["authenticatorData"] + changed, signature=shown["signature"],
        )  # fmt: skip

    if not shown["authenticatorData"][32] & 0x04:
        with pytest.raises(VermilionError, match=r"did not verify|another site|not asked for"):
            show()
    monkeypatch.setattr(webauthn, "_VERIFIED", 0x01)
    if name in EMBEDDED or name in SKIPPED:
        with pytest.raises(VermilionError, match=r"within another site|not asked for"):
            show()
        return
    assert show() == 0
    with pytest.raises(VermilionError, match="more than authenticator data"):
        show(b"\0")
    if name.startswith("none-"):
        assert register().public_key == key_in(made["attestationObject"])
    else:
        with pytest.raises(VermilionError, match="where none was asked for"):
            register()


def registered(one: Authenticator, **changes: Any) -> webauthn.NewCredential:
    whole = {"fmt": "none", "attStmt": {}, "authData": one.data(one.attested())} | changes
    client_data = one.client_data("webauthn.create", to_b64url(CHALLENGE))
    return read_registration(PARTY, CHALLENGE, client_data, cbor2.dumps(whole))


def test_what_is_registered_verifies() -> None:
    one = Authenticator()
    credential = registered(one)
    assert (credential.id, credential.public_key, credential.sign_count) == (one.credential_id, one.cose(), 0)
    found = one.get({"challenge": to_b64url(CHALLENGE)})
    assert shown(one, found) == 1


def shown(one: Authenticator, found: dict[str, str], challenge: bytes = CHALLENGE) -> int:
    return verify_assertion(
        PARTY, challenge, one.cose(), client_data=b64url(found["clientDataJSON"], 4096),
        authenticator_data=b64url(found["authenticatorData"], 4096), signature=b64url(found["signature"], 1024),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda a: replace(a, origin="https://evil.example"), "another origin"),
        (lambda a: replace(a, origin="http://localhost:8801"), "another origin"),
        (lambda a: replace(a, rp_id="evil.example"), "another relying party"),
        (lambda a: replace(a, flags=0x01), "did not verify"),
        (lambda a: replace(a, flags=0x04), "did not verify"),
        (lambda a: replace(a, flags=0x15), "backed up"),
        (lambda a: replace(a, flags=0x45), "no credential id"),
        (lambda a: replace(a, flags=0x85), "not CBOR"),
        (lambda a: replace(a, key=ec.generate_private_key(ec.SECP256R1())), "signature"),
    ],
)
def test_an_assertion_with_one_fault_is_refused(
    change: Callable[[Authenticator], Authenticator], words: str
) -> None:
    one = Authenticator()
    with pytest.raises(VermilionError, match=words):
        shown(one, change(one).get({"challenge": to_b64url(CHALLENGE)}))


@pytest.mark.parametrize(
    "told",
    [
        {"type": "webauthn.create"}, {"type": None}, {"challenge": to_b64url(bytes(56))}, {"challenge": 1}, {"crossOrigin": True},
        {"crossOrigin": 0}, {"topOrigin": ORIGIN}, {"origin": None},
    ],
    ids=str,
)  # fmt: skip
def test_client_data_that_says_something_else_is_refused(told: dict[str, Any]) -> None:
    one = Authenticator()
    right = {"type": "webauthn.get", "challenge": to_b64url(CHALLENGE), "origin": ORIGIN}
    for data in (json.dumps(right | told), json.dumps(list(right)), "", "{" * 50, '{"type":1,"type":2}'):
        with pytest.raises(VermilionError):
            verify_assertion(
                PARTY,
                CHALLENGE,
                one.cose(),
                client_data=data.encode(),
                authenticator_data=one.data(),
                signature=b"",
            )


def test_members_that_are_not_known_may_follow_in_client_data() -> None:
    one = Authenticator()
    one.client_data = lambda kind, challenge, **_: json.dumps(  # type: ignore[method-assign]
        {"type": kind, "challenge": challenge, "origin": ORIGIN, "other_keys_can_be_added_here": "x"}
    ).encode()
    assert shown(one, one.get({"challenge": to_b64url(CHALLENGE)})) == 1


RSA_KEY = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n
X = ed25519.Ed25519PrivateKey.generate().public_key().public_bytes_raw()


@pytest.mark.parametrize(
    ("key", "good"),
    [
        ({1: 1, 3: -8, -1: 6, -2: X}, True),
        ({1: 3, 3: -257, -1: RSA_KEY.to_bytes(256, "big"), -2: b"\x01\x00\x01"}, True),
        ({1: 3, 3: -257, -1: RSA_KEY.to_bytes(257, "big"), -2: b"\x01\x00\x01"}, False),
        ({1: 3, 3: -257, -1: b"\xff" * 128, -2: b"\x01\x00\x01"}, False),
        ({1: 3, 3: -257, -1: RSA_KEY.to_bytes(256, "big"), -2: b"\x03"}, False),
        ({1: 3, 3: -37, -1: RSA_KEY.to_bytes(256, "big"), -2: b"\x01\x00\x01"}, False),
        ({1: 1, 3: -8, -1: 6, -2: X[:31]}, False),
        ({1: 1, 3: -8, -1: 4, -2: X}, False),
        ({1: 1, 3: -8, -1: 6, -2: X, -4: b"private"}, False),
        ({1: 2, 3: -7, -1: 1, -2: bytes(32), -3: bytes(32)}, False),
        ({1: 2, 3: -7, -1: 2, -2: bytes(32), -3: bytes(32)}, False),
        ({1: 2, 3: -7, -1: 1, -2: b"\x01", -3: b"\x01"}, False),
        ({1: 2, 3: -7, -1: True, -2: bytes(32), -3: bytes(32)}, False),
        ({1: 2, 3: -7}, False),
        ({1: 4, 3: -7}, False),
        ({}, False),
        ([], False),
        ("x", False),
    ],
    ids=lambda value: f"a_key_of_{len(value)}" if isinstance(value, dict | list | str) else str(value),
)
def test_a_key_is_one_of_three_kinds_and_nothing_more(key: Any, good: bool) -> None:
    one = Authenticator()
    one.cose = lambda: cbor2.dumps(key, canonical=True)  # type: ignore[method-assign]
    if good:
        assert registered(one).public_key == one.cose()
        return
    with pytest.raises(VermilionError):
        registered(one)


@pytest.mark.parametrize(
    "changes",
    [
        {"fmt": "packed"}, {"attStmt": {"x5c": []}}, {"more": 1}, {"authData": b""}, {"authData": "text"},
        {"authData": Authenticator().data()}, {"authData": Authenticator().data(Authenticator().attested()) + b"\0"},
        {"authData": Authenticator().data(bytes(16) + b"\0\0" + Authenticator().cose())},
        {"authData": Authenticator().data(bytes(16) + b"\xff\xff" + Authenticator().cose())},
    ],
)  # fmt: skip
def test_an_attestation_object_with_one_fault_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(VermilionError):
        registered(Authenticator(), **changes)


def test_outputs_of_extensions_are_passed_over() -> None:
    """Browsers ask for credProtect by themselves where a credential is to be discoverable."""
    one = Authenticator(flags=0x85)
    outputs = cbor2.dumps({"credProtect": 2})
    assert registered(one, authData=one.data(one.attested()) + outputs).id == one.credential_id
    for wrong in (b"", b"\x01", outputs + b"\0", outputs[:-1]):
        with pytest.raises(VermilionError):
            registered(one, authData=one.data(one.attested()) + wrong)


def test_cbor_is_definite_and_without_repeats() -> None:
    for wrong in (b"\xbf\x01\x02\xff", b"\xa2\x01\x02\x01\x02", b"\x81" * 40 + b"\x01", b"", b"\x18\x01"[:1]):
        with pytest.raises(VermilionError):
            webauthn._cbor(wrong)


@given(st.binary(max_size=400), st.binary(max_size=200))
def test_no_bytes_are_a_defect(data: bytes, more: bytes) -> None:
    one = Authenticator()
    client_data = one.client_data("webauthn.create", to_b64url(CHALLENGE))
    answer = one.client_data("webauthn.get", to_b64url(CHALLENGE))
    whole = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": one.data(data)})
    for attestation in (data, whole):
        with pytest.raises(VermilionError):
            read_registration(PARTY, CHALLENGE, client_data, attestation)
    for shown_data in (data, one.data() + data):
        with pytest.raises(VermilionError):
            verify_assertion(
                PARTY,
                CHALLENGE,
                one.cose(),
                client_data=answer,
                authenticator_data=shown_data,
                signature=more,
            )


@given(st.text(max_size=60) | st.integers() | st.none())
def test_only_base64url_in_its_one_spelling_is_read(text: object) -> None:
    try:
        data = b64url(text, 40)
    except VermilionError:
        return
    assert to_b64url(data) == text
