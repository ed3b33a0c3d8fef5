"""The command `vermilion`: a group that loads a command only when it is used.

`vermilion verify --trust` must run where neither SQLAlchemy nor Flask is installed, so nothing is
imported here but click and the error taxonomy.
"""

from __future__ import annotations

import gc
import importlib
import sys
from typing import Any

import click

from keys.errors import VermilionError, places

# command -> module:attribute
COMMANDS = {
    "admin": "registry.cli.admin:admin",
    "agency": "registry.cli.agency:agency",
    "anchor": "registry.cli.anchor:anchor",
    "archive": "registry.cli.archive_group:archive",
    "archive-stamp": "registry.cli.archive:archive_stamp",
    "audit": "registry.cli.audit:audit",
    "backup": "registry.cli.backup:backup",
    "case": "registry.cli.case:case",
    "ceremony": "registry.cli.ceremony:ceremony",
    "client": "registry.cli.people:client",
    "connector": "registry.cli.connectors:connector",
    "conform": "registry.cli.conform:conform",
    "credential": "registry.cli.credential:credential",
    "demo": "registry.cli.demo:demo",
    "fsck": "registry.cli.administration:fsck",
    "holiday": "registry.cli.matters:holiday",
    "issue": "registry.cli.issue:issue",
    "key": "registry.cli.keys:key_group",
    "matter": "registry.cli.matters:matter",
    "migrate": "registry.cli.administration:migrate",
    "notice": "registry.cli.notices:notice",
    "outside-ca": "registry.cli.outside_ca:outside_ca",
    "person": "registry.cli.people:person",
    "publish": "registry.cli.publish:publish",
    "restore": "registry.cli.backup:restore",
    "run": "registry.cli.run:run",
    "seal": "registry.cli.seal:seal",
    "serve-api": "registry.cli.run:serve_api",
    "serve-authority": "registry.cli.run:serve_authority",
    "serve-public": "registry.cli.run:serve_public",
    "signer": "registry.cli.signer:signer",
    "type": "registry.cli.types:licence_type",
    "verifier": "registry.cli.verifiers:verifier",
    "verify": "registry.cli.verify:verify",
    "verify-answer": "registry.cli.verify_answer:verify_answer",
    "webhook": "registry.cli.webhooks:webhook",
}
EXIT_USAGE = 64  # EX_USAGE of sysexits.h
EXIT_FAILED = 1
FEW_COLLECTIONS = (50_000, 20, 20)
"""What a command loads is no garbage, and to look for some at Python's pace is a tenth of a short one."""


class LazyGroup(click.Group):
    """Lists all commands, imports the one that is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        target = COMMANDS.get(cmd_name)
        if target is None:
            return None
        module, _, attribute = target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="vermilion")
def cli() -> None:
    """Electronic licences and e-seals of a province."""


def is_about_settings(error: Exception) -> bool:
    """Whether a VERMILION_* variable is at fault, which is wrong usage."""
    if not isinstance(error, ValueError):
        return False
    from pydantic import ValidationError

    return isinstance(error, ValidationError) and error.title == "Settings"


def _wrong_setting(error: Any) -> bool:
    """Says a line for each setting that is wrong, without its value; False for any other error."""
    if not is_about_settings(error):
        return False
    for fault in error.errors(include_input=False, include_url=False, include_context=False):
        name = "_".join(str(part) for part in fault["loc"]).upper()
        of = f"VERMILION_{name}: " if name else ""  # of several together it is their words that name them
        click.echo(f"vermilion: {of}{fault['msg']}", err=True)
    return True


def _unexpected(error: Exception) -> int:
    """One line for what is neither wrong usage nor an error of the taxonomy; the exit code."""
    if _wrong_setting(error):
        return EXIT_USAGE
    if not _database_out(error):
        click.echo(f"vermilion: a defect: {type(error).__name__} at {' '.join(places(error))}", err=True)
    return EXIT_FAILED


def _database_out(error: Exception) -> bool:
    """Says so where the database is out; False for any other error. Without SQLAlchemy it is none."""
    if "sqlalchemy" not in sys.modules:
        return False
    from registry.licences.outage import database_code, database_out, is_outage

    if not is_outage(error):
        return False
    code = database_code(error)
    click.echo(f"vermilion: {database_out().detail}{f' ({code})' if code else ''}", err=True)
    return True


def main(arguments: list[str] | None = None) -> None:
    """Entry point: whatever fails becomes one line on standard error and an exit code. A defect is named by
    its kind and place alone.
    """
    gc.set_threshold(*FEW_COLLECTIONS)
    try:
        status = cli.main(arguments, standalone_mode=False)
    except click.exceptions.Exit as done:
        status = done.exit_code
    except click.UsageError as error:
        error.show()
        status = EXIT_USAGE
    except click.ClickException as error:
        error.show()
        status = EXIT_FAILED
    except click.Abort:
        click.echo("stopped", err=True)
        status = 130
    except VermilionError as error:
        click.echo(f"vermilion: {error.detail}", err=True)
        for fault in error.faults:
            click.echo(f"  {fault.field}: {fault.detail}", err=True)
        status = EXIT_FAILED
    except Exception as error:  # noqa: BLE001  (a traceback's message may hold what is on record)
        status = _unexpected(error)
    sys.exit(status if isinstance(status, int) else 0)
