"""A client of the public API of Vermilion, version 1.0.0: checks of electronic licences.

Made from its OpenAPI description; do not edit. It needs Python 3.11 and nothing else.

    client = Client("https://verify.example", key="vk_...")
    answer = client.verify({"qr": scanned})
    if answer["verdict"] == "valid": ...

A licence is good only where the verdict is "valid" and all three checks are "passed".
"""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Literal, NotRequired, TypedDict, cast

MAX_ANSWER = 32 * 1024 * 1024


class Answer(TypedDict):
    """The answer to a check. Only `valid` with all three checks passed is a positive one."""

    verdict: Verdict
    how: Literal["revoked", "annulled", "withdrawn", "cancelled", "copy_withdrawn", "unspecified"] | None
    checks: Checks
    as_of: str
    identifier: str | None
    copy: NotRequired[Copy | None]
    showing: NotRequired[ShowingEntry | None]
    log: Literal["not_available"]
    credential_sha256: NotRequired[str | None]
    licence: NotRequired[Licence | None]
    clock: NotRequired[Literal["recorded", "effective"] | None]
    report: NotRequired[FileReport | None]


class BulkAnswer(TypedDict):
    """What its members say."""

    answers: list[Answer | ItemFault]


class BulkRequest(TypedDict):
    """Up to a thousand checks, answered in order."""

    as_of: NotRequired[str | None]
    clock: NotRequired[Literal["recorded", "effective"] | None]
    reference: NotRequired[str | None]
    items: list[ByLink | ByQr | ById | ByDetails | ByDigest]


class ByDetails(TypedDict):
    """What is printed for typing: limited, for each licence, by wrong attempts."""

    identifier: str
    lookup_code: str


class ByDetailsRequest(TypedDict):
    """What is printed for typing: limited, for each licence, by wrong attempts."""

    as_of: NotRequired[str | None]
    clock: NotRequired[Literal["recorded", "effective"] | None]
    reference: NotRequired[str | None]
    identifier: str
    lookup_code: str


class ByDigest(TypedDict):
    """SHA-256 of a file, in place of the file."""

    sha256: str


class ByDigestRequest(TypedDict):
    """SHA-256 of a file, in place of the file."""

    as_of: NotRequired[str | None]
    clock: NotRequired[Literal["recorded", "effective"] | None]
    reference: NotRequired[str | None]
    sha256: str


class ById(TypedDict):
    """The 22 characters of a link's id alone: the content is not compared."""

    id: str


class ByIdRequest(TypedDict):
    """The 22 characters of a link's id alone: the content is not compared."""

    as_of: NotRequired[str | None]
    clock: NotRequired[Literal["recorded", "effective"] | None]
    reference: NotRequired[str | None]
    id: str


class ByLink(TypedDict):
    """A licence's link, with or without its fragment."""

    link: str


class ByLinkRequest(TypedDict):
    """A licence's link, with or without its fragment."""

    as_of: NotRequired[str | None]
    clock: NotRequired[Literal["recorded", "effective"] | None]
    reference: NotRequired[str | None]
    link: str


class ByQr(TypedDict):
    """The text of a scanned code."""

    qr: str


class ByQrRequest(TypedDict):
    """The text of a scanned code."""

    as_of: NotRequired[str | None]
    clock: NotRequired[Literal["recorded", "effective"] | None]
    reference: NotRequired[str | None]
    qr: str


class CaseResult(TypedDict):
    """What its members say."""

    number: str
    decided_on: str
    result: Literal["permitted", "refused", "terminated"]
    licence: ResultLicence | None


class Change(TypedDict):
    """What a revision did; `page` counts from 1."""

    kind: str
    page: int | None


class Check(TypedDict):
    """What its members say."""

    result: Result
    reason: str


class Checks(TypedDict):
    """What its members say."""

    content: Check
    issuer: Check
    status: Check


class Copy(TypedDict):
    """For what an annotated copy 加注件 was made: it is valid for nothing else. A code alone says
    neither on which day, nor how often it is to be handed over, and of long texts the
    beginning, with "…".
    """

    purpose: str
    recipient: str
    valid_to: str
    made_on: str | None
    count: int | None


Explained = Literal["known", "done", "busy", "limit", "broke", "away"]


class FaultEntry(TypedDict):
    """One thing that is wrong in the request."""

    pointer: str
    reason: str
    detail: str


