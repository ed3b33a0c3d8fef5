"""OCSP requests as Hypothesis makes them: well-formed ones of every kind, and the same with their shape broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from keys.der import integer, members, tlv
from keys.ocsp import MAX_IDS, cert_id

_NONCE = bytes.fromhex("2b0601050507300102")
_EXTENSIONS = [
    bytes.fromhex(oid) for oid in ("2b0601050507300104", "2b0601050507300107", "2a811cd76301", "00")
]
_SHA512 = bytes.fromhex("608648016503040203")


@dataclass(frozen=True)
class Element:
    """One element: its content, or the elements in it."""

    tag: int
    inside: bytes | tuple[Element, ...]

    def der(self) -> bytes:
        if isinstance(self.inside, bytes):
            return tlv(self.tag, self.inside)
        return tlv(self.tag, *(one.der() for one in self.inside))


@dataclass(frozen=True)
class Asked:
    """A well-formed request and what is in it."""

    request: Element
    ids: tuple[bytes, ...]  # CertIDs, DER
    nonce: bytes | None


def read(der: bytes) -> Element:
    """The tree of what is DER."""
    tag = der[0]
    size = len(tlv(0x04, b"")) if len(der) < 130 else 2 + (der[1] & 0x7F)
    if not tag & 0x20:
        return Element(tag, der[size:])
    return Element(tag, tuple(map(read, members(der, tag))))


def _names() -> st.SearchStrategy[Element]:
    attribute = st.builds(
        lambda kind, text: Element(
            0x31, (Element(0x30, (Element(0x06, bytes((0x55, 4, kind))), Element(0x0C, text.encode()))),)
        ),
        st.sampled_from([3, 6, 10, 11]),
        st.text(max_size=8),
    )
    directory = st.lists(attribute, min_size=1, max_size=3).map(
        lambda parts: Element(0xA4, (Element(0x30, tuple(parts)),))
    )
    text = st.sampled_from([0x81, 0x82, 0x86]).flatmap(
        lambda tag: st.binary(max_size=20).map(lambda data: Element(tag, bytes(b & 0x7F for b in data)))
    )
    address = st.sampled_from([4, 16]).map(lambda size: Element(0x87, bytes(size)))
    registered = st.just(Element(0x88, bytes.fromhex("2a811cd763")))
    return st.one_of(directory, text, address, registered).map(lambda name: Element(0xA1, (name,)))


def _extension(oid: bytes, value: bytes) -> Element:
    return Element(0x30, (Element(0x06, oid), Element(0x04, value)))


@st.composite
def _extensions(draw: st.DrawFn, tag: int, nonce: bytes | None = None) -> Element | None:
    others = draw(st.lists(st.sampled_from(_EXTENSIONS), unique=True, max_size=2))
    listed = [_extension(oid, draw(st.binary(max_size=12))) for oid in others]
    if nonce is not None:
        listed.insert(draw(st.integers(0, len(listed))), _extension(_NONCE, tlv(0x04, nonce)))
    return Element(tag, (Element(0x30, tuple(listed)),)) if listed else None


def _cert_ids(issuer: bytes, serials: Sequence[int]) -> st.SearchStrategy[Element]:
    number = st.sampled_from(serials) | st.integers(0, (1 << 159) - 1)
    ours = st.builds(
        lambda digest, serial: read(cert_id(issuer, serial, digest).der),
        st.sampled_from(["sha1", "sha256"]),
        number,
    )

    def foreign(digest: bytes, parameters: bool, serial: int) -> Element:
        algorithm = (Element(0x06, _SHA512), *([Element(0x05, b"")] * parameters))
        return Element(
            0x30,
            (Element(0x30, algorithm), Element(0x04, digest), Element(0x04, digest), read(integer(serial))),
        )

    others = st.builds(foreign, st.binary(max_size=64), st.booleans(), number)
    return st.one_of(ours, ours, ours, others)


@st.composite
def asked(draw: st.DrawFn, issuer: bytes, serials: Sequence[int]) -> Asked:
    """About certificates of this CA mostly, of these serials often."""
    ids = draw(
        st.lists(_cert_ids(issuer, serials), min_size=1, max_size=draw(st.sampled_from([1, 1, 2, MAX_IDS])))
    )
    nonce = draw(st.none() | st.binary(min_size=1, max_size=128))
    listed = []
    for one in ids:
        single = draw(_extensions(0xA0))
        listed.append(Element(0x30, (one, *([single] if single else []))))
    who = draw(st.none() | _names())
    extensions = draw(_extensions(0xA2, nonce))
    tbs = (*([who] if who else []), Element(0x30, tuple(listed)), *([extensions] if extensions else []))
    parts = [Element(0x30, tbs)]
    if draw(st.sampled_from([False, False, True])):
        algorithm = Element(0x30, (Element(0x06, bytes.fromhex("2a8648ce3d040302")),))
        signature = (algorithm, Element(0x03, b"\0" + draw(st.binary(max_size=80))))
        bag = Element(0xA0, (Element(0x30, (read(issuer),)),))
        parts.append(Element(0xA0, (Element(0x30, (*signature, *([bag] if draw(st.booleans()) else []))),)))
    return Asked(Element(0x30, tuple(parts)), tuple(one.der() for one in ids), nonce)


_ODD = [
    Element(0x05, b""), Element(0x01, b"\xff"), Element(0x01, b"\0"), Element(0x02, b"\xff"), Element(0x04, b""),
    Element(0x30, ()), Element(0xA0, ()), Element(0x06, b"\x80"), Element(0x31, ()), Element(0x02, b""),
]  # fmt: skip
_TAGS = [0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x0A, 0x24, 0x30, 0x31, 0x80, 0x82, 0xA0, 0xA1, 0xA2, 0xA4, 0x3F]


@st.composite
def _bent(draw: st.DrawFn, element: Element) -> Element:
    """The same with one thing about its shape changed, here or further in."""
    inside = element.inside
    if not isinstance(inside, bytes) and inside and draw(st.sampled_from([True, True, True, False])):
        at = draw(st.integers(0, len(inside) - 1))
        return replace(element, inside=(*inside[:at], draw(_bent(inside[at])), *inside[at + 1 :]))
    change = draw(st.integers(0, 5))
    if change == 0:
        return replace(element, tag=draw(st.sampled_from(_TAGS)))
    if change == 1:
        return draw(st.sampled_from(_ODD))
    if change == 2:
        return Element(draw(st.sampled_from(_TAGS)), (element,))
    if isinstance(inside, bytes):
        if change == 3:
            return replace(element, inside=inside[: draw(st.integers(0, len(inside)))])
        return replace(element, inside=draw(st.binary(max_size=3)) + inside + draw(st.binary(max_size=3)))
    at = draw(st.integers(0, max(0, len(inside) - 1)))
    if change == 3:
        return replace(element, inside=(*inside[:at], *inside[at + 1 :]))
    if change == 4:
        return replace(element, inside=(*inside[:at], *inside[at : at + 1], *inside[at:]))
    return replace(element, inside=(*inside[:at], draw(st.sampled_from(_ODD)), *inside[at:]))


@st.composite
def bent_requests(draw: st.DrawFn, issuer: bytes, serials: Sequence[int]) -> bytes:
    """A request whose shape was changed in up to three places; now and then in none, or not DER at all."""
    request = draw(asked(issuer, serials)).request
    for _ in range(draw(st.integers(0, 3))):
        request = draw(_bent(request))
    der = request.der()
    if draw(st.integers(0, 9)) == 0:
        at = draw(st.integers(0, len(der) - 1))
        der = der[:at] + draw(st.binary(max_size=2)) + der[at + 1 :]
    return der
