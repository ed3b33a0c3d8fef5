"""The QR credential: what goes in, what comes out, and that nothing else does."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import cbor2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import Kind, VermilionError
from signing import cbor
from signing import credential as credential_module
from signing.claims import MAX_PAYLOAD, agree, claims_of, decode_claims, encode_claims
from signing.credential import (
    MAX_SIGNED,
    decode_credential,
    link_text,
    normal_origin,
    parse_digits,
    parse_id,
    parse_link,
    qr_text,
    raw_signature,
    sig_structure,
    signed_by,
)
from signing.issuer import verify_credential
from signing.licence_type import Disclosure, Role
from signing.verdict import Content, Issuer
from tests.signing.checking import (
    LINK_ID,
    NOW,
    ORIGIN,
    QR_KEY,
    SUITE,
    changed,
    food,
    key,
    kid,
    records,
    scanned,
    sign,
    spki,
    teacher,
    trust_list,
    trusted,
    types,
)
from tests.tools import need

VECTORS = Path(__file__).parents[1] / "vectors" / "credential.json"
ID_TEXT = link_text(ORIGIN, LINK_ID)[-22:]

# RFC 8949, appendix A: what this subset shares with it.
PUBLISHED = [
    (0, "00"), (1, "01"), (10, "0a"), (23, "17"), (24, "1818"), (25, "1819"), (100, "1864"), (1000, "1903e8"),
    (1000000, "1a000f4240"), (1000000000000, "1b000000e8d4a51000"), (18446744073709551615, "1bffffffffffffffff"),
    (-1, "20"), (-10, "29"), (-100, "3863"), (-1000, "3903e7"), (None, "f6"), (b"", "40"), (b"\1\2\3\4", "4401020304"),
    ("", "60"), ("a", "6161"), ("IETF", "6449455446"), ("ü", "62c3bc"), ("水", "63e6b0b4"), ("𐅑", "64f0908591"),
    ([], "80"), ([1, 2, 3], "83010203"), ([1, [2, 3], [4, 5]], "8301820203820405"), ({}, "a0"), ({1: 2, 3: 4}, "a201020304"),
]  # fmt: skip
REFUSED = [
    "", "18", "1800", "1817", "190017", "1900ff", "1a0000ffff", "1b00000000ffffffff", "1c", "1f", "5f", "5f4101ff", "7f",
    "9f", "9fff", "bf", "bfff", "c0", "c11a514b67b0", "d74401020304", "f4", "f5", "f7", "f8ff", "f90000", "fb3ff199999999999a",
    "ff", "0001", "6180", "62c328", "63eda080", "5a7fffffff", "9a7fffffff", "ba7fffffff", "9b00ffffffffffffff", "a10102f6",
    "a201020102", "a203040102", "a1616101", "a1410101", "a1f601", "8181818101", "a101a101a101a10101",
]  # fmt: skip


@pytest.mark.parametrize(("value", "encoded"), PUBLISHED)
def test_cbor_is_that_of_rfc_8949(value: object, encoded: str) -> None:
    assert cbor.encode(value).hex() == encoded
    assert cbor.decode(bytes.fromhex(encoded)) == value


@pytest.mark.parametrize("encoded", REFUSED)
def test_whatever_is_not_deterministic_cbor_of_our_types_is_refused(encoded: str) -> None:
    with pytest.raises(VermilionError) as refused:
        cbor.decode(bytes.fromhex(encoded))
    assert refused.value.kind is Kind.MALFORMED


@given(st.binary(max_size=60))
def test_cbor_decodes_nothing_twice_and_agrees_with_cbor2(data: bytes) -> None:
    try:
        value = cbor.decode(data)
    except VermilionError:
        return
    assert cbor.encode(value) == data
    assert cbor2.loads(data) == value


values = st.recursive(
    st.none() | st.integers(-(2**64), 2**64 - 1) | st.binary(max_size=9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.integers(-9, 300), inner, max_size=4),
    max_leaves=6,
)


@given(values)
def test_what_is_encoded_is_read_back(value: object) -> None:
    try:
        data = cbor.encode(value)
        assert cbor.decode(data) == value
    except VermilionError as error:
        assert "deeply" in error.detail or "surrogate" in error.detail
        return
    assert cbor2.loads(data) == value


def test_every_sample_goes_round() -> None:
    for record in records():
        cose = sign(record)
        assert len(cose) <= MAX_SIGNED
        text = qr_text(link_text(ORIGIN, LINK_ID), cose)
        link = parse_link(text)
        assert (link.origin, link.id_bytes, link.credential) == (ORIGIN, LINK_ID, cose)
        credential = decode_credential(cose)
        assert agree(credential.claims, record)
        assert signed_by(credential, ORIGIN, link.id_text, spki(QR_KEY), SUITE)


def test_the_wire_form_is_what_cbor2_and_rfc_9052_say() -> None:
    protected, unprotected, payload, signature = cbor2.loads(sign(food()))
    assert cbor2.loads(protected) == {1: -7, 4: kid(QR_KEY)}
    assert unprotected == {}
    assert len(signature) == 64
    claims = cbor2.loads(payload)
    assert claims[1] == food().issuer_code
    assert claims[10] == (food().valid_to - food().issue_date.replace(1970, 1, 1)).days  # type: ignore[operator]
    structure, _ = sig_structure(claims, kid(QR_KEY), -7, "https://Example.ORG:443", LINK_ID)
    context, head, aad, body = cbor2.loads(structure)
    assert (context, head, body) == ("Signature1", protected, payload)
    assert aad == b"elic1|example.org|" + ID_TEXT.encode()
    assert cbor2.dumps([context, head, aad, body], canonical=True) == structure


def test_signatures_are_those_of_the_cose_working_group() -> None:
    """cose-wg/Examples, sign1-tests/sign-pass-02: ES256 with external data."""
    protected, external = bytes.fromhex("a10126"), bytes.fromhex("11aa22bb33cc44dd55006699")
    structure = cbor.encode(["Signature1", protected, external, b"This is the content."])
    assert structure.hex() == (
        "846a5369676e61747572653143a101264c11aa22bb33cc44dd5500669954546869732069732074686520636f6e74656e742e"
    )
    signature = bytes.fromhex(
        "eae868ecc176883766c5dc5ba5b8dca25dab3c2e56a551ce5705b793914348e1"
        "55388b10c4f1b59a6733eab416870a945111a4b2fbdbef33a77234b1deff2f9b"
    )
    point = bytes.fromhex(
        "04bac5b11cad8f99f9c72b05cf4b9e26d244dc189f745228255a219a86d6a09eff"
        "20138bf82dc1b6d562be0fa54ab7804a3a64b6d72ccfed6b6fb6ed28bbfc117e"
    )
    public_key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point).public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    assert credential_module._is_signature(signature, structure, public_key, SUITE)
    # sign-fail-02 spoils the signature; other external data and a shortened value must fail alike.
    assert not credential_module._is_signature(signature[:-1] + b"\0", structure, public_key, SUITE)
    assert not credential_module._is_signature(
        signature, structure.replace(external, bytes(12)), public_key, SUITE
    )
    assert not credential_module._is_signature(signature[:63], structure, public_key, SUITE)


def test_openssl_accepts_the_signature(tmp_path: Path) -> None:
    openssl = need("openssl")
    cose = sign(food())
    credential = decode_credential(cose)
    claims = claims_of(food(), types()[food().type_code])
    structure, _ = sig_structure(claims, kid(QR_KEY), -7, ORIGIN, LINK_ID)
    r, s = (int.from_bytes(credential.signature[i : i + 32], "big") for i in (0, 32))
    (tmp_path / "sig").write_bytes(encode_dss_signature(r, s))
    (tmp_path / "data").write_bytes(structure)
    pem = QR_KEY.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    (tmp_path / "key").write_bytes(pem)
    command = [openssl, "dgst", "-sha256", "-verify", "key", "-signature", "sig", "data"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    (tmp_path / "data").write_bytes(structure[:-1] + b"\0")
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode != 0


def test_citizen_numbers_stand_masked_or_not_at_all() -> None:
    record, kind = teacher(), types()[teacher().type_code]
    number = str(record.fields["citizen_id"])
    claims = claims_of(record, kind)
    assert claims[5] == number[0] + "*" * 16 + number[-1]
    assert number.encode() not in encode_claims(claims)
    code = kind.field(Role.HOLDER_CODE)
    assert code is not None

    def with_rule(rule: Disclosure) -> dict[int, object]:
        fields = tuple(replace(f, qr=rule) if f is code else f for f in kind.fields)
        return claims_of(record, replace(kind, fields=fields))

    assert 5 not in with_rule(Disclosure.OMITTED)
    with pytest.raises(VermilionError) as refused:
        with_rule(Disclosure.FULL)
    assert number not in refused.value.detail


def test_a_long_scope_is_cut_and_the_rest_is_whole() -> None:
    record, kind = food(), types()[food().type_code]
    fields = tuple(replace(f, qr=Disclosure.FULL) if f.role is Role.SCOPE else f for f in kind.fields)
    kind = replace(kind, fields=fields)
    items = tuple(f"第{n}项自制饮品制售" for n in range(40))
    long = replace(record, fields={**record.fields, "business_items": items})
    claims = claims_of(long, kind)
    scope = str(claims[7])
    assert scope.endswith("…")
    assert "；".join(items).startswith(scope[:-1])
    assert claims[4] == record.fields["operator_name"]
    assert MAX_PAYLOAD - 4 < len(encode_claims(claims)) <= MAX_PAYLOAD
    assert agree(decode_claims(encode_claims(claims)), long)
    assert not agree(decode_claims(encode_claims(claims)), record)


@pytest.mark.parametrize(
    "other",
    [
        {"number": "JY29901020000038"}, {"edition": 2}, {"status_index": 1}, {"status_list": 7},
        {"issuer_code": "91350100M000100Y43"}, {"type_code": "11990000MB00020229001"},
    ],
)  # fmt: skip
def test_claims_agree_with_their_record_only(other: dict[str, object]) -> None:
    claims = decode_credential(sign(food())).claims
    assert agree(claims, food())
    assert not agree(claims, replace(food(), **other))  # type: ignore[arg-type]
    assert not agree(claims, changed(food(), operator_name="另一家样本餐馆"))
    assert not agree(claims, replace(food(), issue_date=food().issue_date + timedelta(days=1)))
    assert not agree(claims, replace(food(), valid_to=None))


GOOD = f"{ORIGIN}/c/{ID_TEXT}"


@pytest.mark.parametrize(
    "text",
    [
        "", "#", "hello", ID_TEXT, f"ftp://localhost/c/{ID_TEXT}", f"HTTP://localhost/c/{ID_TEXT}",
        f"http://user@localhost/c/{ID_TEXT}", f"http://u:p@localhost/c/{ID_TEXT}", f"http://localhost/c/{ID_TEXT}?a=1",
        f"http://localhost/c/{ID_TEXT}/", f"http://localhost//c/{ID_TEXT}", f"http://localhost/x/c/{ID_TEXT}",
        f"http://localhost:0/c/{ID_TEXT}", f"http://localhost:080/c/{ID_TEXT}", f"http://localhost:65536/c/{ID_TEXT}",
        f"http:///c/{ID_TEXT}", f"http://locälhost/c/{ID_TEXT}", f"http://[::1]/c/{ID_TEXT}", f"http://a/c/{ID_TEXT[:-1]}",
        f"http://a/c/{ID_TEXT}A", f"http://a/c/{ID_TEXT[:-1]}B", f"http://a/c/{ID_TEXT[:-1]}=", f"http://a/c/{ID_TEXT[:-2]}+w",
        f" {GOOD}", f"{GOOD}\n", f"http://{'a' * 400}/c/{ID_TEXT}", f"http://-a/c/{ID_TEXT}",
    ],
)  # fmt: skip
def test_other_links_are_refused(text: str) -> None:
    with pytest.raises(VermilionError) as refused:
        parse_link(text)
    assert (refused.value.kind, refused.value.reason) == (Kind.MALFORMED, "link")


@pytest.mark.parametrize(
    "digits", ["0", "1", "01", "-5", "+5", "1.0", "1e9", " 5", "5 ", "１２", "٣", "9" * 2001, "2" * 900, "x"]
)
def test_other_fragments_are_refused(digits: str) -> None:
    with pytest.raises(VermilionError) as refused:
        parse_link(f"{GOOD}#{digits}")
    assert (refused.value.kind, refused.value.reason) == (Kind.MALFORMED, "credential")


def test_leading_zeros_of_a_number_are_refused() -> None:
    text = scanned(food())
    assert parse_link(text).credential == sign(food())
    with pytest.raises(VermilionError):
        parse_link(text.replace("#", "#0"))


def test_origins_have_one_normal_form() -> None:
    assert normal_origin("https://Check.Example.ORG:443") == "https://check.example.org"
    assert normal_origin("http://LOCALHOST:80") == "http://localhost"
    assert normal_origin("http://localhost:443") == "http://localhost:443"
    assert parse_link(GOOD.replace("localhost", "LocalHost")).origin == ORIGIN


@given(
    st.text(max_size=80)
    | st.from_regex(r"https?://[a-zA-Z0-9.:@-]{1,12}/c/[A-Za-z0-9_-]{21,23}#?[0-9a]{0,40}", fullmatch=True)
)
def test_no_text_breaks_the_link_parser(text: str) -> None:
    try:
        link = parse_link(text)
    except VermilionError as error:
        assert error.kind is Kind.MALFORMED
        return
    assert link_text(link.origin, link.id_bytes) == f"{link.origin}/c/{link.id_text}"
    assert parse_id(link.id_text) == link.id_bytes


@given(st.data())
def test_no_bytes_break_the_credential_decoder(data: st.DataObject) -> None:
    cose = bytearray(sign(food()))
    for _ in range(data.draw(st.integers(1, 3))):
        cose[data.draw(st.integers(0, len(cose) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(cose)))
    for candidate in (bytes(cose), bytes(cose[:cut]), bytes(cose) + b"\0"):
        try:
            credential = decode_credential(candidate)
        except VermilionError as error:
            assert error.kind is Kind.MALFORMED
            continue
        assert credential.cose == candidate
        right = signed_by(credential, ORIGIN, ID_TEXT, spki(QR_KEY), SUITE)
        assert right == (candidate == sign(food()))


@given(st.binary(max_size=450))
def test_garbage_is_refused_as_garbage(data: bytes) -> None:
    for decode in (decode_credential, decode_claims):
        with pytest.raises(VermilionError):
            decode(data)


def test_each_bit_counts() -> None:
    cose = sign(food())
    for position in range(len(cose)):
        altered = cose[:position] + bytes([cose[position] ^ 1]) + cose[position + 1 :]
        try:
            credential = decode_credential(altered)
        except VermilionError:
            continue
        assert not signed_by(credential, ORIGIN, ID_TEXT, spki(QR_KEY), SUITE), position


def test_a_signature_of_zeros_or_of_the_order_is_wrong() -> None:
    credential = decode_credential(sign(food()))
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    for r, s in ((0, 0), (order, order), (1, 0), (0, 1), (2**256 - 1, 2**256 - 1)):
        forged = replace(credential, signature=r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        assert not signed_by(forged, ORIGIN, ID_TEXT, spki(QR_KEY), SUITE)


def test_raw_signatures_are_made_of_der_only() -> None:
    assert raw_signature(encode_dss_signature(1, 2), SUITE) == bytes(31) + b"\1" + bytes(31) + b"\2"
    for bad in (
        b"",
        b"\x30",
        encode_dss_signature(2**256, 1),
        encode_dss_signature(1, 2) + b"\0",
        bytes.fromhex("30060201ff020101"),
    ):
        with pytest.raises(VermilionError):
            raw_signature(bad, SUITE)


def judged(text: str, *keys: object, **trust: object) -> tuple[Content, Issuer, str]:
    proof = verify_credential(parse_link(text), trust_list(*keys, **trust), NOW)  # type: ignore[arg-type]
    return proof.content, proof.issuer, proof.issuer_reason


def test_the_signature_holds_for_its_link_alone() -> None:
    ours = trusted(QR_KEY, food())
    assert judged(scanned(food()), ours)[:2] == (Content.PROVEN, Issuer.RECOGNISED)
    digits = scanned(food()).partition("#")[2]
    for other in (
        link_text(ORIGIN, bytes(16)),
        link_text("http://localhost:8802", LINK_ID),
        link_text("http://localhost", LINK_ID),
    ):
        origins = (ORIGIN, "http://localhost:8802", "http://localhost")
        assert judged(f"{other}#{digits}", ours, origins=origins)[0] is Content.ALTERED


def test_a_key_signs_its_agency_and_types_alone() -> None:
    text = scanned(food())
    assert judged(text, trusted(QR_KEY, food(), agency=teacher().issuer_code))[2] == "not_entitled"
    assert judged(text, trusted(QR_KEY, food(), types=(teacher().type_code,)))[2] == "not_entitled"
    assert judged(text, trusted(QR_KEY, food(), use="seal"))[2] == "key_unknown"
    assert judged(text)[2] == "key_unknown"
    assert judged(text, trusted(key(2), food()))[2] == "key_unknown"
    assert judged(text, trusted(QR_KEY, food()), origins=("http://localhost",))[2] == "origin_unknown"


def test_every_key_of_the_kid_is_tried_and_the_listed_algorithm_counts() -> None:
    namesake = trusted(key(2), food(), kid=kid(QR_KEY).hex())
    assert judged(scanned(food()), namesake, trusted(QR_KEY, food()))[1] is Issuer.RECOGNISED
    assert judged(scanned(food()), namesake)[0] is Content.ALTERED
    assert judged(scanned(food()), trusted(QR_KEY, food(), suite="p384-sha384"))[2] == "key_algorithm"
    # What the header says is never enough: the key is listed for another algorithm.
    assert judged(scanned(food(), alg=-35), trusted(QR_KEY, food()))[2] == "key_algorithm"
    assert (
        judged(scanned(food(), alg=-35), trusted(QR_KEY, food(), suite="p384-sha384"))[0] is Content.ALTERED
    )


def test_the_state_and_period_of_a_key_count() -> None:
    text = scanned(food())
    issued_end = NOW.replace(year=2026, month=6, day=15, hour=15, minute=59)  # 23:59 in the registry's zone
    assert judged(text, trusted(QR_KEY, food(), state="retired"))[1] is Issuer.RECOGNISED
    assert judged(text, trusted(QR_KEY, food(), state="compromised", since=NOW))[1:] == (
        Issuer.DOUBTFUL,
        "key_compromised",
    )
    assert judged(text, trusted(QR_KEY, food(), sign_to=issued_end))[1] is Issuer.RECOGNISED
    assert judged(text, trusted(QR_KEY, food(), sign_to=issued_end - timedelta(days=1)))[2] == "out_of_period"
    # A licence may be registered after its day of issue: an earlier day than the key's is no fault.
    assert judged(text, trusted(QR_KEY, food(), sign_from=NOW))[1] is Issuer.RECOGNISED
    assert judged(text, trusted(QR_KEY, food()), expires_at=NOW)[1:] == (
        Issuer.DOUBTFUL,
        "trust_list_expired",
    )


def test_the_vectors_are_what_this_code_reads() -> None:
    for case in json.loads(VECTORS.read_text(encoding="utf-8")):
        try:
            credential = decode_credential(parse_digits(case["digits"]))
        except VermilionError:
            assert case["number"] is None, case["name"]
        else:
            assert credential.claims.number == case["number"], case["name"]
