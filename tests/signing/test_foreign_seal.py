"""A stolen key is noticed whatever its thief writes, and nobody without one can raise the alarm."""

from __future__ import annotations

import io
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import pikepdf
import pytest
from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers.pdf_signer import PdfSignatureMetadata
from pyhanko_certvalidator.registry import SimpleCertificateStore

from keys.custodian import Kind as SignKind
from keys.custodian import SignRequest
from keys.der import tlv
from keys.suite import P256
from keys.trust_list import TrustList
from signing import cms
from signing.check import Outcome, check_file
from signing.foreign_seal import ForeignSeal, foreign_seals
from signing.pdf_structure import MAX_BYTES
from signing.verdict import Verdict
from tests.signing.alter import gap_of
from tests.signing.checking import Alarms, Register
from tests.signing.sealing import (
    LATER,
    NoStamps,
    drawn_page,
    make_office,
    office,
    other_page,
    rebuilt,
    resealed,
    seal_of,
    sealed,
    use_of,
)
from tests.tools import need

RANGE = b"[%010d %010d %010d %010d]"


def kid() -> str:
    (key,) = (k for k in office().trust.keys if k.use == "seal")
    return key.kid


def asked(data: bytes, live: Register | None, trust: TrustList | None = None) -> tuple[Outcome, Alarms]:
    alarms = Alarms()
    return check_file(data, trust or office().trust, live, alarms, LATER), alarms


def own_cms(attributes: bytes) -> bytes:
    here = office()
    request = SignRequest(SignKind.SIGNED_ATTRIBUTES, attributes, next(here.records))
    (signature,) = here.custodian.sign(here.material.key, [request])
    certificate, chain = here.material.certificate, here.material.chain
    return cms.build_seal(certificate, chain, attributes, signature, None, P256)


def own_writer(content: bytes) -> bytes:
    return own_cms(cms.signed_attributes(sha256(content).digest(), office().material.certificate, P256))


def enclosed(
    write: Callable[[bytes], bytes],
    before: bytes = b"%PDF-1.4\n1 0 obj\n",
    after: bytes = b"\nendobj\n%%EOF\n",
    size: int = 8192,
) -> bytes:
    """A file with one signature dictionary; `write` makes the CMS over everything but its hex string."""
    head = before + b"<< /ByteRange " + RANGE % (0, 0, 0, 0) + b" /Contents "
    gap, resume = len(head), len(head) + 2 * size + 2
    tail = b" >>" + after
    head = head.replace(RANGE % (0, 0, 0, 0), RANGE % (0, gap, resume, len(tail)))
    return head + b"<" + write(head + tail).hex().ljust(2 * size, "0").encode() + b">" + tail


def _link(pdf: pikepdf.Pdf) -> None:
    pdf.pages[0].Annots = pikepdf.Array(
        [pikepdf.Dictionary(Type=pikepdf.Name.Annot, Subtype=pikepdf.Name.Link)]
    )


def _opens(pdf: pikepdf.Pdf) -> None:
    pdf.Root["/OpenAction"] = pikepdf.Dictionary(S=pikepdf.Name.JavaScript, JS=pikepdf.String("app.alert(1)"))


def private_key() -> bytes:
    """As a thief of file and passphrase has it: PKCS #8, DER."""
    here = office().authority
    private = here.custodian._unlock(here.seal_key)
    return private.private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def by_pyhanko() -> bytes:
    here = office().authority
    store: Any = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    store.register(asn1_x509.Certificate.load(here.issuing))
    signer = signers.SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(here.seal),
        signing_key=asn1_keys.PrivateKeyInfo.load(private_key()),
        cert_registry=store,
    )
    meta = PdfSignatureMetadata(field_name="Seal1", subfilter=SigSeedSubFilter.PADES)
    out: io.BytesIO = signers.sign_pdf(
        IncrementalPdfFileWriter(io.BytesIO(drawn_page())), meta, signer=signer
    )
    return out.getvalue()


def _larger(pdf: pikepdf.Pdf) -> None:
    pdf.pages[0].MediaBox = [0, 0, 600, 850]


def with_another_s_token() -> bytes:
    mine = office().seal(NoStamps(), pdf=other_page(_larger)).data
    return rebuilt(mine, token=seal_of(sealed().data).token)


