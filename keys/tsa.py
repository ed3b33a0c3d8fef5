"""The time-stamping authority (RFC 3161): tokens for our own seals in process, and for whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import new as new_hash
from hashlib import sha256
from typing import Protocol

from asn1crypto import x509

from keys.custodian import Custodian, KeyRef, SignRequest
from keys.custodian import Kind as SignKind
from keys.errors import Kind, VermilionError
from keys.profiles import POLICY_TSA
from keys.suite import SUITES
from keys.time_source import TimeSource
from keys.time_stamp import token_shape
from keys.tsp import FailInfo, TimeStampRequest, rejected
from keys.tst_info import (
    ACCURACY_SECONDS,
    StampAttributes,
    encode_attributes,
    encode_policy,
    encode_tst_info,
    sha256_imprint,
)

SERIAL_BYTES = 16
ACCURACY = timedelta(seconds=ACCURACY_SECONDS)
# The first byte of a serial: those of tokens for us and of tokens for others never meet.
_OURS, _ASKED = b"\x01", b"\x02"


def time_stamp_record(serial: int) -> str:
    """The record that a token for whoever asked serves: its own serial, so that each is given once."""
    return f"time-stamp:{serial:x}"


@dataclass(frozen=True, slots=True)
class Announced:
    """A token that is about to be signed."""

    serial: int
    gen_time: datetime
    info: bytes  # TSTInfo, DER
    record: str  # what it serves


class TimeStampRegister(Protocol):
    """Where each token is written down, durably, before it is signed."""

    def latest(self) -> datetime | None:
        """The latest genTime that was ever announced here, by whichever process."""

    def announce(self, key: KeyRef, announced: Announced) -> None:
        """Put a token on record. Raises VermilionError(KEY_REFUSED) if its serial is on record already."""


class TimeStampAuthority:
    """Makes tokens under one key. No token's genTime lies before that of one that was announced earlier, in
    this process or another. Safe between threads.
    """

    def __init__(
        self,
        custodian: Custodian,
        key: KeyRef,
        certificate: bytes,
        chain: Sequence[bytes],
        *,
        time: TimeSource,
        register: TimeStampRegister,
        random: Callable[[int], bytes],
        policy: str = POLICY_TSA,
    ) -> None:
        self._custodian = custodian
        self._key = key
        self._time = time
        self._register = register
        self._random = random
        self._policy = policy
        self._policy_der = encode_policy(policy)
        self._suite = SUITES[key.suite]
        self._certificate_sha256 = sha256(certificate).digest()
        self._shape = token_shape(self._suite, x509.Certificate.load(certificate), (certificate, *chain))

    def stamp(self, digest: bytes, record: str) -> bytes:
        """A TimeStampToken (ContentInfo, DER) over a SHA-256 digest, for one of our own records.

        Raises VermilionError: UNAVAILABLE when there is no time to be had (reason "clock") or the custodian
        cannot be had, KEY_REFUSED when the custodian does not permit it.
        """
        if len(digest) != sha256().digest_size:
            raise VermilionError(Kind.INVALID, "not a SHA-256 digest")
        return self._token(sha256_imprint(digest), self._serial(_OURS), record)

    def grant(self, request: TimeStampRequest) -> bytes:
        """A TimeStampToken for whoever asked. Raises VermilionError as `stamp` does, and INVALID (reason
        "unacceptedPolicy") for a policy that is not ours.
        """
        if request.policy not in (None, self._policy_der):
            raise rejected(FailInfo.UNACCEPTED_POLICY, f"the one policy here is {self._policy}")
        serial = self._serial(_ASKED)
        return self._token(
            request.imprint,
            serial,
            time_stamp_record(serial),
            nonce=request.nonce,
            with_certificates=request.certificates,
        )

    def _serial(self, prefix: bytes) -> int:
        return int.from_bytes(prefix + self._random(SERIAL_BYTES), "big")

    def _token(
        self, imprint: bytes, serial: int, record: str, *, nonce: bytes = b"", with_certificates: bool = True
    ) -> bytes:
        gen_time = self._gen_time()
        info = encode_tst_info(self._policy_der, imprint, serial, gen_time, nonce)
        self._register.announce(self._key, Announced(serial, gen_time, info, record))
        digest = new_hash(self._suite.digest_name, info).digest()
        attributes = encode_attributes(StampAttributes(digest, self._certificate_sha256))
        (signature,) = self._custodian.sign(self._key, [SignRequest(SignKind.TIME_STAMP, attributes, record)])
        return self._shape.token(info, attributes, signature, with_certificates=with_certificates)

    def _gen_time(self) -> datetime:
        """The present second; or that of another process, which read its clock across the second's edge.

        What is on record is read before the clock, so that it can only seem later, never earlier, than it is.
        """
        latest = self._register.latest()
        reading = self._time.read()
        if reading.accuracy > ACCURACY:
            raise _no_time("the clock may be more than a second wrong")
        second = reading.at.replace(microsecond=0)
        if latest is None or latest <= second:
            return second
        if latest - reading.at < ACCURACY:
            return latest
        raise _no_time("the clock is behind the times it gave before")


def _no_time(detail: str) -> VermilionError:
    return VermilionError(Kind.UNAVAILABLE, detail, reason="clock")
