"""`vermilion` starts light: the group loads no service, no database and nothing that draws."""

from __future__ import annotations

import subprocess
import sys

HEAVY = (
    "flask",
    "werkzeug",
    "sqlalchemy",
    "alembic",
    "granian",
    "pyhanko",
    "pkilint",
    "reportlab",
    "psycopg",
    "pydantic_settings",
)


def test_the_group_loads_nothing_heavy() -> None:
    program = f"import sys, registry.cli; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == ""


def test_a_client_of_a_service_loads_none_of_what_a_registry_needs() -> None:
    """`vermilion verify --service` is for a relying party, who has the package without its extra."""
    heavy = (*HEAVY, "joserfc", "structlog", "prometheus_client", "fontTools", "PIL")
    program = f"""
import sys, registry.cli.verify, registry.client
from keys.errors import VermilionError
try:
    registry.cli.verify._by_service("http://localhost/c/x", "http://localhost:1")
except VermilionError as error:
    print(error.reason, *sorted(set({heavy!r}) & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "unavailable"


def test_the_conformance_kit_loads_none_of_what_a_registry_needs() -> None:
    modules = "registry.cli.conform, registry.conform.run, registry.conform.report"
    program = f"import sys, {modules}; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == ""


def test_a_command_that_looks_at_the_registry_does_not_load_what_migrates_it() -> None:
    program = "import sys, registry.composition, registry.schema; print('alembic' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "False"


def test_what_is_loaded_before_the_services_fork_the_public_site_loads_anyway() -> None:
    program = """
import sys, verify_web.wsgi
from registry.processes import LIBRARIES
verify_web.wsgi.preload()
print(*set(LIBRARIES) - set(sys.modules))
"""
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.split() == ["granian"], "which serves it"


def test_each_floor_starts_without_those_above_it() -> None:
    program = "import sys, keys, signing; print(*sorted({'registry', 'verify_web'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == ""
