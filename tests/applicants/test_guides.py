"""Service guides: which matters there are, and all that somebody has to know of one."""

from __future__ import annotations

import re

import pytest

from registry.agencies.rules import set_client_active
from registry.applicants import guide_pages
from registry.intake.matter_lists import import_list
from registry.intake.matter_names import pairs
from registry.samples import sample_matters
from tests.applicants.applying import (
    GUIDE,
    TEACHER,
    applicant,
    import_teacher,
    open_form,
    shown,
)
from tests.intake.casework import MATTER, import_matters
from tests.registry.world import GROUND, World, on_sqlite

LIST = "/holder/services"


def food_list(*changes: tuple[str, str]) -> bytes:
    (path,) = (one for one in sample_matters() if one.name == "food-business-licence.toml")
    text = path.read_text("utf-8")
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text.encode()


def imported(world: World, raw: bytes) -> None:
    with world.ports.database.transaction() as session:
        import_list(session, world.ports, world.system, raw, "list.toml")


def test_a_matter_is_found_by_its_name_and_its_agency_s(world: World) -> None:
    import_matters(world)
    import_teacher(world)
    somebody = applicant(world)
    both = shown(somebody.get(LIST))
    for part in ("Food business licence (first issue)", "teacher qualification", "5 working days"):
        assert part in both, part
    for typed, found in (
        ("食品经营", {MATTER}), ("FOOD  licence", {MATTER}), ("Ｆｏｏｄ", {MATTER}), ("教育局", {TEACHER}),
        ("Yangben", {MATTER, TEACHER}), ("食品 教师", set()), ("dragon", set()), ("食", set()), ("%", set()),
    ):  # fmt: skip
        page = somebody.get(f"{LIST}?q={typed}").get_data(as_text=True)
        assert set(re.findall(r"/holder/services/([0-9A-Z]{30,36})\?", page)) == found, typed
    assert "at least two characters" in shown(somebody.get(f"{LIST}?q=食"))
    own = shown(somebody.get(f"{LIST}?agency={world.codes['own']}"))
    assert "Food business" in own
    assert "teacher" not in own
    assert "Nothing was found" in shown(somebody.get(f"{LIST}?agency={world.codes['own']}&q=教师"))


@on_sqlite
def test_the_list_comes_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guide_pages, "LISTED", 1)
    import_matters(world)
    import_teacher(world)
    somebody = applicant(world)
    for query in ("", "q=Yangben"):
        page = somebody.get(f"{LIST}?{query}").get_data(as_text=True)
        (after,) = re.findall(r"after=([0-9A-Z]+)", page)
        second = somebody.get(f"{LIST}?{query}&after={after}").get_data(as_text=True)
        assert "after=" not in second
        assert len(set(re.findall(r"/holder/services/([0-9A-Z]{30,36})\?", page + second))) == 2
    for wrong in ("after=<script>", "agency=%27", "q=%00", f"q={'x' * 5000}"):
        assert somebody.get(f"{LIST}?{wrong}").status_code == 200


def test_a_guide_says_all_of_it(world: World) -> None:
    """What the list has, and which list says so."""
    import_matters(world)
    open_form(world)
    page = shown(applicant(world).get(GUIDE))
    for part in (
        "Food business licence (first issue)", "Yangben Municipal Administration for Market Regulation",
        "Apply online", "5 working days", "10 working days", "Once, by at most 5 days", "None",
        "companies, public institutions, other organisations", "at the window, online",
        "已取得营业执照等合法主体资格", "Business licence or other proof of the legal subject",
        "first in government data", "PDF, JPEG, PNG, at most 10 MB", "通过数据共享核验的，无需提交",
        "Authority of an agent (optional)", "Acceptance", "窗口人员", "Results are published",
        "Food Business Licence", "12345", "行政复议", "行政诉讼", "《中华人民共和国食品安全法》第三十五条",
        "administrative licence", MATTER, "990131001000", "version 1", "from 1 March 2026", "样政服〔2026〕11号",
    ):  # fmt: skip
        assert part in page, part


