"""What a visitor quotes of a result, and where a problem is reported."""

from __future__ import annotations

import secrets
from urllib.parse import quote

from signing.codes import CROCKFORD

_GROUPS, _LENGTH = 4, 4


def new_reference() -> str:
    """80 random bits in four groups: nobody guesses another one. The site's log line of the answer has it
    beside verdict, moment and the keyed hash of the link, so whoever keeps the log can say what was answered.
    """
    groups = ("".join(secrets.choice(CROCKFORD) for _ in range(_LENGTH)) for _ in range(_GROUPS))
    return "-".join(groups)


def report_link(address: str, reference: str) -> str:
    """The address to report a problem at, with the reference where the kind of address has a place for it."""
    if not reference or not address.startswith("mailto:"):
        return address
    return f"{address}{'&' if '?' in address else '?'}subject={quote(reference)}"
