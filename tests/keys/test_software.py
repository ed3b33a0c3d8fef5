"""The software custodian's own promises: what lies on disk, and who may read it."""

from __future__ import annotations

import json
import pickle
import stat
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from hypothesis import given
from hypothesis import strategies as st

from keys import envelope
from keys.custodian import KeyRef, Kind, Purpose, SignRequest
from keys.envelope import Passphrase, ScryptCost, close_envelope, open_envelope, read_binding
from keys.errors import Kind as ErrorKind
from keys.errors import VermilionError
from keys.ledger import MemoryLedger
from keys.software import SoftwareCustodian, close_anew
from tests.authority import CHEAP, PASSPHRASE, counted_random, permit
from tests.keys.tbs_samples import seal_attributes

BINDING = {"id": "0" * 32, "purpose": "seal", "suite": "p256-sha256", "public_key": "00"}
SECRET = b"secret bytes of a key"
ENVELOPE = close_envelope(SECRET, BINDING, Passphrase(PASSPHRASE, CHEAP), counted_random())


def _repeated(byte: int, size: int) -> bytes:
    return bytes([byte]) * size


def custodian(place: Path, passphrase: bytes = PASSPHRASE) -> SoftwareCustodian:
    return SoftwareCustodian(place / "keys", passphrase, policy=permit, ledger=MemoryLedger(), cost=CHEAP)


def fault(place: Path, ref_id: str, passphrase: bytes = PASSPHRASE) -> VermilionError:
    """What the keeper of the files is told; whoever asks for the key hears that it cannot be used."""
    told: list[tuple[str, VermilionError]] = []
    held = SoftwareCustodian(
        place / "keys", passphrase, policy=permit, ledger=MemoryLedger(), cost=CHEAP,
        on_unusable=lambda key_id, error: told.append((key_id, error)),
    )  # fmt: skip
    with pytest.raises(VermilionError) as caught:
        held.public_key(KeyRef(ref_id, Purpose.SEAL, "p256-sha256"))
    assert (caught.value.kind, caught.value.reason) == (ErrorKind.UNAVAILABLE, "key_unusable")
    ((key_id, error),) = told
    assert key_id == ref_id
    return error


def test_keys_outlive_the_process(tmp_path: Path) -> None:
    first = custodian(tmp_path)
    refs = [first.generate(purpose, "p256-sha256") for purpose in Purpose]
    again = custodian(tmp_path)
    assert again.refs() == sorted(refs, key=lambda ref: ref.id)
    for ref in refs:
        assert again.public_key(ref).public_numbers() == first.public_key(ref).public_numbers()
    (signature,) = again.sign(
        next(r for r in refs if r.purpose is Purpose.SEAL),
        [SignRequest(Kind.SIGNED_ATTRIBUTES, seal_attributes(), "intent:1")],
    )
    assert signature


def test_files_are_private_and_hold_no_key_in_clear(tmp_path: Path) -> None:
    held = custodian(tmp_path)
    ref = held.generate(Purpose.SEAL, "p256-sha256")
    place = tmp_path / "keys"
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    (path,) = place.iterdir()
    assert path.name == f"{ref.id}.key"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    text = path.read_bytes()
    assert set(json.loads(text)) == {"format", "binding", "scrypt", "nonce", "sealed"}
    secret, _ = open_envelope(text, Passphrase(PASSPHRASE))
    private = serialization.load_der_private_key(secret, None)
    scalar = private.private_numbers().private_value.to_bytes(32, "big")  # type: ignore[union-attr]
    for form in (secret, scalar, scalar.hex().encode()):
        assert form not in text


def test_the_default_cost_is_high() -> None:
    assert ScryptCost().n >= 1 << 15


