"""The forms of the public API: what a program sends and what it is answered. They are read by, and described
by (`verify_web.openapi`).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from keys.errors import Fault
from keys.signed_answer import MAX_ANSWERS, MAX_REQUEST_REFERENCE
from registry.problems import FaultEntry
from signing.report import Explained
from signing.verdict import HOWS, Result, Verdict
from verify_web.intake import MAX_TYPED, invalid

MAX_ITEMS = MAX_ANSWERS
MAX_SCANNED = 4096  # characters; a printed code has about 800
MAX_FAULTS = 20
_MAX_POINTER = 120

M = TypeVar("M", bound=BaseModel)


class Form(BaseModel):
    """No coercion, no unknown members."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


Scanned = Annotated[str, Field(min_length=1, max_length=MAX_SCANNED)]
Typed = Annotated[str, Field(min_length=1, max_length=MAX_TYPED)]
Hex32 = Annotated[str, Field(pattern="^[0-9a-f]{32}$", max_length=32)]
Hex64 = Annotated[str, Field(pattern="^[0-9a-f]{64}$", max_length=64)]


class ByLink(Form):
    """A licence's link, with or without its fragment."""

    link: Scanned


class ByQr(Form):
    """The text of a scanned code."""

    qr: Scanned


class ById(Form):
    """The 22 characters of a link's id alone: the content is not compared."""

    id: Annotated[str, Field(pattern="^[A-Za-z0-9_-]{21}[AQgw]$", max_length=22)]


class ByDetails(Form):
    """What is printed for typing: limited, for each licence, by wrong attempts."""

    identifier: Typed
    lookup_code: Typed


class ByDigest(Form):
    """SHA-256 of a file, in place of the file."""

    sha256: Hex64


ITEMS: tuple[type[Form], ...] = (ByLink, ByQr, ById, ByDetails, ByDigest)
Item = ByLink | ByQr | ById | ByDetails | ByDigest


class Options(Form):
    """What may stand beside. A past moment, and what the request is called in a signed answer."""

    as_of: Annotated[
        str | None,
        Field(
            default=None,
            max_length=40,
            description="A past instant (RFC 3339), by the clock `recorded` at least a minute ago; by the "
            "clock `effective` a civil day, too.",
        ),
    ]
    clock: Annotated[
        Literal["recorded", "effective"] | None,
        Field(
            default=None,
            description="`recorded`: what the registry would have answered then. `effective`: what held "
            "then, by all that is on record now.",
        ),
    ]
    reference: Annotated[
        str | None,
        Field(
            default=None,
            max_length=MAX_REQUEST_REFERENCE,
            description="What you call this request: a signed answer repeats it as `ref`.",
        ),
    ]


def _single(form: type[Form]) -> type[BaseModel]:
    """A form with the options that a single check may have beside."""
    return type(f"{form.__name__}Request", (form, Options), {"__doc__": form.__doc__, "__module__": __name__})


SINGLE = tuple(_single(form) for form in ITEMS)


class Envelope(Options):
    """A bulk request whose items were not read yet."""

    items: Annotated[list[Any], Field(min_length=1, max_length=MAX_ITEMS)]


class BulkRequest(Options):
    """Up to a thousand checks, answered in order."""

    items: Annotated[list[Item], Field(min_length=1, max_length=MAX_ITEMS)]


class Check(BaseModel):
    result: Result
    reason: str


class Checks(BaseModel):
    content: Check
    issuer: Check
    status: Check


class LicenceType(BaseModel):
    code: str
    version: int
    name: dict[str, str]


class Issuer(BaseModel):
    code: str
    name: dict[str, str]


class Shown(BaseModel):
    """A value as its licence type discloses it."""

    name: str
    label: dict[str, str]
    value: str | list[str]
    masked: bool


class Licence(BaseModel):
    type: LicenceType
    issuer: Issuer
    edition: int
    issue_date: str
    valid_from: str
    valid_to: str | None
    status: Literal["in_force", "suspended", "ended"]
    ground: str | None
    since: str | None
    suspended_until: str | None
    specimen: bool
    fields: list[Shown]


class ResultMatter(BaseModel):
    """A matter of which cases were decided."""

    code: str
    name: dict[str, str]
    agency: Issuer
    published: Annotated[int, Field(description="How many results are on its list.")]
    withheld: Annotated[int, Field(description="How many are kept from the public.")]
    secret_basis: Annotated[str | None, Field(description="The law by which they are.")]
    href: str


class ResultMatters(BaseModel):
    matters: list[ResultMatter]
    next: Annotated[str | None, Field(description="The next page; missing after the last.")] = None


class ResultLicence(BaseModel):
    """The licence that was issued, as it stands now."""

    identifier: str
    holder: Annotated[str | None, Field(description="As its type lets the public see it.")]
    status: Literal["in_force", "suspended", "ended"]
    how: Annotated[str | None, Field(description="How it ended.")]


class CaseResult(BaseModel):
    number: Annotated[str, Field(description="The case's.")]
    decided_on: str
    result: Literal["permitted", "refused", "terminated"]
    licence: ResultLicence | None


