"""What the routes stand on: one object an application, made once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import current_app

from keys.clock import Clock
from registry.body_slots import BodySlots
from registry.settings import Settings
from signing.live import Alarm, LiveRegistry
from signing.validator import Validator
from verify_web.figures import CheckCounter
from verify_web.limits import TypedLimits
from verify_web.metrics import Metrics
from verify_web.scans import ScanCounter
from verify_web.source import Relying, Results, StatusLists, Types
from verify_web.store import Store
from verify_web.trust import TrustSource


@dataclass(frozen=True, slots=True)
class Site:
    settings: Settings
    clock: Clock
    live: LiveRegistry
    types: Types
    trust: TrustSource
    status_lists: StatusLists
    results: Results
    store: Store
    alarm: Alarm
    limits: TypedLimits
    scans: ScanCounter
    figures: CheckCounter
    metrics: Metrics
    bodies: BodySlots
    validator: Validator | None  # None: files are not explained
    relying: Relying | None = None
    figures_secret: bytes | None = None  # SHA-256 of what whoever reads sums from elsewhere shows


def site() -> Site:
    """Of the application that serves the present request."""
    return cast(Site, current_app.extensions["site"])
