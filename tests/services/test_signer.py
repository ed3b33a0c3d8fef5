"""`vermilion signer`: keys that no other process can open, asked for by another user over a socket.

The registry is real, on both databases; on PostgreSQL the signer has its own role there. What the API's user
does is done by a child of the test that has become that user.
"""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url, select, text
from sqlalchemy.orm import Session

from keys.clock import system_clock
from keys.custodian import PURPOSE_KINDS, Custodian, KeyRef, Kind, Purpose, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.remote import RemoteCustodian
from keys.suite import SUITES, verifies
from registry.composition import open_ports
from registry.database import Database
from registry.licences.document_stamps import stamp_due
from registry.licences.status_lists import publish_due as publish_status_lists
from registry.licences.tables import Intent
from registry.seals.authority import issuing_authority, root_authority
from registry.seals.tables import KeyUse
from registry.seals.use import seal_material
from registry.settings import Settings
from registry.signer import entitlements
from signing import cms
from signing.document import SealMaterial
from tests.keys.custodians import softhsm_module
from tests.postgres import find_binaries
from tests.registry.issuing import Died, issue_one
from tests.registry.world import BASIS, World, copy_world, prepare_template
from tests.services.running import ROOT, Command, Place, command, environment, passable_folder, until
from tests.signing.sealing import NoStamps
from tests.tools import need

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
NOW = "at the time of day"  # the template whose clock is everybody's: the signer has no other
API_USER, STRANGER = "nobody", "daemon"
TOKEN_PIN = "a PIN of the registry's"
CALLERS = f"{API_USER}=seal,qr,tsa,issuing-ca,trust-list,status-list,wrapping;root=*,generate"


@dataclass(frozen=True)
class Served:
    """A registry whose keys a running signer holds."""

    world: World
    socket: Path
    signer: Command
    data: Path  # the signer's
    settings: dict[str, Any]  # the signer's
    asking: RemoteCustodian  # by whoever calls it: after a fork it connects anew

    def uses(self, record: str) -> list[KeyUse]:
        with Session(self.world.ports.database.read) as session:
            return list(session.scalars(select(KeyUse).where(KeyUse.record == record)))


def signer_settings(data: Path, url: str, socket: Path) -> dict[str, Any]:
    return {
        "VERMILION_DATA": data, "VERMILION_DATABASE_URL": url, "VERMILION_SIGNER_SOCKET": socket,
        "VERMILION_SIGNER_CALLERS": CALLERS,
    }  # fmt: skip


def prepare_now(url: str) -> None:
    prepare_template(url, NOW, clock=system_clock)


@pytest.fixture
def served(new_database: Callable[..., str]) -> Iterator[Served]:
    with ExitStack() as stack:
        folder = stack.enter_context(passable_folder())
        url = new_database(prepare_now)
        world = copy_world(folder, url, system_clock, NOW)
        stack.callback(world.close)
        own = url
        if url.startswith("postgresql"):
            own = stack.enter_context(_own_role(url))
        socket = folder / "signer" / "socket"
        settings = signer_settings(folder / "var", own, socket)
        running = stack.enter_context(command("signer", settings=settings))
        until(lambda: socket.exists() or running.process.poll() is not None, "the signer")
        assert running.process.poll() is None, running.err
        asking = RemoteCustodian(socket)
        stack.callback(asking.close)
        yield Served(world, socket, running, folder / "var", settings, asking)


class _own_role:  # noqa: N801
    """The signer's role in a database that is there already, as roles.sh and grants.sql make it."""

    def __init__(self, url: str) -> None:
        self._url = make_url(url)

    def _psql(self, *arguments: str) -> None:
        binaries = find_binaries()
        assert binaries
        subprocess.run(
            ["psql", "--no-psqlrc", "--quiet", "--set", "ON_ERROR_STOP=1", "--username=postgres",
             f"--dbname={self._url.database}", *arguments],
            check=True, capture_output=True,
            env={"PATH": f"{binaries}:{os.environ['PATH']}", "PGHOST": str(self._url.query["host"])},
        )  # fmt: skip

    def __enter__(self) -> str:
        self._psql("--command", "CREATE ROLE vermilion_public", "--command", "CREATE ROLE vermilion_auditor",
                   "--command", "CREATE ROLE vermilion_authority",
                   "--command", "CREATE ROLE vermilion_signer LOGIN",
                   "--command", "GRANT USAGE ON SCHEMA public TO vermilion_signer",
                   "--file", str(ROOT / "deploy" / "postgres" / "grants.sql"))  # fmt: skip
        return self._url.set(username="vermilion_signer").render_as_string(hide_password=False)

    def __exit__(self, *_: object) -> None:
        for role in ("vermilion_signer", "vermilion_public", "vermilion_authority", "vermilion_auditor"):
            self._psql("--command", f"DROP OWNED BY {role}", "--command", f"DROP ROLE {role}")


