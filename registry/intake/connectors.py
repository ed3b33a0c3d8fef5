"""Where data of other agencies is had from (Measures, Art. 8): connectors as data, and what each is asked.

A connector is a TOML file, read strictly. It says how it is reached, and for each data set which agency
vouches for it, for what purpose and on which ground it is asked, the materials of which matters it stands in
for, and which of its values are compared with which fields of the application's form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from keys.errors import VermilionError
from signing.codes import check_uscc
from signing.toml_table import Table

Names = Mapping[str, str]  # by language
RESERVED = "corrections"  # where errors are told
MAX_DATA_SETS, MAX_SERVED, MAX_COMPARED = 50, 50, 60

_CODE = re.compile(r"[a-z][a-z0-9-]{2,39}")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_MATTER = re.compile(r"[0-9A-Z]{10,36}")
_HOLDER_TYPE = re.compile(r"[0-9]{3}")


class ConnectorKind(StrEnum):
    HTTP = "http"
    FOLDER = "folder"  # `<data>/exchange/<connector>`, into which somebody else puts files


@dataclass(frozen=True, slots=True)
class Served:
    """A material of a matter that a data set stands in for."""

    matter: str
    material: str


@dataclass(frozen=True, slots=True)
class DataSet:
    """`compared`: by form field, the source's field that is to say the same."""

    code: str
    name: Names
    source: str  # the agency that vouches for it
    purpose: str
    legal_basis: str
    holder_types: tuple[str, ...]  # of GB/T 36903: about whom it can be asked
    serves: tuple[Served, ...]
    compared: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConnectorFile:
    code: str
    version: int
    name: Names
    kind: ConnectorKind
    url: str  # of HTTP; else empty
    data_sets: tuple[DataSet, ...]

    def serving(self, matter: str, material: str, holder_type: str) -> tuple[DataSet, ...]:
        """The data sets that stand in for a material, in the file's order."""
        wanted = Served(matter, material)
        return tuple(
            one for one in self.data_sets if wanted in one.serves and holder_type in one.holder_types
        )


@dataclass(frozen=True, slots=True)
class Query:
    """What a source is asked. `reference` is this attempt's own."""

    reference: str  # 32 hex digits
    data_set: str
    purpose: str
    legal_basis: str
    agency: str  # that handles the case
    matter: str
    case_number: str
    material: str
    holder_type: str
    holder_code: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a source tells of a holder. `raw` is what it said, byte for byte."""

    fields: Mapping[str, str | tuple[str, ...]]
    as_of: datetime  # of the source's data
    raw: bytes


@dataclass(frozen=True, slots=True)
class Wrong:
    """A confirmed error: what the source told, of which field, and what is right."""

    reference: str  # 32 hex digits, the same however often it is told
    data_set: str
    agency: str  # that confirmed it
    retrieval: str  # the reference of the query that was answered so
    answer_sha256: str
    field: str
    told: str | tuple[str, ...]
    right: str | tuple[str, ...]
    legal_basis: str
    reason_code: str


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The source has taken an error down under a name of its own."""

    name: str


class Connector(Protocol):
    """One way to a source. Neither is called in a database transaction.

    Both raise VermilionError(UNAVAILABLE) where nothing can be said: an outage, or what is no answer.
    """

    def retrieve(self, query: Query) -> Answer | None:
        """None: the source itself says that it has nothing of this holder."""

    def report(self, wrong: Wrong) -> Acknowledged | None:
        """None: it was told, and is not acknowledged yet. To tell it again is harmless."""


def read_connector(raw: bytes, name: str) -> ConnectorFile:
    """A connector's file. Raises VermilionError: TOO_LARGE, MALFORMED, INVALID (`bad_data_file`)."""
    table = Table.parse(raw, name)
    kind = ConnectorKind(table.choice("kind", tuple(ConnectorKind)))
    made = ConnectorFile(
        code=_matched(table, "code", _CODE),
        version=table.integer("version"),
        name=table.languages("name"),
        kind=kind,
        url=table.line("url", most=500) if kind is ConnectorKind.HTTP else "",
        data_sets=tuple(_data_set(one) for one in table.tables("data_set")),
    )
    table.finish()
    if made.version < 1:
        table.refuse("version", "counts from 1")
    if "?" in made.url:
        table.refuse("url", "has no query: paths are put behind it")
    if not 1 <= len(made.data_sets) <= MAX_DATA_SETS:
        table.refuse("data_set", f"must list 1 to {MAX_DATA_SETS} of them")
    codes = [one.code for one in made.data_sets]
    if len(set(codes)) != len(codes):
        table.refuse("data_set", "codes must differ")
    if RESERVED in codes:
        table.refuse("data_set", f"may not be called {RESERVED}")
    return made


def _data_set(table: Table) -> DataSet:
    compared: dict[str, str] = {}
    for one in table.tables("compare"):
        form, source = _matched(one, "form", _NAME), _matched(one, "source", _NAME)
        one.finish()
        if form in compared:
            one.refuse("form", "is compared once")
        compared[form] = source
    made = DataSet(
        code=_matched(table, "code", _CODE),
        name=table.languages("name"),
        source=table.line("source", most=18),
        purpose=table.line("purpose", most=200),
        legal_basis=table.line("legal_basis", most=200),
        holder_types=table.texts("holder_types"),
        serves=tuple(_served(one) for one in table.tables("serves")),
        compared=compared,
    )
    table.finish()
    try:
        check_uscc(made.source)
    except VermilionError as error:
        table.refuse("source", error.detail)
    if not made.holder_types or not all(map(_HOLDER_TYPE.fullmatch, made.holder_types)):
        table.refuse("holder_types", "must be codes of GB/T 36903, such as 001")
    if not 1 <= len(made.serves) <= MAX_SERVED or len(set(made.serves)) != len(made.serves):
        table.refuse("serves", f"must list 1 to {MAX_SERVED} materials, each once")
    if len(compared) > MAX_COMPARED:
        table.refuse("compare", f"lists at most {MAX_COMPARED} fields")
    return made


def _served(table: Table) -> Served:
    served = Served(_matched(table, "matter", _MATTER), _matched(table, "material", _NAME))
    table.finish()
    return served


def _matched(table: Table, key: str, shape: re.Pattern[str]) -> str:
    text = table.text(key)
    if not shape.fullmatch(text):
        table.refuse(key, "has not the form that it must have")
    return text
