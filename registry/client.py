"""A client of the agency API and of the public site, as an agency would write one.

Used by the command line and the demonstration; it knows the registry through HTTP alone.
"""

from __future__ import annotations

import json
import secrets
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.jwk import ECKey

from keys.errors import Kind, VermilionError

TIMEOUT_S = 30
MAX_ANSWER = 16 * 1024 * 1024
ASSERTION_LIFE_S = 60
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises VermilionError(MALFORMED)."""
        try:
            value = json.loads(self.body)
        except ValueError as error:
            raise VermilionError(Kind.MALFORMED, "the answer is not JSON") from error
        if not isinstance(value, dict):
            raise VermilionError(Kind.MALFORMED, "the answer is not a JSON object")
        return value

    def expect(self, *statuses: int) -> Answer:
        """Itself, when the status is one of these; else VermilionError with the problem's words."""
        if self.status in statuses:
            return self
        detail, reason = f"HTTP {self.status}", f"http_{self.status}"
        if "problem+json" in self.headers.get("content-type", ""):
            problem = self.json()
            detail = str(problem.get("detail") or problem.get("title") or detail)
            reason = str(problem.get("reason") or reason)
            faults = problem.get("errors") or []
            detail += "".join(f"\n  {f.get('pointer')}: {f.get('detail')}" for f in faults)
        raise VermilionError(Kind.CONFLICT, f"{self.status}: {detail}", reason=reason)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A registry never redirects a client with a token in hand."""

    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


_opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))


def call(
    method: str,
    url: str,
    *,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """One request. Raises VermilionError(UNAVAILABLE) when there is no answer."""
    if not url.startswith(("http://", "https://")):
        raise VermilionError(Kind.INVALID, "only http and https addresses can be asked")
    request = urllib.request.Request(url, data=body, method=method, headers=dict(headers or {}))  # noqa: S310
    try:
        with _opener.open(request, timeout=TIMEOUT_S) as answer:
            return Answer(answer.status, _lower(answer.headers), answer.read(MAX_ANSWER))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _lower(error.headers), error.read(MAX_ANSWER))
    except (OSError, ValueError) as error:
        raise VermilionError(Kind.UNAVAILABLE, f"no answer from {url.split('?', maxsplit=1)[0]}") from error


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def pdf_headers() -> dict[str, str]:
    return {"Content-Type": "application/pdf", "Accept": "application/json"}


@dataclass(frozen=True)
class Credential:
    """How a client, or a person through a client, shows who it is; kept in a 0600 file."""

    api: str  # base address of the agency API
    client_id: str
    client_key: Mapping[str, Any] | None  # private JWK, for private_key_jwt
    client_secret: str | None = field(default=None, repr=False)  # demo only
    person_id: str | None = None
    person_key: Mapping[str, Any] | None = field(default=None, repr=False)

    @classmethod
    def load(cls, path: Path) -> Credential:
        """Raises VermilionError(INVALID) for a file that is not a credential."""
        try:
            value = json.loads(path.read_bytes())
            return cls(**value)
        except (OSError, ValueError, TypeError) as error:
            raise VermilionError(Kind.INVALID, f"{path} is not a credential file") from error

    def save(self, path: Path) -> None:
        """Write the file, readable by its owner alone."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps(self.__dict__, indent=1, ensure_ascii=False)
        path.touch(mode=0o600, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")


@dataclass
class ApiClient:
    """The agency API with a credential; fetches and renews its access token."""

    credential: Credential
    _token: str = ""
    _until: float = 0.0

    def post(self, path: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Answer:
        headers = {"Content-Type": "application/json"}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        return self.request("POST", path, json.dumps(body).encode(), headers)

    def get(self, path: str) -> Answer:
        return self.request("GET", path, None, {})

    def request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        return call(
            method,
            self.credential.api + path,
            body=body,
            headers={**headers, "Authorization": f"Bearer {self.token()}"},
        )

    def token(self) -> str:
        """A bearer token; a new one when the old one is about to lapse."""
        if time.monotonic() < self._until:
            return self._token
        endpoint = f"{self.credential.api}/oauth2/token"
        form = self._grant(endpoint)
        answer = call(
            "POST",
            endpoint,
            body=urlencode(form).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        if answer.status != 200:
            reason = str(answer.json().get("error", f"http_{answer.status}"))
            raise VermilionError(Kind.UNAUTHENTICATED, f"no token: {reason}", reason=reason)
        value = answer.json()
        self._token = str(value["access_token"])
        self._until = time.monotonic() + int(value["expires_in"]) - 30
        return self._token

    def _grant(self, endpoint: str) -> dict[str, str]:
        who = self.credential
        form = {"grant_type": "client_credentials", "client_id": who.client_id}
        if who.client_key is not None:
            form["client_assertion_type"] = CLIENT_ASSERTION
            form["client_assertion"] = _assertion(who.client_key, who.client_id, endpoint)
        elif who.client_secret is not None:
            form["client_secret"] = who.client_secret
        if who.person_id is not None and who.person_key is not None:
            form["grant_type"] = JWT_BEARER
            form["assertion"] = _assertion(who.person_key, who.person_id, endpoint)
        return form


def _assertion(key: Mapping[str, Any], subject: str, audience: str) -> str:
    """A signed assertion of RFC 7523, good once and for a minute."""
    now = int(time.time())
    claims = {
        "iss": subject,
        "sub": subject,
        "aud": audience,
        "iat": now,
        "exp": now + ASSERTION_LIFE_S,
        "jti": secrets.token_urlsafe(16),
    }
    return jwt.encode({"alg": "ES256"}, claims, ECKey.import_key(dict(key)))


def new_person_key() -> tuple[dict[str, Any], dict[str, Any]]:
    """A fresh P-256 credential: (private JWK, public JWK)."""
    key = ECKey.generate_key("P-256")
    return dict(key.as_dict(private=True)), dict(key.as_dict(private=False))
