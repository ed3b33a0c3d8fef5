"""Deterministic CBOR (RFC 8949, section 4.2.1) for the QR credential: integers, strings, null, arrays, maps.

Nothing else exists here: no tags, floats, booleans or indefinite lengths, and map keys are integers. The
decoder takes exactly what the encoder makes, so that two byte strings never mean the same thing.
"""

from __future__ import annotations

from keys.errors import Kind, VermilionError

CborValue = int | bytes | str | None | list["CborValue"] | dict[int, "CborValue"]

MAX_DEPTH = 4

_UNSIGNED, _NEGATIVE, _BYTES, _TEXT, _ARRAY, _MAP = range(6)
_NULL = 0xF6
_BYTE = [bytes([value]) for value in range(256)]


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return _BYTE[major << 5 | argument]
    for extra, size in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if argument < 1 << 8 * size:
            return bytes([major << 5 | extra]) + argument.to_bytes(size, "big")
    raise VermilionError(Kind.INVALID, "an integer has more than 64 bits", reason="cbor")


def encode(value: object) -> bytes:
    """Deterministic encoding; raises VermilionError(INVALID) for a value of another type."""
    if value is None:
        return bytes([_NULL])
    if isinstance(value, int) and not isinstance(value, bool):
        return _head(_UNSIGNED, value) if value >= 0 else _head(_NEGATIVE, -1 - value)
    if isinstance(value, bytes):
        return _head(_BYTES, len(value)) + value
    if isinstance(value, str):
        try:
            data = value.encode("utf-8")
        except UnicodeEncodeError:
            raise VermilionError(Kind.INVALID, "a text holds a lone surrogate", reason="cbor") from None
        return _head(_TEXT, len(data)) + data
    if isinstance(value, list | tuple):
        return _head(_ARRAY, len(value)) + b"".join([encode(item) for item in value])
    if isinstance(value, dict) and all(type(key) is int for key in value):
        pairs = sorted([(encode(key), encode(item)) for key, item in value.items()])
        return _head(_MAP, len(pairs)) + b"".join([key + item for key, item in pairs])
    raise VermilionError(Kind.INVALID, "a value of a type that has no place in a credential", reason="cbor")


def decode(data: bytes) -> CborValue:
    """Decode one item that fills `data`. Raises VermilionError(MALFORMED) for what `encode` never makes."""
    reader = _Reader(data)
    value = reader.item(1)
    if reader.at != len(data):
        raise _malformed("bytes follow the item")
    return value


def _malformed(what: str) -> VermilionError:
    return VermilionError(Kind.MALFORMED, f"not deterministic CBOR: {what}", reason="cbor")


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        if len(taken) != count:
            raise _malformed("it ends too early")
        self.at += count
        return taken

    def argument(self, low: int) -> int:
        if low < 24:
            return low
        if low > 27:
            raise _malformed("an indefinite or reserved length")
        size = 1 << low - 24
        argument = int.from_bytes(self.take(size), "big")
        if argument < (24 if size == 1 else 1 << 4 * size):
            raise _malformed("an integer is not in its shortest form")
        return argument

    def item(self, depth: int) -> CborValue:
        if depth > MAX_DEPTH:
            raise _malformed("it is nested too deeply")
        initial = self.take(1)[0]
        if initial == _NULL:
            return None
        major = initial >> 5
        if major > _MAP:
            raise _malformed("a type that has no place here")
        argument = self.argument(initial & 31)
        if major == _UNSIGNED:
            return argument
        if major == _NEGATIVE:
            return -1 - argument
        if major == _BYTES:
            return self.take(argument)
        if major == _TEXT:
            try:
                return self.take(argument).decode("utf-8")
            except UnicodeDecodeError:
                raise _malformed("a text is not UTF-8") from None
        # Each member takes a byte at least: a false count cannot make us loop longer than the data is.
        if argument > len(self.data) - self.at:
            raise _malformed("it ends too early")
        if major == _ARRAY:
            return [self.item(depth + 1) for _ in range(argument)]
        return self.map(argument, depth)

    def map(self, count: int, depth: int) -> CborValue:
        result: dict[int, CborValue] = {}
        previous = b""
        for _ in range(count):
            start = self.at
            key = self.item(depth + 1)
            if type(key) is not int:
                raise _malformed("a map's key is no integer")
            encoded = self.data[start : self.at]
            if encoded <= previous:
                raise _malformed("a map's keys are not in order, or one stands twice")
            previous = encoded
            result[key] = self.item(depth + 1)
        return result
