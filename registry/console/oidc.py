"""Signing in by an OpenID provider: the authorization code flow with PKCE (OpenID Connect Core; RFC 6749,
7636, 9207, 9700), as its relying party.

A flow is one random value in a cookie, under a MAC with its end; state, nonce and verifier are MACs of it. So
nothing is written before somebody has come back with a right ID token, and what comes back to another browser
fits no cookie there.
"""

from __future__ import annotations

import base64
import hmac
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from keys.canonical import strict_json
from keys.clock import Clock
from keys.errors import Kind, VermilionError
from registry.console.challenges import LIFE, make_challenge, read_challenge, use_up
from registry.console.identities import MAX_SUBJECT, person_of
from registry.console.sessions import Live, begin, find_by_handle, prove_again
from registry.console.webauthn import b64url, to_b64url
from registry.outside_http import UnreachedError, exchange
from registry.ports import Ports
from registry.settings import Settings
from registry.vault import Vault

ALGORITHMS = ("ES256", "RS256", "PS256", "Ed25519")
MAX_DOCUMENT = 64 * 1024
MAX_TOKEN = 16 * 1024
MAX_KEYS = 20
SKEW = timedelta(seconds=60)
MOST_AGE = timedelta(minutes=10)  # of an ID token: it was made for this flow
KEPT = timedelta(hours=1)
ASK_AGAIN = timedelta(minutes=1)  # for keys, where a token names one that is not known
PURPOSE = "oidc"  # of its challenges


@dataclass(frozen=True, slots=True)
class Provider:
    """What the provider says of itself (OpenID Connect Discovery, 3)."""

    authorization: str
    token: str
    jwks: str
    says_issuer: bool  # RFC 9207: its answers name it


@dataclass(frozen=True, slots=True)
class Flow:
    """One attempt, as a browser carries it in a cookie. `again` is the handle of the session in which a
    factor is to be shown again, whose own cookie will not come along from another site; empty for a sign-in.
    """

    challenge: bytes
    again: bytes = b""

    @property
    def cookie(self) -> str:
        return f"{self.again.hex()}.{to_b64url(self.challenge)}"


@dataclass(slots=True)
class OpenId:
    """The provider of the settings, as it was learnt; one a process. Safe between threads."""

    settings: Settings
    clock: Clock
    _provider: tuple[datetime, Provider] | None = None
    _keys: tuple[datetime, KeySet] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def provider(self) -> Provider:
        """Raises VermilionError(UNAVAILABLE)."""
        with self._lock:
            now = self.clock()
            if self._provider is None or self._provider[0] + KEPT <= now:
                self._provider = now, _discover(self.settings.oidc_issuer)
            return self._provider[1]

    def keys(self, kid: object) -> KeySet:
        """Its keys, asked for anew where none has this id. Raises VermilionError(UNAVAILABLE)."""
        address = self.provider().jwks
        with self._lock:
            now = self.clock()
            kept = self._keys
            stale = kept is None or kept[0] + KEPT <= now
            if kept is not None and not stale and kept[0] + ASK_AGAIN <= now:
                stale = all(key.kid != kid for key in kept[1].keys)
            if stale or kept is None:
                kept = self._keys = now, _key_set(_fetch(address))
            return kept[1]


def begin_flow(vault: Vault, random: Callable[[int], bytes], now: datetime, live: Live | None) -> Flow:
    """A new one: to sign in, or to show a factor again in the session `live`."""
    again = b"" if live is None else live.handle
    return Flow(make_challenge(vault, random, now, PURPOSE, again.hex()), again)


def read_flow(cookie: str | None) -> Flow:
    """What a browser says it has begun; `finish` judges it."""
    again, _, challenge = (cookie or "").partition(".")
    try:
        return Flow(b64url(challenge, 128), bytes.fromhex(again))
    except (VermilionError, ValueError):
        return Flow(b"")


