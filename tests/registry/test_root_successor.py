"""A root takes the place of another: what relying parties see of it, before, meanwhile and after."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from asn1crypto import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import load_der_x509_certificate, load_der_x509_crl
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.ceremony import read_transcript
from keys.certificates import Issuer, Subject, certificate_validity, new_serial
from keys.custodian import KeyRef, Kind, Purpose, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.ledger import MemoryLedger
from keys.profiles import ProfileName
from keys.shares import SECRET_BYTES, split_secret
from keys.software import SoftwareCustodian, close_anew
from keys.trust_list import TrustList, read_trust_list, signer_of
from registry import ceremony
from registry.authority_app import create_authority_app
from registry.ceremony import Outcome, perform, read_share, rehearse
from registry.ceremony_file import load_plan
from registry.composition import establish_registry
from registry.custodians import root_custodian, root_passphrase_path
from registry.licences.fsck import fsck
from registry.seals import succession
from registry.seals.authority import (
    give_own_key,
    give_qr_key,
    issuing_authority,
    root_authority,
    trust_list_delegate,
)
from registry.seals.keys import authority_name
from registry.seals.renewal import expiring, renew_due
from registry.seals.retirement import keys_on_record
from registry.seals.revocation_list import current_crl, publish_due
from registry.seals.tables import Certificate, Key, PublishedTrustList
from registry.seals.trust import current_trust_list, publish_trust_list
from signing.check import check_file
from signing.verdict import Verdict
from tests.authority import issue_certificate, issue_trust_list
from tests.registry.issuing import issue_one
from tests.registry.test_seals_editions import document_of, succeed
from tests.registry.test_seals_races import at_once
from tests.registry.world import CHEAP, Ticker, World, on_sqlite
from tests.tools import need

SAMPLES = Path(__file__).parents[2] / "deploy" / "ceremony"
RETIRED, COMPROMISED = STATES = ("retired", "compromised")
COMPROMISE = {
    'former_root = "retired"': 'former_root = "compromised"',
    'former_root_directory = "root"\n': "",
}


@dataclass
class Hall:
    """A registry whose root lies in a directory of its own, which shares open."""

    world: World
    clock: Ticker
    place: Path
    shares: tuple[str, ...]  # of the former root: two of three
    secret: bytes
    former: bytes
    former_key: KeyRef

    def hold(
        self,
        state: str = RETIRED,
        *,
        file: str = "successor.toml",
        own: tuple[Path, ...] = (),
        said: str = "",
    ) -> Outcome:
        path = self.file(state, file) if not said else self.place / said
        given = self.shares[:2] if state == RETIRED else ()
        texts = [read_share(one) for one in own]
        return self._perform(path, texts, given)

    def _perform(self, path: Path, own: list[str], former: tuple[str, ...]) -> Outcome:
        settings = self.world.ports.settings
        return perform(
            load_plan(path), settings, own, former, clock=self.clock, random=os.urandom, cost=CHEAP
        )

    def refusal(self, path: Path, own: tuple[str, ...] = (), former: tuple[str, ...] = ()) -> str:
        with pytest.raises(VermilionError) as refused:
            self._perform(path, list(own), former)
        return refused.value.reason

    def file(self, state: str, name: str = "successor.toml", **changes: str) -> Path:
        """The sample of a successor's ceremony for a former root of this state."""
        text = (SAMPLES / "successor.toml").read_text()
        for old, new in ((COMPROMISE if state == COMPROMISED else {}) | changes).items():
            assert old in text
            text = text.replace(old, new)
        (self.place / name).write_text(text)
        return self.place / name

    def jws(self) -> str:
        with Session(self.world.ports.database.read) as session:
            return current_trust_list(session) or ""

    def trust(self, pin: str | None = None) -> TrustList:
        return read_trust_list(self.jws(), at=self.clock(), root_sha256=pin)

    def verdict(self, edition_id: str, trust: TrustList) -> Verdict:
        return check_file(
            document_of(self.world, edition_id), trust, None, None, self.clock()
        ).verification.verdict

    def keys(self, purpose: Purpose) -> list[str]:
        """States, the oldest first."""
        with Session(self.world.ports.database.read) as session:
            statement = select(Key.state).where(Key.purpose == purpose.value, Key.state != "reserved")
            return list(session.scalars(statement.order_by(Key.created_at)))


