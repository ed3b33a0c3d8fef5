"""What an administrator and an agency's system do from a terminal, on a registry that runs."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from joserfc.jwk import ECKey
from PIL import Image
from sqlalchemy import text
from sqlalchemy.orm import Session

from keys.clock import system_clock
from keys.errors import Kind, VermilionError
from keys.trust_list import TrustList, read_trust_list
from registry.actor import Duty
from registry.cli import COMMANDS, cli
from registry.cli.jwk import read_jwk, read_person
from registry.cli.machine import Machine
from registry.client import ApiClient, Credential, new_person_key
from registry.database import Database
from registry.licences.lookup import current_trust_list
from registry.licences.tables import TypeVersion
from registry.sample_registry import SEAL_AUTHORITY, agency
from registry.samples import SampleAgency, sample_agencies, sample_matters, sample_types
from registry.samples.exchange import CONNECTOR
from registry.settings import Settings
from tests.administration import holder_of
from tests.cli.conftest import Run, person_file
from tests.hostile import json_bodies
from tests.services.places import Running
from tests.services.running import Place
from tests.signing import forms

GROUND = ("--reason", "inspection", "--legal-basis", "党政机关电子印章应用规范(样本)")


@contextmanager
def at(place: Place) -> Iterator[Machine]:
    """The registry of a place as a command has it."""
    settings = Settings(data=place.data)
    database = Database.open(settings.url)
    try:
        yield Machine(settings, database)
    finally:
        database.dispose()


def listed(place: Place) -> TrustList:
    """The trust list published last."""
    with at(place) as machine:
        return read_trust_list(current_trust_list(machine.database.read), at=system_clock())


def key_file(folder: Path) -> tuple[Path, dict[str, Any]]:
    """A public key in a file, and its private half."""
    private, public = new_person_key()
    path = folder / "key.json"
    path.write_text(json.dumps({"keys": [public]}))
    return path, private


def unknown_agency() -> SampleAgency:
    """An agency that the first start does not put on record."""
    return next(a for a in sample_agencies() if a.code not in {agency().code, SEAL_AUTHORITY})


def test_an_agency_its_person_and_its_client_are_put_on_record(
    vermilion: Run, place: Place, tmp_path: Path
) -> None:
    other = unknown_agency()
    names = ("--name-zh", other.name["zh"], "--name-en", other.name["en"], "--division", other.division)
    assert vermilion(place, "agency", "add", other.code, *names) == (0, f"{other.code}\n", "")
    code, _, err = vermilion(place, "agency", "add", other.code, *names, "--seal-authority")
    assert (code, err) == (1, "vermilion: the agency is on record, with other particulars\n")

    jwk, _private = key_file(tmp_path)
    who = ("--agency", other.code, "--name", "证照系统", "--jwk", jwk)
    code, out, _ = vermilion(place, "client", "add", *who, "--scope", "licence")
    assert code == 0
    assert len(out.strip()) == 32
    keeper = ("--agency", other.code, "--role", "keeper")
    file = person_file(tmp_path, read_jwk(jwk))
    code, _, err = vermilion(place, "person", "add", file, *keeper)
    assert (code, err) == (1, "vermilion: the key is on record already\n")
    file = person_file(tmp_path, ECKey.generate_key("P-256").as_dict(private=False))
    code, out, _ = vermilion(place, "person", "add", file, *keeper)
    assert code == 0
    shown = json.loads(vermilion(place, "agency", "show", other.code)[1])
    assert [(p["id"], p["roles"], p["active"]) for p in shown["people"]] == [(out.strip(), [], False)]
    assert [(c["scopes"], c["active"]) for c in shown["clients"]] == [([], False)]
    asked = [json.loads(row) for row in vermilion(place, "admin", "pending")[1].splitlines()]
    assert [row["asks"] for row in asked] == [{"scopes": ["licence"], "types": []}, {"roles": ["keeper"]}]
    client, person = ([row["id"], row["thumbprints"]] for row in asked)
    assert client[1] == [ECKey.import_key(read_jwk(jwk)).thumbprint()]
    both = [f"{client[0]}={client[1][0]}", f"{person[0]}={person[1][0]}"]
    unseen = "vermilion: the keys on record are not those named with the id\n"
    for swapped in (f"{person[0]}={client[1][0]}", f"{person[0]}={person[1][0]},{client[1][0]}", person[0]):
        assert vermilion(place, "admin", "approve", both[0], swapped) == (1, "", unseen)
    assert len(vermilion(place, "admin", "pending")[1].splitlines()) == 2
    assert vermilion(place, "admin", "approve", *both) == (0, "", "")
    assert vermilion(place, "admin", "pending") == (0, "", "")
    code, _, err = vermilion(place, "admin", "approve", out.strip())
    assert (code, err) == (1, "vermilion: this was decided before\n")
    shown = json.loads(vermilion(place, "agency", "show", other.code)[1])
    assert [(p["id"], p["roles"], p["active"]) for p in shown["people"]] == [(out.strip(), ["keeper"], True)]
    assert [c["scopes"] for c in shown["clients"]] == [["licence"]]
    assert [k["state"] for k in shown["qr_keys"]] == ["active"]


def test_an_agency_left_half_done_is_finished_by_the_same_command(vermilion: Run, place: Place) -> None:
    """A process that died after the record and before the key left an agency that could not issue."""
    from registry.agencies.rules import add_agency

    other = next(a for a in sample_agencies() if a.code not in {agency().code, SEAL_AUTHORITY})
    with at(place) as ports, ports.database.transaction() as session:
        add_agency(
            session,
            ports,
            holder_of(session, Duty.SYSTEM),
            code=other.code,
            name=other.name,
            division=other.division,
        )
    names = ("--name-zh", other.name["zh"], "--name-en", other.name["en"], "--division", other.division)
    before = listed(place)
    assert other.code not in before.agencies
    for _ in range(2):
        assert vermilion(place, "agency", "add", other.code, *names) == (0, f"{other.code}\n", "")
    after = listed(place)
    assert after.agencies[other.code] == other.name
    assert len([key for key in after.keys if key.agency == other.code]) == 1
    assert after.sequence == before.sequence + 1


def test_a_qr_key_is_given_and_an_old_one_retired(vermilion: Run, place: Place) -> None:
    (old,) = json.loads(vermilion(place, "agency", "show", agency().code)[1])["qr_keys"]
    code, out, _ = vermilion(place, "agency", "qr-key", "give", agency().code)
    assert code == 0
    assert vermilion(place, "key", "retire", old["id"], *GROUND) == (0, "", "")
    shown = json.loads(vermilion(place, "agency", "show", agency().code)[1])["qr_keys"]
    assert {key["id"]: key["state"] for key in shown} == {old["id"]: "retired", out.strip(): "active"}
    states = sorted(key.state for key in listed(place).keys if (key.use, key.agency) == ("qr", agency().code))
    assert states == ["active", "retired"]
    code, _, err = vermilion(place, "agency", "qr-key", "give", "11990100MB0101055X")
    assert (code, "no such agency" in err) == (1, True)


def test_connectors_are_checked_and_imported(vermilion: Run, place: Place, tmp_path: Path) -> None:
    assert vermilion(place, "connector", "check", CONNECTOR)[:2] == (0, "folder yunxi-exchange 1: 3\n")
    for _ in range(2):  # the same again changes nothing
        assert vermilion(place, "connector", "import", CONNECTOR)[:2] == (0, "yunxi-exchange 1\n")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text(CONNECTOR.read_text("utf-8").replace('code = "population"', 'code = "../etc"'), "utf-8")
    for command in ("check", "import"):
        code, out, err = vermilion(place, "connector", command, wrong)
        assert (code, out) == (1, "")
        assert "wrong.toml: data_set 2: code" in err
    code, out, _ = vermilion(place, "connector", "list")
    listed = json.loads(out)
    assert (code, listed["code"], listed["kind"]) == (0, "yunxi-exchange", "folder")
    assert [one["code"] for one in listed["data_sets"]] == [
        "business-registration",
        "population",
        "education",
    ]
    secret = tmp_path / "secret"
    secret.write_bytes(b"a secret of an exchange platform: 01\n")
    words = ("connector", "secret", "yunxi-exchange", secret, "--key-id", "yunxi-1")
    secret.chmod(0o644)
    code, _, err = vermilion(place, *words)
    assert (code, "make it 0600" in err) == (1, True)
    secret.chmod(0o600)
    assert vermilion(place, *words)[:2] == (0, "")


def test_lists_of_matters_are_checked_and_imported(vermilion: Run, place: Place, tmp_path: Path) -> None:
    catalogue, *lists = sample_matters()
    food = next(path for path in lists if path.name == "food-business-licence.toml")
    assert vermilion(place, "matter", "check", food)[:2] == (0, "implementation yangben-food 1: 1\n")
    assert vermilion(place, "matter", "import", catalogue)[:2] == (0, "yunxi-catalogue 1\n")
    for _ in range(2):
        assert vermilion(place, "matter", "import", food)[:2] == (0, "yangben-food 1\n")
    late = tmp_path / "late.toml"
    late.write_text(
        food.read_text("utf-8").replace("committed = { days = 5,", "committed = { days = 99,"), "utf-8"
    )
    for command in ("check", "import"):
        code, out, err = vermilion(place, "matter", command, late)
        assert (code, out) == (1, "")
        assert "late.toml: matter 1: committed may not be longer than the statutory limit" in err
    code, out, _ = vermilion(place, "matter", "list")
    assert {json.loads(line)["code"] for line in out.splitlines()} >= {"yangben-food", "yunxi-catalogue"}


def test_a_type_is_imported_published_withdrawn_and_published_again(
    vermilion: Run, place: Place, tmp_path: Path
) -> None:
    source = next(path for path in sample_types() if path.name == agency().types[0])
    folder = tmp_path / source.name
    shutil.copytree(source, folder)
    text = (folder / "type.toml").read_text("utf-8")
    (folder / "type.toml").write_text(text.replace("\nversion = 1\n", "\nversion = 2\n"), "utf-8")
    code, out, err = vermilion(place, "type", "import", folder)
    type_code = out.partition(" ")[0]
    assert (code, out, err) == (0, f"{type_code} 2\n", "")
    for command, state in (
        ("import", "draft"), ("publish", "published"), ("withdraw", "withdrawn"), ("publish", "published"),
    ):  # fmt: skip
        target = (folder,) if command == "import" else (type_code, 2)
        ground = GROUND if command == "withdraw" else ()
        assert vermilion(place, "type", command, *target, *ground)[0] == 0
        with at(place) as ports, Session(ports.database.read) as session:
            assert session.get_one(TypeVersion, (type_code, 2)).state == state
    for command in ("publish", "withdraw"):
        ground = GROUND if command == "withdraw" else ()
        assert vermilion(place, "type", command, type_code, 7, *ground)[0] == 1


def test_a_face_that_cannot_serve_is_refused_with_every_fault(
    vermilion: Run, place: Place, tmp_path: Path
) -> None:
    folder = tmp_path / forms.FOOD.name
    shutil.copytree(forms.FOOD, folder)
    (folder / "face.pdf").write_bytes(
        forms.edited(forms.FOOD, forms.removed("lookup_code"), forms.moved("qr", 260, 86, 50, 50))
    )
    picture = tmp_path / "picture.png"
    for command in (("type", "import", folder), ("type", "preview", folder, picture)):
        code, out, err = vermilion(place, *command)
        assert (code, out) == (1, "")
        assert "  /face.pdf/1/qr: page 1, field qr, at 260.0 x 86.0 mm: leaves the page" in err
        assert "  /face.pdf/lookup_code: field lookup_code: has no place on the face" in err
    assert not picture.exists()


def test_a_preview_is_a_picture_and_leaves_no_trace(vermilion: Run, place: Place, tmp_path: Path) -> None:
    before = listed(place).sequence
    picture = tmp_path / "picture.png"
    code, out, err = vermilion(place, "type", "preview", forms.TEACHER, picture)
    assert (code, out) == (0, "")
    assert re.fullmatch(r"holder_name: room for [0-9]+ characters of any width\n", err)
    with Image.open(picture) as image:
        assert (image.format, image.size) == ("PNG", (1754, 1241))
    assert listed(place).sequence == before


def test_a_client_entitled_from_the_terminal_is_named_in_the_trust_list(vermilion: Run, place: Place) -> None:
    other = "11990000MB0001011X009"  # of a type that is not published yet
    shown = json.loads(vermilion(place, "agency", "show", agency().code)[1])
    client = shown["clients"][0]["id"]
    assert vermilion(place, "client", "entitle", client, other) == (0, "", "")
    mine = [key for key in listed(place).keys if (key.use, key.agency) == ("qr", agency().code)]
    assert mine
    assert all(other in key.types for key in mine)
    code, _, err = vermilion(place, "client", "entitle", client, "x")
    assert (code, "/type: " in err) == (1, True)


@pytest.mark.parametrize(
    ("ground", "option"),
    [
        (("--reason", "Two words", "--legal-basis", "样本"), "--reason"),
        (("--reason", "left", "--legal-basis", "样\n本"), "--legal-basis"),
        (("--reason", "left", "--legal-basis", ""), "--legal-basis"),
    ],
    ids=["reason", "line end", "empty"],
)
def test_a_ground_is_one_that_the_log_can_hold(
    vermilion: Run, place: Place, ground: tuple[str, ...], option: str
) -> None:
    shown = json.loads(vermilion(place, "agency", "show", agency().code)[1])
    code, _, err = vermilion(place, "person", "disable", shown["people"][0]["id"], *ground)
    assert code == 1
    assert err.startswith(f"vermilion: {option}: ")
    again = json.loads(vermilion(place, "agency", "show", agency().code)[1])
    assert all(person["active"] for person in again["people"])


def test_without_a_registry_nothing_is_made_and_one_line_says_so(
    vermilion: Run, empty_place: Place, tmp_path: Path
) -> None:
    jwk, private = key_file(tmp_path)
    who = ("--agency", agency().code, "--name", "x", "--jwk", jwk)
    empty_place.data.mkdir()
    (tmp_path / "admin.key").write_text(json.dumps(private))
    (tmp_path / "admin.key").chmod(0o600)
    acting = ("--as", "0" * 32, "--key", tmp_path / "admin.key")
    keeper = ("--agency", agency().code, "--role", "keeper")
    for command in (
        ("person", "add", person_file(tmp_path, {}), *keeper, *acting),
        ("client", "add", *who, "--scope", "licence", *acting),
        ("agency", "show", agency().code),
        ("fsck",),
    ):
        code, out, err = vermilion(empty_place, *command)
        assert (code, out) == (1, "")
        assert err.startswith("vermilion: there is no registry here")
    assert list(empty_place.data.iterdir()) == []


def test_tables_of_another_version_are_not_written_to(vermilion: Run, place: Place, tmp_path: Path) -> None:
    with at(place) as machine, machine.database.transaction() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    keeper = ("--agency", agency().code, "--role", "keeper")
    code, _, err = vermilion(place, "person", "add", person_file(tmp_path, {}), *keeper)
    assert code == 1
    assert err.startswith("vermilion: the database's schema is of another version")


def test_a_key_and_a_credential_are_made_for_their_owner_alone(vermilion: Run, tmp_path: Path) -> None:
    for name in ("system", "keeper"):
        code, out, err = vermilion(None, "credential", "key", tmp_path / f"{name}.key")
        assert (code, err) == (0, "")
        assert "d" not in json.loads(out)
        assert json.loads((tmp_path / f"{name}.key").read_text())["x"] == json.loads(out)["x"]
    keys = ("--client-key", tmp_path / "system.key", "--person-key", tmp_path / "keeper.key")
    ids = ("--api", "http://localhost:8800", "--client", "1" * 32, "--person", "2" * 32)
    target = tmp_path / "keeper.json"
    assert vermilion(None, "credential", "file", target, *ids, *keys) == (0, "", "")
    credential = Credential.load(target)
    assert (credential.client_id, credential.person_id) == ("1" * 32, "2" * 32)
    for path in tmp_path.iterdir():
        assert path.stat().st_mode & 0o777 == 0o600
    before = target.read_bytes()
    for again in (("key", target), ("file", target, *ids, *keys)):
        code, _, err = vermilion(None, "credential", *again)
        assert (code, err) == (1, f"vermilion: {target}: File exists\n")
    assert target.read_bytes() == before
    alone = ("--client-key", tmp_path / "system.key", "--person", "2" * 32)
    code, _, _ = vermilion(None, "credential", "file", tmp_path / "x.json", *ids[:4], *alone)
    assert code == 64
    (tmp_path / "public.jwk").write_text(out)
    swapped = ("--client-key", tmp_path / "public.jwk")
    code, _, err = vermilion(None, "credential", "file", tmp_path / "x.json", *ids[:4], *swapped)
    assert (code, "holds no private key" in err) == (1, True)


def test_bad_input_is_named(vermilion: Run, place: Place, tmp_path: Path) -> None:
    jwk, private = key_file(tmp_path)
    who = ("--agency", agency().code, "--name", "x", "--jwk", jwk)
    code, _, err = vermilion(place, "client", "add", *who, "--scope", "everything")
    assert (code, "/scopes" in err) == (1, True)
    person = ("person", "add", person_file(tmp_path, read_jwk(jwk)))
    code, _, err = vermilion(place, *person, "--agency", agency().code, "--role", "king")
    assert (code, "/roles" in err) == (1, True)
    nobody = ("--agency", unknown_agency().code, "--name", "x", "--jwk", jwk)
    for command in (
        ("client", "add", *nobody, "--scope", "licence"),
        (*person, *nobody[:2], "--role", "keeper"),
    ):
        code, _, err = vermilion(place, *command)
        assert (code, err) == (1, "vermilion: no such agency\n  /agency: no such agency\n")
    jwk.write_text(json.dumps(private))
    code, _, err = vermilion(place, "client", "add", *who, "--scope", "licence")
    assert code == 1
    assert "private key" in err
    assert private["d"] not in err
    jwk.write_text("[" * 100_000)
    code, _, err = vermilion(place, "client", "add", *who, "--scope", "licence")
    assert (code, err.startswith(f"vermilion: {jwk} is not JSON: ")) == (1, True)
    code, _, err = vermilion(
        place, "agency", "add", "911", "--name-zh", "x", "--name-en", "x", "--division", "1"
    )
    assert code == 1
    assert err.startswith("vermilion: ")
    assert "\n  /code: " in err


def test_no_file_with_a_key_is_a_defect(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("keys") / "key.json"
    _private, public = new_person_key()

    @given(json_bodies(public) | json_bodies({"keys": [public]}))
    def read(content: bytes) -> None:
        path.write_bytes(content)
        try:
            assert isinstance(read_jwk(path), dict)
        except VermilionError as error:
            assert error.kind is Kind.MALFORMED

    read()


def test_no_file_with_a_person_is_a_defect(tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("people") / "person.json"
    _private, public = new_person_key()

    @given(json_bodies({"name": "样本人员", "jwk": public}))
    def read(content: bytes) -> None:
        path.write_bytes(content)
        try:
            name, jwk = read_person(path)
        except VermilionError as error:
            assert error.kind is Kind.MALFORMED
        else:
            assert (type(name), type(jwk)) == (str, dict)

    read()


def test_a_client_added_from_the_terminal_gets_a_token(
    vermilion: Run, again: Running, tmp_path: Path
) -> None:
    jwk, private = key_file(tmp_path)
    who = ("--agency", agency().code, "--name", "second system", "--jwk", jwk, "--scope", "licence")
    code, out, _ = vermilion(again.place, "client", "add", *who)
    assert code == 0
    api = ApiClient(Credential(again.place.api, out.strip(), private))
    with pytest.raises(VermilionError, match="no token: invalid_client"):
        api.get("/api/v1/agencies/self")
    assert vermilion(
        again.place, "admin", "approve", f"{out.strip()}={ECKey.import_key(private).thumbprint()}"
    ) == (0, "", "")
    assert api.get("/api/v1/agencies/self").expect(200).json()
    assert vermilion(again.place, "client", "disable", out.strip(), *GROUND) == (0, "", "")
    assert api.get("/api/v1/agencies/self").status == 401
    assert vermilion(again.place, "client", "enable", out.strip(), *GROUND) == (0, "", "")
    assert api.get("/api/v1/agencies/self").status == 200


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
    from registry.cli.run import SAMPLE_KEYS

    saved = _with_address(again.place.data / "credentials" / "agency-system.json", again.place.api, tmp_path)
    request = again.place.data / "sample" / "request.json"
    target = tmp_path / "licence.pdf"
    code, out, err = vermilion(
        None, "issue", request, "--credential", saved, "--idempotency-key", SAMPLE_KEYS[0], "--save", target
    )
    assert (code, err) == (0, "")
    assert json.loads(out)["document"]["sha256"]
    assert target.read_bytes() == (again.place.data / "sample" / "licence.pdf").read_bytes()


def test_a_permit_is_valid_from_the_day_that_it_prints(
    vermilion: Run, again: Running, tmp_path: Path
) -> None:
    credential = again.place.data / "credentials" / "transport-agency-system.json"
    saved = _with_address(credential, again.place.api, tmp_path)
    body = json.loads((again.place.data / "sample" / "permit-request.json").read_bytes())
    body["number"] = "990102000099"
    body["fields"]["valid_from"] = "2027-02-01"
    request = tmp_path / "permit.json"

    def asked(**more: str) -> tuple[int, str, str]:
        request.write_text(json.dumps(body | more))
        return vermilion(None, "issue", request, "--credential", saved, "--dry-run")

    for more in ({}, {"valid_from": "2027-02-01"}):
        code, out, err = asked(**more)
        assert (code, err) == (0, "")
        assert json.loads(out)["valid_from"] == "2027-02-01"
    code, _, err = asked(valid_from="2027-02-02")
    assert (code, "/valid_from: it is another day than the one to be printed" in err) == (1, True)


def test_a_whole_registry_has_no_findings(vermilion: Run, place: Place) -> None:
    code, out, _ = vermilion(place, "fsck")
    assert (code, out) == (0, "0 findings\n")


def test_no_option_takes_a_secret() -> None:
    """Arguments are seen by every user of the machine: secrets come from files."""
    import click

    def options(command: click.Command) -> list[str]:
        found = [name for p in command.params if not getattr(p, "is_flag", False) for name in p.opts]
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
