"""docs/runbooks rehearsed: each page's commands as they stand, on services that are up, and what they bring about."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from keys.clock import system_clock
from registry.actor import Duty
from registry.agencies.tables import Person
from registry.database import Database
from registry.licences.tables import Edition
from registry.log.tables import Event
from registry.seals.tables import (
    Certificate,
    CertificateStatus,
    DataKey,
    Key,
    PublishedTrustList,
    RevocationList,
)
from registry.settings import Settings
from tests import warm
from tests.registry.licensed_ca import DER, PEM, licensed_ca
from tests.services.places import READY, FirstStart
from tests.services.road import BLOCK
from tests.services.running import ROOT, Place, command, environment, until

pytestmark = pytest.mark.timeout(900)  # whole services start in it, on a machine that may be busy

RUNBOOKS = ROOT / "docs" / "runbooks"
PRELUDE = """
admin() { vermilion "$@"; }
system() { VERMILION_KEY=$credentials/administrators/system_admin.json admin "$@"; }
security() { VERMILION_KEY=$credentials/administrators/security_admin.json admin "$@"; }
auditor() { VERMILION_KEY=$credentials/administrators/auditor.json admin "$@"; }
basis='印章管理办法(样本)'
fields() { # of every object whose state is active
  python3 -c 'import json, sys
for line in sys.stdin:
    one = json.loads(line)
    if one["state"] == "active": print(one[sys.argv[1]])' "$1"
}
field() { # of the first object
  python3 -c 'import json, sys; print(json.JSONDecoder().raw_decode(sys.stdin.read())[0][sys.argv[1]])' "$1"
}
"""


def play(place: Place, work: Path, script: str) -> None:
    """Run a script as the administrator, in `work`."""
    programs = work.parent / "bin"
    programs.mkdir(exist_ok=True)
    warm.program(programs)
    own = environment(**place.settings, credentials=place.data / "credentials", PYTHONPATH=ROOT)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", PRELUDE + script], env=own | {"PATH": f"{programs}:{own['PATH']}"},
        cwd=work, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def commands_of(page: str) -> str:
    return "\n".join(blocks_of(page))


def blocks_of(page: str) -> list[str]:
    return BLOCK.findall((RUNBOOKS / page).read_text(encoding="utf-8"))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """Where a page leaves what it makes."""
    path = tmp_path / "work"
    path.mkdir()
    return path


@pytest.fixture
def rehearse(place: Place, first_start: FirstStart, work: Path) -> Iterator[Any]:
    """Runs a page on the sample province; the folder where it left what it made."""
    for path in (place.data / "credentials").glob("*.json"):  # this copy serves at ports of its own
        path.write_text(path.read_text().replace(first_start.place.api, place.api))

    def run(page: str) -> Path:
        play(place, work, commands_of(page))
        return work

    with command("run", settings=place.settings) as service:
        service.said(READY)
        yield run


def read(place: Place, statement: Any) -> list[Any]:
    database = Database.open(Settings(data=place.data).url)
    with Session(database.read) as session:
        rows = list(session.execute(statement))
    database.dispose()
    return rows


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def shown_revoked(place: Place, serial: str) -> datetime | None:
    """When the first list was made that names the certificate as revoked for good."""
    lists = (
        select(RevocationList.der).where(RevocationList.der.is_not(None)).order_by(RevocationList.this_update)
    )
    for (der,) in read(place, lists):
        crl = x509.load_der_x509_crl(der)
        entry = crl.get_revoked_certificate_by_serial_number(int(serial, 16))
        if entry is None:
            continue
        reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
        if reason is not x509.ReasonFlags.certificate_hold:
            return crl.last_update_utc
    return None


def test_every_runbook_is_rehearsed_and_listed() -> None:
    pages = {path.name for path in RUNBOOKS.glob("*.md")} - {"README.md"}
    listed = set(re.findall(r"\]\(([a-z-]+\.md)\)", (RUNBOOKS / "README.md").read_text()))
    source = Path(__file__).read_text()
    assert pages == listed
    assert all(f'("{page}")' in source for page in pages)


def test_a_seal_is_lost(place: Place, rehearse: Any) -> None:
    made = rehearse("seal-key.md")
    stopped = json.loads((made / "stopped.json").read_text())
    assert (stopped["state"], stopped["shown_in"]["ocsp"]) == ("suspended", "live")
    cancelled = json.loads((made / "cancelled.json").read_text())
    assert cancelled["seal_state"] == "cancelled"
    seal = select(Certificate.state, Certificate.reason).where(Certificate.profile == "seal")
    assert [row for row in read(place, seal) if row[0] != "good"] == [("revoked", "keyCompromise")]
    ((serial, changed),) = read(
        place,
        select(CertificateStatus.serial, func.max(CertificateStatus.from_at))
        .join(Certificate, Certificate.serial == CertificateStatus.serial)
        .where(Certificate.profile == "seal", Certificate.state == "revoked")
        .group_by(CertificateStatus.serial),
    )
    until(lambda: shown_revoked(place, serial) is not None, "the CRL that the service makes by itself")
    shown = shown_revoked(place, serial)
    assert shown is not None
    assert shown - changed <= timedelta(seconds=60)
    assert lines(made / "impact.jsonl")
    assert len((made / "uses.csv").read_text().splitlines()) >= 2


def test_a_key_of_qr_codes_leaks(place: Place, rehearse: Any) -> None:
    made = rehearse("qr-key.md")
    states = [row["state"] for row in lines(made / "keys.jsonl")]
    assert states[0] == "compromised"
    assert states[-1] == "active"


@pytest.mark.parametrize(
    "page", [("time-stamp-key.md"), ("ocsp-key.md"), ("status-list-key.md"), ("receipt-key.md")]
)
def test_a_key_of_the_registry_leaks(place: Place, rehearse: Any, page: str) -> None:
    made = rehearse(page)
    old, new = lines(made / "keys.jsonl")
    assert (old["state"], old["certificate_state"], new["state"]) == ("compromised", "revoked", "active")
    assert read(place, select(Key.state).where(Key.id == new["id"])) == [("active",)]


@pytest.mark.usefixtures("rehearse")  # the services are up
def test_a_seal_has_a_certificate_of_a_licensed_ca(place: Place, work: Path) -> None:
    """The CA answers between the second block and the third; the running API asks it for the status."""
    blocks = blocks_of("outside-ca.md")
    with licensed_ca(system_clock) as ca:
        (work / "ca.pem").write_bytes(ca.root.certificate.public_bytes(PEM))
        (work / "host.txt").write_text(ca.host)
        play(place, work, "\n".join(blocks[:2]))
        csr = x509.load_pem_x509_csr((work / "request.pem").read_bytes())
        (work / "seal.pem").write_bytes(ca.certify(csr.public_bytes(DER)))  # DER does as well
        (work / "between.pem").write_bytes(ca.below.certificate.public_bytes(PEM))
        play(place, work, "\n".join(blocks[2:]))
        assert "POST /ocsp" in ca.asked
    assert json.loads((work / "activated.json").read_text())["state"] == "active"
    stopped = json.loads((work / "stopped.json").read_text())
    assert (stopped["state"], stopped["shown_in"]["ocsp"]) == ("suspended", "not_applicable")
    shown = json.loads((work / "seal.json").read_text())["editions"][0]["outside"]
    assert (shown["authority"], shown["status"]) == ("Provincial licensed CA", "good")
    assert json.loads((work / "cancelled.json").read_text())["seal_state"] == "cancelled"
    assert "totals" in lines(work / "impact.jsonl")[0]
    outside = select(Certificate.state, Key.state).join(Key, Key.id == Certificate.key_id)
    assert read(place, outside.where(Certificate.issuer_key_id.is_(None))) == [("good", "retired")]


def test_a_credential_is_lost_and_found(place: Place, rehearse: Any) -> None:
    rehearse("credential.md")
    assert read(place, select(Edition.status))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root recovers from a lock-out")
def test_an_administrator_s_key_is_lost(place: Place, rehearse: Any) -> None:
    made = rehearse("administrators.md")
    held = dict.fromkeys(Duty, 0)
    for duty, active in read(place, select(Person.duty, Person.active).where(Person.duty.is_not(None))):
        held[Duty(duty)] += active
    assert held == dict.fromkeys(Duty, 1)
    for name in ("done", "recovery"):  # what is younger than a minute waits for a later export
        *exported, trailer = lines(made / f"{name}.jsonl")
        assert trailer["trailer"]["lines"] == len(exported)
    appointed = json.loads((made / "recovered.json").read_text())
    events = select(Event.person_id, Event.subject).where(Event.kind == "administrator.recovered")
    assert [tuple(row) for row in read(place, events)] == [(None, appointed["security_admin"])]


def found(place: Place, work: Path) -> None:
    """A registry that a ceremony founded: the root's directory and its shares are there for the occasion."""
    for path in (ROOT / "deploy" / "ceremony").glob("*.toml"):
        shutil.copy(path, work)
    play(place, work, "admin ceremony establish.toml --transcript establish.jws")
    for name, number in (("a", 1), ("b", 3)):
        shutil.copy(work / "shares" / f"share-{number}-of-3.txt", work / f"share-{name}.txt")