@pytest.fixture
def hall(world: World, clock: Ticker, tmp_path: Path) -> Hall:
    """The root of a first start, moved under shares as a ceremony would have made it."""
    settings = world.ports.settings
    place = tmp_path / "hall"
    shutil.copytree(SAMPLES, place)
    secret = os.urandom(SECRET_BYTES)
    passphrase = root_passphrase_path(settings).read_bytes().strip()
    close_anew(settings.root_place, passphrase, place / "root", secret, cost=CHEAP)
    shutil.rmtree(settings.root_place)
    with Session(world.ports.database.read) as session:
        root = root_authority(session)
    assert root.certificate is not None
    clock.advance(timedelta(minutes=1))
    return Hall(world, clock, place, tuple(split_secret(secret, 2, 3)), secret, root.certificate, root.key)


def pin_of(certificate: bytes) -> str:
    return sha256(certificate).hexdigest()


def refused_list(text: str, clock: Ticker, pin: str) -> str:
    with pytest.raises(VermilionError) as refused:
        read_trust_list(text, at=clock(), root_sha256=pin)
    return refused.value.reason


@pytest.mark.parametrize("state", STATES)
def test_what_was_sealed_under_the_former_root_keeps_its_verdict(
    hall: Hall, clock: Ticker, state: str
) -> None:
    world = hall.world
    before = issue_one(world)
    made = hall.hold(state)
    assert hall.keys(Purpose.ROOT_CA) == [state, "active"], "one root is in service"
    assert hall.keys(Purpose.TRUST_LIST) == ["retired", "active"]
    assert refused_list(hall.jws(), clock, pin_of(hall.former)) == "wrong_root"
    trust = hall.trust(made.root_sha256)
    assert trust.roots[1:] == (hall.former,)
    between = issue_one(world)  # by the seal's certificate of the CA before
    clock.advance(timedelta(hours=1))
    succeed(world, clock)  # the seal is renewed
    after = issue_one(world)
    with Session(world.ports.database.read) as session:
        issuing = issuing_authority(session)
        newest = session.scalars(
            select(Certificate.issuer_key_id)
            .where(Certificate.profile == ProfileName.SEAL)
            .order_by(Certificate.not_before.desc())
        ).first()
    assert newest == issuing.key.id
    trust = hall.trust(made.root_sha256)
    for issued in (before, between, after):
        assert hall.verdict(issued.edition_id, trust) == Verdict.GENUINE_OFFLINE
    assert fsck(world.ports) == []


@pytest.mark.parametrize("state", STATES)
def test_a_pin_is_followed_by_the_word_of_a_retired_root_alone(hall: Hall, state: str) -> None:
    made = hall.hold(state)
    found = read_transcript(made.signed, root_sha256=made.root_sha256)
    assert found.transcript == made.transcript
    former = found.transcript.former_root
    assert former is not None
    assert (former.state, former.der) == (state, hall.former)
    assert [one.profile for one in found.transcript.certificates] == ["root", "issuing", "trust-list"]
    if state == RETIRED:
        followed = read_transcript(made.signed, root_sha256=pin_of(hall.former))
        assert pin_of(followed.root) == made.root_sha256
    else:
        with pytest.raises(VermilionError) as refused:
            read_transcript(made.signed, root_sha256=pin_of(hall.former))
        assert refused.value.reason == "wrong_root"