def as_user(name: str, act: Callable[[], Any]) -> Any:
    """What `act` returns in a child that has become the user: JSON, through a pipe."""
    user = pwd.getpwnam(name)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(user.pw_gid, user.pw_gid, user.pw_gid)
            os.setresuid(user.pw_uid, user.pw_uid, user.pw_uid)
            os.write(writing, json.dumps(act()).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return json.loads(said)


@dataclass(frozen=True)
class DiesSigning:
    """The custodian of a process that dies before its first signature, having said what it would ask."""

    inner: Custodian
    asked: list[tuple[KeyRef, SignRequest]]

    def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        self.asked.extend((ref, request) for request in requests)
        raise Died

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@dataclass(frozen=True)
class Open:
    """An intent within its lease, whose keys have signed nothing yet."""

    record: str
    seal: SealMaterial
    qr: KeyRef
    credential: SignRequest

    def attributes(self, seed: bytes = b"a document") -> SignRequest:
        suite = SUITES[self.seal.key.suite]
        signed = cms.signed_attributes(sha256(seed).digest(), self.seal.certificate, suite)
        return SignRequest(Kind.SIGNED_ATTRIBUTES, signed, self.record)


def open_intent(world: World) -> Open:
    asked: list[tuple[KeyRef, SignRequest]] = []
    dying: Any = DiesSigning(world.ports.custodian, asked)
    with pytest.raises(Died):
        issue_one(world, ports=replace(world.ports, custodian=dying))
    ((qr, credential),) = asked
    with Session(world.ports.database.read) as session:
        intent = session.get_one(Intent, credential.record.removeprefix("intent:"))
        material = seal_material(session, intent.seal_edition_id)
    return Open(credential.record, material, qr, credential)


def answer_to(custodian: Custodian, ref: KeyRef, *requests: SignRequest) -> list[str]:
    """The signatures in hex; or kind and reason of the refusal."""
    try:
        return [signature.hex() for signature in custodian.sign(ref, requests)]
    except VermilionError as error:
        return [error.kind.value, error.reason]


@root_only
def test_the_api_s_user_opens_no_key_and_has_its_intent_s_seal_signed(served: Served) -> None:
    intent = open_intent(served.world)
    files = sorted(path for path in (served.data / "keys").iterdir() if path.is_file())
    assert {path.suffix for path in files} == {".key", ".wrapping", ""}, "key files, passphrase"
    memory = Path(f"/proc/{served.signer.process.pid}/mem")

    def act() -> Any:
        def opens(path: Path) -> bool:
            try:
                path.open("rb").close()
            except PermissionError:
                return False
            return True

        return [
            [str(path) for path in (*files, memory) if opens(path)],
            answer_to(served.asking, intent.seal.key, intent.attributes()),
            answer_to(served.asking, intent.qr, intent.credential),
            opens(Path("/etc/passwd")),
        ]

    opened, sealed, credential, _ = as_user(API_USER, act)
    assert opened == []
    assert _ is True, "it can open a file at all"
    for ref, request, (signature,) in (
        (intent.seal.key, intent.attributes(), sealed), (intent.qr, intent.credential, credential),
    ):  # fmt: skip
        public = served.world.ports.custodian.public_key(ref)
        assert verifies(public, SUITES[ref.suite], bytes.fromhex(signature), request.data)
        (use,) = [use for use in served.uses(intent.record) if use.key_id == ref.id]
        assert use.digest == sha256(request.data).digest()
        assert use.signed is True
        assert use.ended_at is not None
        assert use.begun_at <= use.ended_at


@root_only
def test_a_user_who_is_not_on_the_list_is_refused_and_logged(served: Served) -> None:
    intent = open_intent(served.world)
    said = as_user(STRANGER, lambda: answer_to(served.asking, intent.seal.key, intent.attributes()))
    assert said == [ErrorKind.KEY_REFUSED.value, "caller"]
    assert served.uses(intent.record) == []
    served.signer.noted("signer_refused")
    (line,) = [line for line in served.signer.err.splitlines() if "signer_refused" in line]
    assert (json.loads(line)["uid"], json.loads(line)["reason"]) == (pwd.getpwnam(STRANGER).pw_uid, "caller")


@root_only
def test_the_signer_itself_refuses_what_the_registry_has_not_announced(served: Served) -> None:
    """Whoever has taken over the API's process gets nothing else from it."""
    world, intent = served.world, open_intent(served.world)
    with Session(world.ports.database.read) as session:
        ca, root = issuing_authority(session), root_authority(session)
    assert root.certificate is not None
    tbs = _tbs(root.certificate)
    another_link = replace(
        intent.credential, data=intent.credential.data.replace(b"|localhost", b"|localhosu")
    )
    assert another_link.data != intent.credential.data
    as_qr, as_seal = replace(intent.seal.key, purpose=Purpose.QR), replace(intent.qr, purpose=Purpose.SEAL)

    def act() -> Any:
        asking = served.asking
        return [
            answer_to(
                asking, intent.seal.key, replace(intent.attributes(), data=sha256(b"any digest").digest())
            ),
            answer_to(asking, intent.seal.key, replace(intent.attributes(), record=f"intent:{'f' * 32}")),
            answer_to(asking, intent.seal.key, replace(intent.attributes(), record="trust-list:1")),
            answer_to(asking, as_qr, intent.credential),
            answer_to(asking, as_seal, intent.attributes()),
            answer_to(asking, intent.qr, another_link),
            answer_to(asking, ca.key, SignRequest(Kind.CERTIFICATE, tbs, "certificate:1")),
            answer_to(asking, root.key, SignRequest(Kind.CERTIFICATE, tbs, "certificate:1")),
            _generated(asking),
        ]

    refused = as_user(API_USER, act)
    assert {kind for kind, _ in refused} == {ErrorKind.KEY_REFUSED.value}
    assert [reason for _, reason in refused] == [
        "not_to_be_signed", "intent", "record", "purpose", "purpose", "credential", "serial", "caller", "caller",
    ]  # fmt: skip
    assert served.uses(intent.record) == []
    # What is announced is signed still; and once.
    (signature,) = served.asking.sign(intent.qr, [intent.credential])
    assert signature
    assert answer_to(served.asking, intent.qr, intent.credential) == ["key-use-refused", "record_used"]


def _tbs(certificate: bytes) -> bytes:
    from asn1crypto import x509

    return bytes(x509.Certificate.load(certificate)["tbs_certificate"].dump())


def _generated(custodian: Custodian) -> list[str]:
    try:
        return [custodian.generate(Purpose.SEAL, "p256-sha256").id, ""]
    except VermilionError as error:
        return [error.kind.value, error.reason]


@root_only
def test_a_suspended_seal_is_refused_by_the_signer(served: Served) -> None:
    intent = open_intent(served.world)
    served.world.act("keeper", f"/api/v1/seals/{served.world.seal_code}/suspension", BASIS)
    said = as_user(API_USER, lambda: answer_to(served.asking, intent.seal.key, intent.attributes()))
    assert said == [ErrorKind.KEY_REFUSED.value, "seal_not_active"]
    assert served.uses(intent.record) == []


STALL = """
CREATE FUNCTION stall() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NEW; END $$;
CREATE TRIGGER stall BEFORE UPDATE ON key_use FOR EACH ROW EXECUTE FUNCTION stall();
"""
STALLED = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'UPDATE key_use%'"
)


