"""The secret by which a public site gives its sums of checks to the registry on another machine."""

from __future__ import annotations

import hashlib

from keys.errors import Kind, VermilionError
from registry.settings import Settings


def site_secret(settings: Settings) -> str | None:
    """As it is shown; None where the settings name none.

    Raises VermilionError(INVALID) for a file that cannot be read, and for what is no secret.
    """
    path = settings.figures_secret_file
    if path is None:
        return None
    try:
        text = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise VermilionError(Kind.INVALID, "the file of the figures' secret cannot be read") from None
    if not 32 <= len(text) <= 200 or not text.isprintable() or " " in text:
        raise VermilionError(Kind.INVALID, "a figures' secret has 32 to 200 visible characters")
    return text


def site_secret_digest(settings: Settings) -> bytes | None:
    """Its SHA-256, by which what is shown is compared. Raises as `site_secret` does."""
    text = site_secret(settings)
    return None if text is None else hashlib.sha256(text.encode()).digest()