@on_sqlite
def test_a_thief_of_the_former_root_signs_no_list_that_the_new_pin_takes(hall: Hall, clock: Ticker) -> None:
    before = issue_one(hall.world)
    made = hall.hold(COMPROMISED)
    thief = SoftwareCustodian(
        hall.place / "root", hall.secret, policy=lambda _ref, _request: None, ledger=MemoryLedger(), cost=CHEAP
    )  # fmt: skip
    delegate_key = thief.generate(Purpose.TRUST_LIST, "p256-sha256")
    delegate = issue_certificate(
        thief, Issuer(hall.former_key, hall.former), ProfileName.TRUST_LIST,
        Subject("TEST list", "TEST"), delegate_key, serial=new_serial(os.urandom), at=clock(),
    )  # fmt: skip
    true = hall.trust()
    issuing = tuple(one for one in true.issuing if _issued_by(one, hall.former))
    keys = tuple(replace(key, state="retired", sign_to=key.sign_from) for key in true.keys)
    forged = replace(true, sequence=true.sequence + 1, roots=(hall.former,), issuing=issuing, keys=keys)
    text = issue_trust_list(forged, thief, delegate_key, delegate, hall.former)
    assert read_trust_list(text, at=clock(), root_sha256=pin_of(hall.former)), "the old pin has to go"
    assert refused_list(text, clock, made.root_sha256) == "wrong_root"
    # Nor does the former root pass as the new one's certificate, or its delegate beside it.
    root = hall.trust().roots[0]
    mixed = issue_trust_list(
        replace(forged, sequence=forged.sequence + 1), thief, delegate_key, delegate, root
    )
    assert refused_list(mixed, clock, made.root_sha256) == "not_delegated"
    assert hall.verdict(before.edition_id, hall.trust(made.root_sha256)) == Verdict.GENUINE_OFFLINE


def _issued_by(certificate: bytes, root: bytes) -> bool:
    named = x509.Certificate.load(root).subject.dump()
    return bool(x509.Certificate.load(certificate).issuer.dump() == named)


@pytest.mark.parametrize("state", STATES)
def test_the_keys_out_of_service_sign_nothing_more(hall: Hall, state: str) -> None:
    with Session(hall.world.ports.database.read) as session:
        former = trust_list_delegate(session, hall.clock())
    hall.hold(state)
    settings = hall.world.ports.settings.model_copy(update={"root_directory": hall.place / "root"})
    root = root_custodian(
        settings, hall.world.ports.database, hall.world.ports.vault, hall.secret, clock=hall.clock,
        random=os.urandom, cost=CHEAP,
    )  # fmt: skip
    with Session(hall.world.ports.database.read) as session:
        row = session.scalars(
            select(PublishedTrustList.jws).order_by(PublishedTrustList.sequence.desc())
        ).first()
        crl = current_crl(session, authority_name(_spki(hall.former)))
    assert row is not None
    assert crl is not None
    assert crl.der is not None
    payload = row.rpartition(".")[0].encode()
    tbs = load_der_x509_crl(crl.der).tbs_certlist_bytes
    for custodian, ref, kind, data, record in (
        (root, hall.former_key, Kind.CRL, tbs, f"crl:{hall.former_key.id}:{crl.number + 1}"),
        (hall.world.ports.custodian, former.key, Kind.TRUST_LIST, payload, "trust-list:99"),
    ):
        with pytest.raises(VermilionError) as refused:
            custodian.sign(ref, [SignRequest(kind, data, record)])
        assert (refused.value.kind, refused.value.reason) == (ErrorKind.KEY_REFUSED, "key_state")


def _spki(certificate: bytes) -> bytes:
    spki: bytes = x509.Certificate.load(certificate).public_key.dump()
    return spki


def pem(place: Path, name: str, *ders: bytes) -> str:
    data = b"".join(load_der_x509_certificate(der).public_bytes(serialization.Encoding.PEM) for der in ders)
    (place / name).write_bytes(data)
    return name


