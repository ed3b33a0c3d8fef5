"""README.txt of a package: what it is and how it is read and checked without any software of ours."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files

from registry.archive.bag import PAYLOAD
from registry.archive.contents import Description, Item
from registry.archive.metadata import RETENTIONS

README = "README.txt"
_WORDS = files(__package__).joinpath("readme.txt").read_text(encoding="utf-8")


def readme(about: Description, items: Sequence[Item]) -> bytes:
    listed = "\n".join(f"  {PAYLOAD}{item.path}\n      {item.title}" for item in items)
    return _WORDS.format(
        number=about.number,
        title=about.title,
        agency=about.agency_name,
        identifier=about.identifier,
        case=about.case_number,
        retention=RETENTIONS[about.retention],
        made=about.made_at.date().isoformat(),
        files=listed,
    ).encode()
