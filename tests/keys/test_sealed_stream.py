"""A stream that opens is the one that was written, whole and in order."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.errors import Kind, VermilionError
from keys.sealed_stream import CHUNK_BYTES, TAG_BYTES, decrypt_stream, encrypt_stream

KEY, PREFIX, BOUND = bytes(range(32)), b"prefix!", b"header"
WHOLE = CHUNK_BYTES + TAG_BYTES


def closed(*pieces: bytes, key: bytes = KEY, prefix: bytes = PREFIX, bound: bytes = BOUND) -> bytes:
    return b"".join(encrypt_stream(key, prefix, bound, pieces))


def opened(data: bytes, key: bytes = KEY, prefix: bytes = PREFIX, bound: bytes = BOUND) -> bytes:
    return b"".join(decrypt_stream(key, prefix, bound, BytesIO(data)))


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_what_was_written_is_read_at_every_edge_of_a_chunk(size: int) -> None:
    plain = bytes(size)
    data = closed(plain)
    assert opened(data) == plain
    assert len(data) == size + TAG_BYTES * max(1, -(-size // CHUNK_BYTES))


@given(st.lists(st.binary(max_size=300), max_size=8))
def test_pieces_do_not_show(pieces: list[bytes]) -> None:
    assert closed(*pieces) == closed(b"".join(pieces))
    assert opened(closed(*pieces)) == b"".join(pieces)


@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_an_altered_octet_opens_nowhere(at: int, bit: int) -> None:
    data = bytearray(closed(b"a licence" * 9))
    data[at % len(data)] ^= 1 << bit
    with pytest.raises(VermilionError) as caught:
        opened(bytes(data))
    assert (caught.value.kind, caught.value.reason) == (Kind.UNAUTHENTICATED, "stream_damaged")


def test_chunks_stand_where_they_stood_and_none_is_missing() -> None:
    data = closed(bytes([1]) * CHUNK_BYTES + bytes([2]) * CHUNK_BYTES + b"end")
    one, two, end = data[:WHOLE], data[WHOLE : 2 * WHOLE], data[2 * WHOLE :]
    other = closed(bytes([1]) * CHUNK_BYTES + bytes([2]) * CHUNK_BYTES + b"end", prefix=b"another")
    for wrong in (
        one, one + two, two + one + end, one + end, one + one + two + end, end, b"", data + b"\0", data + end,
        data[:-1], one + other[WHOLE : 2 * WHOLE] + end,
    ):  # fmt: skip
        with pytest.raises(VermilionError) as caught:
            opened(wrong)
        assert caught.value.reason == "stream_damaged"


def test_a_stream_opens_with_its_own_key_prefix_and_header_alone() -> None:
    data = closed(b"a licence")
    for wrong in ({"key": bytes(32)}, {"prefix": b"another"}, {"bound": b"another header"}):
        with pytest.raises(VermilionError) as caught:
            opened(data, **wrong)
        assert caught.value.reason == "stream_damaged"
