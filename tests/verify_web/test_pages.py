"""Every verdict as a page in each language: word, shape, sentence, date, and no more than the type tells."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from pydantic import ValidationError

from registry.settings import Settings
from signing.annotation import Annotation, annotation_to_json
from signing.licence_type import Role
from signing.live import LiveCopy
from signing.sentences import LANGUAGES as SENTENCE_LANGUAGES
from signing.sentences import for_language, heading
from signing.showing import Showing
from signing.verdict import Verdict
from tests.verify_web.conftest import MakeWorld
from tests.verify_web.world import (
    LINK_ID,
    LOOKUP_CODE,
    NOW,
    ORIGIN,
    SHOWN_ID,
    UNKNOWN_ID,
    WRONG_CODE,
    World,
    licence_type,
    sample,
    sample_record,
)
from verify_web.access_log import JsonLines
from verify_web.assets import STATIC, TEMPLATES, WORDS
from verify_web.language import HTML_LANG, LANGUAGES, day_in_words, month_in_words
from verify_web.page import TONES

# what the registry holds -> verdict, key of the words, tone, HTTP status
CASES: dict[str, tuple[dict[str, Any], str, str, int]] = {
    "valid": ({}, "valid_not_compared", "note", 200),
    "revoked": (
        {"status": "ended", "how": "revoked", "since": date(2026, 3, 2)}, "ended_revoked", "bad", 200,
    ),
    "annulled": (
        {"status": "ended", "how": "annulled", "since": date(2026, 3, 2)}, "ended_annulled", "bad", 200,
    ),
    "withdrawn": (
        {"status": "ended", "how": "withdrawn", "since": date(2026, 3, 2)}, "ended_withdrawn", "bad", 200,
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


COPY = LiveCopy(
    Annotation("办理银行开户", "样本市商业银行", date(2026, 3, 31), date(2026, 3, 2), 2),
    withdrawn_on=None,
    withdrawn_at=None,
    registered_at=NOW,
    link_id_sha256=bytes(32),
)
OVER = replace(COPY, annotation=replace(COPY.annotation, valid_to=date(2026, 3, 3)))
CASES |= {
    "copy": ({"copy": COPY}, "copy_valid_not_compared", "note", 200),
    "copy expired": ({"copy": OVER}, "copy_expired", "warn", 200),
    "copy withdrawn": (
        {"copy": replace(COPY, withdrawn_on=date(2026, 3, 4), withdrawn_at=NOW)},
        "ended_copy_withdrawn", "bad", 200,
    ),
    "copy of a suspended licence": (
        {"copy": COPY, "status": "suspended", "ground": "other", "since": date(2026, 3, 2)},
        "suspended", "warn", 200,
    ),
}  # fmt: skip


def text_of(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)))


def get(world: World, path: str, lang: str, accept: str = "text/html") -> tuple[int, str]:
    answer = world.client.get(path, headers={"Accept-Language": lang, "Accept": accept})
    return answer.status_code, answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("zh", "自2026年3月2日起至2026年4月1日止"),
        ("en", "From 2 March 2026 to 1 April 2026"),
        ("es", "Desde el 2 de marzo de 2026 hasta el 1 de abril de 2026"),
    ],
)
def test_a_suspension_with_a_term_says_its_end(build: MakeWorld, lang: str, said: str) -> None:
    world = build(sample(status="suspended", since=date(2026, 3, 2), suspended_until=date(2026, 4, 1)))
    assert said in text_of(get(world, f"/c/{LINK_ID}", lang)[1])
    said_in_json = get(world, f"/c/{LINK_ID}", lang, "application/json")[1]
    assert '"suspended_until":"2026-04-01"' in said_in_json.replace(": ", ":")


@pytest.mark.parametrize(
    ("ground", "lang", "said"),
    [
        ("penalty", "zh", "依据 暂扣（行政处罚）"),
        ("other", "zh", "依据 暂停（其他原因）"),
        ("penalty", "en", "Ground Withheld as a penalty"),
        ("other", "en", "Ground Suspended on another ground"),
        ("penalty", "es", "Motivo Retenida como sanción"),
        ("other", "es", "Motivo Suspendida por otro motivo"),
        (None, "zh", ""),
    ],
)
def test_a_suspension_says_on_what_ground(build: MakeWorld, ground: str | None, lang: str, said: str) -> None:
    """In the law's two words. What the officer wrote of it is nobody's here."""
    world = build(sample(status="suspended", ground=ground, since=date(2026, 3, 2)))
    page = seen(get(world, f"/c/{LINK_ID}", lang)[1])
    assert said in page
    assert (WORDS[lang]["ground_penalty"] in page) is (ground == "penalty")
    assert (WORDS[lang]["ground_other"] in page) is (ground == "other")
    in_json = json.loads(get(world, f"/c/{LINK_ID}", lang, "application/json")[1])
    assert in_json["licence"]["ground"] == ground
    assert WORDS[lang]["ground"] + " " not in seen(get(build(), f"/c/{LINK_ID}", lang)[1])


@pytest.mark.parametrize("lang", LANGUAGES)
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
    assert f'<html lang="{HTML_LANG[lang]}">' in html
    for other, name in LANGUAGES.items():
        shown = f'hreflang="{HTML_LANG[other]}" lang="{HTML_LANG[other]}" href="/c/{LINK_ID}?lang={other}">{name}<'
        assert (shown in html) is (other != lang)
    assert html.count("data-result=") == 3
    assert "SPECIMEN" in html


def seen(html: str) -> str:
    """The text that a reader sees of a page: without what is for its script."""
    return text_of(re.sub(r"(?s)<script.*?</script>", "", html.partition("<body>")[2]))


def in_order(text: str, *parts: str) -> list[int]:
    """Where each part begins, each looked for behind the one before."""
    at, found = 0, []
    for one in parts:
        at = text.find(one, at)
        assert at >= 0, (one, text)
        found.append(at)
        at += len(one)
    return found


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("case", CASES)
def test_the_parts_of_a_page_come_in_one_order(build: MakeWorld, case: str, lang: str) -> None:
    """What it comes to, what that means, and as of when; whose it is; what to compare; how it was checked; what
    to do. Nothing stands before the verdict but the site's name, its languages and that it is a specimen.
    """
    from signing.sentences import table

    changes, key, _, _ = CASES[case]
    html = get(build(sample(**changes)), f"/c/{LINK_ID}", lang)[1]
    number = sample_record().fields["licence_number"]
    words, verdict = WORDS[lang], table()["verdicts"][key][lang]
    checked = words["checked_at"].partition("{moment}")[0]
    text = seen(html)
    order = in_order(
        text, verdict["heading"], verdict["sentence"], checked,
        words["issuer"], words["type"], words["number"], words["holder"], words["valid"],
        words["compare_title"],
        words["checks_title"], *(table()["checks"][name][lang] for name in ("content", "issuer", "status")),
        words["next_title"], verdict["next"], words["problem_title"], words["contact_title"],
    )  # fmt: skip
    for part in (verdict["heading"], verdict["sentence"]):
        assert text.count(part) == 1
    assert str(number) not in text[: order[3]]
    assert len(text[order[1] + len(verdict["sentence"]) : order[2]]) < 80  # a day, where there is one
    main = html.partition("<main")[2]
    assert re.search(r"<h1|<h2|<p id=", main).group() == "<h1"  # type: ignore[union-attr]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_unknown_and_cannot_check(build: MakeWorld, lang: str) -> None:
    world = build()
    code, html = get(world, f"/c/{UNKNOWN_ID}", lang)
    assert (code, 'data-verdict="unknown"' in html) == (404, True)
    world.memory.fails = True
    code, html = get(world, f"/c/{LINK_ID}", lang)
    assert (code, 'data-verdict="cannot_check"' in html, 'data-tone="unsure"' in html) == (503, True, True)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("case", [case for case in CASES if case.startswith("copy")])
def test_a_copy_says_for_what_it_was_made_whatever_the_verdict(
    build: MakeWorld, case: str, lang: str
) -> None:
    changes, *_ = CASES[case]
    world = build(sample(**changes))
    html = get(world, f"/c/{LINK_ID}", lang)[1]
    told = text_of(html)
    words, annotation = WORDS[lang], changes["copy"].annotation
    for text in (
        words["copy_title"],
        words["copy_lead"],
        annotation.purpose,
        annotation.recipient,
        day_in_words(annotation.valid_to, lang),
    ):
        assert text in told
    chinese = "" if lang == "zh" else ' lang="zh"'
    assert f"<bdi{chinese}>{annotation.purpose}</bdi>" in html
    answer = json.loads(get(world, f"/c/{LINK_ID}", lang, "application/json")[1])
    assert answer["copy"] == annotation_to_json(annotation)
    plain = get(build(), f"/c/{LINK_ID}", lang)[1]
    assert 'id="copy"' not in plain
    assert words["copy_title"] not in text_of(plain)


def test_the_day_that_a_copy_turns_on_is_its_own(build: MakeWorld) -> None:
    for case, said in (
        ("copy", "Valid until the end of 31 March 2026."),
        ("copy expired", "Its last day of validity was 3 March 2026."),
        ("copy withdrawn", "Since 4 March 2026."),
        ("copy of a suspended licence", "Since 2 March 2026."),
    ):
        assert said in text_of(get(build(sample(**CASES[case][0])), f"/c/{LINK_ID}", "en")[1])


SECONDS = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("zh", "持证主体自 10:31:50 起亮证，还将展示 50 秒。"),
        ("en", "Shown by its holder since 10:31:50, and for 50 more seconds."),
        ("es", "Su titular la muestra desde las 10:31:50, y durante 50 segundos más."),
    ],
)
def test_a_presentation_code_says_who_shows_it_and_for_how_long(
    build: MakeWorld, lang: str, said: str
) -> None:
    world = build()
    world.memory.showing = Showing(NOW - 10 * SECONDS, NOW + 50 * SECONDS)
    code, html = get(world, f"/p/{SHOWN_ID}", lang)
    assert (code, 'data-verdict="valid"' in html, 'data-tone="note"' in html) == (200, True, True)
    assert for_language(lang)["verdicts"]["shown_valid"]["heading"] in unescape(html)
    assert said in text_of(html)
    assert str(sample_record().fields["operator_name"]) in html
    assert "<script" not in html.partition("<main")[2]  # there is nothing to compare
    answer = json.loads(get(world, f"/p/{SHOWN_ID}", lang, "application/json")[1])
    assert answer["showing"] == {"shown_at": "2026-03-04T02:31:50Z", "until": "2026-03-04T02:32:50Z"}
    assert answer["checks"]["content"] == {"result": "not_done", "reason": "shown_on_screen"}
    headers = world.client.get(f"/p/{SHOWN_ID}").headers
    assert headers["Cache-Control"] == "no-store"


def test_of_a_code_that_is_over_nothing_is_said_but_that(build: MakeWorld) -> None:
    """A replayed picture of it is no way to ask about the licence, whatever became of that."""
    ended: dict[str, Any] = {"status": "ended", "how": "revoked", "since": date(2026, 3, 2)}
    for changes in ({}, ended):
        world = build(sample(**changes))
        world.memory.showing = Showing(NOW - 60 * SECONDS, NOW)
        code, html = get(world, f"/p/{SHOWN_ID}", "en")
        assert code == 200
        assert 'data-verdict="expired"' in html
        assert for_language("en")["verdicts"]["code_over"]["heading"] in unescape(html)
        assert "It was shown until 10:32:00." in text_of(html)
        answer = get(world, f"/p/{SHOWN_ID}", "en", "application/json")[1]
        for hidden in (world.identifier, "licence", str(sample_record().fields["operator_name"])):
            assert hidden not in answer
        assert json.loads(answer)["checks"]["status"]["reason"] == "code_over"


def test_a_code_that_nobody_shows_is_unknown_and_one_from_the_future_is_over(build: MakeWorld) -> None:
    world = build()
    world.memory.showing = Showing(NOW + 6 * SECONDS, NOW + 60 * SECONDS)  # a clock is wrong
    assert 'data-verdict="expired"' in get(world, f"/p/{SHOWN_ID}", "en")[1]
    for other in (LINK_ID, "A" * 22, "short", "A" * 21 + "B", "%00", "A" * 5000):
        code, html = get(world, f"/p/{other}", "en")
        assert code == 404
        assert 'data-verdict="unknown"' in html, other
    world.memory.fails = True
    code, html = get(world, f"/p/{SHOWN_ID}", "en")
    assert (code, 'data-verdict="cannot_check"' in html) == (503, True)


def test_a_program_sends_a_presentation_code_as_it_was_scanned(build: MakeWorld) -> None:
    world = build()
    world.memory.showing = Showing(NOW, NOW + 60 * SECONDS)
    for text, verdict in (
        (f"{ORIGIN}/p/{SHOWN_ID}", "valid"),
        (f"{ORIGIN}/p/{SHOWN_ID}#1", "not_recognised"),
        (f"http://elsewhere.example/p/{SHOWN_ID}", "cannot_check"),  # no trust list says whose that is
    ):
        for member in ("link", "qr"):
            answer = world.client.post("/api/v1/verifications", json={member: text})
            assert answer.get_json()["verdict"] == verdict, text
    many = [world.client.get(f"/p/{SHOWN_ID}").status_code for _ in range(100)]
    assert set(many) == {200}  # no scan is ever limited


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
    english, chinese, spanish = (text_of(get(world, f"/c/{LINK_ID}", lang)[1]) for lang in ("en", "zh", "es"))
    assert "from 1 March 2026 until the end of 28 February 2031" in english
    assert "Checked 4 March 2026, 10:32 (China Standard Time)" in english
    assert "自2026年3月1日至2031年2月28日（含当日）" in chinese
    assert "2026年3月4日 10:32（中国标准时间）" in chinese
    assert "del 1 de marzo de 2026 al 28 de febrero de 2031, ambos inclusive" in spanish
    assert "Comprobado el 4 de marzo de 2026, 10:32 (hora estándar de China)" in spanish
    assert month_in_words(date(2026, 3, 1), "es") == "marzo de 2026"
    ended = build(sample(status="ended", how="revoked", since=date(2026, 3, 2)))
    assert "Since 2 March 2026." in text_of(get(ended, f"/c/{LINK_ID}", "en")[1])
    assert "Desde el 2 de marzo de 2026." in text_of(get(ended, f"/c/{LINK_ID}", "es")[1])


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
    licence = sample()
    world = build(replace(licence, record=replace(licence.record, type_version=9)))
    body = get(world, f"/c/{LINK_ID}", "en")[1]
    assert str(licence.record.fields["operator_name"]) not in body
    assert licence.type_name["en"] in body


def test_markup_in_values_stays_text(build: MakeWorld) -> None:
    licence = sample()
    fields = {**licence.record.fields, "operator_name": "<script>alert(1)</script>&\"'"}
    world = build(replace(licence, record=replace(licence.record, fields=fields)))
    body = get(world, f"/c/{LINK_ID}", "en")[1]
    assert "<script>alert" not in body


@pytest.mark.parametrize(
    ("header", "query", "lang"),
    [
        ("es-MX,es;q=0.9,en;q=0.8", "", "es"),
        ("es-419, en;q=0.9", "", "es"),  # a variety of a language, liked best, is that language
        ("en-GB, zh;q=0.5", "", "en"),
        ("en;q=0.7, es;q=0.8", "", "es"),
        ("es, en", "", "es"),
        ("en, es", "", "en"),
        ("es;q=0, en;q=0.1", "", "en"),
        ("es;q=0, zh;q=0, *;q=0.2", "", "en"),
        ("en;q=0.5, *;q=0.9", "", "zh-Hans"),
        ("*;q=0.1, es;q=0.2", "", "es"),
        ("*;q=0", "", "zh-Hans"),
        ("fr, de", "", "zh-Hans"),
        ("es;q=high, en;q=0.1", "", "en"),
        ("ES-es", "", "es"),
        ("est, ese", "", "zh-Hans"),
        (",;q=;,es", "", "es"),
        ("zh", "?lang=es", "es"),
        ("en", "?lang=es&lang=zh", "es"),
        ("es", "?lang=ES", "es"),
        ("en", "?lang=", "en"),
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
    assert tuple(LANGUAGES) == SENTENCE_LANGUAGES
    assert WORDS.keys() == LANGUAGES.keys() == HTML_LANG.keys()
    for lang, words in WORDS.items():
        assert words.keys() == WORDS["zh"].keys(), lang
        for key, text in words.items():
            assert text.strip() == text != "", (lang, key)
            assert sorted(re.findall(r"\{\w*\}", text)) == sorted(re.findall(r"\{\w*\}", WORDS["zh"][key])), (
                lang,
                key,
            )
            # Said in the page's own language: nothing is left in another's.
            assert [other for other in WORDS if WORDS[other][key] == text] == [lang], (lang, key)
            assert re.search(r"[\u4e00-\u9fff]", text) is None or lang == "zh", (lang, key)
    used = set()
    for source in TEMPLATES.mapping.values():
        used |= set(re.findall(r"\bw\.([a-z_]+)", str(source)))
    assert used <= WORDS["zh"].keys()


@pytest.mark.parametrize("lang", LANGUAGES)
def test_a_page_carries_the_words_of_its_own_language_alone(build: MakeWorld, lang: str) -> None:
    html = unescape(get(build(), f"/c/{LINK_ID}", lang)[1])
    for other in LANGUAGES:
        said = for_language(other)["verdicts"]["ended_withdrawn"]["sentence"]
        assert (said in html) is (other == lang)


def test_what_is_in_another_language_says_so(build: MakeWorld) -> None:
    spanish, english, chinese = (get(build(), f"/c/{LINK_ID}", lang)[1] for lang in ("es", "en", "zh"))
    operator = str(sample_record().fields["operator_name"])
    issuer = sample().issuer_name["en"]
    for html in (spanish, english):
        assert f'<dd><bdi lang="zh">{operator}</bdi>' in html
    assert f"<dd><bdi>{operator}</bdi>" in chinese
    label = licence_type("food-business-licence").field(Role.HOLDER_NAME)
    assert label is not None
    assert f"<dt>{label.label['es']}</dt>" in spanish
    assert f'<dt>{WORDS["es"]["issuer"]}</dt><dd><bdi lang="en">{issuer}</bdi>' in spanish
    assert f"<dt>{WORDS['en']['issuer']}</dt><dd><bdi>{issuer}</bdi>" in english
    assert ' lang="en"' not in english.partition("<main")[2]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_pages_without_an_answer_speak_it_too(build: MakeWorld, lang: str) -> None:
    world = build()
    for path, words in (("/", "start_title"), ("/none", "not_found_title"), ("/check", "method_title")):
        answer = world.client.get(f"{path}?lang={lang}")
        body = unescape(answer.get_data(as_text=True))
        assert f"<h1>{WORDS[lang][words]}</h1>" in body
        assert answer.headers["Content-Language"] == HTML_LANG[lang]
        assert all(f'?lang={other}"' in body for other in LANGUAGES)
    answer = world.client.post(f"/check?lang={lang}", data={"identifier": "1", "lookup_code": "2"})
    assert WORDS[lang]["fault_identifier"] in unescape(answer.get_data(as_text=True))
    answer = world.client.post(
        f"/check?lang={lang}", data={"identifier": world.identifier, "lookup_code": WRONG_CODE}
    )
    answered = text_of(answer.get_data(as_text=True))
    assert for_language(lang)["reasons"]["not_matched"] in answered
    assert for_language(lang)["verdicts"]["cannot_check"]["sentence"] in answered


def test_the_style_sheet_is_small_and_nothing_is_inline(world: World) -> None:
    assert len(STATIC["site.css"].data) < 12_000
    for source in TEMPLATES.mapping.values():
        assert not re.search(r"\s(style|on[a-z]+)=", str(source))
        assert not re.search(r"(src|href)=\"https?:", str(source))


def test_start_page_leads_holders_to_the_log_of_uses_where_there_is_an_origin_for_them(
    world: World, build: MakeWorld
) -> None:
    """Which is another service's: this one reads nothing of it."""
    assert "/holder/" not in world.client.get("/?lang=en").text
    page = build(holder_origin="https://licences.yunxi.example").client.get("/?lang=es").text
    assert 'href="https://licences.yunxi.example/holder/uses?lang=es">¿Es su propia licencia?' in page


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


