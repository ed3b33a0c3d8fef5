"""The registry of `tests/registry` for each test."""

from __future__ import annotations

from tests.registry.conftest import clock, world, worlds

__all__ = ["clock", "world", "worlds"]