def stalled(session: Session) -> int:
    """How many updates wait now: a transaction keeps its first view of the activity unless it is cleared."""
    session.execute(text("SELECT pg_stat_clear_snapshot()"))
    return int(session.scalar(text(STALLED)) or 0)


@pytest.mark.parametrize("database_backend", ["postgresql"])
def test_a_signer_killed_between_signature_and_answer_never_signs_that_record_again(served: Served) -> None:
    """The database holds it up where it writes the end of a use down: it has signed, and cannot say so."""
    intent = open_intent(served.world)
    said: list[list[str]] = []

    def ask() -> None:
        said.append(answer_to(served.asking, intent.seal.key, intent.attributes()))

    asking = threading.Thread(target=ask)
    database = Database.open(served.world.ports.settings.url)
    with database.transaction() as session:
        session.execute(text(STALL))
    with database.transaction() as session:
        session.execute(text("SELECT pg_advisory_xact_lock(42)"))
        asking.start()
        (use,) = until(lambda: served.uses(intent.record), "the use begun")
        assert (use.ended_at, use.signed) == (None, None), "on record before there is a signature"
        until(lambda: stalled(session), "the end of the use held up")
        served.signer.process.kill()
        asking.join()
    assert said == [[ErrorKind.UNAVAILABLE.value, "signer"]]
    with database.transaction() as session:
        session.execute(text("DROP TRIGGER stall ON key_use"))
    database.dispose()
    with command("signer", settings=served.settings) as again:
        again.noted("signer_ready")
        repeated = answer_to(served.asking, intent.seal.key, intent.attributes())
        assert repeated == [ErrorKind.KEY_REFUSED.value, "record_used"]
        assert len(answer_to(served.asking, intent.qr, intent.credential)) == 1, "other keys serve on"
        assert again.stop() == 0


