"""How a licence of a type version looks: a specimen, drawn when somebody looks at it and kept for the next.

A face comes from outside, so it is drawn as it was tried (`signing.face_trial`): in a process of its own,
under limits; one at a time, and one that waits. What was drawn of the same two files is the same picture.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256

from keys.errors import Kind, VermilionError
from registry.body_slots import BodySlots
from registry.licences.types import Version
from signing.face_trial import try_face
from signing.fonts import Fonts

KEPT = 16
"""Pictures, of some hundred kilobytes each."""

AT_ONCE = 2
"""Requests that want a new picture: one draws, one waits."""


@dataclass(slots=True)
class Previews:
    """Safe between threads."""

    _kept: OrderedDict[bytes, bytes] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _slots: BodySlots = field(default_factory=lambda: BodySlots(AT_ONCE))

    def picture(self, version: Version, face: Callable[[], bytes], fonts: Fonts, origin: str) -> bytes:
        """A PNG. `face` is asked where it is not kept yet.

        Raises VermilionError: UNAVAILABLE where others are being drawn; INVALID for a face that cannot be
        drawn with these fonts.
        """
        key = digest_of(version)
        found = self._find(key)
        if found is not None:
            return found
        with self._slots.one(), self._turn:
            found = self._find(key)
            if found is None:
                trial = try_face(version.type.slug, version.type_toml, face(), fonts, origin)
                if not trial.picture:
                    raise VermilionError(Kind.INVALID, "the face cannot be drawn", reason="face_trial")
                found = trial.picture
                self._keep(key, found)
        return found

    def _find(self, key: bytes) -> bytes | None:
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def _keep(self, key: bytes, picture: bytes) -> None:
        with self._lock:
            self._kept[key] = picture
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)


def digest_of(version: Version) -> bytes:
    """Of both files that a version is made of."""
    told = f"{version.type.slug}\0{version.type_toml}".encode()
    return sha256(sha256(told).digest() + version.face_sha256).digest()