def test_a_directory_of_keys_is_opened_and_added_to_by_one_stretching(tmp_path: Path) -> None:
    stretched = []

    def counted(**words: Any) -> Scrypt:
        stretched.append(words)
        return Scrypt(**words)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(envelope, "Scrypt", counted)
        first = custodian(tmp_path)
        refs = [first.generate(Purpose.SEAL, "p256-sha256") for _ in range(3)]
        wrapping = first.make_wrapping_key()
        assert len(stretched) == 1
        again = custodian(tmp_path)
        assert all(again.public_key(ref) == first.public_key(ref) for ref in refs)
        again.wrap(wrapping, bytes(32), "data-key:record:1")
        again.generate(Purpose.SEAL, "p256-sha256")
        assert len(stretched) == 2
    files = [json.loads(path.read_bytes()) for path in (tmp_path / "keys").iterdir()]
    assert len({file["scrypt"]["salt"] for file in files}) == 1
    assert len({file["nonce"] for file in files}) == len(files) == 5


def test_a_file_that_is_not_authentic_lends_nothing_its_salt() -> None:
    passphrase = Passphrase(PASSPHRASE, CHEAP)
    planted = close_envelope(SECRET, BINDING, Passphrase(b"of somebody else's", CHEAP), partial(_repeated, 7))
    with pytest.raises(VermilionError):
        open_envelope(planted, passphrase)
    ours = close_envelope(SECRET, BINDING, passphrase, partial(_repeated, 8))
    assert json.loads(ours)["scrypt"]["salt"] != json.loads(planted)["scrypt"]["salt"]


def test_files_of_many_salts_and_costs_are_opened(tmp_path: Path) -> None:
    """As older ones were written, each with its own; what is closed has the cost that is asked for."""
    passphrase, old = Passphrase(PASSPHRASE, CHEAP), ScryptCost(n=CHEAP.n * 2)
    for _ in range(2):
        for n in range(20):
            other = Passphrase(PASSPHRASE, old if n % 2 else CHEAP)
            sealed = close_envelope(SECRET, BINDING, other, partial(_repeated, n))
            assert open_envelope(sealed, passphrase) == (SECRET, BINDING)
    assert json.loads(close_envelope(SECRET, BINDING, passphrase, bytes))["scrypt"]["n"] == CHEAP.n


@pytest.mark.parametrize("cost", [(1, 8, 1), (1 << 9, 8, 1), (1 << 30, 8, 1), (3000, 8, 1), (1 << 15, 1, 1)])
def test_a_cost_that_protects_nothing_or_stops_the_machine_is_refused(cost: tuple[int, int, int]) -> None:
    with pytest.raises(VermilionError):
        ScryptCost(*cost)


@pytest.mark.parametrize("passphrase", [b"", b"short"])
def test_a_passphrase_that_protects_nothing_is_refused(tmp_path: Path, passphrase: bytes) -> None:
    with pytest.raises(VermilionError) as caught:
        custodian(tmp_path, passphrase)
    assert caught.value.reason == "passphrase"


def test_a_wrong_passphrase_opens_nothing(tmp_path: Path) -> None:
    ref = custodian(tmp_path).generate(Purpose.SEAL, "p256-sha256")
    error = fault(tmp_path, ref.id, b"another passphrase")
    assert (error.kind, error.reason) == (ErrorKind.UNAUTHENTICATED, "key_locked")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o610])
def test_a_key_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    ref = custodian(tmp_path).generate(Purpose.SEAL, "p256-sha256")
    (tmp_path / "keys" / f"{ref.id}.key").chmod(mode)
    assert fault(tmp_path, ref.id).reason == "permissions"


def test_a_directory_open_to_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys").chmod(0o750)
    with pytest.raises(VermilionError) as caught:
        custodian(tmp_path)
    assert caught.value.reason == "permissions"


def test_a_link_in_place_of_a_key_file_is_not_followed(tmp_path: Path) -> None:
    ref = custodian(tmp_path).generate(Purpose.SEAL, "p256-sha256")
    path = tmp_path / "keys" / f"{ref.id}.key"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert fault(tmp_path, ref.id).reason == "key_unreadable"


