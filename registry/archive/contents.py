"""What a package is made of, gathered elsewhere: for an edition of a licence and a finished case alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum


class Part(StrEnum):
    """What an item is in its package; its folder below `data/`."""

    DOCUMENTS = "documents"  # 结果: what was decided, as sealed
    RECORD = "record"  # the canonical record
    APPLICATION = "application"  # 申请
    MATERIALS = "materials"  # 申请材料, those that were retrieved too
    PROCESS = "process"  # 过程文书 and process data
    EVIDENCE = "evidence"  # certificates, CRLs, OCSP responses, time-stamps


FORMATS = {
    "cer": ("application/pkix-cert", "X.509 certificate (DER)"),
    "crl": ("application/pkix-crl", "X.509 CRL (DER)"),
    "jpg": ("image/jpeg", "JPEG"),
    "json": ("application/json", "JSON (UTF-8)"),
    "jws": ("application/jose", "JWS (compact)"),
    "ofd": ("application/ofd", "OFD"),
    "ors": ("application/ocsp-response", "OCSP response (DER)"),
    "pdf": ("application/pdf", "PDF"),
    "png": ("image/png", "PNG"),
    "tif": ("image/tiff", "TIFF"),
    "tst": ("application/timestamp-token", "RFC 3161 time-stamp token (DER)"),
    "txt": ("text/plain", "plain text (UTF-8)"),
    "xml": ("application/xml", "XML (UTF-8)"),
}
"""The formats that are kept, by the ending of a file's name: open ones, neither encrypted nor compressed by a
program of one maker (GB/T 18894; facts of the four-nature check). Media type and name.
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One file. `name` is its own, below the folder of its part; `title` says to a reader what it is."""

    part: Part
    name: str
    title: str
    data: bytes
    created: datetime | None = None
    source: str | None = None  # of what was retrieved: from whom
    retrieved: datetime | None = None

    @property
    def path(self) -> str:
        """Below `data/`."""
        return f"{self.part.value}/{self.name}"

    @property
    def format(self) -> str:
        return self.name.rpartition(".")[2]


class AgentKind(StrEnum):
    """As PREMIS has them."""

    PERSON = "person"
    ORGANIZATION = "organization"
    SOFTWARE = "software"


@dataclass(frozen=True, slots=True)
class Agent:
    """Who did something; `id` is how acts name them."""

    id: str
    name: str
    kind: AgentKind


@dataclass(frozen=True, slots=True)
class Act:
    """Something that was done (业务行为); `agents` by id, `opinion` what whoever did it wrote."""

    id: str
    kind: str  # "licence.issued"
    at: datetime
    effective_from: date
    legal_basis: str
    reason: str
    agents: tuple[str, ...]
    opinion: str | None = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """Items, acts and agents of one edition or case, and what its description says."""

    items: tuple[Item, ...]
    acts: tuple[Act, ...]
    agents: tuple[Agent, ...]
    event_ids: frozenset[str]
    identifier: str
    title: str
    document_number: str | None
    applicant: str | None
    type_code: str | None
    agency_code: str
    agency_name: str
    matter_code: str
    case_number: str
    completed_on: date
    lasts_to: date | None
    """The last day on which what was decided has an effect; None: it has no end."""
    matter_name: str | None = None
    accepted_on: date | None = None
    retention: str | None = None
    """As the matter's own list has it; None where nothing but the schedule says it."""


@dataclass(frozen=True, slots=True)
class Description:
    """The item (件) as a catalogue shows it, in the terms of DA/T 46 and GB/T 42727."""

    id: str  # of the package: 32 hex digits, its folder's name
    number: str  # 档号
    fonds: str  # 全宗号
    fonds_name: str  # 立档单位
    catalogue: str  # 目录号
    year: int
    retention: str  # "permanent", "30", "10": years
    retention_until: date | None
    title: str
    document_number: str | None  # 文件编号: the licence's
    identifier: str  # what it is about: of the licence, or the number of the case
    agency_code: str
    agency_name: str
    applicant: str | None
    matter_code: str
    matter_name: str | None
    case_number: str
    accepted_on: date | None
    completed_on: date
    occasion: str  # why it is archived now: "licence.issued"
    made_at: datetime
    software: str  # and its version
