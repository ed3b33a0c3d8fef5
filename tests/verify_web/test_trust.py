"""The published trust list: verified once for each sequence, asked for every few seconds, never past its end."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from keys.errors import Kind, VermilionError
from keys.trust_list import read_trust_list
from tests.authority import make_authority
from tests.verify_web.world import Hand
from verify_web import trust
from verify_web.trust import KEEP_SECONDS, TrustSource


def test_a_list_is_kept_for_seconds_and_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Hand()
    authority = make_authority(tmp_path, clock.now)
    lists = [authority.jws(sequence=1), authority.jws(sequence=2)]
    fetched, read = [], []
    plain = read_trust_list

    def counted(*arguments: object, **options: object) -> object:
        read.append(1)
        return plain(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(trust, "read_trust_list", counted)

    def fetch() -> str:
        fetched.append(1)
        return lists[0]

    source = TrustSource(fetch, clock)
    for _ in range(5):
        found = source.current()
        assert found is not None
        assert found.sequence == 1
    assert (len(fetched), len(read)) == (1, 1)
    clock.now += timedelta(seconds=KEEP_SECONDS)
    source.current()
    assert (len(fetched), len(read)) == (2, 1)
    del lists[0]
    clock.now += timedelta(seconds=KEEP_SECONDS)
    found = source.current()
    assert found is not None
    assert found.sequence == 2


def test_a_slow_reader_does_not_take_back_a_newer_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list fetched before a newer one was, and verified after it."""
    clock = Hand()
    authority = make_authority(tmp_path, clock.now)
    lists = {number: authority.jws(sequence=number) for number in (1, 2)}
    source = TrustSource(lambda: lists[published[0]], clock)
    published, plain = [1], read_trust_list

    def overtaken(jws: str, **options: Any) -> Any:
        if jws == lists[1]:
            published[0] = 2
            assert source.published().jws == lists[2]
        return plain(jws, **options)

    monkeypatch.setattr(trust, "read_trust_list", overtaken)
    assert source.published().jws == lists[2]
    found = source.current()
    assert found is not None
    assert found.sequence == 2


def test_an_older_list_than_one_seen_before_is_not_gone_back_to(tmp_path: Path) -> None:
    clock = Hand()
    authority = make_authority(tmp_path, clock.now)
    lists = {number: authority.jws(sequence=number) for number in (1, 2)}
    published = [2]
    source = TrustSource(lambda: lists[published[0]], clock)
    for now_published, kept in ((2, 2), (1, 2), (2, 2)):
        published[0] = now_published
        clock.now += timedelta(seconds=KEEP_SECONDS)
        found = source.current()
        assert found is not None
        assert found.sequence == kept
        assert source.published().jws == lists[kept]
    # Not even after one that could not be read: then there is none.
    lists[3] = "x"
    for published[0] in (3, 1):
        clock.now += timedelta(seconds=KEEP_SECONDS)
        assert source.current() is None


def test_a_list_ends_where_it_says(tmp_path: Path) -> None:
    clock = Hand()
    jws = make_authority(tmp_path, clock.now).jws()
    source = TrustSource(lambda: jws, clock)
    assert source.current() is not None
    clock.now += timedelta(days=7)
    assert source.current() is None
    assert source.published().jws == jws  # it is still what was published


def test_an_outage_leaves_what_was_read_and_nothing_stands_for_nothing(tmp_path: Path) -> None:
    clock = Hand()
    jws: list[str] = [make_authority(tmp_path, clock.now).jws()]

    def fetch() -> str:
        if not jws:
            raise VermilionError(Kind.UNAVAILABLE, "out")
        return jws[0]

    source = TrustSource(fetch, clock)
    assert source.current() is not None
    jws.clear()
    clock.now += timedelta(minutes=1)
    assert source.current() is not None
    assert TrustSource(fetch, clock).current() is None
    with pytest.raises(VermilionError):
        TrustSource(fetch, clock).published()


def test_an_altered_list_is_not_believed(tmp_path: Path) -> None:
    clock = Hand()
    jws = make_authority(tmp_path, clock.now).jws()
    header, payload, signature = jws.split(".")
    for bad in (f"{header}.{payload[:-2]}AA.{signature}", "x", "", f"{header}.{payload}."):
        assert TrustSource(lambda bad=bad: bad, clock).current() is None  # type: ignore[misc]