STOLEN: dict[str, Callable[[], bytes]] = {
    "our writer, a link on the page": lambda: resealed(_link),
    "our writer, a script": lambda: resealed(_opens),
    "our writer, another document's time-stamp": with_another_s_token,
    "our writer, a stranger's time-stamp": lambda: (
        office().seal(make_office().stamps, pdf=other_page(_larger)).data
    ),
    "our CMS, some PDF": lambda: enclosed(own_writer),
    "our CMS, no PDF": lambda: enclosed(own_writer, before=b"", after=b""),
    "another library": by_pyhanko,
}
made = cache(lambda name: STOLEN[name]())


@pytest.mark.parametrize("name", STOLEN)
def test_whatever_a_stolen_key_seals_is_unknown_and_raises_the_alarm(name: str) -> None:
    data = made(name)
    outcome, alarms = asked(data, Register(uses={use_of(sealed().data)}))
    found = outcome.verification
    assert (found.verdict, found.identifier, outcome.printout) == (Verdict.UNKNOWN, None, None)
    assert [c.result.value for c in (found.content, found.issuer, found.status)] == [
        "not_done",
        "not_done",
        "failed",
    ]
    assert alarms.raised == [("document_not_registered", kid(), None, sha256(data).digest())]


@pytest.mark.parametrize("name", STOLEN)
def test_without_the_registry_it_is_what_it_was(name: str) -> None:
    """Whether the registry made the signature is not known there, and nothing positive rests on it."""
    for live in (None, Register(out=True)):
        outcome, alarms = asked(made(name), live)
        assert outcome.verification.verdict in {Verdict.ALTERED, Verdict.NOT_RECOGNISED}
        assert alarms.raised == []


@pytest.mark.parametrize(
    "options",
    [["-md", "sha256"], ["-md", "sha384"], ["-md", "sha512"], ["-noattr"], ["-stream"], ["-keyid"], ["-noattr", "-md", "sha512"]],
    ids=" ".join,
)  # fmt: skip
def test_what_openssl_signs_is_read(options: list[str], tmp_path: Path) -> None:
    for name, der in (("seal", office().authority.seal), ("issuing", office().authority.issuing)):
        certificate = x509.load_der_x509_certificate(der)
        (tmp_path / f"{name}.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.der").write_bytes(private_key())
    signed: list[bytes] = []

    def write(content: bytes) -> bytes:
        signed.append(content)
        (tmp_path / "content").write_bytes(content)
        subprocess.run(
            [need("openssl"), "cms", "-sign", "-binary", "-in", "content", "-signer", "seal.pem", "-certfile",
             "issuing.pem", "-inkey", "key.der", "-outform", "DER", "-out", "cms", *options],
            cwd=tmp_path, check=True, capture_output=True,
        )  # fmt: skip
        return (tmp_path / "cms").read_bytes()

    data = enclosed(write)
    (seal,) = foreign_seals(data, office().trust)
    assert seal.key_id == kid()
    if "-noattr" in options:
        assert seal.signed_sha256 == sha256(signed[0]).digest()
    assert (b"<3080" in data) == ("-stream" in options)
    assert foreign_seals(data.replace(b"endobj", b"endobi"), office().trust) == ()


# What the registry made is no theft, whatever somebody does to the file.


def greater_s(data: bytes) -> bytes:
    r, s = decode_dss_signature(seal_of(data).signature)
    return rebuilt(data, signature=encode_dss_signature(r, P256.curve.group_order - s))


def in_capitals(data: bytes) -> bytes:
    start, end = gap_of(data)
    return data[:start] + data[start:end].upper() + data[end:]


def padded(data: bytes) -> bytes:
    _, end = gap_of(data)
    return data[: end - 1] + b"1" + data[end:]


DONE_TO_IT: dict[str, Callable[[bytes], bytes]] = {
    "appended": lambda data: data + b"\n",
    "another file appended": lambda data: data + drawn_page(),
    "capitals": in_capitals,
    "padding": padded,
    "the greater s": greater_s,
    "no issuer": lambda data: rebuilt(data, issuers=()),
    "a stranger's issuer": lambda data: rebuilt(data, issuers=(make_office().authority.issuing,)),
    "another's time-stamp": lambda data: rebuilt(
        data, token=seal_of(office().seal(pdf=other_page(_larger)).data).token
    ),
    "a stranger's time-stamp": lambda data: rebuilt(
        data, token=seal_of(office().seal(make_office().stamps).data).token
    ),
    "no time-stamp, appended": lambda data: rebuilt(data, token=None) + b"\n",
}


