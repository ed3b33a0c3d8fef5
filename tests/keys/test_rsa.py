"""Suite rsa3072-sha256 from root to trust list: other implementations accept it, and it has one encoding."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509 as asn1_x509
from joserfc import jws as jose
from joserfc.jwk import RSAKey

from keys.certificates import certificate_key
from keys.custodian import Kind, Purpose
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.lint import lint_tbs
from keys.path import require_root, verify_chain
from keys.profiles import ProfileName
from keys.suite import RSA3072, signature_algorithm
from keys.tbs import check_tbs
from keys.time_stamp import verify_token
from keys.trust_list import TrustedKey, TrustList, _parse_entry, jwk_of, read_trust_list
from tests.authority import TestAuthority
from tests.keys.tbs_samples import tbs_certificate
from tests.keys.test_certificates import LEAVES, openssl_verify
from tests.keys.test_lint import tbs_of
from tests.keys.test_tsa import DIGEST, openssl_verifies

NULL = b"\x05\x00"


def test_chains_of_rsa_pass_lint_openssl_and_our_own_check(
    rsa_authority: TestAuthority, tmp_path: Path
) -> None:
    for profile in ProfileName:
        lint_tbs(tbs_of(rsa_authority, profile), "rsa3072-sha256")
    for leaf in LEAVES:
        assert openssl_verify(tmp_path, rsa_authority, getattr(rsa_authority, leaf), rsa_authority.now)
    verify_chain(rsa_authority.seal, trust=rsa_authority.trust(), at=rsa_authority.now)
    require_root(rsa_authority.root, rsa_authority.now)


def test_the_algorithm_has_null_as_its_parameters(rsa_authority: TestAuthority) -> None:
    """RFC 4055, 5; a certificate without them would be another certificate of the same content."""
    certificate = asn1_x509.Certificate.load(rsa_authority.seal)
    assert certificate["signature_algorithm"].dump() == signature_algorithm(RSA3072)
    assert signature_algorithm(RSA3072).endswith(NULL)
    check_tbs(Kind.CERTIFICATE, tbs_certificate(rsa_authority.seal), RSA3072)
    bare = tbs_certificate(rsa_authority.seal).replace(
        signature_algorithm(RSA3072), b"\x30\x0b" + signature_algorithm(RSA3072)[2:-2]
    )
    with pytest.raises(VermilionError):
        check_tbs(Kind.CERTIFICATE, bare, RSA3072)


def test_tokens_verify_in_openssl_and_here(rsa_authority: TestAuthority, tmp_path: Path) -> None:
    token = rsa_authority.stamper.stamp(DIGEST, "intent:rsa")
    assert openssl_verifies(tmp_path, rsa_authority, token, DIGEST)
    stamp = verify_token(token, DIGEST, trust=rsa_authority.trust())
    assert stamp.certificate == rsa_authority.tsa
    encryption = bytes.fromhex("300d06092a864886f70d0101010500")  # rsaEncryption: the same signature
    at = token.rindex(signature_algorithm(RSA3072))
    renamed = token[:at] + encryption + token[at + len(encryption) :]
    with pytest.raises(VermilionError) as caught:
        verify_token(renamed, DIGEST, trust=rsa_authority.trust())
    assert caught.value.reason == "time_stamp"


@pytest.fixture(scope="session")  # its number is signed once for the session's authority
def published(rsa_authority: TestAuthority) -> str:
    return rsa_authority.jws(sequence=7)


def test_a_trust_list_of_rsa_keys_comes_back(rsa_authority: TestAuthority, published: str) -> None:
    found: TrustList = read_trust_list(published, at=rsa_authority.now)
    assert found == rsa_authority.trust(sequence=7)
    assert [key.suite for key in found.keys] == ["rsa3072-sha256", "p256-sha256", "rsa3072-sha256"]
    body, _, signature = published.rpartition(".")
    last = signature[:-2] + ("AA" if signature[-2:] != "AA" else "BA")
    with pytest.raises(VermilionError) as caught:
        read_trust_list(f"{body}.{last}", at=rsa_authority.now)
    assert caught.value.reason == "bad_signature"


def test_an_independent_jose_library_verifies_it(rsa_authority: TestAuthority, published: str) -> None:
    key = RSAKey.import_key(dict(jwk_of(certificate_key(rsa_authority.delegate), RSA3072)))
    registry = jose.JWSRegistry(algorithms=["RS256"])
    registry.max_header_length = registry.max_payload_length = 16 * 1024
    assert jose.deserialize_compact(published, key, registry=registry).headers()["alg"] == "RS256"


def entry(authority: TestAuthority) -> dict[str, Any]:
    key: TrustedKey = authority.trusted("seal", authority.seal)
    return {
        "kid": key.kid, "use": "seal", "alg": "RS256", "jwk": jwk_of(key.public_key, RSA3072),
        "agency": key.agency, "types": list(key.types), "from": 1, "to": 2, "state": "active", "since": None,
        "x5c": [base64.b64encode(authority.seal).decode()],
    }  # fmt: skip


def _jwk(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda value: value["jwk"].update(changes)


WRONG: dict[str, Callable[[dict[str, Any]], None]] = {
    "another exponent": _jwk(e="Aw"),
    "an exponent with a leading zero": _jwk(e="AAEAAQ"),
    "a short modulus": lambda value: value["jwk"].update(n=value["jwk"]["n"][:-4]),
    "a modulus with a leading zero": lambda value: value["jwk"].update(
        n=base64.urlsafe_b64encode(
            b"\0" + base64.urlsafe_b64decode(value["jwk"]["n"])
        ).rstrip(b"=").decode()
    ),
    "padding": lambda value: value["jwk"].update(e="AQAB=="),
    "an EC key": _jwk(kty="EC"),
    "a private key": _jwk(d="AQAB"),
    "a credential's use": lambda value: value.update(use="qr"),
    "ES256": lambda value: value.update(alg="ES256"),
    "PS256": lambda value: value.update(alg="PS256"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_another_shape_of_key_is_refused(rsa_authority: TestAuthority, what: str) -> None:
    value = entry(rsa_authority)
    assert _parse_entry(value).public_key == certificate_key(rsa_authority.seal)
    WRONG[what](value)
    with pytest.raises(VermilionError) as caught:
        _parse_entry(value)
    assert caught.value.reason == "malformed"


def test_a_credential_s_key_is_of_no_such_suite(rsa_authority: TestAuthority) -> None:
    with pytest.raises(VermilionError) as caught:
        rsa_authority.custodian.generate(Purpose.QR, "rsa3072-sha256")
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.KEY_REFUSED, "suite")
