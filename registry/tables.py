"""All tables in one import, for migrations and for tests."""

from __future__ import annotations

from registry.agencies import tables as agencies
from registry.applicants import tables as applicants
from registry.archive import disposal_tables as disposal
from registry.archive import tables as archive
from registry.archive import transfer_tables as archive_transfers
from registry.attempts import tables as attempts
from registry.batches import tables as batches
from registry.console import tables as console
from registry.database import Base
from registry.delivery import tables as delivery
from registry.intake import exchange_tables as exchange
from registry.intake import joint_tables as joint
from registry.intake import material_tables as materials
from registry.intake import result_tables as results
from registry.intake import search_tables as matter_search
from registry.intake import tables as intake
from registry.licences import status_tables as status_lists
from registry.licences import tables as licences
from registry.log import tables as log
from registry.notices import tables as notices
from registry.oversight import tables as oversight
from registry.seals import outside_tables as outside
from registry.seals import tables as seals
from registry.uses import tables as uses
from registry.webhooks import tables as webhooks

metadata = Base.metadata

__all__ = [
    "agencies",
    "applicants",
    "archive",
    "archive_transfers",
    "attempts",
    "batches",
    "console",
    "delivery",
    "disposal",
    "exchange",
    "intake",
    "joint",
    "licences",
    "log",
    "materials",
    "matter_search",
    "metadata",
    "notices",
    "outside",
    "oversight",
    "results",
    "seals",
    "status_lists",
    "uses",
    "webhooks",
]
