"""A whole run: the sandbox is asked what it is, then judged, then a client against it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import registry.conform.client_checks  # noqa: F401  (which fills the table)
from keys.errors import Kind, VermilionError
from registry.client import ApiClient, Credential
from registry.conform.cases import Cases, from_file, of_the_samples
from registry.conform.checks import CLIENT, SERVER, Result, looked
from registry.conform.hooks import Hooks
from registry.conform.play import Play
from registry.conform.program import Program, own_integrator
from registry.conform.proxy import Proxy
from registry.conform.report import Report
from registry.conform.sandbox import Sandbox, is_sandbox, seal_of
from registry.conform.server_checks import Subject


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be tried, and how. `client`: a command, or None for our own; `sides`: which are judged."""

    base: str
    credential: Path
    audience: str | None = None
    seal: str | None = None
    requests: Path | None = None
    client: Sequence[str] | None = None
    sides: frozenset[str] = frozenset({"server", "client"})
    zone: str = "Asia/Shanghai"
    listen: tuple[str, int] = ("127.0.0.1", 0)
    hooks_url: str | None = None
    minutes: float = 10.0
    step_seconds: float = 60.0
    patience: float = 60.0
    force: bool = False


def conform(wanted: Wanted, tell: Callable[[Result], None] = lambda _result: None) -> Report:
    """What was found, each told as it is found.

    Raises VermilionError: INVALID for what cannot be tried, CONFLICT (`not_a_sandbox`) for a registry whose
    licences would be no specimens, and what its answers are where it cannot be asked.
    """
    begun, deadline = datetime.now(UTC), time.monotonic() + wanted.minutes * 60
    sandbox = _sandbox(wanted)
    if not is_sandbox(sandbox) and not wanted.force:
        raise VermilionError(
            Kind.CONFLICT,
            "this is no sandbox: a dry run says that the licence would be no specimen. Nothing was issued",
            reason="not_a_sandbox",
        )
    results: list[Result] = []
    command = list(wanted.client) if wanted.client is not None else own_integrator()
    try:
        hooks = Hooks(*wanted.listen, wanted.hooks_url)
    except OSError as error:
        raise VermilionError(Kind.INVALID, f"cannot listen: {error.strerror}") from error

    def judge(found: Result) -> None:
        results.append(found)
        tell(found)

    try:
        if "server" in wanted.sides:
            for found in looked(SERVER.values(), Subject(sandbox, hooks), deadline):
                judge(found)
        if "client" in wanted.sides:
            play = _played(wanted, sandbox, hooks, command, deadline)
            for found in looked(CLIENT.values(), play, float("inf")):
                judge(found)
    finally:
        hooks.close()
    client = "the client " + (Path(command[-1]).name if wanted.client is not None else "of our own")
    return Report(wanted.base, client, begun, datetime.now(UTC), results)


def _sandbox(wanted: Wanted) -> Sandbox:
    credential = Credential.load(wanted.credential)
    if wanted.credential.stat().st_mode & 0o077:
        raise VermilionError(Kind.INVALID, f"{wanted.credential} can be read by others than its owner")
    audience = wanted.audience or f"{credential.api}/oauth2/token"
    api = ApiClient(replace(credential, api=wanted.base), audience)
    seal = wanted.seal or seal_of(api)
    sandbox = Sandbox(
        api, wanted.base, audience, ZoneInfo(wanted.zone), Cases("", seal, [], {}), wanted.patience
    )
    types = api.get("/api/v1/agencies/self").expect(200).json()["types"]
    if wanted.requests is not None:
        sandbox.cases = from_file(wanted.requests, seal)
    else:
        sandbox.cases = of_the_samples(types, seal, sandbox.today)
    return sandbox


def _played(wanted: Wanted, sandbox: Sandbox, hooks: Hooks, command: Sequence[str], deadline: float) -> Play:
    """The client, led through the life cycle as far as it goes."""
    program = Program(command, wanted.step_seconds)
    proxy = Proxy(wanted.base)
    play = Play(sandbox, hooks, proxy, program, wanted.credential, deadline)
    try:
        play.run()
    finally:
        program.close()
        proxy.close()
    return play
