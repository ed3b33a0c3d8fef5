"""docker-compose.yml: valid by the Compose schema, and as closed as its comments say."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from registry.cli import COMMANDS
from registry.settings import Settings
from tests.postgres import DURABLE

ROOT = Path(__file__).parents[2]
SCHEMA: dict[str, Any] = json.loads(
    (resources.files("check_jsonschema") / "builtin_schemas/vendor/compose-spec.json").read_text()
)


@pytest.fixture
def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return document


def faults(document: dict[str, Any]) -> list[str]:
    validator = jsonschema.validators.validator_for(SCHEMA)
    return [error.message for error in validator(SCHEMA).iter_errors(document)]


def test_it_is_valid_by_the_compose_schema(compose: dict[str, Any]) -> None:
    assert faults(compose) == []


def test_the_schema_refuses_what_compose_does_not_know(compose: dict[str, Any]) -> None:
    compose["services"]["api"]["read_onyl"] = True
    assert faults(compose)


def test_every_service_is_confined(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        user = service["user"].partition(":")[0]
        assert user.isdigit(), name
        assert int(user) > 0, name
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["tmpfs"], name
        assert not service.get("privileged"), name


def test_what_stays_up_says_how_it_is(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        if service["restart"] == "no":
            continue
        check = service["healthcheck"]["test"]
        assert check[0] == "CMD", name
        if name == "signer":
            assert service["environment"]["VERMILION_SIGNER_SOCKET"] in check[-1]
        elif name != "postgres":
            port = service["ports"][0].rpartition(":")[2]
            assert f":{port}/livez" in check[-1], name


def test_no_secret_stands_in_the_file(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        for variable, value in service.get("environment", {}).items():
            assert "PASSWORD" not in variable or value.startswith("/run/secrets/"), name
            assert ":" not in value.partition("://")[2].partition("@")[0] or "@" not in value, name
    for secret in compose["secrets"].values():
        assert secret["file"].startswith("./var/secrets/")  # ignored by git


def test_the_public_site_sees_no_key_and_no_owner(compose: dict[str, Any]) -> None:
    public = compose["services"]["public"]
    assert public["volumes"] == ["public:/var/lib/vermilion-public", "signer:/run/vermilion-signer:ro"]
    assert public["user"] not in {
        compose["services"][name]["user"] for name in ("api", "signer", "authority")
    }
    assert public["secrets"] == ["public_pgpass", "figures"]  # the latter opens sums of checks, its own
    assert "vermilion_owner" not in json.dumps(public)
    assert "data:/var/lib/vermilion" in compose["services"]["api"]["volumes"]


def test_the_authority_has_a_role_that_changes_no_status(compose: dict[str, Any]) -> None:
    authority = compose["services"]["authority"]
    assert authority["environment"]["VERMILION_DATABASE_URL"].startswith(
        "postgresql+psycopg://vermilion_authority@"
    )
    assert authority["secrets"] == ["authority_pgpass"]
    assert "vermilion_owner" not in json.dumps(authority)


def test_the_signer_alone_holds_keys_and_is_nobody_else(compose: dict[str, Any]) -> None:
    signer = compose["services"]["signer"]
    socket = Path(signer["environment"]["VERMILION_SIGNER_SOCKET"])
    for name, service in compose["services"].items():
        mounted = {volume.split(":")[0] for volume in service.get("volumes", [])}
        assert ("keys" in mounted) == (name == "signer"), name
        assert ("passphrase" in service["secrets"]) == (name == "signer"), name
        assert ("signer" in mounted) == (name in ("signer", "api", "authority", "public")), name
        if name != "signer":
            assert service["user"] != signer["user"], name
    entries = signer["environment"]["VERMILION_SIGNER_CALLERS"].split(";")
    callers = dict(entry.split("=") for entry in entries)
    public = compose["services"]["public"]
    assert public["environment"]["VERMILION_RECEIPT_SOCKET"] == str(socket)
    assert callers.pop(public["user"].partition(":")[0]) == "receipt:signed-answer"
    for name in ("api", "authority"):
        asking = compose["services"][name]
        assert asking["environment"]["VERMILION_SIGNER_SOCKET"] == str(socket)
        assert f"signer:{socket.parent}:ro" in asking["volumes"]
        assert set(callers) == {asking["user"].partition(":")[0]}
    assert "vermilion_owner" not in json.dumps(signer)
    assert "ports" not in signer
    assert signer["networks"] == ["record"]


def test_the_database_is_not_reached_from_outside(compose: dict[str, Any]) -> None:
    assert compose["networks"]["record"]["internal"] is True
    assert compose["services"]["postgres"]["networks"] == ["record"]
    assert "ports" not in compose["services"]["postgres"]


def test_what_is_measured_is_as_it_is_deployed(compose: dict[str, Any]) -> None:
    program, *settings = compose["services"]["postgres"]["command"]
    assert program == "postgres"
    assert settings == ["-c", f"shared_buffers={DURABLE['shared_buffers']}"]


def test_commands_and_settings_exist(compose: dict[str, Any]) -> None:
    settings = {f"VERMILION_{name.upper()}" for name in Settings.model_fields} | {"VERMILION_PGPASS"}
    for service in compose["services"].values():
        if service["image"].startswith("vermilion:"):
            assert service["command"][0] in COMMANDS
            assert set(service["environment"]) <= settings
