"""New keys for what is at rest: an administrator's act, and on record as one."""

from __future__ import annotations

from registry.actor import Administrator, Duty
from registry.agencies.administrators import in_office
from registry.licences.outage import database_errors
from registry.log.rules import Ground, record_event
from registry.ports import Ports


def renew_data_keys(ports: Ports, admin: Administrator, ground: Ground) -> str:
    """See `registry.vault.Vault.renew`; the new wrapping key's id. Raises VermilionError, FORBIDDEN too."""
    with database_errors(), ports.database.transaction() as session:
        in_office(session, admin, Duty.SYSTEM)
        record_event(
            session,
            kind="data_keys.renewal",
            subject_kind="registry",
            subject="data keys",
            ground=ground,
            actor=admin,
            now=ports.clock(),
            random=ports.random,
            detail={},
        )
    return ports.vault.renew(ports.clock)
