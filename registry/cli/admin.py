"""`vermilion admin …`: the administrators themselves, and what security administration decides."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from keys.errors import Kind, VermilionError
from registry.actor import Duty
from registry.cli.acting import Acting, administrative
from registry.cli.jwk import read_newcomers, read_person
from registry.cli.machine import ground_today, locked, publish
from registry.cli.options import ground_options

if TYPE_CHECKING:
    from registry.actor import Administrator

UID_MAP = Path("/proc/self/uid_map")
WHOLE = ["0", "0", "4294967295"]  # user_namespaces(7): every user id is what it seems

_file = click.argument(
    "file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path)
)


@click.group()
def admin() -> None:
    """Found the administration; approve whom it enrols.

    System, security and audit administration are duties of different people, who hold no other role.
    """


@admin.command("found")
@_file
def found(file: Path) -> None:
    """Put the first three administrators on record. The founding act: nobody's, and possible once.

    FILE holds {"system_admin": {"name": ..., "jwk": the public key}, "security_admin": …, "auditor": …}; -
    reads standard input. Prints their ids in the same shape.
    """
    from registry.agencies.administrators import found as found_administration

    newcomers = read_newcomers(file)
    with locked() as at:
        with at.database.transaction() as session:
            appointed = found_administration(session, at, newcomers)
        _tell(appointed)


@admin.command("recover")
@_file
@ground_options
def recover(file: Path, legal_basis: str, reason_code: str) -> None:
    """Out of a lock-out, as root of the registry's machine: appoint anew, and disable who held the duty.

    For when the last administrator of a duty cannot act, or must be stopped. FILE as for `found`, with the
    duties that are lost. It is nobody's act, and recorded as that. That it asks for root is a guard rail, not
    protection: whoever owns the database could write it.
    """
    from registry.agencies.administrators import recover as recover_administration
    from registry.logs import configure_logs

    configure_logs()
    if not _is_root():
        raise VermilionError(Kind.FORBIDDEN, "only root of the registry's machine recovers", reason="root")
    newcomers = read_newcomers(file)
    with locked() as at:
        ground = ground_today(at, legal_basis, reason_code)
        with at.database.transaction() as session:
            appointed = recover_administration(session, at, newcomers, ground)
        _tell(appointed)


@admin.command("add")
@_file
@click.option("--duty", required=True, type=click.Choice([duty.value for duty in Duty]), help="One of three.")
@administrative(Duty.SYSTEM)
def add(file: Path, duty: str, acting: Acting) -> None:
    """Put one more administrator on record, and print their id. In office after `vermilion admin approve`.

    FILE holds {"name": ..., "jwk": the public key (JWK, P-256)}; - reads standard input.
    """
    from registry.agencies.rules import add_administrator

    with acting.locked() as (at, administrator):
        name, public = read_person(file)
        with at.database.transaction() as session:
            row = add_administrator(session, at, administrator, duty=Duty(duty), name=name, jwk=public)
        click.echo(row.id)


@admin.command("pending")
@administrative(Duty.SECURITY)
def pending(acting: Acting) -> None:
    """List who waits for approval, what they ask for and the thumbprints of their keys, as JSON, one object a
    line, the oldest first; then the invitations to the console that wait for their release.
    """
    from sqlalchemy.orm import Session

    from registry.agencies.enrolments import pending as waiting
    from registry.console.invitations import waiting as waiting_invitations

    with acting.locked() as (at, _), Session(at.database.read) as session:
        for row in waiting(session):
            click.echo(json.dumps(row, ensure_ascii=False))
        for row in waiting_invitations(session, at.clock()):
            click.echo(json.dumps(row, ensure_ascii=False))


@admin.command("release")
@click.argument("invitation", metavar="INVITATION")
@administrative(Duty.SECURITY)
def release(invitation: str, acting: Acting) -> None:
    """Let an invitation to the console serve, and print the code that it needs beside its link. Give it to
    the person yourself: whoever invited them has the link, and is not to have both.
    """
    from registry.console.invitations import release as release_invitation

    with acting.locked() as (at, administrator):
        with at.database.transaction() as session:
            code = release_invitation(session, at, administrator, invitation_id=invitation)
        click.echo(code)


def _decision(name: str, approve: bool, metavar: str, text: str) -> None:
    @admin.command(name, help=text)
    @click.argument("subjects", metavar=metavar, nargs=-1, required=True)
    @administrative(Duty.SECURITY)
    def decide(subjects: tuple[str, ...], acting: Acting) -> None:
        from registry.agencies.enrolments import decide as decide_enrolment

        with acting.unlocked() as (ports, administrator):
            with ports.database.transaction() as session:
                for named in subjects:
                    subject, _, keys = named.partition("=")
                    seen = keys.split(",") if keys else []
                    decide_enrolment(
                        session, ports, administrator, subject=subject, approve=approve, seen=seen
                    )
            if approve:
                publish(ports)


_decision(
    "approve", True, "ID=THUMBPRINT[,THUMBPRINT]...",
    """Let people and clients have what they were enrolled for: all of these, or none.

    Each by its id and the thumbprints (RFC 7638) of all its keys, as their holder told them: the member kid
    of what `credential key` printed. A name on record proves nothing. The plain ID for a client with a
    secret.
    """,
)  # fmt: skip
_decision("refuse", False, "ID...", "Refuse people and clients what they were enrolled for, for good.")


def _is_root() -> bool:
    """Root of the machine: in a user namespace of their own anybody is root by name."""
    try:
        return os.geteuid() == 0 and UID_MAP.read_text(encoding="ascii").split() == WHOLE
    except OSError:
        return False


def _tell(appointed: dict[Duty, Administrator]) -> None:
    ids = {duty.value: administrator.person_id for duty, administrator in appointed.items()}
    click.echo(json.dumps(ids))
