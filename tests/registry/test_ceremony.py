"""A ceremony founds an authority whose root nothing that serves needs; shares open it, a transcript tells."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from itertools import combinations
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from sqlalchemy import select
from sqlalchemy.orm import Session

from keys.ceremony import read_transcript
from keys.errors import VermilionError
from keys.trust_list import read_trust_list
from registry import ceremony
from registry.ceremony import Outcome, perform, read_share, rehearse, transcript_of
from registry.ceremony_file import load_plan
from registry.composition import establish_registry, open_ports
from registry.database import Database
from registry.seals.authority import issuing_authority, root_authority
from registry.seals.renewal import renew_due
from registry.seals.revocation_list import publish_due
from registry.seals.tables import Key, RevocationList
from registry.seals.trust import current_trust_list, publish_trust_list
from registry.settings import Settings
from tests.registry.world import CHEAP, Ticker
from tests.tools import need

SAMPLES = Path(__file__).parents[2] / "deploy" / "ceremony"


@dataclass
class Hall:
    """Where ceremonies are held: the files of deploy/ceremony, a registry that is not there yet."""

    place: Path
    settings: Settings
    clock: Ticker

    def hold(self, file: str, *shares: Path) -> Outcome:
        texts = [read_share(path) for path in shares]
        plan = load_plan(self.place / file)
        return perform(plan, self.settings, texts, clock=self.clock, random=os.urandom, cost=CHEAP)

    def refusal(self, file: str, *shares: Path) -> str:
        with pytest.raises(VermilionError) as caught:
            self.hold(file, *shares)
        return caught.value.reason

    def keys(self) -> dict[str, int]:
        database = Database.open(self.settings.url)
        with Session(database.read) as session:
            rows = session.execute(select(Key.purpose, Key.state)).all()
        database.dispose()
        return {purpose: sum(1 for p, s in rows if (p, s) == (purpose, "active")) for purpose, _ in rows}


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    place = tmp_path / "hall"
    shutil.copytree(SAMPLES, place)
    return Hall(place, Settings(data=tmp_path / "var"), Ticker())


def test_it_founds_an_authority_and_what_serves_needs_no_root(hall: Hall) -> None:
    made = hall.hold("establish.toml")
    assert hall.keys() == {
        "root-ca": 1,
        "issuing-ca": 1,
        "trust-list": 1,
        "tsa": 1,
        "ocsp": 1,
        "status-list": 1,
        "receipt": 1,
    }
    shutil.move(hall.place / "root", hall.place / "carried-away")
    assert not (hall.settings.data / "root").exists()
    establish_registry(hall.settings, test=True, clock=hall.clock, cost=CHEAP)  # a service's start
    ports = open_ports(hall.settings, clock=hall.clock, cost=CHEAP)
    hall.clock.advance(timedelta(days=3))
    publish_trust_list(ports)
    renew_due(ports)
    with Session(ports.database.read) as session:
        trust = read_trust_list(current_trust_list(session) or "", at=hall.clock.now)
    ports.database.dispose()
    assert sha256(trust.roots[0]).hexdigest() == made.root_sha256


def test_the_transcript_tells_what_openssl_verifies(hall: Hall) -> None:
    made = hall.hold("establish.toml")
    found = read_transcript(made.signed, root_sha256=made.root_sha256).transcript
    assert found == made.transcript
    assert [one.profile for one in found.certificates] == ["root", "issuing", "trust-list"]
    assert (found.shares.threshold, found.shares.total, len(found.present)) == (2, 3, 2)
    for one in found.certificates:
        pem = x509.load_der_x509_certificate(one.der).public_bytes(Encoding.PEM)
        (hall.place / f"{one.profile}.pem").write_bytes(pem)
    for name in ("issuing", "trust-list"):
        done = subprocess.run(
            [need("openssl"), "verify", "-attime", str(int(hall.clock.now.timestamp())), "-CAfile", "root.pem",
             f"{name}.pem"],
            cwd=hall.place, capture_output=True, text=True, check=False, timeout=60,
        )  # fmt: skip
        assert done.stdout.strip() == f"{name}.pem: OK", done.stderr
    assert transcript_of(hall.settings, load_plan(hall.place / "establish.toml")) == made.signed


def test_every_set_of_enough_shares_opens_the_root_and_nothing_less(hall: Hall) -> None:
    made = hall.hold("establish.toml")
    assert [path.name for path in made.shares] == [f"share-{n}-of-3.txt" for n in (1, 2, 3)]
    assert {path.stat().st_mode & 0o777 for path in made.shares} == {0o600}
    for number, chosen in enumerate(combinations(made.shares, 2)):
        file = hall.place / "delegate.toml"
        file.write_text(file.read_text() + f"# {number}\n")  # another ceremony each time
        assert hall.hold("delegate.toml", *chosen).transcript.operation == "delegate"
    assert hall.keys()["trust-list"] == 4
    assert hall.refusal("issuing.toml", made.shares[0]) == "shares_insufficient"
    assert hall.refusal("issuing.toml") == "shares_insufficient"


def test_an_issuing_ca_whose_key_others_may_have_is_ended_by_the_root(hall: Hall) -> None:
    founded = hall.hold("establish.toml")
    (former,) = [one for one in founded.transcript.certificates if one.profile == "issuing"]
    file = hall.place / "issuing.toml"
    file.write_text(file.read_text().replace('former = "kept"', 'former = "compromised"'))
    hall.clock.advance(timedelta(seconds=5))
    held = hall.hold("issuing.toml", *founded.shares[:2])
    again = read_transcript(held.signed, root_sha256=founded.root_sha256).transcript
    assert [(one.serial, one.reason) for one in again.revoked] == [(former.serial, "cACompromise")]
    assert hall.keys()["issuing-ca"] == 1
    hall.clock.advance(timedelta(hours=13))
    ports = open_ports(hall.settings, clock=hall.clock, cost=CHEAP)
    try:
        (new,) = again.certificates
        with Session(ports.database.read) as session:
            assert issuing_authority(session).certificate == new.der
            root_list = latest_list(session, root_authority(session).key.id)
            trust = read_trust_list(current_trust_list(session) or "", at=hall.clock.now)
        assert {former.der, new.der} <= set(trust.issuing), "what the former one certified stays recognised"
        publish_due(ports)  # asks nothing of the former one's key
        renew_due(ports)
        for name, der in (("former", former.der), ("new", new.der), ("root", trust.roots[0])):
            pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
            (hall.place / f"{name}.pem").write_bytes(pem)
        (hall.place / "root.crl").write_bytes(x509.load_der_x509_crl(root_list).public_bytes(Encoding.PEM))
        said = {}
        for name in ("former", "new"):
            done = subprocess.run(
                [need("openssl"), "verify", "-attime", str(int(hall.clock.now.timestamp())), "-crl_check",
                 "-CAfile", "root.pem", "-CRLfile", "root.crl", f"{name}.pem"],
                cwd=hall.place, capture_output=True, text=True, check=False, timeout=60,
            )  # fmt: skip
            said[name] = done.stdout + done.stderr
        assert said["new"].strip() == "new.pem: OK"
        assert "certificate revoked" in said["former"]
    finally:
        ports.database.dispose()


def test_an_interrupted_ending_is_told_by_the_attempt_that_completes_it(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    founded = hall.hold("establish.toml")
    (former,) = [one for one in founded.transcript.certificates if one.profile == "issuing"]
    file = hall.place / "issuing.toml"
    file.write_text(file.read_text().replace('former = "kept"', 'former = "compromised"'))
    hall.clock.advance(timedelta(seconds=5))
    with monkeypatch.context() as broken:
        broken.setattr(ceremony, "publish_crl", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            hall.hold("issuing.toml", *founded.shares[:2])
    hall.clock.advance(timedelta(minutes=5))
    held = hall.hold("issuing.toml", *founded.shares[:2])
    assert [one.serial for one in held.transcript.revoked] == [former.serial]
    database = Database.open(hall.settings.url)
    with Session(database.read) as session:
        listed = x509.load_der_x509_crl(latest_list(session, root_authority(session).key.id))
    database.dispose()
    assert listed.get_revoked_certificate_by_serial_number(int(former.serial, 16)) is not None


def latest_list(session: Session, ca: str) -> bytes:
    row = session.scalars(
        select(RevocationList.der)
        .where(RevocationList.ca_key_id == ca, RevocationList.der.is_not(None))
        .order_by(RevocationList.number.desc())
    ).first()
    assert row is not None
    return row


def test_shares_of_another_root_do_not_open_this_one(hall: Hall, tmp_path: Path) -> None:
    hall.hold("establish.toml")
    other = Hall(tmp_path / "other", Settings(data=tmp_path / "other-var"), Ticker())
    shutil.copytree(SAMPLES, other.place)
    strange = other.hold("establish.toml").shares
    assert hall.refusal("delegate.toml", *strange[:2]) == "shares_wrong"
    mixed = (hall.place / "shares" / "share-1-of-3.txt", strange[1])
    assert hall.refusal("delegate.toml", *mixed) == "shares_mixed"


def test_another_issuing_authority_follows(hall: Hall) -> None:
    made = hall.hold("establish.toml")
    hall.clock.advance(timedelta(days=1))
    hall.hold("issuing.toml", *made.shares[1:])
    assert hall.keys()["issuing-ca"] == 2


def test_nothing_is_founded_twice(hall: Hall) -> None:
    made = hall.hold("establish.toml")
    assert hall.refusal("establish.toml", *made.shares[:2]) == "ceremony_over"
    file = hall.place / "establish.toml"
    file.write_text(file.read_text() + "# another file\n")
    assert hall.refusal("establish.toml") == "root_exists"


def test_nothing_follows_where_nothing_was_founded(hall: Hall) -> None:
    assert transcript_of(hall.settings, load_plan(hall.place / "delegate.toml")) is None
    assert hall.refusal("delegate.toml") == "no_root"


def test_a_rehearsal_keeps_nothing(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the environment says of a database, a signer or a token: none of them is asked."""
    monkeypatch.setenv("VERMILION_DATABASE_URL", "postgresql+psycopg://nobody@127.0.0.1:9/none")
    monkeypatch.setenv("VERMILION_SIGNER_SOCKET", str(hall.place / "no-socket"))
    monkeypatch.setenv("VERMILION_PKCS11_MODULE", str(hall.place / "no-module"))
    before = {path: path.stat().st_mtime_ns for path in hall.place.rglob("*")}
    for file in ("establish.toml", "delegate.toml", "issuing.toml", "successor.toml"):
        plan = load_plan(hall.place / file)
        told = rehearse(plan, hall.settings, clock=hall.clock, random=os.urandom, cost=CHEAP)
        assert (told.operation, told.title) == (plan.operation, plan.title)
        assert told.certificates
    assert {path: path.stat().st_mtime_ns for path in hall.place.rglob("*")} == before
    assert not hall.settings.data.exists()


