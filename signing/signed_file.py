"""What a signed file of ours has, whatever it is: a gap for its signature, and the data that it shows."""

from __future__ import annotations

import zlib

from signing.pdf_structure import Array, Dictionary, Name, Pdf, Ref, Stream, Text, refuse

MAX_EMBEDDED_BYTES = 1024 * 1024
MAX_SIGNATURE_BYTES = 16 * 1024


def signed_range(pdf: Pdf, signature: Dictionary) -> tuple[int, int]:
    """Where the unsigned gap begins and ends: exactly the hex string of this very signature dictionary.

    Raises VermilionError(INVALID, "structure").
    """
    contents, byte_range = signature.get("Contents"), signature.get("ByteRange")
    if not isinstance(contents, Text) or not isinstance(byte_range, Array):
        refuse("the signature's value or range is not where it belongs")
    start, end, size = contents.start, contents.end, len(pdf.data)
    written = pdf.data[byte_range.start : byte_range.end]
    if written != b"[0 %d %d %d]" % (start, end, size - end):
        refuse("the signature does not cover the whole file")
    lower = contents.hexadecimal and pdf.data[start + 1 : end - 1] == contents.value.hex().encode("ascii")
    if len(contents.value) > MAX_SIGNATURE_BYTES or not lower or not contents.value:
        refuse("the signature's value is not lower-case hexadecimal")
    return start, end


def embedded_file(pdf: Pdf, catalogue: Dictionary, file_name: bytes, most: int = MAX_EMBEDDED_BYTES) -> bytes:
    """The one associated file (ISO 32000-2, 14.13), which must also be the one embedded file by name.

    Raises VermilionError(INVALID, "structure").
    """
    associated = pdf.array(catalogue.get("AF"), "the associated files").items
    names = pdf.dictionary(catalogue.get("Names"), "the name dictionary")
    tree = pdf.dictionary(names.get("EmbeddedFiles"), "the embedded files")
    listed = pdf.array(tree.get("Names"), "the names of embedded files").items
    if (
        len(associated) != 1
        or not isinstance(associated[0], Ref)
        or "Kids" in tree.entries
        or len(listed) != 2
        or listed[1] != associated[0]
        or not isinstance(listed[0], Text)
        or listed[0].value != file_name
    ):
        refuse("the file does not hold exactly one embedded file of ours")
    specification = pdf.dictionary(associated[0], "the file specification")
    name = specification.get("F")
    files = pdf.dictionary(specification.get("EF"), "the embedded file")
    stream = pdf.resolve(files.get("F"))
    if not isinstance(name, Text) or name.value != file_name or not isinstance(stream, Stream):
        refuse("the embedded file is not a file of ours")
    if files.entries.keys() - {"F", "UF"} or files.entries.get("UF", files.get("F")) != files.get("F"):
        refuse("the embedded file has a second version")
    return _decoded(stream, most)


def _decoded(stream: Stream, most: int) -> bytes:
    encoding = stream.get("Filter")
    if isinstance(encoding, Array) and len(encoding.items) == 1:
        encoding = encoding.items[0]
    if stream.get("DecodeParms") is not None:
        refuse("the embedded file is encoded in another way than ours")
    if encoding is None and len(stream.data) <= most:
        return stream.data
    if encoding != Name("FlateDecode"):
        refuse("the embedded file is encoded in another way than ours")
    inflater = zlib.decompressobj()
    try:
        plain = inflater.decompress(stream.data, most)
    except zlib.error:
        refuse("the embedded file cannot be decompressed")
    if not inflater.eof or inflater.unused_data:
        refuse("the embedded file is too long, or does not end with its stream")
    return plain
