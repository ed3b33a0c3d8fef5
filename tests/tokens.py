"""Signed texts with something changed."""

from __future__ import annotations


def resigned(token: bytes) -> bytes:
    """The same with the end of its signature changed, whatever it was by chance; as canonical base64url."""
    return token[:-2] + (b"AQ" if token.endswith(b"AA") else b"AA")
