"""A page that is cast is the template's own, byte for byte, whatever the texts are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from markupsafe import escape

from signing.check import check_id
from tests.verify_web.conftest import MakeWorld
from tests.verify_web.world import LINK_ID, SLUGS, UNKNOWN_ID, sample
from verify_web import moulds, routes
from verify_web.language import LANGUAGES
from verify_web.templating import fill_in

LICENCES: dict[str, dict[str, Any]] = {
    "valid": {},
    "suspended": {"status": "suspended", "ground": "penalty"},
    "ended": {"status": "ended", "how": "revoked"},
    "unentitled": {"entitled": False},
}
HOSTILE = '<b title="x">&\'\ufeff</b>{{ r }}'


@pytest.fixture(autouse=True)
def no_moulds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moulds, "_moulds", type(moulds._moulds)())


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("slug", SLUGS)
@pytest.mark.parametrize("licence", LICENCES)
@pytest.mark.parametrize("asked", [None, "es"])
def test_a_cast_page_is_the_template_s(
    build: MakeWorld, monkeypatch: pytest.MonkeyPatch, licence: str, slug: str, lang: str, asked: str | None
) -> None:
    """The first page of a shape makes the mould; the second, of another licence, is cast in it."""
    for link_id in (LINK_ID, UNKNOWN_ID):
        pages = []
        for serial in ("0000018", "0000027"):
            changed = sample(slug, serial, **LICENCES[licence])
            changed = replace(changed, issuer_name={"zh": f"{HOSTILE}{serial}", "en": f"{HOSTILE}{serial}"})
            here = build(changed).app.extensions["site"]
            outcome = check_id(link_id, here.trust.current(), here.live, here.clock())
            told: dict[str, Any] = {
                "asked": asked,
                "link_path": f"/c/{link_id}",
                "reference": "" if outcome.licence is None else f"AAAA-{serial}",
            }
            pages.append(routes.outcome_body(here, outcome, lang, **told))
            with monkeypatch.context() as patch:
                patch.setattr(routes, "cast", _by_the_template)
                assert routes.outcome_body(here, outcome, lang, **told) == pages[-1]
        assert (pages[0] == pages[1]) is (link_id == UNKNOWN_ID)
    assert len(moulds._moulds) == 2  # one for all licences of a type and verdict


def _by_the_template(
    template: str, lang: str, _shape: object, texts: list[str], markup: list[str], context: moulds.Context
) -> bytes:
    return fill_in(template, lang, **context(iter(texts), iter(markup))).encode()


def test_texts_that_no_mould_can_hold_go_through_the_template(monkeypatch: pytest.MonkeyPatch) -> None:
    filled: list[dict[str, Any]] = []

    def fill(_template: str, _lang: str, **context: Any) -> str:
        filled.append(context)
        return f"<p>{escape(context['name'])}</p>{context['script']}"

    def context(texts: Iterator[str], markup: Iterator[str]) -> dict[str, Any]:
        return {"name": next(texts), "script": next(markup)}

    monkeypatch.setattr(moulds, "fill_in", fill)

    def cast(name: str, script: str) -> str:
        return moulds.cast("t", "en", None, [name], [script], context).decode()

    assert cast("a&b", "<s>") == "<p>a&amp;b</p><s>"
    assert len(filled) == 2  # with marks, and by itself, to compare
    assert cast("\ue0000\ue001", "<i>") == "<p>\ue0000\ue001</p><i>"
    assert len(filled) == 2
    assert cast("a\0b", "<i>") == "<p>a\0b</p><i>"
    assert len(filled) == 3


def test_a_template_that_looks_at_a_text_is_never_cast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moulds, "fill_in", lambda _template, _lang, name: str(len(name)))

    def context(texts: Iterator[str], _markup: Iterator[str]) -> dict[str, Any]:
        return {"name": next(texts)}

    for name in ("four", "three", ""):
        assert moulds.cast("t", "en", None, [name], [], context) == str(len(name)).encode()
    assert not moulds._moulds


def test_no_more_moulds_are_kept_than_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moulds, "fill_in", lambda _template, _lang, name: f"<p>{name}</p>")
    for shape in range(moulds.KEPT + 3):
        moulds.cast("t", "en", shape, ["x"], [], lambda texts, _markup: {"name": next(texts)})
    assert len(moulds._moulds) == moulds.KEPT
