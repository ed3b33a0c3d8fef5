"""The remote custodian and its signer: who may ask, what the stream may say, and what a lost answer means."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.custodian import KeyRef, Kind, Purpose, SignRequest
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.ledger import MemoryLedger
from keys.remote import RemoteCustodian
from keys.signer import Entitlement, Signer, entitled_to
from keys.software import SoftwareCustodian
from keys.suite import P256, PublicKey, SuiteName, verifies
from keys.wire import (
    MAX_ANSWER_BYTES,
    MAX_REQUEST_BYTES,
    AnswerPage,
    AskPublicKey,
    Generate,
    MakeWrappingKey,
    Sign,
    Unwrap,
    Wrap,
    decode_answer,
    decode_request,
    encode_answer,
    encode_error,
    encode_request,
    receive_frame,
    send_frame,
)
from keys.wrapping import WrappingCustodian
from tests.authority import CHEAP, PASSPHRASE, permit
from tests.keys.custodians import EVERYTHING, listening, serving
from tests.keys.tbs_samples import seal_attributes, trust_list

REF = KeyRef("0" * 32, Purpose.SEAL, "p256-sha256")


def use(record: str) -> SignRequest:
    return SignRequest(Kind.SIGNED_ATTRIBUTES, seal_attributes(record.encode()), record)


class Bench:
    """A software custodian behind a signer behind a socket."""

    def __init__(self, place: Path, **options: object) -> None:
        self.place = place
        self.path = place / "signer" / "s"
        self.ledger = MemoryLedger()
        self.refused: list[tuple[int, str]] = []
        self.defects: list[Exception] = []
        self.options = options
        self.custodian: WrappingCustodian = SoftwareCustodian(
            place / "keys", PASSPHRASE, policy=permit, ledger=self.ledger, cost=CHEAP
        )
        self.asking = RemoteCustodian(self.path)

    @contextlib.contextmanager
    def served(
        self, entitlement: Entitlement | dict[int, Entitlement] | None = EVERYTHING
    ) -> Iterator[Signer]:
        callers: dict[int, Entitlement] = {}
        if isinstance(entitlement, dict):
            callers = entitlement
        elif entitlement is not None:
            callers = {os.geteuid(): entitlement}
        signer = Signer(
            self.custodian, callers,
            on_refused=lambda uid, error: self.refused.append((uid, error.reason)),
            on_defect=self.defects.append, **self.options,  # type: ignore[arg-type]
        )  # fmt: skip
        self.path.unlink(missing_ok=True)
        with serving(signer, self.path):
            yield signer

    def connect(self) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX)
        stream.settimeout(30)
        stream.connect(str(self.path))
        return stream


@pytest.fixture
def place() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:  # a socket's path is at most 107 octets
        yield Path(name)


@pytest.fixture
def bench(place: Path) -> Iterator[Bench]:
    made = Bench(place)
    yield made
    made.asking.close()
    assert made.defects == []


def refusal(ask: Callable[[], object]) -> VermilionError:
    with pytest.raises(VermilionError) as caught:
        ask()
    return caught.value


def test_a_user_who_is_not_on_the_list_is_refused_and_named(bench: Bench) -> None:
    with bench.served(None):
        for _ in range(3):
            error = refusal(lambda: bench.asking.public_key(REF))
            assert (error.kind, error.reason) == (ErrorKind.KEY_REFUSED, "caller")
        assert refusal(lambda: bench.asking.sign(REF, [use("intent:1")])).reason == "caller"
    assert bench.refused == [(os.geteuid(), "caller")] * 4
    assert bench.ledger.uses == {}


def test_a_caller_gets_what_it_is_entitled_to_and_no_more(bench: Bench) -> None:
    delegate = bench.custodian.generate(Purpose.TRUST_LIST, "p256-sha256")
    seal = bench.custodian.generate(Purpose.SEAL, "p256-sha256")
    lists = Entitlement(
        frozenset({(Purpose.TRUST_LIST, Kind.TRUST_LIST)})
        | entitled_to(frozenset({Purpose.QR}), generate=True).uses,
        frozenset({Purpose.QR}),
    )
    with bench.served(lists):
        assert bench.asking.sign(delegate, [SignRequest(Kind.TRUST_LIST, trust_list(), "trust-list:1")])
        assert bench.asking.generate(Purpose.QR, "p256-sha256").purpose is Purpose.QR
        assert bench.asking.public_key(seal) == bench.custodian.public_key(seal)
        wrapping = bench.custodian.make_wrapping_key()
        wrapped = bench.custodian.wrap(wrapping, bytes(32), "data-key:record:1")
        for ask in (
            lambda: bench.asking.sign(delegate, [SignRequest(Kind.CERTIFICATE, b"", "certificate:1")]),
            lambda: bench.asking.sign(seal, [use("intent:1")]),
            lambda: bench.asking.generate(Purpose.SEAL, "p256-sha256"),
            bench.asking.make_wrapping_key,
            lambda: bench.asking.wrap(wrapping, bytes(32), "data-key:record:1"),
            lambda: bench.asking.unwrap(wrapping, wrapped, "data-key:record:1"),
            # To call a key another's does not make it one: the custodian knows.
            lambda: bench.asking.sign(
                KeyRef(seal.id, Purpose.TRUST_LIST, seal.suite),
                [SignRequest(Kind.TRUST_LIST, trust_list(), "trust-list:2")],
            ),
        ):
            assert refusal(ask).kind is ErrorKind.KEY_REFUSED
    assert [reason for _, reason in bench.refused] == ["caller"] * 6 + ["purpose"]
    assert list(bench.ledger.uses) == [(delegate.id, "trust-list:1")]


def test_many_are_signed_in_one_call(bench: Bench) -> None:
    with bench.served():
        ref = bench.asking.generate(Purpose.SEAL, "p256-sha256")
        requests = [use(f"intent:{number}") for number in range(200)]
        signatures = bench.asking.sign(ref, requests)
        public = bench.asking.public_key(ref)
        for request, signature in zip(requests, signatures, strict=True):
            assert verifies(public, P256, signature, request.data)


def test_a_signer_that_was_started_anew_is_found_again(bench: Bench) -> None:
    with bench.served():
        ref = bench.asking.generate(Purpose.SEAL, "p256-sha256")
        bench.asking.sign(ref, [use("intent:1")])
    error = refusal(lambda: bench.asking.sign(ref, [use("intent:2")]))
    assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "signer")
    with bench.served():
        assert bench.asking.sign(ref, [use("intent:2")])


def test_a_request_whose_answer_is_lost_is_not_sent_again(bench: Bench) -> None:
    """It may have been served: who asked must take it for used up."""
    received = []

    def take_and_close(listener: socket.socket) -> None:
        for _ in range(2):
            stream, _ = listener.accept()
            with stream:
                received.append(receive_frame(stream, MAX_REQUEST_BYTES, idle=30, seconds=30))

    bench.path.parent.mkdir(mode=0o711)
    with listening(bench.path) as listener:
        thread = threading.Thread(target=take_and_close, args=(listener,))
        thread.start()
        for record in ("intent:1", "intent:2"):
            error = refusal(lambda record=record: bench.asking.sign(REF, [use(record)]))  # type: ignore[misc]
            assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "signer")
        thread.join()
    records = [
        request.requests[0].record for request in map(decode_request, received) if isinstance(request, Sign)
    ]
    assert records == ["intent:1", "intent:2"]


@pytest.mark.parametrize(
    "answer",
    [
        b"", b"\x80", b"\xf6", encode_answer([]), encode_answer(b"\1"), encode_answer([b"\1", b"\2"]),
        encode_answer([b""]), encode_answer([bytes(2000)]), b"\x83\x02bok\x80",
    ],
)  # fmt: skip
def test_an_answer_to_something_else_is_none(bench: Bench, answer: bytes) -> None:
    def reply(listener: socket.socket) -> None:
        stream, _ = listener.accept()
        with stream:
            receive_frame(stream, MAX_REQUEST_BYTES, idle=30, seconds=30)
            with contextlib.suppress(OSError):
                send_frame(stream, answer, seconds=30)

    bench.path.parent.mkdir(mode=0o711)
    with listening(bench.path) as listener:
        thread = threading.Thread(target=reply, args=(listener,))
        thread.start()
        error = refusal(lambda: bench.asking.sign(REF, [use("intent:1")]))
        thread.join()
    assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "signer")


def test_a_socket_where_anybody_could_have_put_it_is_not_trusted(bench: Bench) -> None:
    with bench.served():
        bench.asking.generate(Purpose.SEAL, "p256-sha256")
        for mode in (0o777, 0o1777, 0o770):
            bench.path.parent.chmod(mode)
            error = refusal(lambda: RemoteCustodian(bench.path).generate(Purpose.SEAL, "p256-sha256"))
            assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "signer")


def test_frames_that_are_too_long_or_garbage_end_their_connection_alone(bench: Bench) -> None:
    with bench.served():
        ref = bench.asking.generate(Purpose.SEAL, "p256-sha256")
        for start in (b"\xff\xff\xff\xff", b"\0\0\0\0", (MAX_REQUEST_BYTES + 1).to_bytes(4, "big")):
            with bench.connect() as stream:
                stream.sendall(start)
                error = refusal(lambda stream=stream: decode_answer(_answer(stream)))  # type: ignore[misc]
                assert error.kind is ErrorKind.MALFORMED
                assert stream.recv(1) == b"", "there is no telling where the next frame would begin"
        with bench.connect() as stream:
            for body in (b"\x80", b"garbage", encode_request(AskPublicKey(REF)) + b"\0"):
                send_frame(stream, body, seconds=30)
                error = refusal(lambda stream=stream: decode_answer(_answer(stream)))  # type: ignore[misc]
                assert error.kind is ErrorKind.MALFORMED
        assert bench.asking.sign(ref, [use("intent:1")])


def _answer(stream: socket.socket) -> bytes:
    return receive_frame(stream, MAX_ANSWER_BYTES, idle=30, seconds=30)


def test_a_frame_that_does_not_come_whole_keeps_nobody_waiting(place: Path) -> None:
    bench = Bench(place, frame_seconds=2, max_connections=1, kept_for_others=0)
    with bench.served():
        with bench.connect() as stream:
            stream.sendall(b"\0\0\1\0half")
            assert stream.recv(1) == b""
        with bench.connect() as stream:
            send_frame(stream, encode_request(Generate(Purpose.SEAL, "p256-sha256")), seconds=30)
            assert decode_answer(_answer(stream))


def test_a_connection_that_asks_nothing_ends(place: Path) -> None:
    bench = Bench(place, idle_seconds=0.1)
    with bench.served(), bench.connect() as stream:
        assert stream.recv(1) == b""


def test_connections_are_bounded(place: Path) -> None:
    bench = Bench(place, max_connections=2, kept_for_others=0)
    with bench.served():
        held = [bench.connect() for _ in range(2)]
        for stream in held:  # a round trip each: both are being attended
            send_frame(stream, encode_request(AskPublicKey(REF)), seconds=30)
            _answer(stream)
        error = refusal(lambda: bench.asking.sign(REF, [use("intent:1")]))
        assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "signer")
        for stream in held:
            stream.close()
    bench.asking.close()


def test_no_user_has_all_connections(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the public site, whoever has it, cannot keep the API from its keys."""
    own, another = os.geteuid(), os.geteuid() + 1
    users = iter([own, own, own, another, another])
    monkeypatch.setattr("keys.signer.peer_of", lambda _connection: next(users))
    bench = Bench(place, max_connections=3, kept_for_others=1)
    with bench.served({own: EVERYTHING, another: EVERYTHING}), contextlib.ExitStack() as held:
        told = []
        for _ in range(5):
            stream = held.enter_context(bench.connect())
            with contextlib.suppress(OSError):  # who is shown out may find it closed
                send_frame(stream, encode_request(AskPublicKey(REF)), seconds=30)
            told.append(refusal(lambda stream=stream: decode_answer(_answer(stream))).reason)  # type: ignore[misc]
    full = "signer"
    assert [reason == full for reason in told] == [False, False, True, False, True]
    assert [one for one in bench.refused if one[1] == full] == [(own, full), (another, full)]


