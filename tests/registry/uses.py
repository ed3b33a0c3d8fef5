"""One use of a seal, as issuing draws it for a group of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from keys.custodian import KeyRef
from registry.seals.use import Use, draw_uses, limit_used_up, usable_seal
from tests.registry.world import World


@dataclass(frozen=True)
class Drawn:
    """A use, and the seal it is of."""

    use: Use
    state_version: int
    key: KeyRef

    @property
    def seal_edition_id(self) -> str:
        return self.use.seal_edition_id

    @property
    def authorisation_id(self) -> str:
        return self.use.authorisation_id


def draw_use(session: Session, world: World, intent_id: str = "a" * 32, **changes: Any) -> Drawn:
    """The world's own seal for its own type, today; `changes` replace what is asked. Raises VermilionError."""
    wanted: dict[str, Any] = {
        "seal_code": world.seal_code, "client_id": world.clients["system"].id,
        "agency_code": world.codes["own"], "type_code": world.type_code, "seal_kind": "special",
        "day": world.today, "now": world.ports.clock(),
    }  # fmt: skip
    wanted |= changes
    usable = usable_seal(session, **wanted)
    uses = draw_uses(session, usable, wanted["day"], [intent_id])
    if not uses:
        raise limit_used_up()
    return Drawn(uses[0], usable.state_version, usable.key)
