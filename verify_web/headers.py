"""What every answer carries, and what requests say of the answer they like."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from flask import Response

_T = TypeVar("_T")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "worker-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_ALWAYS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_SCANNING = _ALWAYS | {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY.replace(
        "script-src 'self'", "script-src 'self' 'wasm-unsafe-eval'"
    ),
    "Permissions-Policy": _ALWAYS["Permissions-Policy"].replace("camera=()", "camera=(self)"),
}

STRICT_TRANSPORT = "max-age=31536000"
UNLESS_SAID = (("Cache-Control", "no-store"), ("Cross-Origin-Resource-Policy", "same-origin"))


def dress(response: Response, *, secure: bool, scans: bool = False) -> Response:
    """Add the headers; an answer that does not say how long it keeps is not kept. `secure`: the site's origin
    is https, and browsers are told never to ask for it otherwise (RFC 6797). `scans`: this page alone may use
    the camera and compile WebAssembly.
    """
    for name, value in always(secure=secure, scans=scans):
        response.headers[name] = value
    for name, value in UNLESS_SAID:
        response.headers.setdefault(name, value)
    return response


def always(*, secure: bool, scans: bool = False) -> list[tuple[str, str]]:
    """As `dress`, what an answer may not say otherwise."""
    found = list((_SCANNING if scans else _ALWAYS).items())
    return [*found, ("Strict-Transport-Security", STRICT_TRANSPORT)] if secure else found


def of_header(read: Callable[[str], _T]) -> Callable[[str], _T]:
    """`read`, which makes something of a request's header, remembering what it made of the latest few
    hundred: browsers send few different ones, and those are short.
    """
    kept = lru_cache(maxsize=500)(read)
    return lambda header: kept(header) if len(header) <= 200 else read(header)
