"""Names of X.509 (RFC 5280, 4.1.2.4 and 4.2.1.6), judged on the bytes: for readers that build no tree."""

from __future__ import annotations

from keys.der import content_of, header, members, require_der

_OTHER_NAME, _X400, _DIRECTORY, _EDI_PARTY = 0xA0, 0xA3, 0xA4, 0xA5
_EMAIL, _DNS, _URI, _ADDRESS, _REGISTERED = 0x81, 0x82, 0x86, 0x87, 0x88


def require_name(element: bytes) -> None:
    """Raises ValueError unless `element` is a Name, DER, of one attribute at least."""
    require_der(element)
    parts = members(element, 0x30)
    if not parts:
        raise ValueError("a name of nobody")
    for part in parts:
        attributes = members(part, 0x31)
        if not attributes:
            raise ValueError("a part of a name that says nothing")
        for attribute in attributes:
            kind, _value = members(attribute, 0x30)
            content_of(kind, 0x06)


def require_general_name(element: bytes) -> None:
    """Raises ValueError unless `element` is a GeneralName, DER."""
    tag, _start, _end = header(element, 0, len(element))
    content = content_of(element, tag)
    if tag == _DIRECTORY:
        require_name(content)
    elif tag == _OTHER_NAME:
        kind, value = members(element, tag)
        content_of(kind, 0x06)
        (_inside,) = members(value, 0xA0)
        require_der(element)
    elif tag in (_X400, _EDI_PARTY):
        require_der(element)
    elif tag in (_EMAIL, _DNS, _URI):
        if not content.isascii():
            raise ValueError("an IA5String of other characters")
    elif tag == _REGISTERED:
        require_der(b"\x06" + element[1:])  # an OID under another tag
    elif tag != _ADDRESS or len(content) not in (4, 16):
        raise ValueError("no name of a kind that there is")
