"""What every answer carries."""

from __future__ import annotations

from flask import Response

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


def dress(response: Response, *, secure: bool, scans: bool = False) -> Response:
    """Add the headers; an answer that does not say how long it keeps is not kept. `secure`: the site's origin
    is https, and browsers are told never to ask for it otherwise (RFC 6797). `scans`: this page alone may use
    the camera and compile WebAssembly.
    """
    for name, value in (_SCANNING if scans else _ALWAYS).items():
        response.headers[name] = value
    if secure:
        response.headers["Strict-Transport-Security"] = STRICT_TRANSPORT
    response.headers.setdefault("Cache-Control", "no-store")
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    return response
