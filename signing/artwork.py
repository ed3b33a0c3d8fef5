"""The artwork of a face: the pages of a form as they print, without anything to fill in.

It becomes part of every document of the type, so it keeps to what such a document may hold.
"""

from __future__ import annotations

import io

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf

_MARKED = {"BMC", "BDC", "EMC", "MP", "DP"}


def take_artwork(form: Pdf) -> bytes:
    """The pages of a form without fields and annotations, as a PDF; the same bytes for the same form.

    Marks of a structure tree that stays behind are taken off. Raises pikepdf.PdfError, and ValueError or
    TypeError, for a form that is broken.
    """
    with Pdf.new() as artwork:
        for page in form.pages:
            resources = artwork.copy_foreign(form.make_indirect(page.resources))
            bare = Dictionary(
                Type=Name.Page,
                MediaBox=Array(list(page.mediabox)),
                Resources=resources,
                Contents=artwork.make_stream(_unmarked(page)),
            )
            if Name.Group in page.obj:
                bare.Group = artwork.copy_foreign(form.make_indirect(page.obj.Group))
            artwork.pages.append(pikepdf.Page(artwork.make_indirect(bare)))
        for item in artwork.objects:
            if isinstance(item, pikepdf.Stream):
                _strip(item)
        artwork.remove_unreferenced_resources()
        buffer = io.BytesIO()
        artwork.save(
            buffer,
            deterministic_id=True,
            object_stream_mode=pikepdf.ObjectStreamMode.disable,
            stream_decode_level=pikepdf.StreamDecodeLevel.generalized,
            compress_streams=True,
            recompress_flate=True,
        )
        return buffer.getvalue()


def _strip(stream: pikepdf.Stream) -> None:
    """Take off what leads out of the artwork: structure, metadata, the private data of programs."""
    for key in ("/StructParent", "/StructParents", "/Metadata", "/PieceInfo", "/LastModified", "/OC"):
        if key in stream:
            del stream[key]
    if stream.get("/Subtype") == Name.Form:
        stream.write(_unmarked(stream))


def _unmarked(content: pikepdf.Page | pikepdf.Object) -> bytes:
    kept = [
        instruction
        for instruction in pikepdf.parse_content_stream(content)
        if str(instruction.operator) not in _MARKED
    ]
    return pikepdf.unparse_content_stream(kept)