def address(vault: Vault, openid: OpenId, flow: Flow) -> str:
    """Where the browser is sent. Raises VermilionError(UNAVAILABLE)."""
    provider, settings = openid.provider(), openid.settings
    verifier = _derived(vault, flow, "verifier")
    asked = {
        "response_type": "code",
        "client_id": settings.oidc_client_id,
        "redirect_uri": redirect_uri(settings),
        "scope": "openid",
        "state": _derived(vault, flow, "state"),
        "nonce": _derived(vault, flow, "nonce"),
        "code_challenge": to_b64url(sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    if flow.again:
        asked |= {"prompt": "login", "max_age": "0"}
    joint = "&" if urlsplit(provider.authorization).query else "?"
    return f"{provider.authorization}{joint}{urlencode(asked)}"


def finish(ports: Ports, openid: OpenId, flow: Flow, returned: Mapping[str, str]) -> str:
    """The token of a new session, or, where a factor was asked for again, that under which it goes on.

    Raises VermilionError: UNAUTHENTICATED for whatever is wrong with what came back, `identity` for somebody
    who is not bound here; UNAVAILABLE.
    """
    end = read_challenge(ports.vault, flow.challenge, ports.clock(), PURPOSE, flow.again.hex())
    code = _code_in(ports.vault, openid, flow, returned)
    claims = _exchange(ports.vault, openid, flow, code)
    subject = _subject(claims, openid.settings, _derived(ports.vault, flow, "nonce"), ports.clock())
    if flow.again:
        _require_shown_since(claims, end - LIFE)
    with ports.database.transaction() as session:
        person_id = person_of(session, openid.settings.oidc_issuer, subject)
        use_up(session, flow.challenge, end, ports.clock())
        if not flow.again:
            return begin(session, ports, person_id, "oidc")
        live = find_by_handle(session, flow.again, ports.clock())
        if live is None or live.person_id != person_id:
            raise _refused("somebody else came back")
        return prove_again(session, ports, live, "oidc")


def redirect_uri(settings: Settings) -> str:
    return f"{settings.console}/console/oidc/callback"


def _code_in(vault: Vault, openid: OpenId, flow: Flow, returned: Mapping[str, str]) -> str:
    if not hmac.compare_digest(returned.get("state", "").encode(), _derived(vault, flow, "state").encode()):
        raise _refused("the state is another's")
    told = returned.get("iss")
    if told != openid.settings.oidc_issuer and (told is not None or openid.provider().says_issuer):
        raise _refused("another issuer answers")
    code = returned.get("code", "")
    if "error" in returned or not 1 <= len(code) <= 2048:
        raise _refused("the provider did not sign anybody in")
    return code


def _exchange(vault: Vault, openid: OpenId, flow: Flow, code: str) -> dict[str, Any]:
    """The claims of the ID token for a code; signed by the provider, and not judged yet."""
    settings = openid.settings
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri(settings),
        "code_verifier": _derived(vault, flow, "verifier"),
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    secret = _secret(settings)
    if secret is None:
        form["client_id"] = settings.oidc_client_id
    else:  # client_secret_basic (RFC 6749, 2.3.1)
        pair = f"{quote(settings.oidc_client_id, safe='')}:{quote(secret, safe='')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    try:
        data = exchange(
            openid.provider().token,
            body=urlencode(form).encode(),
            headers=headers,
            content_type="application/json",
            max_bytes=MAX_DOCUMENT,
        )
    except UnreachedError:
        raise
    except VermilionError:
        raise _refused("the provider does not take the code") from None
    token = _json(data).get("id_token")
    if not isinstance(token, str) or len(token) > MAX_TOKEN or not token.isascii():
        raise _refused("no ID token")
    return _signed(openid, token)


def _signed(openid: OpenId, token: str) -> dict[str, Any]:
    parts = token.split(".")
    try:
        header = _json(b64url(parts[0], MAX_TOKEN)) if len(parts) == 3 else {}
    except VermilionError:
        header = {}
    kid = header.get("kid")
    if header.get("alg") not in ALGORITHMS or "crit" in header or "b64" in header:
        raise _refused("an ID token of another algorithm")
    keys = openid.keys(kid)
    candidates = [key for key in keys.keys if kid is None or key.kid == kid]
    for key in candidates:
        try:
            found = jws.deserialize_compact(token, key, algorithms=list(ALGORITHMS))
        except (JoseError, ValueError, TypeError):
            continue
        return _json(found.payload)
    raise _refused("the ID token's signature is wrong")


def _subject(claims: Mapping[str, Any], settings: Settings, nonce: str, now: datetime) -> str:
    """OpenID Connect Core, 3.1.3.7."""
    if claims.get("iss") != settings.oidc_issuer:
        raise _refused("the ID token is another issuer's")
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    azp = claims.get("azp")
    if settings.oidc_client_id not in audiences or (len(audiences) > 1 and azp is None):
        raise _refused("the ID token is for somebody else")
    if azp is not None and azp != settings.oidc_client_id:
        raise _refused("the ID token is for somebody else")
    if not _time(claims, "exp") + SKEW > now:
        raise _refused("the ID token has expired")
    if not now - MOST_AGE <= _time(claims, "iat") <= now + SKEW:
        raise _refused("the ID token was not made now")
    told = claims.get("nonce")
    if not isinstance(told, str) or not hmac.compare_digest(told.encode(), nonce.encode()):
        raise _refused("the ID token was made for another sign-in")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 1 <= len(subject) <= MAX_SUBJECT or not subject.isascii():
        raise _refused("the ID token names nobody")
    if not subject.isprintable():
        raise _refused("the ID token names nobody")
    return subject


def _require_shown_since(claims: Mapping[str, Any], asked_at: datetime) -> None:
    """Asked to show a factor again, somebody did, and was not let in by what a browser remembers."""
    if _time(claims, "auth_time") < asked_at - SKEW:
        raise _refused("the provider did not ask for a factor again")


def _time(claims: Mapping[str, Any], name: str) -> datetime:
    value = claims.get(name)
    if type(value) is not int or not 0 <= value < 2**37:
        raise _refused(f"the ID token's {name} is no time")
    return datetime.fromtimestamp(value, UTC)


def _discover(issuer: str) -> Provider:
    told = _fetch(issuer.rstrip("/") + "/.well-known/openid-configuration")
    if told.get("issuer") != issuer:
        raise _out("it calls itself by another name")
    same_machine = urlsplit(issuer).scheme == "http"
    found = {}
    for name in ("authorization_endpoint", "token_endpoint", "jwks_uri"):
        one = told.get(name)
        if not isinstance(one, str) or not _is_address(one, same_machine):
            raise _out("it names an address that is none")
        found[name] = one
    return Provider(
        found["authorization_endpoint"],
        found["token_endpoint"],
        found["jwks_uri"],
        told.get("authorization_response_iss_parameter_supported") is True,
    )


def _is_address(text: str, same_machine: bool) -> bool:
    """An https address; http where the issuer itself is on this machine, for trying."""
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or not text.isascii() or not text.isprintable() or parts.fragment or "@" in parts.netloc:
        return False
    local = same_machine and parts.scheme == "http" and host in {"localhost", "127.0.0.1"}
    return parts.scheme == "https" or local


def _key_set(told: Mapping[str, Any]) -> KeySet:
    keys = told.get("keys")
    if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_KEYS:
        raise _out("it has no keys, or too many")
    usable = [
        {
            name: value
            for name, value in key.items()
            if name in {"kty", "crv", "x", "y", "n", "e", "kid", "alg"}
        }
        for key in keys
        if isinstance(key, dict)
        and key.get("kty") in {"EC", "RSA", "OKP"}
        and key.get("use", "sig") == "sig"
        and isinstance(key.get("kid", ""), str)
    ]
    good = []
    for key in usable:  # one that is broken is not the others' fault
        try:
            good += KeySet.import_key_set({"keys": [key]}).keys
        except (JoseError, ValueError, TypeError, KeyError):
            continue
    if not good:
        raise _out("none of its keys can be used")
    return KeySet(good)


def _fetch(address: str) -> dict[str, Any]:
    """A JSON object. Raises VermilionError(UNAVAILABLE)."""
    data = exchange(
        address, headers={"Accept": "application/json"}, content_type=None, max_bytes=MAX_DOCUMENT
    )
    try:
        return _json(data)
    except VermilionError as error:
        raise _out("it does not answer in JSON") from error


def _json(data: bytes) -> dict[str, Any]:
    try:
        value = strict_json(data, max_bytes=MAX_DOCUMENT, max_depth=8, fractions=True)
    except VermilionError:
        raise _refused("what came back is not JSON") from None
    if not isinstance(value, dict):
        raise _refused("what came back is not an object")
    return value


def _secret(settings: Settings) -> str | None:
    """Raises VermilionError(UNAVAILABLE) for a file that cannot be read, or that others can read."""
    path = settings.oidc_client_secret_file
    if path is None:
        return None
    try:
        if path.stat().st_mode & 0o077:
            raise _out("the file with its secret can be read by others")
        return path.read_text("utf-8").strip()
    except OSError as error:
        raise _out("the file with its secret cannot be read") from error


def _derived(vault: Vault, flow: Flow, what: str) -> str:
    return to_b64url(vault.blind("oidc", what, flow.cookie))


def _out(detail: str) -> VermilionError:
    return VermilionError(
        Kind.UNAVAILABLE, f"the OpenID provider is of no use: {detail}", reason="oidc_provider"
    )


def _refused(detail: str) -> VermilionError:
    return VermilionError(Kind.UNAUTHENTICATED, f"the sign-in is refused: {detail}", reason="oidc")