def test_what_law_demands_is_told_with_its_law(world: World) -> None:
    import_matters(world)
    law = '{ law = "《样本法》", article = "第九条" }'
    raw = food_list(
        ("version = 1", "version = 2"),
        ("effective_from = 2026-03-01", "effective_from = 2026-04-01\neffective_to = 2027-12-31"),
        (
            'code = "layout"\n', f'code = "layout"\npaper = true\npaper_basis = {law}\n'
        ),
        ("visits = 0", f"visits = 1\nvisits_basis = {law}"),
        ('statutory = { days = 10, unit = "working_day"', 'statutory = { days = 30, unit = "natural_day"'),
        ('committed = { days = 5, unit = "working_day"', 'committed = { days = 15, unit = "natural_day"'),
        ('name = { zh = "食品经营许可证", en = "Food Business Licence" }', f'name = {{ zh = "食品经营许可证", en = "Food Business Licence" }}\npublished = false\nsecret_basis = {law}'),
        ("[matter.result]", f'[[matter.fee]]\namount = "每证10元"\nbasis = {law}\n\n[matter.result]'),
    )  # fmt: skip
    imported(world, raw)
    page = shown(applicant(world).get(GUIDE))
    for part in (
        "has to be handed in, by 《样本法》第九条", "每证10元 《样本法》第九条", "15 calendar days", "30 calendar days",
        "Results are not published, by 《样本法》第九条", "1 《样本法》第九条", "version 2",
        "1 April 2026 to 31 December 2027",
    ):  # fmt: skip
        assert part in page, part


def test_what_is_not_handled_today_has_no_guide(world: World) -> None:
    import_matters(world)
    imported(
        world,
        food_list(
            ("version = 1", "version = 2"),
            ("effective_from = 2026-03-01", "effective_from = 2026-04-01\neffective_to = 2026-11-19"),
        ),
    )
    somebody = applicant(world)
    for code in (MATTER, "0" * 12, "x", "%00", "<script>"):
        answer = somebody.get(f"{LIST}/{code}")
        assert answer.status_code == 404, code
        assert "There is no such matter" in shown(answer)
    assert somebody.get(f"{GUIDE}/application").status_code == 404


def test_without_an_open_form_it_is_applied_for_elsewhere(world: World) -> None:
    import_matters(world)
    somebody = applicant(world)
    assert "cannot be applied for online now" in shown(somebody.get(GUIDE))
    assert somebody.get(f"{GUIDE}/application").status_code == 409
    client = open_form(world)
    assert "Apply online" in shown(somebody.get(GUIDE))
    with world.ports.database.transaction() as session:
        set_client_active(session, world.ports, world.system, client_id=client, active=False, ground=GROUND)
    assert "cannot be applied for online now" in shown(somebody.get(GUIDE))
    assert somebody.get(f"{GUIDE}/application").status_code == 409


@on_sqlite
def test_guides_speak_three_languages_and_say_what_is_in_another(world: World) -> None:
    import_matters(world)
    pages = {lang: applicant(world, lang=lang).get(GUIDE) for lang in ("zh", "en", "es")}
    for lang, tag in (("zh", "zh-Hans"), ("en", "en"), ("es", "es")):
        assert pages[lang].headers["Content-Language"] == tag
        assert f'<html lang="{tag}">' in pages[lang].get_data(as_text=True)
    spanish = pages["es"].get_data(as_text=True)
    assert '<h1><span lang="en">Food business licence (first issue)</span></h1>' in spanish
    assert '<span lang="zh-Hans">已取得营业执照等合法主体资格</span>' in spanish
    assert 'lang="zh-Hans">已取得' not in pages["zh"].get_data(as_text=True)


@on_sqlite
def test_guides_may_be_found_by_search_engines_and_set_no_cookie(world: World) -> None:
    import_matters(world)
    somebody = applicant(world)
    for path in (LIST, GUIDE):
        answer = somebody.get(path)
        assert "noindex" not in answer.get_data(as_text=True)
        assert "X-Robots-Tag" not in answer.headers
        assert "Set-Cookie" not in answer.headers
        assert "script-src" not in answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]


def test_pairs_of_a_name() -> None:
    assert pairs(["食品经营", "Food a"]) == {"食品", "品经", "经营", "fo", "oo", "od"}
    assert pairs(["", "a", " "]) == set()
