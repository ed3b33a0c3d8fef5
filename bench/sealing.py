"""Drawing and sealing: prefix and tail, the reference path, and hashing and signing the same bytes."""

from __future__ import annotations

import hashlib
import itertools
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from time import process_time
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from bench.row import Row, peak_mb
from keys.suite import SUITES, SuiteName
from registry.samples import sample_agencies, sample_requests, sample_types
from signing import credential
from signing.claims import claims_of, encode_claims
from signing.codes import make_identifier
from signing.document import SealMaterial
from signing.draw import draw
from signing.face import Face
from signing.face_form import load_face
from signing.fonts import Fonts
from signing.laid_out import seal_laid_out
from signing.licence_type import LicenceType, Role, load_licence_type
from signing.prefix import compile_base, make_prefix
from signing.record import Printout, Record, parse_submission
from signing.seal import seal
from signing.seal_picture import SealKind, draw_seal_picture
from signing.tail import lay_out
from signing.value_font import GlyphSet
from tests.authority import AT, ORIGIN, TestAuthority, make_authority
from tests.prover import Prover

ROUNDS = 31
RSA_ROUNDS = 9
WARM_UP = 5


@dataclass(frozen=True)
class Bench:
    authority: TestAuthority
    fonts: Fonts
    licence_type: LicenceType
    face: Face
    material: SealMaterial


def prepare(folder: Path, type_code: str | None = None, suite: SuiteName = "p256-sha256") -> Bench:
    """One face of the samples, the first unless named, and its agency's seal, with keys of their own."""
    types = {t.code: (t, load_face(f)) for f in sample_types() for t in [load_licence_type(f)]}
    request = next(r for r in sample_requests() if type_code in {None, r["type"]})
    licence_type, face = types[request["type"]]
    agency = next(a for a in sample_agencies() if a.code == request["issuer"])
    authority = make_authority(
        folder,
        agency=agency.code,
        agency_name=agency.name["zh"],
        types=(licence_type.code,),
        end_suite=suite,
    )
    fonts = Fonts.find(folder / "glyphs")
    its = agency.seal
    picture = draw_seal_picture(its.name, SealKind(its.kind), fonts, bottom_text=its.bottom_text)
    return Bench(
        authority,
        fonts,
        licence_type,
        face,
        SealMaterial(authority.seal_key, authority.seal, (authority.issuing,), picture),
    )


def printouts(bench: Bench, names: Sequence[str] = ()) -> Iterator[Printout]:
    """Licences of the sample holders of one type, each with its own id and credential; where `names` are
    given, with these in turn for the holder and whoever represents it.
    """
    key = bench.authority.trusted("qr", bench.authority.qr)
    for number in itertools.count():
        requests = [
            r
            for r in sample_requests()
            if (r["type"], r["issuer"]) == (bench.licence_type.code, bench.authority.agency)
        ]
        request = requests[number % len(requests)]
        persons = {}
        if names:
            roles = (bench.licence_type.field(role) for role in (Role.HOLDER_NAME, Role.REPRESENTATIVE))
            persons = {field.name: names[number % len(names)] for field in roles if field is not None}
        submission = parse_submission(
            bench.licence_type, request["fields"] | persons, date(2026, 11, 20), number=request["number"]
        )
        fields = {**submission.fields, _name(bench, Role.ISSUER_NAME): bench.authority.agency_name}
        issued = date.fromisoformat(str(fields[_name(bench, Role.ISSUE_DATE)]))
        valid_to = bench.licence_type.field(Role.VALID_TO)
        issuer = bench.authority.agency
        record = Record(
            identifier=make_identifier(bench.licence_type.code, issuer, f"{number:07d}", 1),
            type_code=bench.licence_type.code,
            type_version=1,
            issuer_code=issuer,
            number=request["number"],
            edition=1,
            fields=fields,
            issue_date=issued,
            valid_from=issued,
            valid_to=None if valid_to is None else date.fromisoformat(str(fields[valid_to.name])),
            status_list=0,
            status_index=number,
            specimen=True,
        )
        link_id = hashlib.sha256(str(number).encode()).digest()[:16]
        claims = claims_of(record, bench.licence_type)
        to_sign, protected = credential.sig_structure(claims, bytes.fromhex(key.kid), -7, ORIGIN, link_id)
        der = _sign_credential(bench, to_sign, number)
        cose = credential.assemble(
            protected, encode_claims(claims), credential.raw_signature(der, SUITES["p256-sha256"])
        )
        yield Printout(record, credential.link_text(ORIGIN, link_id), cose, "7K3M9QZX", submission.photo)


