"""The PKCS#11 custodian's own promises, on SoftHSM2: keys that cannot leave the token, sessions that are lost."""

from __future__ import annotations

import ctypes
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from keys.custodian import KeyRef, Kind, Purpose, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.ledger import MemoryLedger
from keys.suite import P256, SUITES, verifies
from tests.authority import permit
from tests.keys.custodians import PIN, TOKEN, softhsm_module, token_module
from tests.keys.tbs_samples import seal_attributes

pkcs11 = pytest.importorskip("pkcs11", reason="python-pkcs11 is not installed (extra pkcs11)")
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass  # noqa: E402
from pkcs11.exceptions import AttributeSensitive, DeviceError, PKCS11Error, SessionClosed  # noqa: E402
from pkcs11.util.ec import encode_named_curve_parameters  # noqa: E402

import keys.pkcs11 as custodian_module  # noqa: E402
from keys.pkcs11 import _OF_PRIVATE, Pkcs11Custodian, _label, _module  # noqa: E402


class Bench:
    """A custodian on the tests' token, its ledger, and what its keeper was told."""

    def __init__(self, **options: Any) -> None:
        self.ledger = MemoryLedger()
        self.told: list[tuple[str, str]] = []
        self.custodian = Pkcs11Custodian(
            token_module(), TOKEN, PIN, policy=permit, ledger=self.ledger,
            on_unusable=lambda key_id, error: self.told.append((key_id, error.reason)), **options,
        )  # fmt: skip

    def seal_key(self) -> KeyRef:
        return self.custodian.generate(Purpose.SEAL, "p256-sha256")

    def signs(self, ref: KeyRef, record: str) -> bool:
        request = use(record)
        (signature,) = self.custodian.sign(ref, [request])
        public = self.custodian.public_key(ref)
        return verifies(public, P256, signature, request.data) and self.ledger.uses[ref.id, record] is True

    def refusal(self, ref: KeyRef, record: str = "intent:1") -> VermilionError:
        with pytest.raises(VermilionError) as caught:
            self.custodian.sign(ref, [use(record)])
        return caught.value


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.custodian.close()


def use(record: str) -> SignRequest:
    return SignRequest(Kind.SIGNED_ATTRIBUTES, seal_attributes(record.encode()), record)


def raw_session() -> Any:
    """A session of the same process, to look at the token and to meddle with it."""
    module = _module(token_module())
    module.initialise()
    session: Any = module.library.get_token(token_label=TOKEN).open(rw=True)
    module.log_in(session.handle, PIN)
    return session


def functions() -> Any:
    """C_CloseAllSessions and C_Logout, which python-pkcs11 keeps to itself; C_Finalize."""

    class List(ctypes.Structure):
        _fields_ = (("version", ctypes.c_ubyte * 2), ("functions", ctypes.c_void_p * 20))

    pointer = ctypes.POINTER(List)()
    assert ctypes.CDLL(token_module()).C_GetFunctionList(ctypes.byref(pointer)) == 0
    return pointer.contents.functions


def _call(index: int, *arguments: int) -> int:
    kind = ctypes.CFUNCTYPE(ctypes.c_ulong, *[ctypes.c_ulong] * len(arguments))
    return int(kind(functions()[index])(*arguments))


def close_all_sessions() -> None:
    slot = _module(token_module()).library.get_token(token_label=TOKEN).slot.slot_id
    assert _call(14, slot) == 0


def log_out() -> None:
    session = raw_session()
    assert _call(19, session.handle) == 0
    session.close()


def finalise() -> None:
    assert _call(1, 0) == 0


