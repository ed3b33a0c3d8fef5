"""Every command of the tree is somebody's duty, or is listed here as nobody's."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import click
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from registry.actor import Duty
from registry.cli import admin, cli, main
from registry.log import audit
from registry.log.tables import Event
from tests.administration import duties_of, sample_key
from tests.cli.conftest import Run
from tests.cli.test_administration import at
from tests.services.running import Place

NOBODY_S = {
    "admin found": "possible once, before there is anybody",
    "admin recover": "out of a lock-out, as root",
    "agency show": "reads", "anchor export": "reads", "anchor list": "reads", "fsck": "reads",
    "connector check": "reads a file, on anybody's machine", "connector list": "reads",
    "key list": "reads", "matter list": "reads", "matter check": "reads a file, on anybody's machine",
    "key new-passphrase": "a copy of key files, by who has them and their passphrase already",
    "outside-ca list": "reads",
    "archive keep": "a timer's: what the API does by itself",
    "archive audit": "a timer's: what the API does by itself",
    "archive sweep": "a timer's: what the API does by itself",
    "archive renew-evidence": "a timer's: what is on record gets a further time-stamp, and is as it was",
    "archive restore-drill": "a timer's: copies are restored aside, and nothing is changed",
    "archive evidence": "reads",
    "archive check": "reads",
    "archive dispose carry-out": "a timer's: what the API does by itself, of what two have decided",
    "archive dispose certificate": "reads", "archive dispose due": "reads", "archive dispose list": "reads",
    "archive holds": "reads", "archive retention list": "reads",
    "archive find": "reads", "archive statistics": "reads", "archive handovers": "reads",
    "archive-stamp": "a timer's: what the API does by itself, under the registry's own time-stamp",
    "backup": "a timer's: an encrypted copy, which changes nothing",
    "restore": "the machine's, where there is no registry yet",
    "ceremony": "before witnesses, with a transcript that the root signs",
    "credential file": "on its owner's machine", "credential key": "on its owner's machine",
    "type preview": "draws files, on anybody's machine",
    "demo": "a throw-away registry of its own",
    "migrate": "the database's owner: tables, and nothing in them",
    "run": "a service", "serve-api": "a service", "serve-authority": "a service", "serve-public": "a service",
    "signer": "a service",
    "publish": "a timer's: signed files, by a role that only reads",
    "issue": "through the API, by credential", "conform": "through a sandbox's API, by credential",
    "verify": "anybody's",
    "verify-answer": "anybody's",
    "verifier list": "reads",
    "webhook dead": "reads", "webhook list": "reads",
    "notice dead": "reads", "notice list": "reads",
}  # fmt: skip


def leaves(command: click.Command = cli, path: str = "") -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from leaves(inner, f"{path} {name}".strip())


TREE = dict(leaves())
ADMINISTRATIVE = {path: command for path, command in TREE.items() if duties_of(command)}


def filled(command: click.Command, file: Path) -> list[str]:
    """Arguments that the parser accepts."""
    words: list[str] = []
    for parameter in command.params:
        if not parameter.required or parameter.name == "acting_key":
            continue
        if isinstance(parameter.type, click.Path):
            value = str(file if parameter.type.file_okay else file.parent)
        elif isinstance(parameter.type, click.Choice):
            value = str(parameter.type.choices[0])
        else:
            value = "1"
        words += [value] if isinstance(parameter, click.Argument) else [parameter.opts[0], value]
    return words


def test_every_command_is_somebody_s_duty_or_listed() -> None:
    through_the_api = {path for path in TREE if path.startswith(("seal ", "case "))}  # each with a credential
    assert set(TREE) - set(ADMINISTRATIVE) - through_the_api == set(NOBODY_S)
    assert {duty for command in ADMINISTRATIVE.values() for duty in duties_of(command)} == set(Duty)


def test_a_command_is_refused_to_whose_duty_it_is_not(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command of the tree, by each administrator who may not; a refusal is all that is on record then."""
    for name, value in place.settings.items():
        monkeypatch.setenv(name, str(value))
    file = tmp_path / "file.json"
    file.write_text("{}")
    with at(place) as machine, Session(machine.database.read) as session:
        before = set(session.scalars(select(Event.id)))
    refused = 0
    for path, command in ADMINISTRATIVE.items():
        for duty in set(Duty) - set(duties_of(command)):
            monkeypatch.setenv("VERMILION_KEY", str(sample_key(place.data, duty)))
            with pytest.raises(SystemExit) as ended:
                main([*path.split(" "), *filled(command, file)])
            said = capsys.readouterr()
            assert ended.value.code == 1, (path, duty, said.err)
            assert said.out == ""
            assert "this is the duty of" in said.err, (path, duty)
            refused += 1
    with at(place) as machine, Session(machine.database.read) as session:
        recorded = session.execute(select(Event.id, Event.kind, Event.subject)).all()
    recorded = [event for event in recorded if event.id not in before]  # other tests share the place
    assert len(recorded) == refused
    assert {event.kind for event in recorded} == {"act.refused"}
    assert {event.subject for event in recorded} == set(ADMINISTRATIVE)


