"""Addresses of e-mail, as far as their text tells."""

from __future__ import annotations

import re

from keys.errors import field_fault

MAX_ADDRESS = 254  # RFC 5321, 4.5.3.1.3, without the angle brackets

_LOCAL = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS = re.compile(rf"(?=[^@]{{1,64}}@){_LOCAL}@(?:{_LABEL}\.)*{_LABEL}")


def is_address(text: str) -> bool:
    """Whether it is an e-mail address: a dot-atom and a domain (RFC 5321, 4.1.2), in ASCII. Quoted local
    parts, address literals and SMTPUTF8 are none here.
    """
    return len(text) <= MAX_ADDRESS and _ADDRESS.fullmatch(text) is not None


def check_address(text: str, field: str) -> str:
    """Raises VermilionError(INVALID, `email`), which does not repeat the text."""
    if not is_address(text):
        raise field_fault(field, "email", "an e-mail address in ASCII, such as name@example.org")
    return text


def domain_of(address: str) -> str:
    return address.rpartition("@")[2]
