"""A ceremony's transcript: signed by the root it used, in one form, and it tells what its certificates are."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import x509
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey

from keys.ceremony import read_transcript, sign_transcript, tbs_digest, transcript_input, transcript_record
from keys.certificates import Issuer, Subject, build_tbs, certificate_key, new_serial, sign_certificate
from keys.custodian import KeyRef, Kind, Purpose, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.profiles import ProfileName
from keys.suite import SUITES
from keys.transcript import (
    Certified,
    FormerRoot,
    Present,
    Revoked,
    Shares,
    Transcript,
    parse_transcript,
    transcript_body,
)
from keys.trust_list import jwk_of
from tests.authority import TestAuthority, issue_certificate, make_authority

FILE = sha256(b"the ceremony's file").hexdigest()


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return make_authority(tmp_path_factory.mktemp("ceremony"), root_suite="p256-sha256")


@pytest.fixture(scope="session")
def transcript(founded: TestAuthority) -> Transcript:
    """What an `establish` tells."""
    key = founded.custodian.generate(Purpose.TRUST_LIST, "p256-sha256")
    delegate = issue_certificate(
        founded.custodian, Issuer(founded.root_key, founded.root), ProfileName.TRUST_LIST,
        Subject("TEST list", "TEST Vermilion"), key, serial=new_serial(founded.random), at=founded.now,
    )  # fmt: skip
    made = [
        (ProfileName.ROOT, founded.root_key, founded.root),
        (ProfileName.ISSUING, founded.issuing_key, founded.issuing),
        (ProfileName.TRUST_LIST, key, delegate),
    ]
    return Transcript(
        operation="establish",
        title="样本省电子印章根密钥仪式",
        file_sha256=FILE,
        software="vermilion 0.1.0",
        attempt=1,
        begun_at=founded.now,
        signed_at=founded.now + timedelta(hours=1),
        present=(Present("样本甲", "ceremony administrator"), Present("样本乙", "witness")),
        shares=Shares(2, 3),
        certificates=tuple(certified(profile, ref, der) for profile, ref, der in made),
    )


def certified(profile: ProfileName, ref: KeyRef, der: bytes) -> Certified:
    return Certified(
        profile=profile.value,
        key=ref.id,
        serial=f"{x509.Certificate.load(der).serial_number:x}",
        sha256=sha256(der).hexdigest(),
        tbs_sha256=tbs_digest(der),
        lint="pkilint",
        der=der,
    )


@pytest.fixture(scope="session")
def signed(founded: TestAuthority, transcript: Transcript) -> str:
    return sign(founded, transcript)


def sign(authority: TestAuthority, transcript: Transcript, root: bytes | None = None) -> str:
    data = transcript_input(transcript, authority.root_key.suite, root or authority.root)
    record = transcript_record(sha256(authority.random(8)).hexdigest(), transcript.attempt)
    return sign_transcript(authority.custodian, authority.root_key, data, record)


def refusal(text: str | bytes, **how: Any) -> str:
    with pytest.raises(VermilionError) as caught:
        read_transcript(text, **how)
    return caught.value.reason


def test_it_is_read_back_and_names_its_root(
    founded: TestAuthority, transcript: Transcript, signed: str
) -> None:
    fingerprint = sha256(founded.root).hexdigest()
    for pin in (None, fingerprint, fingerprint.upper()):
        found = read_transcript(signed, root_sha256=pin)
        assert (found.transcript, found.root) == (transcript, founded.root)
    assert refusal(signed, root_sha256="0" * 64) == "wrong_root"


def test_an_independent_jose_library_verifies_it(
    founded: TestAuthority, transcript: Transcript, signed: str
) -> None:
    key = ECKey.import_key(dict(jwk_of(certificate_key(founded.root), SUITES["p256-sha256"])))
    registry = jws.JWSRegistry(algorithms=["ES256"])
    registry.max_header_length = registry.max_payload_length = 16 * 1024  # x5c makes headers long
    found = jws.deserialize_compact(signed, key, registry=registry)
    assert json.loads(found.payload) == transcript_body(transcript)


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_altered_transcript_is_believed(signed: str, at: int, bit: int) -> None:
    data = bytearray(signed.encode())
    data[at % len(data)] ^= 1 << bit
    assert refusal(bytes(data)) in {"malformed", "bad_signature", "certificate", "wrong_root"}


def test_it_tells_what_its_certificates_are(founded: TestAuthority, transcript: Transcript) -> None:
    """The root signs it all the same: whoever holds the root could. A reader finds the contradiction."""
    first, second, third = transcript.certificates
    other = replace(second, sha256="0" * 64)
    wrong = [
        replace(transcript, certificates=(first, other, third)),
        replace(transcript, certificates=(first, third, second)),
        replace(transcript, certificates=(first, second)),
        replace(transcript, certificates=(first, replace(second, serial="1"), third)),
        replace(transcript, certificates=(replace(second, profile="root"), second, third)),
        replace(transcript, operation="delegate"),
        replace(transcript, revoked=(Revoked("1", "cACompromise"),)),  # no business of its operation
    ]
    for one in wrong:
        assert refusal(sign(founded, one)) == "certificate"


def test_a_certificate_of_another_root_is_found(
    founded: TestAuthority, transcript: Transcript, tmp_path: Path
) -> None:
    stranger = make_authority(tmp_path, root_suite="p256-sha256")
    foreign = certified(ProfileName.ISSUING, stranger.issuing_key, stranger.issuing)
    first, _second, third = transcript.certificates
    assert refusal(sign(founded, replace(transcript, certificates=(first, foreign, third)))) == "certificate"


def test_only_a_root_signs_one_and_only_in_its_form(founded: TestAuthority, transcript: Transcript) -> None:
    data = transcript_input(transcript, "p256-sha256", founded.root)
    for ref in (founded.issuing_key, founded.seal_key):
        with pytest.raises(VermilionError) as caught:
            founded.custodian.sign(ref, [SignRequest(Kind.CEREMONY_TRANSCRIPT, data, "ceremony:x:1")])
        assert caught.value.reason == "purpose"
    for wrong in (data[:-4], data + b"AAAA", data.replace(b".", b"..", 1), b"{}.{}"):
        with pytest.raises(VermilionError) as caught:
            founded.custodian.sign(
                founded.root_key, [SignRequest(Kind.CEREMONY_TRANSCRIPT, wrong, "ceremony:y:1")]
            )
        assert caught.value.reason == "not_to_be_signed"


def following(
    founded: TestAuthority, transcript: Transcript, state: str, former: TestAuthority, link: bytes | None
) -> Transcript:
    """What a `successor` tells: `founded` took the place of `former`."""
    told = FormerRoot(state, former.root, link)
    return replace(transcript, operation="successor", former_root=told)


def linked(former: TestAuthority, successor: TestAuthority, **changes: Any) -> bytes:
    """The successor's name and key, certified by the former root."""
    other = x509.Certificate.load(successor.root)
    name = other.subject.native
    tbs = x509.TbsCertificate.load(
        build_tbs(
            former.custodian, Issuer(former.root_key, former.root), ProfileName.ROOT_LINK,
            Subject(name["common_name"], name["organization_name"]),
            former.custodian.generate(Purpose.ROOT_CA, "p256-sha256"),
            serial=new_serial(former.random), at=former.now, **changes,
        )
    ).copy()  # fmt: skip
    tbs["subject_public_key_info"] = other.public_key
    return sign_certificate(former.custodian, former.root_key, tbs.dump(force=True))