def test_the_key_of_the_issuing_ca_leaks(empty_place: Place, work: Path) -> None:
    found(empty_place, work)
    with command("run", settings=empty_place.settings) as service:
        service.said(READY)
        play(empty_place, work, commands_of("issuing-ca.md"))
        licence = empty_place.data / "sample" / "licence.pdf"
        play(empty_place, work, f"admin verify {licence} --service {empty_place.public} | tee verdict")
        assert "valid" in (work / "verdict").read_text().lower()
    keys = lines(work / "keys.jsonl")
    ended, serving = [one for one in keys if one["purpose"] == "issuing-ca"]
    assert (ended["state"], ended["certificate_state"], serving["state"]) == (
        "compromised",
        "revoked",
        "active",
    )
    assert "cACompromise" in (work / "held.txt").read_text()
    old, new = [one for one in keys if one["purpose"] == "tsa"]
    assert (old["state"], new["state"]) == ("retired", "active")
    issuer = read(
        empty_place,
        select(Certificate.issuer_key_id).where(Certificate.key_id == new["id"]),
    )
    assert issuer == [(serving["id"],)], "what is certified now is certified by the new one"


def offline(place: Place, work: Path, list_of: str, pin: str) -> str:
    """What a relying party without the registry hears of the sample licence, by the list at hand and a pin."""
    licence = place.data / "sample" / "licence.pdf"
    script = f"vermilion verify {licence} --trust {list_of} --root-sha256 {pin} > verdict 2>&1 || test $? = 2"
    play(place, work, script)
    return (work / "verdict").read_text()