class MatterResults(ResultMatter):
    """The newest decision first, in pages of 100."""

    results: list[CaseResult]
    next: Annotated[str | None, Field(description="The next page; missing after the last.")] = None


class Change(BaseModel):
    """What a revision did; `page` counts from 1."""

    kind: str
    page: int | None


class Original(BaseModel):
    """The part of a file that is, byte for byte, a document of the registry's."""

    revision: int
    start: int
    end: int
    registered: bool


class Revision(BaseModel):
    number: int
    end: int | None
    changes: list[Change]


class Signature(BaseModel):
    """A signature or document time-stamp; indications are those of ETSI EN 319 102-1."""

    kind: Literal["signature", "time_stamp"]
    field: str
    signer: str | None
    issuer: str | None
    authority: Literal["registry", "licensed"] | None
    integrity: Literal["intact", "digest_differs", "signature_wrong", "unreadable"]
    coverage: Literal["whole_file", "revision", "part"]
    revision: int | None
    at: str | None
    proven: bool
    level: str | None
    indication: str
    sub_indication: str | None


class FileReport(BaseModel):
    """What was found in a file. It explains the verdict, and decides nothing."""

    sentence: str
    explained: Explained
    indication: str | None
    sub_indication: str | None
    level: str | None
    signer: str | None
    sealed_at: str | None
    coverage: Literal["whole_file", "revision", "part"] | None
    original: Original | None
    added: list[Change]
    revisions: list[Revision]
    signatures: list[Signature]
    says: Annotated[dict[str, str], Field(description="The sentence, by language.")]


class Copy(BaseModel):
    """For what an annotated copy 加注件 was made: it is valid for nothing else. A code alone says neither on
    which day, nor how often it is to be handed over, and of long texts the beginning, with "…".
    """

    purpose: str
    recipient: str
    valid_to: Annotated[str, Field(description="The copy's own last day.")]
    made_on: str | None
    count: int | None


class ShowingEntry(BaseModel):
    """Since when and until when a presentation code 亮证码 is shown, or was; null where none is on record."""

    shown_at: str | None
    until: str | None


class Answer(BaseModel):
    """The answer to a check. Only `valid` with all three checks passed is a positive one."""

    verdict: Verdict
    how: Annotated[Literal[HOWS] | None, Field(description="How it ended, for `ended`.")]  # type: ignore[valid-type]
    checks: Checks
    as_of: Annotated[str, Field(description="The instant that the status is known for.")]
    identifier: str | None
    copy_: Annotated[
        Copy | None,
        Field(alias="copy", description="Of an annotated copy alone, which is not the licence itself."),
    ] = None
    showing: Annotated[ShowingEntry | None, Field(description="Of a presentation code alone.")] = None
    log: Literal["not_available"]
    credential_sha256: str | None = None
    licence: Licence | None = None
    clock: Literal["recorded", "effective"] | None = None
    report: Annotated[FileReport | None, Field(description="Of a file, where the answer is not signed.")] = (
        None
    )


class Presented(BaseModel):
    """What was presented, by SHA-256: the 16 bytes of a link's id, the credential of its code, a file, or a
    text that is no link; or an identifier that was typed.
    """

    link_id_sha256: Hex64 | None = None
    credential_sha256: Hex64 | None = None
    document_sha256: Hex64 | None = None
    text_sha256: Hex64 | None = None
    identifier: str | None = None


class SignedAnswerEntry(Answer):
    """An answer within a signed one."""

    presented: Presented


class SignedAnswer(BaseModel):
    """The claims of a signed answer (compact JWS, `typ` verification-answer+jwt)."""

    iss: str
    iat: int
    jti: Hex32
    aud: Hex32
    ref: str | None = None
    answers: list[SignedAnswerEntry]


class ItemFault(BaseModel):
    """An item that cannot be checked as it stands."""

    errors: list[FaultEntry]


class BulkAnswer(BaseModel):
    answers: list[Answer | ItemFault]


class ReceiptEntry(BaseModel):
    said: SignedAnswerEntry
    now: Answer


class ReceiptAnswer(BaseModel):
    """What a signed answer is, when it was given, and what the registry says to the same now."""

    genuine: bool
    reason: Annotated[str | None, Field(description="Why it is not genuine.")]
    issuer: str | None = None
    issued_at: str | None = None
    key: str | None = None
    reference: str | None = None
    audience: Annotated[str | None, Field(description="The relying party that it was given to.")] = None
    request_reference: str | None = None
    answers: list[ReceiptEntry] = []


def read(model: type[M], value: object, at: str = "") -> M:
    """Raises VermilionError(INVALID) with one fault for each thing wrong; `at` is where the value stands."""
    try:
        return model.model_validate(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_FAULTS]
        raise invalid(*(Fault(at + _pointer(e["loc"]), e["type"], e["msg"]) for e in found)) from None


def _pointer(location: tuple[int | str, ...]) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in location)
    text = "".join(f"/{part}" for part in parts)
    return "".join(c if c.isprintable() else "?" for c in text[:_MAX_POINTER])
