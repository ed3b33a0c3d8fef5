"""What an administrator and an agency's system do from a terminal, on a registry that runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey

from registry.cli import COMMANDS, cli
from registry.client import ApiClient, Credential, new_person_key
from registry.sample_registry import SEAL_AUTHORITY, agency
from registry.samples import sample_agencies
from tests.cli.conftest import Run
from tests.services.conftest import Running
from tests.services.running import Place


def key_file(folder: Path) -> tuple[Path, dict[str, Any]]:
    """A public key in a file, and its private half."""
    private, public = new_person_key()
    path = folder / "key.json"
    path.write_text(json.dumps({"keys": [public]}))
    return path, private


def test_an_agency_its_person_and_its_client_are_put_on_record(
    vermilion: Run, place: Place, tmp_path: Path
) -> None:
    other = next(a for a in sample_agencies() if a.code not in {agency().code, SEAL_AUTHORITY})
    names = ("--name-zh", other.name["zh"], "--name-en", other.name["en"], "--division", other.division)
    assert vermilion(place, "agency", "add", other.code, *names) == (0, f"{other.code}\n", "")
    code, _, err = vermilion(place, "agency", "add", other.code, *names)
    assert (code, err) == (1, "vermilion: the agency is on record\n")

    jwk, _private = key_file(tmp_path)
    who = ("--agency", other.code, "--name", "证照系统", "--jwk", jwk)
    code, out, _ = vermilion(place, "client", "add", *who, "--scope", "licence")
    assert code == 0
    assert len(out.strip()) == 32
    code, _, err = vermilion(place, "person", "add", *who, "--role", "keeper")
    assert (code, err) == (1, "vermilion: the key is on record already\n")
    jwk.write_text(json.dumps(ECKey.generate_key("P-256").as_dict(private=False)))
    assert vermilion(place, "person", "add", *who, "--role", "keeper")[0] == 0


def test_bad_input_is_named(vermilion: Run, place: Place, tmp_path: Path) -> None:
    jwk, private = key_file(tmp_path)
    who = ("--agency", agency().code, "--name", "x", "--jwk", jwk)
    code, _, err = vermilion(place, "client", "add", *who, "--scope", "everything")
    assert (code, "/scopes" in err) == (1, True)
    code, _, err = vermilion(place, "person", "add", *who, "--role", "king")
    assert (code, "/roles" in err) == (1, True)
    jwk.write_text(json.dumps(private))
    code, _, err = vermilion(place, "client", "add", *who, "--scope", "licence")
    assert code == 1
    assert "private key" in err
    assert private["d"] not in err
    jwk.write_text("[" * 100_000)
    code, _, err = vermilion(place, "client", "add", *who, "--scope", "licence")
    assert (code, err) == (1, f"vermilion: {jwk} is not JSON\n")
    code, _, err = vermilion(
        place, "agency", "add", "911", "--name-zh", "x", "--name-en", "x", "--division", "1"
    )
    assert code == 1
    assert err.startswith("vermilion: ")


def test_a_client_added_from_the_terminal_gets_a_token(
    vermilion: Run, again: Running, tmp_path: Path
) -> None:
    jwk, private = key_file(tmp_path)
    who = ("--agency", agency().code, "--name", "second system", "--jwk", jwk, "--scope", "licence")
    code, out, _ = vermilion(again.place, "client", "add", *who)
    assert code == 0
    api = ApiClient(Credential(again.place.api, out.strip(), private))
    assert api.get("/api/v1/agencies/self").expect(200).json()


def test_issue_names_each_fault_by_its_pointer(vermilion: Run, again: Running, tmp_path: Path) -> None:
    sample = json.loads((again.place.data / "sample" / "request.json").read_bytes())
    request = tmp_path / "request.json"
    credential = again.place.data / "credentials" / "agency-system.json"
    bad = sample | {"fields": sample["fields"] | {"uscc": "91990100MA00000000", "valid_to": "2026-02-30"}}
    request.write_text(json.dumps(bad))
    saved = _with_address(credential, again.place.api, tmp_path)
    code, out, err = vermilion(None, "issue", request, "--credential", saved, "--dry-run")
    assert (code, out) == (1, "")
    assert err.count("\n  /fields/") >= 2, err
    for content in (b"{", b"[]", b"\xff"):
        request.write_bytes(content)
        code, _, err = vermilion(None, "issue", request, "--credential", saved)
        assert (code, err.startswith(f"vermilion: {request} is not ")) == (1, True)


def _with_address(credential: Path, api: str, folder: Path) -> Path:
    value = json.loads(credential.read_bytes()) | {"api": api}
    path = folder / "credential.json"
    path.write_text(json.dumps(value))
    return path


def test_issue_says_where_the_licence_is(vermilion: Run, again: Running, tmp_path: Path) -> None:
    """The sample's own request under its own key: the same licence comes back, and its file."""
    from registry.cli.run import SAMPLE_KEY

    saved = _with_address(again.place.data / "credentials" / "agency-system.json", again.place.api, tmp_path)
    request = again.place.data / "sample" / "request.json"
    target = tmp_path / "licence.pdf"
    code, out, err = vermilion(
        None, "issue", request, "--credential", saved, "--idempotency-key", SAMPLE_KEY, "--save", target
    )
    assert (code, err) == (0, "")
    assert json.loads(out)["document"]["sha256"]
    assert target.read_bytes() == (again.place.data / "sample" / "licence.pdf").read_bytes()


def test_a_whole_registry_has_no_findings(vermilion: Run, place: Place) -> None:
    code, out, _ = vermilion(place, "fsck")
    assert (code, out) == (0, "0 findings\n")


def test_no_option_takes_a_secret() -> None:
    """Arguments are seen by every user of the machine: secrets come from files."""
    import click

    def options(command: click.Command) -> list[str]:
        found = [name for p in command.params for name in p.opts]
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in command.list_commands(context):
                inner = command.get_command(context, name)
                assert inner is not None
                found += options(inner)
        return found

    names = options(cli)
    assert len(names) > len(COMMANDS)
    assert not [n for n in names if any(word in n for word in ("secret", "pass", "token", "private"))]