class FileReport(TypedDict):
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
    says: dict[str, str]


class Issuer(TypedDict):
    """What its members say."""

    code: str
    name: dict[str, str]


class ItemFault(TypedDict):
    """An item that cannot be checked as it stands."""

    errors: list[FaultEntry]


class Licence(TypedDict):
    """What its members say."""

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


class LicenceType(TypedDict):
    """What its members say."""

    code: str
    version: int
    name: dict[str, str]


class MatterResults(TypedDict):
    """The newest decision first, in pages of 100."""

    code: str
    name: dict[str, str]
    agency: Issuer
    published: int
    withheld: int
    secret_basis: str | None
    href: str
    results: list[CaseResult]
    next: NotRequired[str | None]


class Original(TypedDict):
    """The part of a file that is, byte for byte, a document of the registry's."""

    revision: int
    start: int
    end: int
    registered: bool


class Presented(TypedDict):
    """What was presented, by SHA-256: the 16 bytes of a link's id, the credential of its code, a
    file, or a text that is no link; or an identifier that was typed.
    """

    link_id_sha256: NotRequired[str | None]
    credential_sha256: NotRequired[str | None]
    document_sha256: NotRequired[str | None]
    text_sha256: NotRequired[str | None]
    identifier: NotRequired[str | None]


class Problem(TypedDict):
    """RFC 9457. `type` is an address at this service that explains the kind and its reasons."""

    type: str
    title: str
    status: int
    detail: NotRequired[str | None]
    reason: NotRequired[str | None]
    errors: NotRequired[list[FaultEntry] | None]
    request_id: NotRequired[str | None]


class ReceiptAnswer(TypedDict):
    """What a signed answer is, when it was given, and what the registry says to the same now."""

    genuine: bool
    reason: str | None
    issuer: NotRequired[str | None]
    issued_at: NotRequired[str | None]
    key: NotRequired[str | None]
    reference: NotRequired[str | None]
    audience: NotRequired[str | None]
    request_reference: NotRequired[str | None]
    answers: NotRequired[list[ReceiptEntry]]


class ReceiptEntry(TypedDict):
    """What its members say."""

    said: SignedAnswerEntry
    now: Answer


Result = Literal["passed", "failed", "not_done"]


class ResultLicence(TypedDict):
    """The licence that was issued, as it stands now."""

    identifier: str
    holder: str | None
    status: Literal["in_force", "suspended", "ended"]
    how: str | None


class ResultMatter(TypedDict):
    """A matter of which cases were decided."""

    code: str
    name: dict[str, str]
    agency: Issuer
    published: int
    withheld: int
    secret_basis: str | None
    href: str


class ResultMatters(TypedDict):
    """What its members say."""

    matters: list[ResultMatter]
    next: NotRequired[str | None]


class Revision(TypedDict):
    """What its members say."""

    number: int
    end: int | None
    changes: list[Change]


class ShowingEntry(TypedDict):
    """Since when and until when a presentation code 亮证码 is shown, or was; null where none is on
    record.
    """

    shown_at: str | None
    until: str | None


class Shown(TypedDict):
    """A value as its licence type discloses it."""

    name: str
    label: dict[str, str]
    value: str | list[str]
    masked: bool


class Signature(TypedDict):
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


class SignedAnswer(TypedDict):
    """The claims of a signed answer (compact JWS, `typ` verification-answer+jwt)."""

    iss: str
    iat: int
    jti: str
    aud: str
    ref: NotRequired[str | None]
    answers: list[SignedAnswerEntry]


class SignedAnswerEntry(TypedDict):
    """An answer within a signed one."""

    verdict: Verdict
    how: Literal["revoked", "annulled", "withdrawn", "cancelled", "copy_withdrawn", "unspecified"] | None
    checks: Checks
    as_of: str
    identifier: str | None
    copy: NotRequired[Copy | None]
    showing: NotRequired[ShowingEntry | None]
    log: Literal["not_available"]
    credential_sha256: NotRequired[str | None]
    licence: NotRequired[Licence | None]
    clock: NotRequired[Literal["recorded", "effective"] | None]
    report: NotRequired[FileReport | None]
    presented: Presented


Verdict = Literal[
    "altered",
    "not_recognised",
    "unknown",
    "ended",
    "suspended",
    "replaced",
    "expired",
    "not_yet_valid",
    "genuine_offline",
    "cannot_check",
    "valid",
]


