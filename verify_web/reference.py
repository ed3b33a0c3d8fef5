"""What a visitor quotes of a result, and where a problem is reported."""

from __future__ import annotations

import secrets
from base64 import b32encode
from urllib.parse import quote

from registry.request_ids import Names
from signing.codes import CROCKFORD

_CROCKFORD = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", CROCKFORD.encode())
_BYTES = 10
_NAMES = Names(secrets.token_bytes)


def new_reference() -> str:
    """80 random bits in four groups: nobody guesses another one. The site's log line of the answer has it
    beside verdict, moment and the keyed hash of the link, so whoever keeps the log can say what was answered.
    """
    text = b32encode(bytes.fromhex(_NAMES.draw())[:_BYTES]).translate(_CROCKFORD).decode()
    return "-".join((text[:4], text[4:8], text[8:12], text[12:]))


def report_link(address: str, reference: str) -> str:
    """The address to report a problem at, with the reference where the kind of address has a place for it."""
    if not reference or not address.startswith("mailto:"):
        return address
    return f"{address}{'&' if '?' in address else '?'}subject={quote(reference)}"