def test_the_registry_issues_without_passphrase_or_key_directory(served: Served, tmp_path: Path) -> None:
    """Composed from settings that name the signer alone: certificates, trust list, seal, QR code, tokens, status lists."""
    own = served.world.ports.settings
    settings = Settings(
        data=tmp_path / "api", database_url=own.url, signer_socket=served.socket, demo=True,
        passphrase_file=tmp_path / "nowhere",
    )  # fmt: skip
    settings.data.mkdir()
    (settings.data / "fonts").symlink_to(own.data / "fonts")
    ports = open_ports(settings)
    assert isinstance(ports.custodian, RemoteCustodian)
    assert served.socket.parent.stat().st_mode & 0o777 == 0o711
    assert served.socket.stat().st_mode & 0o777 == 0o666
    issued = issue_one(served.world, ports=ports)
    assert issued.level == "B-LT"
    bare = issue_one(served.world, ports=replace(ports, timestamper=NoStamps()))
    assert stamp_due(ports).stamped == [bare.edition_id]
    assert publish_status_lists(ports) == 2
    ports.database.dispose()
    ports.custodian.close()
    assert not settings.keys_directory.exists()
    assert served.signer.stop() == 0
    assert not served.socket.exists()
    assert "signer_ended" in served.signer.err


@pytest.mark.parametrize("database_backend", ["postgresql"])
def test_a_database_that_is_out_is_told_as_such(served: Served) -> None:
    intent = open_intent(served.world)
    url = served.world.ports.settings.url
    database = Database.open(url)
    with database.transaction() as session:
        session.execute(text("ALTER TABLE intent RENAME TO intent_away"))
    said = answer_to(served.asking, intent.seal.key, intent.attributes())
    with database.transaction() as session:
        session.execute(text("ALTER TABLE intent_away RENAME TO intent"))
    database.dispose()
    assert said == [ErrorKind.UNAVAILABLE.value, "database"]
    assert answer_to(served.asking, intent.seal.key, intent.attributes())[0] != "unavailable"


def token_settings(folder: Path) -> dict[str, Any]:
    """Settings of a signer whose keys are on a token of SoftHSM2's in the folder."""
    module = softhsm_module()
    (folder / "tokens").mkdir()
    configuration, pin = folder / "softhsm2.conf", folder / "pin"
    configuration.write_text(f"directories.tokendir = {folder}/tokens\nlog.level = ERROR\n")
    subprocess.run(
        [need("softhsm2-util"), "--init-token", "--free", "--label", "registry", "--pin", TOKEN_PIN,
         "--so-pin", "an SO PIN for tests"],
        check=True, capture_output=True, env=environment(SOFTHSM2_CONF=configuration),
    )  # fmt: skip
    pin.write_text(f"{TOKEN_PIN}\n")
    pin.chmod(0o600)
    return {
        "SOFTHSM2_CONF": configuration, "VERMILION_PKCS11_MODULE": module, "VERMILION_PKCS11_TOKEN": "registry",
        "VERMILION_PKCS11_PIN_FILE": pin,
    }  # fmt: skip


