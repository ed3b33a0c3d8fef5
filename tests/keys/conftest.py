"""One authority for the tests that only read it; a fresh one for those that use keys up."""

from __future__ import annotations

import pytest

from tests.authority import TestAuthority, make_authority


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> TestAuthority:
    return make_authority(tmp_path_factory.mktemp("authority"))
