"""A test world whose own type is a joint one: sealed by its agency, by another one, and once more by its own."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from registry.licences.publish import own_files, put_into_service
from registry.seals.trust import publish_trust_list
from tests.registry.issuing import request_body
from tests.registry.world import World
from tests.signing.forms import FOOD, added, edited

JOINT = "joint"
KINDS = ("special", "name")  # of places 2 and 3


@dataclass(frozen=True)
class Beside:
    """The seals at places 2 and 3: another agency's, and the own agency's second one."""

    seals: tuple[str, ...]
    authorisations: tuple[str, ...]


def joint_type(folder: Path, version: int = 2, places: int = 3) -> Path:
    """The food business licence with places for so many seals, as the folder of a type."""
    made = folder / FOOD.name
    made.mkdir()
    kinds = ", ".join(f'"{kind}"' for kind in KINDS[: places - 1])
    text = (FOOD / "type.toml").read_text(encoding="utf-8")
    text = text.replace("version = 1\n", f"version = {version}\n")
    text = text.replace('seal_kind = "special"\n', f'seal_kind = "special"\nco_seal_kinds = [{kinds}]\n')
    (made / "type.toml").write_text(text, encoding="utf-8")
    seals = [added(f"seal-{n}", 167.5 - 48 * (n - 2), 34, 45, 45) for n in range(2, places + 1)]
    (made / "face.pdf").write_bytes(edited(FOOD, *seals))
    return made


def seal_of_other(world: World, kind: str = "special") -> str:
    """An active seal of the other agency's."""
    code = str(world.decide(world.apply_for_seal("other-applicant", kind))["seal"])
    world.act("maker", f"/api/v1/seals/{code}/making", {}, 201)
    world.act("maker", f"/api/v1/seals/{code}/filing", {})
    world.act("other-keeper", f"/api/v1/seals/{code}/activation", {})
    return code


def authorise_beside(world: World, code: str, **changes: Any) -> str:
    """The other agency's keeper lets the own agency's system use their seal."""
    body = {
        "client_id": world.clients["system"].id,
        "type_code": world.type_code,
        "valid_from": world.today.isoformat(),
        "valid_to": (world.today + timedelta(days=365)).isoformat(),
        "daily_limit": 1000,
    }
    made = world.act("other-keeper", f"/api/v1/seals/{code}/authorisations", body | changes, 201)
    return str(made["id"])


def make_joint(world: World) -> None:
    """Version 2 of the own type wants three seals, which are there and may be used."""
    with tempfile.TemporaryDirectory() as folder, world.ports.database.transaction() as session:
        put_into_service(session, world.ports, world.system, own_files(joint_type(Path(folder))))
    other, name = seal_of_other(world), world.active_seal("name")
    world.beside = Beside((other, name), (authorise_beside(world, other), world.authorise(name)))
    publish_trust_list(world.ports)


def joint_body(world: World, **changes: Any) -> dict[str, Any]:
    assert world.beside is not None
    return request_body(world, **{"co_seals": list(world.beside.seals)} | changes)
