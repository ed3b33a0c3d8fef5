"""A licence's link is answered before the framework, and nobody can tell by the answer or by what is kept."""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any

import pytest
from werkzeug.test import Client, TestResponse

from tests.verify_web.conftest import MakeWorld
from tests.verify_web.world import LINK_ID, UNKNOWN_ID, World, sample
from verify_web.scan_road import ScanRoad

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

REFERENCE = re.compile(rb"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}")
NAMED = {"X-Request-Id": "0" * 32}
HTML, JSON = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8", "application/json"


def road(world: World) -> ScanRoad:
    found = world.app.wsgi_app
    assert isinstance(found, ScanRoad)
    return found


def ways(world: World) -> tuple[WSGIApplication, WSGIApplication]:
    """The road with nothing behind it, and the framework by itself."""
    return ScanRoad(_nothing, world.app.extensions["site"], proxies=False), road(world).framework


def _nothing(_environ: object, _start_response: object) -> list[bytes]:
    raise AssertionError("the road did not answer")


def told(answer: TestResponse) -> tuple[Any, ...]:
    """All of an answer but the reference, which is drawn for each."""
    return answer.status, sorted(answer.headers), REFERENCE.sub(b"reference", answer.data)


@pytest.mark.parametrize("accept", [HTML, JSON, "*/*", ""])
@pytest.mark.parametrize("language", ["zh-CN", "es-MX, en;q=0.5", "fr", ""])
@pytest.mark.parametrize("link_id", [LINK_ID, UNKNOWN_ID, "A" * 21 + "B"])
def test_the_answer_is_the_framework_s(world: World, accept: str, language: str, link_id: str) -> None:
    headers = {"Accept": accept, "Accept-Language": language, **NAMED}
    answers = [told(Client(application).get(f"/c/{link_id}", headers=headers)) for application in ways(world)]
    assert answers[0] == answers[1]


@pytest.mark.parametrize("origin", ["", "https://check.example.org"])
@pytest.mark.parametrize(
    "licence", [{"status": "suspended", "ground": "other"}, {"status": "ended", "how": "revoked"}]
)
def test_so_it_is_for_other_verdicts_and_origins(
    build: MakeWorld, licence: dict[str, str], origin: str
) -> None:
    world = build(sample(**licence), origin=origin)
    assert len({repr(told(Client(way).get(f"/c/{LINK_ID}", headers=NAMED))) for way in ways(world)}) == 1
    world.memory.fails = True
    (answer,) = {repr(told(Client(way).get(f"/c/{LINK_ID}", headers=NAMED))) for way in ways(world)}
    assert "503 SERVICE UNAVAILABLE" in answer


def test_log_line_and_measurements_are_the_framework_s(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    metrics = world.app.extensions["site"].metrics.registry
    for count, way in enumerate(ways(world), 1):
        with caplog.at_level(logging.INFO, "vermilion.access"):
            for accept in (HTML, JSON):
                Client(way).get(f"/c/{LINK_ID}", headers={"Accept": accept, **NAMED})
        of_verdicts = {"way": "link", "verdict": "valid"}
        assert metrics.get_sample_value("vermilion_verdicts_total", of_verdicts) == 2 * count
        of_route = {"route": "/c/<link_id>"}
        assert metrics.get_sample_value("vermilion_request_seconds_count", of_route) == 2 * count
    lines = [record.line for record in caplog.records]  # type: ignore[attr-defined]
    kept = [{**line, "ms": 0, "reference": line.get("reference") and "drawn"} for line in lines]
    assert kept[:2] == kept[2:]
    assert [list(line) for line in lines[:2]] == [list(line) for line in lines[2:]]


@pytest.mark.parametrize(
    ("method", "address", "headers"),
    [
        ("HEAD", f"/c/{LINK_ID}", {}),
        ("POST", f"/c/{LINK_ID}", {}),
        ("GET", f"/c/{LINK_ID}?lang=es", {}),
        ("GET", f"/c/{LINK_ID}/", {}),
        ("GET", f"/c/{LINK_ID}", {"X-Forwarded-For": "192.0.2.1"}),
    ],
)
def test_whatever_is_not_plain_goes_to_the_framework(
    world: World, method: str, address: str, headers: dict[str, str]
) -> None:
    asked = []
    framework = road(world).framework

    def note(environ: Any, start_response: Any) -> Any:
        asked.append(environ["PATH_INFO"])
        return framework(environ, start_response)

    road(world).framework = note
    Client(road(world)).open(address, method=method, headers=headers)
    assert len(asked) == 1


def test_a_defect_is_the_framework_s_to_answer(build: MakeWorld) -> None:
    world = build(catch_all=True)
    world.memory.broken = True
    answer = world.client.get(f"/c/{LINK_ID}", headers={"Accept": JSON})
    assert (answer.status_code, answer.get_json()["checks"]["status"]["reason"]) == (503, "check_failed")
    assert world.app.extensions["site"].metrics.defects.total == 1
