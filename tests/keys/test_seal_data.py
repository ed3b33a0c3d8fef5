"""The data of a seal as GB/T 38540 has them, and the maker's signature over them."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.certificates import Subject
from keys.custodian import KeyRef, Purpose
from keys.errors import Kind, VermilionError
from keys.profiles import ProfileName
from keys.seal_data import SealData, make_seal, read_seal_info, seal_info, verify_seal
from tests.authority import TestAuthority
from tests.keys.tbs_samples import seal_data


@dataclass(frozen=True)
class Made:
    authority: TestAuthority
    data: SealData
    maker: KeyRef
    certificate: bytes
    seal: bytes

    def check(self, **changes: object) -> bytes:
        return verify_seal(self.seal, replace(self.data, **changes), (self.authority.issuing,))  # type: ignore[arg-type]


def certified(authority: TestAuthority, purpose: Purpose, profile: ProfileName) -> tuple[KeyRef, bytes]:
    key = authority.custodian.generate(purpose, "p256-sha256")
    return key, authority.certify(profile, Subject("MAKER", "样本制章中心"), key)


@pytest.fixture(scope="module")
def made(authority: TestAuthority) -> Made:
    maker, certificate = certified(authority, Purpose.SEAL_MAKER, ProfileName.SEAL_MAKER)
    data = replace(seal_data(authority.seal), created_at=authority.now)
    seal = make_seal(authority.custodian, maker, certificate, seal_info(data), "seal-edition:1")
    return Made(authority, data, maker, certificate, seal)


def test_what_the_maker_signed_holds_and_names_the_maker(made: Made) -> None:
    assert read_seal_info(seal_info(made.data)) == made.data
    assert made.check() == made.certificate


CHANGES = {
    "code": "99010000000002",
    "type": 99,
    "name": "样本市另一局",
    "certificate": b"\x30\x00",
    "edition": 3,
    "picture_type": "png",
    "picture": b"%PDF-1.7 another",
    "width_mm": 43,
    "height_mm": 43,
}


@pytest.mark.parametrize(("member", "value"), CHANGES.items(), ids=CHANGES)
def test_any_other_data_are_refused(made: Made, member: str, value: object) -> None:
    with pytest.raises(VermilionError) as refused:
        made.check(**{member: value})
    assert (refused.value.kind, refused.value.reason) == (Kind.INVALID, "seal_data")


@pytest.mark.parametrize("member", ["created_at", "valid_from", "valid_to"])
def test_any_other_time_is_refused(made: Made, member: str) -> None:
    with pytest.raises(VermilionError):
        made.check(**{member: getattr(made.data, member) + timedelta(seconds=1)})


def test_no_changed_byte_passes(made: Made) -> None:
    for at in range(len(made.seal)):
        altered = bytearray(made.seal)
        altered[at] ^= 1 << at % 8
        with pytest.raises(VermilionError) as refused:
            verify_seal(bytes(altered), made.data, (made.authority.issuing,))
        assert refused.value.reason == "seal_data", at


@pytest.mark.parametrize(
    ("purpose", "profile"), [(Purpose.SEAL, ProfileName.SEAL), (Purpose.TSA, ProfileName.TSA)]
)
def test_only_a_makers_certificate_will_do(made: Made, purpose: Purpose, profile: ProfileName) -> None:
    """A seal's own certificate has the same key usage: the policy tells them apart."""
    _key, other = certified(made.authority, purpose, profile)
    record = f"seal-edition:{profile}"
    seal = make_seal(made.authority.custodian, made.maker, other, seal_info(made.data), record)
    with pytest.raises(VermilionError) as refused:
        verify_seal(seal, made.data, (made.authority.issuing,))
    assert refused.value.reason == "seal_data"


def test_a_maker_of_another_authority_is_not_known(made: Made, tmp_path: Path) -> None:
    from tests.authority import make_authority

    stranger = make_authority(tmp_path)
    maker, certificate = certified(stranger, Purpose.SEAL_MAKER, ProfileName.SEAL_MAKER)
    seal = make_seal(stranger.custodian, maker, certificate, seal_info(made.data), "seal-edition:1")
    for issuers in ((made.authority.issuing,), ()):
        with pytest.raises(VermilionError) as refused:
            verify_seal(seal, made.data, issuers)
        assert refused.value.reason == "seal_data"


def test_the_makers_certificate_is_judged_when_the_seal_was_made(made: Made) -> None:
    early = replace(made.data, created_at=made.authority.now - timedelta(days=3650))
    seal = make_seal(
        made.authority.custodian, made.maker, made.certificate, seal_info(early), "seal-edition:3"
    )
    with pytest.raises(VermilionError):
        verify_seal(seal, early, (made.authority.issuing,))


def test_openssl_reads_the_norms_structure_and_verifies_the_signature(made: Made, tmp_path: Path) -> None:
    """The signed bytes are the DER of eSealInfo alone, the first member of four."""
    from tests.tools import need

    openssl = need("openssl")
    (tmp_path / "seal.der").write_bytes(made.seal)
    (tmp_path / "info.der").write_bytes(seal_info(made.data))
    (tmp_path / "maker.der").write_bytes(made.certificate)
    shape = subprocess.run(
        [openssl, "asn1parse", "-inform", "DER", "-in", tmp_path / "seal.der"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    members = [int(line.split(":")[0]) for line in shape.splitlines() if "d=1 " in line]
    assert len(members) == 4
    signature = made.seal[members[-1] + 3 :]  # tag, length, no unused bits
    (tmp_path / "signature").write_bytes(signature)
    subprocess.run(
        [openssl, "x509", "-inform", "DER", "-in", tmp_path / "maker.der", "-pubkey", "-noout",
         "-out", tmp_path / "maker.pem"], check=True,
    )  # fmt: skip
    done = subprocess.run(
        [openssl, "dgst", "-sha256", "-verify", tmp_path / "maker.pem", "-signature", tmp_path / "signature",
         tmp_path / "info.der"], check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.stdout == "Verified OK\n"
    wanted = ["ES", "99010000000001", "pdf"]
    assert all(f":{word}" in shape for word in wanted)


@given(st.binary(max_size=300))
def test_any_bytes_are_refused_with_the_one_typed_error(made: Made, junk: bytes) -> None:
    for seal in (junk, made.seal[: len(junk)] + junk, made.seal + junk if junk else b""):
        with pytest.raises(VermilionError) as refused:
            verify_seal(seal, made.data, (made.authority.issuing,))
        assert refused.value.reason == "seal_data"
