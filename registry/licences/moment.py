"""When something is recorded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from registry.licences.examine import civil_day
from registry.ports import Ports


@dataclass(frozen=True, slots=True)
class Moment:
    now: datetime
    day: date  # the registry's civil day


def moment(ports: Ports) -> Moment:
    """Now. A rule asks under the lock of what it changes, so that events follow each other as they happened:
    a moment read before may lie before that of a change which was quicker to get the lock.
    """
    now = ports.clock()
    return Moment(now, civil_day(now, ports.settings.tz))
