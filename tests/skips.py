"""The skips that CI accepts: prefix of a test's node id -> the reason. Any other one fails the session there."""

from __future__ import annotations

LISTED: dict[str, str] = {
    "tests/services/test_isolation.py::test_an_ordinary_user_runs_both": (
        "where root's interpreter lies in root's own folder, no other user can run it"
    ),
}
