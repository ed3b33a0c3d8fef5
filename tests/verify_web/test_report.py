"""The report on an uploaded file: beside the verdict, never in its place; on the page, as JSON, and what a
reader of PDF is told about certificates.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from hashlib import sha256
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from keys.errors import VermilionError
from signing.licensed import read_licensed
from signing.report_words import table
from signing.validator import Validator, start_validator
from tests.authority import issue_trust_list
from tests.signing.hostile_files import signed_by
from tests.signing.sealing import LATER, drawn_page, make_office, office, sealed, use_of
from tests.verify_web.conftest import MakeWorld
from tests.verify_web.test_api import form
from tests.verify_web.world import World, sample
from verify_web.assets import WORDS
from verify_web.language import LANGUAGES

API = "/api/v1/verifications"
THERE = make_office()


@pytest.fixture(scope="module")
def validator() -> Iterator[Validator]:
    made = start_validator((THERE.root,))
    yield made
    made.close()


@cache
def trust_list() -> str:
    """Its signature serves its record once."""
    here = office().authority
    return issue_trust_list(
        here.trust(sequence=9), here.custodian, here.delegate_key, here.delegate, here.root
    )


@pytest.fixture
def site(build: MakeWorld, validator: Validator) -> World:
    data = sealed().data
    world = build(
        sample(documents=(sha256(data).digest(),), levels=("B-T",)),
        trust_list=trust_list,
        validator=validator,
    )
    world.clock.now = LATER
    world.memory.uses.add(use_of(data))
    return world


def asked(site: World, data: bytes) -> dict[str, Any]:
    answer = site.client.post(API, data=data, content_type="application/pdf")
    assert answer.status_code == 200
    body: dict[str, Any] = answer.get_json()
    return body


def page(site: World, data: bytes, lang: str) -> str:
    answer = site.client.post(f"/upload?lang={lang}", **form(data))
    assert answer.status_code == 200
    return unescape(answer.get_data(as_text=True))


def with_a_comment() -> bytes:
    return sealed().data + b"\n% a comment"


def test_a_registered_file_is_reported_on_from_what_the_registry_knows(site: World) -> None:
    """Without the validator: nobody waits for one to hear that a file is the right one."""
    body = asked(site, sealed().data)
    report = body["report"]
    assert body["verdict"] == "valid"
    assert report | {"says": 0} == {
        "sentence": "registered",
        "explained": "known",
        "indication": "TOTAL_PASSED",
        "sub_indication": None,
        "level": "B-T",
        "signer": "云溪省样本市市场监督管理局",
        "sealed_at": "2026-03-04T02:32:00Z",
        "coverage": "whole_file",
        "original": {"revision": 1, "start": 0, "end": len(sealed().data), "registered": True},
        "added": [],
        "revisions": [],
        "signatures": [],
        "says": 0,
    }


@pytest.mark.parametrize(
    ("changes", "indication"),
    [
        ({"seal_state": "cancelled"}, ("TOTAL_PASSED", None)),
        ({"seal_state": "compromised"}, ("TOTAL_FAILED", "REVOKED")),
        ({"seal_state_at_sealing": "suspended"}, ("INDETERMINATE", "CHAIN_CONSTRAINTS_FAILURE")),
        ({"entitled": False}, ("INDETERMINATE", "SIG_CONSTRAINTS_FAILURE")),
    ],
    ids=str,
)
def test_its_indication_is_that_of_its_seal(
    site: World, changes: dict[str, Any], indication: tuple[str, str | None]
) -> None:
    assert site.memory.licence is not None
    site.memory.licence = replace(site.memory.licence, **changes)
    report = asked(site, sealed().data)["report"]
    assert (report["indication"], report["sub_indication"]) == indication


def test_a_right_file_that_is_not_registered_is_called_so(site: World) -> None:
    site.memory.licence = None
    body = asked(site, sealed().data)
    assert (body["verdict"], body["report"]["sentence"], body["report"]["explained"]) == (
        "unknown",
        "whole_unknown",
        "known",
    )


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_says_one_sentence_then_details(site: World, lang: str) -> None:
    shown = page(site, with_a_comment(), lang)
    assert 'data-verdict="altered"' in shown
    said = table()["sentences"]["original_changed"][lang].split("{")[0].rstrip()
    at, words = shown.index('id="report-sentence"'), WORDS[lang]
    assert said in shown[at:]
    for key in ("report_title", "report_indication", "report_more", "readers_link", "report_explains"):
        assert words[key] in shown
    assert "TOTAL_FAILED / FORMAT_FAILURE" in shown
    assert "PAdES B-T" in shown
    assert words["report_of_others"] not in shown
    assert f'href="/about/readers?lang={lang}"' in shown


def test_without_a_validator_the_verdict_is_given_and_the_page_says_what_is_missing(build: MakeWorld) -> None:
    site = build(trust_list=trust_list)
    site.clock.now = LATER
    body = asked(site, with_a_comment())
    assert body["verdict"] in {"altered", "unknown"}
    assert (body["report"]["explained"], body["report"]["sentence"]) == ("away", "away")
    assert table()["sentences"]["away"]["en"] in page(site, with_a_comment(), "en")


def test_a_busy_validator_changes_no_verdict(site: World, validator: Validator) -> None:
    right = asked(site, with_a_comment())
    taken = 0
    while validator.apart._places.acquire(blocking=False):
        taken += 1
    try:
        body = asked(site, with_a_comment())
        shown = page(site, with_a_comment(), "en")
    finally:
        for _ in range(taken):
            validator.apart._places.release()
    assert (body["report"]["explained"], body["report"]["sentence"]) == ("busy", "busy")
    assert {k: v for k, v in body.items() if k != "report"} == {
        k: v for k, v in right.items() if k != "report"
    }
    assert table()["sentences"]["busy"]["en"] in shown


def test_a_registry_that_falls_silent_leaves_the_explanation(site: World) -> None:
    site.memory.fails = True
    answer = site.client.post(API, data=with_a_comment(), content_type="application/pdf")
    body = answer.get_json()
    assert body["verdict"] in {"cannot_check", "altered"}
    assert body["report"]["sentence"] == "sealed_refused"  # its record is none: all that is known without it


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_calls_a_name_that_nobody_certifies_a_claim(build: MakeWorld, lang: str) -> None:
    made = start_validator()
    try:
        site = build(trust_list=trust_list, validator=made)
        site.clock.now = LATER
        shown = page(site, signed_by(THERE, drawn_page()), lang)
    finally:
        made.close()
    assert WORDS[lang]["report_signer_claimed"] in shown
    assert f">{WORDS[lang]['report_signer']}<" not in shown


def test_a_licence_without_a_trust_list_is_found_by_the_registry_in_what_was_appended_to(
    build: MakeWorld, validator: Validator
) -> None:
    data = sealed().data
    site = build(sample(documents=(sha256(data).digest(),)), validator=validator)
    report = asked(site, data + b"more")["report"]
    assert report["sentence"] == "original_changed"
    assert report["original"] == {"revision": 1, "start": 0, "end": len(data), "registered": True}


# Files of others: a report on their signatures, and the licence verdict that any file of others has.


def test_another_s_signed_file_is_not_recognised_and_the_page_keeps_the_two_apart(site: World) -> None:
    data = signed_by(THERE, drawn_page())
    body = asked(site, data)
    assert (body["verdict"], body["report"]["sentence"]) == ("not_recognised", "licensed_doubt")
    assert "licence" not in body
    (signature,) = body["report"]["signatures"]
    assert (signature["authority"], signature["sub_indication"]) == ("licensed", "TRY_LATER")
    shown = page(site, data, "en")
    assert WORDS["en"]["report_of_others"] in shown
    assert 'data-tone="bad"' in shown


def test_the_operator_s_list_is_read_strictly(tmp_path: Path) -> None:
    root, leaf = (
        x509.load_der_x509_certificate(one).public_bytes(Encoding.PEM)
        for one in (THERE.root, THERE.authority.seal)
    )
    (tmp_path / "a.pem").write_bytes(root + root)
    assert read_licensed(tmp_path) == read_licensed(tmp_path / "a.pem") == (THERE.root,)
    assert read_licensed(None) == ()
    for wrong in (leaf, b"", b"nothing", root[:200]):
        (tmp_path / "b.pem").write_bytes(wrong)
        with pytest.raises(VermilionError) as refused:
            read_licensed(tmp_path)
        assert refused.value.reason == "licensed_roots"
    with pytest.raises(VermilionError):
        read_licensed(tmp_path / "none.pem")


# Why a reader may not know our seals.


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_page_about_readers_gives_the_root_and_its_fingerprint(site: World, lang: str) -> None:
    answer = site.client.get(f"/about/readers?lang={lang}")
    shown = unescape(answer.get_data(as_text=True))
    for key in ("readers_lead", "readers_lists", "readers_counts", "readers_changed", "readers_add"):
        assert WORDS[lang][key] in shown
    digits = sha256(office().root).hexdigest().upper()
    assert " ".join(digits[at : at + 4] for at in range(0, 64, 4)) in shown


def test_the_root_is_given_in_both_forms(site: World) -> None:
    der, pem = (site.client.get(f"/about/root.{form_}") for form_ in ("cer", "pem"))
    assert (der.data, der.content_type) == (office().root, "application/pkix-cert")
    assert x509.load_pem_x509_certificate(pem.data) == x509.load_der_x509_certificate(office().root)
    assert "attachment" in der.headers["Content-Disposition"]
    assert site.client.get("/about/root.key").status_code == 404


def test_without_a_trust_list_no_root_is_shown(world: World) -> None:
    shown = unescape(world.client.get("/about/readers?lang=en").get_data(as_text=True))
    assert WORDS["en"]["readers_no_root"] in shown
    assert 'id="fingerprint"' not in shown
    assert world.client.get("/about/root.cer").status_code == 503


def test_reports_are_counted_by_how_they_came(site: World) -> None:
    asked(site, sealed().data)
    asked(site, with_a_comment())
    text = site.app.extensions["site"].metrics.text().decode()
    assert 'vermilion_reports_total{explained="known"} 1.0' in text
    assert 'vermilion_reports_total{explained="done"} 1.0' in text