@pytest.mark.parametrize("suite", list(SUITES))
def test_a_private_key_is_made_on_the_token_and_cannot_leave_it(bench: Bench, suite: Any) -> None:
    ref = bench.custodian.generate(Purpose.SEAL, suite)
    session = raw_session()
    (private,) = session.get_objects(
        {Attribute.ID: bytes.fromhex(ref.id), Attribute.CLASS: ObjectClass.PRIVATE_KEY}
    )
    for attribute, value in _OF_PRIVATE.items():
        assert private[attribute] is value, attribute
    assert private[Attribute.LABEL] == f"vermilion:seal:{suite}"
    secret = Attribute.VALUE if suite.startswith("p") else Attribute.PRIVATE_EXPONENT
    with pytest.raises(AttributeSensitive):
        _ = private[secret]
    for name, wanted in (
        (Attribute.LABEL, "vermilion:root-ca:p256-sha256"),
        (Attribute.EXTRACTABLE, True),
    ):
        with pytest.raises(PKCS11Error):
            private[name] = wanted
    session.close()


def _pair(session: Any, ref: KeyRef, label: str = "", **changes: bool) -> None:
    """A pair as the custodian makes it, but for some attributes."""
    curve = {Attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(
        id=bytes.fromhex(ref.id), label=label or _label(ref), store=True,
        capabilities=MechanismFlag.SIGN | MechanismFlag.VERIFY,
        public_template=custodian_module._PUBLIC,
        private_template={
            **custodian_module._PRIVATE, **{Attribute[name.upper()]: value for name, value in changes.items()},
        },
    )  # fmt: skip


@pytest.mark.parametrize(
    "changes", [{"extractable": True}, {"sensitive": False}, {"modifiable": True}, {"derive": True}]
)
def test_a_key_that_could_leave_the_token_is_refused(bench: Bench, changes: dict[str, bool]) -> None:
    ref = KeyRef(os.urandom(16).hex(), Purpose.SEAL, "p256-sha256")
    session = raw_session()
    _pair(session, ref, "", **changes)
    error = bench.refusal(ref)
    assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "key_unusable")
    assert bench.told == [(ref.id, "key_attributes")]
    assert bench.ledger.uses == {}
    session.close()


