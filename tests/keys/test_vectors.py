"""Published vectors: the table of suites, JOSE conversions and the passphrase function are the standards' own."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from keys import trust_list
from keys.envelope import Passphrase, ScryptCost
from keys.suite import (
    P256,
    P384,
    RSA3072,
    SUITES,
    Ecdsa,
    SuiteName,
    generate_private_key,
    sign_with,
    suite_of,
    verifies,
)
from tests.tools import need

# RFC 6979, A.2.5 and A.2.6: message "sample" -> (x, y, r, s)
RFC_6979: dict[SuiteName, tuple[str, str, str, str]] = {
    "p256-sha256": (
        "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
        "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
    ),
    "p384-sha384": (
        ("EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64"
        "DEF8F0EA9055866064A254515480BC13"),
        ("8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1"
        "288B231C3AE0D4FE7344FD2533264720"),
        ("94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C"
        "81A648152E44ACF96E36DD1E80FABE46"),
        ("99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94F"
        "A329C145786E679E7B82C71A38628AC8"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("suite", [P256, P384])
def test_each_suite_is_the_curve_and_hash_it_is_named_for(suite: Ecdsa) -> None:
    x, y, r, s = (int(text, 16) for text in RFC_6979[suite.name])
    public = ec.EllipticCurvePublicNumbers(x, y, suite.curve).public_key()
    public.verify(encode_dss_signature(r, s), b"sample", ec.ECDSA(suite.hash))
    with pytest.raises(InvalidSignature):
        public.verify(encode_dss_signature(r, s), b"test", ec.ECDSA(suite.hash))


def test_rsa_3072_is_what_openssl_makes_of_it(tmp_path: Path) -> None:
    """RSASSA-PKCS1-v1_5 is deterministic: two implementations make the same bytes."""
    private = generate_private_key(RSA3072)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "data").write_bytes(b"sample")
    made = subprocess.run(
        [need("openssl"), "dgst", "-sha256", "-sign", "key.pem", "data"],
        cwd=tmp_path, capture_output=True, check=True,
    ).stdout  # fmt: skip
    assert sign_with(private, RSA3072, b"sample") == made
    assert verifies(private.public_key(), RSA3072, made, b"sample")
    assert not verifies(private.public_key(), RSA3072, made, b"test")
    assert not verifies(private.public_key(), P256, made, b"sample")


def test_keys_beside_the_table_are_of_no_suite() -> None:
    for strange in (
        rsa.generate_private_key(65537, 2048),
        rsa.generate_private_key(3, 3072),
        ec.generate_private_key(ec.SECP521R1()),
        ed25519.Ed25519PrivateKey.generate(),
    ):
        assert suite_of(strange.public_key()) is None
    for suite in SUITES.values():
        assert suite_of(generate_private_key(suite).public_key()) is suite


def test_jwk_and_signing_input_are_those_of_rfc_7515_a_3() -> None:
    jwk = {
        "kty": "EC",
        "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    }
    signing_input = (
        b"eyJhbGciOiJFUzI1NiJ9"
        b".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt"
        b"cGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    )
    signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
    suite = SUITES["p256-sha256"]
    spki = trust_list._public_key(jwk, suite)
    assert trust_list.jwk_of(spki, suite) == jwk
    raw = base64.urlsafe_b64decode(signature + "==")
    r, s = int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
    public = serialization.load_der_public_key(spki)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(encode_dss_signature(r, s), signing_input, ec.ECDSA(suite.hash))


def test_the_passphrase_function_is_scrypt() -> None:
    """RFC 7914, section 12, third vector; a shorter output is its beginning."""
    expected = "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
    ours = Passphrase(b"pleaseletmein").to_open(b"SodiumChloride", ScryptCost(n=1 << 14))
    assert AESGCM(bytes.fromhex(expected)).decrypt(bytes(12), ours.encrypt(bytes(12), b"", None), None) == b""