def _name(bench: Bench, role: Role) -> str:
    field = bench.licence_type.field(role)
    assert field is not None
    return field.name


def _sign_credential(bench: Bench, to_sign: bytes, number: int) -> bytes:
    from keys.custodian import Kind, SignRequest

    authority = bench.authority
    request = SignRequest(Kind.SIG_STRUCTURE, to_sign, f"bench:{number}")
    (der,) = authority.custodian.sign(authority.qr_key, [request])
    return der


def run() -> list[Row]:
    """CPU of a licence at PAdES B-LT, drawn and sealed with a time-stamp of our own authority's in process:
    by prefix and tail, and by the reference path; and of SHA-256 plus one signature over the same bytes.
    """
    with tempfile.TemporaryDirectory() as name:
        bench = prepare(Path(name))
        fast, reference, raw = _compare(bench, ROUNDS)
        rsa = prepare(Path(name) / "rsa", suite="rsa3072-sha256")
        rsa_fast, _, rsa_raw = _compare(rsa, RSA_ROUNDS)
    return [
        Row("seal.blt_ms", fast, "ms", raw),
        Row("seal.blt_vs_raw", fast / raw, "times"),
        Row("seal.blt_vs_reference", reference / fast, "times"),
        Row("seal.rsa_ms", rsa_fast, "ms", rsa_raw),
        Row("seal.reference_ms", reference, "ms", raw),
        Row("seal.raw_ms", raw, "ms"),
        Row("seal.peak_mb", peak_mb(), "MiB"),
    ]


def _compare(bench: Bench, rounds: int) -> tuple[float, float, float]:
    """Medians of prefix and tail, of the reference path and of the raw limit: each once a round, in turn."""
    fast, reference, raw = [], [], []
    validation = Prover.of(bench.authority).everything(AT)
    prefix = make_prefix(
        compile_base(
            bench.face, bench.licence_type, [bench.material.picture], GlyphSet(bench.fonts),
            specimen=True, photo=False, validated=True,
        ),
        validation,
    )  # fmt: skip
    key: Any = ec.generate_private_key(ec.SECP256R1())
    how: tuple[Any, ...] = (ec.ECDSA(hashes.SHA256()),)
    if bench.material.key.suite == "rsa3072-sha256":
        key, how = rsa.generate_private_key(65537, 3072), (padding.PKCS1v15(), hashes.SHA256())
    reason_text = bench.licence_type.name["zh"]
    for number, printout in enumerate(itertools.islice(printouts(bench), WARM_UP + rounds)):
        begin = process_time()
        laid_out = lay_out(prefix, printout, material=bench.material, at=AT, reason_text=reason_text)
        (made,) = seal_laid_out(
            [(laid_out, f"intent:fast:{number}")],
            custodian=bench.authority.custodian,
            stamp=bench.authority.stamper.stamp_many,
        )
        drawn_at = process_time()
        sealed = seal(
            draw(printout, bench.licence_type, bench.face, bench.fonts),
            material=bench.material,
            places=bench.face.seal_places(),
            custodian=bench.authority.custodian,
            timestamper=bench.authority.stamper,
            at=AT,
            record=f"intent:{number}",
            reason_text=reason_text,
            validation=validation,
        )
        middle = process_time()
        key.sign(made.data, *how)
        end = process_time()
        assert made.level == sealed.level == "B-LT"
        if number >= WARM_UP:
            fast.append((drawn_at - begin) * 1000)
            reference.append((middle - drawn_at) * 1000)
            raw.append((end - middle) * 1000)
    return statistics.median(fast), statistics.median(reference), statistics.median(raw)


if __name__ == "__main__":
    print(run(), datetime.now(UTC))