@pytest.mark.parametrize("held_in", ["files", "a token"])
def test_a_first_start_has_its_keys_made_by_the_signer(held_in: str) -> None:
    """`serve-api` on an empty database, its keys in another directory than its own, or in none."""
    with passable_folder() as folder, ExitStack() as stack:
        place = Place(folder / "api")
        url, socket = f"sqlite:///{folder}/registry.db", folder / "signer" / "socket"
        keys = signer_settings(folder / "keys-of-the-signer", url, socket)
        if held_in == "a token":
            keys |= token_settings(folder)
        api = place.settings | {"VERMILION_DATABASE_URL": url, "VERMILION_SIGNER_SOCKET": socket}
        signer = stack.enter_context(command("signer", settings=keys))
        until(socket.exists, "the signer")
        serving = stack.enter_context(command("serve-api", settings=api))
        until(
            lambda: place.answers(place.api_port, "/readyz") or serving.process.poll() is not None, "the API"
        )
        assert serving.process.poll() is None, serving.err
        assert serving.stop() == 0
        files = list(folder.rglob("*.key"))
        roots = [path for path in files if path.parent == place.data / "root"]
        assert len(roots) == 1, "the first start makes the root in its own process, apart from the others"
        assert {path.parent for path in files} - {place.data / "root"} <= {
            folder / "keys-of-the-signer" / "keys"
        }
        made = len(files) - len(roots)
        assert made == (6 if held_in == "files" else 0), (
            "issuing CA, trust list, OCSP, time-stamps, status lists, receipts"
        )
        assert not (place.data / "keys").exists()
        with command("signer", settings=keys) as second:
            assert second.ended() == 1
            assert "another signer serves this socket" in second.err
        assert TOKEN_PIN not in signer.err + serving.err
        assert signer.stop() == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"VERMILION_SIGNER_SOCKET": ""}, "VERMILION_SIGNER_SOCKET is not set"),
        ({"VERMILION_SIGNER_CALLERS": ""}, "VERMILION_SIGNER_CALLERS names nobody who may ask"),
        ({"VERMILION_SIGNER_CALLERS": "no-such-user=seal"}, "there is no user 'no-such-user' on this machine"),
        ({"VERMILION_SIGNER_CALLERS": "0=stamps"}, "'stamps' names no purpose, or no kind of bytes"),
        ({"VERMILION_PKCS11_MODULE": "/lib/x.so"}, "needs VERMILION_PKCS11_TOKEN and VERMILION_PKCS11_PIN_FILE"),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together_are_named(change: dict[str, str], said: str) -> None:
    with passable_folder() as folder:
        settings = signer_settings(folder / "var", f"sqlite:///{folder}/registry.db", folder / "s" / "socket")
        with command("signer", settings=settings | change) as signer:
            assert signer.ended() == 1
            assert said in signer.err
            assert "Traceback" not in signer.err


def test_a_socket_where_others_could_put_theirs_is_not_served() -> None:
    with passable_folder() as folder:
        (folder / "open").mkdir()
        (folder / "open").chmod(0o777)
        settings = signer_settings(folder / "var", f"sqlite:///{folder}/r.db", folder / "open" / "socket")
        with command("signer", settings=settings) as signer:
            assert signer.ended() == 1
            assert "give its socket a directory of its own" in signer.err


def test_callers_are_read_strictly() -> None:
    found = entitlements("0=seal,qr:sig-structure,generate; 7=*")
    seal = {(Purpose.SEAL, kind) for kind in PURPOSE_KINDS[Purpose.SEAL]}
    assert found[0].uses == seal | {(Purpose.QR, Kind.SIG_STRUCTURE)}
    assert found[0].generates == {Purpose.SEAL, Purpose.QR}
    assert (found[0].wraps, found[7].wraps, found[7].makes_wrapping_keys) == (False, True, False)
    (alone,) = entitlements("0=wrapping,generate").values()
    assert (alone.wraps, alone.makes_wrapping_keys, alone.uses) == (True, True, frozenset())
    assert found[7].generates == frozenset()
    assert {purpose for purpose, _ in found[7].uses} == {p for p in Purpose if PURPOSE_KINDS[p]}
    for wrong in ("0", "0=", "=seal", "0=seal;0=qr", "0=seal:sig-structure", "0=seal:", "-1=seal", "0=SEAL"):
        with pytest.raises(VermilionError) as caught:
            entitlements(wrong)
        assert caught.value.kind is ErrorKind.INVALID
