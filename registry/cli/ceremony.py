"""`vermilion ceremony FILE`: root, issuing CA and list delegate, made before witnesses from one file."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from keys.transcript import Transcript

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=_FILE)
@click.option("--dry-run", is_flag=True, help="With throwaway keys, in a temporary place: nothing is kept.")
@click.option(
    "--share", "shares", type=_FILE, multiple=True, help="File of a share of the root's passphrase; repeated."
)
@click.option(
    "--former-share",
    "former_shares",
    type=_FILE,
    multiple=True,
    help="File of a share that opens the root which is retired, where another takes its place; repeated.",
)
@click.option(
    "--transcript", type=click.Path(dir_okay=False, path_type=Path), help="Where the signed transcript goes."
)
@click.option("--verify", is_flag=True, help="FILE is a transcript: check it, and say what was done.")
@click.option("--root-sha256", help="With --verify: the fingerprint that the root must have.")
def ceremony(
    file: Path,
    dry_run: bool,
    shares: tuple[Path, ...],
    former_shares: tuple[Path, ...],
    transcript: Path | None,
    verify: bool,
    root_sha256: str | None,
) -> None:
    """Hold the ceremony that FILE describes, or check the transcript of one.

    Every certificate is linted before it is signed. docs/ceremony.md leads through it.
    """
    from keys.ceremony import read_transcript
    from keys.clock import system_clock
    from keys.errors import Kind, VermilionError
    from keys.files import write_once
    from registry.ceremony import perform, read_share, rehearse, transcript_of
    from registry.ceremony_file import load_plan
    from registry.custodians import DEFAULT_COST
    from registry.first_start import founding
    from registry.settings import Settings

    if verify:
        found = read_transcript(file.read_bytes(), root_sha256=root_sha256)
        _tell(found.transcript)
        click.echo(f"root SHA-256  {sha256(found.root).hexdigest()}")
        return
    plan, settings = load_plan(file), Settings()
    if dry_run:
        _tell(rehearse(plan, settings, clock=system_clock, random=os.urandom, cost=DEFAULT_COST))
        click.echo("rehearsed: nothing was kept")
        return
    if transcript is None or transcript.exists():
        raise VermilionError(Kind.INVALID, "--transcript names a file that is not there yet")
    if (over := transcript_of(settings, plan)) is not None:
        write_once(transcript, over.encode("ascii"))
        _tell(read_transcript(over).transcript)
        click.echo(f"this ceremony is over; its transcript is in {transcript} again")
        return
    texts, former = ([read_share(path) for path in paths] for paths in (shares, former_shares))
    with founding(settings):
        made = perform(
            plan, settings, texts, former, clock=system_clock, random=os.urandom, cost=DEFAULT_COST
        )
    write_once(transcript, made.signed.encode("ascii"))
    _tell(made.transcript)
    click.echo(f"root SHA-256  {made.root_sha256}")
    click.echo(f"transcript    {transcript}")
    for path in made.shares:
        click.echo(f"share         {path}")


def _tell(transcript: Transcript) -> None:
    from keys.certificates import certificate_validity, chain_names

    click.echo(f"{transcript.operation}: {transcript.title}")
    click.echo(f"file SHA-256  {transcript.file_sha256}")
    click.echo(f"begun         {transcript.begun_at.isoformat()}, attempt {transcript.attempt}")
    click.echo(f"signed        {transcript.signed_at.isoformat()} by {transcript.software}")
    for one in transcript.present:
        click.echo(f"present       {one.name}, {one.role}")
    total = "" if transcript.shares.total is None else f" of {transcript.shares.total}"
    click.echo(f"shares        {transcript.shares.threshold}{total} open the root")
    for made in transcript.certificates:
        click.echo(f"certificate   {made.profile}, serial {made.serial}, linted by {made.lint}")
        begin, end = certificate_validity(made.der)
        click.echo(f"  subject     {chain_names([made.der])[0]}")
        click.echo(f"  valid       {begin.isoformat()} to {end.isoformat()}")
        click.echo(f"  SHA-256     {made.sha256}")
        click.echo(f"  TBS SHA-256 {made.tbs_sha256}")
    if (former := transcript.former_root) is not None:
        word = "nothing that it signs counts" if former.link is None else "it certified the new root"
        click.echo(f"former root   {former.state}: {word}")
        click.echo(f"  SHA-256     {sha256(former.der).hexdigest()}")
    for ended in transcript.revoked:
        click.echo(f"revoked       serial {ended.serial}, {ended.reason}")
