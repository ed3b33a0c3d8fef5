"""The skips that CI accepts: prefix of a test's node id -> the reason. Any other one fails the session there."""

from __future__ import annotations

_NOT_ROOT = "where the tests do not run as root, no process can become another user"

LISTED: dict[str, str] = {
    "tests/services/test_isolation.py::test_an_ordinary_user_runs_both": (
        "where root's interpreter lies in root's own folder, no other user can run it"
    ),
    "tests/services/test_isolation.py::test_the_workers_of_the_public_site_are_not_root": _NOT_ROOT,
    "tests/services/test_isolation.py::test_that_user_opens_no_file_of_the_registry": _NOT_ROOT,
    "tests/services/test_isolation.py::test_that_user_reads_the_database": _NOT_ROOT,
    "tests/services/test_isolation.py::test_the_public_site_reads_on": _NOT_ROOT,
    "tests/services/test_isolation.py::test_root_does_not_start": _NOT_ROOT,
    "tests/services/test_isolation.py::test_root_may_accept": _NOT_ROOT,
    "tests/services/test_isolation.py::test_a_fresh_clone_under_a_closed_home": _NOT_ROOT,
    "tests/services/test_data_directory.py::test_a_directory_of_another_user": _NOT_ROOT,
    "tests/services/test_relying.py::test_the_site_has_a_true_answer_signed": _NOT_ROOT,
    "tests/services/test_runbooks.py::test_an_administrator_s_key": (
        "where the tests do not run as root, nobody recovers from a lock-out"
    ),
    "tests/services/test_signer.py::test_the_api_s_user_opens_no_key": _NOT_ROOT,
    "tests/services/test_signer.py::test_a_user_who_is_not_on_the_list": _NOT_ROOT,
    "tests/services/test_signer.py::test_the_signer_itself_refuses": _NOT_ROOT,
    "tests/services/test_signer.py::test_a_suspended_seal": _NOT_ROOT,
    "tests/services/test_taken_over.py::test_a_site_that_was_taken_over": _NOT_ROOT,
    "tests/verify_web/test_own_process.py::test_the_site_works_as_another_user": _NOT_ROOT,
}
