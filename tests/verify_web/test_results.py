"""Results of decided cases, as anybody reads them."""

from __future__ import annotations

from html import unescape

import pytest

from tests.verify_web.world import MATTER, World
from verify_web.assets import WORDS
from verify_web.language import LANGUAGES

API = "/api/v1/results"


def test_matters_and_their_results_for_programs(world: World) -> None:
    (listed,) = world.client.get(API).get_json()["matters"]
    assert (listed["code"], listed["published"], listed["withheld"]) == (MATTER, 2, 3)
    assert listed["secret_basis"] == "《中华人民共和国保守国家秘密法》"
    answer = world.client.get(listed["href"])
    refused, permitted = answer.get_json()["results"]
    assert (refused["result"], refused["licence"]) == ("refused", None)
    assert permitted["licence"]["how"] == "annulled"
    assert (answer.headers["Cache-Control"], answer.headers["Access-Control-Allow-Origin"]) == (
        "public, max-age=60", "*",
    )  # fmt: skip
    again = world.client.get(listed["href"], headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    page = world.client.get(f"{listed['href']}?after={refused['number']}").get_json()
    assert page["results"] == [permitted]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_same_for_people(world: World, lang: str) -> None:
    words = WORDS[lang]
    index = unescape(world.client.get(f"/results?lang={lang}").text)
    assert f'href="/results/{MATTER}?lang={lang}"' in index
    assert words["results_withheld"].format(count=3, law="《中华人民共和国保守国家秘密法》") in index
    page = unescape(world.client.get(f"/results/{MATTER}?lang={lang}").text)
    for told in (
        "202603040000000002",
        words["result_refused"],
        words["result_annulled"],
        words["results_check"],
    ):
        assert told in page
    assert words["results_link"] in unescape(world.client.get(f"/?lang={lang}").text)


@pytest.mark.parametrize("path", [API, "/results"])
def test_what_is_no_matter_or_no_argument_is_refused(world: World, path: str) -> None:
    for code in ("0" * 12, "x", "../x", MATTER.lower(), "%00" * 12):
        assert world.client.get(f"{path}/{code}").status_code == 404, code
    for query in ("after=x", "after=1&after=2", "page=2", "after=%E5%8F%B7"):
        assert world.client.get(f"{path}?{query}").status_code == 422, query
        assert world.client.get(f"{path}/{MATTER}?{query}").status_code == 422, query