class Broken:
    """A custodian with a defect."""

    def generate(self, purpose: Purpose, suite: SuiteName) -> KeyRef:
        raise RuntimeError("a secret in its message")

    def public_key(self, ref: KeyRef) -> PublicKey:
        raise RuntimeError("a secret in its message")

    def sign(self, ref: KeyRef, requests: Sequence[SignRequest]) -> list[bytes]:
        raise VermilionError(ErrorKind.TOO_MANY, "later", reason="busy", retry_after=7)

    def make_wrapping_key(self) -> str:
        raise RuntimeError("a secret in its message")

    def wrap(self, key_id: str, data_key: bytes, record: str) -> bytes:
        raise RuntimeError("a secret in its message")

    def unwrap(self, key_id: str, wrapped: bytes, record: str) -> bytes:
        raise RuntimeError("a secret in its message")


def test_errors_travel_and_defects_do_not(place: Path) -> None:
    bench = Bench(place)
    bench.custodian = Broken()
    with bench.served():
        error = refusal(lambda: bench.asking.public_key(REF))
        assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "signer")
        assert "secret" not in error.detail
        (defect,) = bench.defects
        assert isinstance(defect, RuntimeError)
        error = refusal(lambda: bench.asking.sign(REF, [use("intent:1")]))
        assert (error.kind, error.reason, error.retry_after) == (ErrorKind.TOO_MANY, "busy", 7)
    bench.asking.close()


