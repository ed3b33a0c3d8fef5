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
    "reportlab",
    "psycopg",
    "pydantic_settings",
)


def test_the_group_loads_nothing_heavy() -> None:
    program = f"import sys, registry.cli; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == ""


def test_each_floor_starts_without_those_above_it() -> None:
    program = "import sys, keys, signing; print(*sorted({'registry', 'verify_web'} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == ""
