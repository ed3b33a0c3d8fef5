"""Every verdict as a page in both languages: word, shape, sentence, date, and no more than the type tells."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from html import unescape
from typing import Any

import pytest

from signing.sentences import heading
from signing.verdict import Verdict
from tests.verify_web.conftest import MakeWorld
from tests.verify_web.world import LINK_ID, LOOKUP_CODE, NOW, ORIGIN, UNKNOWN_ID, World, sample, sample_record
from verify_web.assets import STATIC, TEMPLATES, WORDS
from verify_web.page import TONES

# what the registry holds -> verdict, key of the words, tone, HTTP status
CASES: dict[str, tuple[dict[str, Any], str, str, int]] = {
    "valid": ({}, "valid_not_compared", "note", 200),
    "revoked": (
        {"status": "ended", "how": "revoked", "since": date(2026, 3, 2)}, "ended_revoked", "bad", 200,
    ),
    "cancelled": (
        {"status": "ended", "how": "cancelled", "since": date(2026, 3, 2)}, "ended_cancelled", "bad", 200,
    ),
    "suspended": (
        {"status": "suspended", "ground": "penalty", "since": date(2026, 3, 2)}, "suspended", "warn", 200,
    ),
    "replaced": ({"status": "ended", "how": "replaced", "since": date(2026, 3, 2)}, "replaced", "warn", 200),
    "expired": ({"valid_to": date(2026, 3, 3)}, "expired", "warn", 200),
    "not_yet_valid": ({"valid_from": date(2026, 3, 5)}, "not_yet_valid", "warn", 200),
    "not_recognised": ({"entitled": False}, "not_recognised", "bad", 200),
}  # fmt: skip


def text_of(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def get(world: World, path: str, lang: str, accept: str = "text/html") -> tuple[int, str]:
    answer = world.client.get(path, headers={"Accept-Language": lang, "Accept": accept})
    return answer.status_code, answer.get_data(as_text=True)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("case", CASES)
def test_each_verdict_has_its_page(build: MakeWorld, case: str, lang: str) -> None:
    changes, key, tone, status = CASES[case]
    world = build(sample(**changes))
    code, html = get(world, f"/c/{LINK_ID}", lang)
    from signing.sentences import table

    words = table()["verdicts"][key][lang]
    assert code == status
    assert f"<title>{words['heading']} " in unescape(html)  # the title begins with the verdict
    assert re.search(r'<h1 id="[a-z-]+">' + re.escape(words["heading"]) + "</h1>", unescape(html))
    assert f'data-tone="{tone}"' in html
    assert 'role="status"' in html
    assert words["sentence"] in unescape(html)
    assert words["next"] in unescape(html)
    assert f'<html lang="{"zh-Hans" if lang == "zh" else "en"}">' in html
    assert html.count("data-result=") == 3
    assert "SPECIMEN" in html


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_unknown_and_cannot_check(build: MakeWorld, lang: str) -> None:
    world = build()
    code, html = get(world, f"/c/{UNKNOWN_ID}", lang)
    assert (code, 'data-verdict="unknown"' in html) == (404, True)
    world.memory.fails = True
    code, html = get(world, f"/c/{LINK_ID}", lang)
    assert (code, 'data-verdict="cannot_check"' in html, 'data-tone="unsure"' in html) == (503, True, True)


def test_only_a_check_with_all_three_passed_is_green(build: MakeWorld) -> None:
    assert "good" not in TONES.values()
    assert set(TONES) == set(Verdict)
    world = build()
    typed = world.client.post(
        "/check", data={"identifier": world.identifier, "lookup_code": LOOKUP_CODE}
    ).get_data(as_text=True)
    assert 'data-verdict="valid"' in typed
    assert 'data-tone="note"' in typed  # nothing was compared
    from io import BytesIO

    from tests.verify_web.world import DOCUMENT

    upload = world.client.post("/upload", data={"file": (BytesIO(DOCUMENT), "l.pdf")}).get_data(as_text=True)
    assert 'data-tone="good"' in upload


def test_dates_are_in_words_and_the_moment_has_a_zone(build: MakeWorld) -> None:
    world = build()
    english, chinese = (text_of(get(world, f"/c/{LINK_ID}", lang)[1]) for lang in ("en", "zh"))
    assert "from 1 March 2026 until the end of 28 February 2031" in english
    assert "Checked 4 March 2026, 10:32 (China Standard Time)" in english
    assert "自2026年3月1日至2031年2月28日（含当日）" in chinese
    assert "2026年3月4日 10:32（中国标准时间）" in chinese
    ended = build(sample(status="ended", how="revoked", since=date(2026, 3, 2)))
    assert "Since 2 March 2026." in text_of(get(ended, f"/c/{LINK_ID}", "en")[1])


def test_validity_ends_with_its_last_civil_day(build: MakeWorld) -> None:
    world = build(sample(valid_to=date(2026, 3, 4)))
    world.clock.now = datetime(2026, 3, 4, 15, 59, tzinfo=UTC)  # 23:59 in Shanghai
    assert 'data-verdict="valid"' in get(world, f"/c/{LINK_ID}", "en")[1]
    world.clock.now = datetime(2026, 3, 4, 16, 0, tzinfo=UTC)
    assert 'data-verdict="expired"' in get(world, f"/c/{LINK_ID}", "en")[1]


def test_personal_data_is_shown_by_the_types_rule_only(build: MakeWorld) -> None:
    licence = sample("teacher-qualification")
    world = build(licence)
    hidden_fields = sample_record("teacher-qualification").fields
    name, number = hidden_fields["holder_name"], hidden_fields["citizen_id"]
    assert isinstance(name, str)
    assert isinstance(number, str)
    for accept in ("text/html", "application/json"):
        body = get(world, f"/c/{LINK_ID}", "en", accept)[1]
        assert name not in body
        assert number not in body
        assert number[6:14] not in body  # birth date
        assert name[0] + "*" * (len(name) - 1) in body
        for hidden in ("sex", "birth_month", "nationality", "photo"):
            assert f'"{hidden}"' not in body


def test_a_type_that_is_not_known_discloses_nothing(build: MakeWorld) -> None:
    from dataclasses import replace

    licence = sample()
    world = build(replace(licence, record=replace(licence.record, type_version=9)))
    body = get(world, f"/c/{LINK_ID}", "en")[1]
    assert str(licence.record.fields["operator_name"]) not in body
    assert licence.type_name["en"] in body


def test_markup_in_values_stays_text(build: MakeWorld) -> None:
    from dataclasses import replace

    licence = sample()
    fields = {**licence.record.fields, "operator_name": "<script>alert(1)</script>&\"'"}
    world = build(replace(licence, record=replace(licence.record, fields=fields)))
    body = get(world, f"/c/{LINK_ID}", "en")[1]
    assert "<script>alert" not in body


@pytest.mark.parametrize(
    ("header", "query", "lang"),
    [
        ("", "", "zh-Hans"),
        ("en-GB,en;q=0.9", "", "en"),
        ("zh-TW", "", "zh-Hans"),
        ("fr, en;q=0.5, zh;q=0.1", "", "en"),
        ("fr", "", "zh-Hans"),
        ("en", "?lang=zh", "zh-Hans"),
        ("zh-CN", "?lang=en", "en"),
        ("zh-CN", "?lang=../etc", "zh-Hans"),
    ],
)
def test_language(world: World, header: str, query: str, lang: str) -> None:
    answer = world.client.get(f"/c/{LINK_ID}{query}", headers={"Accept-Language": header})
    assert answer.headers["Content-Language"] == lang
    assert f'<html lang="{lang}">' in answer.get_data(as_text=True)
    assert "Accept-Language" in answer.headers["Vary"]


def test_the_switch_keeps_the_page(world: World) -> None:
    body = get(world, f"/c/{LINK_ID}", "en")[1]
    assert f'href="/c/{LINK_ID}?lang=zh"' in body
    assert ">简体中文<" in body


def test_languages_say_the_same_things() -> None:
    assert WORDS["zh"].keys() == WORDS["en"].keys()
    used = set()
    for source in TEMPLATES.mapping.values():
        used |= set(re.findall(r"\bw\.([a-z_]+)", str(source)))
    assert used <= WORDS["zh"].keys()


def test_the_style_sheet_is_small_and_nothing_is_inline(world: World) -> None:
    assert len(STATIC["site.css"].data) < 12_000
    for source in TEMPLATES.mapping.values():
        assert not re.search(r"\s(style|on[a-z]+)=", str(source))
        assert not re.search(r"(src|href)=\"https?:", str(source))


def test_start_page_offers_both_ways(world: World) -> None:
    body = get(world, "/", "en")[1]
    assert 'action="/check"' in body
    assert 'action="/upload" enctype="multipart/form-data"' in body


def test_a_slip_of_the_pen_is_named(world: World) -> None:
    answer = world.client.post(
        "/check?lang=en", data={"identifier": world.identifier[:-1] + "0", "lookup_code": "ABC"}
    )
    body = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert WORDS["en"]["fault_identifier"] in unescape(body)
    assert WORDS["en"]["fault_code"] in unescape(body)
    assert world.memory.asked == []


def test_heading_words_exist_for_every_page(build: MakeWorld) -> None:
    world = build()
    answer = world.client.get(f"/c/{LINK_ID}", headers={"Accept": "application/json"}).get_json()
    assert heading(answer, "en").startswith("On record")
    assert NOW.isoformat().startswith(answer["as_of"][:16])
    assert world.app.extensions["site"].settings.public_origin == ORIGIN
