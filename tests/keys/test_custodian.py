"""What every custodian promises, whatever holds its keys: one suite, run over each of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from keys.custodian import (
    MAX_REQUESTS,
    PURPOSE_KINDS,
    PURPOSE_SUITES,
    KeyRef,
    Kind,
    Purpose,
    SignRequest,
    sign_each,
)
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.ledger import MemoryLedger
from keys.remote import RemoteCustodian
from keys.suite import SUITES, Suite, suite_of, verifies
from keys.wrapping import WrappingCustodian
from tests.authority import TestAuthority, permit
from tests.keys.custodians import CUSTODIANS, Custodians
from tests.keys.tbs_samples import sample, seal_attributes

DATA_KEY = bytes(range(32))


@dataclass
class Bench:
    """A custodian, the ledger it writes to, and a policy that a test may turn against it."""

    custodian: WrappingCustodian
    ledger: MemoryLedger
    asked: list[tuple[KeyRef, tuple[SignRequest, ...]]]  # what each call asked it about
    refuse: set[str]  # records

    def seal_key(self) -> KeyRef:
        return self.custodian.generate(Purpose.SEAL, "p256-sha256")

    def signed_by(self, ref: KeyRef, signature: bytes, request: SignRequest) -> bool:
        return verifies(self.custodian.public_key(ref), SUITES[ref.suite], signature, request.data)


@pytest.fixture(params=list(CUSTODIANS))
def custodians(request: pytest.FixtureRequest) -> Iterator[Custodians]:
    make, remote = CUSTODIANS[request.param]
    making = Custodians(make, remote=remote)
    yield making
    making.close()


@pytest.fixture
def bench(custodians: Custodians, tmp_path: Path) -> Bench:
    ledger, asked, refuse = MemoryLedger(), list[tuple[KeyRef, tuple[SignRequest, ...]]](), set[str]()

    def policy(ref: KeyRef, wanted: Sequence[SignRequest]) -> None:
        asked.append((ref, tuple(wanted)))
        if any(request.record in refuse for request in wanted):
            raise VermilionError(ErrorKind.KEY_REFUSED, "the seal is suspended", reason="seal_not_active")

    return Bench(custodians(tmp_path, policy, ledger), ledger, asked, refuse)


def seal_use(record: str) -> SignRequest:
    return SignRequest(Kind.SIGNED_ATTRIBUTES, seal_attributes(record.encode()), record)


def refusal(bench: Bench, ref: KeyRef, *requests: SignRequest) -> VermilionError:
    with pytest.raises(VermilionError) as caught:
        bench.custodian.sign(ref, requests)
    return caught.value


@pytest.mark.parametrize("purpose", list(Purpose))
@pytest.mark.parametrize("suite", list(SUITES.values()), ids=list(SUITES))
def test_a_key_signs_the_kinds_of_its_purpose_and_no_other(
    bench: Bench, purpose: Purpose, suite: Suite, authority: TestAuthority
) -> None:
    if suite.name not in PURPOSE_SUITES[purpose]:
        with pytest.raises(VermilionError) as caught:
            bench.custodian.generate(purpose, suite.name)
        assert (caught.value.kind, caught.value.reason) == (ErrorKind.KEY_REFUSED, "suite")
        return
    ref = bench.custodian.generate(purpose, suite.name)
    assert suite_of(bench.custodian.public_key(ref)) is suite
    for kind in Kind:
        request = SignRequest(kind, sample(kind, authority.seal, suite=suite), f"record:{kind}")
        if kind is Kind.PAGE_ATTRIBUTES and isinstance(bench.custodian, RemoteCustodian):
            assert refusal(bench, ref, request).reason == "caller", "a page is drawn where its key is"
        elif kind in PURPOSE_KINDS[purpose]:
            (signature,) = bench.custodian.sign(ref, [request])
            assert bench.signed_by(ref, signature, request)
            assert bench.ledger.uses[ref.id, request.record] is True
        else:
            error = refusal(bench, ref, request)
            assert (error.kind, error.reason) == (ErrorKind.KEY_REFUSED, "purpose")
            assert (ref.id, request.record) not in bench.ledger.uses


def test_bytes_of_another_shape_reach_neither_policy_nor_ledger(bench: Bench) -> None:
    ref = bench.seal_key()
    error = refusal(bench, ref, SignRequest(Kind.SIGNED_ATTRIBUTES, bytes(32), "intent:1"))
    assert error.kind is ErrorKind.KEY_REFUSED
    assert (bench.asked, bench.ledger.uses) == ([], {})


def test_the_policy_is_asked_about_all_uses_of_a_call_at_once_and_its_refusal_holds(bench: Bench) -> None:
    ref = bench.seal_key()
    bench.refuse.add("intent:2")
    assert refusal(bench, ref, seal_use("intent:1"), seal_use("intent:2")).reason == "seal_not_active"
    assert [[r.record for r in requests] for _, requests in bench.asked] == [["intent:1", "intent:2"]]
    assert bench.ledger.uses == {}, "all or none: the first one was not used up"
    assert len(bench.custodian.sign(ref, [seal_use("intent:1")])) == 1


def test_of_many_what_is_refused_costs_itself_alone(bench: Bench) -> None:
    ref = bench.seal_key()
    bench.refuse.add("intent:3")
    bench.custodian.sign(ref, [seal_use("intent:5")])
    requests = [seal_use(f"intent:{number}") for number in range(8)]
    outcomes = sign_each(bench.custodian, ref, requests)
    for number, (request, outcome) in enumerate(zip(requests, outcomes, strict=True)):
        if isinstance(outcome, bytes):
            assert bench.signed_by(ref, outcome, request)
        else:
            assert (number, outcome.reason) in {(3, "seal_not_active"), (5, "record_used")}
    assert bench.ledger.uses == {(ref.id, f"intent:{number}"): True for number in range(8) if number != 3}


def test_of_many_none_is_asked_for_again_after_another_failure(
    custodians: Custodians, tmp_path: Path
) -> None:
    custodian = custodians(tmp_path, permit, LostLedger(begins=True))
    ref = custodian.generate(Purpose.SEAL, "p256-sha256")
    outcomes = sign_each(custodian, ref, [seal_use("intent:1"), seal_use("intent:2")])
    assert [one.kind for one in outcomes if isinstance(one, VermilionError)] == [ErrorKind.UNAVAILABLE] * 2


def test_a_record_is_served_once_per_key(bench: Bench) -> None:
    ref, other = bench.seal_key(), bench.seal_key()
    bench.custodian.sign(ref, [seal_use("intent:1")])
    assert refusal(bench, ref, seal_use("intent:1")).reason == "record_used"
    bench.custodian.sign(other, [seal_use("intent:1")])
    assert refusal(bench, ref, seal_use("intent:2"), seal_use("intent:2")).reason == "record_used"
    assert (ref.id, "intent:2") not in bench.ledger.uses


def test_many_at_once_come_back_in_order(bench: Bench) -> None:
    ref = bench.seal_key()
    requests = [seal_use(f"intent:{number}") for number in range(20)]
    signatures = bench.custodian.sign(ref, requests)
    for request, signature in zip(requests, signatures, strict=True):
        assert bench.signed_by(ref, signature, request)


def test_a_call_has_a_bound(bench: Bench) -> None:
    ref = bench.seal_key()
    assert bench.custodian.sign(ref, []) == []
    requests = [seal_use(f"intent:{number}") for number in range(MAX_REQUESTS + 1)]
    assert refusal(bench, ref, *requests).reason == "too_many"
    assert bench.ledger.uses == {}
    assert len(bench.custodian.sign(ref, requests[1:])) == MAX_REQUESTS


def test_threads_that_race_for_one_record_get_one_signature(bench: Bench) -> None:
    ref = bench.seal_key()
    start = threading.Barrier(8)
    signed, refused = list[bytes](), list[str]()

    def race() -> None:
        start.wait()
        try:
            signed.extend(bench.custodian.sign(ref, [seal_use("intent:1")]))
        except VermilionError as error:
            refused.append(error.reason)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(signed), refused) == (1, ["record_used"] * 7)


def test_a_ref_that_lies_about_purpose_or_suite_is_refused(bench: Bench, authority: TestAuthority) -> None:
    ref = bench.seal_key()
    certificate = SignRequest(Kind.CERTIFICATE, sample(Kind.CERTIFICATE, authority.seal), "certificate:1")
    assert refusal(bench, replace(ref, purpose=Purpose.ISSUING_CA), certificate).kind is ErrorKind.KEY_REFUSED
    with pytest.raises(VermilionError):
        bench.custodian.public_key(replace(ref, suite="p384-sha384"))
    assert bench.ledger.uses == {}


@pytest.mark.parametrize("key_id", ["0" * 32, "", "../../etc/passwd", "A" * 32, "0" * 31, "0" * 32 + "\x00"])
def test_a_key_that_is_not_there_is_unavailable(bench: Bench, key_id: str) -> None:
    ref = KeyRef(key_id, Purpose.SEAL, "p256-sha256")
    with pytest.raises(VermilionError) as caught:
        bench.custodian.public_key(ref)
    for error in (caught.value, refusal(bench, ref, seal_use("intent:1"))):
        assert (error.kind, error.reason) == (ErrorKind.UNAVAILABLE, "key_unusable")
    assert bench.ledger.uses == {}


class LostLedger:
    """A ledger that cannot write: before the use, or after it."""

    def __init__(self, *, begins: bool) -> None:
        self.begins = begins

    def begin(self, ref: KeyRef, requests: Sequence[SignRequest]) -> None:
        if not self.begins:
            raise VermilionError(ErrorKind.UNAVAILABLE, "no ledger")

    def end(self, ref: KeyRef, requests: Sequence[SignRequest], signed: bool) -> None:
        raise VermilionError(ErrorKind.UNAVAILABLE, "no ledger")

    def begin_unwrap(self, key_id: str, record: str, wrapped: bytes) -> str:
        if not self.begins:
            raise VermilionError(ErrorKind.UNAVAILABLE, "no ledger")
        return record

    def end_unwrap(self, key_id: str, use: str, done: bool) -> None:
        raise VermilionError(ErrorKind.UNAVAILABLE, "no ledger")


@pytest.mark.parametrize("begins", [True, False])
def test_no_signature_and_no_data_key_leaves_without_its_use_written_down(
    custodians: Custodians, tmp_path: Path, begins: bool
) -> None:
    custodian = custodians(tmp_path, permit, LostLedger(begins=begins))
    ref = custodian.generate(Purpose.SEAL, "p256-sha256")
    with pytest.raises(VermilionError) as caught:
        custodian.sign(ref, [seal_use("intent:1")])
    assert caught.value.kind is ErrorKind.UNAVAILABLE
    wrapping = custodian.make_wrapping_key()
    wrapped = custodian.wrap(wrapping, DATA_KEY, "data-key:record:1")
    with pytest.raises(VermilionError) as caught:
        custodian.unwrap(wrapping, wrapped, "data-key:record:1")
    assert caught.value.kind is ErrorKind.UNAVAILABLE


# --- data keys, wrapped


def test_a_data_key_is_wrapped_and_comes_back_and_each_unwrapping_is_written_down(bench: Bench) -> None:
    wrapping = bench.custodian.make_wrapping_key()
    wrapped = [bench.custodian.wrap(wrapping, DATA_KEY, "data-key:record:1") for _ in range(2)]
    assert wrapped[0] != wrapped[1], "a nonce is never used twice"
    assert all(DATA_KEY not in one for one in wrapped)
    assert bench.ledger.uses == {}, "to wrap is no use of what was kept"
    for one in wrapped:
        assert bench.custodian.unwrap(wrapping, one, "data-key:record:1") == DATA_KEY
    assert [done for (key_id, _), done in bench.ledger.uses.items() if key_id == wrapping] == [True, True]


def test_what_was_not_wrapped_by_this_key_for_this_record_does_not_open(bench: Bench) -> None:
    wrapping, other = bench.custodian.make_wrapping_key(), bench.custodian.make_wrapping_key()
    wrapped = bench.custodian.wrap(wrapping, DATA_KEY, "data-key:record:1")
    altered = [wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :] for at in range(len(wrapped))]
    tried = [
        (other, wrapped, "data-key:record:1"),
        (wrapping, wrapped, "data-key:record:2"),
        (wrapping, wrapped[:-1], "data-key:record:1"),
        (wrapping, wrapped + b"\0", "data-key:record:1"),
        (wrapping, b"", "data-key:record:1"),
        *((wrapping, one, "data-key:record:1") for one in altered),
    ]
    for key_id, data, record in tried:
        with pytest.raises(VermilionError) as caught:
            bench.custodian.unwrap(key_id, data, record)
        assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAUTHENTICATED, "wrapped_key")
    assert set(bench.ledger.uses.values()) == {False}, "what was tried is on record, and that it failed"
    assert bench.custodian.unwrap(wrapping, wrapped, "data-key:record:1") == DATA_KEY


def test_a_wrapping_key_that_is_not_there_is_an_outage_and_a_data_key_of_another_size_an_error(
    bench: Bench,
) -> None:
    wrapping = bench.custodian.make_wrapping_key()
    seal = bench.seal_key()
    for missing in ("0" * 32, seal.id, "../../etc/passwd", ""):
        with pytest.raises(VermilionError) as caught:
            bench.custodian.wrap(missing, DATA_KEY, "data-key:record:1")
        assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "key_unusable")
    for data_key, record in ((b"", "r"), (DATA_KEY + b"\0", "r"), (DATA_KEY, ""), (DATA_KEY, "r" * 81)):
        with pytest.raises(VermilionError) as caught:
            bench.custodian.wrap(wrapping, data_key, record)
        assert caught.value.reason == "wrapped_key"


def test_a_wrapping_key_signs_nothing(bench: Bench) -> None:
    wrapping = bench.custodian.make_wrapping_key()
    for purpose in Purpose:
        ref = KeyRef(wrapping, purpose, "p256-sha256")
        error = refusal(bench, ref, SignRequest(Kind.SIGNED_ATTRIBUTES, seal_attributes(b"x"), "intent:1"))
        assert error.reason in ("purpose", "key_unusable")
