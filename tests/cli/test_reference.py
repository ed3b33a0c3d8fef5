"""docs/commands.md says what the code declares."""

from __future__ import annotations

from pathlib import Path

from registry.cli import COMMANDS
from registry.cli.reference import reference
from registry.settings import Settings

FILE = Path(__file__).parents[2] / "docs" / "commands.md"


def test_the_file_is_what_the_code_declares() -> None:
    """If not: python -m registry.cli.reference > docs/commands.md"""
    assert FILE.read_text(encoding="utf-8") == reference()


def test_every_command_and_setting_is_in_it_with_words_of_its_own() -> None:
    text = reference()
    for name in COMMANDS:
        assert f"### `vermilion {name}" in text
    for name, field in Settings.model_fields.items():
        assert f"| `VERMILION_{name.upper()}` |" in text
        assert field.description, name
    rows = [row for row in text.splitlines() if row.startswith("| `--")]
    assert rows
    assert not [row for row in rows if row.endswith(("|  |", "| Required. |"))]
