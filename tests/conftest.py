"""What every test stands on: skip account, long tests, what is told, loopback guard, databases, Hypothesis's profiles."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

pytest_plugins = [
    "tests.machine",
    "tests.long",
    "tests.skip_accounting",
    "tests.told",
    "tests.loopback",
    "tests.postgres",
]

# CI repeats itself exactly; a developer's machine explores. Deadlines measure the machine, not the code.
settings.register_profile("dev", deadline=None)
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "dev")
