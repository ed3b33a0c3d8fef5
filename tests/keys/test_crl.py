"""CRLs: what we make, every independent reader accepts; what is not of our form, nobody here reads or signs."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import crl as asn1_crl
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from keys.crl import (
    _ENTRY,
    RevocationReason,
    crl_entry,
    crl_tbs,
    read_crl,
    sign_crl,
    verify_crl,
    with_entries,
)
from keys.custodian import Kind, Purpose
from keys.der import generalized_time, integer, members, read_time, tlv
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.lint import lint_crl, lint_crl_parts
from keys.suite import SUITES
from keys.tbs import check_tbs
from tests.authority import AT, TestAuthority
from tests.keys.test_certificates import forged
from tests.tools import need

SINCE = datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
REASONS = [*RevocationReason, None]


def serial(number: int) -> int:
    """Of our form; in the order of the numbers."""
    return (1 << 128) + number


def make(
    authority: TestAuthority, entries: list[bytes], number: int = 1, at: datetime = AT, record: str = ""
) -> bytes:
    suite = authority.issuing_key.suite
    tbs = crl_tbs(
        authority.issuing, suite, number=number, this_update=at, next_update=at + timedelta(days=2),
        entries=entries,
    )  # fmt: skip
    lint_crl_parts(tbs, suite, entries)
    return sign_crl(
        authority.custodian, authority.issuing_key, tbs, record or f"crl:{authority.random(8).hex()}"
    )


def every_entry() -> list[bytes]:
    """Each reason, with and without an invalidity date, before and after 2050."""
    cases = [
        (at, reason, invalidity)
        for at in (AT, AT.replace(year=2049), AT.replace(year=2051))
        for reason in REASONS
        for invalidity in (None, SINCE)
    ]
    return [crl_entry(serial(n), at, reason, since) for n, (at, reason, since) in enumerate(cases, 1)]


@pytest.fixture(params=["p256", "rsa"])
def authority_of(
    request: pytest.FixtureRequest, authority: TestAuthority, rsa_authority: TestAuthority
) -> TestAuthority:
    return authority if request.param == "p256" else rsa_authority


def run(*command: str, folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def folder(authority_of: TestAuthority, tmp_path: Path) -> Path:
    for name, der in (
        ("root", authority_of.root), ("ca", authority_of.issuing), ("seal", authority_of.seal),
    ):  # fmt: skip
        pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
        (tmp_path / f"{name}.pem").write_bytes(pem)
    seal = x509.load_der_x509_certificate(authority_of.seal).serial_number
    held = crl_entry(seal, AT, RevocationReason.CERTIFICATE_HOLD, None)
    for name, entries in (("empty", []), ("full", every_entry()), ("held", [held])):
        now = datetime.now(UTC).replace(microsecond=0)  # gnutls has no other clock for this
        der = make(authority_of, entries, at=now)
        (tmp_path / f"{name}.crl").write_bytes(der)
        (tmp_path / f"{name}.crl.pem").write_bytes(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM))
    return tmp_path


@pytest.mark.parametrize("name", ["empty", "full", "held"])
def test_openssl_gnutls_and_pkilint_accept_each_list(folder: Path, name: str) -> None:
    said = run(
        need("openssl"), "crl", "-inform", "DER", "-in", f"{name}.crl", "-CAfile", "ca.pem", "-noout",
        "-verify", folder=folder,
    )  # fmt: skip
    assert "verify OK" in said
    said = run(
        need("certtool"), "--verify-crl", "--load-ca-certificate", "ca.pem", "--infile", f"{name}.crl.pem",
        "--verify-profile", "low", folder=folder,
    )  # fmt: skip
    assert "Verified" in said
    lint_crl((folder / f"{name}.crl").read_bytes())


@pytest.mark.parametrize("year", [2049, 2050, 2051])
def test_a_list_of_after_2049_has_its_dates_in_the_other_form(
    authority: TestAuthority, tmp_path: Path, year: int
) -> None:
    """RFC 5280, 5.1.2.4 and 5.1.2.5: in 2049 a list may have one date of each form."""
    at = datetime(year, 12, 31, 12, tzinfo=UTC)
    der = make(authority, every_entry(), at=at)
    found = verify_crl(der, authority.issuing)
    assert (found.this_update, found.next_update) == (at, at + timedelta(days=2))
    theirs = x509.load_der_x509_crl(der)
    assert (theirs.last_update_utc, theirs.next_update_utc) == (at, at + timedelta(days=2))
    header = asn1_crl.CertificateList.load(der, strict=True)["tbs_cert_list"]
    forms = [header[name].name for name in ("this_update", "next_update")]
    assert forms == ["utc_time" if year == 2049 else "general_time", "general_time"]
    lint_crl(der)
    (tmp_path / "list.crl").write_bytes(der)
    for name, certificate in (("ca", authority.issuing),):
        pem = x509.load_der_x509_certificate(certificate).public_bytes(Encoding.PEM)
        (tmp_path / f"{name}.pem").write_bytes(pem)
    said = run(
        need("openssl"), "crl", "-inform", "DER", "-in", "list.crl", "-CAfile", "ca.pem", "-noout", "-verify",
        "-lastupdate", "-nextupdate", folder=tmp_path,
    )  # fmt: skip
    assert "verify OK" in said
    assert f"lastUpdate=Dec 31 12:00:00 {year} GMT" in said
    assert f"nextUpdate=Jan  2 12:00:00 {year + 1} GMT" in said
    said = run(need("certtool"), "--crl-info", "--inder", "--infile", "list.crl", folder=tmp_path)
    assert f"Issued: Thu Dec 31 12:00:00 UTC {year}" in said or f"Dec 31 12:00:00 UTC {year}" in said


def test_an_authority_that_may_not_sign_lists_has_signed_none(authority: TestAuthority) -> None:
    """RFC 5280, 4.2.1.3: the same name and key, but a certificate without cRLSign, or without any key usage."""
    der = make(authority, every_entry()[:2])
    tbs = asn1_x509.Certificate.load(authority.issuing)["tbs_certificate"]
    kept = [e for e in tbs["extensions"] if e["extn_id"].native != "key_usage"]
    cases: list[tuple[set[str] | None, bool]] = [
        ({"key_cert_sign", "crl_sign"}, True), ({"key_cert_sign"}, False), (None, False),
    ]  # fmt: skip
    for usage, accepted in cases:
        stated = [] if usage is None else [{"extn_id": "key_usage", "critical": True, "extn_value": usage}]
        issuer = forged(
            authority, authority.issuing_key, subject=tbs["subject"],
            subject_public_key_info=tbs["subject_public_key_info"], extensions=[*kept, *stated],
        )  # fmt: skip
        if accepted:
            assert len(verify_crl(der, issuer).entries) == 2
            continue
        with pytest.raises(VermilionError) as caught:
            verify_crl(der, issuer)
        assert (caught.value.kind, caught.value.detail) == (ErrorKind.INVALID, "its issuer signs no lists")


def test_a_held_certificate_is_refused_by_openssl_and_one_that_is_not_listed_accepted(folder: Path) -> None:
    common = (
        "verify", "-crl_check", "-CAfile", "root.pem", "-untrusted",
        "ca.pem", "-CRLfile",
    )  # fmt: skip
    assert run(need("openssl"), *common, "full.crl.pem", "seal.pem", folder=folder).strip() == "seal.pem: OK"
    done = subprocess.run(
        [need("openssl"), *common, "held.crl.pem", "seal.pem"],
        cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "certificate revoked" in done.stderr


def test_other_readers_find_what_was_put_in(authority: TestAuthority) -> None:
    der = make(authority, every_entry(), number=2**40)
    ours, theirs = read_crl(der), x509.load_der_x509_crl(der)
    assert theirs.is_signature_valid(x509.load_der_x509_certificate(authority.issuing).public_key())  # type: ignore[arg-type]
    assert theirs.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number == ours.number == 2**40
    assert (theirs.last_update_utc, theirs.next_update_utc) == (ours.this_update, ours.next_update)
    assert [entry.serial_number for entry in theirs] == list(ours.entries)
    named = {flag.value: flag for flag in x509.ReasonFlags}
    for index, entry in enumerate(theirs):
        reason = REASONS[index // 2 % len(REASONS)]
        found = {extension.oid: extension.value for extension in entry.extensions}
        code = found.pop(x509.CRLReason.oid, None)
        assert (code is None) is (reason is None)
        if reason is not None:
            assert isinstance(code, x509.CRLReason)
            assert code.reason is named[reason.value]
        since = found.pop(x509.InvalidityDate.oid, None)
        assert (since is not None) is (index % 2 == 1)
        if isinstance(since, x509.InvalidityDate):
            assert since.invalidity_date_utc == SINCE
        assert not found
    again = asn1_crl.CertificateList.load(der, strict=True)
    assert again.dump(force=True) == der  # canonical by a third reader


def test_an_empty_list_has_no_member_for_entries(authority: TestAuthority) -> None:
    parsed = asn1_crl.CertificateList.load(make(authority, []))
    assert parsed["tbs_cert_list"]["revoked_certificates"].native is None
    assert read_crl(make(authority, [])).entries == {}


def test_a_list_is_verified_by_its_issuer_alone(
    authority: TestAuthority, rsa_authority: TestAuthority
) -> None:
    der = make(authority, every_entry())
    assert len(verify_crl(der, authority.issuing).entries) == len(every_entry())
    for other in (rsa_authority.issuing, authority.root, authority.seal):
        with pytest.raises(VermilionError):
            verify_crl(der, other)


@given(at=st.integers(0, 3000), bit=st.integers(0, 7))
def test_no_altered_list_verifies(authority: TestAuthority, at: int, bit: int) -> None:
    der = bytearray(_fixed(authority))
    at %= len(der)
    der[at] ^= 1 << bit
    with pytest.raises(VermilionError) as caught:
        verify_crl(bytes(der), authority.issuing)
    assert caught.value.kind is ErrorKind.INVALID


@given(data=st.binary(max_size=300))
def test_garbage_is_refused_with_one_error(authority: TestAuthority, data: bytes) -> None:
    with pytest.raises(VermilionError):
        verify_crl(data, authority.issuing)


_made: dict[int, bytes] = {}


def _fixed(authority: TestAuthority) -> bytes:
    if id(authority) not in _made:
        _made[id(authority)] = make(authority, every_entry()[:6])
    return _made[id(authority)]


def test_what_the_custodian_does_not_sign(authority: TestAuthority) -> None:
    """Entries out of order, twice, of another form; a header that is not ours."""
    first, second = every_entry()[:2]
    suite = SUITES[authority.issuing_key.suite]

    def tbs(*entries: bytes, **changes: object) -> bytes:
        given_: dict[str, object] = {
            "number": 1, "this_update": AT, "next_update": AT + timedelta(days=1), "entries": entries,
        }  # fmt: skip
        return crl_tbs(authority.issuing, suite.name, **(given_ | changes))  # type: ignore[arg-type]

    check_tbs(Kind.CRL, tbs(first, second), suite)
    unspecified = first.replace(b"\x0a\x01\x01", b"\x0a\x01\x00")
    removed = first.replace(b"\x0a\x01\x01", b"\x0a\x01\x08")
    assert unspecified != first != removed
    for wrong in (
        tbs(second, first),
        tbs(first, first),
        tbs(unspecified),
        tbs(removed),
        tbs(first[:-1] + b"\x0b"),
        tbs(b"\x30\x03\x02\x01\x05"),
        tbs(first, next_update=AT),
        tbs(first, number=0),
        tbs(first).replace(b"\x02\x01\x01\x30", b"\x02\x01\x00\x30", 1),
        tbs(first) + b"\0",
    ):
        with pytest.raises(VermilionError) as caught:
            check_tbs(Kind.CRL, wrong, suite)
        assert caught.value.kind is ErrorKind.KEY_REFUSED


def header_of(authority: TestAuthority, **changes: bytes) -> bytes:
    """A TBSCertList with one entry and some of its members replaced."""
    tbs = crl_tbs(
        authority.issuing, authority.issuing_key.suite, number=1, this_update=AT,
        next_update=AT + timedelta(days=1), entries=every_entry()[:1],
    )  # fmt: skip
    names = ("version", "algorithm", "issuer", "this_update", "next_update", "entries")
    parts = dict(zip(names, members(tbs, 0x30), strict=False)) | {
        "key": tlv(0x30, tlv(0x80, bytes(20))), "number": integer(1)
    }  # fmt: skip
    parts |= changes
    extensions = [
        tlv(0x30, bytes.fromhex(oid), tlv(0x04, parts.pop(name)))
        for oid, name in (("0603551d23", "key"), ("0603551d14", "number"))
    ]
    return tlv(0x30, *parts.values(), tlv(0xA0, tlv(0x30, *extensions)))


def test_a_header_has_one_form(authority: TestAuthority) -> None:
    """RFC 5280, 5.1.2.3 to 5.1.2.5, 5.2.1 and 5.2.3: what is no name, no time of its year, no key identifier
    of ours, no number of at most 20 octets.
    """
    suite = SUITES[authority.issuing_key.suite]
    check_tbs(Kind.CRL, header_of(authority), suite)
    name = asn1_x509.Certificate.load(authority.issuing).subject.dump()
    rdn = members(name, 0x30)[0]
    check_tbs(Kind.CRL, header_of(authority, number=integer((1 << 159) - 1)), suite)
    wrong = {
        "early dates as GeneralizedTime": {"this_update": generalized_time(AT)},
        "31 February": {"this_update": b"\x17\x0d260231000000Z"},
        "no such hour": {"next_update": b"\x17\x0d270101240000Z"},
        "a date before 1950": {"this_update": generalized_time(AT.replace(year=1949))},
        "NULL as the issuer": {"issuer": b"\x05\x00"},
        "nobody as the issuer": {"issuer": tlv(0x30)},
        "a string as the issuer": {"issuer": tlv(0x0C, b"issuer")},
        "an empty RDN": {"issuer": tlv(0x30, tlv(0x31))},
        "an RDN that is no set": {"issuer": tlv(0x30, tlv(0x30, *members(rdn, 0x31)))},
        "an attribute without a value": {"issuer": tlv(0x30, tlv(0x31, tlv(0x30, b"\x06\x03\x55\x04\x03")))},
        "an attribute type that is no OID": {
            "issuer": tlv(0x30, tlv(0x31, tlv(0x30, b"\x04\x03\x55\x04\x03", tlv(0x0C, b"x"))))
        },
        "a name that is not DER": {"issuer": name.replace(b"\x13\x02CN", b"\x01\x02CN")},
        "an algorithm of nobody": {"algorithm": b"\x05\x00"},
        "a short key identifier": {"key": tlv(0x30, tlv(0x80, bytes(19)))},
        "an empty key identifier": {"key": tlv(0x30, tlv(0x80))},
        "issuer and serial as well": {"key": tlv(0x30, tlv(0x80, bytes(20)), b"\x82\x01\x01")},
        "another form of key": {"key": tlv(0x30, tlv(0x82, bytes(20)))},
        "a number of 21 octets": {"number": integer(1 << 159)},
        "a negative number": {"number": b"\x02\x01\xff"},
        "zeros before a number": {"number": b"\x02\x02\x00\x01"},
        "no number": {"number": b"\x02\x00"},
    }  # fmt: skip
    for what, changes in wrong.items():
        tbs = header_of(authority, **changes)
        with pytest.raises(VermilionError) as caught:
            check_tbs(Kind.CRL, tbs, suite)
        assert caught.value.kind is ErrorKind.KEY_REFUSED, what
        whole = tlv(0x30, tbs, members(tbs, 0x30)[1], tlv(0x03, bytes(70)))
        with pytest.raises(VermilionError) as caught:
            read_crl(whole)
        assert (caught.value.kind, caught.value.reason) == (ErrorKind.INVALID, "crl"), what


def dates() -> Iterator[tuple[int, int, int]]:
    """Every day there is, and those that there are not, of years on both sides of each rule."""
    for year in (0, 1, 4, 1900, 1949, 1950, 1999, 2000, 2024, 2026, 2049, 2050, 2052, 2096, 2100, 2400, 9999):
        for month in range(14):
            yield from ((year, month, day) for day in range(33))


def test_an_entry_has_a_date_of_the_calendar_in_the_form_of_its_year() -> None:
    """RFC 5280, 5.1.2.6: the one pass over the entries knows every date that `read_time` knows."""
    number = integer(serial(1))
    for year, month, day in dates():
        rest = f"{month:02}{day:02}235959Z".encode()
        utc = b"\x17\x0d%02d" % (year % 100) + rest
        general = b"\x18\x0f%04d" % year + rest
        try:
            exists = read_time(general) is not None
        except ValueError:
            exists = False
        # A year of two digits is one of 1950 to 2049; a day that it has not is none.
        early = year if 1950 <= year < 2050 else None
        if early is not None:
            assert bool(_ENTRY.fullmatch(tlv(0x30, number, utc))) is exists, utc
        assert bool(_ENTRY.fullmatch(tlv(0x30, number, general))) is (exists and year >= 2050), general
        since = tlv(0x30, tlv(0x30, bytes.fromhex("0603551d18"), tlv(0x04, general)))
        assert bool(_ENTRY.fullmatch(tlv(0x30, number, b"\x17\x0d261120000000Z", since))) is exists, general


def test_a_serial_of_another_form_has_no_entry() -> None:
    for number in (1, 1 << 127, 1 << 136):
        with pytest.raises(VermilionError) as caught:
            crl_entry(number, AT, None, None)
        assert caught.value.reason == "serial"


def test_the_lint_sees_a_bad_header_and_a_bad_new_entry(authority: TestAuthority) -> None:
    suite = authority.issuing_key.suite
    good = crl_entry(serial(1), AT, RevocationReason.SUPERSEDED, SINCE)
    tbs = crl_tbs(
        authority.issuing, suite, number=1, this_update=AT, next_update=AT + timedelta(days=1), entries=[good]
    )
    lint_crl_parts(tbs, suite, [good])
    assert with_entries(tbs, [good]) == tbs
    without_number = tbs.replace(bytes.fromhex("0603551d14"), bytes.fromhex("0603551d7f"))
    for header, entry in ((tbs, good.replace(b"2026", b"2o26")), (without_number, good)):
        with pytest.raises(VermilionError) as caught:
            lint_crl_parts(header, suite, [entry])
        assert caught.value.reason == "lint"
        assert caught.value.faults


def test_a_hundred_thousand_entries_are_read_in_one_pass(authority: TestAuthority) -> None:
    entries = [crl_entry(serial(n), AT, RevocationReason.SUPERSEDED, None) for n in range(100_000)]
    tbs = crl_tbs(
        authority.issuing, authority.issuing_key.suite, number=7, this_update=AT,
        next_update=AT + timedelta(days=2), entries=entries,
    )  # fmt: skip
    der = sign_crl(authority.custodian, authority.issuing_key, tbs, "crl:hundred-thousand")
    assert len(verify_crl(der, authority.issuing).entries) == 100_000


def test_only_authorities_sign_lists(authority: TestAuthority) -> None:
    key = authority.custodian.generate(Purpose.OCSP, "p256-sha256")
    tbs = crl_tbs(
        authority.issuing,
        "p256-sha256",
        number=1,
        this_update=AT,
        next_update=AT + timedelta(days=1),
        entries=[],
    )
    with pytest.raises(VermilionError) as caught:
        sign_crl(authority.custodian, key, tbs, "crl:1")
    assert caught.value.reason == "purpose"