@pytest.mark.parametrize("name", DONE_TO_IT)
def test_a_genuine_file_with_something_done_to_it_is_altered_and_no_alarm(name: str) -> None:
    data = DONE_TO_IT[name](sealed().data)
    assert data != sealed().data
    outcome, alarms = asked(data, Register(uses={use_of(sealed().data)}))
    assert (outcome.verification.verdict, alarms.raised) == (Verdict.ALTERED, [])
    # The registry's word alone makes the difference.
    outcome, alarms = asked(data, Register())
    assert (outcome.verification.verdict, len(alarms.raised)) == (Verdict.UNKNOWN, 1)


def test_a_genuine_file_without_its_time_stamp_is_unknown_and_no_alarm() -> None:
    data = rebuilt(sealed().data, token=None)
    live = Register(uses={use_of(sealed().data)})
    outcome, alarms = asked(data, live)
    assert (outcome.verification.verdict, outcome.alarm, alarms.raised) == (Verdict.UNKNOWN, None, [])
    live.uses.clear()
    outcome, alarms = asked(data, live)
    assert (outcome.verification.verdict, len(alarms.raised)) == (Verdict.UNKNOWN, 1)


def test_attributes_offered_as_content_are_known_all_the_same() -> None:
    """CMS without signed attributes: the very bytes that were once signed as such stand in the file instead."""
    genuine = seal_of(sealed().data)

    def without_attributes(content: bytes) -> bytes:
        assert content == genuine.attributes
        whole = cms.build_seal(
            genuine.certificate, genuine.issuers, genuine.attributes, genuine.signature, None, P256
        )
        kind, wrapped = cms.children(whole, 0x30, range(2, 3))
        body = cms.children(cms.content(wrapped, 0xA0), 0x30, range(5, 6))
        (signer,) = cms.children(body[4], 0x31, range(1, 2))
        fields = cms.children(signer, 0x30, range(6, 7))
        body[4] = tlv(0x31, tlv(0x30, *fields[:3], *fields[4:]))
        return tlv(0x30, kind, tlv(0xA0, tlv(0x30, *body)))

    digits = without_attributes(genuine.attributes).hex().encode()
    size = len(genuine.attributes)
    head = genuine.attributes + b"<" + digits + b">"
    data = head + RANGE % (0, size, len(head), 0)
    assert foreign_seals(data, office().trust) == (ForeignSeal(kid(), use_of(sealed().data)),)


def test_a_stolen_key_s_signature_beside_a_genuine_one_is_noticed() -> None:
    data = enclosed(own_writer, before=sealed().data)
    assert len(foreign_seals(data, office().trust)) == 2
    outcome, alarms = asked(data, Register(uses={use_of(sealed().data)}))
    assert outcome.verification.verdict is Verdict.UNKNOWN
    assert [a[:2] for a in alarms.raised] == [("document_not_registered", kid())]


def test_a_registry_that_falls_silent_leaves_it_open() -> None:
    """It did not know the file, and cannot say whether it made the signature: no claim either way."""
    for data in (sealed().data + b"\n", rebuilt(sealed().data, token=None), made("another library")):
        outcome, alarms = asked(data, Register(uses={use_of(sealed().data)}, fails_after=1))
        assert outcome.verification.verdict is Verdict.CANNOT_CHECK
        assert outcome.verification.status.reason == "registry_unreachable"
        assert (alarms.raised, outcome.printout, outcome.verification.identifier) == ([], None, None)


# Only a seal's key that the list names counts, and only over what the ranges name.


@pytest.mark.parametrize("state", ["active", "retired", "compromised"])
def test_the_key_s_state_does_not_matter(state: str) -> None:
    listed = tuple(
        replace(k, state=state, since=LATER) if k.use == "seal" else k  # type: ignore[arg-type]
        for k in office().trust.keys
    )
    assert foreign_seals(made("another library"), replace(office().trust, keys=listed))


def test_other_keys_are_nothing_to_us() -> None:
    data = made("another library")
    for keys in (
        (),
        tuple(k for k in office().trust.keys if k.use != "seal"),
        tuple(replace(k, use="qr") for k in office().trust.keys),
    ):
        assert foreign_seals(data, replace(office().trust, keys=keys)) == ()
    outcome, alarms = asked(make_office().seal().data, Register())
    assert (outcome.verification.verdict, alarms.raised) == (Verdict.NOT_RECOGNISED, [])


def test_a_right_signature_over_other_content_is_none() -> None:
    own = made("our CMS, some PDF")
    for data in (
        own.replace(b"endobj", b"endobi"),
        own[1:],
        b" " + own,
        sealed().data.replace(b"/F1", b"/F2"),
    ):
        assert data not in {own, sealed().data}
        assert foreign_seals(data, office().trust) == ()
    certificate = office().material.certificate
    wrong = enclosed(lambda content: own_cms(cms.signed_attributes(bytes(32), certificate, P256)))
    assert foreign_seals(wrong, office().trust) == ()


