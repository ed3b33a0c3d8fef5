"""The one file that a document of ours carries: the data of which it is the printed form."""

from __future__ import annotations

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf, String


def associate(pdf: Pdf, file_name: str, stream: pikepdf.Object, description: str, relationship: Name) -> None:
    """Put a stream into the document as associated file (ISO 32000-2, 14.13) and as embedded file by name:
    the shape that `signing.signed_file.embedded_file` reads.
    """
    specification = pdf.make_indirect(
        Dictionary(
            Type=Name.Filespec,
            F=String(file_name),
            UF=String(file_name),
            Desc=String(description),
            AFRelationship=relationship,
            EF=Dictionary(F=stream, UF=stream),
        )
    )
    pdf.Root.AF = Array([specification])
    pdf.Root.Names = Dictionary(EmbeddedFiles=Dictionary(Names=Array([String(file_name), specification])))
