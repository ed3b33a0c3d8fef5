"""What the agency API answers about materials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from registry.described import Digest, Instant, Reference, Told
from registry.intake.declarations import Declared
from registry.intake.material_tables import CaseForm, CaseMaterial
from registry.intake.materials import SignatureReport, Want
from registry.intake.matters import Matter
from registry.intake.scanning import Scan
from signing.report_words import word
from signing.sentences import LANGUAGES
from signing.signatory import Match
from signing.verdict import instant

Words = dict[str, str]


class UploadSignature(Told):
    kind: Annotated[str, Field(description="`signature` or `time_stamp`.")]
    signer: Annotated[str | None, Field(description="As the certificate has it.")]
    issuer: str | None
    authority: Annotated[str | None, Field(description="`registry`, `licensed`; null: none known here.")]
    integrity: str
    coverage: str
    revision: int | None
    at: Instant | None
    proven: Annotated[bool, Field(description="Its time, by a time-stamp.")]
    level: Annotated[str | None, Field(description="PAdES B-B to B-LTA.")]
    indication: Annotated[str, Field(description="ETSI EN 319 102-1.")]
    sub_indication: str | None


class SignatureReportShown(Told):
    """What was found of a PDF's signatures when it came. It explains, and refuses nothing by itself."""

    says: Words
    match: Annotated[Match, Field(description="Whether a signer is the applicant.")]
    match_says: Words
    indication: str | None
    sub_indication: str | None
    signer: str | None
    signed_at: Instant | None
    level: str | None
    coverage: str | None
    explained: Annotated[str, Field(description="`known` or `done`; else why the report is not whole.")]
    signatures: list[UploadSignature]


class MaterialVersionShown(Told):
    """A file as it was supplied."""

    code: str
    version: int
    media: str
    size: int
    sha256: Digest
    at: Instant
    person: str | None
    operator: str
    scan: Annotated[Scan, Field(description="Whether a scanner for malware has passed it.")]
    report: Annotated[SignatureReportShown | None, Field(description="Null for a picture.")]
    href: Annotated[Reference, Field(description="The file.")]


class CaseMaterialShown(Told):
    """A material of the matter, and how the case stands with it."""

    code: str
    name: Words
    required: bool
    wanted: Annotated[
        Want | None,
        Field(description="What keeps the case from being accepted: all of it is told at once."),
    ]
    supplied: Annotated[MaterialVersionShown | None, Field(description="The latest version.")]


class MaterialVersionList(Told):
    materials: Annotated[
        list[MaterialVersionShown], Field(description="Replaced ones too: by code and version.")
    ]


class FormShown(Told):
    """The form that the registry drew of an application: the last one."""

    version: int
    language: str
    sha256: Annotated[Digest, Field(description="SHA-256 of the PDF, by which it is confirmed.")]
    size: int
    at: Instant
    current: Annotated[bool, Field(description="It says what the application says now.")]
    confirmed_at: Instant | None
    signed: Annotated[
        MaterialVersionShown | None,
        Field(description="With the applicant's signature, and whose that is."),
    ]
    declared_by: Annotated[
        Declared | None, Field(description="What of it stands for the declaration when it is submitted.")
    ]
    href: Annotated[Reference, Field(description="The PDF.")]


def form_json(
    form: CaseForm,
    document: CaseMaterial,
    signed: tuple[CaseMaterial, SignatureReport | None] | None,
    *,
    current: bool,
    declared: Declared | None,
) -> dict[str, Any]:
    """`FormShown`."""
    return {
        "version": form.version,
        "language": form.language,
        "sha256": document.sha256.hex(),
        "size": document.size,
        "at": instant(document.at),
        "current": current,
        "confirmed_at": None if form.confirmed_at is None else instant(form.confirmed_at),
        "signed": None if signed is None else version_json(*signed),
        "declared_by": declared,
        "href": _href(document),
    }


def _href(row: CaseMaterial) -> str:
    return f"/api/v1/cases/{row.case_id}/materials/{row.code}/{row.version}"


def version_json(row: CaseMaterial, report: SignatureReport | None) -> dict[str, Any]:
    """`MaterialVersionShown`."""
    return {
        "code": row.code,
        "version": row.version,
        "media": row.media,
        "size": row.size,
        "sha256": row.sha256.hex(),
        "at": instant(row.at),
        "person": row.person_id,
        "operator": row.operator,
        "scan": row.scan,
        "report": None if report is None else report_json(report.told, Match(row.match)),
        "href": _href(row),
    }


def report_json(told: Mapping[str, Any], match: Match) -> dict[str, Any]:
    """`SignatureReportShown`, of what a report tells."""
    same = ("says", "indication", "sub_indication", "signer", "level", "coverage", "explained", "signatures")
    return {
        **{name: told[name] for name in same},
        "signed_at": told["sealed_at"],
        "match": match.value,
        "match_says": {lang: word("signatories", match.value, lang) for lang in LANGUAGES},
        "signatures": [
            {name: one[name] for name in UploadSignature.model_fields} for one in told["signatures"]
        ],
    }


def materials_json(
    matter: Matter,
    wanted: Mapping[str, Want],
    latest: Sequence[tuple[CaseMaterial, SignatureReport | None]],
) -> list[dict[str, Any]]:
    """`CaseMaterialShown` for each material of the matter."""
    there = {row.code: version_json(row, report) for row, report in latest}
    return [
        {
            "code": one.code,
            "name": dict(one.name),
            "required": one.required,
            "wanted": wanted.get(one.code),
            "supplied": there.get(one.code),
        }
        for one in matter.materials
    ]