def test_another_certificate_in_the_bag_proves_nothing() -> None:
    """Anybody can carry the seal's certificate: the signature must be its key's."""
    stranger = make_office()

    def write(content: bytes) -> bytes:
        attributes = cms.signed_attributes(sha256(content).digest(), stranger.material.certificate, P256)
        request = SignRequest(SignKind.SIGNED_ATTRIBUTES, attributes, next(stranger.records))
        (signature,) = stranger.custodian.sign(stranger.material.key, [request])
        bag = (office().material.certificate, office().authority.issuing)
        return cms.build_seal(stranger.material.certificate, bag, attributes, signature, None, P256)

    assert foreign_seals(enclosed(write), office().trust) == ()


# Whatever comes, it ends soon and raises nothing.


def test_the_work_is_bounded() -> None:
    genuine = made("our CMS, some PDF")
    start, end = gap_of(sealed().data)
    contents = sealed().data[start - 1 : end + 1]
    size, room = len(contents), MAX_BYTES - 20 * 50
    ranges = [RANGE % (0, n * size, (n + 1) * size, room - (n + 1) * size) for n in range(20)]
    hostile = {
        "right signatures over other content": (contents * 20).ljust(room, b"x") + b"".join(ranges),
        "arrays": b"[0 9 9 0]" * (MAX_BYTES // 9),
        "brackets": b"[ " * (MAX_BYTES // 2),
        "spaces": b"[0 " + b" " * (MAX_BYTES - 3),
        "numbers": b"[1 1 1 " * (MAX_BYTES // 7),
        "indefinite lengths": enclosed(lambda _: b"\x30\x80" * 8000, size=16_000),
        "empty elements": enclosed(lambda _: b"\x30\x83\x00\x7d\x00" + b"\x05\x00" * 16_000, size=40_000),
        "too large": genuine + bytes(MAX_BYTES),
    }
    for name, data in hostile.items():
        before = time.process_time()
        assert foreign_seals(data, office().trust) == (), name
        assert time.process_time() - before < 5, name  # measured: a quarter of a second at most


@given(st.binary(max_size=400))
def test_bytes_in_place_of_the_signature_raise_nothing(garbage: bytes) -> None:
    assert foreign_seals(garbage, office().trust) == ()
    assert foreign_seals(enclosed(lambda _: garbage), office().trust) == ()


ELEMENTS = st.recursive(
    st.builds(tlv, st.sampled_from([2, 4, 5, 6]), st.binary(max_size=12)),
    lambda inner: st.builds(
        lambda tag, parts: tlv(tag, *parts),
        st.sampled_from([0x30, 0x31, 0xA0, 0xA1]),
        st.lists(inner, max_size=4),
    ),
    max_leaves=12,
)
SIGNED_DATA = bytes.fromhex("06092a864886f70d010702")


@given(st.lists(ELEMENTS, max_size=4), st.booleans())
def test_any_elements_in_place_of_the_signed_data_raise_nothing(parts: list[bytes], deep: bool) -> None:
    body = tlv(0x30, *parts)
    if deep:
        body = tlv(0x30, b"\x02\x01\x01", b"\x31\x00", b"\x30\x00", tlv(0x31, tlv(0x30, *parts)))
    assert foreign_seals(enclosed(lambda _: tlv(0x30, SIGNED_DATA, tlv(0xA0, body))), office().trust) == ()


@given(st.data())
@settings(max_examples=150)
def test_a_damaged_file_is_never_positive_and_raises_no_error(data: st.DataObject) -> None:
    """Damage within the CMS of a thief's file: found all the same, or not, but nothing else happens."""
    whole = made(data.draw(st.sampled_from(["our CMS, some PDF", "another library"])))
    start = whole.index(b"<3082") + 1
    at = data.draw(st.integers(0, len(whole) - 1) | st.integers(start, start + 3000))
    piece = data.draw(st.binary(max_size=3) | st.sampled_from([b"80", b"00", b"ff", b"]", b" "]))
    damaged = whole[:at] + piece + whole[at + data.draw(st.sampled_from([0, len(piece)])) :]
    outcome, alarms = asked(damaged, Register())
    assert outcome.verification.verdict in {Verdict.UNKNOWN, Verdict.ALTERED, Verdict.NOT_RECOGNISED}
    assert (outcome.verification.verdict is Verdict.UNKNOWN) == bool(alarms.raised)
    assert (outcome.printout, outcome.verification.identifier) == (None, None)
