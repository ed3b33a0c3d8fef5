"""Who acts: each administrative command is signed by the person whose duty it is (三员分立).

The proof is the assertion of RFC 7523 by which people get tokens from the API, made and checked by the same
code, and used up like there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from keys.canonical import strict_json
from keys.errors import Kind, VermilionError
from registry.actor import Administrator, Duty

if TYPE_CHECKING:
    from registry.cli.machine import Machine
    from registry.ports import Ports

MAX_BYTES = 16 * 1024
RECORDED = frozenset({Kind.FORBIDDEN, Kind.CONFLICT})
"""Refusals that are put on record: not a mistyped name, but what somebody may not do."""


@dataclass(frozen=True)
class Acting:
    """The person who gave a command, not proven yet, and whose duty the command is."""

    person_id: str | None
    key_file: Path
    duties: tuple[Duty, ...]
    command: str

    @contextmanager
    def locked(self) -> Iterator[tuple[Machine, Administrator]]:
        """The registry, its keys locked away, and the administrator, proven. Raises VermilionError as
        `registry.cli.machine.locked` does; UNAUTHENTICATED, FORBIDDEN.
        """
        from registry.cli.machine import locked

        with locked() as at, self._in_office(at) as administrator:
            yield at, administrator

    @contextmanager
    def unlocked(self) -> Iterator[tuple[Ports, Administrator]]:
        """The registry with its keys, and the administrator, proven. Raises as `locked` does."""
        from registry.cli.machine import unlocked

        with unlocked() as ports, self._in_office(ports) as administrator:
            yield ports, administrator

    @contextmanager
    def _in_office(self, at: Machine | Ports) -> Iterator[Administrator]:
        from registry.agencies.auth import prove_administrator
        from registry.client import assertion
        from registry.log.refusals import record_refusal

        person_id, key = self._credential()
        compact = assertion(key, person_id, min(at.settings.audiences))
        with at.database.transaction() as session:
            administrator = prove_administrator(session, compact, settings=at.settings, clock=at.clock)
        try:
            administrator.require(*self.duties)
            yield administrator
        except VermilionError as error:
            if error.kind in RECORDED:
                with at.database.transaction() as session:
                    record_refusal(session, at, administrator, self.command, error)
            raise

    def _credential(self) -> tuple[str, dict[str, Any]]:
        """The person's id and private key (JWK): the file is the key, or holds both."""
        try:
            with self.key_file.open("rb") as file:
                mode = self.key_file.stat().st_mode
                value = strict_json(file.read(MAX_BYTES + 1), max_bytes=MAX_BYTES, max_depth=4)
        except (OSError, VermilionError) as error:
            raise VermilionError(Kind.INVALID, f"{self.key_file} cannot be read as a key") from error
        if mode & 0o077:
            raise VermilionError(Kind.INVALID, f"{self.key_file} can be read by others: make its mode 0600")
        if isinstance(value, dict) and {"person_id", "person_key"} <= set(value):
            person_id, value = self.person_id or value["person_id"], value["person_key"]
        else:
            person_id = self.person_id
        if not isinstance(value, dict) or "d" not in value:
            raise VermilionError(Kind.INVALID, f"{self.key_file} holds no private key (JWK)")
        if not isinstance(person_id, str):
            raise click.UsageError("--as says whose key it is")
        return person_id, value


def administrative(*duties: Duty) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make a command one of administration: it takes who acts, and is handed an `Acting` by that name."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def run(*arguments: Any, acting_person: str | None, acting_key: Path, **options: Any) -> Any:
            command = click.get_current_context().command_path.partition(" ")[2]
            acting = Acting(acting_person, acting_key, duties, command)
            return function(*arguments, acting=acting, **options)

        run.duties = duties  # type: ignore[attr-defined]
        for option in (
            click.option(
                "--key", "acting_key", envvar="VERMILION_KEY", show_envvar=True, required=True,
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                help=f"File (mode 0600) with the private key of the {' or '.join(duties)} who acts.",
            ),
            click.option(
                "--as", "acting_person", envvar="VERMILION_AS", show_envvar=True,
                help="The id of the person who acts, where the key's file does not say it.",
            ),
        ):  # fmt: skip
            run = option(run)
        return run

    return decorate
