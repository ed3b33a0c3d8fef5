"""Time-stamp requests, byte by byte, and what their responses say, read as trees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from asn1crypto import algos, cms, core, tsp

from keys.der import integer, tlv
from keys.errors import VermilionError
from keys.tsp import FailInfo

NULL = b"\x05\x00"
FAIL_INFO = {
    "bad_alg": FailInfo.BAD_ALG,
    "bad_request": FailInfo.BAD_REQUEST,
    "bad_data_format": FailInfo.BAD_DATA_FORMAT,
    "time_not_available": FailInfo.TIME_NOT_AVAILABLE,
    "unaccepted_policy": FailInfo.UNACCEPTED_POLICY,
    "unaccepted_extensions": FailInfo.UNACCEPTED_EXTENSION,
    "add_info_not_available": FailInfo.ADD_INFO_NOT_AVAILABLE,
    "system_failure": FailInfo.SYSTEM_FAILURE,
}


def oid(dotted: str) -> bytes:
    encoded: bytes = core.ObjectIdentifier(dotted).dump()
    return encoded


def imprint(name: str = "sha256", size: int = 32, parameters: bytes = NULL) -> bytes:
    algorithm = tlv(0x30, algos.DigestAlgorithmId(name).dump(), parameters)
    return tlv(0x30, algorithm, tlv(0x04, bytes(range(size))))


def extension(dotted: str = "1.2.3", critical: bytes = b"") -> bytes:
    return tlv(0x30, oid(dotted), critical, tlv(0x04, b"x"))


def request(*parts: bytes, version: bytes | None = None, stamped: bytes | None = None) -> bytes:
    """A TimeStampReq of these optional parts."""
    return tlv(0x30, version or integer(1), imprint() if stamped is None else stamped, *parts)


class TimeStampResp(core.Sequence):  # type: ignore[misc]
    """asn1crypto's own wants a token in a rejection too."""

    _fields = [  # noqa: RUF012
        ("status", tsp.PKIStatusInfo),
        ("time_stamp_token", cms.ContentInfo, {"optional": True}),
    ]


@dataclass(frozen=True)
class Said:
    """A TimeStampResp, read."""

    status: str
    fail_info: FailInfo | None
    text: str | None
    token: bytes | None

    @property
    def signed(self) -> Any:
        """SignedData of the token."""
        assert self.token is not None
        return cms.ContentInfo.load(self.token)["content"]

    @property
    def info(self) -> Any:
        """TSTInfo of the token."""
        return self.signed["encap_content_info"]["content"].parsed


def read(response: bytes) -> Said:
    """Read by asn1crypto, strictly, and encoded again by it."""
    parsed = TimeStampResp.load(response, strict=True)
    status = parsed["status"]
    failures = status["fail_info"].native
    assert failures is None or len(failures) == 1
    texts = status["status_string"].native
    token = parsed["time_stamp_token"]
    return Said(
        status["status"].native,
        FAIL_INFO[failures.pop()] if failures else None,
        texts[0] if texts else None,
        token.dump() if token.native is not None else None,
    )


def never(fail_info: FailInfo, error: VermilionError) -> None:
    raise AssertionError(f"the authority failed: {fail_info.name}, {error.reason}")
