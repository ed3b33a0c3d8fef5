"""A sandbox for the tests of this folder: a registry of the samples, which may call receivers on this machine."""

from __future__ import annotations

from tests.conform.sandboxes import sandbox
from tests.services.places import first_start

__all__ = ["first_start", "sandbox"]
