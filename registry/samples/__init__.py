"""Sample licence types, agencies and holders: all invented, all codes valid by their check characters."""

from __future__ import annotations

import base64
import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent
ISSUED = date(2026, 6, 15)
"""The day of issue in `sample_requests` unless another is given."""


@dataclass(frozen=True, slots=True)
class SampleSeal:
    """A seal an agency may apply for; `kind` is a value of signing.seal_picture.SealKind."""

    code: str  # 14 digits
    kind: str
    name: str  # along the rim: the agency's name
    bottom_text: str | None


@dataclass(frozen=True, slots=True)
class SampleAgency:
    code: str  # USCC
    name: dict[str, str]  # by language
    division: str
    types: tuple[str, ...]  # slugs of the types it issues
    seal: SampleSeal


def sample_types() -> list[Path]:
    """The folders of the sample licence types, each with `type.toml` and `face.pdf`."""
    return sorted(path.parent for path in _FOLDER.glob("*/type.toml"))


def sample_matters() -> list[Path]:
    """The files of matters, as `vermilion matter import` takes them, in this order: the catalogue first."""
    files = (_FOLDER / "matters").glob("*.toml")
    return sorted(files, key=lambda path: (path.name != "catalogue.toml", path.name))


def sample_material() -> bytes:
    """A PDF that stands for any material of a sample case."""
    return (_FOLDER / "matters" / "material.pdf").read_bytes()


def sample_agencies() -> list[SampleAgency]:
    """The invented agencies; each issues the types it names."""
    return [
        SampleAgency(
            code=agency["code"],
            name=dict(agency["name"]),
            division=agency["division"],
            types=tuple(agency["types"]),
            seal=SampleSeal(
                agency["seal"]["code"],
                agency["seal"]["kind"],
                agency["name"]["zh"],
                agency["seal"].get("bottom_text"),
            ),
        )
        for agency in _load("agencies.toml")["agency"]
    ]


def sample_requests(issued: date = ISSUED, slug: str | None = None) -> list[dict[str, Any]]:
    """One request for each invented holder (of a type), issued on the day given: `type` (code), `issuer`
    (USCC), `number`, and `fields` as JSON values without issuer's name and number, which the registry adds.
    """
    types = {folder.name: _load(f"{folder.name}/type.toml") for folder in sample_types()}
    requests = []
    for holder in _load("holders.toml")["holder"]:
        if slug not in (None, holder["type"]):
            continue
        fields: dict[str, object] = dict(holder["fields"])
        fields["issue_date"] = issued.isoformat()
        if any(field["name"] == "valid_from" for field in types[holder["type"]]["field"]):
            fields["valid_from"] = issued.isoformat()
        if "years" in holder:
            fields["valid_to"] = _years_after(issued, holder["years"]).isoformat()
        if "portrait" in holder:
            from registry.samples.portraits import portrait  # which draws

            fields["photo"] = base64.b64encode(portrait(holder["portrait"])).decode("ascii")
        requests.append(
            {
                "type": types[holder["type"]]["code"],
                "issuer": holder["issuer"],
                "number": holder["number"],
                "fields": fields,
            }
        )
    return requests


def _years_after(day: date, years: int) -> date:
    """The last day of a term of years that begins on `day`; one from 29 February ends on 28 February."""
    try:
        return day.replace(year=day.year + years) - timedelta(days=1)
    except ValueError:
        return date(day.year + years, 2, 28)


def _load(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / name).read_text("utf-8"))
