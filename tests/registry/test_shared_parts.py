"""What documents share is stored once, and every document is read back as it was put."""

from __future__ import annotations

import threading
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from keys.errors import Kind, VermilionError
from registry.documents import ObjectStore, document_key
from registry.shared_parts import KNOWN, Part, SharingStore, part_key
from tests.registry.issuing import issue_one
from tests.registry.world import World

BASE, BLOCK = Part.of(b"base " * 20_000), Part.of(b"block " * 500)
KEY, OTHER = document_key("ab" * 16), document_key("cd" * 16)


class Counting(ObjectStore):
    """A store that remembers how many bytes were put under which key."""

    def __init__(self) -> None:
        super().__init__(MemoryStore())
        self.sizes: dict[str, int] = {}

    def put_new(self, key: str, data: bytes) -> None:
        super().put_new(key, data)
        self.sizes[key] = len(data)


def document(tail: bytes) -> bytes:
    return BASE.data + BLOCK.data + tail


def test_a_part_is_stored_once_and_documents_without_it() -> None:
    below = Counting()
    store = SharingStore(below)
    store.share(BASE, BLOCK)
    store.share(BASE, BLOCK)
    for number in range(4):
        store.put_new(document_key(f"{number:02x}" * 16), document(b"tail %d" % number))
    assert below.sizes[part_key(BASE.sha256)] == len(BASE.data)
    assert below.sizes[part_key(BLOCK.sha256)] == len(BLOCK.data)
    assert sum(below.sizes.values()) < len(BASE.data) + len(BLOCK.data) + 4 * 200
    for reader in (store, SharingStore(below)):  # another process knows nothing beforehand
        for number in range(4):
            assert reader.get(document_key(f"{number:02x}" * 16)) == document(b"tail %d" % number)


@given(st.binary(max_size=300), st.sampled_from([b"", BASE.data, BASE.data + BLOCK.data, BLOCK.data]))
def test_whatever_is_put_comes_back(rest: bytes, beginning: bytes) -> None:
    store = SharingStore(ObjectStore(MemoryStore()))
    store.share(BASE, BLOCK)
    store.share(BASE)
    store.put_new(KEY, beginning + rest)
    assert store.get(KEY) == beginning + rest
    assert store.get(OTHER) is None


def test_a_reader_goes_on_without_the_parts_it_read() -> None:
    """A form with something appended shares what the original shares, after a restart too."""
    below = Counting()
    first = SharingStore(below)
    first.share(BASE, BLOCK)
    first.put_new(KEY, document(b"original"))
    second = SharingStore(below)
    original = second.get(KEY)
    assert original is not None
    second.put_new(OTHER, original + b"appended")
    assert below.sizes[OTHER] < 200


def test_a_key_is_written_once() -> None:
    store = SharingStore(ObjectStore(MemoryStore()))
    store.put_new(KEY, b"first")
    with pytest.raises(VermilionError) as refused:
        store.put_new(KEY, b"second")
    assert refused.value.kind is Kind.CONFLICT


def test_several_processes_store_a_part_at_once() -> None:
    below = ObjectStore(MemoryStore())
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            store = SharingStore(below)
            store.share(BASE, BLOCK)
            store.put_new(document_key(f"{number:02x}" * 16), document(bytes([number])))
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert [SharingStore(below).get(document_key(f"{n:02x}" * 16)) for n in range(8)] == [
        document(bytes([n])) for n in range(8)
    ]


def test_another_part_under_a_part_s_name_is_not_taken() -> None:
    below = ObjectStore(MemoryStore())
    below.put_new(part_key(BASE.sha256), b"something else")
    with pytest.raises(VermilionError) as refused:
        SharingStore(below).share(BASE)
    assert refused.value.reason == "document_part_lost"


def test_a_document_whose_part_is_lost_is_not_half_read() -> None:
    below = ObjectStore(MemoryStore())
    below.put_new(KEY, bytes((1, 1)) + sha256(b"gone").digest() + b"rest")
    with pytest.raises(VermilionError) as refused:
        SharingStore(below).get(KEY)
    assert refused.value.kind is Kind.UNAVAILABLE


@given(st.binary(max_size=80))
def test_what_was_not_stored_here_is_refused(kept: bytes) -> None:
    below = ObjectStore(MemoryStore())
    below.put_new(KEY, kept)
    with pytest.raises(VermilionError) as refused:
        SharingStore(below).get(KEY)
    assert refused.value.reason in {"document_damaged", "document_part_lost"}


def test_only_so_many_beginnings_are_remembered() -> None:
    store = SharingStore(ObjectStore(MemoryStore()))
    for number in range(KNOWN + 40):
        store.share(BASE, Part.of(b"block %d" % number))
    assert len(store._known) == KNOWN
    assert len(store._parts) == KNOWN + 1
    store.put_new(KEY, BASE.data + b"block 0" + b"tail")
    assert store.get(KEY) == BASE.data + b"block 0" + b"tail"


def test_a_registry_keeps_what_its_licences_share_once(world: World) -> None:
    """And hands out the very bytes that were sealed."""
    issued = [issue_one(world) for _ in range(3)]
    folder = world.ports.settings.documents_directory
    own = [(folder / document_key(one.edition_id)).stat().st_size for one in issued]
    assert max(own) < 25_000 < min(one.size for one in issued)
    shared = [path for path in folder.rglob("*") if path.is_file()]
    assert len(shared) - len(issued) == 2  # the face's base, and the day's validation data
    for one in issued:
        path = f"/api/v1/licences/{one.printout.record.identifier}/document"
        assert sha256(world.get(path).get_data()).digest() == one.sha256