def test_what_is_being_signed_when_the_signer_stops_is_answered(place: Path) -> None:
    bench, asked, go_on = Bench(place), threading.Event(), threading.Event()

    def slow(_ref: KeyRef, _requests: Sequence[SignRequest]) -> None:
        asked.set()
        assert go_on.wait(30)

    bench.custodian = SoftwareCustodian(
        place / "slow", PASSPHRASE, policy=slow, ledger=bench.ledger, cost=CHEAP
    )
    ref = bench.custodian.generate(Purpose.SEAL, "p256-sha256")
    got = list[bytes]()
    with bench.served() as signer:
        thread = threading.Thread(target=lambda: got.extend(bench.asking.sign(ref, [use("intent:1")])))
        thread.start()
        assert asked.wait(30)
        signer.stop()
        go_on.set()
        thread.join()
    assert len(got) == 1
    bench.asking.close()


def test_a_forked_child_asks_for_itself(bench: Bench) -> None:
    """Two processes on one connection would read each other's answers."""
    with bench.served():
        ref = bench.asking.generate(Purpose.SEAL, "p256-sha256")
        child = os.fork()
        if child == 0:
            signed = bench.asking.sign(ref, [use("intent:child")])
            os.kill(os.getpid(), signal.SIGKILL if signed else signal.SIGTERM)
        assert bench.asking.sign(ref, [use("intent:parent")])
        _, status = os.waitpid(child, 0)
        assert os.WTERMSIG(status) == signal.SIGKILL
        assert bench.asking.sign(ref, [use("intent:after")])
    assert [record for _, record in sorted(bench.ledger.uses)] == [
        "intent:after", "intent:child", "intent:parent",
    ]  # fmt: skip


