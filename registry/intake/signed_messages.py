"""HTTP Message Signatures (RFC 9421) by `hmac-sha256`, over digests of contents (RFC 9530), in one form.

Both sides have one secret, as exchange platforms give each caller one; nothing private of the registry's
takes part. A request covers its method, address, content and type; an answer covers its status, content and
type, and the content of the request that it answers, so that it answers no other.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256

from keys.errors import Kind, VermilionError

LABEL = "vermilion"
TAG = "vermilion-exchange"
SKEW = timedelta(minutes=5)
MIN_SECRET, MAX_SECRET = 32, 128  # octets

_REQUEST = '("@method" "@target-uri" "content-digest" "content-type")'
_ANSWER = '("@status" "content-digest" "content-type" "content-digest";req)'
_ANSWERED = re.compile(
    re.escape(f"{LABEL}={_ANSWER}")
    + r';created=([0-9]{1,12});keyid="([A-Za-z0-9._-]{1,60})";alg="hmac-sha256"'
    + re.escape(f';tag="{TAG}"')
)
_SIGNATURE = re.compile(re.escape(LABEL) + r"=:([A-Za-z0-9+/]{43}=):")


@dataclass(frozen=True, slots=True)
class Secret:
    """What both sides have, and what it is called."""

    key_id: str
    value: bytes


def content_digest(body: bytes) -> str:
    """The value of a Content-Digest field."""
    return f"sha-256=:{base64.b64encode(sha256(body).digest()).decode()}:"


def sign_request(secret: Secret, url: str, body: bytes, content_type: str, at: datetime) -> dict[str, str]:
    """The headers that a POST bears at this moment."""
    digest = content_digest(body)
    parameters = _parameters(_REQUEST, secret.key_id, at)
    covered = (
        ('"@method"', "POST"),
        ('"@target-uri"', url),
        ('"content-digest"', digest),
        ('"content-type"', content_type),
    )
    return {
        "Content-Type": content_type,
        "Content-Digest": digest,
        "Signature-Input": f"{LABEL}={parameters}",
        "Signature": f"{LABEL}=:{_mac(secret, covered, parameters)}:",
    }


def sign_answer(
    secret: Secret, status: int, body: bytes, content_type: str, request_digest: str, at: datetime
) -> dict[str, str]:
    """The headers that the other side's answer bears: what a source implements, and tests ask."""
    digest = content_digest(body)
    parameters = _parameters(_ANSWER, secret.key_id, at)
    covered = _of_answer(status, digest, content_type, request_digest)
    return {
        "Content-Type": content_type,
        "Content-Digest": digest,
        "Signature-Input": f"{LABEL}={parameters}",
        "Signature": f"{LABEL}=:{_mac(secret, covered, parameters)}:",
    }


def verify_answer(
    secret: Secret,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    request_digest: str,
    now: datetime,
) -> None:
    """That the body is what whoever has the secret answered to this very request, just now. `headers`: by
    their names in lower case; one that came twice is no value.

    Raises VermilionError(UNAVAILABLE): `answer_digest`, `answer_signature`.
    """
    digest = content_digest(body)
    if not hmac.compare_digest(headers.get("content-digest", "").encode(), digest.encode()):
        raise _refused("answer_digest", "the answer is not the content that its digest names")
    found = _ANSWERED.fullmatch(headers.get("signature-input", ""))
    signed = _SIGNATURE.fullmatch(headers.get("signature", ""))
    if found is None or signed is None or found[2] != secret.key_id:
        raise _refused("answer_signature", "the answer is not signed as it must be")
    parameters = headers["signature-input"].removeprefix(f"{LABEL}=")
    covered = _of_answer(status, digest, headers.get("content-type", ""), request_digest)
    if not hmac.compare_digest(_mac(secret, covered, parameters), signed[1]):
        raise _refused("answer_signature", "the answer's signature is wrong")
    if abs(int(found[1]) - now.timestamp()) > SKEW.total_seconds():
        raise _refused("answer_signature", "the answer was signed at another time")


def _parameters(covered: str, key_id: str, at: datetime) -> str:
    return f'{covered};created={int(at.timestamp())};keyid="{key_id}";alg="hmac-sha256";tag="{TAG}"'


def _of_answer(
    status: int, digest: str, content_type: str, request_digest: str
) -> tuple[tuple[str, str], ...]:
    return (
        ('"@status"', str(status)),
        ('"content-digest"', digest),
        ('"content-type"', content_type),
        ('"content-digest";req', request_digest),
    )


def _mac(secret: Secret, covered: tuple[tuple[str, str], ...], parameters: str) -> str:
    lines = [f"{name}: {value}" for name, value in covered] + [f'"@signature-params": {parameters}']
    return base64.b64encode(hmac.digest(secret.value, "\n".join(lines).encode(), "sha256")).decode()


def _refused(reason: str, detail: str) -> VermilionError:
    return VermilionError(Kind.UNAVAILABLE, detail, reason=reason)