class ApiError(Exception):
    """The service refused: `status` is HTTP's, `problem` its problem document (RFC 9457)."""

    def __init__(self, status: int, problem: Problem, retry_after: int | None) -> None:
        super().__init__(f"{status}: {problem.get('detail') or problem.get('title') or 'refused'}")
        self.status = status
        self.problem = problem
        self.retry_after = retry_after


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A key is sent to the origin that it is meant for, and nowhere else."""

    def redirect_request(self, *_arguments: object) -> None:
        return None


class Client:
    """`origin`: of the public site, such as "https://verify.example". `key`: a relying party's. `language`:
    of pages, such as "zh", "en" or "es".
    """

    def __init__(
        self, origin: str, key: str | None = None, *, language: str = "zh", timeout: float = 30.0
    ) -> None:
        if not origin.startswith(("https://", "http://")):
            raise ValueError("an origin begins with https:// or http://")
        self._origin = origin.rstrip("/")
        self._key = key
        self._language = language
        self._timeout = timeout
        self._opener = urllib.request.build_opener(_StayHere)

    def _post(self, path: str, body: bytes, media_type: str, accept: str, answers: tuple[int, ...]) -> bytes:
        headers = {"Content-Type": media_type, "Accept": accept, "Accept-Language": self._language}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        return self._ask(urllib.request.Request(self._origin + path, body, headers, method="POST"), answers)

    def _get(self, path: str, after: str | None) -> bytes:
        query = "" if after is None else "?" + urllib.parse.urlencode({"after": after})
        headers = {"Accept": "application/json"}
        return self._ask(urllib.request.Request(self._origin + path + query, None, headers), ())

    def _ask(self, request: urllib.request.Request, answers: tuple[int, ...]) -> bytes:
        try:
            with self._opener.open(request, timeout=self._timeout) as response:
                return cast(bytes, response.read(MAX_ANSWER))
        except urllib.error.HTTPError as error:
            data = error.read(MAX_ANSWER)
            kind = error.headers.get_content_type()
            if error.code in answers and kind == "application/json":
                return data
            raise self._refused(error, data) from None

    @staticmethod
    def _refused(error: urllib.error.HTTPError, data: bytes) -> ApiError:
        try:
            problem = json.loads(data)
        except ValueError:
            problem = None
        if not isinstance(problem, dict):
            problem = {"type": "about:blank", "title": str(error.reason), "status": error.code}
        after = error.headers.get("Retry-After", "")
        seconds = int(after) if after.isascii() and after.isdigit() else None
        return ApiError(error.code, cast("Problem", problem), seconds)

    def verify_receipt(self, token: str) -> ReceiptAnswer:
        """A signed answer taken back.

        A token or its page. Whether this site gave it, when, by which key, and what the
        registry says to the same now. Answers to many checks are taken back from relying
        parties alone, and count as so many checks.

        Raises ApiError; OSError where it is not reached.
        """
        data = self._post(
            "/api/v1/receipts/verify",
            token.encode(),
            "application/jwt",
            "application/json",
            (),
        )
        return cast(ReceiptAnswer, json.loads(data))

    def verify_receipt_file(self, file: bytes) -> ReceiptAnswer:
        """A signed answer taken back.

        A token or its page. Whether this site gave it, when, by which key, and what the
        registry says to the same now. Answers to many checks are taken back from relying
        parties alone, and count as so many checks.

        Raises ApiError; OSError where it is not reached.
        """
        data = self._post(
            "/api/v1/receipts/verify",
            file,
            "application/pdf",
            "application/json",
            (),
        )
        return cast(ReceiptAnswer, json.loads(data))

    def list_result_matters(self, *, after: str | None = None) -> ResultMatters:
        """Matters whose results are published.

        Those of which cases were decided, by their codes, in pages of 100; with the law and
        the number of what is not published.

        `after`: what the page before ended with.

        Raises ApiError; OSError where it is not reached.
        """
        data = self._get("/api/v1/results", after)
        return cast(ResultMatters, json.loads(data))

    def list_results(self, matter_code: str, *, after: str | None = None) -> MatterResults:
        """Results of a matter's cases.

        What was decided, and how the licence that was issued stands now. It is no check: a
        licence is checked by its code.

        `after`: what the page before ended with.

        Raises ApiError; OSError where it is not reached.
        """
        data = self._get(f"/api/v1/results/{urllib.parse.quote(matter_code, safe='')}", after)
        return cast(MatterResults, json.loads(data))

    def verify(
        self,
        request: ByLinkRequest | ByQrRequest | ByIdRequest | ByDetailsRequest | ByDigestRequest,
    ) -> Answer:
        """One check.

        A link, the text of a scanned code, an id, typed details, a file or its SHA-256.
        Anybody may ask, and reads JSON. Relying parties that are on record send their key and
        may ask for a past moment (`as_of` with its `clock`) and, by `Accept:
        application/jwt`, for a signed answer; by `Accept: application/pdf` for its page, to
        be filed: a signed PDF in the language of `Accept-Language`, with the signed answer
        attached, that counts as ten checks.

        An unknown identifier, a wrong look-up code and too many attempts get one answer,
        `cannot_check`.

        Raises ApiError; OSError where it is not reached.
        """
        data = self._post(
            "/api/v1/verifications",
            json.dumps(request).encode(),
            "application/json",
            "application/json",
            (503,),
        )
        return cast(Answer, json.loads(data))

    def verify_signed(
        self,
        request: ByLinkRequest | ByQrRequest | ByIdRequest | ByDetailsRequest | ByDigestRequest,
    ) -> str:
        """As `verify`, signed: a compact JWS.

        Raises ApiError; OSError where it is not reached.
        """
        data = self._post(
            "/api/v1/verifications",
            json.dumps(request).encode(),
            "application/json",
            "application/jwt",
            (),
        )
        return data.decode("ascii")

    def verify_page(
        self,
        request: ByLinkRequest | ByQrRequest | ByIdRequest | ByDetailsRequest | ByDigestRequest,
    ) -> bytes:
        """As `verify`, signed: a page (PDF), to be filed.

        Raises ApiError; OSError where it is not reached.
        """
        return self._post(
            "/api/v1/verifications",
            json.dumps(request).encode(),
            "application/json",
            "application/pdf",
            (),
        )

    def verify_file(self, file: bytes) -> Answer:
        """One check.

        A link, the text of a scanned code, an id, typed details, a file or its SHA-256.
        Anybody may ask, and reads JSON. Relying parties that are on record send their key and
        may ask for a past moment (`as_of` with its `clock`) and, by `Accept:
        application/jwt`, for a signed answer; by `Accept: application/pdf` for its page, to
        be filed: a signed PDF in the language of `Accept-Language`, with the signed answer
        attached, that counts as ten checks.

        An unknown identifier, a wrong look-up code and too many attempts get one answer,
        `cannot_check`.

        Raises ApiError; OSError where it is not reached.
        """
        data = self._post(
            "/api/v1/verifications",
            file,
            "application/pdf",
            "application/json",
            (503,),
        )
        return cast(Answer, json.loads(data))

    def verify_file_signed(self, file: bytes) -> str:
        """As `verify_file`, signed: a compact JWS.

        Raises ApiError; OSError where it is not reached.
        """
        data = self._post(
            "/api/v1/verifications",
            file,
            "application/pdf",
            "application/jwt",
            (),
        )
        return data.decode("ascii")

    def verify_file_page(self, file: bytes) -> bytes:
        """As `verify_file`, signed: a page (PDF), to be filed.

        Raises ApiError; OSError where it is not reached.
        """
        return self._post(
            "/api/v1/verifications",
            file,
            "application/pdf",
            "application/pdf",
            (),
        )

    def verify_many(self, request: BulkRequest) -> BulkAnswer:
        """Up to a thousand checks.

        Answered in order, all as of one moment. An item that cannot be checked as it stands
        has its faults in place of an answer; a signed answer is refused whole then. Each item
        counts as one check of the quota, and the limits on typed details are each licence's
        own.

        Raises ApiError; OSError where it is not reached.
        """
        data = self._post(
            "/api/v1/verifications/bulk",
            json.dumps(request).encode(),
            "application/json",
            "application/json",
            (),
        )
        return cast(BulkAnswer, json.loads(data))

    def verify_many_signed(self, request: BulkRequest) -> str:
        """As `verify_many`, signed: a compact JWS.

        Raises ApiError; OSError where it is not reached.
        """
        data = self._post(
            "/api/v1/verifications/bulk",
            json.dumps(request).encode(),
            "application/json",
            "application/jwt",
            (),
        )
        return data.decode("ascii")
