"""A client of the agency API and of the public site, as an agency would write one.

Used by the command line and the demonstration; it knows the registry through HTTP alone.
"""

from __future__ import annotations

import json
import re
import secrets
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import urlencode

from keys.canonical import strict_json
from keys.errors import Kind, VermilionError

if TYPE_CHECKING:
    from joserfc.jwk import ECKey

TIMEOUT_S = 30
MAX_ANSWER = 16 * 1024 * 1024  # a document
MAX_JSON = 4 * 1024 * 1024  # a page of a batch's lines with what is wrong with each
CHUNK = 64 * 1024
MAX_DEPTH = 16
MAX_WORDS = 500  # characters of a problem's text that are repeated
MAX_FAULTS = 20
MAX_CREDENTIAL = 16 * 1024
ASSERTION_LIFE_S = 60
LONGEST_TOKEN_LIFE_S = 86_400
JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
CLIENT_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]{1,4096}=*")  # RFC 6750, section 2.1


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, Any]:
        """The body as a JSON object. Raises VermilionError(MALFORMED, TOO_LARGE)."""
        try:
            value = strict_json(self.body, max_bytes=MAX_JSON, max_depth=MAX_DEPTH, fractions=True)
        except VermilionError as error:
            raise VermilionError(error.kind, f"the answer cannot be read: {error.detail}") from error
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
            detail = words(problem.get("detail")) or words(problem.get("title")) or detail
            reason = words(problem.get("reason")) or reason
            faults = problem.get("errors")
            for fault in faults[:MAX_FAULTS] if isinstance(faults, list) else ():
                if isinstance(fault, dict):
                    detail += f"\n  {words(fault.get('pointer'))}: {words(fault.get('detail'))}"
        raise VermilionError(Kind.CONFLICT, f"{self.status}: {detail}", reason=reason)


def words(value: object) -> str:
    """A text of the other side, if it is one that a terminal can be shown; else empty."""
    return value if isinstance(value, str) and value.isprintable() and len(value) <= MAX_WORDS else ""


class _EveryAnswer(urllib.request.HTTPErrorProcessor):
    """Each status is an answer; a redirect too, which nobody follows with a token in hand."""

    def http_response(self, request: urllib.request.Request, response: HTTPResponse) -> Any:  # noqa: ARG002
        return response

    https_response = http_response


_opener = urllib.request.build_opener(_EveryAnswer, urllib.request.ProxyHandler({}))


def call(
    method: str,
    url: str,
    *,
    body: bytes | BinaryIO | None = None,
    headers: Mapping[str, str] | None = None,
    into: BinaryIO | None = None,
) -> Answer:
    """One request. A body that is a file is sent as it is read, and wants a Content-Length. Where there is
    a file `into` which a 200 is to be written, whatever its length, the answer's own body is empty then.

    Raises VermilionError(UNAVAILABLE) when there is no whole answer, TOO_LARGE.
    """
    if not url.startswith(("http://", "https://")):
        raise VermilionError(Kind.INVALID, "only http and https addresses can be asked")
    place = url.split("?", maxsplit=1)[0]
    try:
        request = urllib.request.Request(url, data=body, method=method, headers=dict(headers or {}))  # noqa: S310
        with _opener.open(request, timeout=TIMEOUT_S) as answer:
            status, received = answer.status, _lower(answer.headers)
            to_file = into if status == 200 else None
            data = answer.read(MAX_ANSWER + 1) if to_file is None else _copy(answer, to_file)
            cut = len(data) <= MAX_ANSWER and answer.length  # so many bytes of Content-Length are missing
    except (OSError, HTTPException, ValueError, OverflowError) as error:  # the last: a port beyond 65535
        raise VermilionError(Kind.UNAVAILABLE, f"no answer from {place}") from error
    if cut:
        raise VermilionError(Kind.UNAVAILABLE, f"the answer from {place} ended too early")
    if len(data) > MAX_ANSWER:
        raise VermilionError(Kind.TOO_LARGE, f"the answer from {place} has more than {MAX_ANSWER} bytes")
    return Answer(status, received, data)


def _copy(answer: HTTPResponse, into: BinaryIO) -> bytes:
    """Raises VermilionError(INVALID) for a file that cannot be written, which is no fault of the answer."""
    while chunk := answer.read(CHUNK):
        try:
            into.write(chunk)
        except OSError as error:
            raise VermilionError(Kind.INVALID, f"cannot be written: {error.strerror}") from error
    return b""


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def pdf_headers() -> dict[str, str]:
    return {"Content-Type": "application/pdf", "Accept": "application/json"}


