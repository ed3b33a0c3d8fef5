"""The prefixes that this process draws licences behind: compiled and stored once, with proofs as of now."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from hashlib import sha256

from registry.licences.types import LoadedType
from registry.ports import SharingDocumentStore
from registry.shared_parts import Part
from signing.document import SealMaterial, SealPicture, ValidationData
from signing.fonts import Fonts
from signing.pdf_structure import Beginnings
from signing.prefix import Base, Prefix, compile_base, make_prefix
from signing.value_font import GlyphSet

KEPT = 64
"""Compiled faces that a process holds: 0.3 MB each."""


@dataclass(frozen=True, slots=True)
class Look:
    """What decides a base."""

    type_code: str
    type_version: int
    picture_sha256: bytes
    specimen: bool
    photo: bool
    validated: bool


class Prefixes:
    """Safe between threads; one a process that seals."""

    def __init__(self, fonts: Fonts) -> None:
        self._glyphs = GlyphSet(fonts)
        self._lock = threading.Lock()
        self._bases: OrderedDict[Look, tuple[Base, Part]] = OrderedDict()
        self.beginnings = Beginnings(KEPT)
        """What the strict check need not read again in documents of this process."""

    def of(
        self,
        documents: SharingDocumentStore,
        loaded: LoadedType,
        material: SealMaterial,
        *,
        specimen: bool,
        photo: bool,
        validation: ValidationData | None,
    ) -> Prefix:
        """The prefix of licences of this type under this seal, in the store so that none of them repeats it.

        Raises VermilionError: INVALID for a face that cannot be compiled; UNAVAILABLE from the store.
        """
        base, part = self._base(loaded, material.picture, specimen, photo, validation is not None)
        prefix = make_prefix(base, validation)
        documents.share(part, Part.of(prefix.block))
        self.beginnings.expect(base.data)
        return prefix

    def preview(self, loaded: LoadedType, material: SealMaterial, *, specimen: bool, photo: bool) -> Prefix:
        """One without validation data, that touches neither key nor store."""
        return make_prefix(self._base(loaded, material.picture, specimen, photo, validated=False)[0])

    def _base(
        self, loaded: LoadedType, picture: SealPicture, specimen: bool, photo: bool, validated: bool
    ) -> tuple[Base, Part]:
        look = Look(
            loaded.type.code, loaded.type.version, sha256(picture.data).digest(), specimen, photo, validated
        )
        with self._lock:
            found = self._bases.get(look)
            if found is not None:
                self._bases.move_to_end(look)
                return found
        base = compile_base(
            loaded.face,
            loaded.type,
            [picture] * loaded.face.seal_count,
            self._glyphs,
            specimen=specimen,
            photo=photo,
            validated=validated,
        )
        made = base, Part.of(base.data)
        with self._lock:
            self._bases[look] = made
            while len(self._bases) > KEPT:
                self._bases.popitem(last=False)
        return made