def test_general_validators_follow_the_link_of_a_retired_root(hall: Hall) -> None:
    made = hall.hold(RETIRED)
    assert made.transcript.former_root is not None
    link = made.transcript.former_root.link
    assert link is not None
    ports = hall.world.ports
    tsa = give_own_key(ports, ProfileName.TSA).certificate
    root, issuing, _delegate = (one.der for one in made.transcript.certificates)
    place = hall.place / "pem"
    place.mkdir()
    pem(place, "former", hall.former)
    pem(place, "root", root)
    pem(place, "tsa", tsa)
    pem(place, "through", issuing, link)
    pem(place, "beside", issuing)
    with Session(ports.database.read) as session:
        last = current_crl(session, authority_name(_spki(hall.former)))
        assert last is not None
        assert last.der is not None
    (place / "crl").write_bytes(load_der_x509_crl(last.der).public_bytes(serialization.Encoding.PEM))
    assert last.next_update >= certificate_validity(hall.former)[1], "the last list holds to the end"

    def verifies(anchor: str, between: str, *more: str) -> str:
        done = subprocess.run(
            [need("openssl"), "verify", "-attime", str(int(hall.clock.now.timestamp())), *more,
             "-CAfile", anchor, "-untrusted", between, "tsa"],
            cwd=place, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        return done.stdout.strip() or done.stderr

    assert verifies("former", "through") == "tsa: OK"
    assert verifies("root", "beside") == "tsa: OK"
    assert "tsa: OK" not in verifies("former", "beside")
    linked = subprocess.run(
        [need("openssl"), "verify", "-attime", str(int(hall.clock.now.timestamp())), "-crl_check",
         "-CAfile", "former", "-CRLfile", "crl", pem(place, "link", link)],
        cwd=place, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert linked.stdout.strip() == "link: OK", linked.stderr


@pytest.mark.parametrize("state", STATES)
def test_what_serves_goes_on_and_turns_to_the_new_hierarchy(hall: Hall, clock: Ticker, state: str) -> None:
    world, ports = hall.world, hall.world.ports
    made = hall.hold(state)
    shutil.move(hall.place / "root-2", hall.place / "carried-away")
    issuing = made.transcript.certificates[1]
    assert renew_due(ports) >= 1, "the new CA gets a responder"
    publish_due(ports)
    qr = give_qr_key(ports, world.codes["own"])
    for profile, certificate in ((ProfileName.OCSP, None), (ProfileName.QR, qr.certificate)):
        with Session(ports.database.read) as session:
            newest = session.execute(
                select(Certificate.issuer_key_id, Certificate.der)
                .where(Certificate.profile == profile)
                .order_by(Certificate.not_before.desc(), Certificate.issuer_key_id == issuing.key)
            ).all()
        assert issuing.key in {row.issuer_key_id for row in newest}
        assert certificate is None or certificate in {row.der for row in newest}
    clock.advance(timedelta(days=3))
    establish_registry(ports.settings, test=True, clock=clock, cost=CHEAP)  # a service's start
    publish_trust_list(ports)
    assert hall.trust(made.root_sha256).roots == (made.transcript.certificates[0].der, hall.former)
    assert issue_one(world).status == "in_force"
    with Session(ports.database.read) as session:
        assert expiring(session, clock()) == []
        rows = list(keys_on_record(session))
    assert len({row["id"] for row in rows}) == len(rows), "a key is told once, linked or not"
    app = create_authority_app(ports)
    name = authority_name(_spki(made.transcript.certificates[0].der))
    answer = app.test_client().get(f"/ca/{name}.cer")
    assert answer.data == made.transcript.certificates[0].der, "its own certificate, not the link"


@on_sqlite
def test_a_first_start_s_root_that_was_replaced_is_not_asked_for_any_more(
    world: World, clock: Ticker, tmp_path: Path
) -> None:
    shutil.copytree(SAMPLES, tmp_path / "hall")
    with Session(world.ports.database.read) as session:
        former = root_authority(session)
    assert former.certificate is not None
    hall = Hall(world, clock, tmp_path / "hall", (), b"", former.certificate, former.key)
    clock.advance(timedelta(minutes=1))
    made = hall.hold(COMPROMISED)
    assert any(world.ports.settings.root_place.glob("*.key")), "the old key lies where it lay"
    clock.advance(timedelta(days=650))  # the delegate is in the last quarter of its life, the root's CRL old
    with Session(world.ports.database.read) as session:
        assert [one.profile for one in expiring(session, clock())] == [ProfileName.TRUST_LIST]
    establish_registry(world.ports.settings, test=True, clock=clock, cost=CHEAP)
    assert hall.trust(made.root_sha256)


def test_of_two_ceremonies_at_once_one_root_comes_into_service(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [
        hall.file(
            COMPROMISED, f"successor-{n}.toml", **{'"root-2"': f'"root-{n}"', '"shares-2"': f'"shares-{n}"'}
        )
        for n in (3, 4)
    ]
    together = threading.Barrier(2)
    real: Callable[..., object] = getattr(succession, "sign_draft")  # noqa: B009

    def wait(*arguments: object, **more: object) -> object:
        together.wait(timeout=60)  # both have drafted their root
        return real(*arguments, **more)

    monkeypatch.setattr(succession, "sign_draft", wait)
    outcomes: list[Outcome] = []

    def act(path: Path) -> Callable[[], object]:
        return lambda: outcomes.append(hall.hold(COMPROMISED, said=path.name))

    assert at_once(*map(act, files)) == ["done", "root_replaced"]
    assert sorted(hall.keys(Purpose.ROOT_CA)) == ["active", "compromised"]
    assert hall.trust(outcomes[0].root_sha256)


STEPS = [
    (ceremony, "split_secret"),
    (ceremony, "succeed_root"),
    (succession, "draft_certificate"),
    (succession, "sign_draft"),
    (succession, "publish_crl"),
    (succession, "give_delegate_key"),
    (succession, "give_issuing_key"),
    (ceremony, "complete_succession"),
    (ceremony, "publish_root_crl"),
    (ceremony, "publish_trust_list"),
    (ceremony, "sign_transcript"),
]


@on_sqlite
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("where", "step"), STEPS)
def test_killed_at_any_step_and_begun_again_it_is_completed(
    hall: Hall, clock: Ticker, monkeypatch: pytest.MonkeyPatch, where: object, step: str, after: bool
) -> None:
    real: Callable[..., object] = getattr(where, step)

    def dying(*arguments: object, **more: object) -> object:
        if after:
            real(*arguments, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(where, step, dying)
        with pytest.raises(KeyboardInterrupt):
            hall.hold()
    assert hall.keys(Purpose.ROOT_CA).count("active") == 1
    clock.advance(timedelta(days=3))
    publish_trust_list(hall.world.ports)  # under the one root or the other, and readable
    serving = pin_of(hall.trust().roots[0])
    assert issue_one(hall.world).status == "in_force"
    shares = tuple(sorted((hall.place / "shares-2").glob("*.txt")))
    if shares and not any((hall.place / "root-2").glob("*.key")):
        assert hall.refusal(hall.place / "successor.toml", (), hall.shares[1:]) == "shares_exist"
        for path in shares:
            path.unlink()
        shares = ()
    made = hall.hold(own=shares[1:])
    assert hall.keys(Purpose.ROOT_CA) == ["retired", "active"]
    assert hall.keys(Purpose.TRUST_LIST) == ["retired", "active"]
    assert hall.keys(Purpose.ISSUING_CA) == ["active", "active"]
    assert hall.trust(made.root_sha256).roots[1:] == (hall.former,)
    assert serving in {made.root_sha256, pin_of(hall.former)}
    assert read_transcript(made.signed, root_sha256=pin_of(hall.former)).transcript.former_root
    # What is there now opens the new root.
    path = hall.place / "delegate.toml"
    path.write_text(path.read_text().replace('"root"', '"root-2"'))
    own = sorted((hall.place / "shares-2").glob("*.txt"))[:2]
    clock.advance(timedelta(minutes=1))
    assert hall.hold(COMPROMISED, said="delegate.toml", own=tuple(own)).root_sha256 == made.root_sha256
    assert signer_of(hall.jws()) == load_newest_delegate(hall)


def load_newest_delegate(hall: Hall) -> bytes:
    with Session(hall.world.ports.database.read) as session:
        certificate = trust_list_delegate(session, hall.clock()).certificate
    assert certificate is not None
    return certificate


@on_sqlite
def test_an_issuing_ca_of_a_former_root_ends_without_a_list_that_says_so(hall: Hall, clock: Ticker) -> None:
    made = hall.hold(COMPROMISED)
    clock.advance(timedelta(minutes=1))
    text = (hall.place / "issuing.toml").read_text()
    text = text.replace('former = "kept"', 'former = "compromised"').replace('"root"', '"root-2"')
    (hall.place / "issuing.toml").write_text(text)
    held = hall.hold(COMPROMISED, said="issuing.toml", own=made.shares[:2])
    assert hall.keys(Purpose.ISSUING_CA) == ["compromised", "compromised", "active"]
    assert [one.serial for one in held.transcript.revoked] == [made.transcript.certificates[1].serial]
    assert read_transcript(held.signed, root_sha256=made.root_sha256)


@on_sqlite
@pytest.mark.parametrize("state", STATES)
def test_a_rehearsal_touches_neither_root(hall: Hall, state: str) -> None:
    plan = load_plan(hall.file(state))
    before = {path: path.stat().st_mtime_ns for path in hall.place.rglob("*")}
    told = rehearse(plan, hall.world.ports.settings, clock=hall.clock, random=os.urandom, cost=CHEAP)
    assert told.former_root is not None
    assert (told.operation, told.former_root.state) == ("successor", state)
    assert {path: path.stat().st_mtime_ns for path in hall.place.rglob("*")} == before
    assert hall.keys(Purpose.ROOT_CA) == ["active"]


@on_sqlite
def test_the_former_root_serves_on_where_the_new_one_s_shares_do_not_open_it(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ceremony.read_share
    other = split_secret(os.urandom(SECRET_BYTES), 2, 3)

    def mistaken(path: Path) -> str:
        """What lies in the file by then is another secret's share."""
        has_key = any((hall.place / "root-2").glob("*.key"))
        return other[int(path.name[6]) - 1] if has_key else real(path)

    monkeypatch.setattr(ceremony, "read_share", mistaken)
    assert hall.refusal(hall.file(RETIRED), (), hall.shares[:2]) == "shares_wrong"
    assert hall.keys(Purpose.ROOT_CA) == ["active"]


@on_sqlite
def test_shares_and_directories_are_not_mistaken_for_one_another(hall: Hall) -> None:
    retired = hall.file(RETIRED)
    compromised = hall.file(COMPROMISED, "compromised.toml")
    other = tuple(split_secret(os.urandom(SECRET_BYTES), 2, 3))
    assert hall.refusal(retired) == "shares_insufficient"
    assert hall.refusal(retired, (), other[:2]) == "shares_wrong"
    assert hall.refusal(retired, hall.shares[:2], hall.shares[:2]) == "shares_unneeded"
    assert hall.refusal(compromised, (), hall.shares[:2]) == "shares_unneeded"
    assert hall.refusal(compromised, hall.shares[:2]) == "shares_unneeded"
    own = hall.file(COMPROMISED, "same.toml", **{'root_directory = "root-2"': 'root_directory = "root"'})
    assert hall.refusal(own, hall.shares[:2]) == "root_place"
    elsewhere = hall.file(
        RETIRED, "else.toml", **{'former_root_directory = "root"': 'former_root_directory = "no"'}
    )
    assert hall.refusal(elsewhere, (), hall.shares[:2]) == "no_root"
    assert hall.keys(Purpose.ROOT_CA) == ["active"]
    assert not (hall.place / "shares-2").exists()


@pytest.mark.parametrize(
    "changes",
    [
        {'\nformer_root = "retired"': '\nformer_root = "lost"'},
        {'\nformer_root = "retired"': '\nformer_root = "compromised"'},  # and names its directory
        {'former_root_directory = "root"\n': ""},
        {'root_directory = "root-2"': 'root_directory = "root"'},
        {'operation = "successor"': 'operation = "establish"'},
        {"[shares]": "[sharez]"},
        {"threshold = 2": "threshold = 1"},
        {'trust_list = "云溪省电子印章信任列表"': 'tsa = "云溪省时间戳机构"'},
    ],
)
def test_its_file_is_read_strictly(tmp_path: Path, changes: dict[str, str]) -> None:
    text = (SAMPLES / "successor.toml").read_text()
    path = tmp_path / "successor.toml"
    path.write_text(text)
    load_plan(path)
    for old, new in changes.items():
        assert old in text
        path.write_text(text.replace(old, new, 1))
    with pytest.raises(VermilionError):
        load_plan(path)