@dataclass(frozen=True)
class Credential:
    """How a client, or a person through a client, shows who it is; kept in a 0600 file."""

    api: str  # base address of the agency API
    client_id: str
    client_key: Mapping[str, Any] | None = field(repr=False)  # private JWK, for private_key_jwt
    client_secret: str | None = field(default=None, repr=False)  # demo only
    person_id: str | None = None
    person_key: Mapping[str, Any] | None = field(default=None, repr=False)

    @classmethod
    def load(cls, path: Path) -> Credential:
        """Raises VermilionError(INVALID) for a file that is not a credential, naming the member at fault."""
        what = f"{path} is not a credential file"
        try:
            with path.open("rb") as file:
                data = file.read(MAX_CREDENTIAL + 1)
            value = strict_json(data, max_bytes=MAX_CREDENTIAL, max_depth=4)
        except (OSError, VermilionError) as error:
            raise VermilionError(Kind.INVALID, what) from error
        if not isinstance(value, dict) or not _REQUIRED <= set(value) <= set(cls.__dataclass_fields__):
            raise VermilionError(Kind.INVALID, what)
        for name, member in value.items():
            if not _is_member(name, member):
                raise VermilionError(Kind.INVALID, f"{what}: {name}")
        loaded = cls(**value)
        if (loaded.person_id is None) != (loaded.person_key is None):
            raise VermilionError(Kind.INVALID, f"{what}: a person has an id and a key")
        return loaded

    def save(self, path: Path) -> None:
        """Write the file, readable by its owner alone."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps(self.__dict__, indent=1, ensure_ascii=False)
        path.touch(mode=0o600, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")


_REQUIRED = frozenset({"api", "client_id", "client_key"})


def _is_member(name: str, value: object) -> bool:
    """Whether a credential file may hold this value under this name."""
    if value is None:
        return name not in {"api", "client_id"}
    if name in {"client_key", "person_key"}:
        try:
            return isinstance(value, dict) and _signing_key(value) is not None
        except VermilionError:
            return False
    text = words(value)
    return text.startswith(("http://", "https://")) if name == "api" else bool(text)


@dataclass
class ApiClient:
    """The agency API with a credential; fetches and renews its access token. `audience`: what tokens are
    asked of, where the service is called otherwise there than here.
    """

    credential: Credential
    audience: str = ""
    _token: str = ""
    _until: float = 0.0

    def post(self, path: str, body: Mapping[str, Any], *, idempotency_key: str | None = None) -> Answer:
        headers = {"Content-Type": "application/json"}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        return self.request("POST", path, json.dumps(body).encode(), headers)

    def post_file(
        self, path: str, body: BinaryIO, size: int, media_type: str, *, idempotency_key: str
    ) -> Answer:
        """Send a file of so many bytes as it is read."""
        headers = {"Content-Type": media_type, "Content-Length": str(size)}
        return self.request("POST", path, body, {**headers, "Idempotency-Key": idempotency_key})

    def get(self, path: str, *, into: BinaryIO | None = None) -> Answer:
        return self.request("GET", path, None, {}, into)

    def request(
        self,
        method: str,
        path: str,
        body: bytes | BinaryIO | None,
        headers: Mapping[str, str],
        into: BinaryIO | None = None,
    ) -> Answer:
        return call(
            method,
            self.credential.api + path,
            body=body,
            headers={**headers, "Authorization": f"Bearer {self.token()}"},
            into=into,
        )

    def token(self) -> str:
        """A bearer token; a new one when the old one is about to lapse."""
        if time.monotonic() < self._until:
            return self._token
        endpoint = f"{self.credential.api}/oauth2/token"
        form = self.grant(self.audience or endpoint)
        answer = call(
            "POST",
            endpoint,
            body=urlencode(form).encode(),
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )
        value = answer.json()
        if answer.status != 200:
            reason = words(value.get("error")) or f"http_{answer.status}"
            raise VermilionError(Kind.UNAUTHENTICATED, f"no token: {reason}", reason=reason)
        token, life = value.get("access_token"), value.get("expires_in")
        if not isinstance(token, str) or not _TOKEN.fullmatch(token) or not isinstance(life, int):
            raise VermilionError(Kind.MALFORMED, "the answer holds no token")
        self._token = token
        self._until = time.monotonic() + min(life, LONGEST_TOKEN_LIFE_S) - 30
        return self._token

    def grant(self, endpoint: str) -> dict[str, str]:
        """The form of a request for a token; its assertions serve once."""
        who = self.credential
        form = {"grant_type": "client_credentials", "client_id": who.client_id}
        if who.client_key is not None:
            form["client_assertion_type"] = CLIENT_ASSERTION
            form["client_assertion"] = assertion(who.client_key, who.client_id, endpoint)
        elif who.client_secret is not None:
            form["client_secret"] = who.client_secret
        if who.person_id is not None and who.person_key is not None:
            form["grant_type"] = JWT_BEARER
            form["assertion"] = assertion(who.person_key, who.person_id, endpoint)
        return form


def assertion(key: Mapping[str, Any], subject: str, audience: str) -> str:
    """A signed assertion of RFC 7523, good once and for a minute."""
    from joserfc import jwt

    now = int(time.time())
    claims = {
        "iss": subject,
        "sub": subject,
        "aud": audience,
        "iat": now,
        "exp": now + ASSERTION_LIFE_S,
        "jti": secrets.token_urlsafe(16),
    }
    return jwt.encode({"alg": "ES256"}, claims, _signing_key(key))


def _signing_key(jwk: Mapping[str, Any]) -> ECKey:
    """A private key for ES256, whatever else the JWK says. Raises VermilionError(INVALID)."""
    from joserfc.errors import JoseError
    from joserfc.jwk import ECKey

    members: dict[str, str | list[str]] = {name: str(jwk.get(name)) for name in ("kty", "crv", "x", "y", "d")}
    try:
        if (members["kty"], members["crv"]) != ("EC", "P-256"):
            raise ValueError
        return ECKey.import_key(members)
    except (JoseError, ValueError):
        raise VermilionError(Kind.INVALID, "a key is a private JWK on P-256") from None


def new_person_key() -> tuple[dict[str, Any], dict[str, Any]]:
    """A fresh P-256 credential: (private JWK, public JWK), that with its thumbprint (RFC 7638) as kid."""
    from joserfc.jwk import ECKey

    key = ECKey.generate_key("P-256")
    return dict(key.as_dict(private=True)), {**key.as_dict(private=False), "kid": key.thumbprint()}