def test_one_key_s_file_does_not_serve_another(tmp_path: Path) -> None:
    held = custodian(tmp_path)
    one, other = (held.generate(Purpose.SEAL, "p256-sha256") for _ in range(2))
    place = tmp_path / "keys"
    (place / f"{other.id}.key").replace(place / f"{one.id}.key")
    assert fault(tmp_path, one.id).kind is ErrorKind.MALFORMED
    with pytest.raises(VermilionError):
        custodian(tmp_path).refs()


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    held = SoftwareCustodian(
        tmp_path / "keys", PASSPHRASE, policy=permit, ledger=MemoryLedger(), cost=CHEAP, random=bytes
    )
    ref = held.generate(Purpose.SEAL, "p256-sha256")
    path = tmp_path / "keys" / f"{ref.id}.key"
    before = path.read_bytes()
    with pytest.raises(FileExistsError):
        held.generate(Purpose.QR, "p256-sha256")
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_custodian_neither_prints_nor_pickles_its_secrets(tmp_path: Path) -> None:
    held = custodian(tmp_path)
    held.generate(Purpose.SEAL, "p256-sha256")
    assert PASSPHRASE.decode() not in repr(held) + str(held)
    with pytest.raises(TypeError):
        pickle.dumps(held)


@given(at=st.integers(0, len(ENVELOPE) - 1), bit=st.integers(0, 7))
def test_an_altered_envelope_opens_nothing(at: int, bit: int) -> None:
    data = bytearray(ENVELOPE)
    data[at] ^= 1 << bit
    with pytest.raises(VermilionError) as caught:
        open_envelope(bytes(data), Passphrase(PASSPHRASE))
    assert caught.value.kind in {ErrorKind.MALFORMED, ErrorKind.UNAUTHENTICATED}


@given(data=st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_other_bytes_are_no_envelope(data: bytes) -> None:
    for read in (read_binding, lambda d: open_envelope(d, Passphrase(PASSPHRASE))):
        with pytest.raises(VermilionError):
            read(data)


@pytest.mark.parametrize("name", ["id", "purpose", "suite", "public_key"])
def test_what_an_envelope_says_of_itself_is_bound_to_its_secret(name: str) -> None:
    assert open_envelope(ENVELOPE, Passphrase(PASSPHRASE)) == (SECRET, BINDING)
    value = BINDING[name]
    other = ENVELOPE.replace(f'"{name}":"{value}"'.encode(), f'"{name}":"{value}x"'.encode())
    assert other != ENVELOPE
    with pytest.raises(VermilionError) as caught:
        open_envelope(other, Passphrase(PASSPHRASE))
    assert caught.value.reason == "key_locked"


def test_keys_are_closed_anew_under_another_passphrase_and_the_old_files_stay(tmp_path: Path) -> None:
    first = custodian(tmp_path)
    ref, wrapping = first.generate(Purpose.SEAL, "p256-sha256"), first.make_wrapping_key()
    wrapped = first.wrap(wrapping, bytes(32), "data-key:record:1")
    (tmp_path / "keys" / "passphrase").write_bytes(PASSPHRASE)
    before = {path.name: path.read_bytes() for path in (tmp_path / "keys").iterdir()}
    new = b"another passphrase of sufficient length"
    target = tmp_path / "elsewhere" / "keys"
    target.parent.mkdir()
    assert close_anew(tmp_path / "keys", PASSPHRASE, target, new, cost=CHEAP) == 2
    assert {path.name: path.read_bytes() for path in (tmp_path / "keys").iterdir()} == before
    again = custodian(target.parent, new)
    assert again.refs() == [ref]
    assert again.public_key(ref).public_numbers() == first.public_key(ref).public_numbers()
    assert again.unwrap(wrapping, wrapped, "data-key:record:1") == bytes(32)
    assert fault(target.parent, ref.id).reason == "key_locked"
    for path in target.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for passphrase, wanted, reason in (
        (PASSPHRASE, new, "keys_directory"),
        (PASSPHRASE, b"short", "passphrase"),
    ):
        with pytest.raises(VermilionError) as caught:
            close_anew(tmp_path / "keys", passphrase, target, wanted, cost=CHEAP)
        assert caught.value.reason == reason
    with pytest.raises(VermilionError) as caught:
        close_anew(tmp_path / "keys", b"a passphrase that is wrong", tmp_path / "third", new, cost=CHEAP)
    assert caught.value.reason == "key_locked"
    assert list((tmp_path / "third").iterdir()) == []
