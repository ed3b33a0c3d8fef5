"""A small OpenID provider on loopback: a real one, with PKCE and codes that serve once, which lies when it is told to."""

from __future__ import annotations

import base64
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from flask import Flask, Response, jsonify, redirect, request
from joserfc import jwt
from joserfc.jwk import ECKey, Key, KeySet
from werkzeug.serving import WSGIRequestHandler, make_server

CLIENT, SECRET = "vermilion console", "s&cret: of the console"


class _Quiet(WSGIRequestHandler):
    def log(self, *_arguments: Any) -> None:
        pass


@dataclass
class Provider:
    """`changes` of claims, `header` and `key` make its ID tokens wrong; `subject` is who signs in there."""

    clock: Callable[[], Any]
    issuer: str = ""
    subject: str = "u-1001"
    key: Key = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "one", "use": "sig"}))
    signs_with: Key | None = None
    header: dict[str, Any] = field(default_factory=lambda: {"alg": "ES256", "kid": "one"})
    changes: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    forge: Callable[[str], str] = lambda token: token
    keys: Callable[[], Any] | None = None
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    slow: float = 0

    def app(self) -> Flask:
        app = Flask(__name__)

        @app.before_request
        def note() -> None:
            self.asked.append(request.path)
            time.sleep(self.slow)

        @app.get("/.well-known/openid-configuration")
        def metadata() -> Response:
            told = {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/keys",
                "authorization_response_iss_parameter_supported": True,
            }
            return jsonify(told | self.metadata)

        @app.get("/keys")
        def keys() -> Response:
            if self.keys is not None:
                return jsonify(self.keys())
            return jsonify(KeySet([self.key]).as_dict(private=False))

        @app.get("/authorize")
        def authorize() -> Any:
            asked = request.args.to_dict()
            assert (asked["response_type"], asked["client_id"], asked["scope"]) == ("code", CLIENT, "openid")
            assert asked["code_challenge_method"] == "S256"
            code = f"code-{len(self.codes)}"
            self.codes[code] = asked
            back = {"code": code, "state": asked["state"], "iss": self.issuer}
            return redirect(f"{asked['redirect_uri']}?{urlencode(back)}")

        @app.post("/token")
        def token() -> Any:
            basic = base64.b64encode(f"{quote(CLIENT, safe='')}:{quote(SECRET, safe='')}".encode()).decode()
            if request.headers.get("Authorization") != f"Basic {basic}":
                return jsonify({"error": "invalid_client"}), 401
            begun = self.codes.pop(request.form["code"], None)  # a code serves once
            verifier = request.form["code_verifier"]
            challenge = base64.urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
            if (
                begun is None
                or begun["code_challenge"] != challenge
                or begun["redirect_uri"] != request.form["redirect_uri"]
            ):
                return jsonify({"error": "invalid_grant"}), 400
            return jsonify({"access_token": "x", "token_type": "Bearer", "id_token": self.id_token(begun)})

        return app

    def id_token(self, begun: dict[str, str]) -> str:
        now = int(self.clock().timestamp())
        right = {
            "iss": self.issuer, "sub": self.subject, "aud": CLIENT, "iat": now, "exp": now + 300,
            "nonce": begun["nonce"],
        } | ({"auth_time": now} if "max_age" in begun else {})  # fmt: skip
        claims = {name: value for name, value in (right | self.changes).items() if value is not None}
        return self.forge(
            jwt.encode(self.header, claims, self.signs_with or self.key, algorithms=[self.header["alg"]])
        )


def location_of(address: str) -> str:
    """Where a browser is sent on from there."""
    parts = urlsplit(address)
    assert parts.hostname
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=5)
    connection.request("GET", f"{parts.path}?{parts.query}")
    answer = connection.getresponse()
    answer.read()
    connection.close()
    found = answer.headers["Location"]
    assert found, answer.status
    return str(found)


def query_of(address: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}


@contextmanager
def provider(clock: Callable[[], Any]) -> Iterator[Provider]:
    made = Provider(clock)
    server = make_server("127.0.0.1", 0, made.app(), threaded=True, request_handler=_Quiet)
    made.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