def test_a_key_that_came_from_outside_is_refused(bench: Bench) -> None:
    """Whoever imported it may hold it still."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from pkcs11.util.ec import decode_ec_private_key, decode_ec_public_key

    own = ec.generate_private_key(ec.SECP256R1())
    ref = KeyRef(os.urandom(16).hex(), Purpose.SEAL, "p256-sha256")
    named = {Attribute.ID: bytes.fromhex(ref.id), Attribute.LABEL: _label(ref)}
    session = raw_session()
    pkcs8 = own.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    spki = own.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    session.create_object({**decode_ec_private_key(pkcs8), **named, **custodian_module._PRIVATE})
    session.create_object({**decode_ec_public_key(spki), **named, **custodian_module._PUBLIC})
    assert bench.refusal(ref).reason == "key_unusable"
    assert bench.told == [(ref.id, "key_attributes")]
    session.close()


def test_a_second_key_under_the_same_id_takes_neither_s_place(bench: Bench) -> None:
    ref = bench.seal_key()
    assert bench.signs(ref, "intent:1")
    session = raw_session()
    _pair(session, ref)
    other = Bench()
    assert other.refusal(ref).reason == "key_unusable"
    assert other.told == [(ref.id, "key_attributes")]
    other.custodian.close()
    session.close()


def test_a_key_of_another_label_is_another_purpose_s(bench: Bench) -> None:
    ref = KeyRef(os.urandom(16).hex(), Purpose.SEAL, "p256-sha256")
    session = raw_session()
    _pair(session, ref, "vermilion:qr:p256-sha256")
    assert bench.refusal(ref).kind is ErrorKind.KEY_REFUSED
    session.close()


LOSSES: dict[str, Callable[[], None]] = {
    "its sessions are closed": close_all_sessions,
    "its user is logged out": log_out,
    "the module is finalised": finalise,
}


@pytest.mark.parametrize("between", [True, False])
def test_a_token_that_comes_back_is_found_again(bench: Bench, between: bool) -> None:
    """SoftHSM2 gives a token up that it has missed, until it is initialised anew."""
    ref = bench.seal_key()
    assert bench.signs(ref, "intent:1")
    tokens = Path(os.environ["SOFTHSM2_CONF"]).parent / "tokens"
    away = tokens.rename(tokens.with_name("away"))
    tokens.mkdir()
    try:
        assert bench.refusal(ref, "intent:2").reason == "key_unusable"
        if between:
            with pytest.raises(VermilionError):
                bench.seal_key()
    finally:
        tokens.rmdir()
        away.rename(tokens)
    assert bench.signs(ref, "intent:2"), "the record was not used up"
    assert bench.signs(bench.seal_key(), "intent:1")


@pytest.mark.parametrize("loss", LOSSES)
def test_a_lost_session_is_survived(bench: Bench, loss: str) -> None:
    known, new = bench.seal_key(), bench.seal_key()
    assert bench.signs(known, "intent:1")
    LOSSES[loss]()
    assert bench.signs(known, "intent:2")
    LOSSES[loss]()
    assert bench.signs(new, "intent:1"), "a key that no session has found before"
    LOSSES[loss]()
    assert bench.signs(bench.seal_key(), "intent:1")
    assert bench.told == []


def _one_at_a_time(step: Callable[..., Any], lock: Any) -> Callable[..., Any]:
    def locked(*arguments: Any, **options: Any) -> Any:
        with lock:
            return step(*arguments, **options)

    return locked


@pytest.mark.parametrize("loss", ["its sessions are closed", "its user is logged out"])
def test_sessions_lost_under_threads_cost_no_record_its_one_signature(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    """Each use ends signed, by one right signature, or as an outage that left nothing. SoftHSM2 itself crashes
    where a session is closed under a call: sessions are lost between any two steps, and not within one.
    """
    ref, step = bench.seal_key(), threading.RLock()
    for owner, name in (
        (custodian_module, "_signature"), (custodian_module._Session, "key"), (Pkcs11Custodian, "_open"),
        (custodian_module._Session, "close"),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, _one_at_a_time(getattr(owner, name), step))
    outcomes: dict[str, bytes | None] = {}

    def work(worker: int) -> None:
        for number in range(30):
            record = f"intent:{worker}-{number}"
            try:
                (outcomes[record],) = bench.custodian.sign(ref, [use(record)])
            except VermilionError as error:
                assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "key_unusable")
                outcomes[record] = None

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        with _module(token_module()).in_use(), step:
            LOSSES[loss]()
        threads[0].join(0.005)
    for thread in threads:
        thread.join()
    public = bench.custodian.public_key(ref)
    assert len(outcomes) == 120
    for record, signature in outcomes.items():
        assert bench.ledger.uses.get((ref.id, record)) is (None if signature is None else True) or (
            signature is None and bench.ledger.uses[ref.id, record] is False
        )
        assert signature is None or verifies(public, P256, signature, use(record).data)
    assert any(outcomes.values())
    assert bench.signs(ref, "intent:after")


@pytest.mark.parametrize("answer", [DeviceError, SessionClosed, PKCS11Error])
def test_where_nobody_knows_whether_it_signed_it_is_not_asked_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, answer: type[Exception]
) -> None:
    ref = bench.seal_key()
    made = []
    right = custodian_module._signature

    def signs_and_fails(*arguments: Any) -> bytes:
        made.append(right(*arguments))
        raise answer

    monkeypatch.setattr(custodian_module, "_signature", signs_and_fails)
    assert bench.refusal(ref).reason == "key_unusable"
    assert len(made) == 1
    assert bench.ledger.uses[ref.id, "intent:1"] is False
    monkeypatch.undo()
    assert bench.refusal(ref).reason == "record_used"
    assert bench.signs(ref, "intent:2")


def test_a_batch_goes_on_where_its_session_was_lost(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ref = bench.seal_key()
    right, made = custodian_module._signature, list[bytes]()

    def counted(key: Any, suite: Any, message: bytes) -> bytes:
        if len(made) == 2:
            made.append(b"")
            close_all_sessions()
        made.append(right(key, suite, message))
        return made[-1]

    monkeypatch.setattr(custodian_module, "_signature", counted)
    requests = [use(f"intent:{number}") for number in range(5)]
    signatures = bench.custodian.sign(ref, requests)
    assert [one for one in made if one] == signatures, "none was made twice"
    for request, signature in zip(requests, signatures, strict=True):
        assert verifies(bench.custodian.public_key(ref), P256, signature, request.data)


def test_a_forked_child_has_no_token_and_its_death_harms_nobody(bench: Bench) -> None:
    ref = bench.seal_key()
    assert bench.signs(ref, "intent:1")
    child = os.fork()
    if child == 0:
        try:
            bench.custodian.sign(ref, [use("intent:2")])
        except VermilionError as error:
            if error.reason == "key_unusable":
                os.kill(os.getpid(), signal.SIGKILL)
        os._exit(3)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert bench.signs(ref, "intent:2")


def test_many_threads_share_few_sessions() -> None:
    bench = Bench(pool_size=2)
    ref = bench.seal_key()
    failures = []

    def work(worker: int) -> None:
        try:
            assert all(bench.signs(ref, f"intent:{worker}-{number}") for number in range(10))
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(bench.custodian._idle) <= 2
    bench.custodian.close()


def test_nothing_prints_the_pin(bench: Bench) -> None:
    assert PIN.decode() not in repr(bench.custodian) + str(vars(bench.custodian)["_module"])
    with pytest.raises(TypeError):
        pickle.dumps(bench.custodian)


def test_a_module_or_token_that_is_not_there_is_an_outage(tmp_path: Path) -> None:
    with pytest.raises(VermilionError) as caught:
        Pkcs11Custodian(str(tmp_path / "no.so"), TOKEN, PIN, policy=permit, ledger=MemoryLedger())
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "pkcs11_module")
    elsewhere = Pkcs11Custodian(token_module(), "no such token", PIN, policy=permit, ledger=MemoryLedger())
    with pytest.raises(VermilionError) as caught:
        elsewhere.generate(Purpose.SEAL, "p256-sha256")
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "key_unusable")


def test_a_wrong_pin_is_tried_once_and_the_token_not_locked(tmp_path: Path) -> None:
    """In processes of their own: the login is the process's, and so is the module's view of the tokens."""
    module = softhsm_module()
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        from keys.custodian import KeyRef, Purpose
        from keys.errors import VermilionError
        from keys.ledger import MemoryLedger
        from keys.pkcs11 import Pkcs11Custodian
        from tests.authority import permit
        module, pin, reference = sys.argv[1:]
        told = []
        held = Pkcs11Custodian(
            module, "own", pin.encode(), policy=permit, ledger=MemoryLedger(),
            on_unusable=lambda key_id, error: told.append(error.reason),
        )
        if reference:
            ref = KeyRef(reference, Purpose.SEAL, "p256-sha256")
        for _ in range(50):
            try:
                if not reference:
                    ref = held.generate(Purpose.SEAL, "p256-sha256")
                    print(ref.id)
                    break
                held.public_key(ref)
                print("usable")
                break
            except VermilionError as error:
                assert error.reason == "key_unusable"
        print(sorted(set(told)))
        """
    )
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(f"directories.tokendir = {tmp_path}/tokens\nlog.level = ERROR\n")
    environment = {**os.environ, "SOFTHSM2_CONF": str(configuration)}
    subprocess.run(
        ["softhsm2-util", "--init-token", "--free", "--label", "own", "--pin", "1234", "--so-pin", "5678"],
        check=True, capture_output=True, env=environment,
    )  # fmt: skip

    def run(pin: str, reference: str = "") -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", script, module, pin, reference],
            check=True, capture_output=True, text=True, env=environment,
        )  # fmt: skip
        return done.stdout.split("\n")[:-1]

    assert run("4321") == ["['pin']"]
    made, nothing = run("1234")
    assert nothing == "[]"
    assert run("1234", made) == ["usable", "[]"], "keys outlive the process"
    assert run("4321", made) == ["['pin']"]
    assert run("1234", made) == ["usable", "[]"]
