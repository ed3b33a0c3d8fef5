"""CRLs and OCSP responses of an authority outside: what is read of them, and what is not believed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import given
from hypothesis import strategies as st

from keys.crl import RevocationReason
from keys.errors import VermilionError
from keys.outside_status import NOT_KNOWN, OutsideAnswer, Said, read_crl, read_ocsp, status_request
from tests.registry.licensed_ca import SHA256, Extension, LicensedCa, make_ca, name, new_key

AT = datetime(2026, 11, 20, 2, 30, tzinfo=UTC)
NONCE = bytes(range(32))
HOUR = timedelta(hours=1)


@dataclass
class Bench:
    ca: LicensedCa
    certificate: bytes

    def request(self) -> bytes:
        return status_request(self.certificate, self.ca.below.der, NONCE)

    def ocsp(self, data: bytes, at: datetime = AT) -> OutsideAnswer:
        return read_ocsp(data, self.certificate, self.ca.below.der, at=at, nonce=NONCE)

    def crl(self, data: bytes, at: datetime = AT) -> OutsideAnswer:
        return read_crl(data, self.certificate, self.ca.below.der, at=at, url=f"{self.ca.origin}/crl")

    def refused(self, read: Callable[[bytes], OutsideAnswer], data: bytes) -> str:
        with pytest.raises(VermilionError) as caught:
            read(data)
        assert caught.value.reason in {"ocsp", "crl", "chain"}
        return caught.value.detail


@pytest.fixture(scope="module", params=["p256", "rsa2048"])
def made(request: pytest.FixtureRequest) -> Bench:
    root = make_ca("Root", None, AT, kind=request.param)
    ca = LicensedCa(lambda: AT, root, make_ca("CA", root, AT, kind=request.param), origin="http://crl.test")
    return Bench(ca, ca.certify_key(name("seal"), new_key().public_key()))


@pytest.fixture
def bench(made: Bench) -> Bench:
    made.ca.revoked.clear()
    made.ca.age, made.ca.lives = timedelta(0), 12 * HOUR
    return made


def test_good_held_and_revoked_are_told_by_both(bench: Bench) -> None:
    ca = bench.ca
    for reason, said, read_as in (
        (None, Said.REVOKED, None),
        (x509.ReasonFlags.key_compromise, Said.REVOKED, RevocationReason.KEY_COMPROMISE),
        (x509.ReasonFlags.certificate_hold, Said.HELD, RevocationReason.CERTIFICATE_HOLD),
    ):
        ca.revoked.clear()
        for answer in (bench.ocsp(ca.ocsp(bench.request())), bench.crl(ca.crl())):
            assert answer == OutsideAnswer(Said.GOOD, AT, AT + 12 * HOUR, None, None)
        ca.revoke(bench.certificate, reason)
        for answer in (bench.ocsp(ca.ocsp(bench.request())), bench.crl(ca.crl())):
            assert answer == OutsideAnswer(said, AT, AT + 12 * HOUR, AT, read_as)


def test_what_standards_leave_open_is_taken(bench: Bench) -> None:
    """Without the nonce; signed by the CA itself; named by an issuing distribution point."""
    ca, asked = bench.ca, bench.request()
    assert bench.ocsp(ca.ocsp(asked, nonce=False)).said is Said.GOOD
    assert bench.ocsp(ca.ocsp(asked, responder=ca.below)).said is Said.GOOD
    place = x509.UniformResourceIdentifier("http://crl.test/crl")
    assert bench.crl(ca.crl((distribution(full_name=[place]), True))).said is Said.GOOD


def distribution(**changes: object) -> x509.IssuingDistributionPoint:
    values = {
        "full_name": None, "relative_name": None, "only_contains_user_certs": False,
        "only_contains_ca_certs": False, "only_some_reasons": None, "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }  # fmt: skip
    return x509.IssuingDistributionPoint(**(values | changes))  # type: ignore[arg-type]


OTHER_PLACE = x509.UniformResourceIdentifier("http://crl.test/other")
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.7"), b"\x05\x00")


@pytest.mark.parametrize(
    "extension",
    [
        (distribution(only_contains_ca_certs=True), True),
        (distribution(only_contains_attribute_certs=True), True),
        (distribution(indirect_crl=True), True),
        (distribution(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise})), True),
        (distribution(full_name=[OTHER_PLACE]), True),
        (distribution(full_name=[OTHER_PLACE]), False),
        (x509.DeltaCRLIndicator(1), True),
        (x509.DeltaCRLIndicator(1), False),
        (UNKNOWN, True),
    ],
    ids=lambda one: f"{type(one[0]).__name__} {one[1]}",
)
def test_a_list_that_does_not_cover_the_certificate_is_none(bench: Bench, extension: Extension) -> None:
    assert "cover" in bench.refused(bench.crl, bench.ca.crl(extension))


def test_a_list_of_another_issuer_or_key_is_none(bench: Bench) -> None:
    ca = bench.ca
    for other in (ca.root, make_ca("CA", ca.root, AT)):
        assert "signed by" in bench.refused(bench.crl, ca.crl(issuer=other))


def test_a_response_of_nobody_the_authority_named_is_none(bench: Bench) -> None:
    ca, asked = bench.ca, bench.request()
    strangers = (
        ca.responder(issuer=ca.root),
        ca.responder(issuer=make_ca("CA", ca.root, AT)),
        ca.responder(purposes=[ExtendedKeyUsageOID.SERVER_AUTH]),
        ca.responder(unchecked=False),
        make_ca("CA", None, AT),
    )
    for stranger in strangers:
        assert "delegate" in bench.refused(bench.ocsp, ca.ocsp(asked, responder=stranger))


def test_a_response_about_another_certificate_or_without_its_end_is_none(bench: Bench) -> None:
    ca, asked = bench.ca, bench.request()
    other = ca.certify_key(name("other"), new_key().public_key())
    assert "another certificate" in bench.refused(bench.ocsp, ca.ocsp(asked, about=other))
    assert "now" in bench.refused(bench.ocsp, ca.ocsp(asked, next_update=False))
    stale = status_request(bench.certificate, ca.below.der, bytes(32))
    assert "nonce" in bench.refused(bench.ocsp, ca.ocsp(stale))


def test_what_holds_no_more_or_not_yet_is_no_status(bench: Bench) -> None:
    crl, response = bench.ca.crl(), bench.ca.ocsp(bench.request())
    for read, data in ((bench.crl, crl), (bench.ocsp, response)):
        end = AT + 12 * HOUR
        assert read(data, end - timedelta(seconds=1)).said is Said.GOOD
        assert read(data, AT - timedelta(minutes=5)).said is Said.GOOD
        for moment in (end, AT - timedelta(minutes=5, seconds=1)):
            with pytest.raises(VermilionError):
                read(data, moment)


def test_unknown_has_a_reason_of_its_own_where_the_authority_said_so(bench: Bench) -> None:
    ca, asked = bench.ca, bench.request()
    with pytest.raises(VermilionError) as caught:
        bench.ocsp(ca.ocsp(asked, known=False))
    assert caught.value.reason == NOT_KNOWN
    stranger = make_ca("CA", None, AT)
    assert "delegate" in bench.refused(bench.ocsp, ca.ocsp(asked, known=False, responder=stranger))
    stale = status_request(bench.certificate, ca.below.der, bytes(32))
    assert "nonce" in bench.refused(bench.ocsp, ca.ocsp(stale, known=False))
    assert "now" in bench.refused(bench.ocsp, ca.ocsp(asked, known=False, next_update=False))


def test_what_began_in_the_year_one_is_refused(bench: Bench) -> None:
    class Ancient(LicensedCa):
        def _times(self) -> tuple[datetime, datetime]:
            return datetime(1950, 1, 1, tzinfo=UTC), AT + HOUR

    ca = Ancient(bench.ca.clock, bench.ca.root, bench.ca.below, origin=bench.ca.origin)
    data = ca.ocsp(bench.request(), responder=ca.below)
    response = ocsp.load_der_ocsp_response(data)
    said = response.tbs_response_bytes.replace(b"19500101000000Z", b"00010101000000Z")
    signature = b""
    while len(signature) != len(response.signature):  # of ECDSA the length varies
        signature = (
            ca.below.key.sign(said, padding.PKCS1v15(), SHA256)
            if isinstance(ca.below.key, rsa.RSAPrivateKey)
            else ca.below.key.sign(said, ec.ECDSA(SHA256))
        )
    changed = data.replace(response.tbs_response_bytes, said).replace(response.signature, signature)
    assert next(ocsp.load_der_ocsp_response(changed).responses).this_update_utc.year == 1
    assert "now" in bench.refused(bench.ocsp, changed)


@given(
    at=st.integers(0, 5000),
    byte=st.integers(0, 255),
    cut=st.booleans(),
    what=st.sampled_from(["crl", "ocsp"]),
)
def test_altered_bytes_raise_the_one_typed_error_and_never_say_more(
    made: Bench, at: int, byte: int, cut: bool, what: str
) -> None:
    """What is revoked is never made good by altering it."""
    made.ca.revoke(made.certificate)
    data = bytearray(made.ca.crl() if what == "crl" else made.ca.ocsp(made.request()))
    at %= len(data)
    if cut:
        del data[at]
    else:
        data[at] = byte
    try:
        answer = made.crl(bytes(data)) if what == "crl" else made.ocsp(bytes(data))
    except VermilionError:
        return
    assert answer.said is Said.REVOKED


@given(data=st.binary(max_size=400))
def test_any_bytes_are_refused(made: Bench, data: bytes) -> None:
    made.refused(made.crl, data)
    made.refused(made.ocsp, data)
