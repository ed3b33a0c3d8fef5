"""The archive of a batch: any reader of ZIP files opens it, and its length is known before it is written."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.batches import archive as module
from registry.batches.archive import archive, archive_length

AT = datetime(2026, 11, 20, 10, 30, 5, tzinfo=ZoneInfo("Asia/Shanghai"))
names = st.text("abc样-0.", min_size=1, max_size=12)


def written(files: dict[str, bytes]) -> bytes:
    data = b"".join(archive(files.items(), AT))
    assert len(data) == archive_length((name, len(content)) for name, content in files.items())
    return data


@given(st.dictionaries(names, st.binary(max_size=60), max_size=8))
def test_what_is_put_in_comes_out(files: dict[str, bytes]) -> None:
    with zipfile.ZipFile(io.BytesIO(written(files))) as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == files
        assert {info.date_time for info in opened.infolist()} <= {(2026, 11, 20, 10, 30, 4)}


def test_more_files_than_16_bits_count() -> None:
    files = {f"{n:06}": b"" for n in range(65_536)}
    with zipfile.ZipFile(io.BytesIO(written(files))) as opened:
        assert len(opened.namelist()) == 65_536


def test_offsets_beyond_32_bits_are_written_in_their_own_field(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without four gigabytes: the bound is lower, and what is beyond is marked as the note says."""
    files = {f"{n}.pdf": bytes([n]) * 50 for n in range(20)}
    plain = written(files)
    offsets = [info.header_offset for info in zipfile.ZipFile(io.BytesIO(plain)).infolist()]
    monkeypatch.setattr(module, "_beyond", lambda offset: offset >= 500)
    data = written(files)
    assert len(data) > len(plain)
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert [info.header_offset for info in opened.infolist()] == offsets
        assert {name: opened.read(name) for name in opened.namelist()} == files
