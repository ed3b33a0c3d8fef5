"""The console's pages of licence types: whose they are, what they say, and how each version looks."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import update

from keys.errors import VermilionError
from registry.actor import Duty
from registry.licences import previews
from registry.licences.previews import Previews
from registry.licences.publish import TypeFiles, import_type, own_files
from registry.licences.tables import TypeVersion
from registry.licences.types import DRAFT, WITHDRAWN, Version, face_of, parse_licence_type, versions
from registry.samples import sample_types
from signing.face_trial import Trial
from tests.registry.console import one_more, signed_in, told
from tests.registry.world import World


def second_version(world: World) -> None:
    files = own_files(next(path for path in sample_types() if path.name == "food-business-licence"))
    text = files.type_toml.replace("version = 1", "version = 2")
    draft = TypeFiles(parse_licence_type(files.type.slug, text), text, files.face_pdf)
    with world.ports.database.transaction() as session:
        import_type(session, world.ports, world.system, draft)


def test_an_agency_sees_the_versions_of_what_it_may_issue(world: World) -> None:
    second_version(world)
    for person in ("officer", "keeper", "applicant"):
        page = told(signed_in(world, person), "/types")
        assert "食品经营许可证" in page
        assert "第 2 版 草稿" in page
        assert "第 1 版 已发布" in page
        assert world.types["other"] not in page
    page = told(signed_in(world, "officer"), f"/types/{world.type_code}/1")
    for shown in (
        "云溪省市场监督管理局", "《中华人民共和国食品安全法》第三十五条", "法人和其他组织", "由机构编号",
        "住所 domicile 文字 · 必填 · 最多 90 字 公开核验: 部分隐去 (地址) 二维码: 不含",
    ):  # fmt: skip
        assert shown in page
    with world.ports.database.transaction() as session:
        session.execute(update(TypeVersion).where(TypeVersion.version == 1).values(state=WITHDRAWN))
    assert "第 1 版 已停用" in told(signed_in(world, "officer"), f"/types/{world.type_code}/1")


def test_another_agency_s_types_are_not_there(world: World) -> None:
    officer, stranger = signed_in(world, "officer"), one_more(world, "authority", "officer")
    assert "没有可签发的证照类型" in told(stranger, "/types")
    for browser, code in ((officer, world.types["other"]), (stranger, world.type_code)):
        for page in ("1", "1/face", "7"):
            assert browser.get(f"/types/{code}/{page}").status_code == 404
    assert officer.get("/types/1/1").status_code == 404
    for duty in Duty:
        page = told(signed_in(world, duty), "/types")
        assert world.type_code in page
        assert world.types["other"] in page


def test_a_version_is_shown_as_it_looks(world: World) -> None:
    """Drawn once, and again by nobody."""
    officer = signed_in(world, "officer")
    path = f"/types/{world.type_code}/1/face"
    answer = officer.get(path)
    assert answer.mimetype == "image/png"
    assert Image.open(io.BytesIO(answer.data)).size[0] > 500
    again = officer.get(path, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304


def test_pictures_are_kept_and_drawn_one_at_a_time(
    world: World, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[str] = []

    def drawn(slug: str, toml: str, _face: bytes, *_: object) -> Trial:
        asked.append(toml)
        if len(asked) == 1:  # while it draws: who comes next waits, and one more is sent away
            with kept._slots.one(), pytest.raises(VermilionError, match="too many"):
                kept.picture(other, lambda: b"", world.ports.fonts, "")
        return Trial((), {}, b"" if slug == "broken" else b"picture of " + toml.encode()[:4])

    monkeypatch.setattr(previews, "try_face", drawn)
    monkeypatch.setattr(previews, "KEPT", 2)
    kept = Previews()
    with world.ports.database.transaction() as session:
        (one,) = versions(session, [world.type_code], 1)
        face = face_of(session, world.type_code, 1)
    other = replace(one, type_toml="2222", state=DRAFT)
    third = replace(one, type_toml="3333")

    def look(version: Version) -> bytes:
        return kept.picture(version, lambda: face, world.ports.fonts, "http://localhost")

    assert look(one) == look(one)
    assert len(asked) == 1
    assert look(other) == b"picture of 2222"
    look(third)
    look(one)
    assert len(asked) == 4  # the third took the first one's place
    broken = replace(one, type=replace(one.type, slug="broken"), type_toml="4444")
    with pytest.raises(VermilionError, match="cannot be drawn"):
        look(broken)