def fetched(place: Place, work: Path, name: str) -> str:
    with urllib.request.urlopen(f"{place.api}/.well-known/elicence/trust-list", timeout=30) as answer:
        (work / name).write_bytes(answer.read())
    return name


@pytest.mark.parametrize("state", ["compromised", "retired"])
def test_the_root_is_replaced(empty_place: Place, work: Path, state: str) -> None:
    """The page's first part, and its part for a root that is only old; a pinned relying party looks on."""
    leaked, below, old_age = blocks_of("root-key.md")
    found(empty_place, work)
    play(empty_place, work, "vermilion ceremony establish.jws --verify | sed -n 's/^root SHA-256 *//p' > old")
    old = (work / "old").read_text().strip()
    with command("run", settings=empty_place.settings) as service:
        service.said(READY)
        before = fetched(empty_place, work, "before.jws")
        assert "genuine_offline" in offline(empty_place, work, before, old)
        play(empty_place, work, leaked + below if state == "compromised" else old_age)
        new = (work / "fingerprint").read_text().strip()
        assert len(new) == 64
        assert new != old
        service_list = fetched(empty_place, work, "after.jws")
        refused = offline(empty_place, work, service_list, old)
        assert refused.startswith("vermilion: after.jws: the trust list is another root's")
        assert "cannot_check" in refused
        assert "genuine_offline" in offline(empty_place, work, service_list, new)
        licence = empty_place.data / "sample" / "licence.pdf"
        play(empty_place, work, f"admin verify {licence} --service {empty_place.public} > verdict")
        assert (work / "verdict").read_text().startswith("valid")
    keys = lines(work / "keys.jsonl")
    assert [one["state"] for one in keys if one["purpose"] == "root-ca"] == [state, "active"]
    (_former, issuing) = [one for one in keys if one["purpose"] == "issuing-ca"]
    *_old, tsa = [one for one in keys if one["purpose"] == "tsa"]
    assert tsa["state"] == "active"
    by = select(Certificate.issuer_key_id).where(Certificate.key_id == tsa["id"])
    assert read(empty_place, by) == [(issuing["id"],)], "time is stamped under the new root"
    if state == "retired":
        assert f"root SHA-256  {new}" in (work / "followed.txt").read_text()


