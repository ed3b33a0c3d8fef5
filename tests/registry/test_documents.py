"""Documents are written once, whole, and to the disk before anybody is told."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from obstore.store import MemoryStore

from keys.errors import Kind, VermilionError
from registry import documents
from registry.documents import FolderStore, ObjectStore, document_key, open_store
from registry.ports import DocumentStore

KEY = document_key("ab" * 16)


@pytest.fixture(params=["folder", "object store"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> DocumentStore:
    return FolderStore(tmp_path / "documents") if request.param == "folder" else ObjectStore(MemoryStore())


def test_what_was_stored_comes_back(store: DocumentStore) -> None:
    assert store.get(KEY) is None
    store.put_new(KEY, b"%PDF sealed")
    assert store.get(KEY) == b"%PDF sealed"


def test_a_key_is_written_once(store: DocumentStore) -> None:
    store.put_new(KEY, b"first")
    with pytest.raises(VermilionError) as caught:
        store.put_new(KEY, b"second")
    assert caught.value.kind is Kind.CONFLICT
    assert store.get(KEY) == b"first"


def test_of_many_writers_one_wins(store: DocumentStore) -> None:
    won: list[bytes] = []

    def write(data: bytes) -> None:
        try:
            store.put_new(KEY, data)
            won.append(data)
        except VermilionError:
            pass

    threads = [threading.Thread(target=write, args=(bytes([n]) * 100_000,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert store.get(KEY) == won[0]


@given(st.text(max_size=60) | st.from_regex(r"[0-9a-f./]{1,60}", fullmatch=True))
def test_only_the_keys_of_documents_are_keys(key: str) -> None:
    store = ObjectStore(MemoryStore())
    if documents.DOCUMENT_KEYS.fullmatch(key):
        return
    with pytest.raises(VermilionError):
        store.get(key)
    with pytest.raises(VermilionError):
        store.put_new(key, b"x")


def test_file_and_directories_are_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    root = tmp_path / "documents"
    FolderStore(root).put_new(KEY, b"data")
    assert synced == [str(root / KEY), str((root / KEY).parent), str(root)]


def test_of_many_each_is_synced_and_each_directory_once_after_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        if synced[-1] == f"{'ab' * 15}02.enc":
            raise OSError(5, "Input/output error")
        real(descriptor)

    store = FolderStore(tmp_path / "documents")
    keys = [document_key("ab" * 15 + number) for number in ("01", "02", "03")] + [document_key("cd" * 16)]
    store.put_new(keys[2], b"before")
    monkeypatch.setattr(os, "fsync", fsync)
    outcomes = store.put_many([(key, b"data") for key in keys])
    assert [error and error.kind for error in outcomes] == [None, Kind.UNAVAILABLE, Kind.CONFLICT, None]
    assert synced == [*(key.partition("/")[2] for key in keys), "ab", "cd", "documents"]


def test_a_document_that_could_not_be_synced_is_not_stored_for_the_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    store = FolderStore(tmp_path / "documents")
    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(VermilionError) as caught:
        store.put_new(KEY, b"data")
    assert caught.value.kind is Kind.UNAVAILABLE


def test_a_folder_that_vanished_is_out_of_reach_not_empty(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "documents")
    (tmp_path / "documents" / "ab").write_bytes(b"a file where a folder should be")
    with pytest.raises(VermilionError) as caught:
        store.put_new(KEY, b"data")
    assert caught.value.kind is Kind.UNAVAILABLE


def test_other_users_cannot_enter_the_folder(tmp_path: Path) -> None:
    FolderStore(tmp_path / "documents")
    assert (tmp_path / "documents").stat().st_mode & 0o007 == 0


def test_a_path_opens_a_folder(tmp_path: Path) -> None:
    assert isinstance(open_store(tmp_path / "documents"), FolderStore)
    assert not isinstance(open_store("memory:///"), FolderStore)
