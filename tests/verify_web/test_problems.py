"""The address of each kind of problem, on the public site."""

from __future__ import annotations

import pytest

from registry.problems import ADDRESS, TABLE
from tests.verify_web.world import World


@pytest.mark.parametrize("slug", TABLE)
def test_each_kind_is_explained_at_its_address(world: World, slug: str) -> None:
    kind, path = TABLE[slug], ADDRESS + slug
    told = world.client.get(path, headers={"Accept": "application/json"})
    assert (told.status_code, told.get_json()["type"], told.get_json()["status"]) == (200, path, kind.status)
    for lang, said in (("zh", "zh"), ("en", "en"), ("es", "en")):
        page = world.client.get(path, query_string={"lang": lang})
        assert (page.status_code, page.mimetype) == (200, "text/html")
        assert kind.title[said] in page.text
        assert ('<div lang="en">' in page.text) == (lang == "es")  # what is not in the reader's language
        assert all(f"<code>{reason}</code>" in page.text for reason in kind.reasons)
    assert f'href="{path}"' in world.client.get(ADDRESS).text


def test_a_problem_of_the_site_leads_there(world: World) -> None:
    refused = world.client.post("/api/v1/verifications", json={"link": 5})
    assert refused.get_json()["type"] == "/problems/invalid"
    assert world.client.get(refused.get_json()["type"]).status_code == 200


def test_there_are_no_others(world: World) -> None:
    assert world.client.get(f"{ADDRESS}none").status_code == 404
