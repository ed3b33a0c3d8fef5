"""Every answer has words in each language, and none of them says what the design forbids."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

import signing
from signing import sentences
from signing.showing import Showing
from signing.verdict import (
    HOWS,
    Content,
    Facts,
    Issuer,
    OnRecord,
    Result,
    Status,
    Time,
    decide,
    table,
    to_json,
)
from tests.signing.checking import NOW
from tests.signing.scan_cases import annotated, cases

SOURCES = Path(signing.__file__).parent
SITE = SOURCES.parent / "verify_web" / "static"


def keys() -> set[str]:
    found = set()
    for axes in product(Content, Issuer, OnRecord, Status, Time):
        for what in ({}, {"copy": annotated(NOW.date())}, {"showing": Showing()}):
            found |= {decide(Facts(*axes), as_of=NOW, how=how, **what).heading for how in HOWS}
    return found


def reasons_in_code() -> set[str]:
    """Each slug that Facts, judgements and refusals carry, read from the sources."""
    rules = [*table()["listed"], *(rule for rules in table()["checks"].values() for rule in rules)]
    found = {rule["reason"] for rule in rules if "reason" in rule}
    text = (SOURCES / "status_list.py").read_text(encoding="utf-8")
    found |= set(re.findall(r'unusable\("([a-z_]+)"\)', text))
    for name in ("verdict.py", "issuer.py", "check.py"):
        text = (SOURCES / name).read_text(encoding="utf-8")
        found |= set(re.findall(r'_reason(?:: str)? ?= ?"([a-z_]+)"', text))
        found |= set(re.findall(r'(?:Content|Issuer)\.[A-Z_]+, "([a-z_]+)"', text))
        found |= set(re.findall(r'\breason = "([a-z_]+)"', text))
        found |= set(re.findall(r'return "([a-z_]+_[a-z]+)"', text)) - {"valid_not_compared"}
    for name in ("check.js", "page.js"):
        text = (SITE / name).read_text(encoding="utf-8")
        found |= set(re.findall(r'_reason: "([a-z_]+)"', text))
        found |= set(
            re.findall(r'\["(?:altered|refused|doubtful|not_\w+|proven|recognised)", "([a-z_]+)"\]', text)
        )
        found |= set(re.findall(r'reason = "([a-z_]+)"', text))
    for name in ("strict_check.py", "joint.py", "cms.py"):
        strict = (SOURCES / name).read_text(encoding="utf-8")
        found |= set(re.findall(r'refuse\([^)]*, "([a-z_]+)"\)', strict))
        found |= set(re.findall(r'reason="([a-z_]+)"', strict))
    return found | {
        "shown_on_screen",
        "structure",
        "not_a_pdf",
        "too_large",
        "not_matched",
        "check_failed",
        "busy",
    }


def test_every_verdict_has_its_words() -> None:
    rows = sentences.table()["verdicts"]
    assert set(rows) == keys()
    for key, row in rows.items():
        assert set(row) == set(sentences.LANGUAGES), key
        for language in sentences.LANGUAGES:
            assert set(row[language]) == {"heading", "sentence", "next"}, key
            for words in row[language].values():
                assert words.strip() == words != ""
                assert is_in(language, words), words
            for other in sentences.LANGUAGES:
                assert other == language or not set(row[language].values()) & set(row[other].values()), key


def test_every_reason_in_the_code_has_its_sentence() -> None:
    rows = sentences.table()["reasons"]
    missing = reasons_in_code() - set(rows)
    assert not missing
    assert len(reasons_in_code()) > 30
    for case in cases():
        assert set(case.want[1:]) <= set(rows), case.name


def is_in(language: str, words: str) -> bool:
    """Whether words are written as their language is."""
    if language == "zh":
        return re.search(r"[\u4e00-\u9fff]", words) is not None
    return re.fullmatch({"en": r"[ -~–]+", "es": r"[ -~–áéíóúñÁÉÍÓÚÑ¿¡]+"}[language], words) is not None


@pytest.mark.parametrize("part", ["reasons", "checks", "claims", "results"])
def test_each_language_is_there_and_no_two_are_the_same(part: str) -> None:
    for key, row in sentences.table()[part].items():
        assert set(row) == set(sentences.LANGUAGES), key
        assert len(set(row.values())) == len(row), key
        for language, words in row.items():
            assert words.strip() == words != "", key
            assert is_in(language, words), words


def test_no_sentence_is_without_use() -> None:
    assert set(sentences.table()["reasons"]) - reasons_in_code() == set()


def test_cannot_check_never_reads_as_invalid_and_only_green_reads_as_valid() -> None:
    rows = sentences.table()["verdicts"]
    assert "does not mean that the licence is invalid" in rows["cannot_check"]["en"]["sentence"]
    assert "并不表示该证照无效" in rows["cannot_check"]["zh"]["sentence"]
    assert "no significa que la licencia no sea válida" in rows["cannot_check"]["es"]["sentence"]
    for language, word in (("en", "Valid"), ("zh", "有效"), ("es", "Válida")):
        assert [key for key, row in rows.items() if row[language]["heading"] == word] == ["valid"]
    assert rows["valid_not_compared"]["en"]["heading"] == "On record and in force: compare with your document"


def test_words_on_the_first_screen_are_plain() -> None:
    for row in sentences.table()["verdicts"].values():
        said = " ".join(words for language in row.values() for words in language.values()).lower()
        for word in ("signature", "hash", "token", "digest", "certificate", "签名无效", "哈希"):
            assert word not in said
        for word in ("firma ", "firma.", "certificado", "resumen", "criptogr"):
            assert word not in said


def test_how_a_licence_ended_is_the_laws_word_in_each_language() -> None:
    rows = sentences.table()["verdicts"]
    words = {
        "ended_revoked": ("吊销", "Revoked", "Revocada"),
        "ended_annulled": ("撤销", "Annulled", "Anulada"),
        "ended_withdrawn": ("撤回", "Withdrawn", "Retirada"),
        "ended_cancelled": ("注销", "Cancelled", "Cancelada (baja)"),
        "replaced": ("换发", "Replaced", "Sustituida"),
        "suspended": ("暂扣", "Suspended", "Suspendida"),
        "expired": ("已过有效期", "Expired", "Caducada"),
    }
    for key, said in words.items():
        for language, word in zip(sentences.LANGUAGES, said, strict=True):
            assert word in rows[key][language]["heading"]
    assert "sanción" in rows["ended_revoked"]["es"]["sentence"]


def test_a_name_is_in_the_readers_language_or_one_that_the_registry_has() -> None:
    names = {"zh": "局", "en": "Bureau"}
    assert sentences.in_language(names, "zh") == ("局", "zh")
    assert sentences.in_language(names, "es") == ("Bureau", "en")
    assert sentences.in_language({"zh": "局"}, "es") == ("局", "zh")
    assert sentences.in_language({**names, "es": "Oficina"}, "es") == ("Oficina", "es")
    assert sentences.in_language({}, "es") is None


def test_an_answer_and_its_json_have_the_same_words() -> None:
    for axes in product(Content, Issuer, OnRecord, Status, Time):
        verification = decide(Facts(*axes), as_of=NOW, how="withdrawn")
        for language in sentences.LANGUAGES:
            for words in (sentences.heading, sentences.sentence, sentences.next_step):
                assert words(verification, language) == words(to_json(verification), language)


def test_a_reason_of_a_newer_service_is_shown_as_it_stands() -> None:
    assert sentences.reason_sentence("not_logged_yet", "en") == "not_logged_yet"


def test_the_script_gets_one_language() -> None:
    chosen = sentences.for_language("zh")
    assert chosen["results"][Result.PASSED] == "通过"
    assert chosen["verdicts"]["valid"]["heading"] == "有效"
