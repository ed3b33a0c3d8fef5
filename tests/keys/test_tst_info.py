"""The bytes of a time-stamp, spliced: what asn1crypto's trees encode to, and nothing else is recognised."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import new as new_hash
from hashlib import sha256

import pytest
from asn1crypto import cms, core, tsp, x509
from hypothesis import example, given
from hypothesis import strategies as st

from keys.custodian import Kind
from keys.der import integer, tlv
from keys.errors import VermilionError
from keys.profiles import POLICY_TSA
from keys.suite import P256, P384, RSA3072, SUITES, Suite
from keys.tbs import check_tbs
from keys.time_stamp import token_shape
from keys.tst_info import (
    StampAttributes,
    encode_attributes,
    encode_policy,
    encode_tst_info,
    message_imprint,
    read_attributes,
)
from tests.authority import AT, TestAuthority
from tests.keys import asn1_tokens
from tests.keys import tbs_samples as samples

DIGEST = sha256(b"the signature of a seal").digest()
MOMENTS = st.datetimes(datetime(1970, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)).map(
    lambda at: at.replace(microsecond=0)
)


@given(
    serial=st.integers(0, 1 << 160),
    gen_time=MOMENTS,
    digest=st.binary(min_size=32, max_size=32),
    nonce=st.none() | st.integers(-(1 << 64), 1 << 128),
)
def test_tst_info_is_what_a_tree_encodes_to(
    serial: int, gen_time: datetime, digest: bytes, nonce: int | None
) -> None:
    encoded_nonce = b"" if nonce is None else core.Integer(nonce).dump()
    ours = encode_tst_info(
        encode_policy(POLICY_TSA), message_imprint(digest), serial, gen_time, encoded_nonce
    )
    assert ours == asn1_tokens.tst_info(digest, serial, gen_time, nonce=nonce)


@given(value=st.integers(0, 1 << 200))
@example(value=0)
@example(value=127)
@example(value=128)
def test_an_integer_is_minimal(value: int) -> None:
    assert integer(value) == core.Integer(value).dump()


@pytest.mark.parametrize("suite", list(SUITES.values()), ids=list(SUITES))
@pytest.mark.parametrize("with_certificates", [True, False])
def test_a_token_is_what_a_tree_encodes_to(
    authority: TestAuthority, suite: Suite, with_certificates: bool
) -> None:
    info = asn1_tokens.tst_info(DIGEST, 5, AT)
    digest = new_hash(suite.digest_name, info).digest()
    signed = encode_attributes(StampAttributes(digest, sha256(authority.tsa).digest()))
    assert signed == asn1_tokens.attributes(info, authority.tsa, suite)
    bag = (authority.issuing, authority.tsa)
    shape = token_shape(suite, x509.Certificate.load(authority.tsa), bag)
    signature = bytes(range(70))
    expected = asn1_tokens.token(
        info, signed, signature, suite, authority.tsa, bag if with_certificates else None
    )
    assert shape.token(info, signed, signature, with_certificates=with_certificates) == expected


def accepted(data: bytes, suite: Suite) -> bool:
    try:
        check_tbs(Kind.TIME_STAMP, data, suite)
    except VermilionError:
        return False
    return True


@pytest.mark.parametrize("suite", [P256, P384, RSA3072], ids=lambda suite: suite.name)
@given(data=st.data())
def test_attributes_are_accepted_and_refused_as_by_a_strict_tree(suite: Suite, data: st.DataObject) -> None:
    right = samples.sample(Kind.TIME_STAMP, b"", suite=suite)
    assert accepted(right, suite)
    assert asn1_tokens.accepts(right, suite)
    assert read_attributes(right, suite).certificate_sha256 == samples.CERTIFICATE_HASH
    changed = bytearray(right)
    for _ in range(data.draw(st.integers(1, 3), "changes")):
        at = data.draw(st.integers(0, len(changed) - 1), "at")
        kind = data.draw(st.sampled_from(["set", "flip", "insert", "remove"]), "kind")
        if kind == "set":
            changed[at] = data.draw(st.integers(0, 255), "byte")
        elif kind == "flip":
            changed[at] ^= 1 << data.draw(st.integers(0, 7), "bit")
        elif kind == "insert":
            changed[at:at] = data.draw(st.binary(min_size=1, max_size=3), "bytes")
        else:
            del changed[at : at + 2]
        changed = changed or bytearray(b"\x00")
    for other in SUITES.values():
        assert accepted(bytes(changed), other) == asn1_tokens.accepts(bytes(changed), other)


def issuer_serial() -> dict[str, object]:
    name = x509.Name.build({"common_name": "x"})
    return {"issuer": [x509.GeneralName("directory_name", name)], "serial_number": 1}


def named(*, count: int = 1, **members: object) -> dict[str, object]:
    certificate = {"cert_hash": samples.CERTIFICATE_HASH, **members}
    value = tsp.SigningCertificateV2({"certs": [certificate] * count})
    return samples.attribute("signing_certificate_v2", value)


TST_INFO, MESSAGE_DIGEST = samples.content_type("tst_info"), samples.message_digest()
OTHERS = {
    "protection": (TST_INFO, MESSAGE_DIGEST, samples.signing_certificate(), samples.protection()),
    "signing time": (TST_INFO, MESSAGE_DIGEST, samples.signing_certificate(), samples.signing_time()),
    "twice": (TST_INFO, MESSAGE_DIGEST, MESSAGE_DIGEST, samples.signing_certificate()),
    "no certificate": (TST_INFO, MESSAGE_DIGEST),
    "no digest": (TST_INFO, samples.signing_certificate()),
    "of a seal": (samples.content_type(), MESSAGE_DIGEST, samples.signing_certificate()),
    "two certificates": (TST_INFO, MESSAGE_DIGEST, named(count=2)),
    "issuer and serial": (TST_INFO, MESSAGE_DIGEST, named(issuer_serial=issuer_serial())),
    "a short hash": (TST_INFO, MESSAGE_DIGEST, named(cert_hash=bytes(20))),
    "another hash": (TST_INFO, MESSAGE_DIGEST, named(hash_algorithm={"algorithm": "sha512"}, cert_hash=bytes(64))),
    "sha-1": (TST_INFO, samples.message_digest(20), samples.signing_certificate()),
}  # fmt: skip


@pytest.mark.parametrize("other", OTHERS)
def test_attributes_that_a_tree_reads_but_we_never_write_are_refused(other: str) -> None:
    data = samples.attributes(*OTHERS[other])
    assert len(cms.CMSAttributes.load(data)) >= 2
    for suite in SUITES.values():
        assert not accepted(data, suite)
        assert not asn1_tokens.accepts(data, suite)


def test_the_same_set_in_another_order_is_refused() -> None:
    data = samples.sample(Kind.TIME_STAMP, b"")
    assert samples.reordered(samples.reordered(data)) == data
    assert not accepted(samples.reordered(data), P256)


def test_an_element_of_any_length_has_a_minimal_one() -> None:
    for size in (0, 127, 128, 255, 256, 65_535, 65_536):
        assert tlv(0x04, bytes(size)) == core.OctetString(bytes(size)).dump()


def test_whole_seconds_are_written_without_a_fraction() -> None:
    info = encode_tst_info(encode_policy(POLICY_TSA), message_imprint(DIGEST), 1, AT + timedelta(seconds=1))
    assert b"\x18\x0f20261120023001Z" in info
