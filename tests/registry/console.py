"""Somebody signed in to the console of a world, without the road that leads there: that is test_sign_in.py's."""

from __future__ import annotations

import html
import re

from registry.actor import Duty
from registry.agencies.enrolments import decide
from registry.agencies.rules import add_person
from registry.console import sessions
from tests.registry.signing_in import Browser
from tests.registry.world import World


def signed_in(world: World, person: str | Duty) -> Browser:
    """A browser of one of the world's people, or of an administrator, who has just shown a factor."""
    if isinstance(person, Duty):
        return signed_in_as(world, world.admins[person].id)
    return signed_in_as(world, world.people[person].id)


def signed_in_as(world: World, person_id: str) -> Browser:
    browser = Browser.new(world)
    with world.ports.database.transaction() as session:
        token = sessions.begin(session, world.ports, person_id, "passkey")
    browser.http.set_cookie("console-session", token)
    return browser


def one_more(world: World, agency: str, *roles: str) -> Browser:
    """A browser of somebody new of an agency, with these roles."""
    ports = world.ports
    with ports.database.transaction() as session:
        person = add_person(
            session, ports, world.system, agency_code=world.codes[agency], name="新人", roles=roles, jwk=None
        )
        decide(session, ports, world.security, subject=person.id, approve=True)
        person_id = person.id
    return signed_in_as(world, person_id)


def seen(text: str) -> str:
    """The words of a page's main part, in one line."""
    main = text.partition("<main")[2].partition("</main>")[0]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", f"<main{main}")).split())


def told(browser: Browser, path: str, status: int = 200) -> str:
    answer = browser.get(path)
    assert answer.status_code == status, (path, answer.headers.get("Location"), answer.get_data(as_text=True))
    return seen(answer.get_data(as_text=True))