def test_nobody_acts_without_a_name(
    place: Place, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in place.settings.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv("VERMILION_KEY", raising=False)
    (tmp_path / "file.json").write_text("{}")
    for path, command in ADMINISTRATIVE.items():
        with pytest.raises(SystemExit) as ended:
            main([*path.split(" "), *filled(command, tmp_path / "file.json")])
        assert (ended.value.code, "--key" in capsys.readouterr().err) == (64, True), path


def test_a_key_proves_its_own_holder_alone(vermilion: Run, place: Place, tmp_path: Path) -> None:
    system = json.loads(sample_key(place.data, Duty.SYSTEM).read_text())
    security = json.loads(sample_key(place.data, Duty.SECURITY).read_text())
    for content, who, words in (
        (security["person_key"], system["person_id"], "signature is wrong"),
        (security["person_key"], "x", "signature is wrong"),
        ({"kty": "EC"}, system["person_id"], "holds no private key"),
        ([], system["person_id"], "holds no private key"),
    ):
        file = tmp_path / "key.json"
        file.write_text(json.dumps(content))
        file.chmod(0o600)
        code, out, err = vermilion(place, "admin", "pending", "--as", who, "--key", file)
        assert (code, out) == (1, "")
        assert words in err
    file.chmod(0o644)
    code, _, err = vermilion(place, "admin", "pending", "--as", "x", "--key", file)
    assert (code, "can be read by others" in err) == (1, True)


def test_the_administration_is_founded_once_and_recovered_by_root_alone(
    vermilion: Run, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "file.json"
    file.write_text("{}")
    code, _, err = vermilion(place, "admin", "found", file)
    assert (code, "name one of each" in err) == (1, True)
    uid_map = tmp_path / "uid_map"
    monkeypatch.setattr(admin, "UID_MAP", uid_map)
    own, whole = "         0       1000          1\n", "         0          0 4294967295\n"
    for user, mapped, words in (
        (1000, whole, "only root of the registry's machine recovers"),
        (0, own, "only root of the registry's machine recovers"),  # root of a user namespace (unshare -r)
        (0, "", "only root of the registry's machine recovers"),
        (0, whole, "name some of"),
    ):
        uid_map.write_text(mapped)
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        code, out, err = vermilion(place, "admin", "recover", file, "--reason", "x", "--legal-basis", "x")
        assert (code, out, words in err) == (1, "", True), err


def test_an_export_ends_with_what_it_holds(
    vermilion: Run, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = vermilion(place, "audit", "events", "--json", "--until", "2020-01-01T00:00:00Z")
    assert (code, json.loads(out)["trailer"]["until"]) == (0, "2020-01-01T00:00:00Z")
    monkeypatch.setattr(audit, "SETTLING", timedelta(seconds=-1))  # as if it were later
    code, out, err = vermilion(place, "audit", "events", "--json")
    assert (code, err) == (0, "")
    *lines, last = out.splitlines()
    trailer = json.loads(last)["trailer"]
    assert trailer["lines"] == len(lines) > 10
    assert trailer["commitments"] == {"kept": len(lines)}
    assert {"administrator.founded", "licence.issued"} <= {json.loads(line)["kind"] for line in lines}
    for name in ("refusals", "key-uses", "key-use-blocks", "seal-uses"):
        code, out, _ = vermilion(place, "audit", name)
        assert code == 0
    assert out  # the seal was used
