"""No certificate is signed that a linter finds anything in; the linter is another project's."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from asn1crypto import x509
from hypothesis import given
from hypothesis import strategies as st

from keys.certificates import Issuer, Publication, Subject, build_tbs, new_serial
from keys.custodian import Purpose
from keys.errors import Kind, VermilionError
from keys.lint import lint_tbs
from keys.profiles import PROFILES, ProfileName
from tests.authority import TestAuthority, make_authority

Change = Callable[[x509.TbsCertificate], None]
PUBLICATION = Publication(
    crl="http://crl.example/issuing.crl",
    ocsp="http://ocsp.example/issuing",
    ca_issuers="http://crl.example/issuing.cer",
)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return make_authority(tmp_path_factory.mktemp("authority"))


def tbs_of(here: TestAuthority, profile: ProfileName, publication: Publication = PUBLICATION) -> bytes:
    """The bytes that the profile's own issuer would sign."""
    issuers = {
        ProfileName.ROOT: Issuer(here.root_key, None),
        ProfileName.ROOT_LINK: Issuer(here.root_key, here.root, publication),
        ProfileName.ISSUING: Issuer(here.root_key, here.root, publication),
        ProfileName.TRUST_LIST: Issuer(here.root_key, here.root, publication),
    }
    keys = {
        ProfileName.ROOT: here.root_key,
        ProfileName.ISSUING: here.issuing_key,
        ProfileName.SEAL: here.seal_key,
        ProfileName.TSA: here.tsa_key,
        ProfileName.QR: here.qr_key,
    }
    if profile not in keys:
        keys[profile] = here.custodian.generate(PROFILES[profile].purpose, "p256-sha256")
    issuer = issuers.get(profile, Issuer(here.issuing_key, here.issuing, publication))
    return build_tbs(
        here.custodian, issuer, profile, Subject("99010000000001", "11990100MB01010556样本市市场监督管理局"),
        keys[profile], serial=new_serial(here.random), at=here.now + timedelta(days=1),
    )  # fmt: skip


@pytest.mark.parametrize("publication", [Publication(), PUBLICATION], ids=["alone", "with its addresses"])
@pytest.mark.parametrize("profile", list(ProfileName))
def test_every_profile_passes(
    authority: TestAuthority, profile: ProfileName, publication: Publication
) -> None:
    suite = (
        authority.root_key if PROFILES[profile].issuer is Purpose.ROOT_CA else authority.issuing_key
    ).suite
    lint_tbs(tbs_of(authority, profile, publication), suite)


def drop(name: str) -> Change:
    def change(tbs: x509.TbsCertificate) -> None:
        tbs["extensions"] = [e for e in tbs["extensions"] if e["extn_id"].native != name]

    return change


def twice(tbs: x509.TbsCertificate) -> None:
    tbs["extensions"] = [*tbs["extensions"], tbs["extensions"][0]]


def no_longer_critical(tbs: x509.TbsCertificate) -> None:
    for extension in tbs["extensions"]:
        extension["critical"] = False


def backwards(tbs: x509.TbsCertificate) -> None:
    tbs["validity"] = {"not_before": tbs["validity"]["not_after"], "not_after": tbs["validity"]["not_before"]}


def negative(tbs: x509.TbsCertificate) -> None:
    tbs["serial_number"] = -5


def zero(tbs: x509.TbsCertificate) -> None:
    tbs["serial_number"] = 0


def long_serial(tbs: x509.TbsCertificate) -> None:
    tbs["serial_number"] = 1 << 168


@pytest.mark.parametrize(
    ("profile", "change"),
    [
        pytest.param(ProfileName.SEAL, drop("authority_key_identifier"), id="no authority key identifier"),
        pytest.param(ProfileName.ISSUING, drop("key_identifier"), id="a CA without a key identifier"),
        pytest.param(ProfileName.ISSUING, drop("basic_constraints"), id="a CA that does not say it is one"),
        pytest.param(ProfileName.SEAL, twice, id="an extension twice"),
        pytest.param(ProfileName.ISSUING, no_longer_critical, id="constraints that are not critical"),
        pytest.param(ProfileName.SEAL, backwards, id="an end before the beginning"),
        pytest.param(ProfileName.SEAL, negative, id="a negative serial number"),
        pytest.param(ProfileName.SEAL, zero, id="serial number 0"),
        pytest.param(ProfileName.SEAL, long_serial, id="a serial number of 22 octets"),
    ],
)
def test_what_no_authority_may_sign_is_refused(
    authority: TestAuthority, profile: ProfileName, change: Change
) -> None:
    tbs = x509.TbsCertificate.load(tbs_of(authority, profile)).copy()
    change(tbs)
    suite = (
        authority.root_key if PROFILES[profile].issuer is Purpose.ROOT_CA else authority.issuing_key
    ).suite
    with pytest.raises(VermilionError) as refused:
        lint_tbs(tbs.dump(force=True), suite)
    assert (refused.value.kind, refused.value.reason) == (Kind.INVALID, "lint")


@given(data=st.data())
def test_no_bytes_make_the_linter_raise_anything_else(authority: TestAuthority, data: st.DataObject) -> None:
    tbs = bytearray(tbs_of(authority, ProfileName.SEAL))
    for at in data.draw(st.lists(st.integers(0, len(tbs) - 1), min_size=1, max_size=3)):
        tbs[at] = data.draw(st.integers(0, 255))
    try:
        lint_tbs(bytes(tbs), authority.issuing_key.suite)
    except VermilionError as error:
        assert error.reason == "lint"