STEPS = ["split_secret", "establish", "_newest", "publish_root_crl", "publish_trust_list", "sign_transcript"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("after", [False, True])
def test_killed_at_any_step_and_begun_again_there_is_one_root_that_its_shares_open(
    hall: Hall, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    real: Callable[..., object] = getattr(ceremony, step)

    def dying(*arguments: object, **more: object) -> object:
        if after:
            real(*arguments, **more)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(ceremony, step, dying)
        with pytest.raises(KeyboardInterrupt):
            hall.hold("establish.toml")
    shares = sorted((hall.place / "shares").glob("*.txt"))
    has_key = any((hall.place / "root").glob("*.key"))
    attempts = 2
    if shares and not has_key:
        attempts = 3
        assert hall.refusal("establish.toml") == "shares_exist"
        for path in shares:
            path.unlink()
        shares = []
    made = hall.hold("establish.toml", *shares[1:])
    assert hall.keys()["root-ca"] == 1
    assert len(list((hall.place / "root").glob("*.key"))) == 1
    assert made.transcript.attempt == attempts
    hall.hold("delegate.toml", *sorted((hall.place / "shares").glob("*.txt"))[:2])


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('operation = "establish"', 'operation = "found"'),
        ("threshold = 2", "threshold = 1"),
        ("threshold = 2", "threshold = 4"),
        ("total = 3", "total = 99"),
        ("test = true", 'test = "yes"'),
        ("[shares]", "[sharez]"),
        ('role = "witness"', 'rolle = "witness"'),
        ('title = "', 'extra = 1\ntitle = "'),
        ('root = "云溪省电子印章根"\n', ""),
    ],
)
def test_a_file_is_read_strictly(hall: Hall, old: str, new: str) -> None:
    file = hall.place / "establish.toml"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    with pytest.raises(VermilionError):
        load_plan(file)
    assert not hall.settings.data.exists()


def test_one_person_alone_holds_no_ceremony(hall: Hall) -> None:
    file = hall.place / "delegate.toml"
    text = file.read_text()
    file.write_text(text[: text.rindex("[[present]]")])
    with pytest.raises(VermilionError, match="two people"):
        load_plan(file)