def test_the_word_of_a_retired_root_for_its_successor_moves_a_pin(
    founded: TestAuthority, transcript: Transcript, tmp_path: Path
) -> None:
    former = make_authority(tmp_path, root_suite="p256-sha256")
    text = sign(founded, following(founded, transcript, "retired", former, linked(former, founded)))
    for one in (founded, former):
        found = read_transcript(text, root_sha256=sha256(one.root).hexdigest())
        assert found.root == founded.root
    assert refusal(text, root_sha256="0" * 64) == "wrong_root"
    compromised = sign(founded, following(founded, transcript, "compromised", former, None))
    assert read_transcript(compromised, root_sha256=sha256(founded.root).hexdigest()).root == founded.root
    assert refusal(compromised, root_sha256=sha256(former.root).hexdigest()) == "wrong_root"


def test_a_link_is_the_former_root_s_own_word_for_this_successor(
    founded: TestAuthority, transcript: Transcript, tmp_path: Path
) -> None:
    former = make_authority(tmp_path / "former", root_suite="p256-sha256")
    thief = make_authority(tmp_path / "thief", root_suite="p256-sha256")
    wrong = {
        "of a thief's for us": linked(thief, founded),
        "of the former root for another": linked(former, thief),
        "no link, but an issuing CA": former.issuing,
        "the root itself": founded.root,
        "ended by then": linked(former, founded, life=timedelta(minutes=10)),
        "no certificate": b"no certificate",
    }
    for case, link in wrong.items():
        text = sign(founded, following(founded, transcript, "retired", former, link))
        assert refusal(text, root_sha256=sha256(former.root).hexdigest()) == "certificate", case
    itself = sign(founded, following(founded, transcript, "compromised", founded, None))
    assert refusal(itself) == "certificate"


def test_only_a_successor_tells_of_a_former_root(founded: TestAuthority, transcript: Transcript) -> None:
    told = following(founded, transcript, "compromised", founded, None)
    for wrong in (
        replace(told, operation="establish"),
        replace(told, former_root=None),
        replace(told, former_root=FormerRoot("retired", founded.root, None)),
        replace(told, former_root=FormerRoot("compromised", founded.root, founded.root)),
        replace(told, former_root=FormerRoot("lost", founded.root, None)),
        replace(told, former_root=FormerRoot("compromised", b"", None)),
    ):
        with pytest.raises(VermilionError) as caught:
            parse_transcript(transcript_body(wrong))
        assert caught.value.kind is ErrorKind.MALFORMED
    assert parse_transcript(transcript_body(told)) == told
