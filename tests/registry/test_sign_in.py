"""Signing in with a password and a one-time code, and the session that comes of it."""

from __future__ import annotations

import pytest

from registry.console import passwords
from tests.registry.signing_in import with_password
from tests.registry.world import World


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "LOG_N", 5)
    monkeypatch.setattr(passwords, "P", 1)


def test_somebody_who_was_invited_signs_in_and_is_greeted(world: World) -> None:
    keeper = with_password(world, world.people["keeper"].id)
    browser = keeper.sign_in()
    page = browser.get("/").get_data(as_text=True)
    assert "样本keeper" in page
    assert "印章保管人" in page
