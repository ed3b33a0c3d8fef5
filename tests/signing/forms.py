"""Face forms with something changed, and forms drawn from nothing."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pikepdf
from pikepdf import Array, Dictionary, Name, Pdf, String

from registry.samples import sample_types
from signing.text_layout import MM

FOLDERS = {folder.name: folder for folder in sample_types()}
FOOD, TEACHER = FOLDERS["food-business-licence"], FOLDERS["teacher-qualification"]

Change = Callable[[Pdf], None]


def edited(folder: Path, *changes: Change) -> bytes:
    """A sample type's form with changes."""
    with Pdf.open(folder / "face.pdf") as pdf:
        for change in changes:
            change(pdf)
        return saved(pdf)


def saved(pdf: Pdf, **options: Any) -> bytes:
    buffer = io.BytesIO()
    pdf.save(buffer, static_id=True, **options)
    return buffer.getvalue()


def widget(pdf: Pdf, name: str) -> pikepdf.Object:
    """The first field of that name."""
    return next(field for field in pdf.Root.AcroForm.Fields if str(field.T) == name)


def moved(name: str, x: float, y: float, width: float, height: float) -> Change:
    """To another place, in mm."""

    def change(pdf: Pdf) -> None:
        widget(pdf, name).Rect = Array([x * MM, y * MM, (x + width) * MM, (y + height) * MM])

    return change


def entry(name: str, key: str, value: object) -> Change:
    """A field's entry set; None takes it away."""

    def change(pdf: Pdf) -> None:
        if value is None:
            del widget(pdf, name)[key]
        else:
            widget(pdf, name)[key] = String(value) if isinstance(value, str) else value

    return change


def removed(name: str) -> Change:
    def change(pdf: Pdf) -> None:
        gone = widget(pdf, name).objgen
        form, page = pdf.Root.AcroForm, pdf.pages[0].obj
        form.Fields = Array([field for field in form.Fields if field.objgen != gone])
        page.Annots = Array([field for field in page.Annots if field.objgen != gone])

    return change


def added(name: str, x: float, y: float, width: float, height: float, page: int = 0, **more: Any) -> Change:
    """A text field, in mm."""

    def change(pdf: Pdf) -> None:
        field = pdf.make_indirect(
            Dictionary(
                Type=Name.Annot,
                Subtype=Name.Widget,
                FT=Name.Tx,
                T=String(name),
                Rect=Array([x * MM, y * MM, (x + width) * MM, (y + height) * MM]),
                DA=String("/Helv 10 Tf 0 g"),
                **more,
            )
        )
        pdf.Root.AcroForm.Fields.append(field)
        leaf = pdf.pages[page].obj
        if Name.Annots not in leaf:
            leaf.Annots = Array()
        leaf.Annots.append(field)

    return change


def both(*changes: Change) -> Change:
    def change(pdf: Pdf) -> None:
        for one in changes:
            one(pdf)

    return change


def second_page(pdf: Pdf) -> None:
    """The same artwork once more, without fields."""
    pdf.pages.append(pdf.pages[0])
    del pdf.pages[1].obj["/Annots"]


def on_page(number: int, change: Callable[[pikepdf.Page], None]) -> Change:
    return lambda pdf: change(pdf.pages[number])
