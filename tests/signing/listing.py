"""Status lists signed by a real key of a real authority, for tests that read them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from keys.certificates import Subject, certificate_key
from keys.custodian import KeyRef, Purpose
from keys.profiles import ProfileName
from keys.status_list import LIFE, TTL, Content, cwt_input, jwt_input, sign_status_list
from keys.suite import SUITES, SuiteName
from keys.trust_list import TrustList, kid_of
from signing.status_list import EMPTY, compress, packed_with, uri_of
from tests.authority import TestAuthority


@dataclass
class Lister:
    """A key for status lists, and the trust list that names it."""

    authority: TestAuthority
    suite: SuiteName = "p256-sha256"
    key: KeyRef = field(init=False)
    certificate: bytes = field(init=False)
    count: itertools.count[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.key = self.authority.custodian.generate(Purpose.STATUS_LIST, self.suite)
        at = self.authority.now - timedelta(days=30)
        subject = Subject("TEST status lists", "TEST Vermilion")
        self.certificate = self.authority.certify(ProfileName.STATUS_LIST, subject, self.key, at=at)

    def trust(self, **changes: object) -> TrustList:
        """`changes` are those of the key's entry."""
        entry = replace(self.authority.trusted("status-list", self.certificate), **changes)  # type: ignore[arg-type]
        return self.authority.trust(keys=(*self.authority.trust().keys, entry))

    def content(
        self, values: Mapping[int, int], number: int = 0, at: datetime | None = None, life: timedelta = LIFE
    ) -> Content:
        issued = self.authority.now if at is None else at
        uri = uri_of(self.authority.trust().status_lists, number)
        return Content(uri, issued, issued + life, TTL, compress(packed_with(EMPTY, values)))

    def sign(self, content: Content, kid: str | None = None) -> tuple[bytes, bytes]:
        """JWT and CWT."""
        suite, name = SUITES[self.key.suite], kid or kid_of(certificate_key(self.certificate))
        inputs = jwt_input(content, name, suite), cwt_input(content, name, suite)
        record = f"list {next(self.count)}"
        jwt, cwt = sign_status_list(self.authority.custodian, self.key, inputs, record)
        return jwt.encode(), cwt
