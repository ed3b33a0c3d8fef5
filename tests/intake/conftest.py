"""The registry of `tests/registry/world.py`, for what stands on the database."""

from __future__ import annotations

from tests.registry.conftest import clock, world, worlds

__all__ = ["clock", "world", "worlds"]