def test_too_long_a_call_does_not_leave(bench: Bench) -> None:
    request = SignRequest(Kind.TRUST_LIST, bytes(MAX_REQUEST_BYTES // 2), "trust-list:1")
    assert refusal(lambda: bench.asking.sign(REF, [request, request])).reason == "too_many"


@given(data=st.binary(max_size=200))
def test_no_bytes_bring_about_another_error_than_malformed(data: bytes) -> None:
    for decode in (decode_request, decode_answer):
        with pytest.raises(VermilionError) as caught:
            decode(data)
        assert caught.value.kind is ErrorKind.MALFORMED


@given(at=st.integers(0, 10_000), byte=st.integers(0, 255))
def test_an_altered_request_is_another_one_or_none(at: int, byte: int) -> None:
    right = encode_request(Sign(REF, (use("intent:1"),)))
    data = bytearray(right)
    data[at % len(data)] = byte
    try:
        assert encode_request(decode_request(bytes(data))) == bytes(data), "one encoding of one request"
    except VermilionError as error:
        assert error.kind is ErrorKind.MALFORMED


def test_messages_come_back_as_they_went() -> None:
    for request in (
        Generate(Purpose.QR, "p384-sha384"), AskPublicKey(REF), Sign(REF, (use("intent:1"), use("intent:2"))),
        AnswerPage(REF, b"a.b.c", "es"), MakeWrappingKey(), Wrap(REF.id, bytes(32), "data-key:record:1"), Unwrap(REF.id, b"\1", "r"),
    ):  # fmt: skip
        assert decode_request(encode_request(request)) == request
    sent = VermilionError(ErrorKind.KEY_REFUSED, "no", reason="seal_not_active")
    error = refusal(lambda: decode_answer(encode_error(sent)))
    assert (error.kind, error.detail, error.reason) == (ErrorKind.KEY_REFUSED, "no", "seal_not_active")
