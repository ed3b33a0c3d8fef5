"""The console of a world, and the device that opens it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, BrowserContext

from registry.console import invitations
from tests.browser.conftest import PATIENCE
from tests.browser.site import Served
from tests.registry.world import Ticker, World


@dataclass
class Place:
    """A world whose console a browser opens."""

    world: World
    served: Served
    clock: Ticker

    @property
    def console(self) -> str:
        return f"{self.served.origin}/console"

    def invited(self, person: str) -> tuple[str, str]:
        """Link and code."""
        ports = self.world.ports
        person_id = self.world.people[person].id
        with ports.database.transaction() as session:
            made = invitations.invite(session, ports, self.world.system, person_id=person_id, account=person)
        with ports.database.transaction() as session:
            code = invitations.release(session, ports, self.world.security, invitation_id=made.id)
        return f"{self.console}/enrol?invitation={made.token}", code


@contextmanager
def device(browser: Browser, *, script: bool = True, width: int = 1024) -> Iterator[BrowserContext]:
    context = browser.new_context(
        java_script_enabled=script, viewport={"width": width, "height": 700}, locale="zh-CN"
    )
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()
