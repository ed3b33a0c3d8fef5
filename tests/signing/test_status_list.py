"""Status lists: the draft's vectors, what ours must be to be believed, and what a check makes of them.

`independent_*` read tokens as the draft says, with other libraries and none of our code: they read the draft's
own tokens, and ours.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey

from keys.certificates import certificate_key
from keys.custodian import Kind as SignKind
from keys.custodian import Purpose, SignRequest
from keys.errors import Kind, VermilionError
from keys.status_list import (
    CWT_TYPE,
    JWT_TYPE,
    LIFE,
    MAX_BYTES,
    PACKED_BYTES,
    TTL,
    cwt_input,
    inflate,
    jwt_input,
)
from keys.suite import P256
from keys.trust_list import kid_of
from signing.check import Outcome, check_file, check_scan
from signing.status_list import (
    EMPTY,
    Value,
    compress,
    look_up,
    packed_with,
    parse_number,
    read_status_list,
    uri_of,
    value_at,
)
from signing.verdict import Status
from tests.authority import issue_trust_list, make_authority
from tests.signing import sealing
from tests.signing.checking import Register, food, licence, register, scanned, sign
from tests.signing.listing import Lister
from tests.signing.test_check import document
from tests.signing.test_check import trust as document_trust
from tests.vectors.make import HERE

VECTORS = json.loads((HERE / "token_status_list.json").read_text(encoding="utf-8"))
LISTS = {one["name"]: one for one in VECTORS["lists"]}
VALUES = {0: 1, 1993: 2, 25460: 1, 159495: 3, 2**20 - 1: 2}
SECOND = timedelta(seconds=1)


@pytest.fixture(scope="module")
def lister(tmp_path_factory: pytest.TempPathFactory) -> Lister:
    return Lister(make_authority(tmp_path_factory.mktemp("authority")))


# The draft's vectors.


@pytest.mark.parametrize("name", LISTS)
def test_the_drafts_lists_are_read_and_made_as_the_draft_has_them(name: str) -> None:
    vector = LISTS[name]
    bits, statuses = vector["bits"], {int(i): value for i, value in vector["statuses"].items()}
    lst = base64.urlsafe_b64decode(vector["lst"] + "==")
    packed = inflate(lst, vector["bytes"])
    assert cbor2.loads(bytes.fromhex(vector["cbor"])) == {"bits": bits, "lst": lst}
    assert {i: value_at(packed, i, bits) for i in statuses} == statuses
    assert packed_with(bytes(vector["bytes"]), statuses, bits) == packed
    assert inflate(compress(packed), vector["bytes"]) == packed
    with pytest.raises(VermilionError) as caught:
        value_at(packed, vector["bytes"] * 8 // bits, bits)
    assert caught.value.reason == "status_index"


def test_a_list_that_deflate_cannot_make_smaller_is_signed_and_read(lister: Lister) -> None:
    packed = Random(1).randbytes(PACKED_BYTES)
    content = replace(lister.content({}), lst=compress(packed))
    assert len(content.lst) >= PACKED_BYTES
    at = lister.authority.now
    for token in lister.sign(content):
        assert read_status_list(token, uri=content.uri, trust=lister.trust(), at=at).values == packed
    assert len(lister.sign(content)[0]) + 48 * 1024 < MAX_BYTES


def independent_jwt(token: str, jwk: dict[str, str]) -> dict[str, Any]:
    """The claims of a status list token in JWT form, by joserfc."""
    found = jws.deserialize_compact(token, ECKey.import_key(dict(jwk)), algorithms=["ES256"])
    assert found.headers()["typ"] == "statuslist+jwt"
    claims: dict[str, Any] = json.loads(found.payload)
    raw = zlib.decompress(base64.urlsafe_b64decode(claims["status_list"]["lst"] + "=="))
    return claims | {"bits": claims["status_list"]["bits"], "raw": raw}


def independent_cwt(token: bytes, jwk: dict[str, str]) -> dict[str, Any]:
    """The claims of a status list token in CWT form, by cbor2 and cryptography."""
    tagged = cbor2.loads(token)
    assert tagged.tag == 18
    protected, unprotected, payload, signature = tagged.value
    header = cbor2.loads(protected)
    assert header[1] == -7
    assert header[16] == "application/statuslist+cwt"
    assert 16 not in unprotected
    x, y = (int.from_bytes(base64.urlsafe_b64decode(jwk[name] + "=")) for name in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    half = len(signature) // 2
    r, s = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
    structure = cbor2.dumps(["Signature1", protected, b"", payload])
    public.verify(encode_dss_signature(r, s), structure, ec.ECDSA(hashes.SHA256()))
    claims = cbor2.loads(payload)
    listed = claims[65533]
    return {
        "sub": claims[2], "iat": claims[6], "exp": claims[4], "ttl": claims[65534],
        "bits": listed["bits"], "raw": zlib.decompress(listed["lst"]),
    }  # fmt: skip


def bit_string(raw: bytes) -> str:
    """All bits in the draft's order, each byte's least significant first: another way to a slot than ours."""
    return "".join(f"{byte:08b}"[::-1] for byte in raw)


def test_the_independent_readers_read_the_drafts_tokens() -> None:
    for read in (
        independent_jwt(VECTORS["jwt"], VECTORS["key"]),
        independent_cwt(bytes.fromhex(VECTORS["cwt"]), VECTORS["key"]),
    ):
        assert (read["sub"], read["iat"], read["exp"], read["ttl"]) == (
            "https://example.com/statuslists/1", 1686920170, 2291720170, 43200,
        )  # fmt: skip
        assert read["bits"] == 1
        assert bit_string(read["raw"]) == "1001110111000101"


def independent_trust_list(text: str, root_sha256: str) -> dict[str, Any]:
    """A trust list's members, by joserfc and cryptography: signed by whom the pinned root certified."""
    header = json.loads(base64.urlsafe_b64decode(text.partition(".")[0] + "=="))
    assert header["typ"] == "trust-list+jwt"
    delegate, root = (x509.load_der_x509_certificate(base64.b64decode(one)) for one in header["x5c"])
    assert root.fingerprint(hashes.SHA256()).hex() == root_sha256
    delegate.verify_directly_issued_by(root)
    key = ECKey.import_key(
        delegate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    registry = jws.JWSRegistry(algorithms=["ES256"])
    registry.max_header_length = registry.max_payload_length = 64 * 1024  # it carries certificates
    found = jws.deserialize_compact(text, key, registry=registry)
    members: dict[str, Any] = json.loads(found.payload)
    return members


def test_the_independent_readers_read_ours(lister: Lister) -> None:
    """From the root alone: its fingerprint, the trust list, the key that it names for lists, a list."""
    authority = lister.authority
    trust = issue_trust_list(
        lister.trust(), authority.custodian, authority.delegate_key, authority.delegate, authority.root
    )
    jwt, cwt = lister.sign(lister.content(VALUES, number=7))
    named = independent_trust_list(trust, sha256(authority.root).hexdigest())
    kid = jws.extract_compact(jwt).headers()["kid"]
    (entry,) = (one for one in named["keys"] if one["kid"] == kid)
    assert (entry["use"], entry["alg"], entry["state"]) == ("status-list", "ES256", "active")
    assert named["status_lists"] == "http://localhost:8801/status/"
    jwk = entry["jwk"]
    for read in (independent_jwt(jwt.decode(), jwk), independent_cwt(cwt, jwk)):
        assert read["sub"] == "http://localhost:8801/status/7"
        assert datetime.fromtimestamp(read["iat"], UTC) == lister.authority.now
        assert (read["exp"] - read["iat"], read["ttl"]) == (48 * 3600, 3600)
        assert (read["bits"], len(read["raw"])) == (2, PACKED_BYTES)
        bits = bit_string(read["raw"])
        found = {
            i: int(bits[2 * i : 2 * i + 2][::-1], 2) for i in range(2**20) if bits[2 * i : 2 * i + 2] != "00"
        }
        assert found == VALUES


# Ours.


def test_both_forms_say_the_same(lister: Lister) -> None:
    trust, at = lister.trust(), lister.authority.now
    read = [
        read_status_list(token, uri=uri_of(trust.status_lists, 3), trust=trust, at=at)
        for token in lister.sign(lister.content(VALUES, number=3))
    ]
    assert read[0] == read[1]
    assert (read[0].issued_at, read[0].expires_at, read[0].ttl) == (at, at + LIFE, TTL)
    assert {i: read[0].value(i) for i in VALUES} == {i: Value(v) for i, v in VALUES.items()}
    assert read[0].value(2) is Value.VALID
    with pytest.raises(VermilionError) as caught:
        read[0].value(2**20)
    assert caught.value.reason == "status_index"


def test_a_list_may_be_signed_by_p384(tmp_path: Path) -> None:
    lister = Lister(make_authority(tmp_path), "p384-sha384")
    trust = lister.trust()
    for token in lister.sign(lister.content(VALUES)):
        read_status_list(token, uri=f"{trust.status_lists}0", trust=trust, at=lister.authority.now)


def reason_of(
    lister: Lister, token: bytes, *, at: timedelta = timedelta(0), number: int = 0, **entry: object
) -> str:
    trust = lister.trust(**entry)
    with pytest.raises(VermilionError) as caught:
        read_status_list(
            token, uri=uri_of(trust.status_lists, number), trust=trust, at=lister.authority.now + at
        )
    return caught.value.reason


def test_what_is_not_the_list_asked_for_is_refused(lister: Lister) -> None:
    now = lister.authority.now
    for token in lister.sign(lister.content(VALUES)):
        assert reason_of(lister, token, number=1) == "wrong_list"
        assert reason_of(lister, token, at=LIFE) == "expired"
        assert reason_of(lister, token, at=-timedelta(minutes=5) - SECOND) == "not_yet_issued"
        assert reason_of(lister, token, state="compromised", since=now + LIFE) == "key_compromised"
        assert (
            reason_of(lister, token, state="retired", since=now - SECOND, sign_to=now - SECOND)
            == "key_unknown"
        )
        assert reason_of(lister, token, use="tsa") == "key_unknown"
        assert reason_of(lister, token, certificate=lister.authority.tsa) == "key_unknown"
        seal = lister.authority.trusted("seal", lister.authority.seal)
        assert reason_of(lister, token, public_key=seal.public_key) == "bad_signature"
        retired = lister.trust(state="retired", since=now, sign_to=now)
        read_status_list(token, uri=f"{retired.status_lists}0", trust=retired, at=now)


def test_another_purposes_key_signs_no_list_that_is_believed(lister: Lister) -> None:
    """Whatever the trust list calls it, its certificate is for something else."""
    authority = lister.authority
    content, kid = lister.content(VALUES), kid_of(certificate_key(authority.qr))
    with pytest.raises(VermilionError) as caught:
        authority.custodian.sign(
            authority.qr_key, [SignRequest(SignKind.STATUS_LIST_JWT, jwt_input(content, kid, P256), "x")]
        )
    assert caught.value.reason == "purpose"


@pytest.mark.parametrize("fault", ["bit", "size", "life", "ttl", "uri", "follows"])
def test_the_custodian_signs_no_other_list(lister: Lister, fault: str) -> None:
    right = lister.content(VALUES)
    wrong = {
        "bit": replace(right, lst=compress(EMPTY + b"\0")),
        "size": replace(right, lst=compress(EMPTY[:-1])),
        "life": replace(right, expires_at=right.issued_at + LIFE + SECOND),
        "ttl": replace(right, ttl=timedelta(0)),
        "uri": replace(right, uri="https://elsewhere.example/c/0"),
        "follows": replace(right, lst=right.lst + b"\0"),
    }[fault]
    kid = kid_of(certificate_key(lister.certificate))
    for kind, data in (
        (SignKind.STATUS_LIST_JWT, jwt_input(wrong, kid, P256)),
        (SignKind.STATUS_LIST_CWT, cwt_input(wrong, kid, P256)),
    ):
        with pytest.raises(VermilionError) as caught:
            lister.authority.custodian.sign(lister.key, [SignRequest(kind, data, f"{fault} {kind}")])
        assert (caught.value.kind, caught.value.reason) == (Kind.KEY_REFUSED, "not_to_be_signed")


def test_a_key_for_lists_is_of_a_suite_that_browsers_know(lister: Lister) -> None:
    with pytest.raises(VermilionError) as caught:
        lister.authority.custodian.generate(Purpose.STATUS_LIST, "rsa3072-sha256")
    assert caught.value.reason == "suite"


def test_a_bomb_is_not_inflated(lister: Lister) -> None:
    bomb = zlib.compress(bytes(64 * 1024 * 1024), 9)
    assert len(bomb) < 100_000
    content = replace(lister.content({}), lst=bomb)
    kid = kid_of(certificate_key(lister.certificate))
    body = jwt_input(content, kid, P256)
    token = body + b"." + base64.urlsafe_b64encode(bytes(64)).rstrip(b"=")
    assert reason_of(lister, token) == "status_list"


def test_a_token_has_one_form(lister: Lister) -> None:
    jwt, cwt = lister.sign(lister.content({1: 1}))
    header, payload, signature = jwt.split(b".")
    claims = json.loads(base64.urlsafe_b64decode(payload + b"=="))

    def again(**changes: object) -> bytes:
        body = json.dumps(claims | changes, sort_keys=True, separators=(",", ":")).encode()
        return b".".join((header, base64.urlsafe_b64encode(body).rstrip(b"="), signature))

    assert again() == jwt
    protected, _, body, raw = cbor2.loads(cwt).value
    wrong = [
        b"", b"{}", jwt + b".", jwt[:-1], payload, again(extra=1), again(sub=None), again(iat="1"), again(iat=-1),
        again(exp=2**53), again(ttl=1.5), again(status_list={"bits": 1, "lst": claims["status_list"]["lst"]}),
        again(status_list={"bits": 2, "lst": "!"}), again(status_list=None), again(status_list={"bits": 2}),
        cwt[1:], b"\xd1" + cwt[1:], cwt + b"\0", cwt[:-1], b"\xd8\x3d" + cwt,
        b"\xd2" + cbor2.dumps([protected, {4: b"x"}, body, raw], canonical=True),
        b"\xd2" + cbor2.dumps([b"\xa0", {}, body, raw], canonical=True),
        b"\xd2" + cbor2.dumps([protected, {}, b"\xa0", raw], canonical=True),
        b"\xd2" + cbor2.dumps([protected, {}, body], canonical=True),
        VECTORS["jwt"].encode(), bytes.fromhex(VECTORS["cwt"]),
    ]  # fmt: skip
    for one in wrong:
        assert reason_of(lister, one) in {"status_list", "bad_signature"}, one[:80]
    assert reason_of(lister, again(iat=claims["iat"] + 1)) == "bad_signature"


@given(at=st.integers(0, 10**6), bit=st.integers(0, 7), form=st.sampled_from([0, 1]))
def test_no_altered_token_is_believed(lister: Lister, at: int, bit: int, form: int) -> None:
    token = bytearray(tokens(lister)[form])
    token[at % len(token)] ^= 1 << bit
    trust = lister.trust()
    with pytest.raises(VermilionError):
        read_status_list(bytes(token), uri=f"{trust.status_lists}0", trust=trust, at=lister.authority.now)


_made: list[tuple[bytes, bytes]] = []


def tokens(lister: Lister) -> tuple[bytes, bytes]:
    if not _made:
        _made.append(lister.sign(lister.content(VALUES)))
    return _made[0]


def test_names_of_lists() -> None:
    assert [parse_number(t) for t in ("0", "7", "999999999")] == [0, 7, 999999999]
    for text in ("", "00", "01", "-1", "+1", " 1", "1 ", "1.jwt", "1000000000", "\u0661", "1\n", "x"):
        assert parse_number(text) is None


def test_types_are_those_of_the_draft() -> None:
    assert (JWT_TYPE, CWT_TYPE) == ("statuslist+jwt", "application/statuslist+cwt")


# What a check makes of them.


def test_what_a_list_says_of_a_slot(lister: Lister) -> None:
    trust, now = lister.trust(), lister.authority.now
    jwt, cwt = lister.sign(lister.content(VALUES))

    def said(
        token: bytes | None, index: int, at: timedelta = timedelta(0), number: int = 0
    ) -> tuple[Status, str]:
        looked = look_up(lambda _number: [token] if token else [], trust, number, index, now + at)
        return looked.listed.status, looked.listed.reason

    for token in (jwt, cwt, jwt + b"\n"):
        assert said(token, 5) == (Status.LISTED, "status_not_asked")
        assert said(token, 5, TTL)[0] is Status.LISTED
        assert said(token, 5, TTL + SECOND) == (Status.LISTED_BEFORE, "status_list_old")
        assert said(token, 5, LIFE) == (Status.NOT_CHECKED, "status_list_expired")
        assert said(token, 5, -timedelta(hours=1)) == (Status.NOT_CHECKED, "status_list_future")
        for at in (timedelta(0), TTL + SECOND):
            assert said(token, 0, at)[0] is Status.ENDED
            assert said(token, 1993, at)[0] is Status.SUSPENDED
            assert said(token, 159495, at)[0] is Status.REPLACED
        assert said(token, 0, LIFE)[0] is Status.NOT_CHECKED
        assert said(token, 2**20) == (Status.NOT_CHECKED, "status_list_refused")
        assert said(token, 5, number=1) == (Status.NOT_CHECKED, "status_list_refused")
    assert said(None, 5) == (Status.NOT_CHECKED, "status_list_missing")
    assert said(b"nothing", 5) == (Status.NOT_CHECKED, "status_list_refused")


def test_of_two_forms_the_newer_that_is_believed_counts(lister: Lister) -> None:
    trust, now = lister.trust(), lister.authority.now

    def signed(value: int, at: timedelta) -> tuple[bytes, bytes]:
        return lister.sign(lister.content({5: value}, at=now + at))

    def said(*tokens: bytes) -> Status:
        return look_up(lambda _number: tokens, trust, 0, 5, now).listed.status

    (old, _), (_, new) = signed(0, -TTL), signed(2, timedelta(0))
    assert (said(old), said(new)) == (Status.LISTED, Status.SUSPENDED)
    assert said(old, new) == said(new, old) == Status.SUSPENDED
    assert said(new[:-1], old) == said(b"", old) == Status.LISTED  # damaged while it was copied
    future, _ = signed(0, timedelta(days=1))
    assert said(future, new) == Status.SUSPENDED
    assert said(future, new[:-1]) == Status.NOT_CHECKED


def test_a_scan_and_a_file_without_the_registry() -> None:
    """The verdict by the list's age and value, with the list's time; the registry's own word outranks it."""
    record = food()
    lister = Lister(sealing.office().authority)
    trust = document_trust(record)
    trust = replace(trust, keys=(*trust.keys, lister.trust().keys[-1]))
    issued = lister.authority.now
    number, index = record.status_list, record.status_index

    def found(value: int | None, at: datetime, live: Register | None = None) -> list[Outcome]:
        jwt = None if value is None else lister.sign(lister.content({index: value}, number))[0]

        def source(asked: int) -> list[bytes]:
            return [jwt] if jwt and asked == number else []

        return [
            check_scan(scanned(record), trust, live, None, at, source),
            check_file(document(), trust, live, None, at, source),
        ]

    later = issued + timedelta(hours=1)  # the document's own seal is of the office's now
    for value, at, verdict, status, as_of in (
        (0, later, "valid", "in_force_by_list", issued),
        (0, later + SECOND, "genuine_offline", "status_list_old", issued),
        (0, issued + LIFE, "genuine_offline", "status_list_expired", issued + LIFE),
        (1, later, "ended", "ended", issued),
        (1, issued + LIFE - SECOND, "ended", "ended", issued),
        (1, issued + LIFE, "genuine_offline", "status_list_expired", issued + LIFE),
        (2, later, "suspended", "suspended", issued),
        (3, later, "replaced", "replaced", issued),
        (None, later, "genuine_offline", "status_list_missing", later),
    ):
        for live in (None, Register(out=True)):
            for outcome in found(value, at, live):
                verification = outcome.verification
                said = verification.verdict, verification.status.reason, verification.as_of
                assert said == (verdict, status, as_of)
                assert verification.how == ("unspecified" if verdict == "ended" else None)
                assert (outcome.status_list is None) == (value is None)
    for outcome in found(1, later, Register()):
        assert (outcome.verification.verdict, outcome.status_list) == ("unknown", None)
    known = register(licence(record, sign(record)))
    known.documents[sha256(document()).digest()] = licence(record, sign(record))
    for outcome in found(1, later, known):
        assert outcome.verification.verdict == "valid"