def test_the_passphrase_leaks(place: Place, rehearse: Any) -> None:
    made = rehearse("passphrase.md")
    copied = made / "keys.new"
    old = place.data / "keys"
    names = {path.name for path in old.iterdir()}
    assert {path.name for path in copied.iterdir()} == names
    assert (copied / "passphrase").read_bytes() != (old / "passphrase").read_bytes()
    assert (made / "copied").read_text() == f"{len(names) - 1} keys\n"
    old.rename(place.data / "keys.old")
    copied.rename(old)
    play(place, made, "admin fsck && admin backup after.vermilion")


def test_an_algorithm_is_retired(place: Place, rehearse: Any) -> None:
    made = rehearse("algorithm.md")
    keys = lines(made / "keys.jsonl")
    for purpose in ("tsa", "ocsp"):
        states = sorted(one["state"] for one in keys if one["purpose"] == purpose)
        assert states == ["active", "retired"]


def test_the_key_of_the_trust_list_leaks(empty_place: Place, work: Path) -> None:
    found(empty_place, work)
    with command("run", settings=empty_place.settings) as service:
        service.said(READY)
        play(empty_place, work, commands_of("trust-list-key.md"))
    old, new = lines(work / "keys.jsonl")
    assert (old["state"], old["certificate_state"], new["state"]) == ("compromised", "revoked", "active")
    (newest, *_) = read(
        empty_place, select(PublishedTrustList.jws).order_by(PublishedTrustList.sequence.desc())
    )
    header = json.loads(base64.urlsafe_b64decode(newest.jws.partition(".")[0] + "=="))
    signer = select(Key.id).join(Certificate, Certificate.key_id == Key.id)
    der = base64.b64decode(header["x5c"][0])
    assert read(empty_place, signer.where(Certificate.der == der)) == [(new["id"],)]


def test_the_wrapping_key_leaks(place: Place, rehearse: Any) -> None:
    before = {key_id for (key_id,) in read(place, select(DataKey.wrapping_key_id))}
    made = rehearse("wrapping-key.md")
    new = (made / "wrapping-key").read_text().strip()
    assert {key_id for (key_id,) in read(place, select(DataKey.wrapping_key_id))} == {new}
    assert new not in before
    told = json.loads((made / "backup.json").read_text())
    kept = list((place.data / "documents").glob("*/*.enc"))  # documents, and the parts that they share
    assert told["documents"] == len(kept) > len(read(place, select(Edition)))
    assert new.encode() in (made / "after.vermilion").read_bytes().partition(b"\n")[0]
