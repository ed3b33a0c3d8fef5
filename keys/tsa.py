"""The time-stamping authority (RFC 3161): tokens for our own seals in process, and for whoever asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import new as new_hash
from hashlib import sha256
from typing import Protocol

from asn1crypto import x509

from keys.custodian import Custodian, KeyRef, SignRequest, sign_each
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
    message_imprint,
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


@dataclass(frozen=True, slots=True)
class _Wanted:
    imprint: bytes  # MessageImprint, DER
    serial: int
    record: str
    nonce: bytes = b""  # DER, or nothing
    with_certificates: bool = True


class TimeStampRegister(Protocol):
    """Where each token is written down, durably, before it is signed."""

    def latest(self) -> datetime | None:
        """The latest genTime that was ever announced here, by whichever process."""

    def announce(self, key: KeyRef, announced: Sequence[Announced]) -> None:
        """Put tokens on record, all or none. Raises VermilionError(KEY_REFUSED) if a serial is on record
        already.
        """


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

    def stamp(self, digest: bytes, record: str, algorithm: str = "sha256") -> bytes:
        """A TimeStampToken (ContentInfo, DER) over a digest by this algorithm, for one of our own records.

        Raises VermilionError: UNAVAILABLE when there is no time to be had (reason "clock") or the custodian
        cannot be had, KEY_REFUSED when the custodian does not permit it.
        """
        return _the_one(self._stamp([(digest, record)], algorithm))

    def stamp_many(self, asked: Sequence[tuple[bytes, str]]) -> list[bytes | VermilionError]:
        """As `stamp` for each SHA-256 digest and record: a token or the failure, in order. They say one time;
        what the custodian refuses costs itself alone.
        """
        return self._stamp(asked, "sha256")

    def _stamp(self, asked: Sequence[tuple[bytes, str]], algorithm: str) -> list[bytes | VermilionError]:
        if any(len(digest) != new_hash(algorithm).digest_size for digest, _ in asked):
            raise VermilionError(Kind.INVALID, f"not a {algorithm} digest")
        return self._tokens(
            [
                _Wanted(message_imprint(digest, algorithm), self._serial(_OURS), record)
                for digest, record in asked
            ]
        )

    def grant(self, request: TimeStampRequest) -> bytes:
        """A TimeStampToken for whoever asked. Raises VermilionError as `stamp` does, and INVALID (reason
        "unacceptedPolicy") for a policy that is not ours.
        """
        if request.policy not in (None, self._policy_der):
            raise rejected(FailInfo.UNACCEPTED_POLICY, f"the one policy here is {self._policy}")
        serial = self._serial(_ASKED)
        wanted = _Wanted(
            request.imprint, serial, time_stamp_record(serial), request.nonce, request.certificates
        )
        return _the_one(self._tokens([wanted]))

    def _serial(self, prefix: bytes) -> int:
        return int.from_bytes(prefix + self._random(SERIAL_BYTES), "big")

    def _tokens(self, wanted: Sequence[_Wanted]) -> list[bytes | VermilionError]:
        """Read the clock, put all on record, have all signed."""
        try:
            gen_time = self._gen_time()
            infos = [
                encode_tst_info(self._policy_der, one.imprint, one.serial, gen_time, one.nonce)
                for one in wanted
            ]
            self._register.announce(
                self._key,
                [
                    Announced(one.serial, gen_time, info, one.record)
                    for one, info in zip(wanted, infos, strict=True)
                ],
            )
        except VermilionError as error:
            return [error] * len(wanted)
        attributes = [
            encode_attributes(
                StampAttributes(new_hash(self._suite.digest_name, info).digest(), self._certificate_sha256)
            )
            for info in infos
        ]
        requests = [
            SignRequest(SignKind.TIME_STAMP, said, one.record)
            for one, said in zip(wanted, attributes, strict=True)
        ]
        signed = sign_each(self._custodian, self._key, requests)
        return [
            signature
            if isinstance(signature, VermilionError)
            else self._shape.token(info, said, signature, with_certificates=one.with_certificates)
            for one, info, said, signature in zip(wanted, infos, attributes, signed, strict=True)
        ]

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


def _the_one(tokens: Sequence[bytes | VermilionError]) -> bytes:
    (token,) = tokens
    if isinstance(token, VermilionError):
        raise token
    return token


def _no_time(detail: str) -> VermilionError:
    return VermilionError(Kind.UNAVAILABLE, detail, reason="clock")
