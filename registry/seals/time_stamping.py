"""Time-stamps over HTTP for whoever asks (RFC 3161, 3.4)."""

from __future__ import annotations

import structlog

from keys.errors import VermilionError
from keys.tsp import MAX_REQUEST_BYTES, QUERY_TYPE, REPLY_TYPE, FailInfo, TimeStampRequest, answer
from registry.licences.outage import database_code, database_errors
from registry.seals.stamping import RegistryTimeStamper

_TEXT = "text/plain; charset=utf-8"
_log = structlog.get_logger("registry.tsa")


def time_stamp_reply(
    stamper: RegistryTimeStamper, body: bytes, content_type: str | None
) -> tuple[int, str, bytes]:
    """Status, content type and body of the answer to a POST.

    200 with a TimeStampResp, for rejections too: PKIStatus says which. 415 for another content type, 413 for
    more than 2 kB. A custodian or database that is out gives `systemFailure` and a line in the log.
    """
    if (content_type or "").partition(";")[0].strip().lower() != QUERY_TYPE:
        return 415, _TEXT, f"a request is {QUERY_TYPE}\n".encode()
    if len(body) > MAX_REQUEST_BYTES:
        return 413, _TEXT, f"a request has at most {MAX_REQUEST_BYTES} bytes\n".encode()

    def grant(request: TimeStampRequest) -> bytes:
        with database_errors():
            return stamper.grant(request)

    return 200, REPLY_TYPE, answer(body, grant, on_failure=_log_failure)


def _log_failure(fail_info: FailInfo, error: VermilionError) -> None:
    _log.error(
        "time_stamp_not_given",
        fail_info=fail_info.reason,
        reason=error.reason,
        detail=error.detail,
        code=database_code(error.__cause__),
    )
