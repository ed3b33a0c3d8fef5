"""The address of an endpoint, as far as its text tells; where its name leads is judged at each connection."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from keys.errors import VermilionError, field_fault
from registry.outside_addresses import Networks, is_permitted, is_public, literal

MAX_URL = 500
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]{0,251}[a-z0-9_.])?")


def check_url(text: str, permitted: Networks) -> SplitResult:
    """Raises VermilionError(INVALID): `url` for what is no address to post to; `url_scheme` for plain http
    where no network is permitted that it could lead to; `address_refused` for an address that may not be
    called.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise _refused("url", "this is no address") from None
    if not _VISIBLE.fullmatch(text) or len(text) > MAX_URL or parts.scheme not in {"http", "https"}:
        raise _refused("url", f"https://…, at most {MAX_URL} visible ASCII characters")
    if set("@%") & set(parts.netloc) or "#" in text or port == 0:
        raise _refused("url", "no user, no fragment, a port from 1 to 65535")
    address = literal(host)
    if address is None and not _NAME.fullmatch(host):
        raise _refused("url", "the host is no name and no address")
    if parts.scheme == "http" and not (permitted if address is None else is_permitted(address, permitted)):
        raise _refused("url_scheme", "https is wanted here")
    if address is not None and not (is_public(address) or is_permitted(address, permitted)):
        raise _refused("address_refused", "this address may not be called")
    return parts


def origin_of(url: str) -> str:
    """Scheme, host and port: what may be logged of an address, whose path may be a secret."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def _refused(reason: str, detail: str) -> VermilionError:
    return field_fault("/url", reason, detail)
