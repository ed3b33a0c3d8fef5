"""What is left out of Flask does not show: routes, hosts, errors and answers are as Flask has them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, Response, session
from werkzeug.test import Client, TestResponse

from registry.framework import Answer, QuietFlask
from tests.registry.world import World


def filled(app: Flask) -> Client:
    @app.route("/text")
    def text() -> Response:
        return Response("文", headers={"X-Twice": "1", "Content-Language": "zh"})

    @app.route("/folder/")
    def folder() -> str:
        return "words alone"

    @app.route("/moved")
    def moved() -> Response:
        return Response(b"", 303, {"Location": "/text?q=证", "Content-Location": "/文"})

    @app.route("/empty/<int:status>")
    def empty(status: int) -> Response:
        return Response(b"not told", status, {"Content-Type": "text/plain"})

    @app.route("/parts")
    def parts() -> Response:
        return Response([b"one", b"two"])

    @app.route("/pieces")
    def pieces() -> Response:
        return Response(iter([b"one", b"two"]))

    @app.route("/closed")
    def closed() -> Response:
        answer = Response(b"held until it is sent")
        answer.call_on_close(lambda: app.extensions["closed"].append("closed"))
        return answer

    @app.route("/session")
    def remember() -> str:
        session["name"] = "value"
        return ""

    app.extensions["closed"] = []
    return Client(app)


def clients() -> tuple[Client, Client]:
    return filled(QuietFlask("ours", static_folder=None)), filled(Flask("flask", static_folder=None))


def told(answer: TestResponse) -> tuple[Any, ...]:
    return answer.status, list(answer.headers), answer.data


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        "/text", "/text?a=1", "//text", "/text/", "/folder", "/folder?a=%C3%A9&b=%FF", "/folder/", "/moved", "/",
        "/empty/200", "/empty/204", "/empty/304", "/empty/404", "/parts", "/pieces", "/closed", "/nothing",
        "/empty/x", "/%E6%96%87", "/%FF",
    ],
)  # fmt: skip
def test_an_answer_is_flask_s(method: str, path: str) -> None:
    ours, flask = clients()
    assert told(ours.open(path, method=method)) == told(flask.open(path, method=method))


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST:8443", "licences.example.org:80", "[::1]:8080", "192.0.2.1", "a..b", "-", "",
        "x" * 64 + ".org", "licences.example.org:99999", "文.example", "a b", "user@host", "x/y",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/folder", "/text"])
@pytest.mark.parametrize("more", [{}, {"Connection": "Upgrade", "Upgrade": "websocket"}])
def test_so_it_is_for_every_host(host: str, path: str, more: dict[str, str]) -> None:
    headers = [*more.items()]
    environ = {"HTTP_HOST": host.encode().decode("latin-1")}
    ours, flask = (told(client.get(path, headers=headers, environ_overrides=environ)) for client in clients())
    assert ours == flask


def test_a_body_is_closed_when_it_was_sent() -> None:
    ours = filled(app := QuietFlask("ours", static_folder=None))
    assert ours.get("/closed", buffered=True).data == b"held until it is sent"
    assert app.extensions["closed"] == ["closed"]


def test_an_answer_goes_out_in_one_piece() -> None:
    app = QuietFlask("ours", static_folder=None)
    filled(app)
    with app.test_request_context("/text") as context:
        body = app.wsgi_app(context.request.environ, lambda *_: _nothing)
    assert body == ["文".encode()]


def _nothing(_part: bytes) -> None:
    raise AssertionError


def test_nothing_is_kept_in_flask_s_session() -> None:
    ours, flask = clients()
    answers = [client.get("/session") for client in (ours, flask)]
    assert [answer.status_code for answer in answers] == [500, 500]
    assert not any("Set-Cookie" in answer.headers for answer in answers)


def functions(app: Flask) -> Iterator[Any]:
    yield from app.view_functions.values()
    for kept in (app.before_request_funcs, app.after_request_funcs, app.teardown_request_funcs):
        for some in kept.values():
            yield from some
    for by_code in app.error_handler_spec.values():
        for by_kind in by_code.values():
            yield from by_kind.values()
    yield from app.teardown_appcontext_funcs


def test_nothing_is_a_coroutine(world: World) -> None:
    found = list(functions(world.app))
    assert len(found) > 100
    assert not any(inspect.iscoroutinefunction(one) for one in found)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/text", "/moved", "/empty/204", "/empty/304", "/pieces"])
def test_a_header_that_an_answer_says_itself_is_not_said_twice(method: str, path: str) -> None:
    app = QuietFlask("ours", static_folder=None)
    filled(app)

    @app.after_request
    def dress(response: Response) -> Response:
        assert isinstance(response, Answer)
        response.unless_said = (("X-Twice", "x-twice", "2"), ("X-Once", "x-once", "3"))
        return response

    answer = Client(app).open(path, method=method)
    assert answer.headers.getlist("X-Twice") == (["1"] if path == "/text" else ["2"])
    assert answer.headers.getlist("X-Once") == ["3"]
