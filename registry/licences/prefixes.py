"""The prefixes that this process draws licences behind: compiled and stored once, with proofs as of now."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from registry.licences.types import LoadedType
from registry.ports import SharingDocumentStore
from registry.shared_parts import Part
from signing.document import SealMaterial, ValidationData
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
    pictures: tuple[bytes, ...]  # SHA-256, of the seals in the order of their places
    specimen: bool
    photo: bool
    copied: bool  # of annotated copies
    validated: bool


class Prefixes:
    """Safe between threads; one a process that seals."""

    def __init__(self, glyphs: GlyphSet) -> None:
        self._glyphs = glyphs
        self._lock = threading.Lock()
        self._bases: OrderedDict[Look, tuple[Base, Part]] = OrderedDict()
        self.beginnings = Beginnings(KEPT)
        """What the strict check need not read again in documents of this process."""

    def of(
        self,
        documents: SharingDocumentStore,
        loaded: LoadedType,
        materials: Sequence[SealMaterial],
        *,
        specimen: bool,
        photo: bool,
        copied: bool,
        validation: ValidationData | None,
    ) -> Prefix:
        """The prefix of licences of this type under these seals, by place, in the store so that none of them
        repeats it.

        Raises VermilionError: INVALID for a face that cannot be compiled; UNAVAILABLE from the store.
        """
        base, part = self._base(loaded, materials, specimen, photo, copied, validation is not None)
        prefix = make_prefix(base, validation)
        documents.share(part, Part.of(prefix.block))
        self.beginnings.expect(base.data)
        return prefix

    def preview(
        self,
        loaded: LoadedType,
        materials: Sequence[SealMaterial],
        *,
        specimen: bool,
        photo: bool,
        copied: bool,
    ) -> Prefix:
        """One without validation data, that touches neither key nor store."""
        return make_prefix(self._base(loaded, materials, specimen, photo, copied, validated=False)[0])

    def _base(
        self,
        loaded: LoadedType,
        materials: Sequence[SealMaterial],
        specimen: bool,
        photo: bool,
        copied: bool,
        validated: bool,
    ) -> tuple[Base, Part]:
        pictures = tuple(sha256(one.picture.data).digest() for one in materials)
        look = Look(loaded.type.code, loaded.type.version, pictures, specimen, photo, copied, validated)
        with self._lock:
            found = self._bases.get(look)
            if found is not None:
                self._bases.move_to_end(look)
                return found
        base = compile_base(
            loaded.face,
            loaded.type,
            [one.picture for one in materials],
            self._glyphs,
            specimen=specimen,
            photo=photo,
            copied=copied,
            validated=validated,
        )
        made = base, Part.of(base.data)
        with self._lock:
            self._bases[look] = made
            while len(self._bases) > KEPT:
                self._bases.popitem(last=False)
        return made
