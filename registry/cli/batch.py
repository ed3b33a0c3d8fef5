"""`vermilion issue --batch`: send a file of requests, watch it, say what became of each line."""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import click

from keys.errors import Kind, VermilionError
from registry.client import Answer, ApiClient, words

PATH = "/api/v1/batches"
POLL_S = 1.0
PATIENCE = 60  # polls in a row without an answer
EXIT_IN_PART, EXIT_DATA, EXIT_TRY_AGAIN = 2, 65, 75  # the latter two: EX_DATAERR, EX_TEMPFAIL of sysexits.h
BUSY = frozenset({429, 502, 503, 504})
_MEDIA = {".csv": "text/csv"}
_ID = re.compile(r"[0-9a-f]{32}")
_PHASES = {"checking": "Checking", "issuing": "Issuing", "cancelling": "Cancelling"}


@dataclass(frozen=True, slots=True)
class Seen:
    """What the service said of a batch."""

    batch_id: str
    state: str
    lines: int
    counts: Mapping[str, int]
    waiting_for: str
    told: Mapping[str, Any]

    @classmethod
    def of(cls, answer: Answer) -> Seen:
        """Raises VermilionError: what `expect` raises; MALFORMED for what is no batch."""
        told = answer.expect(200, 202).json()
        counts, lines = told.get("counts"), told.get("lines")
        batch_id, state = words(told.get("id")), words(told.get("state"))
        numbers = [lines, *counts.values()] if isinstance(counts, dict) else [None]
        if not _ID.fullmatch(batch_id) or not state or not all(type(n) is int and n >= 0 for n in numbers):
            raise VermilionError(Kind.MALFORMED, "the answer is not a batch")
        assert isinstance(counts, dict)
        assert isinstance(lines, int)
        return cls(batch_id, state, lines, counts, words(told.get("waiting_for")), told)

    @property
    def path(self) -> str:
        return f"{PATH}/{self.batch_id}"

    def count(self, *states: str) -> int:
        return sum(self.counts.get(state, 0) for state in states)

    @property
    def come(self) -> int:
        """Lines that have come through the present phase."""
        left = ("received", "checking") if self.state == "checking" else ("waiting", "issuing")
        return max(0, self.lines - self.count(*left))


def issue_batch(
    api: ApiClient,
    file: Path,
    *,
    idempotency_key: str | None,
    dry_run: bool,
    wait: Callable[[float], None] = time.sleep,
) -> tuple[Seen, int]:
    """Send a batch and watch it to its end: what is said of it then, and the exit code.

    Without a key the file's own digest is the key: the same file again is the same batch, and goes on where
    the last command stopped watching it. Raises VermilionError; click.Abort on an interrupt.
    """
    media = _MEDIA.get(file.suffix.lower(), "application/x-ndjson")
    with _opened(file) as body:
        size, digest = _measure(body)
        key = idempotency_key or f"{'check' if dry_run else 'batch'}-{digest}"
        query = "?dry_run=1" if dry_run else ""
        answer = api.post_file(PATH + query, body, size, media, idempotency_key=key)
    seen = Seen.of(answer)
    try:
        seen = _watched(api, seen, wait)
    except KeyboardInterrupt:
        click.echo("\nThe batch goes on; the same command watches it again.", err=True)
        raise click.Abort from None
    return seen, _told(api, seen)


def save_documents(api: ApiClient, seen: Seen, target: Path) -> None:
    """The sealed documents of an ended batch as a ZIP; no file is left where it did not come whole.

    Raises VermilionError.
    """
    part = target.with_name(target.name + ".part")
    try:
        with part.open("wb") as into:
            api.get(f"{seen.path}/documents", into=into).expect(200)
        part.replace(target)
    except OSError as error:
        raise VermilionError(Kind.INVALID, f"{target}: {error.strerror}; the batch is issued") from error
    finally:
        part.unlink(missing_ok=True)


def _opened(file: Path) -> BufferedReader:
    try:
        return file.open("rb")
    except OSError as error:
        raise VermilionError(Kind.INVALID, f"{file}: {error.strerror}") from error


def _measure(body: BufferedReader) -> tuple[int, str]:
    """Size and SHA-256 of a file, which is then at its beginning again."""
    digest = hashlib.file_digest(body, "sha256").hexdigest()
    size = body.tell()
    body.seek(0)
    return size, digest


def _watched(api: ApiClient, seen: Seen, wait: Callable[[float], None]) -> Seen:
    """The batch at its end, a bar for each phase meanwhile."""
    while seen.state in _PHASES:
        phase = seen.state
        label = _PHASES[phase]
        with click.progressbar(length=seen.lines, label=label, file=sys.stderr) as bar:
            while seen.state == phase:
                bar.label = f"{label} (waiting: {seen.waiting_for})" if seen.waiting_for else label
                bar.update(seen.come - bar.pos)
                wait(POLL_S)
                seen = _asked(api, seen, wait)
            bar.update(seen.lines - bar.pos)
    return seen


def _asked(api: ApiClient, seen: Seen, wait: Callable[[float], None]) -> Seen:
    """The batch as it stands. A service that is away for a while is waited for."""
    for _ in range(PATIENCE):
        try:
            answer = api.get(seen.path)
        except VermilionError as error:
            if error.kind is not Kind.UNAVAILABLE:
                raise
        else:
            if answer.status not in BUSY:
                return Seen.of(answer)
        wait(POLL_S)
    click.echo("\nThe service does not answer; the same command watches the batch again.", err=True)
    raise click.exceptions.Exit(EXIT_TRY_AGAIN)


def _told(api: ApiClient, seen: Seen) -> int:
    """Say on standard error which lines were not issued and why; the exit code."""
    for state in ("refused", "failed"):
        if seen.count(state):
            for line in _faults(api, seen, state):
                click.echo(line, err=True)
    if seen.state == "refused":
        click.echo(
            f"{seen.count('refused')} of {seen.lines} lines are not right; nothing is issued.", err=True
        )
        return EXIT_DATA
    if seen.state == "checked" or seen.count("issued") == seen.lines:
        return 0
    click.echo(
        f"{seen.count('issued')} of {seen.lines} lines are issued, {seen.count('failed')} failed, "
        f"{seen.count('cancelled')} were cancelled.",
        err=True,
    )
    return EXIT_IN_PART


def _faults(api: ApiClient, seen: Seen, state: str) -> Iterator[str]:
    """A line for each fault of each line that is in this state."""
    after = 0
    while True:
        page = api.get(f"{seen.path}/items?state={state}&after={after}").expect(200).json()
        items = page.get("items")
        for item in items if isinstance(items, list) else ():
            number = item.get("line") if isinstance(item, dict) else None
            if type(number) is not int or number <= after:
                raise VermilionError(Kind.MALFORMED, "the answer is no page of lines")
            after = number
            faults = item.get("errors")
            for fault in faults if isinstance(faults, list) and faults else [{"detail": item.get("reason")}]:
                if isinstance(fault, dict):
                    place = words(fault.get("pointer"))
                    yield f"line {number}: {place + ': ' if place else ''}{words(fault.get('detail'))}"
        if "next" not in page:
            return
