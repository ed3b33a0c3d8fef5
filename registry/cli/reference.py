"""Writes docs/commands.md: every command, option and setting, as the code declares them.

`python -m registry.cli.reference > docs/commands.md`; a test holds the file to what this writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from registry.cli import EXIT_FAILED, EXIT_USAGE, cli

HEAD = f"""# Commands and settings

Written by `python -m registry.cli.reference > docs/commands.md` from what the code declares; a test keeps it
true.

Every command answers on standard output and says on standard error what went wrong. Exit code 0: done;
{EXIT_FAILED}: refused or failed; {EXIT_USAGE}: wrong usage or setting; `verify` has its own, below.

No secret is ever an argument: credentials, keys and passphrases are read from files,
readable to their owner alone.

`run`, `demo`, `migrate`, `fsck`, `serve-api`, `serve-authority`, `serve-public`, `admin`, `agency`,
`anchor`, `audit`, `ceremony`, `key`, `person`, `client`, `type`, `webhook` and `notice` work on the
registry's own machine, on the data directory and database of the settings; acts of administration name who
acts (`--as`, `--key`). `issue`, `seal` and `conform` speak to the agency API over HTTP, with a credential
file; `credential` makes that file and asks nobody. `verify` needs, with `--trust`, neither.
[operate.md](operate.md) has them in the order of a new registry's needs.
"""


def reference() -> str:
    """The whole file."""
    return "\n".join([HEAD, "## Commands", "", *_commands(), "## Settings", "", *_settings()]) + "\n"


def _commands() -> Iterator[str]:
    context = click.Context(cli, info_name="vermilion")
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        yield from _command(command, f"vermilion {name}")


def _command(command: click.Command, path: str) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"### `{path} {usage}`"
    yield ""
    for paragraph in (command.help or "").strip().split("\n\n"):
        yield " ".join(paragraph.split())
        yield ""
    options = [row for parameter in command.params if (row := _option(parameter, context))]
    if options:
        yield from ("| option | |", "|---|---|", *options, "")
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from _command(inner, f"{path} {name}")


def _option(parameter: click.Parameter, context: click.Context) -> str | None:
    if not isinstance(parameter, click.Option) or parameter.hidden:
        return None
    record = parameter.get_help_record(context)
    if record is None:
        return None
    names, text = record
    return f"| {_cell(f'`{names}`')} | {_cell(text.replace('[required]', 'Required.'))} |"


def _settings() -> Iterator[str]:
    from registry.settings import Settings

    yield "Read from the environment by every command that works on the registry's own machine."
    yield ""
    yield from ("| variable | default | |", "|---|---|---|")
    for name, field in Settings.model_fields.items():
        shown = str(field.default) if isinstance(field.default, Path) else field.default
        default = (
            "" if shown in (None, "") else f"`{str(shown).lower() if isinstance(shown, bool) else shown}`"
        )
        yield f"| `VERMILION_{name.upper()}` | {default} | {_cell(field.description or '')} |"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


if __name__ == "__main__":
    print(reference(), end="")
