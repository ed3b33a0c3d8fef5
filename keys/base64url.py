"""base64url without padding (RFC 7515, appendix C), in its one form."""

from __future__ import annotations

import base64
import binascii


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64url(data: bytes) -> bytes:
    """Raises ValueError for anything that `b64url` does not give."""
    try:
        decoded = base64.b64decode(data + b"=" * (-len(data) % 4), altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not base64url") from None
    if b64url(decoded).encode() != data:
        raise ValueError("not base64url")
    return decoded
