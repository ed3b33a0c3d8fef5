"""One authority for the tests that only read it; a fresh one for those that use keys up."""

from __future__ import annotations

import pytest

from keys.suite import SuiteName
from tests.authority import TestAuthority, make_authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def rsa_authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    """All of RSA, but for the QR key."""
    rsa: SuiteName = "rsa3072-sha256"
    place = tmp_path_factory.mktemp("rsa")
    return make_authority(place, root_suite=rsa, issuing_suite=rsa, end_suite=rsa)
