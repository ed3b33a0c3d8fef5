"""What holds of a seal that our own authority certified holds of one that a licensed CA outside did: the very
tests of issuing, custody, recovery and the impact list, in a world whose seal has such a certificate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.registry.conftest import opened
from tests.registry.licensed_ca import licensed_ca
from tests.registry.outside_seal import in_use, trust
from tests.registry.test_custody import (  # noqa: F401
    prepared,
    test_a_client_that_may_not_issue_the_type_any_more_uses_no_key,
    test_a_retired_key_signs_nothing,
    test_a_stolen_intent_signs_no_other_credential,
    test_a_suspended_seal_is_not_used_nor_one_resumed_since,
    test_a_use_is_on_record_before_and_after_and_happens_once,
    test_an_authorisation_for_another_type_permits_nothing,
    test_an_ended_intent_uses_no_key,
    test_an_open_intent_may_use_its_own_keys_and_no_others,
)
from tests.registry.test_issue import (  # noqa: F401
    test_a_dry_run_says_what_would_be_issued_and_leaves_nothing,
    test_a_key_is_refused_once_the_seal_is_suspended,
    test_a_licence_is_sealed_registered_and_stored,
    test_a_seal_suspended_and_resumed_while_sealing_registers_nothing_either,
    test_a_seal_suspended_while_sealing_registers_nothing,
    test_a_suspended_seal_issues_nothing,
    test_an_outage_of_time_stamps_costs_a_level_and_no_licence,
    test_no_connection_is_held_while_sealing,
    test_who_loses_the_right_while_sealing_gets_nothing,
)
from tests.registry.test_recovery import (  # noqa: F401
    test_a_seal_suspended_meanwhile_is_not_used_after_all,
    test_a_whole_document_is_adopted_and_is_what_a_retry_gets,
    test_an_altered_or_cut_document_is_never_adopted,
    test_another_correctly_sealed_document_is_never_adopted,
)
from tests.registry.test_seals_impact import (  # noqa: F401
    test_before_the_seal_has_ended_the_limit_is_the_present,
    test_pages_join_without_gap_and_agree_with_the_totals,
    test_the_own_time_stamp_is_told_from_an_outside_one,
    test_the_status_shown_is_the_present_one,
)
from tests.registry.world import Ticker, World, prepare_template

OUTSIDE = "outside"


def prepare_outside(url: str) -> None:
    """The template whose seal in use a licensed CA outside has certified: one road for all tests here. What
    it said of the certificate is on record; none of them asks it again.
    """

    def certified_outside(world: World) -> None:
        with licensed_ca(Ticker()) as ca:
            trust(world, ca)
            in_use(world, ca)

    prepare_template(url, OUTSIDE, certified_outside)


@pytest.fixture
def world(new_database: Callable[..., str], tmp_path: Path, clock: Ticker) -> Iterator[World]:
    """The world's seal is one that a licensed CA outside has certified; all else is as elsewhere."""
    with opened(tmp_path, new_database(prepare_outside), clock, OUTSIDE) as made:
        yield made