def test_a_result_has_a_reference_that_the_log_has_too(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """Of a licence on record alone: answers that must be the same have nothing of their own."""
    caplog.set_level(logging.INFO, logger="vermilion")
    found = [
        re.findall(r'<code id="reference">([0-9A-Z-]{19})</code>', world.client.get(f"/c/{LINK_ID}").text)
        for _ in range(2)
    ]
    assert found[0] != found[1]
    logged = [JsonLines().format(one) for one in caplog.records if one.name == "vermilion.access"]
    for (reference,), line in zip(found, logged, strict=True):
        assert json.loads(line)["reference"] == reference
    assert 'id="reference"' not in world.client.get(f"/c/{UNKNOWN_ID}").text


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://report.example/licences", 'href="https://report.example/licences"'),
        ("mailto:report@example.org", 'href="mailto:report@example.org?subject='),
        ("", None),
    ],
)
def test_where_a_problem_is_reported(build: MakeWorld, address: str, shown: str | None) -> None:
    page = build(problem_address=address).client.get(f"/c/{LINK_ID}?lang=en").text
    assert "Report a problem" in page
    assert (shown in page) if shown else ("mailto:" not in page)


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "http://a.example", "mailto:", 'https://a"b', "https://a b"]
)
def test_no_other_address_becomes_a_link(address: str) -> None:
    with pytest.raises(ValidationError):
        Settings(problem_address=address)
